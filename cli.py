"""The command line: `weft run`, `plan`, `validate`, `convert`, `nodes`. The only place that puts the parts together.

One function a command, and inside it `with answering(...) as answer`: whatever is raised in that block becomes an
exit code and a message (or a JSON document). Results go to stdout, everything else to stderr. What is heavy is imported
inside the function that needs it: `weft validate` and `weft nodes` never load torch.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import Interrupted, InvalidWorkflow, UsageError
from engine.terminal.answer import Answer, answering
from engine.terminal.groups import Defaulting
from engine.terminal.streams import stoppable

app = typer.Typer(
    name="weft",
    help="Run ComfyUI workflows without ComfyUI: no server, no browser, one command.",
    epilog="Settings: a flag beats the environment (WEFT_MODELS, WEFT_INPUT, WEFT_OUTPUT, WEFT_TEMP, WEFT_DEVICE, "
    "WEFT_DTYPE, WEFT_SAMPLING, WEFT_PROMPT_SCHEDULE), which beats weft.toml in the current folder (models, input, "
    "output, ...).\n\n"
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
WorkflowsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="WORKFLOW...",
        help="Saved workflows: the editor's own save, an API export, or a picture (PNG, WebP, JPEG), FLAC or MP4 that "
        "carries one; - reads standard input. Several share what they have in common, such as a loaded checkpoint.",
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
PromptScheduleOption = Annotated[
    bool,
    typer.Option(
        "--prompt-schedule",
        help="Read the prompts of every KSampler in the web UI's syntax: \\[a hat:0.5] comes in half-way, \\[red|blue] "
        "alternates. The run is cut in stages there, in continuous mode. Environment: WEFT_PROMPT_SCHEDULE.",
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
    "weft run day.json night.json\n\n"
    "weft run portrait.json --json | jq -r '.files[]'"
)
def run(
    context: typer.Context,
    workflows: WorkflowsArgument,
    changes: SetOption = None,
    models: ModelsOption = None,
    input: InputOption = None,
    output: OutputOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    sampling: SamplingOption = None,
    targets: TargetOption = None,
    prompt_schedule: PromptScheduleOption = False,
    ui: UiOption = False,
    count: Annotated[
        int,
        typer.Option(
            "-n",
            min=1,
            metavar="COUNT",
            help="Run each so many times; between runs, seeds change as control_after_generate says.",
        ),
    ] = 1,
    as_json: JsonOption = False,
    as_events: EventsOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run workflows, and list the files that they wrote on stdout, one a line.

    All are checked before the first one runs. Progress, texts of preview nodes and warnings go to stderr.
    """
    with answering(context.obj, as_json=as_json, as_events=as_events, quiet=quiet) as answer:
        if as_json and as_events:
            raise UsageError("--json and --events exclude each other", hint="--events ends with what --json would say")
        from engine.api import Session
        from engine.cache import MemoryCache

        several = len(workflows) > 1
        session = Session(
            models=models or None,
            input=input,
            output=output,
            device=device,
            dtype=dtype,
            sampling=sampling,
            prompt_schedule=prompt_schedule or None,
            cache=MemoryCache() if count > 1 or several else None,
        )
        prompts = []
        for workflow in workflows:
            answer.subject = workflow if several else ""
            prompt = session.read(workflow, changes, ui=ui)
            if count > 1:
                session.next(prompt)  # refuses what has no next run
            if several:
                session.plan(prompt, targets or ())  # refuses what is invalid
            prompts.append(prompt)
        for workflow, prompt in zip(workflows, prompts, strict=True):
            answer.subject = workflow if several else ""
            for number in range(count):
                prompt = session.next(prompt) if number else prompt
                with answer.watching() as observers:
                    planned = session.plan(prompt, targets or ())
                    _require_device(session.settings.device)
                    result = session.execute(planned, observers)
                answer.ran(result, session.seeds(prompt))
        answer.done()


