"""What does errands in a process of its own: a session as that of the command, and one thing at a time."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from weft.engine.cancel import CancelToken
from weft.engine.errors import WeftError
from weft.engine.events import CellResumed, CellStarted, Event, ImageGiven, Preview
from weft.engine.session import Session
from weft.engine.spreading.errands import Bench, Errand
from weft.engine.terminal.caches import CachePlaces, opened

BEAT = 0.25
"""Seconds between two things that a worker tells of what it does."""
_UNTOLD = (CellStarted, CellResumed, Preview, ImageGiven)
"""What whoever sent it knows better, and pictures."""


@dataclass(frozen=True)
class WorkerPlan:
    """What a worker is told before its first errand: the settings, whole, and where its cache is.

    Paths are absolute: a worker may run in another folder, and on another machine, which has them, too.
    """

    settings: dict[str, Any]
    places: CachePlaces = field(default_factory=CachePlaces)
    folder: Path = field(default_factory=Path.cwd)


def plan_of(session: Session, places: CachePlaces) -> WorkerPlan:
    """What the workers of a session's command are told: all that its settings say, wherever they said it."""
    fields = type(session.settings).model_fields
    own = {name: field.default for name, field in fields.items()}
    given = {name: value for name, value in session.settings if value is not None}
    # What nobody has set a worker finds as this process did: its folder may have no models, say.
    settings = {name: _absolute(value) for name, value in given.items() if value != own.get(name)}
    for name in ("cache", "keep_alive"):
        settings.pop(name, None)
    settings["output"] = _absolute(session.folders.output)
    return WorkerPlan(settings, CachePlaces(tuple(map(_absolute, places.folders)), places.store))


def _absolute(value: Any) -> Any:
    if isinstance(value, Path):
        return value.expanduser().absolute()
    return type(value)(map(_absolute, value)) if isinstance(value, tuple | list) else value


def own_device(device: str, environment: Mapping[str, str]) -> str:
    """The device as a worker has to call it: of GPUs it sees those alone that CUDA_VISIBLE_DEVICES gives it.

    Whichever was named, the one that the worker was given is its first.
    """
    seen = [each for each in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if each.strip()]
    return "cuda:0" if seen and re.fullmatch(r"cuda:\d+", device) else device


class Finished(NamedTuple):
    """The last thing that a worker tells: what the errand gives, what was warned of, and what is left to tell."""

    gives: Any
    warnings: tuple[str, ...]
    told: tuple[Event | str, ...]


class ClusterWorker:
    """Opens a session, and does what it is given."""

    def __init__(self, plan: WorkerPlan) -> None:
        # What a workflow names is below the folder where the command was given.
        if plan.folder.is_dir():
            os.chdir(plan.folder)
        self._warned: list[str] = []
        self._told: list[Event | str] = []
        self._token = CancelToken()
        self._stack = ExitStack()
        # Always the same thread: libraries keep things for each.
        self._hands = ThreadPoolExecutor(1)
        self._refused = ""
        settings = dict(plan.settings)
        if "device" in settings:
            settings["device"] = own_device(settings["device"], os.environ)
        try:
            self._session = Session(**settings, warn=self._warned.append)
            given = self._session.settings, self._session.packs
            self._session.packs.check(self._session.settings)
            kept = opened(plan.places.folders, *given, several=True, store=plan.places.store, warn=self._warned.append)
            self._session.cache = self._stack.enter_context(kept)
        except WeftError as error:
            self._refused = str(error)
        except Exception as error:
            self._refused = f"{type(error).__name__}: {error}"

    def refused(self) -> str:
        """Why it cannot run anything; empty if it can. What it prints from now on is told."""
        sys.stdout = sys.stderr = _Lines(self._told)
        return self._refused

    def run(self, errand: Errand) -> Iterator[tuple[Event | str, ...] | Finished]:
        """Do it: at once nothing, which says that it has begun; what there is to tell, now and then; then Finished.

        Raises Interrupted once it was cancelled.
        """
        yield ()
        said = len(self._warned)
        doing = self._hands.submit(errand.run, Bench(self._session, [self._hear], self._token))
        while wait([doing], BEAT).not_done:
            if told := self._tell():
                yield told
        gives = doing.result()
        yield Finished(gives, tuple(self._warned[said:]), self._tell())

    def cancel(self) -> None:
        """Have what runs stop, from another thread."""
        self._token.cancel()

    def _hear(self, event: Event) -> None:
        if not isinstance(event, _UNTOLD):
            self._told.append(event)

    def _tell(self) -> tuple[Event | str, ...]:
        count = len(self._told)
        told = tuple(self._told[:count])
        del self._told[:count]
        return told


class _Lines(io.TextIOBase):
    """A stream that keeps whole lines."""

    def __init__(self, lines: list[Event | str]) -> None:
        self._lines = lines
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *whole, self._begun = re.split(r"[\r\n]", self._begun + text)
        self._lines.extend(line for line in whole if line.strip())
        return len(text)
