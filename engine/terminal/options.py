"""The arguments and options that several commands take, each with its help; those of packs' settings among them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from functools import cache, cached_property, update_wrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import OptionInfo

from weft.engine.schema.packs import Packs
from weft.engine.settings import Setting
from weft.engine.terminal import completing

WorkflowArgument = Annotated[
    str,
    typer.Argument(
        metavar="WORKFLOW",
        help="A saved workflow: the editor's own save, an API export, or a picture, video or sound (PNG, WebP, JPEG, "
        "MP4, WebM, FLAC, MP3, Ogg) that carries one; - reads standard input.",
    ),
]
WorkflowsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="WORKFLOW...",
        help="Saved workflows: the editor's own save, an API export, or a picture, video or sound (PNG, WebP, JPEG, "
        "MP4, WebM, FLAC, MP3, Ogg) that carries one; - reads standard input. Several share what they have in common, "
        "such as a loaded checkpoint.",
    ),
]
FilesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Saved workflows: the editor's own save, an API export, or a picture, video or sound that carries one; "
        "- reads standard input. Of a folder every .json file in it and below that holds a workflow, but for what is "
        "in hidden folders and node_modules.",
    ),
]
SkipOthersOption = Annotated[
    bool,
    typer.Option(
        "--skip-others",
        help="Skip files that hold no workflow also where they are named, as pre-commit names every .json file.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NODE.INPUT=VALUE",
        autocompletion=completing.inputs,
        help="Give an input another value; may be repeated. NODE is an id, a title or a class_type; "
        "'KSampler (Advanced)#2' is the second of its name. The value is read as the input's type. An input file "
        "(LoadImage) may be a path to anywhere.",
    ),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="NODE",
        autocompletion=completing.nodes,
        help="Run this node and what it depends on, and no other output; may be repeated. What is wrong with the rest, "
        "such as a class that is not here, does not matter. Not with --target.",
    ),
]
BypassOption = Annotated[
    list[str] | None,
    typer.Option(
        "--bypass",
        metavar="NODE",
        autocompletion=completing.nodes,
        help="Bypass this node, as Ctrl-B in the editor: what comes in goes on where the types agree; may be repeated.",
    ),
]
MuteOption = Annotated[
    list[str] | None,
    typer.Option(
        "--mute",
        metavar="NODE",
        autocompletion=completing.nodes,
        help="Mute this node, as Ctrl-M in the editor: it does not run, and what needs it lacks it; may be repeated.",
    ),
]
ModelsOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="A folder with checkpoints/, loras/, vae/, embeddings/, ...; may be repeated, the first one is searched "
        "first. An extra_model_paths.yaml in it or beside it is read. Environment: WEFT_MODELS.",
        show_default="./models",
    ),
]
InputOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="The folder of input files (LoadImage, LoadLatent, ...). Environment: WEFT_INPUT.",
        show_default="./input",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        file_okay=False,
        help="The folder that files are written to; made when it is needed. Environment: WEFT_OUTPUT.",
        show_default="./output",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        autocompletion=completing.of(completing.DEVICES),
        help="auto (a GPU where there is one), cpu, cuda or cuda:N. Environment: WEFT_DEVICE.",
        show_default="auto",
    ),
]
DtypeOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        autocompletion=completing.of(completing.DTYPES),
        help="auto, float32, float16 or bfloat16. Environment: WEFT_DTYPE.",
        show_default="auto",
    ),
]
TargetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="NODE",
        autocompletion=completing.nodes,
        help="Run this node too, although no output node asks for it; may be repeated. NODE as in --set.",
    ),
]
SeedOption = Annotated[
    str | None,
    typer.Option(
        "--seed",
        metavar="SEED",
        autocompletion=completing.of(completing.SEEDS),
        help="What every seed is, and what becomes of it in the further runs of -n: a number, which counts up; random, "
        "drawn for each run; increment, decrement or fixed. A seed given by --set stays. Dynamic prompts, {cat|dog} in "
        "an editor's save, are drawn in further runs; with random in the first one too.",
    ),
]
UiOption = Annotated[
    bool,
    typer.Option("--ui", help="Where a picture carries both, take the editor's workflow, not the prompt that ran."),
]
ObjectInfoOption = Annotated[
    Path | None,
    typer.Option(
        "--object-info",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="What a real ComfyUI answers to GET /object_info: describes node classes that are not here.",
    ),
]
CacheOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        file_okay=False,
        help="Where what is computed is kept: what was computed before, by any command, is taken from there. May be "
        "repeated: the first folder is written to, the others are only read. Environment: WEFT_CACHE.",
        show_default="~/.cache/weft",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="An object store, or any place that fsspec opens, in which several machines share what is computed: "
        "s3://bucket/weft, file:///shared/weft. It is asked for what --cache has not, and nothing is removed there.",
    ),
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Compute everything, and keep nothing of it.")]
KeepAliveOption = Annotated[
    float | None,
    typer.Option(
        "--keep-alive",
        metavar="MINUTES",
        help="Leave a worker for so long after the run, with what it has loaded: the next weft run with the same "
        "settings is carried out there, and sets out at once. 0 runs without one. Environment: WEFT_KEEP_ALIVE.",
        show_default="no worker is left; one that is there is used",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout, also for an error.")]
EventsOption = Annotated[
    bool,
    typer.Option(
        "--events",
        help="Write every event as one line of JSON to stdout as it happens (NDJSON), and no progress to stderr. "
        "After an error the last line is an Error event.",
    ),
]
CustomNodesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--custom-nodes",
        metavar="DIR",
        help="A custom_nodes folder of packs for ComfyUI, one pack of it, or an extra_model_paths.yaml that names "
        "some; may be repeated. Their code runs: none is there unless you name it. Environment: WEFT_CUSTOM_NODES.",
        show_default="none",
    ),
]
NodesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--nodes",
        metavar="FILE.py",
        help="A file with nodes of your own: @node functions, V1 or V3 classes; may be repeated. "
        "Environment: WEFT_NODES.",
        show_default="none",
    ),
]
TrustOption = Annotated[
    bool | None,
    typer.Option(
        "--trust-custom-nodes/--no-trust-custom-nodes",
        help="Let packs start processes and open connections while they are imported. "
        "Environment: WEFT_TRUST_CUSTOM_NODES.",
        show_default="no-trust-custom-nodes",
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Run on a cluster of Ray, one thing at a time on each of its GPUs (or CPUs); `local` starts one here. All "
        "machines see the folders of models, input, output and cache.",
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", metavar="N", min=1, help="With --ray: at most so many at once.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Nothing but errors on stderr; stdout is as it would be.")
]


PLACES: Mapping[str, Any] = {
    "models": ModelsOption,
    "input": InputOption,
    "output": OutputOption,
    "device": DeviceOption,
    "dtype": DtypeOption,
}
"""The settings that say where a command's files are and what computes, and their options."""

