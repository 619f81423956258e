"""How often networks are evaluated: counted for whoever asks, at the cost of one lookup an evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Tally:
    """Evaluations of a denoising network since the count began."""

    def __init__(self) -> None:
        self.calls = 0


_running: ContextVar[Tally | None] = ContextVar("tally", default=None)


@contextmanager
def counting() -> Iterator[Tally]:
    """Count the evaluations inside the block; one block inside another counts for itself."""
    tally = Tally()
    token = _running.set(tally)
    try:
        yield tally
    finally:
        _running.reset(token)


def evaluated() -> None:
    """Note one evaluation of a denoising network, whatever its batch."""
    tally = _running.get()
    if tally is not None:
        tally.calls += 1
