"""A worker: what a run says and does is the same with it and without, and it never runs old code.

The nodes are those of the pack of test_cli.py. One worker serves all tests that do not end it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from weft.cli import main
from weft.engine.worker.messages import receive, send

from .test_cli import CHAIN, PACK, wait_for

ROOT = Path(__file__).resolve().parents[2]
WEFT = [sys.executable, "-c", "import sys; from weft.__main__ import main; sys.exit(main())"]
NONE = {"status": "none"}
SLOW = {**CHAIN, "2": {**CHAIN["2"], "inputs": {"number": ["1", 0], "steps": 10_000, "pause": 0.02}}}
NOISY = {
    **CHAIN,
    "2": {"class_type": "CheckNoise", "inputs": {"number": ["1", 0]}},
}
STUBBORN = {**CHAIN, "2": {"class_type": "CheckStubborn", "inputs": {"number": ["1", 0]}}}
FAILING = {**CHAIN, "2": {"class_type": "CheckFail", "inputs": {"number": ["1", 0]}}}
ONE_MORE = '''
@node(category="check")
def CheckStubborn(*, number: Number) -> Number:
    """Does not stop."""
    print("begun", file=sys.stderr, flush=True)
    while True:
        try:
            time.sleep(3600)
        except KeyboardInterrupt:
            print("caught", file=sys.stderr, flush=True)


NODES = {"CheckStubborn": CheckStubborn} | {'''
INVALID = {**CHAIN, "2": {"class_type": "CheckSlow", "inputs": {}}}


class Said(NamedTuple):
    code: int
    out: str
    err: str
    files: dict[str, str]


class Shell:
    """A folder for each command, a runtime folder for the worker, and an installed pack."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.pack = top / "pack"
        info = self.pack / "weft_check_pack-1.0.dist-info"
        info.mkdir(parents=True)
        (self.pack / "weft_check_pack.py").write_text(PACK.replace("\nNODES = {", ONE_MORE))
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weft-check-pack\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[weft.nodes]\ncheck = weft_check_pack:NODES\n")
        (top / "run").mkdir(0o700)
        paths = [self.pack, ROOT / "src", os.environ.get("PYTHONPATH", "")]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WEFT_")},
            "PYTHONPATH": os.pathsep.join(filter(None, map(str, paths))),
            "XDG_RUNTIME_DIR": str(top / "run"),
            "XDG_CACHE_HOME": str(top / "cache"),
            "NO_COLOR": "1",
            "COLUMNS": "100",
        }
        self.count = 0

    def folder(self) -> Path:
        """A new folder with the workflows in it."""
        self.count += 1
        folder = self.top / f"{self.count:03}"
        folder.mkdir()
        for name, prompt in {
            "w": CHAIN, "slow": SLOW, "noisy": NOISY, "failing": FAILING, "stubborn": STUBBORN, "invalid": INVALID
        }.items():  # fmt: skip
            (folder / f"{name}.json").write_text(json.dumps(prompt))
        return folder

    def start(self, *arguments: str, at: Path | None = None, **options: Any) -> subprocess.Popen[str]:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        options = {**streams, "env": self.environment, "text": True, **options}
        return subprocess.Popen([*WEFT, *arguments], cwd=at or self.folder(), **options)

    def weft(self, *arguments: str, at: Path | None = None, given: str | None = None, **options: Any) -> Said:
        """What a command says, and the files below its folder."""
        at = at or self.folder()
        stdin = {} if given is None else {"stdin": subprocess.PIPE}
        process = self.start(*arguments, at=at, **stdin, **options)
        out, err = process.communicate(given, timeout=300)
        files = {
            str(file.relative_to(at)): f"{file.stat().st_mode:o} {file.read_text()}"
            for file in sorted(at.rglob("*.txt"))
        }
        return Said(process.returncode, *(same_time(text.replace(str(at), "HERE")) for text in (out, err)), files)

    def ask(self, what: str) -> dict[str, Any]:
        """What the worker answers, asked without a process."""
        for place in (self.top / "run" / "weft").glob("*.sock"):
            with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(ConnectionError):
                connection.connect(str(place))
                send(connection, {"ask": what})
                return receive(connection) or NONE
        return NONE

    def status(self) -> dict[str, Any]:
        return self.ask("status")

    def begin(self) -> dict[str, Any]:
        """Have a worker; returns its status."""
        assert self.weft("run", "w.json", "--keep-alive", "5", "--quiet").code == 0
        return self.status()

    def runs(self) -> int:
        return int(self.status().get("runs", 0))


def same_time(text: str) -> str:
    """A text in which nothing depends on how long things took."""
    text = re.sub(r"[\d.]+ (s|it/s|s/it)\b", r"T \1", text)
    return re.sub(r'("(?:seconds|\w*time|started|elapsed|[1-9])": )[\d.e-]+', r"\1T", text)


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    # Not below pytest's folder: the path of a socket is short.
    with tempfile.TemporaryDirectory(prefix="weft-") as top:
        yield Shell(Path(top))


