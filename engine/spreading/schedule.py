"""Which worker runs which task next. Nothing here waits, sends or computes: a simulation uses it as it is.

Tasks come in an order in which neighbours share what they compute, and each has an affinity: the models that it needs.
Invariants:

1. A task is with one worker at most, and waits, runs or is done.
2. What a worker takes goes on, in order, behind what it ran last, until its stretch is used up. A stretch is of one
   affinity.
3. A worker without a stretch takes one that nobody has: of its own affinity, else the dearest. Where all are taken, it
   takes the later half of the dearest one, if that is worth the models it has to load.
4. A task that had begun on workers that died is given up after `LIVES` of them; one that had not begun counts nothing.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
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
    tasks: deque[Task]

    @property
    def cost(self) -> float:
        return sum(task.cost for task in self.tasks)


@dataclass
class _Worker:
    stretch: _Stretch | None = None
    warm: Hashable = None
    running: Task | None = None
    known: bool = False


class Schedule:
    """See above. load: what loading a task's models is reckoned to take, in the unit of costs."""

    def __init__(self, tasks: Iterable[Task], load: float = 0.0) -> None:
        self._load = load
        self._free = [
            _Stretch(affinity, deque(group)) for affinity, group in groupby(tasks, key=lambda task: task.affinity)
        ]
        self._again: deque[Task] = deque()
        self._workers: dict[str, _Worker] = {}
        self._losses: Counter[int] = Counter()
        self._left = sum(len(stretch.tasks) for stretch in self._free)

    @property
    def unfinished(self) -> int:
        """How many tasks wait or run."""
        return self._left

    def add(self, task: Task) -> None:
        """A task more, which goes before all others."""
        self._again.append(task)
        self._left += 1

    def drop(self, numbers: Collection[int]) -> None:
        """Forget those of these tasks that wait."""
        for tasks in (self._again, *(stretch.tasks for stretch in self._stretches())):
            stay = [task for task in tasks if task.number not in numbers]
            self._left -= len(tasks) - len(stay)
            tasks.clear()
            tasks.extend(stay)
        self._free = [stretch for stretch in self._free if stretch.tasks]

    def take(self, name: str) -> Task | None:
        """The next task of a worker, which has none; None where nothing waits that is worth its while."""
        worker = self._workers.setdefault(name, _Worker())
        if worker.running is not None:
            raise ValueError(f"worker {name} has task {worker.running.number}")
        task = self._again.popleft() if self._again else self._next(worker)
        if task is not None:
            worker.running, worker.warm, worker.known = task, task.affinity, True
        return task

    def done(self, name: str) -> Task:
        """A worker's task has ended."""
        worker = self._workers[name]
        task, worker.running = worker.running, None
        if task is None:
            raise ValueError(f"worker {name} has no task")
        self._left -= 1
        return task

    def lost(self, name: str, *, begun: bool = True) -> Task | None:
        """A worker is gone, and whoever has its name now knows nothing; gives the task that is given up, if one is.

        One that had not `begun` there is not charged with it.
        """
        worker = self._workers.pop(name, _Worker())
        if worker.stretch is not None and worker.stretch.tasks:
            self._free.insert(0, worker.stretch)
        task = worker.running
        if task is None:
            return None
        if not begun:
            self._again.appendleft(task)
            return None
        self._losses[task.number] += 1
        if self._losses[task.number] < LIVES:
            self._again.append(task)
            return None
        self._left -= 1
        return task

    def _stretches(self) -> Iterator[_Stretch]:
        yield from self._free
        yield from (worker.stretch for worker in self._workers.values() if worker.stretch is not None)

    def _next(self, worker: _Worker) -> Task | None:
        if worker.stretch is None or not worker.stretch.tasks:
            worker.stretch = self._found(worker)
        return worker.stretch.tasks.popleft() if worker.stretch is not None else None

    def _found(self, worker: _Worker) -> _Stretch | None:
        if self._free:
            own = [each for each in self._free if worker.known and each.affinity == worker.warm]
            found = max(own or self._free, key=lambda each: each.cost)
            self._free.remove(found)
            return found
        others = [each.stretch for each in self._workers.values() if each.stretch is not None and each.stretch.tasks]
        halves = [each for each in others if self._is_worth(each, worker)]
        return self._half(max(halves, key=lambda each: each.cost)) if halves else None

    def _is_worth(self, stretch: _Stretch, worker: _Worker) -> bool:
        """Whether the later half takes longer than the models that it needs take to load, where they are not there."""
        needed = 0.0 if worker.known and worker.warm == stretch.affinity else self._load
        return not needed or stretch.cost / 2 > needed

    def _half(self, stretch: _Stretch) -> _Stretch:
        later: deque[Task] = deque()
        half, taken = stretch.cost / 2, 0.0
        while stretch.tasks and (not later or taken + stretch.tasks[-1].cost <= half):
            task = stretch.tasks.pop()
            later.appendleft(task)
            taken += task.cost
        return _Stretch(stretch.affinity, later)
