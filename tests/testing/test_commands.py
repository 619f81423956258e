"""`weft test`, as a user types it, on workflows that need no model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch

from weft import cli
from weft.cli import main
from weft.engine.errors import UsageError
from weft.engine.testing import recorder
from weft.engine.testing.commands import read_choice
from weft.nodes.diffusion.values import pixels

from .conftest import Bench, node, simple

Weft = Callable[..., tuple[int, str, str]]


@pytest.fixture
def weft(capsys: pytest.CaptureFixture[str], pictures: Path, bench: Bench) -> Weft:
    """The exit code, stdout and stderr of `weft test ...`; the input folder is the pictures'."""

    def run(*arguments: str) -> tuple[int, str, str]:
        (bench.folder / "pyproject.toml").write_text(f'[tool.weft.test]\ninput = "{pictures}"\ndevice = "cpu"\n')
        code = main(["test", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def changed(bench: Bench, name: str = "w") -> None:
    workflow = simple()
    workflow["2"]["inputs"]["upscale_method"] = "lanczos"
    bench.write(workflow, name)


def test_record_then_check(weft: Weft, bench: Bench) -> None:
    bench.write(simple())
    code, out, _ = weft("record", "w.json")
    assert code == 0
    assert out.startswith("recorded w.golden.json: 4 nodes, 3 files, ")
    code, out, err = weft()
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("pass  w: 4 nodes equal, class exact (same environment), ")
    assert out.splitlines()[-1].startswith("1 passed in ")


def test_a_warning_of_the_whole_run_names_no_node(weft: Weft, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_PROMPT_SCHEDULE", "true")
    bench.write(simple())
    code, _, err = weft("record", "w.json")
    assert (code, err.startswith("warning: no text that a KSampler is steered by")) == (0, True)


def test_a_difference_is_exit_code_1_and_comes_with_got_and_expected(weft: Weft, bench: Bench) -> None:
    bench.record(simple())
    changed(bench)
    code, out, _ = weft("w.json")
    assert code == 1
    lines = out.splitlines()
    assert lines[0].startswith("FAIL  w: 3 of 4 nodes differ")
    assert lines[1] == '  first divergence: node 2 "Upscale Image", ImageScale'
    assert lines[2] == "    cause: an input changed: input 'upscale_method': 'bilinear' -> 'lanczos'"
    assert "no difference allowed, by class exact (same environment)" in lines[3]
    assert "got " in lines[4]
    assert "expected " in lines[4]
    for measure in ("max abs", "relative", "PSNR", "SSIM", "of 12288 values", "columns", "rows"):
        assert measure in lines[5]
    assert lines[6] == '    consequences: node 3 "Invert Image", node 4 "Save Image"'
    assert lines[-1].startswith("1 failed in ")


def test_code_that_changed_without_its_version_is_named(
    weft: Weft, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a possible cause, where nothing else is left, and beside an environment that changed too."""
    golden = bench.record(simple())
    assert list(json.loads(golden.read_text())["birth"]["packs"]) == ["weft"]
    monkeypatch.setattr(pixels, "scale_image", lambda picture, *_: torch.zeros(1, 64, 64, 3))
    _, out, _ = weft()
    assert "cause: no cause in sight: nothing but its output" in out
    monkeypatch.setattr(recorder, "digest_of", lambda module, pack: {"weft": "0123456789abcdef"})
    code, out, _ = weft()
    assert code == 1
    (cause,) = (line for line in out.splitlines() if "cause: " in line)
    assert "cause: perhaps code that changed without its version: the code of weft has digest 0123456789ab, it" in cause
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        _, out, _ = weft()
    finally:
        torch.set_num_threads(threads)
    (cause,) = (line for line in out.splitlines() if "cause: " in line)
    assert f"the environment changed: threads: {threads} -> {threads + 1}; the code of weft has digest" in cause


def test_verbose_says_every_node(weft: Weft, bench: Bench) -> None:
    bench.record(simple())
    _, out, _ = weft("-v")
    assert "same     node 1" in out
    assert "MASK: equal" in out


def test_quiet_says_nothing_of_what_passes(weft: Weft, bench: Bench) -> None:
    bench.record(simple())
    _, out, _ = weft("--quiet")
    assert out.startswith("1 passed in ")


def test_nothing_to_test_is_exit_code_5(weft: Weft) -> None:
    code, out, err = weft()
    assert (code, out) == (5, "")
    assert "no goldens, no assertions and no workflows that assert in the current folder" in err
    assert "(weft test record WORKFLOW makes a golden)" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("absent.json",), "absent.json is not there"),
        (("w.json",), "w.json has no golden (weft test record w.json)"),
        (("--twice", "--against", "."), "exclude each other"),
        (("record", "absent.json"), "absent.json is not there"),
        (("--html", "no/r.html"), "cannot write no/r.html: there is no folder no"),
        (("--twice", "w.json", "--junit", "no/r.xml"), "cannot write no/r.xml: there is no folder no"),
        (("accept", "--html", "no/r.html"), "cannot write no/r.html: there is no folder no"),
        (("record", "w.json", "--output", "w.json/x"), "cannot make the folder w.json/x: Not a directory"),
        (
            ("record", "w.json", "--tensors", "smal"),
            "expected one of small, all, none, or a number of KiB (did you mean 'small'?)",
        ),
    ],
)
def test_usage_errors_are_exit_code_2(arguments: tuple[str, ...], told: str, weft: Weft, bench: Bench) -> None:
    bench.write(simple())
    code, _, err = weft(*arguments)
    assert code == 2
    assert told in err


def test_a_golden_is_overwritten_only_when_asked(weft: Weft, bench: Bench) -> None:
    golden = bench.record(simple())
    changed(bench)
    before = golden.read_bytes()
    code, _, err = weft("record", "w.json")
    assert code == 2
    assert "w.golden.json is there already (--force records it anew" in err
    assert golden.read_bytes() == before
    assert weft("record", "w.json", "--force")[0] == 0
    assert weft()[0] == 0


def test_a_workflow_that_cannot_run_leaves_nothing(weft: Weft, bench: Bench) -> None:
    bad = simple()
    bad["1"]["inputs"]["image"] = "absent.png"
    bench.write(bad)
    code, _, err = weft("record", "w.json")
    assert code == 4
    assert "absent.png" in err
    assert not list(bench.folder.glob("*golden*"))


def test_overrides_and_targets_are_recorded_and_repeated(weft: Weft, bench: Bench) -> None:
    bench.write(simple())
    arguments = ("record", "w.json", "--set", "2.width=32", "--target", "3")
    assert weft(*arguments)[0] == 0
    how = json.loads((bench.folder / "w.golden.json").read_text())["how"]
    recorded = {"sampling": "comfy", "others": {"numbers": "0.33"}}
    assert how == {**recorded, "overrides": ["2.width=32"], "targets": ["3"]}
    assert weft()[0] == 0


def test_reports(weft: Weft, bench: Bench) -> None:
    bench.record(simple())
    bench.record(simple(), "v")
    changed(bench)
    code, out, _ = weft("--json", "--junit", "r.xml", "--html", "r.html")
    assert code == 1
    found = json.loads(out)
    assert (found["status"], found["failed"], found["passed"]) == ("failed", 1, 1)
    first = found["workflows"][1]["first_divergence"]
    assert (first["node_id"], first["kind"], first["consequences"]) == ("2", "input", ["3", "4"])
    measured = found["workflows"][1]["nodes"][1]["findings"][0]
    assert {"measure", "value", "rule", "got", "expected", "measures"} <= set(measured)
    root = ElementTree.parse(bench.folder / "r.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("8", "1", "2")
    assert root.find(".//failure").get("message") == "input 'upscale_method': 'bilinear' -> 'lanczos'"
    page = (bench.folder / "r.html").read_text()
    assert page.count("<section") == 2
    assert page.count('class="slider"') == 3
    assert page.count("<svg") == 2
    assert "src=" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_a_page_has_what_failed_first_and_closes_the_tables_of_what_passed(weft: Weft, bench: Bench) -> None:
    for name in ("a", "b", "c"):
        bench.record(simple(), name)
    changed(bench, "b")
    (bench.folder / "c.golden.json").write_text("{")
    weft("--html", "r.html")
    page = (bench.folder / "r.html").read_text()
    broken, failed, passed = page.split("<section")[1:]
    assert [part.count(f"</span> {name}</h2>") for part, name in ((broken, "c"), (failed, "b"), (passed, "a"))] == [
        1
    ] * 3
    names = [line.partition("<")[0] for line in page.partition("</nav>")[0].split('">')[1:] if line[:1] in "abc"]
    assert names == ["c", "b", "a"]
    assert "<details open><summary>Every node" in failed
    assert "<details><summary>Every node" in passed
    assert "<details open" not in passed
    assert "anywhere" not in page, "words are not broken to make a table fit"


def test_warnings_and_what_nodes_print_go_to_stderr(weft: Weft, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.record({**simple(), "5": node("SaveImageWebsocket", images=["3", 0])})
    scale = pixels.scale_image

    def talking(*arguments: Any) -> Any:
        print("a node talks")
        return scale(*arguments)

    monkeypatch.setattr(pixels, "scale_image", talking)
    code, out, err = weft("--json")
    assert code == 0
    json.loads(out)
    assert "a node talks" in err
    assert "warning: node 5: there is no websocket here" in err


def test_titles_in_a_page_are_text(weft: Weft, bench: Bench) -> None:
    workflow = simple()
    workflow["2"]["_meta"] = {"title": "<script>alert(1)</script>"}
    bench.record(workflow)
    weft("--html", "r.html", "--junit", "r.xml")
    assert "<script>alert" not in (bench.folder / "r.html").read_text()
    ElementTree.parse(bench.folder / "r.xml")


def test_a_broken_golden_fails_and_the_others_are_checked(weft: Weft, bench: Bench) -> None:
    bench.record(simple(), "good")
    golden = bench.record(simple(), "bad")
    golden.write_text("{")
    code, out, _ = weft("--junit", "r.xml", "--html", "r.html")
    assert code == 1
    assert "ERROR bad" in out
    assert "pass  good" in out
    assert "1 broken, 1 passed in" in out
    assert ElementTree.parse(bench.folder / "r.xml").getroot().get("errors") == "1"


def test_two_recordings_are_compared_without_a_run(weft: Weft, bench: Bench) -> None:
    bench.record(simple())
    changed(bench)
    assert weft("record", "w.json", "--output", "other")[0] == 0
    (bench.folder / "w.json").unlink()
    code, out, _ = weft("--against", "other")
    assert code == 1
    assert "'bilinear' -> 'lanczos'" in out
    assert weft("w.golden.json", "--against", ".")[0] == 0
    (bench.folder / "other" / "w.golden.json").unlink()
    code, out, _ = weft("w.golden.json", "--against", "other")
    assert code == 1
    assert "other has no w.golden.json" in out


def test_the_second_process_takes_no_code_from_the_current_folder(
    weft: Weft, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what PYTHONPATH says; `from weft import cli` there would find the file that is planted here."""
    bench.write(simple())
    (bench.folder / "cli.py").write_text("raise SystemExit('planted')")
    commands: list[list[str]] = []

    def child(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        assert "env" not in options
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "", "error: it stops here")

    monkeypatch.setattr(subprocess, "run", child)
    code, _, err = weft("--twice", "w.json")
    assert code == 1
    assert "could not be run in a process of its own: it stops here" in err
    ((python, safe, script, *rest),) = commands
    assert (python, safe, rest[-2:]) == (sys.executable, "-P", ["--", "w.json"])
    assert Path(script) == Path(cli.__file__).resolve()


class TestAccept:
    def test_what_is_named_is_accepted(self, weft: Weft, bench: Bench) -> None:
        for name in ("a", "b"):
            bench.record(simple(), name)
            changed(bench, name)
        code, out, _ = weft("accept", "--only", "a")
        assert code == 1, "b still differs"
        assert "accepted a.golden.json" in out
        assert "weft-accept.html" in out
        assert (bench.folder / "weft-accept.html").read_text().count("<section") == 2
        assert weft("a.json")[0] == 0
        assert weft("b.json")[0] == 1

    def test_all(self, weft: Weft, bench: Bench) -> None:
        bench.record(simple())
        changed(bench)
        assert weft("accept", "--all", "--html", "page.html")[0] == 0
        assert (bench.folder / "page.html").exists()
        assert weft()[0] == 0
        code, out, _ = weft("accept")
        assert code == 0
        assert out == "nothing to accept: 1 checked\n"

    @pytest.mark.parametrize("name", ["a", "broken"])
    def test_what_cannot_be_accepted_is_exit_code_1(self, name: str, weft: Weft, bench: Bench) -> None:
        """Also where all that differs was accepted."""
        bench.record(simple(), "a")
        changed(bench, "a")
        broken = bench.record(simple(), "broken")
        (bench.folder / "broken.json").unlink()
        before = broken.read_bytes()
        code, out, _ = weft("accept", "--all", f"{name}.golden.json")
        assert (code, "ERROR broken" in out) == ((0, False) if name == "a" else (1, True))
        assert name == "a" or "nothing to accept: 1 checked, 1 cannot be accepted" in out
        changed(bench, "a")
        code, out, _ = weft("accept", "--all")
        assert (code, "ERROR broken" in out) == (1, True)
        assert broken.read_bytes() == before

    def test_an_assertion_that_fails_cannot_be_accepted(self, weft: Weft, bench: Bench) -> None:
        bench.record(simple())
        changed(bench)
        (bench.folder / "w.test.toml").write_text('[[assert]]\nnode = "4"\nfiles = 2\n')
        code, out, _ = weft("accept", "--all")
        assert (code, "accepted w.golden.json" in out) == (1, True)
        assert weft("accept", "--all")[0] == 1

    def test_all_is_refused_in_ci(self, weft: Weft, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        golden = bench.record(simple())
        changed(bench)
        before = golden.read_bytes()
        monkeypatch.setenv("CI", "true")
        code, _, err = weft("accept", "--all")
        assert code == 2
        assert "--all is refused where CI=true" in err
        assert golden.read_bytes() == before

    def test_without_a_name_nothing_is_accepted(self, weft: Weft, bench: Bench) -> None:
        golden = bench.record(simple())
        changed(bench)
        before = golden.read_bytes()
        code, out, _ = weft("accept")
        assert code == 1
        assert "nothing is accepted: name them with --only NAME" in out
        assert golden.read_bytes() == before

    def test_an_unknown_name_is_refused(self, weft: Weft, bench: Bench) -> None:
        bench.record(simple(), "portrait")
        changed(bench, "portrait")
        code, _, err = weft("accept", "--only", "portrai")
        assert code == 2
        assert "did you mean 'portrait'?" in err

    @pytest.mark.parametrize(
        ("text", "chosen"), [("", []), ("none\n", []), ("all\n", [1, 2, 3, 4]), ("2", [2]), ("1, 3-4\n", [1, 3, 4])]
    )
    def test_choices(self, text: str, chosen: list[int]) -> None:
        assert read_choice(text, 4) == chosen

    @pytest.mark.parametrize("text", ["x", "0", "5", "3-9", "3-1", "1-", "-"])
    def test_a_choice_that_makes_no_sense(self, text: str) -> None:
        with pytest.raises(UsageError):
            read_choice(text, 4)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("modell = 'x'", "unknown key 'modell' (did you mean 'models'?)"),
        ("models = 5", "models: expected text, got 5"),
        ("class = 'clos'", "unknown class 'clos'"),
        ("tolerance = 5", "expected a list of tables"),
    ],
)
def test_a_bad_pyproject_is_an_error(table: str, told: str, bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.record(simple())
    (bench.folder / "pyproject.toml").write_text(f"[tool.weft.test]\n{table}\n")
    assert main(["test"]) == 1
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "variable", "told"),
    [
        ('models = "gone"', {}, "gone does not exist (it is named by {file} [tool.weft.test])"),
        ('models = "gone"', {"WEFT_MODELS": "lost"}, "lost does not exist (it is named by WEFT_MODELS in the environ"),
        ('device = "gpu"', {}, "{file} [tool.weft.test]: setting 'device' is 'gpu'"),
        ('device = "cuda"', {}, "(it is asked for by {file} [tool.weft.test]; --device cpu)"),
        ('class = "perceptual"', {}, "class perceptual (asked for by {file} [tool.weft.test])"),
    ],
)
def test_messages_name_where_a_setting_stands(
    line: str,
    variable: dict[str, str],
    told: str,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench.record(simple())
    file = bench.folder / "pyproject.toml"
    file.write_text(f"[tool.weft.test]\n{line}\ninput = '{bench.options.input}'\n")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    main(["test"])
    assert told.format(file=file) in capsys.readouterr().out


def test_rules_of_pyproject_hold_and_unneeded_ones_are_named(
    bench: Bench, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.record(simple())
    changed(bench)
    config: dict[str, Any] = {"IMAGE": "max_abs = 1.0", "MASK": "max_abs = 0.1"}
    rules = "".join(f'[[tool.weft.test.tolerance]]\ntype = "{kind}"\n{limit}\n' for kind, limit in config.items())
    (bench.folder / "pyproject.toml").write_text(f'[tool.weft.test]\ninput = "{pictures}"\n{rules}')
    assert main(["test", "-v"]) == 0
    out = capsys.readouterr().out
    assert "limit 1, by pyproject.toml [[tool.weft.test.tolerance]] 1" in out
    assert "tolerance: pyproject.toml [[tool.weft.test.tolerance]] 2: never needed" in out
