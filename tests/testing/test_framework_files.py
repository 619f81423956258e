"""Workflows that hold assertion nodes are tests: found, run, reported, in every form that they are saved in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from weft.cli import main
from weft.engine.session import Session
from weft.engine.testing import framework
from weft.engine.testing.cases import discover

from .conftest import node

pytest_plugins = ["pytester"]

EXAMPLE = Path(__file__).parent / "framework" / "black_picture.json"
WHITE = "0" * 64
Weft = Callable[..., tuple[int, str, str]]


def definition(**inputs: Any) -> dict[str, Any]:
    given = {"name": "A test", "description": "What it tests.", "requiresGPU": False, "extraTime": 0, **inputs}
    return node("TestDefinition", **given)


def picture() -> dict[str, Any]:
    return node("TestImageGenerator", image_type="white", width=64, height=64, seed=0)


def match(image: list[Any], digits: str = WHITE, title: str = "") -> dict[str, Any]:
    return node("AssertImageMatch", title, image=image, perceptual_hash=digits, delta=0.05, hash_function="dhash")


def shape(tensor: list[Any], height: int) -> dict[str, Any]:
    return node("AssertTensorShape", tensor=tensor, batch=1, height=height, width=64, channels=3)


def passing() -> dict[str, Any]:
    return {"1": picture(), "2": match(["1", 0]), "3": definition()}


def failing() -> dict[str, Any]:
    """Two of four assertions fail; the one in the middle of the run stops nothing."""
    return {
        "1": picture(),
        "2": match(["1", 0], "1" * 64, "Dark"),
        "3": shape(["1", 0], 64),
        "4": shape(["1", 0], 32),
        "5": match(["1", 0]),
        "6": definition(name="Two of four"),
    }


@pytest.fixture
def weft(capsys: pytest.CaptureFixture[str], sandbox: Path) -> Weft:
    """The exit code, stdout and stderr of `weft test ...`."""

    def run(*arguments: str) -> tuple[int, str, str]:
        (sandbox / "pyproject.toml").write_text('[tool.weft.test]\ndevice = "cpu"\n')
        code = main(["test", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def write(document: Any, name: str = "w.json") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


# As the editor saves them


def test_a_save_of_the_editor_converts() -> None:
    """What the extension's widgets add to widgets_values (a button, a text) belongs to nobody, which is said."""
    session = Session()
    prompt = session.read(EXAMPLE)
    assert [(note.code, note.node_id) for note in session.notes(prompt)] == [
        ("values_left_out", "4"),
        ("values_left_out", "5"),
    ]
    assert session.issues(prompt) == []
    inputs = {node_id: node.inputs for node_id, node in prompt.nodes.items()}
    assert inputs["1"] == {"image_type": "white", "width": 96, "height": 64, "seed": 1234}
    assert inputs["4"] == {"perceptual_hash": WHITE, "delta": 0.05, "hash_function": "dhash", "image": ("3", 0)}
    assert inputs["5"] == {"batch": 1, "height": 64, "width": 96, "channels": 3, "tensor": ("3", 0)}
    assert inputs["7"]["description"] == "The negative of a white picture\nis black, and no other size."


def test_a_save_of_the_editor_is_a_test(weft: Weft) -> None:
    write(EXAMPLE.read_text(), "tests/black.json")
    code, out, err = weft("tests")
    assert code == 0
    assert all("that no widget of the class takes" in line for line in err.splitlines())
    assert out.splitlines()[0].startswith('pass  tests/black "Black picture": 4 of 4 assertions hold, ')
    assert out.splitlines()[1].startswith("1 passed in ")


@pytest.mark.parametrize("wrap", [lambda p: p, lambda p: {"prompt": p}, lambda p: {"api": p, "about": "x"}])
def test_a_prompt_is_a_test_alone_or_wrapped(wrap: Callable[[Any], Any], weft: Weft) -> None:
    write(wrap(passing()))
    code, out, _ = weft()
    assert code == 0
    assert out.startswith('pass  w "A test": 1 of 1 assertions hold, ')
    assert weft("w.json")[0] == 0


