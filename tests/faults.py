"""Faults at every point where a command writes: a warm process that forks a child for each, and breaks it there.

A child runs `weft ARGUMENTS` with the functions replaced by which Python changes files: each call for a path below the
watched folder is a point, and so is each write to a file that is open. At point number `at` a fault strikes:

    none       nothing: counts the points
    kill       SIGKILL before the call; of a write, half is on the disk
    int, term  the signal after the call
    stop       SIGINT before the call
    full       no space from here on: nothing can be made or written, half of a write is on the disk
    readonly   a read-only file system from here on: nothing can be made, written, moved or removed
    io         an input/output error at this call alone
    vanished   the folder `prey` is gone, with everything in it
    replaced   another process has just put a file of its own where this call puts one

`python faults.py` is the process: one JSON object a line in, one out. Tests use the class Weft.
"""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAULTS = ("kill", "int", "term", "stop", "full", "readonly", "io", "vanished", "replaced")
FOREIGN = b"of another process"

_MAKING = ("open", "mkdir", "write", "link", "symlink")
"""What needs space."""
_DESTINATIONS = {"rename": 1, "replace": 1, "link": 1, "symlink": 1}
"""Which argument names the file that the call makes; the first one elsewhere."""
_CALLS = ("mkdir", "rmdir", "rename", "replace", "link", "symlink", "unlink", "remove", "truncate", "chmod", "chown")
_AUDITED = ("open", "os.mkdir", "os.rmdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.truncate",
            "os.chmod", "os.chown")  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (below 0: the signal that killed it), what it said, the points it came to.

    `struck` says whether the fault had its chance; `unseen` are changes of files that were no point.
    """

    code: int
    out: str
    err: str
    points: tuple[str, ...]
    struck: bool
    unseen: tuple[str, ...]


class Weft:
    """The warm process. `folder` is where it keeps what children say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
        environment |= {"XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
        root = str(Path(__file__).resolve().parents[1] / "src")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
        self.said = (folder / "said").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-P", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said,
            text=True, cwd=folder, env=environment,
        )  # fmt: skip

    def __call__(
        self, *arguments: str, at: Path, watched: Path, fault: str = "none", point: int = 0, prey: Path | None = None
    ) -> Ended:
        """Run a command in the folder `at`, with a fault at one of its points below `watched`."""
        asked = {
            "arguments": arguments, "at": str(at), "watched": str(watched), "fault": fault, "point": point,
            "prey": str(prey or watched), "said": str(self.folder),
        }  # fmt: skip
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, (self.folder / "said").read_text()
        answer = json.loads(line)
        return Ended(**{**answer, "points": tuple(answer["points"]), "unseen": tuple(answer["unseen"])})

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)
        self.said.close()