@pytest.fixture(scope="module")
def worker(shell: Shell) -> Iterator[Shell]:
    """A shell with a worker."""
    assert shell.begin()["status"] == "idle"
    yield shell
    shell.ask("stop")


@pytest.fixture
def own() -> Iterator[Shell]:
    """A shell whose worker may come to harm."""
    with tempfile.TemporaryDirectory(prefix="weft-") as top:
        shell = Shell(Path(top))
        yield shell
        shell.ask("stop")


Change = Callable[[Path], dict[str, Any]]


def settings_of_the_folder(folder: Path) -> dict[str, Any]:
    (folder / "weft.toml").write_text('output = "elsewhere"\n')
    return {"umask": 0o027}


def of_the_environment(folder: Path) -> dict[str, Any]:
    return {"WEFT_OUTPUT": "from/environment"}


COMMANDS: list[tuple[tuple[str, ...], str | None, Change | None]] = [
    (("w.json",), None, settings_of_the_folder),
    (("noisy.json", "--json"), None, of_the_environment),
    (("-", "--events"), json.dumps(CHAIN), None),
    (("w.json", "failing.json", "invalid.json", "--keep-going"), None, None),
]
MORE: list[tuple[tuple[str, ...], str | None, Change | None]] = [
    (("w.json", "-n", "2"), None, None),
    (("failing.json", "--quiet"), None, None),
    (("failing.json", "--json"), None, None),
    (("noisy.json",), None, None),
    (("noisy.json", "--quiet"), None, None),
    (("w.json", "--set", "1.value=x"), None, None),
    (("invalid.json", "--events"), None, None),
    (("absent.json",), None, None),
    (("-",), "no JSON", None),
    (("w.json", "--seed", "never"), None, None),
    (("w.json", "--outpt", "x"), None, None),
    (("--help",), None, None),
    (("w.json", "--output", "/dev/null/x"), None, None),
    ((), None, None),
]


