"""A run that looks for a worker, hands itself over, and passes signals on.

Loads the standard library alone: most runs end here in a tenth of what importing Weft takes.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

from weft.engine.worker.identity import identity
from weft.engine.worker.messages import receive, send
from weft.engine.worker.places import NoPlace, Place, connected, place_of_user

_PATIENCE = 2.0
"""Seconds in which a worker answers, or the run is an ordinary one."""
_PATIENCE_AT_START = 20.0


def handed_over(arguments: Sequence[str]) -> int | None:
    """Have a worker carry out `weft ARGUMENTS` and return the exit code; None where an ordinary run is to do it.

    A worker is started where one is wished for and none is there, or only one that is of no use.
    """
    minutes = _minutes(arguments)
    if minutes == 0 or None in (sys.stdin, sys.stdout, sys.stderr) or _own_files_named(arguments):
        return None
    try:
        place = place_of_user(make=minutes is not None)
    except NoPlace:
        return None
    connection = connected(place, _PATIENCE)
    if connection is None and minutes is None:
        return None
    try:
        connection = _ready(connection, place, _request(arguments, replace=minutes is not None))
        if connection is None:
            return None
        socket.send_fds(connection, [b"g"], [0, 1, 2, os.open(".", os.O_RDONLY)])
    except OSError:  # the worker is gone, a stream is closed, nothing can be started
        return None
    return _followed(connection, arguments, place)


def _request(arguments: Sequence[str], *, replace: bool) -> dict[str, Any]:
    return {
        "ask": "run",
        "identity": identity(),
        "custom nodes": custom_nodes_named(arguments),
        "arguments": [*sys.argv[:1], *arguments],
        "environment": dict(os.environ),
        "umask": _umask(),
        "replace": replace,
    }


def _ready(connection: socket.socket | None, place: Place, request: dict[str, Any]) -> socket.socket | None:
    """A connection to a worker that waits for the files of this run: the one that is there, or a new one."""
    answer = _asked(connection, request) if connection is not None else "none"
    if answer not in ("ready", "busy") and request["replace"]:
        connection = _started(place)
        connection.settimeout(_PATIENCE_AT_START)
        answer = _asked(connection, request)
    return connection if answer == "ready" else None


def _asked(connection: socket.socket, request: dict[str, Any]) -> str:
    try:
        send(connection, request)
        answer = receive(connection)
    except OSError:
        answer = None
    found = str(answer.get("answer")) if answer is not None else "none"
    if found == "ready":
        connection.settimeout(None)
    else:
        connection.close()
    return found


def _followed(connection: socket.socket, arguments: Sequence[str], place: Place) -> int:
    """The exit code of a run that a worker has begun; signals go there until it comes."""
    sent: list[int] = []

    def tell(number: int) -> None:
        with suppress(OSError):  # it has ended, and its answer is about to be read
            connection.sendall(bytes((number,)))

    def stop(number: int, frame: FrameType | None) -> None:
        sent.append(number)
        tell(number)

    def pause(number: int, frame: FrameType | None) -> None:
        tell(number)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        signal.signal(number, pause)
        tell(signal.SIGCONT)

    for number, handler in ((signal.SIGINT, stop), (signal.SIGTERM, stop), (signal.SIGTSTP, pause)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
    answer = receive(connection)
    if answer is not None:
        return int(answer["code"])
    if not sent:
        return _lost(arguments, place)
    if len(sent) > 2:  # the third one kills
        signal.signal(sent[-1], signal.SIG_DFL)
        signal.raise_signal(sent[-1])
    return 128 + sent[0]


def _lost(arguments: Sequence[str], place: Place) -> int:
    """Say that the worker has died. Running it again could write twice what is written already."""
    from weft.engine.errors import WeftError
    from weft.engine.terminal.answer import Answer
    from weft.engine.terminal.streams import Stop

    answer = Answer(Stop(), as_json="--json" in arguments, as_events="--events" in arguments, quiet=True)
    hint = f"run it again; files that it had written are whole; {place.log} may say more"
    return answer.ended(WeftError("the worker that had this run has died", hint=hint))


def _started(place: Place) -> socket.socket:
    """A connection to a new worker, which lives on when this process and its terminal are gone."""
    import subprocess

    ours, theirs = socket.socketpair()
    with theirs:
        log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        # The same imports as here, and none from the folder that it starts in.
        code = f"import sys; sys.path[:] = {sys.path!r}; from weft.__main__ import work; work()"
        subprocess.Popen(
            [sys.executable, "-c", code, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        ).returncode = 0  # nobody waits for it
        os.close(log)
    return ours


def _minutes(arguments: Sequence[str]) -> float | None:
    """For how long a worker is wished for, as far as can be told without reading the command line; None: not at all.

    What counts in the end is what the run makes of it (`weft.engine.worker.resident`).
    """
    said: Any = None
    # A cluster has workers of its own.
    if any(argument.partition("=")[0] == "--ray" for argument in arguments):
        return None
    for argument, following in zip(arguments, (*arguments[1:], ""), strict=True):
        if argument == "--keep-alive":
            said = following
        elif argument.startswith("--keep-alive="):
            said = argument.partition("=")[2]
    said = said or os.environ.get("WEFT_KEEP_ALIVE") or _minutes_in_file()
    try:
        return float(said) if said is not None else None
    except (TypeError, ValueError):  # the run says what is wrong with it
        return 0


def _minutes_in_file() -> Any:
    return _in_file("keep_alive").get("keep_alive")


def _in_file(*names: str) -> dict[str, Any]:
    """What weft.toml says of these settings."""
    try:
        with open("weft.toml", "rb") as file:
            content = file.read()
        if not any(name.encode() in content for name in names):
            return {}
        import tomllib

        values = tomllib.loads(content.decode())
        return {name: values[name] for name in names if name in values}
    except (OSError, ValueError):
        return {}


def custom_nodes_named(arguments: Sequence[str]) -> list[str]:
    """Everything that says which custom nodes a run loads: runs of which it is not the same share no process.

    What they mean is the run's affair; the same said in other words counts as different.
    """
    said = [f"{name}={os.environ[name]}" for name in _VARIABLES if os.environ.get(name)]
    said += [f"{name}={value!r}" for name, value in _in_file(*(name[5:].lower() for name in _VARIABLES)).items()]
    for argument, following in zip(arguments, (*arguments[1:], ""), strict=True):
        name, equals, value = argument.partition("=")
        if name in _NAMING:
            said.append(f"{name}={os.path.abspath(value if equals else following)}")
        elif name in _TRUSTING:
            said.append(name)
    # A relative place, in a file or a variable, is another one in another folder.
    return [os.getcwd(), *said] if said else []


_VARIABLES = ("WEFT_CUSTOM_NODES", "WEFT_NODES", "WEFT_TRUST_CUSTOM_NODES")
_NAMING = ("--custom-nodes", "--nodes")
_TRUSTING = ("--trust-custom-nodes", "--no-trust-custom-nodes")


def _own_files_named(arguments: Sequence[str]) -> bool:
    """Whether an argument names a file that this process alone has open, as `<(command)` in a shell does."""
    return any("/dev/fd/" in argument or "/proc/" in argument for argument in arguments)


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
