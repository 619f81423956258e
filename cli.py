"""The command line: `weft run`, `validate`, `convert`, `nodes`. The only place that puts the parts of Weft together.

One function a command, and inside it `with answering(...) as answer`: whatever is raised in that block becomes an
exit code and a message (or a JSON document). Results go to stdout, everything else to stderr. What is heavy is imported
inside the function that needs it: `weft validate` and `weft nodes` never load torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import Interrupted, InvalidWorkflow, UsageError
from engine.terminal.answer import answering
from engine.terminal.streams import stoppable

app = typer.Typer(
    name="weft",
    help="Run ComfyUI workflows without ComfyUI: no server, no browser, one command.",
    epilog="Settings: a flag beats the environment (WEFT_MODELS, WEFT_INPUT, WEFT_OUTPUT, WEFT_TEMP, WEFT_DEVICE, "
    "WEFT_DTYPE, WEFT_SAMPLING), which beats weft.toml in the current folder (models, input, output, ...).\n\n"
    "Exit codes: 0 done, 1 a node failed, 2 usage or unreadable file, 3 invalid workflow, 4 a model or input file is "
    "missing, 130 interrupted.\n\n"
    "Example: weft run portrait.json --set KSampler.seed=7 --models ~/models",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

WorkflowArgument = Annotated[
    str,
    typer.Argument(
        metavar="WORKFLOW",
        help="A saved workflow: the editor's own save, an API export, or a picture (PNG, WebP, JPEG), FLAC or MP4 that "
        "carries one; - reads standard input.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NODE.INPUT=VALUE",
        help="Give an input another value; may be repeated. NODE is an id, a title or a class_type; "
        "'KSampler (Advanced)#2' is the second of its name. The value is read as the input's type.",
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
        help="auto (a GPU where there is one), cpu, cuda or cuda:N. Environment: WEFT_DEVICE.",
        show_default="auto",
    ),
]
DtypeOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="auto, float32, float16 or bfloat16. Environment: WEFT_DTYPE.", show_default="auto"
    ),
]
SamplingOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODE",
        help="comfy: the numbers of ComfyUI; continuous: a run cut in stages equals the single run bit for bit. "
        "Environment: WEFT_SAMPLING.",
        show_default="comfy",
    ),
]
TargetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="NODE",
        help="Run this node too, although no output node asks for it; may be repeated. NODE as in --set.",
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
JsonOption = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout, also for an error.")]
EventsOption = Annotated[
    bool,
    typer.Option(
        "--events",
        help="Write every event as one line of JSON to stdout as it happens (NDJSON), and no progress to stderr. "
        "After an error the last line is an Error event.",
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Nothing but errors on stderr; stdout is as it would be.")
]


@app.command(
    epilog="Examples:\n\n"
    "weft run portrait.json\n\n"
    "weft run portrait.json --set 5.seed=7 --set 'KSampler (Advanced)#2.end_at_step=8' --output /tmp/out\n\n"
    "weft run portrait.json --json | jq -r '.files[]'"
)
def run(
    context: typer.Context,
    workflow: WorkflowArgument,
    changes: SetOption = None,
    models: ModelsOption = None,
    input: InputOption = None,
    output: OutputOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    sampling: SamplingOption = None,
    targets: TargetOption = None,
    ui: UiOption = False,
    count: Annotated[
        int,
        typer.Option(
            "-n",
            min=1,
            metavar="COUNT",
            help="Run so many times; between runs, seeds change as control_after_generate says.",
        ),
    ] = 1,
    as_json: JsonOption = False,
    as_events: EventsOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run a workflow, and list the files that it wrote on stdout, one a line.

    Progress, texts of preview nodes and warnings go to stderr.
    """
    with answering(context.obj, as_json=as_json, as_events=as_events, quiet=quiet) as answer:
        if as_json and as_events:
            raise UsageError("--json and --events exclude each other", hint="--events ends with what --json would say")
        from engine.api import Session
        from engine.cache import MemoryCache

        session = Session(
            models=models or None,
            input=input,
            output=output,
            device=device,
            dtype=dtype,
            sampling=sampling,
            cache=MemoryCache() if count > 1 else None,
        )
        prompt = session.read(workflow, changes, ui=ui)
        if count > 1:
            session.next(prompt)  # refuses what has no next run, before the first
        for number in range(count):
            prompt = session.next(prompt) if number else prompt
            with answer.watching() as observers:
                result = session.execute(session.plan(prompt, targets or ()), observers)
            answer.ran(result, session.seeds(prompt))
        answer.done()


