"""The command line: `weft run`, `plan`, `validate`, `convert`, `explain`.

Others stand in files of their own: `weft nodes` in engine/commands/nodes.py, `weft schema` in
engine/commands/schema.py, `weft lint` in engine/commands/lint.py, `weft render` in engine/commands/render.py, `weft
diff` in engine/commands/diff.py, `weft fmt` in engine/commands/fmt.py, `weft migrate` in
engine/commands/migrate.py, `weft sweep` in engine/commands/sweep.py, `weft stubs` in engine/commands/stubs.py, `weft
cache` in engine/commands/cache.py, `weft test` in engine/commands/test.py, `weft daemon` in
engine/commands/daemon.py. A `weft run` that a worker carries out does not come here (src/weft/__main__.py).

The only place that puts the parts together.

One function a command, and inside it `with answering(...) as answer`: whatever is raised in that block becomes an
exit code and a message (or a JSON document). Results go to stdout, everything else to stderr. What is heavy is imported
inside the function that needs it: `weft validate` and `weft nodes` never load torch.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.commands.cache import app as cache_app
from weft.engine.commands.daemon import app as daemon_app
from weft.engine.commands.diff import EPILOG as DIFF_EPILOG
from weft.engine.commands.diff import diff
from weft.engine.commands.fmt import EPILOG as FMT_EPILOG
from weft.engine.commands.fmt import fmt
from weft.engine.commands.lint import EPILOG as LINT_EPILOG
from weft.engine.commands.lint import lint
from weft.engine.commands.mcp import EPILOG as MCP_EPILOG
from weft.engine.commands.mcp import mcp
from weft.engine.commands.migrate import EPILOG as MIGRATE_EPILOG
from weft.engine.commands.migrate import migrate
from weft.engine.commands.new import EPILOG as NEW_EPILOG
from weft.engine.commands.new import new
from weft.engine.commands.nodes import EPILOG as NODES_EPILOG
from weft.engine.commands.nodes import nodes_command
from weft.engine.commands.render import EPILOG as RENDER_EPILOG
from weft.engine.commands.render import render_command
from weft.engine.commands.schema import EPILOG as SCHEMA_EPILOG
from weft.engine.commands.schema import schema_command
from weft.engine.commands.stubs import EPILOG as STUBS_EPILOG
from weft.engine.commands.stubs import stubs_command
from weft.engine.commands.sweep import EPILOG as SWEEP_EPILOG
from weft.engine.commands.sweep import sweep_command
from weft.engine.commands.test import app as test_app
from weft.engine.errors import UsageError, did_you_mean
from weft.engine.terminal.answer import Answer, answering
from weft.engine.terminal.groups import ListingSettings
from weft.engine.terminal.options import (
    BypassOption,
    CacheOption,
    DeviceOption,
    DtypeOption,
    EventsOption,
    FilesArgument,
    InputOption,
    JsonOption,
    KeepAliveOption,
    ModelsOption,
    MuteOption,
    NoCacheOption,
    ObjectInfoOption,
    OnlyOption,
    OutputOption,
    QuietOption,
    SeedOption,
    SetOption,
    SkipOthersOption,
    TargetOption,
    UiOption,
    WorkflowArgument,
    WorkflowsArgument,
    taking_settings,
)
from weft.engine.terminal.streams import stoppable

if TYPE_CHECKING:
    from weft.engine.settings import Settings

PYTHON = "python"
"""What `weft convert` makes beside the formats of workflows."""

app = typer.Typer(
    name="weft",
    cls=ListingSettings,
    help="Run ComfyUI workflows without ComfyUI: no server, no browser, one command.",
    epilog=f"Settings: a flag beats the environment ({ListingSettings.place}), which beats "
    "weft.toml in the current folder (models, input, output, ...). A picture that Weft made "
    "runs in the mode that made it, unless a flag says another.\n\n"
    "Exit codes: 0 done, 1 a node failed (with --keep-going: anything), 2 usage or unreadable file, 3 invalid "
    "workflow, 4 a model or input file is "
    "missing, 130 interrupted (Ctrl-C), 143 ended by SIGTERM.\n\n"
    "Example: weft run portrait.json --set KSampler.seed=7 --models ~/models",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(
    epilog="Examples:\n\n"
    "weft run portrait.json\n\n"
    "weft run portrait.json --set 5.seed=7 --set 'KSampler (Advanced)#2.end_at_step=8' --output /tmp/out\n\n"
    "weft run day.json night.json --keep-going\n\n"
    "weft run portrait.json --only 9 --bypass 'Load LoRA'\n\n"
    "weft run portrait.json --json | jq -r '.files[]'"
)
@taking_settings("run", before="targets", switches_before="ui")
def run(
    context: typer.Context,
    workflows: WorkflowsArgument,
    changes: SetOption = None,
    seed: SeedOption = None,
    models: ModelsOption = None,
    input: InputOption = None,
    output: OutputOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    targets: TargetOption = None,
    only: OnlyOption = None,
    bypass: BypassOption = None,
    mute: MuteOption = None,
    ui: UiOption = False,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going",
            help="Where a workflow fails, run the others, and of an invalid one the outputs that nothing is wrong "
            "with; the exit code is then 1.",
        ),
    ] = False,
    count: Annotated[
        int,
        typer.Option(
            "-n",
            min=1,
            metavar="COUNT",
            help="Run each so many times; between runs, seeds change as --seed says, else as control_after_generate "
            "does, and dynamic prompts are drawn.",
        ),
    ] = 1,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    keep_alive: KeepAliveOption = None,
    as_json: JsonOption = False,
    as_events: EventsOption = False,
    quiet: QuietOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Run workflows, and list the files that they wrote on stdout, one a line.

    All are checked before the first one runs, and the first failure ends the command, unless --keep-going is given.
    Progress, texts of preview nodes and warnings go to stderr.
    """
    with answering(context.obj, as_json=as_json, as_events=as_events, quiet=quiet) as answer:
        if as_json and as_events:
            raise UsageError("--json and --events exclude each other", hint="--events ends with what --json would say")
        from weft.engine.arguments import targets_of
        from weft.engine.session import Session
        from weft.engine.terminal.batches import run_all
        from weft.engine.terminal.caches import folders_of, opened
        from weft.engine.worker.resident import shared_memory, stay

        targets_of(targets, only)  # refuses both
        session = Session(
            models=models or None,
            input=input,
            output=output,
            device=device,
            dtype=dtype,
            keep_alive=keep_alive,
            **settings,
            warn=answer.notice,
        )
        folders = folders_of(session.settings, cache, no_cache=no_cache)
        stay(session.settings.keep_alive, answer.notice)
        several = count > 1 or len(workflows) > 1
        memory = None if no_cache else shared_memory()
        given = session.settings, session.packs
        with opened(folders, *given, several=several, memory=memory, warn=answer.notice) as session.cache:
            run_all(
                session,
                answer,
                workflows,
                lambda workflow, nodes: session.read(
                    workflow, changes, ui=ui, seed=seed, only=nodes, bypass=bypass or (), mute=mute or ()
                ),
                targets=targets or (),
                only=only or (),
                count=count,
                keep_going=keep_going,
                ready=_require_device,
            )
        answer.done()


