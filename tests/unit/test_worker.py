"""A worker: what a run says and does is the same with it and without, and it never runs old code.

The nodes are those of the pack of test_cli.py. One worker serves all tests that do not end it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from weft.cli import main
from weft.engine.worker import client, freshness, places
from weft.engine.worker.identity import difference, identity
from weft.engine.worker.messages import receive, send

from . import test_cli
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
    (("-", "failing.json", "--keep-going", "--events"), json.dumps(CHAIN), None),
]
MORE: list[tuple[tuple[str, ...], str | None, Change | None]] = [
    (("w.json", "-n", "2"), None, None),
    (("w.json", "failing.json", "invalid.json", "--keep-going"), None, None),
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


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
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


@pytest.mark.slow
def test_a_run_that_is_stopped_in_the_shell_stops(worker: Shell) -> None:
    environment = {**worker.environment, "TERM": "xterm"}
    master, slave = pty.openpty()
    process = worker.start("run", "slow.json", "--no-cache", env=environment, stderr=slave)
    os.close(slave)

    def shown() -> bytes:
        return os.read(master, 65536) if select.select([master], [], [], 0.3)[0] else b""

    while b"/10000" not in shown():
        pass
    process.send_signal(signal.SIGTSTP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    while shown():  # what was on its way
        pass
    assert not shown()
    process.send_signal(signal.SIGCONT)
    while b"/10000" not in shown():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted" in shown()
    os.close(master)


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


@pytest.mark.slow
def test_the_third_ctrl_c_kills_run_and_worker(own: Shell) -> None:
    own.begin()
    process = own.start("run", "stubborn.json", "--no-cache")
    for expected in ("begun", "caught", "once more kills"):
        wait_for(process.stderr, expected)
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert own.status() == NONE


def test_a_worker_that_dies_in_mid_run_is_an_error(own: Shell) -> None:
    pid = own.begin()["pid"]
    process = own.start("run", "slow.json", "--no-cache", "--json")
    wait_for(process.stderr, "[1/3]")
    os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    document = json.loads(out)
    assert (process.returncode, document["status"], document["exit_code"]) == (1, "error", 1)
    assert "the worker that had this run has died" in err
    assert own.status() == NONE
    assert own.begin()["runs"] == 1, "a new one takes its place"


def test_a_worker_whose_code_has_changed_ends_and_the_run_sees_the_new_code(own: Shell) -> None:
    own.begin()
    file = own.pack / "weft_check_pack.py"
    file.write_text(file.read_text().replace("the number is {number}", "changed: {number}"))
    said = own.weft("run", "w.json")
    assert (said.code, said.err.splitlines()[-1]) == (0, 'node 3 "Save": changed: 7')
    assert own.status() == NONE


@pytest.mark.slow
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
    own.begin()
    (own.pack / "another-1.0.dist-info").mkdir()
    assert own.begin()["runs"] == 1, "what is installed is not what it has asked for nodes"


def test_the_worker_can_be_looked_at(
    worker: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def daemon(*arguments: str) -> str:
        assert main(["daemon", *arguments]) == 0
        return capsys.readouterr().out

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(worker.top))
    assert daemon("status") == "no worker\n"
    assert json.loads(daemon("stop", "--json")) == NONE
    monkeypatch.setenv("XDG_RUNTIME_DIR", worker.environment["XDG_RUNTIME_DIR"])
    lines = daemon("status").splitlines()
    assert re.fullmatch(r"worker \d+: idle, ends in \d min \d\d s", lines[0])
    assert re.fullmatch(r"\d+ runs?, \d+ entries in memory, 0 of \d+ MiB", lines[1])
    assert json.loads(daemon("status", "--json"))["runs"] == worker.runs()


def test_a_run_that_is_handed_over_loads_next_to_nothing(worker: Shell) -> None:
    code = "from weft.__main__ import main; code = main(); import sys; sys.exit(code or 'pydantic' in sys.modules)"
    before = worker.runs()
    command = [sys.executable, "-c", code, "run", "w.json", "--quiet"]
    ended = subprocess.run(command, cwd=worker.folder(), env=worker.environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr, worker.runs()) == (0, "", before + 1)


IN_A_FILE = test_cli.test_a_signal_in_the_middle_of_a_file_leaves_nothing_half_written
LONG_IMPORT = test_cli.test_a_signal_during_a_long_import_ends_the_process


class Handing(test_cli.Home):
    """A folder to call Weft in, whose processes hand their runs over."""

    def start(self, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        return subprocess.Popen([*WEFT, *arguments], env=self.environment, text=True, **streams)


@pytest.mark.slow
@pytest.mark.parametrize(
    "test",
    [
        partial(IN_A_FILE, number=signal.SIGTERM, code=143),
        test_cli.test_an_interrupted_run_says_so_in_its_document_and_its_events,
        test_cli.test_a_node_that_swallows_the_interruption_is_stopped_at_its_next_step,
        LONG_IMPORT,
        test_cli.test_a_reader_that_goes_away_stops_the_run_without_a_traceback,
        test_cli.test_a_terminal_gets_a_bar_with_steps_and_speed,
    ],
    ids=lambda test: getattr(test, "func", test).__name__,
)  # fmt: skip
def test_what_holds_of_a_process_holds_where_it_hands_over(
    test: Callable[..., None], own: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = own.folder()
    monkeypatch.chdir(at)
    home = Handing(at, own.pack, capsys)
    # Where a test changes the environment, the run is the first of a new worker.
    home.environment = {**own.environment, "COLUMNS": "200", "WEFT_KEEP_ALIVE": "5"}
    test(home=home)
    # An import that takes its time is left with its process.
    assert (own.status() == NONE) is (test is LONG_IMPORT)


@pytest.mark.slow
def test_a_worker_stays_for_as_long_as_was_said(own: Shell) -> None:
    assert own.weft("run", "w.json", "--keep-alive", "0.005").code == 0
    while own.status() != NONE:
        time.sleep(0.01)
    assert own.weft("run", "w.json", "--keep-alive", "5", "--outpt", "x").code == 2
    while own.status() != NONE:
        time.sleep(0.01)


# --- without a worker


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The runtime folder of this process."""
    with tempfile.TemporaryDirectory(prefix="weft-") as top:
        monkeypatch.setenv("XDG_RUNTIME_DIR", top)
        (Path(top) / "weft").mkdir(0o700)
        yield Path(top) / "weft"


