"""`weft sweep`: its options, and what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.errors import UsageError, one_line
from weft.engine.formats.sources import name_of
from weft.engine.terminal.answer import Answer, answering
from weft.engine.terminal.caches import CachePlaces, folders_of, opened
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import (
    BypassOption,
    CacheOption,
    EventsOption,
    JsonOption,
    MuteOption,
    NoCacheOption,
    OnlyOption,
    QuietOption,
    RayOption,
    SetOption,
    StoreOption,
    TargetOption,
    UiOption,
    WorkersOption,
    WorkflowArgument,
    taking_settings,
)
from weft.engine.terminal.progress import SweepNarrator

if TYPE_CHECKING:
    from weft.engine.planning.forecast import ModelCalls
    from weft.engine.session import Session
    from weft.engine.sweeping.axes import SweepAxis
    from weft.engine.sweeping.overview import Animation
    from weft.engine.sweeping.running import Elsewhere
    from weft.engine.sweeping.survey import Surveyed
    from weft.engine.sweeping.sweep import Sweep
    from weft.engine.workflow.prompt import Prompt

EPILOG = (
    "VALUES are a range (0..20, or 0..1..0.25 in steps of 0.25), a list (euler,heun or 'a cat,\"a dog, asleep\"'), or "
    "@FILE with one a line. COLUMN is NODE.INPUT as in --set, several of them with commas between (A.end_at_step,"
    "B.start_at_step: both get each value), or a name given by --column.\n\n"
    "What has finished is not run again: the same command goes on where it was stopped.\n\n"
    "Exit codes as in weft run; with --keep-going 1 where a cell failed.\n\n"
    "Examples:\n\n"
    "weft sweep portrait.json --grid KSampler.cfg=1..8 --grid KSampler.sampler_name=euler,heun\n\n"
    "weft sweep portrait.json --grid KSampler.seed=1..16 --batch 4\n\n"
    "weft sweep portrait.json --csv prompts.csv --column prompt=positive.text\n\n"
    "weft sweep switch.json --grid 'first.end_at_step,then.start_at_step=0..20' --animate first.end_at_step"
)
GridOption = Annotated[
    list[str] | None,
    typer.Option(
        "--grid", metavar="COLUMN=VALUES", help="An axis; may be repeated: each value with each of the others."
    ),
]
ZipOption = Annotated[
    list[str] | None,
    typer.Option(
        "--zip",
        metavar="COLUMN=VALUES",
        help="A part of the one axis on which several columns vary together: the first values, the second ones, ...",
    ),
]
CsvOption = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        help="An axis of rows: the first line names the columns; filename is what the files of a row are called, an "
        "empty cell leaves its input as it is.",
    ),
]
JsonlOption = Annotated[
    Path | None, typer.Option("--jsonl", metavar="FILE", help="The same from a file with one JSON object a line.")
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="NAME=NODE.INPUT", help="Call an input, or several, by a name; may be repeated."),
]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="DIR",
        file_okay=False,
        help="The folder of this sweep: pictures, index.jsonl, sheet.png, index.html.",
        show_default="WORKFLOW_sweep in the output folder",
    ),
]
SeedOption = Annotated[
    str | None,
    typer.Option("--seed", metavar="SEED", help="What every seed is, in all cells: a number, or random, drawn once."),
]
BatchOption = Annotated[
    int,
    typer.Option(
        "--batch",
        metavar="N",
        min=1,
        max=256,
        help="Run N cells at once and evaluate their networks in one call: quicker, in N times the memory; pictures "
        "may differ a little from those of cells run alone.",
    ),
]
KeepGoingOption = Annotated[
    bool,
    typer.Option("--keep-going", help="Where a cell cannot run or fails, run the others; the exit code is then 1."),
]
AnimateOption = Annotated[
    str | None,
    typer.Option(
        "--animate",
        metavar="AXIS",
        help="Make an animation in which this axis is the time; each frame is a sheet of the others, or a picture.",
    ),
]
AnimationOption = Annotated[
    str,
    typer.Option("--animation", metavar="NAME", help="What its file is called; it ends in .webp, .gif or .png."),
]
FpsOption = Annotated[float, typer.Option("--fps", min=0.01, max=1000.0, help="Its frames a second.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say which cells would run, and what that would take; run nothing.")
]


app = one_command()


@app.command(epilog=EPILOG)
@taking_settings("run", "models", "input", "device", "dtype", before="targets", switches_before="ui")
def sweep(
    context: typer.Context,
    workflow: WorkflowArgument,
    grid: GridOption = None,
    zipped: ZipOption = None,
    csv: CsvOption = None,
    jsonl: JsonlOption = None,
    column: ColumnOption = None,
    changes: SetOption = None,
    seed: SeedOption = None,
    output: FolderOption = None,
    targets: TargetOption = None,
    only: OnlyOption = None,
    bypass: BypassOption = None,
    mute: MuteOption = None,
    animate: AnimateOption = None,
    animation: AnimationOption = "animation.webp",
    fps: FpsOption = 6.0,
    ui: UiOption = False,
    batch: BatchOption = 1,
    ray: RayOption = None,
    workers: WorkersOption = None,
    keep_going: KeepGoingOption = False,
    dry_run: DryRunOption = False,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_events: EventsOption = False,
    quiet: QuietOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Run a workflow for many values of its inputs, into one folder with an index, a contact sheet and a page.

    All cells are checked before the first one runs. They run in an order that shares models, prompts and samplings;
    the index and the sheet keep the order in which they were asked for.
    """
    with answering(context.obj, as_json=as_json, as_events=as_events, quiet=quiet) as answer:
        if as_json and as_events:
            raise UsageError("--json and --events exclude each other")
        if ray is None and workers is not None:
            raise UsageError("--workers is for --ray")
        if ray is not None and batch > 1:
            raise UsageError("--ray and --batch exclude each other")
        from weft.engine.arguments import targets_of
        from weft.engine.session import Session
        from weft.engine.sweeping.overview import Animation
        from weft.engine.sweeping.sweep import Sweep

        wanted = targets_of(targets, only)
        session = Session(
            output=output or _own_folder(workflow),
            batch=batch,
            **settings,
            warn=answer.notice,
        )
        if no_cache and store is not None:
            raise UsageError("--store and --no-cache exclude each other")
        folders = folders_of(session.settings, cache, no_cache=no_cache)
        given = session.settings, session.packs
        places = CachePlaces(folders, store)
        with opened(folders, *given, several=True, store=store, warn=answer.notice) as session.cache:
            part: dict[str, Any] = {"only": only or (), "bypass": bypass or (), "mute": mute or ()}
            base = session.read(workflow, changes, ui=ui, seed=_checked_seed(seed), **part)
            axes = _axes(session, base, grid or (), zipped or (), csv, jsonl, column or ())
            sweep = Sweep(session, base, axes, targets=wanted, keep_going=keep_going)
            moving = Animation.of(sweep, animate, animation, fps) if animate is not None else None
            with nullcontext() if dry_run else sweep.alone():
                sweep.restore(answer.notice)
                calls = sweep.model_calls()
                if dry_run:
                    _tell_cells(sweep, calls, answer)
                    return
                with ExitStack() as stack:
                    far = None
                    if ray is None:
                        session.packs.check(session.settings)
                    else:
                        from weft.engine.spreading.sweeps import on_cluster

                        far = on_cluster(stack, sweep, calls, answer, ray, workers, places)
                    _run(sweep, calls, answer, far)
                title = Path(name_of(workflow)).name
                _tell_end(sweep, answer, _draw(sweep, answer, title, moving))


