"""The command line: exit codes, what goes to which stream, and how it stops. The nodes are those of a small pack."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from weft import cli
from weft.cli import main
from weft.engine.schema.packs import Packs
from weft.engine.settings import variables

CLI = Path(cli.__file__)
PACK = '''
import logging, sys, time, warnings
from typing import Annotated

from weft.engine.schema.authoring import UI, node
from weft.engine.context import RunContext
from weft.engine.schema.sockets import Combo, Files, Float, Int, Socket, String

Number = Annotated[int, Socket("NUMBER")]


@node(category="check/in", display_name="A Number")
def CheckNumber(
    *, value: Annotated[int, Int(default=1, min=0, max=100)], mode: Annotated[str, Combo(["fast", "slow"])] = "fast"
) -> Number:
    """Gives a number.

    Args:
        value: The number that it gives.
    """
    return value


@node(category="check/in")
def CheckFile(*, name: Annotated[str, Files("input", suffixes=(".txt",))]) -> Number:
    """Takes a file."""
    return len(name)


@node(category="check", display_name="Slow")
def CheckSlow(
    *, number: Number, steps: Annotated[int, Int(default=2, min=1)], pause: Annotated[float, Float()] = 0.0,
    context: RunContext,
) -> Number:
    """Takes its time."""
    for step in range(steps):
        time.sleep(pause)
        context.progress(step + 1, steps)
    return number


@node(category="check")
def CheckNoise(*, number: Number, context: RunContext) -> Number:
    """Talks too much."""
    print("printed by a node")
    warnings.warn("warned by a library")
    logging.getLogger("some.library").warning("logged by a library")
    context.warn("a key was not used")
    context.warn("a picture was cut")
    return number


@node(category="check")
def CheckFail(*, number: Number) -> Number:
    """Fails."""
    raise RuntimeError(f"cannot bear {number}")


@node(category="check")
def CheckDeaf(*, number: Number, context: RunContext) -> Number:
    """Swallows the interruption, as some libraries do, and goes on."""
    context.progress(1, 2)
    try:
        time.sleep(3600)
    except BaseException:
        pass
    context.progress(2, 2)
    return number


@node(category="check")
def CheckImport() -> Number:
    """Imports a library that takes its time."""
    import weft_check_heavy

    return 1


@node(category="check", output_node=True, display_name="Save")
def CheckSave(
    *, number: Number, prefix: Annotated[str, String(default="n")], pause: Annotated[float, Float()] = 0.0,
    context: RunContext,
) -> UI:
    """Writes a number to a file."""
    with context.folders.numbered(prefix).create(".txt") as (stream, path):
        stream.write(str(number).encode())
        stream.flush()
        print("writing", flush=True)
        time.sleep(pause)
        context.wrote(path)
    return UI(text=[f"the number is {number}"])


NODES = {
    one.__name__: one
    for one in (CheckNumber, CheckFile, CheckSlow, CheckNoise, CheckFail, CheckDeaf, CheckImport, CheckSave)
}
'''
CHAIN: dict[str, Any] = {
    "1": {"class_type": "CheckNumber", "inputs": {"value": 7}},
    "2": {"class_type": "CheckSlow", "inputs": {"number": ["1", 0], "steps": 3}, "_meta": {"title": "the [b]slow[/b]"}},
    "3": {"class_type": "CheckSave", "inputs": {"number": ["2", 0], "prefix": "out/n"}},
}


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed node pack: a module and the entry point by which the engine finds it."""
    folder = tmp_path_factory.mktemp("pack")
    (folder / "weft_check_pack.py").write_text(PACK)
    info = folder / "weft_check_pack-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weft-check-pack\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[weft.nodes]\ncheck = weft_check_pack:NODES\n")
    return folder


