"""Which worker runs which job next. Nothing here waits, sends or computes: a simulation uses it as it is.

Jobs come in an order in which neighbours share what they compute, and each has an affinity: the models that it needs.
Invariants:

1. A job is with one worker at most, and waits, runs or is done.
2. What a worker takes goes on, in order, behind what it ran last, until its stretch is used up. A stretch is of one
   affinity.
3. A worker without a stretch takes one that nobody has: of its own affinity, else the dearest. Where all are taken, it
   takes the later half of the dearest one, if that is worth the models it has to load.
4. A job that was with workers that died is given up after `LIVES` of them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from itertools import groupby

LIVES = 3


@dataclass(frozen=True)
class Task:
    """What is to be done once: its number, the models that it needs, and what it is reckoned to take."""

    number: int
    affinity: Hashable = ()
    cost: float = 1.0


@dataclass(eq=False)
class _Stretch:
    affinity: Hashable
    jobs: deque[Task]

    @property
    def cost(self) -> float:
        return sum(job.cost for job in self.jobs)


@dataclass
class _Worker:
    stretch: _Stretch | None = None
    warm: Hashable = None
    running: Task | None = None
    known: bool = field(default=False)


class Schedule:
    """See above. load: what loading a job's models is reckoned to take, in the unit of costs."""

    def __init__(self, jobs: Iterable[Task], load: float = 0.0) -> None:
        self._load = load
        self._free = [
            _Stretch(affinity, deque(group)) for affinity, group in groupby(jobs, key=lambda job: job.affinity)
        ]
        self._again: deque[Task] = deque()
        self._workers: dict[str, _Worker] = {}
        self._losses: Counter[int] = Counter()
        self._left = sum(len(stretch.jobs) for stretch in self._free)

    @property
    def unfinished(self) -> int:
        """How many jobs wait or run."""
        return self._left

    def take(self, name: str) -> Task | None:
        """The next job of a worker, which has none; None where nothing waits that is worth its while."""
        worker = self._workers.setdefault(name, _Worker())
        if worker.running is not None:
            raise ValueError(f"worker {name} has job {worker.running.number}")
        job = self._again.popleft() if self._again else self._next(worker)
        if job is not None:
            worker.running, worker.warm, worker.known = job, job.affinity, True
        return job

    def done(self, name: str) -> Task:
        """A worker's job has ended."""
        worker = self._workers[name]
        job, worker.running = worker.running, None
        if job is None:
            raise ValueError(f"worker {name} has no job")
        self._left -= 1
        return job

    def lost(self, name: str) -> Task | None:
        """A worker is gone, and whoever has its name now knows nothing; gives the job that is given up, if one is."""
        worker = self._workers.pop(name, _Worker())
        if worker.stretch is not None and worker.stretch.jobs:
            self._free.insert(0, worker.stretch)
        job = worker.running
        if job is None:
            return None
        self._losses[job.number] += 1
        if self._losses[job.number] < LIVES:
            self._again.append(job)
            return None
        self._left -= 1
        return job

    def _next(self, worker: _Worker) -> Task | None:
        if worker.stretch is None or not worker.stretch.jobs:
            worker.stretch = self._found(worker)
        return worker.stretch.jobs.popleft() if worker.stretch is not None else None

    def _found(self, worker: _Worker) -> _Stretch | None:
        if self._free:
            own = [each for each in self._free if worker.known and each.affinity == worker.warm]
            found = max(own or self._free, key=lambda each: each.cost)
            self._free.remove(found)
            return found
        others = [each.stretch for each in self._workers.values() if each.stretch is not None and each.stretch.jobs]
        halves = [each for each in others if self._is_worth(each, worker)]
        return self._half(max(halves, key=lambda each: each.cost)) if halves else None

    def _is_worth(self, stretch: _Stretch, worker: _Worker) -> bool:
        """Whether the later half takes longer than the models that it needs take to load, where they are not there."""
        needed = 0.0 if worker.known and worker.warm == stretch.affinity else self._load
        return bool(stretch.jobs) and (stretch.cost / 2 > needed or (not needed and len(stretch.jobs) > 0))

    def _half(self, stretch: _Stretch) -> _Stretch:
        later: deque[Task] = deque()
        half, taken = stretch.cost / 2, 0.0
        while stretch.jobs and (not later or taken + stretch.jobs[-1].cost <= half):
            job = stretch.jobs.pop()
            later.appendleft(job)
            taken += job.cost
        return _Stretch(stretch.affinity, later)
