"""Cells, run: whoever runs them takes them in their order and says of each what came of it, in any order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
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


def run_cells(runner: Runner, cells: Sequence[SweepCell]) -> Iterator[CellOutcome]:
    """Run cells, as many at once as the session's batch, and say what came of each as it ends.

    Raises Interrupted; whatever else goes wrong is a cell's own outcome. The seconds of one of several at once have
    those of the others in them.
    """
    token = CancelToken(runner.token)
    return runner.session.together((partial(_run, runner, cell, token) for cell in cells), token)


def _run(runner: Runner, cell: SweepCell, token: CancelToken) -> CellOutcome:
    session, started = runner.session, time.perf_counter()
    try:
        with runner.watching(cell) as observers:
            plan = session.plan(cell.prompt, runner.targets)
            result = session.execute(plan, observers, cancel=token)
    except Interrupted:
        raise
    except Exception as error:
        return CellOutcome(cell, time.perf_counter() - started, error=error)
    return CellOutcome(cell, time.perf_counter() - started, result)
