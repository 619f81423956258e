"""Signals and the two output streams."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from weft.engine.cancel import CancelToken
from weft.engine.errors import CONTROL, WeftError, one_line

if TYPE_CHECKING:
    from rich.console import Console

Line = Sequence[str | tuple[str, str]]
"""A line in pieces: text, or text and its style."""

READER_GONE = 13
"""SIGPIPE's number, also where the system has no such signal."""


class Stop:
    """Why the process has to stop: `number` is the signal that came first, 0 while none has.

    `token` is cancelled with it: a library that swallows the KeyboardInterrupt does not swallow that.
    """

    PATIENCE = 0.3
    """Seconds that an import may go on after the signal."""

    def __init__(self) -> None:
        self.number = 0
        self.token = CancelToken()
        self.since = 0.0
        self.count = 0
        self.due = False
        self.leave: Callable[[], None] | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The signal handler: the first signal stops cleanly, the second gives notice, the third kills."""
        if self.due:
            self.due = False
            self._stop(frame)
            return
        self.count += 1
        if self.count == 1:
            self.number, self.since = number, time.monotonic()
            self.token.cancel()
            self._stop(frame)
        elif self.count == 2:
            os.write(2, b"\nstopping; once more kills\n")
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def _stop(self, frame: FrameType | None) -> None:
        if self.leave is None or not _importing(frame):
            raise KeyboardInterrupt
        # An exception in the middle of `import torch` can abort the process or be lost. A short import may end first,
        # and a long one is left for good: it holds nothing that needs to be cleaned up.
        if time.monotonic() - self.since > self.PATIENCE:
            self.leave()
        timer = threading.Timer(0.02, self._again)
        timer.daemon = True
        timer.start()

    def _again(self) -> None:
        self.due = True
        os.kill(os.getpid(), self.number)  # not raise_signal, which would not wake the main thread from a sleep

    def reader_gone(self) -> None:
        """Stop because nobody reads what is written, as SIGPIPE would, with time to clean up."""
        self.number = self.number or READER_GONE
        self.token.cancel()
        raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    """Whether an import is going on in this frame or below it."""
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Turn SIGINT and SIGTERM into one KeyboardInterrupt; a signal that the parent process ignores stays ignored."""
    stop = Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number in taken:
            signal.signal(number, before[number])


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block has ended, so that what it wrote is said; a second one does not wait.

    For blocks that take a moment. Elsewhere than in the main thread, to which signals come, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    came: list[int] = []

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def wait(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            restore()
            signal.raise_signal(number)

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, wait)
    try:
        yield
    finally:
        restore()
        if len(came) == 1:
            signal.raise_signal(came[0])


# Text from a workflow must not steer the terminal.
_CONTROL = {code: escape for code, escape in CONTROL.items() if chr(code) not in "\t\n"}


class Stream:
    """stdout or stderr: colours where it is a terminal, plain text elsewhere.

    `paged`: what it is written to is shown on a terminal all the same, by a pager.
    """

    paged = False

    def __init__(self, file: TextIO, stop: Stop) -> None:
        self.file = file
        self.stop = stop
        if isinstance(file, io.TextIOWrapper):
            # What the reader's encoding has no character for is written as an escape; a run does not fail by it.
            file.reconfigure(errors="backslashreplace")

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads it."""
        return self.file.isatty()

    @cached_property
    def console(self) -> Console | None:
        """rich's console, or None where the stream is no terminal."""
        if not self.is_terminal and not self.paged:
            return None
        from rich.console import Console

        return Console(file=self.file, highlight=False, force_terminal=self.paged or None)

    def line(self, *parts: str | tuple[str, str]) -> None:
        """Write one line, its parts in their styles. A part without a style may itself have lines, as a text has."""
        shown = [part.translate(_CONTROL) if isinstance(part, str) else (one_line(part[0]), part[1]) for part in parts]
        if self.console is None:
            self.write("".join(part if isinstance(part, str) else part[0] for part in shown) + "\n")
            return
        from rich.text import Text

        self.console.print(Text.assemble(*shown), soft_wrap=True)

    def write(self, text: str) -> None:
        """Write the text as it is, now. Stops the command where nobody reads; raises WeftError where it cannot."""
        self._write(lambda: self.file.write(text))

    def write_bytes(self, content: bytes) -> None:
        """Write what is no text as it is, now; as `write`."""
        self._write(lambda: self.file.buffer.write(content))

    def _write(self, write: Callable[[], object]) -> None:
        try:
            write()
            self.file.flush()
        except OSError as error:
            # What the stream still holds must go somewhere when the interpreter closes it.
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), self.file.fileno())
            if isinstance(error, BrokenPipeError):
                self.stop.reader_gone()
            raise WeftError(f"cannot write {self.file.name}: {error.strerror}") from error
