"""`weft run`: workflows, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.errors import UsageError
from weft.engine.terminal.answer import Answer, answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import (
    BypassOption,
    CacheOption,
    EventsOption,
    JsonOption,
    KeepAliveOption,
    MuteOption,
    NoCacheOption,
    OnlyOption,
    QuietOption,
    RayOption,
    SeedOption,
    SetOption,
    StoreOption,
    TargetOption,
    UiOption,
    WorkersOption,
    WorkflowsArgument,
    taking_settings,
)

if TYPE_CHECKING:
    from weft.engine.session import Session
    from weft.engine.terminal.batches import Elsewhere
    from weft.engine.terminal.caches import CachePlaces

app = one_command()


@app.command(
    epilog="Examples:\n\n"
    "weft run portrait.json\n\n"
    "weft run portrait.json --set 5.seed=7 --set 'KSampler (Advanced)#2.end_at_step=8' --output /tmp/out\n\n"
    "weft run day.json night.json --keep-going\n\n"
    "weft run shots/*.json --ray local\n\n"
    "weft run portrait.json --only 9 --bypass 'Load LoRA'\n\n"
    "weft run portrait.json --json | jq -r '.files[]'"
)
@taking_settings("run", "models", "input", "output", "device", "dtype", before="targets", switches_before="ui")
def run(
    context: typer.Context,
    workflows: WorkflowsArgument,
    changes: SetOption = None,
    seed: SeedOption = None,
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
    store: StoreOption = None,
    keep_alive: KeepAliveOption = None,
    ray: RayOption = None,
    workers: WorkersOption = None,
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
        _check_ray(ray, workers, count, keep_alive, no_cache)
        from weft.engine.arguments import targets_of
        from weft.engine.session import Session
        from weft.engine.terminal.batches import run_all
        from weft.engine.terminal.caches import CachePlaces, folders_of, opened
        from weft.engine.worker.resident import shared_memory, stay

        targets_of(targets, only)  # refuses both
        session = Session(
            keep_alive=keep_alive,
            **settings,
            warn=answer.notice,
        )
        if no_cache and store is not None:
            raise UsageError("--store and --no-cache exclude each other")
        folders = folders_of(session.settings, cache, no_cache=no_cache)
        if ray is None:
            stay(session.settings.keep_alive, answer.notice)
        several = count > 1 or len(workflows) > 1
        memory = None if no_cache else shared_memory()
        given = session.settings, session.packs
        places = CachePlaces(folders, store)
        with opened(folders, *given, several=several, memory=memory, store=store, warn=answer.notice) as session.cache:
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
                elsewhere=_elsewhere(session, answer, ray, workers, places, keep_going) if ray is not None else None,
            )
        answer.done()


def _check_ray(ray: str | None, workers: int | None, count: int, keep_alive: float | None, no_cache: bool) -> None:
    """Raise UsageError for what cannot be said together."""
    if ray is None:
        if workers is not None:
            raise UsageError("--workers is for --ray")
        return
    if count > 1:
        raise UsageError("--ray and -n exclude each other", hint="weft sweep --grid NODE.seed=1..N --ray does that")
    if keep_alive:
        raise UsageError("--ray and --keep-alive exclude each other", hint="its workers stay as long as the command")
    if no_cache:
        raise UsageError("--ray and --no-cache exclude each other: workers hand on what they compute in the cache")


def _elsewhere(
    session: Session,
    answer: Answer,
    address: str,
    workers: int | None,
    places: CachePlaces,
    keep_going: bool,
) -> Elsewhere:
    from weft.engine.spreading.files import files_on_cluster

    return partial(files_on_cluster, session, answer, address, workers, places, keep_going)
