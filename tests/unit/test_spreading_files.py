"""`weft run --ray` with workers of this process: what it says and writes is what it says and writes without."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from weft.cli import main
from weft.engine.errors import NodeError, UsageError, is_plain
from weft.engine.spreading.errands import Errand
from weft.engine.spreading.errors import SentError
from weft.engine.spreading.spread import Ended, Heard, events_of
from weft.engine.spreading.worker import ClusterWorker, Finished, WorkerPlan

PACK = '''
class Counted:
    """A node that is counted, fails at 13, and is volatile from 100 on."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "how": ("INT", {"default": 0})}}

    RETURN_TYPES, FUNCTION, CATEGORY = ("IMAGE",), "go", "x"

    @classmethod
    def IS_CHANGED(cls, image=None, how=0):
        return float("nan") if how >= 100 else how

    def go(self, image, how):
        with open("counts", "a") as file:
            file.write(f"{how} ")
        if how == 13:
            raise ValueError("thirteen is no number")
        return (image,)

NODE_CLASS_MAPPINGS = {"Counted": Counted}
'''


def workflow(how: int, color: int) -> dict[str, Any]:
    """Two pictures of one name, the second of which may fail."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": color}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
        "3": {"class_type": "Counted", "inputs": {"image": ["1", 0], "how": how}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "a"}},
    }


class Here:
    """A pool of two workers in this process, the second of which is always the first to be done."""

    def __init__(self, plan: WorkerPlan) -> None:
        self._workers = {name: ClusterWorker(plan) for name in ("1", "2")}
        self._running: list[tuple[str, Errand]] = []

    @property
    def workers(self) -> Iterable[str]:
        return tuple(self._workers)

    def submit(self, worker: str, errand: Errand) -> None:
        self._running.append((worker, errand))

    def wait(self, seconds: float) -> Iterable[Heard | Ended]:
        if self._running:
            name, errand = self._running.pop()
            for said in self._workers[name].run(errand):
                if isinstance(said, Finished):
                    yield Ended(name, said.gives, said.warnings, events=events_of(name, said.told))
                else:
                    yield Heard(name, events_of(name, said))


class Home:
    """A folder with workflows."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        (folder / "pack.py").write_text(PACK)
        for name, how in {"one": 1, "two": 2, "bad": 13, "three": 3, "odd": 100}.items():
            (folder / f"{name}.json").write_text(json.dumps(workflow(how, how)))

    def run(self, output: str, *arguments: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        (self.folder / "counts").write_text("")
        code = main(["run", *arguments, "--nodes", "pack.py", "--output", output, "--cache", f"{output}.cache"])
        out, err = self.capsys.readouterr()
        # Times differ, and so does where.
        return code, re.sub(r"(?<=: )(\d+\.\d+(e-\d+)?|\d+e-\d+)", "0.5", out.replace(f"/{output}/", "/OUT/")), err

    @property
    def counts(self) -> list[str]:
        return sorted((self.folder / "counts").read_text().split())

    def files(self, output: str) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (self.folder / output).iterdir()}


@pytest.fixture
def home(sandbox: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Home:
    @contextmanager
    def pool(address: str, plan: WorkerPlan, most: int) -> Iterator[Here]:
        yield Here(plan)

    monkeypatch.setattr("weft.engine.spreading.files.ray_pool", pool)
    return Home(sandbox, capsys)


ALL = ("one.json", "odd.json", "two.json", "bad.json", "one.json", "three.json")


@pytest.mark.parametrize("more", [(), ("--keep-going",), ("--json", "--keep-going"), ("--json",)])
def test_what_is_said_and_written_is_what_it_is_without(home: Home, more: tuple[str, ...]) -> None:
    code, out, _ = home.run("here", *ALL, *more)
    counts = home.counts
    code_there, out_there, _ = home.run("there", *ALL, *more, "--ray", "local")
    assert code_there == code == 1
    assert (json.loads(out_there) == json.loads(out)) if "--json" in more else (out_there == out)
    assert home.files("there") == home.files("here")
    # Nothing is done twice; what comes after a failure may have begun by then.
    assert set(counts) <= set(home.counts)
    assert len(home.counts) == len(set(home.counts))


def test_what_targets_gave_is_shown(home: Home) -> None:
    _, _, here = home.run("here", "one.json", "--target", "1")
    _, _, there = home.run("there", "one.json", "--target", "1", "--ray", "local")
    shown = 'node 1 "EmptyImage": IMAGE Tensor[1,8,8,3] float32'
    assert shown in here
    assert shown in there


def test_events_are_those_of_one_run_after_the_other(home: Home) -> None:
    def told(output: str, *more: str) -> list[tuple[str, str]]:
        _, out, _ = home.run(output, "one.json", "two.json", "--events", *more)
        lines = map(json.loads, out.splitlines())
        return [(line["event"], line.get("node_id", "")) for line in lines if "Libraries" not in line["event"]]

    here, there = told("here"), told("there", "--ray", "local")
    # What names its files comes last.
    assert sorted(there) == sorted(here)
    assert [event for event, _ in there][:2] == ["RunStarted", "NodeStarted"]
    assert there[-1] == ("RunFinished", "")


def test_what_the_cache_has_is_written_without_a_worker(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = home.run("out", "one.json", "two.json", "--quiet")
    monkeypatch.setattr("weft.engine.spreading.files.ray_pool", None)
    assert home.run("out", "one.json", "two.json", "--ray", "local", "--quiet") == first
    assert home.counts == []


def test_a_workflow_that_cannot_be_divided_runs_whole_in_its_turn(home: Home) -> None:
    code, out, _ = home.run("out", "odd.json", "one.json", "--ray", "local", "--quiet")
    assert (code, len(out.splitlines())) == (0, 4)
    assert home.counts == ["1", "100"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "2"], "--workers is for --ray"),
        (["--ray", "local", "-n", "2"], "--ray and -n exclude each other"),
        (["--ray", "local", "--keep-alive", "5"], "--ray and --keep-alive exclude each other"),
        (["--ray", "local", "--no-cache"], "--ray and --no-cache exclude each other"),
    ],
)
def test_what_cannot_be_said_together(home: Home, arguments: list[str], message: str) -> None:
    home.capsys.readouterr()
    assert main(["run", "one.json", *arguments]) == 2
    (line,) = home.capsys.readouterr().err.splitlines()
    assert message in line


def test_errors_arrive_as_they_were() -> None:
    error = NodeError(
        "bad", node_id="3", class_type="C", title="T", inputs={"a": "1"}, author_traceback="tb", inside="x", hint="h"
    )
    error.__cause__ = ValueError("why")
    found = SentError.of(error).received()
    assert isinstance(found, NodeError)
    assert (str(found), found.to_json(), is_plain(found.__cause__)) == (str(error), error.to_json(), False)
    usage = SentError.of(UsageError("no", hint="yes")).received()
    assert (type(usage), str(usage), usage.exit_code) == (UsageError, "no (yes)", 2)
    assert str(SentError.of(KeyError("k")).received()) == "KeyError: 'k'"