def test_a_picture_that_carries_a_test_is_one_if_it_is_named(weft: Weft) -> None:
    write({**passing(), "9": node("SaveImage", images=["1", 0], filename_prefix="carrier")})
    assert main(["run", "w.json"]) == 0
    Path("w.json").unlink()
    (file,) = Path("output").glob("*.png")
    code, out, _ = weft(str(file))
    assert code == 0
    assert '"A test": 1 of 1 assertions hold' in out
    assert weft()[0] == 5, "in folders only *.json are looked into"


# What is found


def test_what_is_found_in_a_folder(weft: Weft) -> None:
    write(passing(), "a/one.json")
    write(EXAMPLE.read_text(), "a/b/two.json")
    write({"1": picture(), "2": match(["1", 0])}, "three.json")
    for name in (".hidden/x.json", "node_modules/x.json"):
        write(passing(), name)
    write({"1": picture()}, "plain.json")
    write('{"type": "AssertEqual", "body": [{"type": "TestImageGenerator"}]}', "syntax_tree.json")
    write('["TestDefinition", "AssertEqual"]', "list.json")
    write({"TestDefinition": Session().registry["TestDefinition"].to_object_info()}, "object_info.json")
    write(passing(), "notes.txt")
    write(passing(), "recorded.json")
    assert weft("record", "recorded.json")[0] == 0
    write(passing(), "recorded.api.json")
    cases = discover([Path()])
    found = sorted((str(case.folder / case.name), case.workflow is not None) for case in cases)
    assert found == [
        ("a/b/two", True), ("a/one", True), ("recorded", False), ("recorded.api", True), ("three", True),
    ]  # fmt: skip


def test_assertions_in_a_file_beside_it_are_of_the_same_test(weft: Weft) -> None:
    write(failing())
    write('[[assert]]\nnode = "1"\nshape = [1, 64, 64, 3]\n', "w.test.toml")
    code, out, _ = weft()
    assert code == 1
    assert out.startswith('FAIL  w "Two of four": 3 of 5 assertions hold, ')
    write(failing(), "v.api.json")
    write('[[assert]]\nnode = "1"\nshape = [1, 64, 64, 3]\n', "v.test.toml")
    assert [case.name for case in discover([Path()])] == ["v", "w"]


def test_a_damaged_test_is_an_error_and_no_silence(weft: Weft) -> None:
    whole = json.dumps(passing(), indent=1)
    write(whole[:-40])
    write(whole[: whole.index("TestDefinition") - 40], "v.json")
    write({"nodes": [{"type": "TestDefinition"}], "links": []}, "u.json")
    write(whole, "whole.json")
    code, out, _ = weft("--junit", "r.xml", "--html", "r.html")
    assert code == 1
    assert "ERROR w\n  w.json is no JSON: " in out
    assert "ERROR v\n  v.json is no JSON: " in out
    assert "ERROR u\n  u.json: /nodes/0/id: " in out
    assert "3 broken, 1 passed in" in out
    assert ElementTree.parse("r.xml").getroot().find(".//testcase[error]").get("name") == "workflow"  # type: ignore[union-attr]


def test_no_test_is_exit_code_5(weft: Weft) -> None:
    write({"1": picture()}, "plain.json")
    code, out, err = weft()
    assert (code, out) == (5, "")
    assert "no goldens, no assertions and no workflows that assert in the current folder" in err
    assert weft("plain.json")[0] == 2


# What is said


def test_every_failing_assertion_is_named(weft: Weft) -> None:
    write(failing())
    code, out, _ = weft()
    assert code == 1
    lines = out.splitlines()
    assert lines[0].startswith('FAIL  w "Two of four": 2 of 4 assertions hold, ')
    assert lines[1] == (
        '  assertion node 2 "Dark", AssertImageMatch: picture 1 of 1 differs in 64 of 64 bits (1.000), more than delta '
        f"0.05: expected {'1' * 64}, got {WHITE}"
    )
    assert lines[2] == '  assertion node 4 "AssertTensorShape": expected height 32, got 64: the shape is [1, 64, 64, 3]'
    assert lines[3].startswith("1 failed in ")
    _, out, _ = weft("-v")
    assert 'held     node 3 "AssertTensorShape"' in out


