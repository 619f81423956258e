"""The worker: a process that carries out runs one after the other, for clients that lend it their streams."""

from __future__ import annotations

import fcntl
import io
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from weft.engine.worker.freshness import LoadedCode
from weft.engine.worker.identity import difference, identity
from weft.engine.worker.messages import FILES, receive, send
from weft.engine.worker.places import Place, is_ours, place_of_user
from weft.engine.worker.resident import become_resident

_PATIENCE = 5.0
"""Seconds in which a client says what it wants, and in which another worker gives up its place."""
_LOOK = 5.0
"""Seconds after which an idle worker looks at the machine's memory."""
_TIGHT = 0.05
"""Of the machine's memory: an idle worker ends where no more than that is free."""


@dataclass
class _Job:
    """A run that a client has handed over.

    `stage` is waiting, running or over: what the client sends is kept in `early`, raised in the main thread, or for
    nobody. `gone` says that the client is.
    """

    connection: socket.socket
    request: dict[str, Any]
    files: list[int]
    stage: str = "waiting"
    early: int = 0
    gone: bool = False
    resumed: threading.Event = field(default_factory=threading.Event)


class Worker:
    """One process, one run at a time.

    Invariants:
    - `_state` is idle, taken or ending, and changes under `_lock` alone. It is taken from before a client is told
      `ready` until its run is over; who comes meanwhile is told `busy`. Nothing follows on ending.
    - A run begins when its files have come, and then has an exit code, unless the process dies.
    - The code that runs is the code on the disk: it is looked at before each `ready`, and where it has changed the
      worker ends.
    - Between runs the process holds nothing of a client: its streams lead to the log, its folder is /, its environment
      and umask are its own.
    - What a client sends reaches its own run, in the main thread, and nothing else.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.identity = identity()
        self.code = LoadedCode()
        self.resident = become_resident()
        self.environment = dict(os.environ)
        self.custom_nodes: list[str] | None = None
        """Those of its runs, as the first one named them: a process is never rid of what a pack has done to it."""
        self.log = os.dup(2)
        self.started = time.time()
        self.runs = 0
        self.refused = ""
        self.job: _Job | None = None
        self._state = "idle"
        self._leaving = False
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._listening = False
        self._since = time.monotonic()

    def serve(self, first: socket.socket, run: Callable[[], int]) -> None:
        """Serve the client that started it, then whoever comes, until nobody has come for `resident.minutes`.

        `run` is the command line; it takes `sys.argv`, and returns its exit code.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._signalled)
        signal.signal(signal.SIGTSTP, self._paused)
        threading.excepthook = lambda problem: self.say("".join(traceback.format_exception(problem.exc_value)))
        place = os.open(self.place.lock, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._since = time.monotonic()
        threading.Thread(target=self._meet, args=(first,), daemon=True).start()
        threading.Thread(target=self._listen, args=(place,), daemon=True).start()
        while (job := self._next()) is not None:
            self._carry_out(job, run)
        if self._listening:
            with suppress(OSError):
                os.unlink(self.place.socket)
        os.close(place)  # another one may have it, however long this process takes to end

    def say(self, text: str) -> None:
        """Write to the log."""
        with suppress(OSError):
            os.write(self.log, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {os.getpid()}: {text}\n".encode())

    @property
    def rest(self) -> float:
        """Seconds that it stays if nobody comes; where nobody can come, another worker may be giving up its place."""
        stays = 60 * self.resident.minutes if self._listening and self.runs else _PATIENCE
        return self._since + stays - time.monotonic()

    # --- the state

    def _next(self) -> _Job | None:
        """The next job; None when it is time to end."""
        while self._state != "ending":
            with suppress(queue.Empty):
                job = self._jobs.get(timeout=min(max(self.rest, 0.01), _LOOK))
                if job is not None:
                    return job
            if self._leaving or self.rest <= 0:
                self._end("nobody came")
            elif _memory_is_tight():
                self._end("memory is tight")
        return None

    def _taken(self) -> bool:
        """Whether it was idle, and is now taken."""
        with self._lock:
            free = self._state == "idle" and not self._leaving
            self._state = "taken" if free else self._state
            return free

    def _free(self) -> None:
        """Go from taken to idle, or end."""
        with self._lock:
            self._since = time.monotonic()
            self._state = "ending" if self._leaving else "idle"
            if self._leaving:
                self._jobs.put(None)

    def _end(self, why: str) -> bool:
        """End as soon as it is idle; returns whether that is now."""
        with self._lock:
            if not self._leaving:
                self.say(f"ends: {why}")
            self._leaving = True
            idle = self._state == "idle"
            if idle:
                self._state = "ending"
                self._jobs.put(None)  # wakes the main thread
            return idle

    # --- clients, each in a thread

    def _listen(self, place: int) -> None:
        fcntl.flock(place, fcntl.LOCK_EX)  # the worker before this one may be about to end
        with suppress(FileNotFoundError):
            os.unlink(self.place.socket)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self.place.socket)
        os.chmod(self.place.socket, 0o600)
        listening.listen()
        self._listening = True
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=self._meet, args=(connection,), daemon=True).start()

    def _meet(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(_PATIENCE)
            request = (receive(connection) if is_ours(connection) else None) or {}
            match request.get("ask"):
                case "run":
                    self._meet_run(connection, request)
                case "status":
                    send(connection, self.status())
                case "stop":
                    send(connection, {"at_once": self._end("stopped")})

    def _meet_run(self, connection: socket.socket, request: dict[str, Any]) -> None:
        if not self._taken():
            send(connection, {"answer": "busy"})
            return
        job = None
        try:
            answer, why = self._verdict(request)
            if why:
                self.refused = why
                self.say(f"refused a run: {self.refused}")
            if answer == "stale" or (why and request["replace"]):
                self._end(self.refused)
            send(connection, {"answer": answer, "why": why})
            if not why:
                job = _received(connection, request)
        finally:
            if job is None:
                self._free()
        if job is not None:
            self._jobs.put(job)
            self._heed(job)

    def _verdict(self, request: dict[str, Any]) -> tuple[str, str]:
        """What a client is told, and why not."""
        if why := difference(self.identity, request["identity"]):
            return "other", f"it differs in {why}"
        if why := self.code.changed():
            return "stale", f"{why} has changed"
        named = request["custom nodes"]
        if self.custom_nodes not in (None, named):
            return "other", "it differs in the custom nodes"
        self.custom_nodes = named
        return "ready", ""

    def _heed(self, job: _Job) -> None:
        """Pass on what the client of a job sends; that it has gone is passed on as SIGTERM."""
        said = b"."
        while said:
            try:
                said = job.connection.recv(1)
            except OSError:
                said = b""
            number = said[0] if said else signal.SIGTERM
            with self._lock:
                if job.stage == "over":
                    return
                job.gone = not said
                if number == signal.SIGTSTP:
                    job.resumed.clear()
                else:
                    job.resumed.set()
                if job.stage == "waiting":
                    job.early = job.early or (number if number in (signal.SIGINT, signal.SIGTERM) else 0)
                    continue
                if not said:
                    with open(os.devnull, "r+") as nowhere:  # nobody is left to be told anything
                        _streams_to(nowhere.fileno())
                if number != signal.SIGCONT:
                    # Nothing else wakes the main thread from a sleep.
                    signal.pthread_kill(threading.main_thread().ident or 0, number)

    def status(self) -> dict[str, Any]:
        """What `weft daemon status` tells."""
        memory = self.resident.memory
        return {
            "status": "running" if self.job is not None else "ending" if self._leaving else "idle",
            "pid": os.getpid(),
            "started": self.started,
            "runs": self.runs,
            "minutes": self.resident.minutes,
            "ends_in": max(self.rest, 0.0) if self.job is None else None,
            "entries": len(memory),
            "bytes": memory.used,
            "max_bytes": memory.max_bytes,
            "refused": self.refused,
            "log": self.place.log,
        }

    # --- a run, in the main thread

    def _carry_out(self, job: _Job, run: Callable[[], int]) -> None:
        code = None
        self.job = job
        try:
            with self._lent(job):
                code = _exit_code(run)
        except KeyboardInterrupt:  # before the command line took care of signals
            code = 128 + (job.early or signal.SIGINT)
        except Exception:  # its client sees that there is no answer
            self.say(traceback.format_exc())
        self.job = None
        self.runs += 1
        self._leaving = self._leaving or not self.resident.minutes
        self._free()  # before the client ends: the next one may follow at once
        with suppress(OSError):
            if code is not None:
                send(job.connection, {"code": code})
            job.connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that heeds the client

    @contextmanager
    def _lent(self, job: _Job) -> Iterator[None]:
        """Meanwhile, this process has the client's streams, folder, environment, umask and arguments.

        Raises KeyboardInterrupt where the client has stopped waiting already.
        """
        request, before = job.request, (sys.argv, sys.stdin, sys.stdout, sys.stderr)
        try:
            *streams, folder = job.files
            for place, stream in enumerate(streams):
                os.dup2(stream, place)
            os.fchdir(folder)
            os.umask(request["umask"])
            _set_environment(request["environment"])
            sys.argv = list(request["arguments"])
            sys.stdin, sys.stdout, sys.stderr = self._opened()
            with self._lock:
                job.stage = "running"
            if job.early:
                raise KeyboardInterrupt
            yield
        finally:
            with self._lock:
                job.stage = "over"
            self._flush()
            _streams_to(self.log)
            self._flush()  # what could not be written must go somewhere, and not to the next client
            for each in job.files:
                os.close(each)
            sys.argv, sys.stdin, sys.stdout, sys.stderr = before
            _set_environment(self.environment)
            os.umask(0o077)
            os.chdir("/")

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()

    def _opened(self) -> Iterator[io.TextIOWrapper]:
        """The three streams as Python opens them when it starts, with nothing in them that another client left."""
        for number, name, (encoding, errors) in zip(range(3), _NAMES, self.identity["the encodings"], strict=True):
            raw: Any = io.FileIO(number, "w" if number else "r", closefd=False)
            raw.name = name
            binary = io.BufferedWriter(raw) if number else io.BufferedReader(raw)
            lines = number == 2 or os.isatty(number)
            yield io.TextIOWrapper(binary, encoding=encoding, errors=errors, line_buffering=lines)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """Where the command line has not taken care of signals: the run's stop it, SIGTERM ends an idle worker."""
        if self.job is not None and self.job.stage == "running":
            self.job.early = number
            raise KeyboardInterrupt
        if self.job is None and number == signal.SIGTERM:
            self._leaving = True
            self._jobs.put(None)

    def _paused(self, number: int, frame: FrameType | None) -> None:
        """Wait until the client goes on; what other threads write meanwhile, such as a bar, is not for its terminal.

        No lock is taken: the main thread may hold it.
        """
        job = self.job
        if job is None or job.stage != "running":
            return
        with open(os.devnull, "r+") as nowhere:
            _streams_to(nowhere.fileno())
        job.resumed.wait()
        if not job.gone:
            for place, stream in enumerate(job.files[:3]):
                os.dup2(stream, place)


_NAMES = ("<stdin>", "<stdout>", "<stderr>")


def of_this_process() -> tuple[Worker, socket.socket]:
    """The worker that this process is, and its first client: the last argument is the number of that one's socket."""
    os.umask(0o077)
    first = socket.socket(fileno=int(sys.argv[-1]))
    first.set_inheritable(False)
    return Worker(place_of_user()), first


def _received(connection: socket.socket, request: dict[str, Any]) -> _Job | None:
    """The job, when its client lends its files; None where it does not."""
    _, files, _, _ = socket.recv_fds(connection, 1, FILES)
    for each in files:
        os.set_inheritable(each, False)
    if len(files) == FILES:
        connection.settimeout(None)
        return _Job(connection, request, list(files))
    for each in files:
        os.close(each)
    return None


def _exit_code(run: Callable[[], int]) -> int:
    """What a process would exit with that does nothing else."""
    try:
        return run()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        traceback.print_exc()
        return 1


def _set_environment(environment: dict[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


def _streams_to(file: int) -> None:
    for number in range(3):
        os.dup2(file, number)


def _memory_is_tight() -> bool:
    """Whether next to nothing of the machine's memory is free; False where the system does not tell."""
    try:
        with open("/proc/meminfo") as lines:
            amounts = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
        return amounts["MemAvailable"] < _TIGHT * amounts["MemTotal"]
    except (OSError, ValueError, KeyError, IndexError):
        return False
