"""A time limit for code that is not ours."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class TookTooLong(BaseException):
    """The time is over; no `except Exception` of the code that takes so long stops it."""


_AGAIN = 0.5
"""Seconds after which code that swallows TookTooLong gets it again."""
_PATIENCE = 10
"""So many times the limit a library has that is at its import: torn in the middle, it is of no use to anybody."""


@contextmanager
def limited(seconds: float, place: Path) -> Iterator[None]:
    """Raise TookTooLong in the block, once that time is over, and again until it ends.

    In the main thread a timer of the system's interrupts whatever waits, in others Python code alone. `place` is where
    the code lies; while it imports something that lies elsewhere, it is given more time.
    """
    if threading.current_thread() is threading.main_thread() and getattr(signal, "setitimer", None) is not None:
        with _alarm(seconds, place):
            yield
        return
    ended, ident = threading.Event(), threading.get_ident()
    watch = threading.Thread(target=_watch, args=(ident, seconds, place, ended), daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()


@contextmanager
def _alarm(seconds: float, place: Path) -> Iterator[None]:
    last = time.monotonic() + _PATIENCE * seconds

    def raise_it(number: int, frame: FrameType | None) -> None:
        if time.monotonic() > last or not _imports_others(frame, place):
            raise TookTooLong

    before = signal.signal(signal.SIGALRM, raise_it)
    rest, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if rest:
            signal.setitimer(signal.ITIMER_REAL, rest, interval)


def _watch(ident: int, seconds: float, place: Path, ended: threading.Event) -> None:
    last, wait = time.monotonic() + _PATIENCE * seconds, seconds
    while not ended.wait(wait):
        wait = _AGAIN
        if time.monotonic() > last or not _imports_others(sys._current_frames().get(ident), place):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(TookTooLong))


def _imports_others(frame: FrameType | None, place: Path) -> bool:
    """Whether the code at `place` has begun an import, of something that lies elsewhere, which is at work."""
    while frame is not None and not Path(frame.f_code.co_filename).is_relative_to(place):
        if frame.f_code.co_filename.startswith("<frozen importlib."):
            return True
        frame = frame.f_back
    return False