CODE: Mapping[str, Any] = {
    "custom_nodes": CustomNodesOption,
    "nodes": NodesOption,
    "trust_custom_nodes": TrustOption,
}
"""The settings that say whose code a command runs beside Weft's, and their options."""


def taking_settings(
    command: str, *places: str, before: str, switches_before: str = ""
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each setting of a pack that has one for `command`; those given are its `settings`.

    They stand before the parameters of these names: those with a value, and the switches. Of an option that the command
    has itself, its own is meant. With them go those of PLACES that are named, and the options about custom nodes.
    """
    return lambda function: _Taking(function, command, places, before, switches_before or before)


class _Taking:
    """A command that takes settings. Packs are imported when Typer asks for its signature, not when it is defined:

    what goes wrong there is answered, as whatever else goes wrong in a command.
    """

    def __init__(
        self, function: Callable[..., None], command: str, places: Sequence[str], before: str, switches_before: str
    ) -> None:
        update_wrapper(self, function, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
        self._function = function
        self._command = command
        self._engine = {**{name: PLACES[name] for name in places}, **CODE}
        self._places = ((True, switches_before), (False, before))

    def __call__(self, **given: Any) -> None:
        names = [*(setting.name for setting in self._known), *self._engine]
        said = {name: given.pop(name, None) for name in names}
        # Typer gives an empty list for what may be repeated and is not there.
        self._function(**given, settings={name: value for name, value in said.items() if value not in (None, [])})

    @cached_property
    def _own(self) -> list[inspect.Parameter]:
        # Typer reads the signature: the annotations in it are no texts then.
        parameters = inspect.signature(self._function, eval_str=True).parameters
        return [parameter for name, parameter in parameters.items() if name != "settings"]

    @cached_property
    def _known(self) -> list[Setting]:
        return [setting for setting in flagged(self._command) if not _is_taken(setting, self._own)]

    @cached_property
    def __signature__(self) -> inspect.Signature:
        parameters = list(self._own)
        for switches, place in self._places:
            at = next(at for at, parameter in enumerate(parameters) if parameter.name == place)
            own = [_optional(name, kind) for name, kind in self._engine.items() if (kind is TrustOption) is switches]
            settings = [_parameter(setting) for setting in self._known if setting.is_switch is switches]
            parameters[at:at] = [*own, *settings]
        return inspect.Signature(parameters)

    @cached_property
    def __annotations__(self) -> dict[str, Any]:  # type: ignore[override]
        return {parameter.name: parameter.annotation for parameter in self.__signature__.parameters.values()}


def _is_taken(setting: Setting, own: Sequence[inspect.Parameter]) -> bool:
    """Whether a command has a parameter or an option of the setting's name."""
    option = setting.option(True).partition(" ")[0]
    return any(setting.name == each.name or option in _options(each) for each in own)


def _options(parameter: inspect.Parameter) -> set[str]:
    """What a parameter is called on the command line."""
    said = [each for each in getattr(parameter.annotation, "__metadata__", ()) if isinstance(each, OptionInfo)]
    # In an annotation, Typer keeps the first one as the default.
    texts = [text for each in said for text in (each.default, *(each.param_decls or ())) if isinstance(text, str)]
    return {name for text in texts for name in text.split("/")} or {f"--{parameter.name.replace('_', '-')}"}


def flagged(command: str) -> tuple[Setting, ...]:
    """The settings of the installed packs that are options of a command."""
    return tuple(setting for setting in _flags() if setting.flag is not None and command in setting.flag.commands)


@cache
def _flags() -> tuple[Setting, ...]:
    """The settings of the installed packs: Typer asks for those of each command whenever one is called."""
    # What packs print when they are imported is no result of the command.
    with redirect_stdout(sys.stderr):
        return tuple(Packs.installed().settings.values())


def _optional(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=annotation)


def _parameter(setting: Setting) -> inspect.Parameter:
    assert setting.flag is not None
    option = typer.Option(
        f"{setting.option(True)}/{setting.option(False)}" if setting.is_switch else setting.option("").rstrip(),
        help=f"{setting.flag.help} Environment: WEFT_{setting.name.upper()}.",
        metavar=setting.flag.metavar or None,
        show_default=True if setting.is_switch else str(setting.default),
    )
    return _optional(setting.name, Annotated[bool | None if setting.is_switch else str | None, option])
