"""What a pack may not do while it is imported: start processes, open connections, end this process.

An attempt raises Refused, an OSError, as if the machine had said no: what guards the attempt goes on. Python tells of
each attempt by an audit event, whoever makes it and by whatever function; only `os._exit` has none.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any


class Refused(PermissionError):
    """A pack tried at its import what it may not do then."""


_active: list[list[str]] = []
"""Where the attempts are noted, while packs are imported; empty at all other times."""
_hooked: list[bool] = []


@contextmanager
def refusing(notes: list[str]) -> Iterator[None]:
    """Inside the block, such attempts raise Refused, and are noted. Threads that are started there end with Python."""
    if not _hooked:
        sys.addaudithook(_audit)  # it cannot be taken away again
        _hooked.append(True)
    saved = os._exit, os.abort, threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if _active:
            thread.daemon = True
        saved[2](thread)

    _replace(_leaving("os._exit", saved[0]), _leaving("os.abort", saved[1]), start)
    _active.append(notes)
    try:
        yield
    finally:
        _active.pop()
        _replace(*saved)


def _replace(leave: Any, abort: Any, start: Any) -> None:
    os._exit, os.abort, threading.Thread.start = leave, abort, start  # type: ignore[method-assign]


def _leaving(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which is refused while packs are imported: a pack may have kept it for later."""

    def leave(*status: int) -> Any:
        if _active:
            _refuse(f"tried to end the process by {name}")
        return real(*status)

    return leave


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _active and event in _EVENTS:
        attempt = _EVENTS[event](*arguments)
        if attempt:
            _refuse(attempt)


def _refuse(attempt: str) -> None:
    if attempt not in _active[-1]:
        _active[-1].append(attempt)
    raise Refused(f"refused at import: {attempt}")


def wanted(arguments: Sequence[str]) -> str:
    """The packages that a command of pip's or uv's would install; empty for another command."""
    words = [os.path.basename(arguments[0]), *arguments[1:]] if arguments else []
    if "install" not in words or not any(word.startswith(("pip", "uv")) for word in words):
        return ""
    after = words[words.index("install") + 1 :]
    return " ".join(word for word in after if not word.startswith("-"))


_ASKS = ("--version", "-version", "version", "-V")
"""What a program may be asked while a pack is imported: what it is. Packs look for ffmpeg and git so."""

_LISTS = ("freeze", "list", "show", "check")
"""What pip may be asked: what is installed."""


def _asks(words: Sequence[str]) -> bool:
    """Whether a command asks a question that leaves everything as it is: `ffmpeg -version`, `python -m pip freeze`."""
    if len(words) == 2 and words[1] in _ASKS:
        return True
    pips = (place for place, word in enumerate(words[:-1]) if os.path.basename(word) == "pip")
    return any(words[place + 1] in _LISTS and (not place or words[place - 1] == "-m") for place in pips)


def _process(command: Any) -> str:
    words = [command] if isinstance(command, str | bytes | os.PathLike) else list(command or ())
    texts = [os.fsdecode(word) if isinstance(word, bytes | os.PathLike) else str(word) for word in words]
    if len(texts) == 1:
        texts = texts[0].split()
    if _asks(texts):
        return ""
    packages = wanted(texts)
    if packages:
        return f"tried to install {packages}; do it yourself: pip install {packages}"
    said = " ".join(texts)
    return f"tried to start a process: {said if len(said) <= 200 else said[:197] + '...'}"


_HERE = (None, "", "localhost", "127.0.0.1", "::1", b"localhost")


def _host(host: Any, *rest: Any) -> str:
    return "" if host in _HERE else f"tried to open a connection to {host}"


def _address(connection: Any, address: Any) -> str:
    # A text is a socket of this machine.
    return f"tried to open a connection to {address[0]}" if isinstance(address, tuple) and address else ""


def _url(url: Any, *rest: Any) -> str:
    return f"tried to open {url}" if str(url).startswith(("http:", "https:", "ftp:")) else ""


def _signal(process: int, number: int) -> str:
    return f"tried to send itself signal {number}" if process in (0, -1, os.getpid()) else ""


_EVENTS: Mapping[str, Callable[..., str]] = {
    "subprocess.Popen": lambda program, arguments, *rest: _process(arguments or [program]),
    "os.system": _process,
    "os.exec": lambda path, arguments, *rest: _process(arguments or [path]),
    "os.posix_spawn": lambda path, arguments, *rest: _process(arguments or [path]),
    "os.spawn": lambda mode, path, arguments, *rest: _process(arguments or [path]),
    "os.fork": lambda: "tried to start a process",
    "os.forkpty": lambda: "tried to start a process",
    "os.kill": _signal,
    "os.killpg": lambda group, number: _signal(0, number),
    "socket.connect": _address,
    "socket.sendto": _address,
    "socket.getaddrinfo": _host,
    "socket.gethostbyname": _host,
    "urllib.Request": _url,
}
