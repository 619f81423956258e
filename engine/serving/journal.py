"""What a server says of itself: written by a thread of its own, so that nobody waits for whoever reads it.

A stream that nobody reads any more ends what is said; one that is full keeps this thread waiting, and no other.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress

MOST_UNWRITTEN = 10_000
"""Lines that wait to be written, beyond which new ones are lost."""


class Journal:
    """Writes lines, each by whatever is to write it, in the order in which they were said, in any thread."""

    def __init__(self) -> None:
        self._lines: queue.Queue[tuple[Callable[[str], None], str] | None] = queue.Queue(MOST_UNWRITTEN)
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def say(self, write: Callable[[str], None], line: str) -> None:
        """Have a line written, as soon as those before it are."""
        with suppress(queue.Full):
            self._lines.put_nowait((write, line))

    def close(self, seconds: float) -> None:
        """Write what there is, if that takes no longer than this."""
        with suppress(queue.Full):
            self._lines.put_nowait(None)
            self._thread.join(seconds)

    def _write(self) -> None:
        gone = False
        while (line := self._lines.get()) is not None:
            if not gone:
                try:
                    line[0](line[1])
                except BaseException:  # a stream says KeyboardInterrupt where its reader is gone
                    gone = True