def _own_folder(workflow: str) -> Path:
    """The folder of a sweep for which none is named."""
    from weft.engine.schema.packs import Packs
    from weft.engine.settings import Settings

    name = "sweep" if workflow == "-" else f"{Path(workflow).name.partition('.')[0]}_sweep"
    return Settings.load({}, Packs.installed().settings.values()).output / name


def _checked_seed(seed: str | None) -> str | None:
    if seed in ("increment", "decrement"):
        raise UsageError(f"--seed {seed}: a cell has no run before it", hint="make it an axis: --grid NODE.seed=0..9")
    return seed


def _axes(
    session: Session,
    base: Prompt,
    grid: Sequence[str],
    zipped: Sequence[str],
    csv: Path | None,
    jsonl: Path | None,
    columns: Sequence[str],
) -> list[SweepAxis]:
    """The axes in their order: rows, each grid, what is zipped."""
    from weft.engine.sweeping.axes import Columns, grid_axis, zipped_axis
    from weft.engine.sweeping.rows import csv_axis, jsonl_axis

    if csv is not None and jsonl is not None:
        raise UsageError("--csv and --jsonl exclude each other")
    named = Columns.read(columns, partial(session.names_input, base))
    rows = [csv_axis(csv, named)] if csv is not None else [jsonl_axis(jsonl, named)] if jsonl is not None else []
    axes = [*rows, *(grid_axis(text, named) for text in grid), *([zipped_axis(zipped, named)] if zipped else [])]
    if not axes:
        raise UsageError("a sweep needs an axis", hint="--grid NODE.INPUT=VALUES, --zip, --csv or --jsonl")
    return axes


