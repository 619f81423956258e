"""One writer in a folder at a time, between processes; no reader meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weft.engine.errors import WeftError

try:
    import fcntl
except ImportError:  # Windows: two processes that write the same at once are on their own there
    fcntl = None  # type: ignore[assignment]

PATIENCE = 60.0
"""Seconds that a process waits for another one, unless it says otherwise; a golden is written in far less."""


class Locked(WeftError):
    """Somebody else holds the lock of a folder, and does not let go of it."""


@contextmanager
def locked(folder: Path, *, shared: bool = False, patience: float | None = None) -> Iterator[None]:
    """Hold the folder's lock inside the block: alone, or `shared` with other readers. Leaves nothing behind.

    A folder that is not there or cannot be locked (a network file system) is not. Raises Locked after `patience`
    seconds, by default PATIENCE.
    """
    place = None
    if fcntl is not None:
        with suppress(OSError):
            place = os.open(folder, os.O_RDONLY)
    if place is None:
        yield
        return
    try:
        _take(place, folder, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, PATIENCE if patience is None else patience)
        yield
    finally:
        os.close(place)


def _take(place: int, folder: Path, kind: int, patience: float) -> None:
    ends = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(place, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > ends:
                raise Locked(f"another process has been writing in {folder} for {patience:g} s") from None
            time.sleep(0.02)
        except OSError:
            return
        else:
            return
