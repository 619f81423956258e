"""The cells of a sweep on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from weft.engine.events import CellResumed, CellStarted, Event
from weft.engine.planning.forecast import ModelCalls
from weft.engine.spreading.errands import CellErrand, Errand
from weft.engine.spreading.rays import ray_pool
from weft.engine.spreading.schedule import Schedule, Task
from weft.engine.spreading.spread import Spread
from weft.engine.spreading.worker import plan_of
from weft.engine.sweeping.cells import SweepCell
from weft.engine.sweeping.index import CellRecord
from weft.engine.sweeping.running import Elsewhere, Runner
from weft.engine.sweeping.sweep import Sweep
from weft.engine.terminal.answer import Answer
from weft.engine.terminal.caches import CachePlaces

LOAD = 10.0
"""What loading its models takes a worker, in evaluations of a network: a guess."""
REST = 1.0
"""What a cell or a file has to do beside evaluating networks, in evaluations: a guess."""


def on_cluster(
    stack: ExitStack,
    sweep: Sweep,
    calls: Mapping[int, ModelCalls],
    answer: Answer,
    address: str,
    workers: int | None,
    places: CachePlaces,
) -> Elsewhere:
    """What runs the cells of a sweep on the cluster at this address, until the stack is left."""
    # No more workers than cells, and none where nothing waits.
    most = min(workers or len(sweep.cells), max(1, len(sweep.waiting)))
    pool = stack.enter_context(ray_pool(address, plan_of(sweep.session, places), most)) if sweep.waiting else None
    models = sweep.models()

    def run(runner: Runner, cells: Sequence[SweepCell], keys: Mapping[int, str]) -> Iterator[CellRecord]:
        if pool is None:
            return
        telling = _Telling(runner)
        tasks = [Task(cell.number, models[cell.number], calls[cell.number].calls + REST) for cell in cells]
        errands = {cell.number: CellErrand(cell, keys[cell.number], tuple(sweep.targets)) for cell in cells}
        spread = Spread(
            pool,
            Schedule(tasks, LOAD),
            errands,
            runner.token,
            started=telling.started,
            heard=telling.heard,
            warn=answer.warn,
        )
        yield from (record for _, record in spread.results())

    return run


class _Telling:
    """Tells the observers of a sweep of several cells at a time, each of which another worker runs."""

    def __init__(self, runner: Runner) -> None:
        self._observers = runner.observers
        self._told = 0

    def started(self, worker: str, errand: Errand) -> None:
        if isinstance(errand, CellErrand):
            self._tell(errand.number, CellStarted(errand.number, dict(errand.cell.parameters), worker))

    def heard(self, errand: Errand, event: Event) -> None:
        if errand.number != self._told:
            self._tell(errand.number, CellResumed(errand.number))
        self._tell(errand.number, event)

    def _tell(self, number: int, event: Event) -> None:
        self._told = number
        for observer in self._observers:
            observer(event)
