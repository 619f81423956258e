"""Cells, run: whoever runs them takes them in their order and says of each what came of it, in any order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from weft.engine.cancel import CancelToken
from weft.engine.errors import Interrupted
from weft.engine.events import Observer
from weft.engine.running.result import RunResult
from weft.engine.session import Session
from weft.engine.sweeping.cells import SweepCell

Watching = Callable[[SweepCell], AbstractContextManager[Sequence[Observer]]]
"""Gives the observers of a cell's run, for the time of it."""


class CellOutcome(NamedTuple):
    """What came of a cell: a result or an error, after so many seconds."""

    cell: SweepCell
    seconds: float
    result: RunResult | None = None
    error: Exception | None = None


class Runner(NamedTuple):
    """What running cells takes: where, which nodes beside the outputs, who watches, who may stop it."""

    session: Session
    targets: Sequence[str]
    watching: Watching
    token: CancelToken


def one_by_one(runner: Runner, cells: Sequence[SweepCell]) -> Iterator[CellOutcome]:
    """Run cells one after the other. Raises Interrupted; whatever else goes wrong is a cell's own outcome."""
    session = runner.session
    for cell in cells:
        started = time.perf_counter()
        try:
            with runner.watching(cell) as observers:
                plan = session.plan(cell.prompt, runner.targets)
                result = session.execute(plan, observers, cancel=runner.token)
        except Interrupted:
            raise
        except Exception as error:
            yield CellOutcome(cell, time.perf_counter() - started, error=error)
        else:
            yield CellOutcome(cell, time.perf_counter() - started, result)