@app.command(
    epilog="Examples:\n\nweft plan portrait.json\n\n"
    "weft plan portrait.json --prompt-schedule --json | jq '.steps[] | {node_id, title}'"
)
@taking_settings("plan", before="targets", switches_before="ui")
def plan(
    context: typer.Context,
    workflow: WorkflowArgument,
    changes: SetOption = None,
    seed: SeedOption = None,
    models: ModelsOption = None,
    input: InputOption = None,
    output: OutputOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    targets: TargetOption = None,
    only: OnlyOption = None,
    bypass: BypassOption = None,
    mute: MuteOption = None,
    ui: UiOption = False,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    as_json: JsonOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Say which nodes a run would call, in which order, on what and why, without running anything.

    What the cache has is shown as that. Prompt schedules are shown as the stages that they become.
    """
    with answering(context.obj, as_json=as_json) as answer:
        from weft.engine.arguments import targets_of
        from weft.engine.session import Session
        from weft.engine.terminal.caches import folders_of, looked_into
        from weft.engine.terminal.itinerary import itinerary

        session = Session(
            models=models or None,
            input=input,
            output=output,
            device=device,
            dtype=dtype,
            **settings,
            warn=answer.notice,
        )
        wanted = targets_of(targets, only)
        part: dict[str, Any] = {"only": only or (), "bypass": bypass or (), "mute": mute or ()}
        folders = folders_of(session.settings, cache, no_cache=no_cache)
        with looked_into(folders, session.packs, warn=answer.notice) as session.cache:
            prompt = session.read(workflow, changes, ui=ui, seed=seed, **part)
            planned = session.plan(prompt, wanted, values=False)
        notes = [*planned.lowered.source.notes, *planned.lowered.notes]
        for note in notes:
            answer.warn(str(note))
        if as_json:
            answer.document({"status": "planned", **planned.to_json(), "notes": [note.to_json() for note in notes]})
        else:
            for line in itinerary(planned, session.registry):
                answer.out.line(*line)


@app.command(
    epilog="Examples:\n\nweft validate portrait.json --set KSampler.steps=0 --models ~/models\n\n"
    "weft validate workflows/ --json | jq -r '.files[] | select(.issues) | .file'\n\n"
    "git ls-files '*.json' | xargs weft validate --skip-others"
)
@taking_settings("validate", before="targets", switches_before="ui")
def validate(
    context: typer.Context,
    files: FilesArgument,
    changes: SetOption = None,
    models: ModelsOption = None,
    input: InputOption = None,
    targets: TargetOption = None,
    only: OnlyOption = None,
    bypass: BypassOption = None,
    mute: MuteOption = None,
    ui: UiOption = False,
    object_info: ObjectInfoOption = None,
    skip_others: SkipOthersOption = False,
    as_json: JsonOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Say everything that keeps workflows from running, without running them, as file:line:column: what is wrong.

    Exit code 3 for an invalid workflow, 4 where nothing but files is missing; of several workflows the worst.
    """
    with answering(context.obj, as_json=as_json) as answer:
        from weft.engine.arguments import targets_of
        from weft.engine.session import Session
        from weft.engine.terminal.validating import Validator

        session = Session(models=models or None, input=input, object_info=object_info, **settings, warn=answer.notice)
        part: dict[str, Any] = {"only": only or (), "bypass": bypass or (), "mute": mute or ()}
        wanted = targets_of(targets, only)
        validator = Validator(session, changes or (), part, wanted, answer, executable=object_info is None)
        validator.tell(files, ui=ui, skip_others=skip_others)


@app.command(
    epilog="Examples:\n\nweft convert portrait.json > portrait.api.json\n\n"
    "weft convert portrait.api.json --to ui -o portrait.json\n\n"
    "weft convert portrait.json --to python -o portrait.py\n\n"
    "weft convert portrait.json --object-info object_info.json"
)
@taking_settings("convert", before="object_info")
def convert(
    context: typer.Context,
    workflow: WorkflowArgument,
    to: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="api: what the server takes; ui: what the editor opens; python: the program that builds it.",
        ),
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
    *,
    settings: Mapping[str, Any],
) -> None:
    """Turn a workflow into API format, as ComfyUI's editor does, or an API export into a workflow for the editor.

    Or either into a Python program that builds the same graph. Seeds are never changed. What cannot be kept is warned
    about on stderr.
    """
    with answering(context.obj) as answer:
        from weft.engine.session import FORMATS, Session
        from weft.engine.wholefiles import write_whole

        if to not in (*FORMATS, PYTHON):
            near = did_you_mean(to, (*FORMATS, PYTHON))
            raise UsageError(f"unknown format {to!r}: expected api, ui or {PYTHON}", hint=near)
        session = Session(object_info=object_info, **settings, warn=answer.notice)
        if to == PYTHON:
            from weft.engine.building.script import program

            text, notes = program(session, workflow, ui=ui, object_info=object_info)
        else:
            document, notes = session.convert(workflow, to, ui=ui, keep_unknown=keep_unknown)
            text = json.dumps(document, indent=2) + "\n"
        for note in notes:
            answer.warn(str(note))
        if file is None and to == PYTHON:
            answer.out.write(text)
        elif file is None:
            answer.document(document)
        else:
            try:
                write_whole(file, text.encode())
            except OSError as error:
                raise UsageError(f"cannot write {file}: {error.strerror}") from error