@app.command(epilog="Example:\n\nweft validate portrait.json --set KSampler.steps=0 --models ~/models")
def validate(
    context: typer.Context,
    workflow: WorkflowArgument,
    changes: SetOption = None,
    models: ModelsOption = None,
    input: InputOption = None,
    targets: TargetOption = None,
    ui: UiOption = False,
    object_info: ObjectInfoOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say everything that keeps a workflow from running, without running it.

    Exit code 3 for an invalid workflow, 4 where nothing but files is missing.
    """
    with answering(context.obj, as_json=as_json) as answer:
        from engine.api import Session

        session = Session(models=models or None, input=input, object_info=object_info)
        prompt = session.read(workflow, changes, ui=ui)
        for note in prompt.notes:
            answer.warn(str(note))
        issues = session.issues(prompt, targets or (), executable=object_info is None)
        if issues:
            raise InvalidWorkflow(issues)
        count = len(prompt.nodes)
        if as_json:
            answer.document({"status": "valid", "nodes": count, "issues": []})
        else:
            answer.out.line(f"{workflow}: ", ("valid", "green"), f", {count} node{'s' if count != 1 else ''}")


@app.command(
    epilog="Examples:\n\nweft convert portrait.json > portrait.api.json\n\n"
    "weft convert portrait.api.json --to ui -o portrait.json\n\n"
    "weft convert portrait.json --object-info object_info.json"
)
def convert(
    context: typer.Context,
    workflow: WorkflowArgument,
    to: Annotated[
        str, typer.Option(metavar="FORMAT", help="api: what the server takes; ui: what the editor opens.")
    ] = "api",
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Write to this file, not to stdout."),
    ] = None,
    ui: UiOption = False,
    object_info: ObjectInfoOption = None,
    keep_unknown: Annotated[
        bool,
        typer.Option("--keep-unknown", help="Convert nodes of unknown classes by what was saved of them."),
    ] = False,
) -> None:
    """Turn a workflow into API format, as ComfyUI's editor does, or an API export into a workflow for the editor.

    Seeds are never changed. What cannot be kept is warned about on stderr.
    """
    with answering(context.obj) as answer:
        from engine.api import Session
        from engine.folders import write_whole

        session = Session(object_info=object_info)
        document, notes = session.convert(workflow, to, ui=ui, keep_unknown=keep_unknown)
        for note in notes:
            answer.warn(str(note))
        if file is None:
            answer.document(document)
        else:
            try:
                write_whole(file, (json.dumps(document, indent=2) + "\n").encode())
            except OSError as error:
                raise UsageError(f"cannot write {file}: {error.strerror}") from error


@app.command(
    epilog="Examples:\n\nweft nodes | grep -i latent\n\nweft nodes KSampler\n\nweft nodes --json > object_info.json"
)
def nodes(
    context: typer.Context,
    class_type: Annotated[str | None, typer.Argument(metavar="[CLASS_TYPE]", help="Describe this node class.")] = None,
    models: ModelsOption = None,
    input: InputOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write ComfyUI's object_info form to stdout.")] = False,
) -> None:
    """List the node classes, or describe one: its inputs with types, defaults, ranges and choices, and its outputs."""
    with answering(context.obj, as_json=as_json) as answer:
        # Not engine.api: a list of nodes needs no graph, and networkx takes a third of the time.
        from engine.folders import Folders
        from engine.registry import Registry, UnknownNode
        from engine.settings import Settings
        from engine.terminal.catalogue import object_info, page, table

        settings = Settings.load({"models": models or None, "input": input})
        folders = Folders(**{name: getattr(settings, name) for name in ("models", "input", "output", "temp")})
        registry = Registry.discover()
        try:
            found = [registry[name] for name in ([class_type] if class_type is not None else registry)]
        except UnknownNode as error:
            raise UsageError(error.message, hint=error.hint) from error
        if as_json:
            answer.document({one.class_type: object_info(one, folders) for one in found})
        else:
            for line in table(found) if class_type is None else page(found[0], folders):
                answer.out.line(*line)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"weft {version('weft')}")
        raise typer.Exit


@app.callback()
def _weft(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with these arguments (default: the process's own) and return its exit code."""
    code: Any = 0
    with stoppable() as stop:
        try:
            app(args=None if argv is None else list(argv), prog_name="weft", obj=stop)
        except SystemExit as end:
            code = end.code
        except KeyboardInterrupt:
            code = Interrupted.exit_code
    # A signal while typer reads the arguments ends in typer's own exit code.
    return 128 + stop.number if code and stop.number else int(code or 0)


if __name__ == "__main__":
    sys.exit(main())