_REST = 1.0
"""What a cell has to do beside evaluating networks, in evaluations: a guess, for the time that is left."""


def _run(sweep: Sweep, calls: Mapping[int, ModelCalls], answer: Answer, far: Elsewhere | None = None) -> None:
    from weft.engine.sweeping.running import Runner

    if not (answer.quiet or answer.as_events):
        said = ", ".join([*_counts(sweep), _total(calls, sweep.session.batch)])
        answer.err.line(f"{said}, into {one_line(str(sweep.folder))}")
    refused = {one.cell.number: 0.0 for one in sweep.order if one.error is not None}
    work = refused | {number: told.calls + _REST for number, told in calls.items()}
    with answer.watching(partial(SweepNarrator, work=work)) as observers:
        for _ in sweep.run(Runner(sweep.session, sweep.targets, observers, answer.token, far)):
            # A live bar has the terminal's last line: files are listed when it is gone.
            if answer.err.console is None and not (answer.as_json or answer.as_events):
                answer.list_files()


def _draw(sweep: Sweep, answer: Answer, title: str, moving: Animation | None) -> list[Path]:
    """Draw what shows the sweep; the files that were written."""
    from weft.engine.sweeping.overview import draw
    from weft.engine.sweeping.pictures import find_pictures

    drawing = find_pictures(sweep.session.packs, answer.notice)
    return [] if drawing is None else list(draw(sweep, drawing, title, moving))


def _counts(sweep: Sweep) -> Iterator[str]:
    yield f"{len(sweep.cells)} cell{'s' if len(sweep.cells) != 1 else ''}"
    if sweep.restored:
        yield f"{sweep.restored} finished before"


def _total(calls: Mapping[int, ModelCalls], batch: int) -> str:
    """`231 model calls`; at least so many, where some are known only when their node runs."""
    total = sum(told.calls for told in calls.values())
    least = "at least " if any(told.unknown for told in calls.values()) else ""
    together = f" (up to {batch} in one)" if batch > 1 and total > 1 else ""
    return f"{least}{total:,} model call{'s' if total != 1 else ''}{together}"


def _tell_cells(sweep: Sweep, calls: Mapping[int, ModelCalls], answer: Answer) -> None:
    """What `--dry-run` says: the cells in the order of the run, what is wrong with which, and what it would take."""
    if answer.as_json:
        cells = [
            {
                "cell": one.cell.number,
                "parameters": dict(one.cell.parameters),
                "status": _status(sweep, one),
                **({"model_calls": calls[one.cell.number].calls} if one.cell.number in calls else {}),
                **({"error": str(one.error)} if one.error else {}),
            }
            for one in sweep.order
        ]
        total = sum(told.calls for told in calls.values())
        unknown = sorted({node_id for told in calls.values() for node_id in told.unknown})
        folder = str(sweep.folder)
        answer.document(
            {"status": "planned", "folder": folder, "model_calls": total, "unknown": unknown, "cells": cells}
        )
        return
    for one in sweep.order:
        line = f"{_status(sweep, one):7} {one.cell.number:>4}  {one_line(one.cell.said)}"
        answer.out.line(f"{line}: {one_line(str(one.error))}" if one.error else line)
    answer.out.line(", ".join([*_counts(sweep), f"{len(calls)} to run", _total(calls, sweep.session.batch)]))


def _status(sweep: Sweep, one: Surveyed) -> str:
    return "failed" if one.error else "done" if one.cell.number in sweep.records else "waiting"


def _tell_end(sweep: Sweep, answer: Answer, drawn: Sequence[Path]) -> None:
    document = {
        "folder": str(sweep.folder),
        "index": str(sweep.index.file),
        "drawn": [str(file) for file in drawn],
        "cells": [sweep.records[number].to_json() for number in sorted(sweep.records)],
    }
    status = "failed" if sweep.failed else "done"
    if answer.as_json:
        answer.document({"status": status, **document, "warnings": answer.warned()})
    elif answer.as_events:
        answer.record({"event": "SweepFinished", "status": status, **document})
    else:
        answer.files += [sweep.index.file, *drawn]
        answer.list_files()
    if sweep.failed:
        raise SystemExit(1)
