"""The loop over a pool of workers: each that is idle is given what the schedule says, until all cells have a record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from weft.engine.cancel import CancelToken
from weft.engine.spreading.schedule import LIVES, Schedule
from weft.engine.sweeping.cells import SweepCell
from weft.engine.sweeping.index import CellRecord
from weft.engine.sweeping.sweep import failed_record


class Ended(NamedTuple):
    """What a worker's cell has come to: a record, or none where the worker died. warnings: what it was told."""

    worker: str
    record: CellRecord | None
    warnings: tuple[str, ...] = ()


class Pool(Protocol):
    """Workers, each of which runs a cell at a time."""

    @property
    def workers(self) -> Iterable[str]:
        """Their names; one that died is there again."""

    def submit(self, worker: str, cell: SweepCell, key: str) -> None:
        """Have an idle worker run a cell, whose digest is `key`."""

    def wait(self, seconds: float) -> Iterable[Ended]:
        """Those that have ended, waiting so long for the first."""


LOOKS = 0.2
"""Seconds between looks at whether somebody cancels."""


def spread(
    pool: Pool,
    schedule: Schedule,
    cells: Mapping[int, SweepCell],
    keys: Mapping[int, str],
    token: CancelToken,
    *,
    started: Callable[[SweepCell], None] = lambda cell: None,
    warn: Callable[[str], None] = lambda message: None,
) -> Iterator[CellRecord]:
    """The records of all cells of a schedule, as they end. Raises Interrupted where the token says so."""
    running: dict[str, int] = {}
    said: set[str] = set()
    while schedule.unfinished:
        token.check()
        for worker in pool.workers:
            if worker not in running and (job := schedule.take(worker)) is not None:
                running[worker] = job.number
                started(cells[job.number])
                pool.submit(worker, cells[job.number], keys[job.number])
        for ended in pool.wait(LOOKS):
            number = running.pop(ended.worker)
            for message in ended.warnings:
                if message not in said:
                    said.add(message)
                    warn(message)
            if ended.record is not None:
                schedule.done(ended.worker)
                yield ended.record
                continue
            warn(f"{cells[number].where}: worker {ended.worker} died")
            if schedule.lost(ended.worker) is not None:
                yield failed_record(cells[number], f"{LIVES} workers died of it")
