"""What the runs of a worker have in common: its memory, and for how long it stays."""

from __future__ import annotations

from weft.engine.cache.memory import MemoryCache
from weft.engine.errors import Warn
from weft.engine.worker.places import NoPlace, place_of_user


class Resident:
    """The worker that this process is. `memory` keeps models and values from run to run.

    `minutes` is how long it stays after a run: what the last run said that said something, at first not at all.
    """

    def __init__(self) -> None:
        self.memory = MemoryCache()
        self.minutes = 0.0


_here: list[Resident] = []
"""At most one: a process is a worker from its start or never."""


def become_resident() -> Resident:
    """Make this process a worker."""
    _here[:] = [Resident()]
    return _here[0]


def shared_memory() -> MemoryCache | None:
    """The memory that a run shares with those before it; None in a process that ends with its command."""
    return _here[0].memory if _here else None


def stay(minutes: float | None, warn: Warn) -> None:
    """Have the worker that this process is stay for so long after the run; None leaves that as it is.

    Elsewhere, `warn` is told why there can be no worker, if that is so.
    """
    if not minutes:
        return
    if _here:
        _here[0].minutes = minutes
        return
    try:
        place_of_user(make=True)
    except NoPlace as error:
        warn(f"no worker stays after this run: {error}")