@pytest.mark.parametrize(
    ("arguments", "given", "change"),
    [*COMMANDS, *(pytest.param(*each, marks=pytest.mark.slow) for each in MORE)],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_a_run_is_the_same_with_a_worker_and_without(
    arguments: tuple[str, ...], given: str | None, change: Change | None, worker: Shell
) -> None:
    said = []
    before = worker.runs()
    for more in ({"WEFT_KEEP_ALIVE": "0"}, {}):
        at = worker.folder()
        options: dict[str, Any] = dict(change(at)) if change is not None else {}
        environment = {**worker.environment, **more}
        environment |= {name: options.pop(name) for name in list(options) if name.startswith("WEFT_")}
        # What is in memory is reused, and said to be.
        uncached = ("--no-cache",) if arguments and "--help" not in arguments else ()
        said.append(worker.weft("run", *arguments, *uncached, at=at, given=given, env=environment, **options))
    alone, handed_over = said
    assert worker.runs() == before + 1
    assert handed_over == alone


def test_what_a_run_before_has_computed_is_reused(worker: Shell) -> None:
    assert "node 2" in worker.weft("run", "w.json", "--set", "1.value=33").err
    again = worker.weft("run", "w.json", "--set", "1.value=33", "--set", "3.prefix=other")
    assert re.search(r"node 2 .*: reused", again.err)
    assert again.files.keys() == {"output/other_00001_.txt"}


def test_a_terminal_is_the_client_s(worker: Shell) -> None:
    before = worker.runs()
    environment = {**worker.environment, "TERM": "xterm", "COLUMNS": "120"}
    environment.pop("NO_COLOR")
    master, slave = pty.openpty()
    options: dict[str, Any] = {"stderr": slave, "env": environment}
    process = worker.start("run", "w.json", "--no-cache", "--set", "2.pause=0.15", "--set", "2.steps=4", **options)
    os.close(slave)
    seen = b""
    with contextlib.suppress(OSError):  # Linux says that the other end is closed by an error
        while piece := os.read(master, 65536):
            seen += piece
    os.close(master)
    assert process.communicate(timeout=60)[0].endswith("/output/out/n_00001_.txt\n")
    assert process.returncode == 0
    assert re.search(r"[2-3]/4  [\d.]+ it/s", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", seen.decode())), "the bar was alive"
    assert b"\x1b[32mdone" in seen
    assert worker.runs() == before + 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_reach_the_run(number: signal.Signals, code: int, worker: Shell) -> None:
    at = worker.folder()
    process = worker.start("run", "w.json", "--no-cache", "--set", "3.pause=3600", "--json", at=at)
    wait_for(process.stderr, "writing")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    document = json.loads(out)
    assert (process.returncode, document["error"], document["exit_code"]) == (code, "Interrupted", code)
    assert err == "interrupted\n"
    assert [file for file in at.rglob("*") if file.is_file() and file.suffix != ".json"] == []
    assert worker.status()["status"] == "idle"


def test_a_client_that_is_gone_has_nobody_work_for_it(worker: Shell) -> None:
    process = worker.start("run", "slow.json", "--no-cache")
    wait_for(process.stderr, "[1/3]")
    busy = worker.weft("run", "w.json", "--no-cache")
    assert (busy.code, worker.status()["status"]) == (0, "running")
    before = worker.runs()
    process.kill()
    while worker.status()["status"] != "idle":
        time.sleep(0.01)
    assert process.communicate(timeout=60)[1] == "", "nobody is told anything"
    assert worker.runs() == before + 1


def test_a_run_that_is_stopped_in_the_shell_stops(worker: Shell) -> None:
    at = worker.folder()
    events = at / "events"

    def grows() -> bool:
        size = events.stat().st_size
        time.sleep(0.2)
        return events.stat().st_size > size

    with events.open("w") as stream:
        process = worker.start("run", "slow.json", "--no-cache", "--events", at=at, stdout=stream)
    while "Progress" not in events.read_text():
        time.sleep(0.01)
    process.send_signal(signal.SIGTSTP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    while grows():  # the step that was being taken
        pass
    assert not grows()
    process.send_signal(signal.SIGCONT)
    while not grows():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_reader_that_goes_away_stops_the_run(worker: Shell) -> None:
    process = worker.start("run", "slow.json", "--no-cache", "--events")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert (process.wait(timeout=60), process.stderr.read()) == (141, "")
    process.stderr.close()
    assert worker.status()["status"] == "idle"


def test_another_environment_is_another_process(worker: Shell) -> None:
    before = worker.runs()
    environment = {**worker.environment, "OMP_NUM_THREADS": "3"}
    assert worker.weft("run", "w.json", "--quiet", env=environment).code == 0
    status = worker.status()
    assert (status["runs"], status["refused"]) == (before, "it differs in OMP_NUM_THREADS in the environment")


def test_the_third_ctrl_c_kills_run_and_worker(own: Shell) -> None:
    own.begin()
    process = own.start("run", "stubborn.json", "--no-cache")
    for expected in ("begun", "caught", "once more kills"):
        wait_for(process.stderr, expected)
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert own.status() == NONE


def test_a_worker_that_dies_in_mid_run_is_an_error_and_the_next_run_an_ordinary_one(own: Shell) -> None:
    pid = own.begin()["pid"]
    process = own.start("run", "slow.json", "--no-cache", "--json")
    wait_for(process.stderr, "[1/3]")
    os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    document = json.loads(out)
    assert (process.returncode, document["status"], document["exit_code"]) == (1, "error", 1)
    assert "the worker that had this run has died" in err
    assert own.weft("daemon", "status").out == "no worker\n"
    assert own.weft("run", "w.json").code == 0


def test_a_worker_whose_code_has_changed_ends_and_the_run_sees_the_new_code(own: Shell) -> None:
    own.begin()
    file = own.pack / "weft_check_pack.py"
    file.write_text(file.read_text().replace("the number is {number}", "changed: {number}"))
    said = own.weft("run", "w.json")
    assert (said.code, said.err.splitlines()[-1]) == (0, 'node 3 "Save": changed: 7')
    assert own.status() == NONE
    # A new one takes its place where one is wished for.
    assert own.begin()["status"] == "idle"
    (own.pack / "another-1.0.dist-info").mkdir()
    assert own.begin()["runs"] == 1


def test_stop_lets_the_run_end_and_takes_no_other(own: Shell) -> None:
    own.begin()
    process = own.start("run", "w.json", "--no-cache", "--set", "2.pause=0.1", "--set", "2.steps=6")
    wait_for(process.stderr, "[1/3]")
    assert own.ask("stop") == {"at_once": False}
    assert own.weft("run", "w.json", "--quiet").code == 0, "an ordinary run"
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out.endswith("/output/out/n_00001_.txt\n")) == (0, True)
    while own.status() != NONE:
        time.sleep(0.01)


def test_the_worker_can_be_looked_at_and_ended(
    own: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def daemon(*arguments: str) -> str:
        monkeypatch.setenv("XDG_RUNTIME_DIR", own.environment["XDG_RUNTIME_DIR"])
        assert main(["daemon", *arguments]) == 0
        return capsys.readouterr().out

    assert daemon("status") == "no worker\n"
    assert json.loads(daemon("stop", "--json")) == NONE
    pid = own.begin()["pid"]
    lines = daemon("status").splitlines()
    assert re.fullmatch(rf"worker {pid}: idle, ends in 4 min \d\d s", lines[0])
    assert re.fullmatch(r"1 run, 3 entries in memory, 0 of \d+ MiB", lines[1])
    assert json.loads(daemon("status", "--json"))["pid"] == pid
    assert json.loads(daemon("stop", "--json")) == {"status": "stopped"}