@app.command(
    epilog="Examples:\n\nweft plan portrait.json\n\n"
    "weft plan portrait.json --prompt-schedule --json | jq '.steps[] | {node_id, title}'"
)
def plan(
    context: typer.Context,
    workflow: WorkflowArgument,
    changes: SetOption = None,
    models: ModelsOption = None,
    input: InputOption = None,
    output: OutputOption = None,
    sampling: SamplingOption = None,
    targets: TargetOption = None,
    prompt_schedule: PromptScheduleOption = False,
    ui: UiOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say which nodes a run would call, in which order, on what and why, without running anything.

    Prompt schedules are shown as the stages that they become.
    """
    with answering(context.obj, as_json=as_json) as answer:
        from engine.api import Session
        from engine.terminal.itinerary import itinerary

        session = Session(
            models=models or None,
            input=input,
            output=output,
            sampling=sampling,
            prompt_schedule=prompt_schedule or None,
        )
        planned = session.plan(session.read(workflow, changes, ui=ui), targets or ())
        notes = [*planned.lowered.source.notes, *planned.lowered.notes]
        for note in notes:
            answer.warn(str(note))
        if as_json:
            answer.document({"status": "planned", **planned.to_json(), "notes": [note.to_json() for note in notes]})
        else:
            for line in itinerary(planned):
                answer.out.line(*line)


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
        notes = session.notes(prompt)
        for note in notes:
            answer.warn(str(note))
        issues = session.issues(prompt, targets or (), executable=object_info is None)
        if issues:
            raise InvalidWorkflow(issues)
        count = len(prompt.nodes)
        if as_json:
            found = [note.to_json() for note in notes]
            answer.document({"status": "valid", "nodes": count, "issues": [], "notes": found})
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
        from engine.settings import Settings, check_models
        from engine.terminal.catalogue import object_info, page, table

        settings = Settings.load({"models": models or None, "input": input})
        check_models(settings)
        folders = Folders(**{name: getattr(settings, name) for name in ("models", "input", "output", "temp")})
        registry = Registry.discover()
        try:
            if class_type is not None:
                found = [registry[class_type]]
            else:
                found = [one for one in map(registry.__getitem__, registry) if not one.internal]
        except UnknownNode as error:
            raise UsageError(error.message, hint=error.hint) from error
        if as_json:
            answer.document({one.class_type: object_info(one, folders) for one in found})
        else:
            for line in table(found) if class_type is None else page(found[0], folders):
                answer.out.line(*line)


@app.command(
    epilog="Exit codes: 0 the pictures are the same, 1 they differ, 2 usage or a file that cannot be read.\n\n"
    "Example: weft explain yesterday.png today.png"
)
def explain(
    context: typer.Context,
    one: Annotated[Path, typer.Argument(metavar="A", help="A picture that carries its workflow, or a workflow file.")],
    other: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    as_json: JsonOption = False,
) -> None:
    """Say why two pictures differ: workflows, seeds, models, sampling mode and version, from what the files carry."""
    with answering(context.obj, as_json=as_json) as answer:
        from engine.registry import Registry
        from engine.testing import explaining
        from engine.testing.instrument import find_instrument
        from engine.testing.reports import explanation

        found = explaining.explain(one, other, Registry.discover(), find_instrument)
        for note in (*found.before.damage, *found.now.damage):
            answer.warn(str(note))
        if as_json:
            answer.document(found.to_json())
        else:
            for line in explanation.lines(found):
                answer.out.line(*line)
        if found.differs:
            raise SystemExit(1)


test_app = typer.Typer(
    cls=Defaulting,
    help="Test workflows: record what they give, see which node differs first, accept or fix.\n\n"
    "weft test PATH... is weft test check PATH... (see weft test check --help).",
    epilog="Exit codes: 0 everything passed, 1 something did not, 2 usage, 5 there was nothing to test.\n\n"
    "The table tool.weft.test of pyproject.toml names models, input and tolerances: see docs/testing.md.",
    no_args_is_help=False,
)
app.add_typer(test_app, name="test")

ToleranceOption = Annotated[
    str | None,
    typer.Option(
        "--class",
        metavar="NAME",
        help="exact, close, device or perceptual: how far values may be apart.",
        show_default="by how far the two environments are apart",
    ),
]
PathsArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[PATH]...",
        help="Folders, *.golden.json, *.test.toml, workflows that have one of them or hold assertion nodes.",
        show_default="the current folder",
    ),
]


@test_app.command(
    epilog="Examples:\n\nweft test workflows\n\nweft test portrait.json --html report.html --junit report.xml\n\n"
    "weft test --twice portrait.json\n\nweft test workflows --against recorded-on-the-other-machine"
)
def check(
    context: typer.Context,
    paths: PathsArgument = None,
    models: ModelsOption = None,
    input: InputOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    sampling: SamplingOption = None,
    tolerance: ToleranceOption = None,
    twice: Annotated[
        bool, typer.Option("--twice", help="Run each workflow in two processes and name the nodes that differ.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER", exists=True, help="Run nothing: compare with the goldens of the same names in OTHER."
        ),
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write JUnit XML.")] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write one page with pictures and differences.")
    ] = None,
    as_json: JsonOption = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what was measured of every node.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing of what passes.")] = False,
) -> None:
    """Run workflows and compare them, node by node, with their goldens; check assertions. The default command."""
    with answering(context.obj, as_json=as_json, quiet=quiet) as answer:
        if twice and against is not None:
            raise UsageError("--twice and --against exclude each other")
        from engine.testing import commands
        from engine.testing.settings import Options

        options = Options(_roots(models), input, device, dtype, sampling, tolerance)
        reports = commands.Reports(junit, html, verbose)
        if twice:
            commands.twice(answer, paths or [], options, reports)
        elif against is not None:
            commands.against(answer, paths or [], against, options, reports)
        else:
            commands.check(answer, paths or [], options, reports)


@test_app.command(
    epilog="Examples:\n\nweft test record portrait.json\n\n"
    "weft test record workflows/*.json --output /tmp/recorded    # for weft test --against"
)
def record(
    context: typer.Context,
    workflows: Annotated[list[Path], typer.Argument(metavar="WORKFLOW...", help="Workflow files.")],
    changes: SetOption = None,
    models: ModelsOption = None,
    input: InputOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    sampling: SamplingOption = None,
    targets: TargetOption = None,
    tensors: Annotated[
        str, typer.Option(metavar="WHICH", help="small, all, none, or up to so many KiB: which tensors a golden keeps.")
    ] = "small",
    output: Annotated[Path | None, typer.Option(metavar="DIR", file_okay=False, help="Write the goldens here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace goldens that are there.")] = False,
) -> None:
    """Run workflows and write what they gave beside them: NAME.golden.json, small tensors, pictures."""
    with answering(context.obj) as answer:
        from engine.testing import commands
        from engine.testing.settings import Options

        commands.record(
            answer,
            workflows,
            Options(_roots(models), input, device, dtype, sampling),
            overrides=changes or (),
            targets=targets or (),
            keep=tensors,
            force=force,
            folder=output,
        )


@test_app.command(
    epilog="Examples:\n\nweft test accept workflows --html review.html    # look first\n\n"
    "weft test accept workflows --only portrait --only landscape"
)
def accept(
    context: typer.Context,
    paths: PathsArgument = None,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Accept this one; may be repeated.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Accept all that differ; refused where CI=true.")] = False,
    html: Annotated[
        Path, typer.Option(metavar="FILE", dir_okay=False, help="Where the page with before and after is written.")
    ] = Path("weft-accept.html"),
    models: ModelsOption = None,
    input: InputOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    sampling: SamplingOption = None,
    tolerance: ToleranceOption = None,
) -> None:
    """Look at what changed on a page, then update the goldens that are named: --only, --all, or asked at a terminal."""
    with answering(context.obj) as answer:
        from engine.testing import commands
        from engine.testing.settings import Options

        options = Options(_roots(models), input, device, dtype, sampling, tolerance)
        commands.accept(answer, paths or [], options, html, only=only or (), everything=everything)


def _roots(models: list[Path] | None) -> tuple[Path, ...] | None:
    return tuple(models) if models else None


def _require_device(name: str) -> None:
    """Raise UsageError for a GPU that is not there, before anything is loaded."""
    if name.startswith("cuda"):
        from nodes.diffusion.errors import DeviceError
        from nodes.diffusion.memory import resolve_device

        try:
            resolve_device(name)
        except DeviceError as error:
            raise UsageError(str(error), hint="--device cpu") from error


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
    # Read when torch is loaded: threads that wait soon sleep, or beside any other work a run takes many times as long.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    code: Any = 0
    arguments = sys.argv[1:] if argv is None else list(argv)
    with stoppable() as stop:
        try:
            app(args=None if argv is None else arguments, prog_name="weft", obj=stop)
        except SystemExit as end:
            code = end.code
            # typer leaves from where it told people what it could not read.
            message = getattr(end.__context__, "format_message", None)
            if message is not None:
                asked = {"as_json": "--json" in arguments, "as_events": "--events" in arguments}
                Answer(stop, **asked, quiet=True).refused(message(), int(code or 0))
        except KeyboardInterrupt:
            code = Interrupted.exit_code
    # A signal while typer reads the arguments ends in typer's own exit code.
    return 128 + stop.number if code and stop.number else int(code or 0)


if __name__ == "__main__":
    sys.exit(main())
