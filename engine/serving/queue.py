"""The queue: what waits, what runs, what has been. No prompt can break it.

Invariants, whenever the lock is free:
- A job is in one place: it waits, it runs, or it is in the history; a job that was taken back is nowhere.
- At most one runs. The one that waits with the smallest number is taken next; of equal numbers the first that came.
- What is kept on the disk, if anything is, is written before anybody is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Any, Protocol

from weft.engine.serving.job import Done, Job

MOST_KEPT = 10_000
"""As many jobs the history remembers."""


class Keeping(Protocol):
    """Keeps a queue somewhere else, whole or not at all."""

    def put(self, job: Job) -> None:
        """A job waits."""

    def done(self, done: Done) -> None:
        """A job has ended: it waits no more."""

    def forget(self, prompt_ids: Collection[str]) -> None:
        """Jobs are nowhere any more."""


class Full(Exception):
    """As many jobs wait as may."""


class JobQueue:
    """See above. `changed` is called, in whatever thread it happens, after the number of jobs has changed."""

    def __init__(self, changed: Callable[[], None], *, most: int = 0, keeping: Keeping | None = None) -> None:
        self._changed = changed
        self._most = most
        self._keeping = keeping
        self._waiting: list[tuple[float, int, Job]] = []
        self._running: Job | None = None
        self._history: dict[str, Done] = {}
        self._came = 0
        self._closed = False
        self._lock = threading.Condition(threading.RLock())

    def restore(self, waiting: Collection[Job], history: Collection[Done]) -> None:
        """Begin with what another server has left."""
        with self._lock:
            self._history = {done.prompt_id: done for done in history}
            for job in waiting:
                self._add(job)

    def put(self, job: Job) -> None:
        """Have a job wait for its turn. Raises Full."""
        with self._lock:
            if self._most and len(self._waiting) >= self._most:
                raise Full
            if self._keeping is not None:
                self._keeping.put(job)
            self._add(job)
        self._changed()

    def _add(self, job: Job) -> None:
        self._came += 1
        self._waiting.append((job.number, self._came, job))
        self._waiting.sort(key=lambda each: each[:2])
        self._lock.notify()

    def take(self, timeout: float | None = None) -> Job | None:
        """The next job, which runs from now on; None where none has come, or the queue is closed."""
        with self._lock:
            self._lock.wait_for(lambda: self._waiting or self._closed, timeout)
            if self._closed or not self._waiting:
                return None
            self._running = self._waiting.pop(0)[2]
        self._changed()
        return self._running

    def finish(self, done: Done) -> None:
        """The running job has ended, in whichever way: also where this raises, since it could not be kept."""
        try:
            with self._lock:
                try:
                    if self._keeping is not None:
                        self._keeping.done(done)
                finally:
                    self._running = None
                    self._history.pop(done.prompt_id, None)
                    self._history[done.prompt_id] = done
                    if len(self._history) > MOST_KEPT:
                        del self._history[next(iter(self._history))]
        finally:
            self._changed()

    def interrupt(self, prompt_id: str | None = None) -> None:
        """Ask the running job to stop, if it is this one."""
        with self._lock:
            if self._running is not None and prompt_id in (None, self._running.prompt_id):
                self._running.token.cancel()

    def take_back(self, wanted: Callable[[Job], bool]) -> list[str]:
        """Have jobs that wait wait no more; gives their ids."""
        with self._lock:
            gone = [job.prompt_id for _, _, job in self._waiting if wanted(job)]
            if gone and self._keeping is not None:
                self._keeping.forget(gone)
            self._waiting = [each for each in self._waiting if not wanted(each[2])]
        if gone:
            self._changed()
        return gone

    def forget(self, prompt_ids: Collection[str] | None = None) -> None:
        """Remember these jobs no more; None: all that have ended."""
        with self._lock:
            gone = [each for each in self._history if prompt_ids is None or each in prompt_ids]
            if gone and self._keeping is not None:
                self._keeping.forget(gone)
            for each in gone:
                del self._history[each]

    def close(self) -> None:
        """Give no more jobs; the running one is asked to stop."""
        with self._lock:
            self._closed = True
            if self._running is not None:
                self._running.token.cancel()
            self._lock.notify_all()

    @property
    def closed(self) -> bool:
        """Whether it gives no more jobs."""
        return self._closed

    @property
    def running(self) -> Job | None:
        """The job that runs."""
        return self._running

    @property
    def waiting(self) -> list[Job]:
        """The jobs that wait, the next one first."""
        with self._lock:
            return [job for _, _, job in self._waiting]

    @property
    def remaining(self) -> int:
        """How many wait or run."""
        with self._lock:
            return len(self._waiting) + (self._running is not None)

    def knows(self, prompt_id: str) -> bool:
        """Whether a job of this id waits or runs."""
        running = self._running
        return (running is not None and running.prompt_id == prompt_id) or any(
            job.prompt_id == prompt_id for job in self.waiting
        )

    def history(self, most: int | None = None, offset: int = -1) -> dict[str, Done]:
        """What has been, the oldest first: so many from `offset` on, or the newest; all where nothing is said."""
        with self._lock:
            items = list(self._history.items())
        if offset < 0 and most is not None:
            offset = max(0, len(items) - most)
        offset = max(0, offset)
        return dict(items[offset : None if most is None else offset + most])

    def done(self, prompt_id: str) -> Done | None:
        """What is remembered of a job."""
        return self._history.get(prompt_id)


def shown(queue: JobQueue) -> dict[str, Any]:
    """The queue as ComfyUI shows it."""
    running = queue.running
    return {
        "queue_running": [running.item] if running is not None else [],
        "queue_pending": [job.item for job in queue.waiting],
    }