app.command("nodes", epilog=NODES_EPILOG)(nodes_command)
app.command("schema", epilog=SCHEMA_EPILOG)(schema_command)


@app.command(
    epilog="Exit codes: 0 the pictures are the same, 1 they differ, 2 usage or a file that cannot be read, "
    "3 a workflow that is broken.\n\n"
    "Example: weft explain yesterday.png today.png"
)
@taking_settings("explain", before="as_json")
def explain(
    context: typer.Context,
    one: Annotated[Path, typer.Argument(metavar="A", help="A picture that carries its workflow, or a workflow file.")],
    other: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    as_json: JsonOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Say why two pictures differ: workflows, seeds, models, sampling mode and version, from what the files carry."""
    with answering(context.obj, as_json=as_json) as answer:
        from weft.engine.session import Session
        from weft.engine.testing import explaining
        from weft.engine.testing.instrument import find_instrument
        from weft.engine.testing.reports import explanation

        registry = Session(**settings, warn=answer.notice).registry
        found = explaining.explain(one, other, registry, lambda: find_instrument(answer.notice))
        for note in (*found.before.damage, *found.now.damage):
            answer.warn(str(note))
        if as_json:
            answer.document(found.to_json())
        else:
            for line in explanation.lines(found):
                answer.out.line(*line)
        if found.differs:
            raise SystemExit(1)


@app.command(
    epilog="Exit code: 0 nothing is wrong, 1 something is.\n\nExamples:\n\nweft doctor\n\n"
    "weft doctor --devices --models ~/models\n\n"
    "weft doctor --json | jq -r '.facts[] | select(.wrong) | .value'"
)
@taking_settings("doctor", before="devices")
def doctor(
    context: typer.Context,
    models: ModelsOption = None,
    input: InputOption = None,
    output: OutputOption = None,
    devices: Annotated[
        bool, typer.Option("--devices", help="Ask torch for the GPUs, too, in a process of its own: some seconds.")
    ] = False,
    as_json: JsonOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Say what is installed and where things are looked for, and what is wrong with it and how to mend that.

    Versions, folders, models by family (from their headers), node packs, cache and worker.
    """
    with answering(context.obj, as_json=as_json) as answer:
        from weft.engine.commands.daemon import asked
        from weft.engine.terminal.doctor import Doctor, tell

        given = {"models": models or None, "input": input, "output": output, **settings}
        tell(answer, Doctor(given, asked("status")).examine(devices=devices))


app.command("diff", epilog=DIFF_EPILOG)(diff)
app.command("fmt", epilog=FMT_EPILOG)(fmt)
app.command("migrate", epilog=MIGRATE_EPILOG)(migrate)
app.add_typer(test_app, name="test")
app.add_typer(cache_app, name="cache")
app.add_typer(daemon_app, name="daemon")


def _require_device(settings: Settings) -> None:
    """Raise UsageError for a GPU that is not there, before anything is loaded."""
    if settings.device.startswith("cuda"):
        from weft.engine.settings import another_device
        from weft.nodes.diffusion.errors import DeviceError
        from weft.nodes.diffusion.weights.memory import resolve_device

        try:
            resolve_device(settings.device)
        except DeviceError as error:
            raise UsageError(str(error), hint=another_device(settings)) from error


app.command("new", epilog=NEW_EPILOG)(new)
app.command("lint", epilog=LINT_EPILOG)(lint)
app.command("mcp", epilog=MCP_EPILOG)(mcp)
app.command("sweep", epilog=SWEEP_EPILOG)(sweep_command(_require_device))
app.command("stubs", epilog=STUBS_EPILOG)(stubs_command)
app.command("render", epilog=RENDER_EPILOG)(render_command(_require_device))


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
    asked = {"as_json": "--json" in arguments, "as_events": "--events" in arguments}
    with stoppable() as stop:
        try:
            app(args=None if argv is None else arguments, prog_name="weft", obj=stop)
        except SystemExit as end:
            code = end.code
            # typer leaves from where it told people what it could not read.
            message = getattr(end.__context__, "format_message", None)
            if message is not None:
                Answer(stop, **asked, quiet=True).refused(message(), int(code or 0))
        except (KeyboardInterrupt, Exception) as error:  # no command has begun: packs are imported for its options
            code = Answer(stop, **asked, quiet=True).ended(error)
    # A signal while typer reads the arguments ends in typer's own exit code.
    return 128 + stop.number if code and stop.number else int(code or 0)


if __name__ == "__main__":
    sys.exit(main())