def answering(place: places.Place, answers: list[dict[str, Any] | None]) -> threading.Thread:
    """A process that takes connections there, and gives these answers, or (None) none."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(place.socket)
    listening.listen()

    def work() -> None:
        with listening:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    assert receive(connection) is not None
                    if answer is not None:
                        send(connection, answer)
                        connection.recv(1)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize("answer", [{"answer": "busy"}, {"answer": "other"}, {"answer": "stale"}, {"other": 1}, None])
def test_what_is_not_ready_means_an_ordinary_run(answer: dict[str, Any] | None, runtime: Path) -> None:
    thread = answering(places.place_of_user(), [answer])
    assert client.handed_over(["run", "w.json"]) is None
    thread.join(10)


def test_a_worker_that_says_nothing_is_left(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = places.place_of_user()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place.socket)
        assert client.handed_over(["run", "w.json"]) is None, "it does not even listen"
        listening.listen()
        monkeypatch.setattr(client, "_PATIENCE", 0.01)
        assert client.handed_over(["run", "w.json"]) is None


def test_what_only_this_process_can_read_it_reads_itself(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "connected", lambda *_: pytest.fail("a worker was asked"))
    assert client.handed_over(["run", "/dev/fd/63"]) is None
    assert client.handed_over(["run", "w.json", "--keep-alive", "0"]) is None
    assert client.handed_over(["run", "w.json", "--keep-alive=never"]) is None
    monkeypatch.setattr("sys.stdin", None)
    assert client.handed_over(["run", "w.json"]) is None


@pytest.mark.parametrize("bad", ["open", "link", "long", "system"])
def test_no_worker_is_met_where_others_may_come(
    bad: str, runtime: Path, sandbox: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if bad == "open":
        runtime.chmod(0o750)
    elif bad == "link":
        runtime.rename(runtime.with_name("elsewhere"))
        runtime.symlink_to("elsewhere")
    elif bad == "long":
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(sandbox / ("x" * 100)))
        (sandbox / ("x" * 100) / "weft").mkdir(0o700, parents=True)
    else:
        monkeypatch.setattr(places, "_PASSES_FILES", False)
    with pytest.raises(places.NoPlace):
        places.place_of_user(make=True)
    assert client.handed_over(["run", "w.json", "--keep-alive", "5"]) is None
    (sandbox / "w.json").write_text('{"1": {"class_type": "Nothing", "inputs": {}}}')
    assert main(["run", "w.json", "--keep-alive", "5"]) == 3
    assert "warning: no worker stays after this run: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "variable", "file", "minutes"),
    [
        ([], None, "", None),
        ([], None, "keep_alive = 3", 3),
        ([], None, "keep_alive = [", None),
        ([], "2", "keep_alive = 3", 2),
        (["--keep-alive", "1"], "2", "keep_alive = 3", 1),
        (["--keep-alive=0.5"], None, "", 0.5),
        (["--keep-alive"], None, "", None),
        (["--keep-alive", "soon"], None, "", 0),
    ],
)
def test_minutes_are_wished_for_as_settings_are(
    arguments: list[str], variable: str | None, file: str, minutes: float | None, sandbox: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (sandbox / "weft.toml").write_text(file)
    if variable is not None:
        monkeypatch.setenv("WEFT_KEEP_ALIVE", variable)
    assert client._minutes(["run", "w.json", *arguments]) == minutes


def test_runs_with_other_custom_nodes_share_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    named = client.custom_nodes_named
    assert named(["w.json", "--set", "1.x=2"]) == []
    assert (
        named(["--custom-nodes", "a"])
        == named(["--custom-nodes=./a"])
        == [str(tmp_path), f"--custom-nodes={tmp_path}/a"]
    )
    ways = [named(["--nodes", "a"]), named(["--custom-nodes", "a", "--trust-custom-nodes"])]
    monkeypatch.setenv("WEFT_CUSTOM_NODES", "a")
    ways.append(named(["w.json"]))
    monkeypatch.delenv("WEFT_CUSTOM_NODES")
    (tmp_path / "weft.toml").write_text('custom_nodes = ["a"]')
    ways.append(named(["w.json"]))
    assert all(ways) and len({tuple(way) for way in ways}) == len(ways)


def test_two_processes_are_alike_but_for_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = json.loads(json.dumps(identity()))
    for name in ("WEFT_OUTPUT", "TERM", "COLUMNS"):
        monkeypatch.setenv(name, "another")
    assert difference(mine, json.loads(json.dumps(identity()))) == ""
    monkeypatch.setenv("SOME_LIBRARY", "1")
    assert difference(mine, identity()) == "SOME_LIBRARY in the environment"
    monkeypatch.delenv("SOME_LIBRARY")
    monkeypatch.setattr(sys, "path", ["/elsewhere", *sys.path])
    assert difference(mine, identity()) == "the path of imports"


def test_code_is_fresh_for_as_long_as_no_file_changes(sandbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = sandbox / "weft_check_fresh.py"
    file.write_text("")
    monkeypatch.syspath_prepend(sandbox)
    times: list[float] = []

    def stamped(path: str) -> Any:
        # The times of changes are the system's: these are the test's. Modules of other tests may be gone by now.
        if path != str(file):
            return (0, 0, 0, 0)
        return (0, 0, 0, int(times[0] * 1e9)) if times else None

    monkeypatch.setattr(freshness, "_stamp", stamped)
    monkeypatch.setattr(freshness.time, "time", lambda: 100.0)
    code = freshness.LoadedCode()
    assert code.changed() == ""
    module = types.ModuleType("weft_check_fresh")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, "weft_check_fresh", module)
    times[:] = [101.0]
    assert code.changed() == str(file), "it was changed after it may have been imported"
    times[:] = [99.0]
    assert code.changed() == ""
    times[:] = [98.0]
    assert code.changed() == str(file), "another file, older than the one that was imported"
    times[:] = [99.0]
    monkeypatch.delitem(sys.modules, "weft_check_fresh")
    assert code.changed() == ""
    times.clear()
    assert code.changed() == str(file), "it is gone"
