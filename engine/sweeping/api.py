"""What `weft.sweep` is made of: axes of values that are no text, and the records of cells one by one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from weft.engine.cancel import CancelToken
from weft.engine.errors import UsageError, python_warning
from weft.engine.events import Observer
from weft.engine.session import Session
from weft.engine.sweeping.axes import Columns, SweepAxis, axis_of
from weft.engine.sweeping.index import CellRecord
from weft.engine.sweeping.overview import draw
from weft.engine.sweeping.pictures import find_pictures
from weft.engine.sweeping.rows import csv_axis, jsonl_axis, rows_axis
from weft.engine.sweeping.running import Runner
from weft.engine.sweeping.sweep import Sweep
from weft.engine.workflow.prompt import Prompt

_READERS = {".csv": csv_axis, ".jsonl": jsonl_axis}


def axes_of(
    session: Session,
    prompt: Prompt,
    grid: Mapping[str, Sequence[Any]],
    zipped: Mapping[str, Sequence[Any]],
    rows: Iterable[Mapping[str, Any]] | str | os.PathLike[str] | None,
) -> list[SweepAxis]:
    """The axes in their order: rows, each of the grid, what is zipped. Raises UsageError."""
    columns = Columns({}, partial(session.names_input, prompt))
    axes = [axis_of({column: values}, columns) for column, values in grid.items()]
    if zipped:
        axes.append(axis_of(zipped, columns))
    if isinstance(rows, str | os.PathLike):
        file = Path(rows)
        if file.suffix not in _READERS:
            raise UsageError(f"rows: expected a .csv or .jsonl file, got {str(file)!r}")
        axes.insert(0, _READERS[file.suffix](file, columns))
    elif rows is not None:
        axes.insert(0, rows_axis(rows, columns))
    if not axes:
        raise UsageError("a sweep needs an axis", hint="grid={'NODE.INPUT': [...]}, zipped or rows")
    return axes


def records_of(
    session: Session,
    prompt: Prompt,
    axes: Sequence[SweepAxis],
    targets: Sequence[str],
    observers: Sequence[Observer],
    cancel: CancelToken | None,
    *,
    keep_going: bool,
) -> Iterator[CellRecord]:
    """The records of a sweep, those of earlier runs first; after the last one, what shows the sweep is drawn."""
    sweep = Sweep(session, prompt, axes, targets=targets, keep_going=keep_going)
    with sweep.alone():
        sweep.restore(python_warning)
        yield from list(sweep.records.values())
        yield from sweep.run(Runner(session, targets, observers, cancel or CancelToken()))
        drawing = find_pictures(session.packs, python_warning)
        if drawing is not None:
            list(draw(sweep, drawing, "sweep"))
