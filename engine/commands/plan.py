"""`weft plan`: what a run would call, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

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

app = one_command()


@app.command(
    epilog="Examples:\n\nweft plan portrait.json\n\n"
    "weft plan portrait.json --prompt-schedule --json | jq '.steps[] | {node_id, title}'\n\n"
    "weft plan wan.json --memory --vram 12G --no-cache"
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
            "told from the headers of their files.",
        ),
    ] = False,
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
        account = session.packs.reckoned(planned, session.settings) if memory else None
        if as_json:
            taken = {} if account is None else {"memory": account.to_json()}
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