def test_reports(weft: Weft) -> None:
    write(failing())
    write({"1": picture(), "2": match(["1", 0]), "3": definition(name="<b>", requiresGPU=True)}, "gpu.json")
    code, out, _ = weft("--json", "--junit", "r.xml", "--html", "r.html")
    assert code == 1
    found = json.loads(out)
    assert (found["failed"], found["passed"], found["skipped"]) == (1, 0, 1)
    skipped, failed = found["workflows"]
    assert (skipped["status"], skipped["title"], skipped["skipped"]) == (
        "skipped", "<b>", "it requires a GPU, and the device here is cpu",
    )  # fmt: skip
    assert (failed["title"], failed["description"], failed["first_divergence"]) == (
        "Two of four", "What it tests.", None,
    )  # fmt: skip
    assert [(one["node_id"], one["holds"]) for one in failed["assertions"]] == [
        ("2", False), ("3", True), ("4", False), ("5", True),
    ]  # fmt: skip
    assert failed["assertions"][1]["got"] == "the shape is [1, 64, 64, 3]"
    assert [one["state"] for one in failed["nodes"]] == ["ran", "failed", "held", "failed", "held", "ran"]
    root = ElementTree.parse("r.xml").getroot()
    counts = [root.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["7", "2", "0", "1"], "a case a node; an assertion node is its assertion"
    assert {one.get("name"): one.get("value") for one in root.iterfind("testsuite[2]/properties/property")} == {
        "title": "Two of four", "description": "What it tests.",
    }  # fmt: skip
    page = Path("r.html").read_text()
    assert page.count("does not hold") == 2
    assert page.count('class="node is-bad"') == 2
    assert page.count('class="node is-good"') == 2
    assert 'class="badge skipped"' in page
    assert "<b>" not in page.partition("&lt;b&gt;")[0]
    assert "1 of 2 workflows did not pass" in page


def test_a_node_that_fails_before_them_leaves_them_unanswered(weft: Weft) -> None:
    prompt = {
        "1": node("LoadImage", image="damaged.png"),
        "2": match(["1", 0]),
        "3": picture(),
        "4": match(["3", 0]),
        "5": definition(),
    }
    Path("input").mkdir()
    Path("input/damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    write(prompt)
    code, out, _ = weft("-v")
    assert code == 1
    assert out.startswith('FAIL  w "A test": 0 of 2 assertions hold, ')
    assert 'first divergence: node 1 "Load Image", LoadImage' in out
    assert out.count('AssertImageMatch": it did not run') == 2
    assert 'unseen   node 2 "AssertImageMatch"' in out


def test_an_invalid_test_is_an_error(weft: Weft) -> None:
    write({**passing(), "3": definition(extraTime=5000)})
    code, out, _ = weft()
    assert code == 1
    assert "ERROR w" in out
    assert "Value 5000 bigger than max of 3600" in out


def test_one_definition_is_expected(weft: Weft) -> None:
    write({**passing(), "7": definition()})
    code, out, _ = weft()
    assert code == 1
    assert "it has 2 TestDefinition nodes (nodes 3, 7), expected one" in out


def test_only_a_definition_asks_that_it_runs(weft: Weft) -> None:
    write({"3": definition(), "4": node("PreviewAny", source="x")})
    code, out, _ = weft()
    assert code == 0
    assert out.startswith('pass  w "A test": 2 nodes ran, ')


def test_an_assertion_that_nothing_takes_from_runs_too(weft: Weft) -> None:
    """AssertExecuted is no output node: ComfyUI would leave it out where it leads nowhere."""
    write({"1": picture(), "2": node("AssertExecuted", input=["1", 0]), "3": definition()})
    assert weft()[1].startswith('pass  w "A test": 1 of 1 assertions hold, ')
    write('runs = 2\n[[assert]]\nnode = "1"\ncached = true\n', "w.test.toml")
    code, out, _ = weft()
    assert code == 1
    assert 'node 2 "AssertExecuted": expected node 1 to be called, got its outputs from the cache' in out
    assert ": 1 of 2 assertions hold" in out


# A GPU, and time


def test_what_requires_a_gpu_is_skipped_without_one(weft: Weft) -> None:
    missing = node("CheckpointLoaderSimple", ckpt_name="only_on_the_gpu_machine.safetensors")
    write({**passing(), "3": definition(requiresGPU=True), "4": missing})
    code, out, _ = weft()
    assert code == 0
    assert out.splitlines()[0] == 'skip  w "A test": it requires a GPU, and the device here is cpu'
    assert out.splitlines()[1].startswith("1 skipped in ")


def test_a_device_that_is_not_there(weft: Weft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    write(passing())
    write({**passing(), "3": definition(requiresGPU=True)}, "gpu.json")
    code, out, _ = weft("--device", "cuda")
    assert code == 1
    assert 'skip  gpu "A test": it requires a GPU, and there is none here' in out
    assert "ERROR w\n  device 'cuda': " in out
    code, _, err = weft("record", "w.json", "--device", "cuda")
    assert code == 2
    assert err.startswith("error: device 'cuda': ")
    assert err.endswith("(--device cpu)\n")


def test_a_test_that_takes_too_long_fails_and_says_so(weft: Weft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework, "SECONDS", 0)
    write(passing())
    code, out, _ = weft("--junit", "r.xml")
    assert code == 1
    assert "0 of 2 assertions hold" in out
    assert 'assertion node 2 "AssertImageMatch": it did not run' in out
    assert 'assertion at most 0 s: got 0.0 s, stopped before node 1 "TestImageGenerator"' in out
    assert ElementTree.parse("r.xml").getroot().get("failures") == "2"
    write({**passing(), "3": definition(extraTime=60)})
    assert weft()[0] == 0


def test_a_node_that_takes_too_long_by_itself_is_waited_for(weft: Weft, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is looked at between nodes and steps; what ended late has failed all the same."""
    from weft.engine.testing import running

    monkeypatch.setattr(running._Watcher, "_watch_time", lambda self, place: None)
    monkeypatch.setattr(framework, "SECONDS", 0)
    write(passing())
    code, out, _ = weft()
    assert code == 1
    assert "1 of 2 assertions hold" in out
    assert "assertion at most 0 s: got 0.0 s\n" in out


# Beside goldens


def test_with_a_golden_it_is_compared_like_any_other(weft: Weft) -> None:
    write(passing())
    assert weft("record", "w.json")[0] == 0
    assert weft()[1].startswith("pass  w: 3 nodes equal, class exact")
    write({**passing(), "2": match(["1", 0], "1" * 64)})
    code, out, _ = weft()
    assert code == 1
    assert "cause: an input changed: input 'perceptual_hash'" in out


def test_accept_and_against_leave_them_alone(weft: Weft) -> None:
    write(failing())
    code, out, _ = weft("accept", "--all")
    assert (code, out) == (0, "nothing to accept: 0 checked\n")
    code, _, err = weft("--against", ".")
    assert code == 5
    assert "no goldens to compare" in err
    code, _, err = weft("record", "w.json")
    assert code == 1
    assert 'node 2 "Dark" failed: picture 1 of 1 differs' in err
    assert not Path("w.golden.json").exists()


# pytest


def test_pytest_collects_them(pytester: pytest.Pytester) -> None:
    (pytester.path / "good.json").write_text(json.dumps(passing()))
    (pytester.path / "bad.json").write_text(json.dumps(failing()))
    gpu = {**passing(), "3": definition(requiresGPU=True)}
    (pytester.path / "gpu.json").write_text(json.dumps(gpu))
    (pytester.path / "other.json").write_text('{"AssertEqual": 1}')
    pytester.makepyprojecttoml('[tool.weft.test]\ndevice = "cpu"\n')
    found = pytester.runpytest_inprocess("-p", "no:xdist", "-ra")
    found.assert_outcomes(passed=1, failed=1, skipped=1)
    found.stdout.fnmatch_lines(["*it requires a GPU, and the device here is cpu*", "*, 2 subtests failed in *"])
    found.stdout.fnmatch_lines(["*expected height 32, got 64*"])
    (page,) = pytester.path.parent.rglob("bad.html")
    assert "does not hold" in page.read_text()


def test_a_golden_is_still_asked_for_by_its_fixture(pytester: pytest.Pytester) -> None:
    (pytester.path / "good.json").write_text(json.dumps(passing()))
    pytester.makepyfile('def test_it(weft_golden):\n    weft_golden("good.json")\n')
    found = pytester.runpytest_inprocess("-p", "no:xdist", "-k", "test_it")
    found.stdout.fnmatch_lines(["*good.json has no golden*--weft-update*"])
    assert found.ret == pytest.ExitCode.TESTS_FAILED
