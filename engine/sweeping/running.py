"""Cells, run: whoever runs them takes them in their order and says of each what came of it, in any order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from weft.engine.cancel import CancelToken
from weft.engine.errors import Interrupted
from weft.engine.events import CellResumed, CellStarted, Observer
from weft.engine.running.result import RunResult
from weft.engine.session import Session
from weft.engine.sweeping.cells import SweepCell
from weft.engine.sweeping.index import CellRecord


class CellOutcome(NamedTuple):
    """What came of a cell: a result or an error, after so many seconds."""

    cell: SweepCell
    seconds: float
    result: RunResult | None = None
    error: Exception | None = None


# Runs cells somewhere else: given them in their order, and each one's digest by number, their records as they end.
Elsewhere = Callable[["Runner", Sequence[SweepCell], Mapping[int, str]], Iterator[CellRecord]]


class Runner(NamedTuple):
    """What running cells takes: where, which nodes beside the outputs, who watches, who may stop it."""

    session: Session
    targets: Sequence[str]
    observers: Sequence[Observer]
    token: CancelToken
    elsewhere: Elsewhere | None = None


def run_cells(runner: Runner, cells: Sequence[SweepCell]) -> Iterator[CellOutcome]:
    """Run cells, as many at once as the session's batch, and say what came of each as it ends.

    Raises Interrupted; whatever else goes wrong is a cell's own outcome. The seconds of one of several at once have
    those of the others in them.
    """
    token = CancelToken(runner.token)
    telling = _Telling(runner.observers)
    return runner.session.together((partial(_run, runner, cell, telling, token) for cell in cells), token)


def _run(runner: Runner, cell: SweepCell, telling: _Telling, token: CancelToken) -> CellOutcome:
    session, started = runner.session, time.perf_counter()
    try:
        observers = telling.of(cell)
        plan = session.plan(cell.prompt, runner.targets)
        result = session.execute(plan, observers, cancel=token)
    except Interrupted:
        raise
    except Exception as error:
        return CellOutcome(cell, time.perf_counter() - started, error=error)
    return CellOutcome(cell, time.perf_counter() - started, result)


class _Telling:
    """Tells observers of which cell the events are that follow: runs that take turns are told of in turns."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers
        self._told = 0

    def of(self, cell: SweepCell) -> list[Observer]:
        """The observers of a cell's run, which begins now."""
        self._tell(CellStarted(cell.number, dict(cell.parameters)))
        return [lambda _: self._resume(cell.number), *self._observers] if self._observers else []

    def _resume(self, number: int) -> None:
        if self._told != number:
            self._tell(CellResumed(number))

    def _tell(self, event: CellStarted | CellResumed) -> None:
        self._told = event.cell
        for observer in self._observers:
            observer(event)
