"""The loop over a pool of workers: each that is idle is given what the schedule says, until all is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from weft.engine.cancel import CancelToken
from weft.engine.events import Event, WorkerSaid
from weft.engine.spreading.errands import Errand
from weft.engine.spreading.schedule import LIVES, Schedule


class Heard(NamedTuple):
    """What a worker has told of what it runs since it told the last time."""

    worker: str
    events: tuple[Event, ...] = ()


class Ended(NamedTuple):
    """What the errand of a worker has given; None where the worker died. warnings: what it was told.

    `begun` says of a worker that died whether it had begun; `events` are the last ones.
    """

    worker: str
    gives: Any = None
    warnings: tuple[str, ...] = ()
    begun: bool = True
    events: tuple[Event, ...] = ()


class Pool(Protocol):
    """Workers, each of which does one thing at a time."""

    @property
    def workers(self) -> Iterable[str]:
        """Their names; one that died is there again, by another name."""

    def submit(self, worker: str, errand: Errand) -> None:
        """Have an idle worker do it."""

    def wait(self, seconds: float) -> Iterable[Heard | Ended]:
        """What they have told, and who has ended, waiting so long for the first."""


LOOKS = 0.2
"""Seconds between looks at whether somebody cancels."""


class Spread:
    """Errands on a pool, as a schedule of their numbers says.

    `started` is told of what a worker is given, `heard` what it tells, `warn` of what nobody asked for.
    """

    def __init__(
        self,
        pool: Pool,
        schedule: Schedule,
        errands: Mapping[int, Errand],
        token: CancelToken,
        *,
        started: Callable[[str, Errand], None] = lambda worker, errand: None,
        heard: Callable[[Errand, Event], None] = lambda errand, event: None,
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._pool = pool
        self._schedule = schedule
        self._errands = errands
        self._token = token
        self._started = started
        self._heard = heard
        self._warn = warn
        self._running: dict[str, int] = {}
        self._said: set[str] = set()

    def results(self) -> Iterator[tuple[int, Any]]:
        """What all errands give, by number, as it ends; there may be more to do afterwards. Raises Interrupted."""
        while self._schedule.unfinished:
            self._token.check()
            self._submit()
            for said in self._pool.wait(LOOKS):
                for event in said.events:
                    self._heard(self._errands[self._running[said.worker]], event)
                if isinstance(said, Ended):
                    yield from self._ended(said)

    def _submit(self) -> None:
        for worker in self._pool.workers:
            if worker not in self._running and (task := self._schedule.take(worker)) is not None:
                errand = self._errands[task.number]
                self._running[worker] = task.number
                self._started(worker, errand)
                self._pool.submit(worker, errand)

    def _ended(self, ended: Ended) -> Iterator[tuple[int, Any]]:
        number = self._running.pop(ended.worker)
        errand = self._errands[number]
        for message in ended.warnings:
            if message not in self._said:
                self._said.add(message)
                self._warn(message)
        if ended.gives is not None:
            self._schedule.done(ended.worker)
            yield number, ended.gives
            return
        self._warn(f"{errand.where}: worker {ended.worker} died" + ("" if ended.begun else " before it began"))
        if self._schedule.lost(ended.worker, begun=ended.begun) is not None:
            yield number, errand.failed(f"{LIVES} workers died of it")


def events_of(worker: str, told: Iterable[Event | str]) -> tuple[Event, ...]:
    """What a worker sends, as events: lines are what it printed."""
    return tuple(WorkerSaid(worker, each) if isinstance(each, str) else each for each in told)