class Injector:
    """Stands between a command and the files below a folder."""

    def __init__(self, watched: str, fault: str, at: int, prey: str, log: int) -> None:
        self.watched = os.path.realpath(watched) + os.sep
        self.fault, self.at, self.prey, self.log = fault, at, prey, log
        self.here = os.getcwd()
        self.count = 0
        self.inside = 0
        self.paths: dict[int, str] = {}
        self.real = {name: getattr(os, name) for name in (*_CALLS, "open", "close", "write", "kill")}
        self.open = io.open

    def install(self) -> None:
        """Replace the functions, for the rest of this process."""
        for name in _CALLS:
            setattr(os, name, self._wrapped(name))
        os.open = self._os_open
        io.open = builtins.open = self._open  # type: ignore[assignment]
        sys.addaudithook(self._audit)

    def place(self, path: Any, dir_fd: int | None = None) -> str | None:
        """The path, if it lies below the watched folder and the command itself asks for it."""
        if self.inside:
            return None
        if isinstance(path, int):
            return self.paths.get(path)
        text = os.fsdecode(path)
        base = os.readlink(f"/proc/self/fd/{dir_fd}") if dir_fd is not None else self.here
        whole = os.path.normpath(os.path.join(base, text))
        return whole if whole.startswith(self.watched) else None

    def note(self, kind: str, text: str) -> None:
        self.real["write"](self.log, f"{kind} {text}\n".encode(errors="surrogateescape"))

    def call(self, name: str, path: str, work: Callable[[], Any], half: Callable[[], Any] | None = None) -> Any:
        """One point: the call itself, or what the fault makes of it."""
        number, self.count = self.count, self.count + 1
        self.note("point", f"{name} {path.removeprefix(self.watched)}")
        struck = number == self.at
        if self.fault == "none" or number < self.at:
            return work()
        if struck:
            self.note("struck", "")
        if struck and self.fault == "kill":
            if half is not None:
                half()
            self.real["kill"](os.getpid(), signal.SIGKILL)
        if struck and self.fault == "stop":
            self.real["kill"](os.getpid(), signal.SIGINT)
        if struck and self.fault == "vanished":
            self._vanish()
        if struck and self.fault == "replaced" and name in ("open", *_DESTINATIONS):
            self._replace(path)
        if self.fault == "full" and name in _MAKING:
            if half is not None:
                half()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), None if name == "write" else path)
        if self.fault == "readonly" or (struck and self.fault == "io"):
            code = errno.EROFS if self.fault == "readonly" else errno.EIO
            raise OSError(code, os.strerror(code), None if name == "write" else path)
        result = work()
        if struck and self.fault in ("int", "term"):
            self.real["kill"](os.getpid(), signal.SIGINT if self.fault == "int" else signal.SIGTERM)
        return result

    def _vanish(self) -> None:
        self.inside += 1
        shutil.rmtree(self.prey, ignore_errors=True)
        self.inside -= 1

    def _replace(self, path: str) -> None:
        self.inside += 1
        if os.path.isdir(os.path.dirname(path)) and not os.path.isdir(path):
            other = f"{path}.other"
            with self.open(other, "wb") as stream:
                stream.write(FOREIGN)
            self.real["replace"](other, path)
        self.inside -= 1

    def _wrapped(self, name: str) -> Callable[..., Any]:
        real = self.real[name]

        def wrapped(*arguments: Any, **options: Any) -> Any:
            place = arguments[_DESTINATIONS.get(name, 0)]
            directory = options.get("dst_dir_fd" if name in _DESTINATIONS else "dir_fd")
            path = self.place(place, directory)
            if path is None:
                return real(*arguments, **options)
            return self.call(name, path, lambda: self._do(real, *arguments, **options))

        return wrapped

    def _do(self, real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self.inside += 1
        try:
            return real(*arguments, **options)
        finally:
            self.inside -= 1

    def _os_open(self, path: Any, flags: int, *more: Any, **options: Any) -> int:
        real = self.real["open"]
        place = self.place(path, options.get("dir_fd"))
        if place is None or not flags & (os.O_WRONLY | os.O_RDWR):
            return int(real(path, flags, *more, **options))
        number = int(self.call("open", place, lambda: self._do(real, path, flags, *more, **options)))
        self.paths[number] = place
        return number

    def _open(self, file: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
        if not set(mode) & set("wxa+"):
            return self.open(file, mode, *more, **options)
        place = self.place(file)
        if place is None:
            return self.open(file, mode, *more, **options)
        if isinstance(file, int):
            return _Written(self, self.paths.pop(file), self.open(file, mode, *more, **options))
        stream = self.call("open", place, lambda: self._do(self.open, file, mode, *more, **options))
        return _Written(self, place, stream)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.inside or event not in _AUDITED:
            return
        path = arguments[1] if event in ("os.rename", "os.link", "os.symlink") else arguments[0]
        writes = event != "open" or bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR))
        directories = [part for part in arguments[1:] if type(part) is int and part > 2] if event != "open" else []
        if writes and not isinstance(path, int) and self.place(path, directories[-1] if directories else None):
            self.note("unseen", f"{event} {os.fsdecode(path)}")


class _Written:
    """A file that is written to, a point a write."""

    def __init__(self, injector: Injector, path: str, stream: Any) -> None:
        self._injector, self._path, self._stream = injector, path, stream

    def write(self, content: Any) -> Any:
        def half() -> None:
            self._stream.write(content[: len(content) // 2])
            self._stream.flush()

        return self._injector.call("write", self._path, lambda: self._stream.write(content), half)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _child(asked: dict[str, Any], said: Path) -> int:
    """The exit code of the command, in a forked process."""
    from weft.cli import main

    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(said / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(asked["at"])
    tempfile.tempdir = None
    os.environ["TMPDIR"] = str(Path(asked["watched"]) / "tmp")
    log = os.open(said / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    Injector(asked["watched"], asked["fault"], asked["point"], asked["prey"], log).install()
    code = main(list(asked["arguments"]))
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    said = Path(asked["said"])
    process = os.fork()
    if not process:
        code = 99
        try:
            code = _child(asked, said)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    lines = [line.partition(" ") for line in (said / "log").read_text(errors="surrogateescape").splitlines()]
    return {
        "code": code,
        "out": (said / "out").read_text(),
        "err": (said / "err").read_text(),
        "points": [text for kind, _, text in lines if kind == "point"],
        "struck": any(kind == "struck" for kind, _, _ in lines),
        "unseen": [text for kind, _, text in lines if kind == "unseen"],
    }


WARMING = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
}


def _warm() -> None:
    """Import all that commands import, once; what they say of it goes nowhere."""
    from contextlib import redirect_stdout

    from weft.cli import main

    with tempfile.TemporaryDirectory() as place, redirect_stdout(io.StringIO()):
        before = os.getcwd()
        os.chdir(place)
        file = Path("w.json")
        file.write_text(json.dumps(WARMING))
        commands: Sequence[Sequence[str]] = (
            ("run", "w.json"), ("convert", "w.json", "-o", "c.json"), ("test", "record", "w.json"),
            ("test", "--html", "r.html", "--junit", "r.xml"),
        )  # fmt: skip
        for command in commands:
            main(["--help"] if not command else list(command))
        file.write_text(file.read_text().replace('"color": 1', '"color": 2'))
        main(["test", "accept", "--all"])
        os.chdir(before)
        shutil.rmtree(place, ignore_errors=True)
        os.mkdir(place)


if __name__ == "__main__":
    _warm()
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)
