"""Runs that take turns: several at once, each in a thread of its own, of which one goes on at a time.

A run gives its turn away in two places: at the meeting, where it has something evaluated together with what the others
want evaluated, and where it waits for a node that another one computes.

Invariants, as long as the token is not cancelled:
- One thread has the turn: that of a job, or the caller's. All that is below is read and written by that one alone, so
  there are no locks, and nodes of two runs are never called at once.
- A job that has begun and not ended has the turn, or is in one of `_ready`, `_meeting` and `_waiting`.
- Who has the turn and ends or waits hands it on: to the caller, if something is done for it; to a job that is ready; to
  one that begins, while fewer than `width` are under way; to the first at the meeting, which answers those who are
  there, and makes them ready. So those who meet are as many as can be. If there is none of these, every job has ended.
- A run holds no key while it waits for one. So the holder of a key that is waited for has the turn, is ready or at the
  meeting: somebody can go on until all have ended. Who ends, by whatever it may be, holds nothing.
- At most `width` are answered at once. Those who wait for a key do not count among those under way, or all who share
  their first steps would stand in each other's way; some are begun for nothing else, and not more than CROWD times as
  many as there are to be.
- Who is answered nothing does by itself what it asked for: to meet is never needed, and never in the way.

A cancelled token ends all turns: nobody waits any more, and who did is interrupted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from contextvars import Context, copy_context
from typing import Any, TypeVar

from weft.engine.cancel import CancelToken
from weft.engine.errors import WeftError
from weft.engine.schema.packs import Packs

Done = TypeVar("Done")
Request = TypeVar("Request")
Found = TypeVar("Found")
Answer = Callable[[Sequence[Request]], Sequence[Found | None]]
"""What is found for each of the requests that met; None for one that is left to who asked."""

CROWD = 4
"""How many times the width may have begun, those included who wait for what another computes."""

_PATIENCE_S = 0.1
"""How long one waits until one looks whether there are turns still."""


class _Job:
    """A job that has begun. `asked`: what it waits for at the meeting; `held`: the keys of what it computes."""

    __slots__ = ("asked", "found", "held", "turn")

    def __init__(self) -> None:
        self.turn = threading.Event()
        self.asked: tuple[Callable[[Sequence[Any]], Sequence[Any]], Any] | None = None
        self.found: Any = None
        self.held: Sequence[bytes] = ()


class Turns:
    """Lets jobs take turns, at most `width` at once; what packs gather is evaluated together for all of them.

    Raises DefinitionError naming a pack that fails at it.
    """

    def __init__(self, width: int, token: CancelToken, packs: Packs) -> None:
        self._width = width
        self._token = token
        self._gatherers = packs.gatherers(self.meet)
        self._left: Iterator[Callable[[], Any]] = iter(())
        self._context: Context = copy_context()
        self._jobs: dict[threading.Thread, _Job] = {}
        """Those under way. A thread that a node starts has no turn to give away, and never waits here."""
        self._ready: deque[_Job] = deque()
        self._meeting: list[_Job] = []
        self._waiting: dict[bytes, list[_Job]] = {}
        self._held: set[bytes] = set()
        self._done: deque[Any] = deque()
        self._error: BaseException | None = None
        self._callers = threading.Event()

    def run(self, jobs: Iterable[Callable[[], Done]]) -> Iterator[Done]:
        """Do the jobs, each taken when it begins, and give what they return, in the order in which they end.

        They see the context variables of who asks for the first one. Raises what a job raised first; then none begins
        any more, and those that have go on to their end. Whatever else ends this cancels the token.
        """
        self._left, self._context = iter(jobs), copy_context()
        try:
            while self._turn_of_others():
                while self._done:
                    yield self._done.popleft()
        except BaseException:
            self._token.cancel()
            raise
        finally:
            for thread in list(self._jobs):
                thread.join()
        if self._error is not None:
            raise self._error

    def meet(self, answer: Answer[Request, Found], request: Request) -> Found | None:
        """What `answer` finds for the request, together with those of the other runs that come here meanwhile.

        None: nothing; the run is to do it by itself. An answer that fails finds nothing for anybody.
        """
        job = self._jobs.get(threading.current_thread())
        if job is None:
            return None
        job.asked = answer, request
        self._meeting.append(job)
        self._give_away(job)
        if job.asked is not None:
            self._answer(job)
        found: Found | None = job.found
        job.found = None
        return found

    def awaited(self, keys: Sequence[bytes], look: Callable[[], Found | None]) -> Found | None:
        """What `look` finds once no other run computes what has one of these keys; None if this run is to do it.

        It then holds the keys until it releases them.
        """
        job = self._jobs.get(threading.current_thread())
        if job is None:
            return look()
        while (key := next((key for key in keys if key in self._held), None)) is not None:
            self._waiting.setdefault(key, []).append(job)
            self._give_away(job)
        found = look()
        if found is None:
            job.held = keys
            self._held.update(keys)
        return found

    def release(self) -> None:
        """Say that what this run held is done or given up."""
        job = self._jobs.get(threading.current_thread())
        for key in job.held if job is not None else ():
            self._held.discard(key)
            self._ready.extend(self._waiting.pop(key, ()))
        if job is not None:
            job.held = ()

    def _turn_of_others(self) -> bool:
        """Hand on until it is the caller's turn; False if every job has ended and what they gave is taken."""
        self._callers.clear()
        self._hand_on()
        while not self._callers.wait(_PATIENCE_S):
            self._token.check()
        if not self._done and self._jobs:
            raise WeftError("these runs wait for each other")  # never, as the invariants have it
        return bool(self._done)

    def _give_away(self, job: _Job) -> None:
        job.turn.clear()
        self._hand_on()
        while not job.turn.wait(_PATIENCE_S):
            self._token.check()

    def _hand_on(self) -> None:
        if self._done:
            self._callers.set()
        elif self._ready:
            self._ready.popleft().turn.set()
        elif (work := self._next()) is not None:
            self._begin(work)
        elif self._meeting:
            self._meeting[0].turn.set()
        else:
            self._callers.set()

    def _next(self) -> Callable[[], Any] | None:
        """The next job, if one may begin."""
        active = len(self._jobs) - sum(map(len, self._waiting.values()))
        full = active >= self._width or len(self._jobs) >= CROWD * self._width
        if full or self._error is not None or self._token.reason is not None:
            return None
        try:
            return next(self._left, None)
        except BaseException as error:  # it is raised where the jobs come from
            self._error = error
            return None

    def _begin(self, work: Callable[[], Any]) -> None:
        """Hand the turn on to a job that begins."""
        thread = threading.Thread(target=self._context.copy().run, args=(self._live, work), daemon=True)
        self._jobs[thread] = _Job()
        try:
            thread.start()
        except RuntimeError as error:  # the machine has no more threads: those under way go on to their end
            del self._jobs[thread]
            self._error = error
            self._hand_on()

    def _live(self, work: Callable[[], Any]) -> None:
        """The life of a job, in its thread, which begins with the turn."""
        try:
            with ExitStack() as stack:
                for gatherer in self._gatherers:
                    stack.enter_context(gatherer.joined())
                self._done.append(work())
        except BaseException as error:
            self._error = self._error or error
        finally:
            self.release()
            del self._jobs[threading.current_thread()]
            self._hand_on()

    def _answer(self, first: _Job) -> None:
        """Answer those at the meeting, in the thread of the first one."""
        met, self._meeting = self._meeting[: self._width], self._meeting[self._width :]
        asked: dict[Callable[[Sequence[Any]], Sequence[Any]], list[tuple[_Job, Any]]] = {}
        for job in met:
            assert job.asked is not None
            answer, request = job.asked
            asked.setdefault(answer, []).append((job, request))
            job.asked = None
        for answer, pairs in asked.items():
            try:
                found = answer([request for _, request in pairs])
            except Exception:
                continue
            for (job, _), one in zip(pairs, found, strict=True):
                job.found = one
        self._ready.extend(job for job in met if job is not first)