class Home:
    """An empty folder to call Weft in."""

    def __init__(self, folder: Path, pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        self.environment = {**os.environ, "PYTHONPATH": str(pack)}

    def write(self, document: Any, name: str = "w.json") -> str:
        (self.folder / name).write_text(document if isinstance(document, str) else json.dumps(document))
        return name

    def chain(self, **more: Any) -> str:
        return self.write({**CHAIN, **{name.lstrip("_"): node for name, node in more.items()}})

    def weft(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command in this process."""
        self.capsys.readouterr()
        code = main(arguments)
        out, err = self.capsys.readouterr()
        return code, self.below(out), err

    def below(self, text: str) -> str:
        """The text with paths below this folder made relative to it."""
        return text.replace(f"{self.folder}{os.sep}", "")

    def start(self, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
        """The same in a process of its own."""
        command = [sys.executable, str(CLI), *arguments]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        return subprocess.Popen(command, env=self.environment, text=True, **streams)

    def wrote(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "output").rglob("*") if path.is_file())


@pytest.fixture
def home(tmp_path: Path, pack: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(pack)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("MODELS", "INPUT", "OUTPUT", "TEMP", "DEVICE", "DTYPE", "SAMPLING"):
        monkeypatch.delenv(f"WEFT_{name}", raising=False)
    return Home(tmp_path, pack, capsys)


# --- run


def test_run_lists_its_files_on_stdout_and_says_the_rest_on_stderr(home: Home) -> None:
    code, out, err = home.weft("run", home.chain())
    assert code == 0
    assert out == "output/out/n_00001_.txt\n"
    lines = err.splitlines()
    assert re.fullmatch(r'\[1/3\] node 1 "A Number": \d\.\d\d s', lines[0])
    assert re.fullmatch(r'\[2/3\] node 2 "the \[b\]slow\[/b\]": 3 steps, [\d.]+ it/s, \d\.\d\d s', lines[1])
    assert lines[-1] == 'node 3 "Save": the number is 7'
    assert "done in" in err


def test_quiet_keeps_stderr_for_errors(home: Home) -> None:
    noisy = {"class_type": "CheckNoise", "inputs": {"number": ["1", 0]}}
    home.chain(_4=noisy, _5={"class_type": "CheckSave", "inputs": {"number": ["4", 0], "prefix": "x"}})
    code, out, err = home.weft("run", "w.json", "--quiet")
    assert (code, err) == (0, "")
    assert out.splitlines() == ["output/out/n_00001_.txt", "output/x_00001_.txt"]
    code, _, err = home.weft("run", "w.json", "-q", "--set", "1.value=500")
    assert code == 3
    assert "bigger than max of 100" in err


def test_warnings_and_what_nodes_print_go_to_stderr_and_libraries_are_silent(home: Home) -> None:
    noisy = {"class_type": "CheckNoise", "inputs": {"number": ["1", 0]}}
    code, out, err = home.weft("run", home.chain(_4=noisy), "--target", "CheckNoise")
    assert code == 0
    assert out == "output/out/n_00001_.txt\n"
    assert 'warning: node 4 "CheckNoise": a key was not used\n' in err
    assert 'warning: node 4 "CheckNoise": a picture was cut\n' in err
    assert "printed by a node\n" in err
    assert 'node 4 "CheckNoise": NUMBER 7\n' in err
    assert "library" not in err


def test_what_lint_said_before_a_run_its_node_does_not_say_again(home: Home) -> None:
    """A document has it as the node's."""
    size = {"class_type": "EmptyLatentImage", "inputs": {"width": 100, "height": 64, "batch_size": 1}}
    saved = {"samples": ["1", 0], "filename_prefix": "odd"}
    home.write({"1": size, "2": {"class_type": "SaveLatent", "inputs": saved}}, "odd.json")
    code, _, err = home.weft("run", "odd.json")
    assert (code, err.count("width 100 becomes 96")) == (0, 1)
    code, out, _ = home.weft("run", "odd.json", "--json", "--no-cache")
    assert [each["node_id"] for each in json.loads(out)["warnings"]] == ["1"]


def test_json_is_one_document(home: Home) -> None:
    noisy = {"class_type": "CheckNoise", "inputs": {"number": ["1", 0]}}
    code, out, _ = home.weft("run", home.chain(_4=noisy), "--json", "--target", "4")
    document = json.loads(out)
    assert code == 0
    assert document["status"] == "done"
    assert document["files"] == ["output/out/n_00001_.txt"]
    assert document["outputs"] == {"3": {"text": ["the number is 7"]}}
    assert document["cached"] == []
    assert set(document["timings"]) == {"1", "2", "3", "4"}
    messages = ["a key was not used", "a picture was cut"]
    assert document["warnings"] == [{"node_id": "4", "message": message} for message in messages]


def test_events_are_lines_of_json_in_order(home: Home) -> None:
    code, out, err = home.weft("run", home.chain(), "--events")
    events = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "writing\n"), "no progress beside the events"
    names = [event["event"] for event in events]
    steps = ["NodeStarted", "Progress", "Progress", "Progress", "NodeFinished"]
    pair = ["NodeStarted", "NodeFinished"]
    assert names == ["RunStarted", *pair, *steps, *pair, "RunFinished"]
    assert events[0]["nodes"] == ["1", "2", "3"]
    assert [event["value"] for event in events if event["event"] == "Progress"] == [1, 2, 3]
    assert events[-1]["files"] == ["output/out/n_00001_.txt"]


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("--target", "4"), 1, "NodeFailed"),
        (("--set", "9.value=1"), 2, "UsageError"),
        (("--set", "1.value=101"), 3, "InvalidWorkflow"),
        (("--target", "5"), 4, "InvalidWorkflow"),
    ],
)
def test_every_failure_has_a_code_a_document_and_a_last_event(
    home: Home, arguments: tuple[str, ...], code: int, error: str
) -> None:
    failing = {"class_type": "CheckFail", "inputs": {"number": ["1", 0]}}
    lacking = {"class_type": "CheckFile", "inputs": {"name": "absent.txt"}}
    workflow = home.chain(_4=failing, _5=lacking)
    got, out, err = home.weft("run", workflow, *arguments)
    assert got == code
    assert "error: " in err
    got, out, err = home.weft("run", workflow, *arguments, "--json")
    document = json.loads(out)
    assert (got, document["exit_code"], document["status"], document["error"]) == (code, code, "error", error)
    got, out, err = home.weft("run", workflow, *arguments, "--events")
    last = json.loads(out.splitlines()[-1])
    assert (got, last["exit_code"], last["event"], last["error"]) == (code, code, "Error", error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "w.json", "--modls", "x"), "No such option: --modls"),
        (("run",), "Missing argument"),
        (("run", "w.json", "-n", "0"), "Invalid value for '-n'"),
        (("run", "w.json", "--models", "nowhere"), "'nowhere' does not exist"),
        (("rnu", "w.json"), "No such command 'rnu'"),
        (("validate", "w.json", "--bad"), "No such option: --bad"),
        (("nodes", "--bad"), "No such option: --bad"),
        (("--bad", "run", "w.json"), "No such option: --bad"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_answered_in_json_too(
    home: Home, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = home.weft(*arguments)
    assert (code, out) == (2, "")
    said = " ".join(err.split())
    code, out, err = home.weft(*arguments, "--json")
    document = json.loads(out)
    assert message in document.pop("message")
    usage = {"status": "error", "error": "UsageError", "exit_code": 2, "files": [], "warnings": []}
    assert (code, document, " ".join(err.split())) == (2, usage, said)
    code, out, _ = home.weft(*arguments, "--events")
    if arguments[0] == "run":
        last = json.loads(out.splitlines()[-1])
        assert (code, last["event"], last["error"], last["exit_code"]) == (2, "Error", "UsageError", 2)


def test_help_is_no_failure(home: Home) -> None:
    code, out, _ = home.weft("run", "--json", "--help")
    assert code == 0
    assert "Usage: weft run" in out
    assert "UsageError" not in out


def test_a_value_that_has_no_effect_is_warned_about(home: Home) -> None:
    chain = {
        **CHAIN,
        "1": {"class_type": "CheckNumber", "inputs": {"value": 7, "vlaue": 8, "upload": "image", "x": ""}},
    }
    said = "'vlaue' is no input of CheckNumber, so its value has no effect (did you mean 'value'?)"
    code, _, err = home.weft("validate", home.write(chain))
    assert (code, err) == (0, f'warning: node 1 "A Number": {said}\n')
    (note,) = json.loads(home.weft("validate", "w.json", "--json")[1])["notes"]
    assert (note["type"], note["node_id"], note["pointer"]) == ("undeclared_input", "1", "/1/inputs/vlaue")
    code, out, err = home.weft("run", "w.json", "--json")
    assert (code, json.loads(out)["warnings"]) == (0, [{"node_id": "1", "message": said}])
    assert err.count(said) == 1
    assert said in home.weft("plan", "w.json")[2]


def test_runs_that_would_be_the_same_are_one(home: Home) -> None:
    home.weft("convert", home.chain(), "--to", "ui", "-o", "ui.json")
    code, out, err = home.weft("run", "ui.json", "-n", 3)
    assert (code, out) == (0, "output/out/n_00001_.txt\n")
    assert "nothing changes from run to run, every seed is fixed: this is one run and not 3 (--seed random draws" in err
    code, out, _ = home.weft("run", "ui.json", "-n", 3, "--json", "-q")
    document = json.loads(out)
    assert (code, len(document["files"])) == (0, 1)
    assert "this is one run and not 3" in document["warnings"][0]["message"]
    code, _, err = home.weft("run", home.chain(), "-n", 3)
    assert code == 2
    assert "does not say how its seeds change from run to run (--seed random draws new ones" in err
    code, _, err = home.weft("run", home.chain(), "-n", 3, "--seed", "random")
    assert code == 2
    assert "the workflow has no seed" in err


def test_a_failed_node_shows_its_inputs_and_the_author_s_traceback_alone(home: Home) -> None:
    code, out, err = home.weft(
        "run", home.chain(_4={"class_type": "CheckFail", "inputs": {"number": ["1", 0]}}), "--target", "4"
    )
    assert code == 1
    assert 'error: node 4 "CheckFail" failed: RuntimeError: cannot bear 7\n  number: 7\n' in err
    assert "weft_check_pack.py" in err
    assert "engine" not in err
    assert "please report the above to the author of CheckFail" in err
    assert out == "output/out/n_00001_.txt\n", "what was written before the failure is still listed"


def test_problems_are_lines_with_node_input_and_hint(home: Home) -> None:
    code, _, err = home.weft("run", home.chain(), "--set", "1.value=-1", "--set", "1.mode=fsat")
    assert code == 3
    assert err.splitlines() == [
        "error: invalid workflow: 2 problems",
        "  node 1 \"A Number\", input 'value': Value -1 smaller than min of 0",
        "  node 1 \"A Number\", input 'mode': Value not in list: 'fsat' not in ['fast', 'slow'] (did you mean 'fast'?)",
    ]


def test_text_from_a_workflow_does_not_steer_the_terminal(home: Home) -> None:
    chain = {**CHAIN, "3": {**CHAIN["3"], "_meta": {"title": "\x1b[2Jclear"}}}
    _, _, err = home.weft("run", home.write(chain))
    assert "\x1b" not in err
    assert "\\x1b[2Jclear" in err


def test_a_title_is_one_line(home: Home) -> None:
    titled = {**CHAIN["3"], "_meta": {"title": "x\nerror: forged"}}
    _, out, err = home.weft("plan", home.write({**CHAIN, "3": titled}))
    assert not [line for line in (out + err).splitlines() if line.startswith("error: forged")]
    _, _, err = home.weft("run", "w.json")
    assert not [line for line in err.splitlines() if line.startswith("error: forged")]
    assert 'node 3 "x\\nerror: forged"' in err
    _, _, err = home.weft("validate", home.write({**CHAIN, "3": {**titled, "inputs": {}}}))
    assert 'node 3 "x\\nerror: forged"' in err


def test_a_file_is_one_line(home: Home) -> None:
    """Whatever the folder is called that the user names."""
    code, out, _ = home.weft("run", home.chain(), "--output", "o\n/etc/passwd\x1b[2J")
    assert (code, out) == (0, "o\\n/etc/passwd\\x1b[2J/out/n_00001_.txt\n")
    code, out, _ = home.weft("run", "w.json", "--output", "o\n/etc/passwd\x1b[2J", "--json", "--no-cache")
    assert json.loads(out)["files"][0].endswith("o\n/etc/passwd\x1b[2J/out/n_00002_.txt")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_the_reader_cannot_show_is_written_out(encoding: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    titled = {**CHAIN["2"], "_meta": {"title": "日本 \ud800"}}
    saving = {**CHAIN["3"], "inputs": {"number": ["2", 0], "prefix": "é日本"}}
    assert main(["run", home.write({**CHAIN, "2": titled, "3": saving})]) == 0
    shown = {name: stream.buffer.getvalue().decode(encoding) for name, stream in streams.items()}  # type: ignore[attr-defined]
    expected = {"ascii": "\\xe9\\u65e5\\u672c", "latin-1": "é\\u65e5\\u672c", "utf-8": "é日本"}
    assert home.below(shown["stdout"]) == f"output/{expected[encoding]}_00001_.txt\n"
    assert ("日本" if encoding == "utf-8" else "\\u65e5\\u672c") + " \\ud800" in shown["stderr"]


def test_a_bug_of_weft_keeps_its_traceback(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("weft.engine.planning.plan.Planner.plan", broken)
    code, _, err = home.weft("run", home.chain())
    assert code == 1
    assert "Traceback" in err
    assert "This is a bug of Weft: please report the above, with the workflow; it was weft " in err
    assert f"Python {sys.version.split()[0]} on {sys.platform}" in err


@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left on device")])
def test_what_the_machine_does_to_weft_is_no_bug(error: Exception, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("weft.engine.planning.plan.Planner.plan", broken)
    code, out, err = home.weft("run", home.chain())
    assert (code, out) == (1, "")
    assert err in ("error: not enough memory\n", "error: No space left on device\n")


# --- which part of a workflow runs, and what becomes of several


UNKNOWN = {"class_type": "Fancy", "inputs": {"number": ["1", 0]}}
SECOND = {"class_type": "CheckSave", "inputs": {"number": ["1", 0], "prefix": "second"}}


def test_only_these_outputs_run_whatever_is_wrong_elsewhere(home: Home) -> None:
    name = home.chain(_4=UNKNOWN, _5=SECOND, _6={"class_type": "CheckSave", "inputs": {"number": ["4", 0]}})
    code, _, err = home.weft("run", name)
    assert code == 3
    assert "--only 3 --only 5 runs what nothing is wrong with" in err
    code, out, _ = home.weft("run", name, "--only", "5", "--set", "2.steps=1")
    assert (code, out) == (0, "output/second_00001_.txt\n")
    assert home.weft("validate", name, "--only", "Save#1", "--only", "5")[0] == 0
    code, _, err = home.weft("run", name, "--only", "6")
    assert code == 3
    assert "Unknown node class 'Fancy'" in err
    assert home.weft("run", name, "--only", "5", "--target", "3")[0] == 2
    code, _, err = home.weft("run", name, "--only", "7")
    assert code == 2
    assert "no node '7'" in err


def test_only_takes_saves_of_the_editor_with_classes_that_are_not_here(home: Home) -> None:
    prompt = home.chain(_4=UNKNOWN, _5=SECOND, _6={"class_type": "CheckSave", "inputs": {"number": ["4", 0]}})
    home.weft("convert", prompt, "--to", "ui", "--keep-unknown", "-o", "ui.json")
    code, _, err = home.weft("run", "ui.json")
    assert code == 3
    assert "--only 3 --only 5 runs what nothing is wrong with" in err
    assert home.weft("run", "ui.json", "--only", "5")[:2] == (0, "output/second_00001_.txt\n")


@pytest.mark.parametrize("name", ["w.json", "ui.json"])
def test_bypass_and_mute(home: Home, name: str) -> None:
    home.chain(_5=SECOND)
    home.weft("convert", "w.json", "--to", "ui", "-o", "ui.json")
    code, _, err = home.weft("run", name, "--bypass", "the [b]slow[/b]", "--mute", "5")
    assert code == 0
    assert "slow" not in err
    assert home.wrote() == ["n_00001_.txt"]
    code, _, err = home.weft("validate", name, "--mute", "2")
    assert code == 3
    assert "node 3" in err
    code, _, err = home.weft("plan", name, "--bypass", "slaw")
    assert code == 2
    assert "no node 'slaw' in the workflow" in err


def failing(home: Home, name: str) -> str:
    return home.write({**CHAIN, "2": {"class_type": "CheckFail", "inputs": {"number": ["1", 0]}}}, name)


def test_the_message_names_what_was_not_run(home: Home) -> None:
    one, bad, other = home.write(CHAIN, "one.json"), failing(home, "bad.json"), home.write(CHAIN, "other.json")
    code, out, err = home.weft("run", one, bad, other, "--json")
    assert code == 1
    assert "not run: other.json (--keep-going runs the others)" in err
    document = json.loads(out)
    assert [(run["workflow"], run["status"]) for run in document["runs"]] == [
        ("one.json", "done"),
        ("bad.json", "failed"),
        ("other.json", "skipped"),
    ]
    assert (document["status"], document["workflow"], len(document["files"])) == ("error", "bad.json", 1)


def test_keep_going_runs_the_others(home: Home) -> None:
    bad, other = failing(home, "bad.json"), home.write({**CHAIN, "5": SECOND}, "other.json")
    invalid = home.write({**CHAIN, "4": {"class_type": "CheckSave", "inputs": {"prefix": "x"}}}, "invalid.json")
    home.write("{", "unreadable.json")
    code, out, err = home.weft("run", "unreadable.json", invalid, bad, other, "--keep-going", "--json")
    assert code == 1
    document = json.loads(out)
    assert document["status"] == "failed"
    assert [(run["workflow"], run["status"]) for run in document["runs"]] == [
        ("unreadable.json", "failed"),
        ("invalid.json", "failed"),
        ("invalid.json", "done"),
        ("bad.json", "failed"),
        ("other.json", "done"),
    ]
    assert "running what nothing is wrong with: node 3" in err
    assert "cannot bear 7" in err
    assert home.wrote() == ["n_00001_.txt", "second_00001_.txt"]
    code, out, _ = home.weft("run", bad, other, "--keep-going", "-q")
    assert (code, len(out.splitlines())) == (1, 2)
    assert home.weft("run", other, "--keep-going")[0] == 0


# --- options


@pytest.mark.parametrize(
    ("change", "number"),
    [("1.value=8", 8), ("A Number.value=8", 8), ("CheckNumber.value= 8 ", 8), ("CheckNumber#1.value=8", 8)],
)
def test_set_names_a_node_by_id_title_or_class(home: Home, change: str, number: int) -> None:
    code, out, _ = home.weft("run", home.chain(), "--set", change)
    assert code == 0
    assert (home.folder / out.strip()).read_text() == str(number)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("1.value", "'1.value' sets nothing (NODE.INPUT=VALUE, such as 5.seed=7)"),
        ("value=3", "'value' names no input"),
        ("CheckNumbr.value=3", "did you mean 'CheckNumber'?"),
        ("1.valeu=3", "did you mean 'value'?"),
        ("1.value=many", "1.value: expected INT, got 'many'"),
    ],
)
def test_a_wrong_set_exits_2_and_says_why(home: Home, change: str, message: str) -> None:
    code, out, err = home.weft("run", home.chain(), "--set", change)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err


def test_folders_and_settings_come_from_flags(home: Home) -> None:
    (home.folder / "files").mkdir()
    (home.folder / "files" / "a.txt").write_text("a")
    reading = {"1": {"class_type": "CheckFile", "inputs": {"name": "a.txt"}}, "2": CHAIN["3"] | {"inputs": {
        "number": ["1", 0], "prefix": "n"}}}  # fmt: skip
    code, out, _ = home.weft("run", home.write(reading), "--input", "files", "--output", "elsewhere")
    assert (code, out) == (0, "elsewhere/n_00001_.txt\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "Missing argument"),
        (["run", "absent.json"], "cannot read 'absent.json'"),
        (["run", "text.json"], "is no JSON"),
        (["run", "w.json", "--models", "absent"], "absent"),
        (["run", "w.json", "--frobnicate"], "--frobnicate"),
        (["run", "w.json", "--device", "gpu"], "expected auto, cpu, cuda or cuda:N"),
        (["run", "w.json", "--dtype", "half"], "'float16'"),
        (["run", "w.json", "--sampling", "other"], "'comfy'"),
        (["run", "w.json", "--target", "Slwo"], "no node 'Slwo'"),
        (["validate", "absent.json"], "cannot read"),
        (["nodes", "CheckNumbr"], "did you mean 'CheckNumber'?"),
        (["nodse"], "nodse"),
    ],
)
def test_usage_errors_exit_2(home: Home, arguments: list[str], message: str) -> None:
    home.chain()
    home.write("a cat", "text.json")
    code, out, err = home.weft(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_json_and_events_exclude_each_other(home: Home) -> None:
    code, out, _ = home.weft("run", home.chain(), "--json", "--events")
    assert (code, json.loads(out)["error"]) == (2, "UsageError")


# --- validate, nodes, help


def test_validate_says_valid_or_every_problem_and_runs_nothing(home: Home) -> None:
    assert home.weft("validate", home.chain()) == (0, "w.json: valid, 3 nodes\n", "")
    document = json.loads(home.weft("validate", "w.json", "--json")[1])
    assert document == {"status": "valid", "nodes": 3, "issues": [], "notes": []}
    code, out, err = home.weft("validate", "w.json", "--set", "1.value=-1", "--set", "2.steps=0")
    assert (code, out) == (3, "")
    assert "2 problems" in err
    code, out, _ = home.weft("validate", "w.json", "--set", "2.steps=0", "--json")
    document = json.loads(out)
    assert (code, document["exit_code"]) == (3, 3)
    assert [issue["input"] for issue in document["issues"]] == ["steps"]
    lacking = {"class_type": "CheckFile", "inputs": {"name": "absent.txt"}}
    assert home.weft("validate", home.chain(_5=lacking), "--target", "5")[0] == 4
    assert home.wrote() == []


def test_nodes_lists_classes_and_describes_one(home: Home) -> None:
    code, out, _ = home.weft("nodes")
    assert code == 0
    assert re.search(r"^CheckNumber +A Number +check/in$", out, re.MULTILINE)
    code, out, _ = home.weft("nodes", "CheckNumber")
    assert code == 0
    for text in ("Gives a number.", "INT, default 1, 0 to 100", "The number that it gives.", "choices: fast, slow"):
        assert text in out
    assert out.index("Optional inputs") < out.index("mode") < out.index("0  NUMBER")


def test_nodes_shows_the_files_that_are_there(home: Home) -> None:
    assert "no file is there; looked in" in home.weft("nodes", "CheckFile")[1]
    (home.folder / "input").mkdir()
    (home.folder / "input" / "b.txt").write_text("b")
    assert "files: b.txt" in home.weft("nodes", "CheckFile")[1]
    info = json.loads(home.weft("nodes", "CheckFile", "--json")[1])
    assert info["CheckFile"]["input"]["required"]["name"] == [["b.txt"]]


def test_nodes_as_json_is_object_info_of_every_class(home: Home) -> None:
    info = json.loads(home.weft("nodes", "--json")[1])
    assert {"CheckNumber", "CheckSave", "KSampler"} <= set(info)
    assert info["CheckSave"]["output_node"] is True
    assert info["CheckNumber"]["input"]["required"]["value"][1]["max"] == 100


def test_nodes_leaves_out_what_only_expansions_use(home: Home) -> None:
    assert "weft.DrawPlot" not in home.weft("nodes")[1]
    assert not [name for name in json.loads(home.weft("nodes", "--json")[1]) if name.startswith("weft.")]
    assert home.weft("nodes", "weft.DrawPlot")[0] == 0


def test_nodes_are_chosen_by_what_they_take_and_give(home: Home) -> None:
    assert "CheckNumber" in home.weft("nodes", "--gives", "number", "--category", "check")[1]
    assert list(json.loads(home.weft("nodes", "a", "number", "--category", "check", "--json")[1])) == ["CheckNumber"]
    assert home.weft("nodes", "--gives", "NUMBER", "--category", "loaders")[0] == 2
    assert "--packs lists packs" in home.weft("nodes", "--gives", "NUMBER", "--packs")[2]


def test_nodes_as_markdown(home: Home) -> None:
    code, out, _ = home.weft("nodes", "CheckNumber", "--markdown")
    assert (code, out.splitlines()[0]) == (0, "# CheckNumber")
    assert "| `value` | INT; default `1`; 0 to 100 | The number that it gives. |" in out
    assert "- [CheckNumber](CheckNumber.md) (A Number): Gives a number." in home.weft("nodes", "--markdown")[1]
    code, out, _ = home.weft("nodes", "--category", "check", "--markdown", "-o", "pages")
    written = {file.name for file in (home.folder / "pages").iterdir()}
    assert (code, out) == (0, f"pages: {len(written) - 1} pages and README.md\n")
    assert {"README.md", "CheckNumber.md"} <= written
    assert "--markdown" in home.weft("nodes", "-o", "pages")[2]


def test_schema_goes_to_stdout_or_into_a_file(home: Home) -> None:
    code, out, err = home.weft("schema")
    assert (code, err) == (0, "")
    assert json.loads(out)["$defs"]["class:CheckNumber"]["title"] == "A Number"
    assert home.weft("schema", "-o", "s.json") == (0, "", "")
    assert (home.folder / "s.json").read_text() == out
    assert json.loads(home.weft("schema", "--format", "ui")[1])["$ref"] == "#/$defs/canvas"
    assert "did you mean 'api'?" in home.weft("schema", "--format", "apy")[2]
    assert home.weft("schema", "--format", "ui", "--files")[0] == 2
    (home.folder / "input").mkdir()
    (home.folder / "input" / "b.txt").write_text("b")
    named = json.loads(home.weft("schema", "--files")[1])["$defs"]["class:CheckFile"]["properties"]["inputs"]
    assert named["properties"]["name"]["else"] == {"enum": ["b.txt"]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_threads_that_wait_soon_sleep(
    given: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside other work, threads that spin while they wait make a run take many times as long."""
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that what main() sets is taken back
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert main(["--version"]) == 0
    assert os.environ.get("GOMP_SPINCOUNT") == expected


def test_help_names_every_option_and_gives_an_example(home: Home) -> None:
    code, out, _ = home.weft("--help")
    assert code == 0
    for word in ("run", "validate", "nodes", "--version", "WEFT_MODELS", "weft.toml", "Exit codes", "Example"):
        assert word in out
    said = out.split()
    for name in variables(Packs.installed().settings.values()):
        assert any(word.strip("(),│") == name for word in said), name
    code, out, _ = home.weft("run", "--help")
    assert code == 0
    folders = ("--models", "--input", "--output")
    for word in ("--set", *folders, "--device", "--dtype", "--sampling", "--target", "--json", "--events", "--quiet"):
        assert word in out
    for word in ("WORKFLOW", "WEFT_OUTPUT", "./models", "weft run portrait.json"):
        assert word in out
    for command in ("validate", "nodes"):
        assert "Example" in home.weft(command, "--help")[1]


def test_version(home: Home) -> None:
    code, out, _ = home.weft("--version")
    assert code == 0
    assert re.fullmatch(r"weft \d+\.\d+\.\d+\S*\n", out)


# --- processes: signals, pipes, terminals


def wait_for(stream: Any, text: str) -> None:
    for line in stream:
        if text in line:
            return
    raise AssertionError(f"the process ended without {text!r}")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_of_a_file_leaves_nothing_half_written(
    home: Home, number: signal.Signals, code: int
) -> None:
    process = home.start("run", home.chain(), "--set", "3.pause=3600")
    wait_for(process.stderr, "writing")
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out, err) == (code, "", "interrupted\n")
    assert home.wrote() == []


def test_an_interrupted_run_says_so_in_its_document_and_its_events(home: Home) -> None:
    process = home.start("run", home.chain(), "--set", "3.pause=3600", "--json")
    wait_for(process.stderr, "writing")
    process.send_signal(signal.SIGINT)
    document = json.loads(process.communicate(timeout=300)[0])
    assert (process.returncode, document["error"], document["exit_code"]) == (130, "Interrupted", 130)
    process = home.start("run", home.chain(), "--set", "2.pause=3600", "--events")
    wait_for(process.stdout, '"node_id": "2"')
    process.send_signal(signal.SIGINT)
    events = [json.loads(line) for line in process.communicate(timeout=300)[0].splitlines()]
    assert process.returncode == 130
    assert [event["event"] for event in events] == ["RunFinished", "Error"]
    assert events[0]["status"] == "interrupted"


def test_a_node_that_swallows_the_interruption_is_stopped_at_its_next_step(home: Home) -> None:
    deaf = {"class_type": "CheckDeaf", "inputs": {"number": ["1", 0]}}
    process = home.start("run", home.chain(_4=deaf), "--target", "4", "--events", "--set", "2.steps=1")
    wait_for(process.stdout, '"Progress", "node_id": "4"')
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130


def test_a_signal_during_a_long_import_ends_the_process(home: Home) -> None:
    heavy = "import sys, time\nprint('importing', file=sys.stderr, flush=True)\ntime.sleep(3600)\n"
    (home.folder / "weft_check_heavy.py").write_text(heavy)
    home.environment["PYTHONPATH"] += os.pathsep + str(home.folder)
    process = home.start("run", home.chain(_4={"class_type": "CheckImport", "inputs": {}}), "--target", "4")
    wait_for(process.stderr, "importing")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, home.below(out), err) == (130, "", "interrupted\n")


def test_a_reader_that_goes_away_stops_the_run_without_a_traceback(home: Home) -> None:
    process = home.start("run", home.chain(), "--events", "--set", "2.pause=0.2", "--set", "2.steps=10000")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=300) == 141
    assert process.stderr.read() == ""
    process.stderr.close()
    process = home.start("run", home.chain(), "--set", "2.pause=0.2", "--set", "2.steps=3", stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=300) == 141
    assert home.wrote() == []


def test_a_full_disk_behind_stdout_is_an_error(home: Home) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        process = home.start("nodes", stdout=full)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert err.startswith("error: cannot write")
    assert err.count("\n") == 1


def test_a_terminal_gets_a_bar_with_steps_and_speed(home: Home) -> None:
    home.environment |= {"TERM": "xterm", "COLUMNS": "120"}
    home.environment.pop("NO_COLOR")
    master, slave = pty.openpty()
    process = home.start("run", home.chain(), "--set", "2.pause=0.15", "--set", "2.steps=6", stderr=slave)
    os.close(slave)
    seen = b""
    with contextlib.suppress(OSError):  # Linux says that the other end is closed by an error
        while piece := os.read(master, 65536):
            seen += piece
    os.close(master)
    out, _ = process.communicate(timeout=300)
    shown = seen.decode()
    assert process.returncode == 0
    assert home.below(out) == "output/out/n_00001_.txt\n"
    assert re.search(r"[2-5]/6  [\d.]+ it/s", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown)), "the bar was alive"
    assert '[2/3] node 2 "the [b]slow[/b]": 6 steps' in shown
    assert not re.search(r'node 1 "A Number": ', shown), "a quick node leaves no line"
