"""`weft plan`: what a run would call, and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.errors import UsageError
from weft.engine.terminal.answer import answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import (
    BypassOption,
    CacheOption,
    JsonOption,
    MuteOption,
    NoCacheOption,
    OnlyOption,
    SeedOption,
    SetOption,
    TargetOption,
    UiOption,
    WorkflowArgument,
    taking_settings,
)

if TYPE_CHECKING:
    from weft.engine.planning.branches import Branches
    from weft.engine.planning.plan import Plan
    from weft.engine.reckoning import MemoryAccount
    from weft.engine.session import Session

app = one_command()


@app.command(
    epilog="Examples:\n\nweft plan portrait.json\n\n"
    "weft plan portrait.json --prompt-schedule --json | jq '.steps[] | {node_id, title}'\n\n"
    "weft plan wan.json --memory --vram 12G --no-cache\n\n"
    "weft plan portrait.json --devices 2 --durations run.json --no-cache"
)
@taking_settings("plan", "models", "input", "output", "device", "dtype", before="targets", switches_before="ui")
def plan(
    context: typer.Context,
    workflow: WorkflowArgument,
    changes: SetOption = None,
    seed: SeedOption = None,
    targets: TargetOption = None,
    only: OnlyOption = None,
    bypass: BypassOption = None,
    mute: MuteOption = None,
    ui: UiOption = False,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    memory: Annotated[
        bool,
        typer.Option(
            "--memory",
            help="Say which models are on the GPU at each step, and the peak that is to be expected, against --vram; "
            "with --device cpu of the process's memory. Told from the headers of the models' files.",
        ),
    ] = False,
    devices: Annotated[
        int | None,
        typer.Option(
            "--devices",
            metavar="N",
            min=2,
            max=64,
            help="Say which nodes would go to which of N devices, what would go over, and what that would gain; by "
            "--durations, else by evaluations of a network.",
        ),
    ] = None,
    durations: Annotated[
        Path | None,
        typer.Option(
            "--durations",
            metavar="FILE",
            help="With --devices: what nodes took in a run, as `weft run --no-cache --json` or --events wrote it.",
        ),
    ] = None,
    as_json: JsonOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Say which nodes a run would call, in which order, on what and why, without running anything.

    What the cache has is shown as that. Prompt schedules are shown as the stages that they become.
    """
    with answering(context.obj, as_json=as_json) as answer:
        if durations is not None and devices is None:
            raise UsageError("--durations is for --devices")
        from weft.engine.arguments import targets_of
        from weft.engine.session import Session
        from weft.engine.terminal.caches import folders_of, looked_into
        from weft.engine.terminal.itinerary import itinerary

        session = Session(
            **settings,
            warn=answer.notice,
        )
        wanted = targets_of(targets, only)
        part: dict[str, Any] = {"only": only or (), "bypass": bypass or (), "mute": mute or ()}
        folders = folders_of(session.settings, cache, no_cache=no_cache)
        with looked_into(folders, session.packs, warn=answer.notice) as session.cache:
            prompt = session.read(workflow, changes, ui=ui, seed=seed, **part)
            planned = session.plan(prompt, wanted, values=False)
            found = _branches(session, planned, devices, durations) if devices is not None else None
        notes = [*planned.lowered.source.notes, *planned.lowered.notes]
        for note in notes:
            answer.warn(str(note))
        account = _account(session, planned) if memory else None
        if as_json:
            taken = {} if account is None else {"memory": account.to_json()}
            if found is not None:
                taken["devices"] = {**found.to_json(), "unit": "calls" if durations is None else "seconds"}
            document = {"status": "planned", **planned.to_json(), **taken, "notes": [note.to_json() for note in notes]}
            answer.document(document)
            return
        for line in itinerary(planned, session.registry):
            answer.out.line(*line)
        if account is not None:
            from weft.engine.terminal.reckoning import memory_lines

            answer.out.line("")
            for line in memory_lines(account):
                answer.out.line(*line)
        if found is not None:
            from weft.engine.terminal.reckoning import device_lines

            answer.out.line("")
            for line in device_lines(found, seconds=durations is not None):
                answer.out.line(*line)


def _account(session: Session, plan: Plan) -> MemoryAccount | None:
    """How much memory it takes."""
    from weft.engine.planning.foreseen import foreseen

    return session.packs.reckoned(foreseen(plan, session.settings, session.registry), session.settings)


def _branches(session: Session, plan: Plan, devices: int, durations: Path | None) -> Branches:
    """What several devices would gain."""
    from weft.engine.planning.branches import branches
    from weft.engine.planning.durations import node_seconds

    if durations is None:
        return branches(plan, session.calls_by_node(plan), devices, seconds=False)
    return branches(plan, node_seconds(durations), devices)
