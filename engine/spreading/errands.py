"""What workers are given: a cell of a sweep, or whatever else is run whole in another process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from weft.engine.cancel import CancelToken
from weft.engine.events import Observer
from weft.engine.session import Session
from weft.engine.sweeping.cells import SweepCell
from weft.engine.sweeping.index import CellRecord
from weft.engine.sweeping.running import Runner, run_cells
from weft.engine.sweeping.sweep import failed_record, record_of


class Bench(NamedTuple):
    """What a worker has to work with."""

    session: Session
    observers: Sequence[Observer]
    token: CancelToken


class Errand(Protocol):
    """One thing that a worker does: it is sent there, and what it gives is sent back."""

    @property
    def number(self) -> int:
        """Its place in the schedule."""

    @property
    def where(self) -> str:
        """What a message calls it."""

    @property
    def run(self) -> Callable[[Bench], Any]:
        """Does it, in the worker. Raises Interrupted where it was cancelled."""

    @property
    def failed(self) -> Callable[[str], Any]:
        """What is given in its place where nothing came of it."""


@dataclass(frozen=True)
class CellErrand:
    """A cell, whose digest is `key`: gives its line of the index."""

    cell: SweepCell
    key: str
    targets: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        return self.cell.number

    @property
    def where(self) -> str:
        return self.cell.where

    def run(self, bench: Bench) -> CellRecord:
        (outcome,) = run_cells(Runner(bench.session, self.targets, bench.observers, bench.token), [self.cell])
        return record_of(bench.session, outcome, self.key)

    def failed(self, message: str) -> CellRecord:
        return failed_record(self.cell, message)
