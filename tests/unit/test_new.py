"""`weft new`: every template is valid, says what it lacks, and runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weft.cli import main
from weft.engine.folders import SHIPPED
from weft.engine.formats.canonical import formatted
from weft.engine.session import Session
from weft.nodes.templates import TEMPLATES

WITHOUT_FILES = {"txt2img", "hires-fix", "prompt-switch", "prompt-schedule", "lora", "lora-switch", "refiner"}
Weft = Callable[..., tuple[int, str, str]]


@pytest.fixture
def weft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Weft:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("to", ["ui", "api"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_new_workflow_is_valid_but_for_files_that_are_not_there(name: str, to: str, weft: Weft) -> None:
    code, out, err = weft("new", f"a b/{name}", "-t", name, "--format", to)
    file = f"a b/{name}{'.json' if to == 'ui' else '.api.json'}"
    assert (code, out) == (0, f"{file}\n")
    flag = "" if name in WITHOUT_FILES else " --stand-ins"
    assert err.endswith(f"next: weft run '{file}'{flag}\n")
    assert ("warning" in err) == bool(flag)
    document = json.loads(Path(file).read_text())
    assert ("nodes" in document) == (to == "ui")
    session = Session()
    assert formatted(Path(file).read_text(), file, session.registry) == Path(file).read_text()
    prompt = session.read(file)
    assert all(issue.missing_file for issue in session.issues(prompt))
    assert session.notes(prompt) == []


def test_both_formats_are_one_prompt(weft: Weft) -> None:
    def read(file: str) -> dict[str, Any]:
        return {key: (node.class_type, node.inputs) for key, node in Session().read(file).nodes.items()}

    for name in TEMPLATES:
        assert weft("new", name, "-t", name)[0] == weft("new", name, "-t", name, "--format", "api")[0] == 0
        assert read(f"{name}.json") == read(f"{name}.api.json"), name


def test_the_files_of_a_user_are_taken(weft: Weft, tmp_path: Path) -> None:
    tiny = SHIPPED / "checkpoints" / "weft-tiny.safetensors"
    for file in ("checkpoints/mine.safetensors", "checkpoints/my-refiner.safetensors", "loras/mine.safetensors"):
        (tmp_path / "models" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tiny, tmp_path / "models" / file)
    code, out, _ = weft("new", "x", "-t", "refiner", "--checkpoint", "mine.safetensors")
    assert (code, out) == (0, "x.json\n")
    values = [node.inputs for node in Session().read("x.json").nodes.values()]
    names = [inputs["ckpt_name"] for inputs in values if "ckpt_name" in inputs]
    assert names == ["mine.safetensors", "my-refiner.safetensors"]
    assert {inputs["width"] for inputs in values if "width" in inputs} == {512}  # of SD 1.x
    assert weft("new", "y", "-t", "lora", "--checkpoint", "mine.safetensors", "--format", "api")[0] == 0
    assert '"lora_name": "mine.safetensors"' in Path("y.api.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "what should it be called? (weft new NAME)"),
        (("x", "-t", "txt2mg"), "no template is called 'txt2mg' (did you mean 'txt2img'?)"),
        (("x", "--format", "png"), "unknown format 'png': expected ui or api"),
        (("there",), "there.json is there already (--force writes over it)"),
        (("there.json/x",), "cannot write there.json/x.json"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], message: str, weft: Weft) -> None:
    Path("there.json").write_text("{}")
    code, out, err = weft("new", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert [each.name for each in Path().iterdir()] == ["there.json"]
    assert Path("there.json").read_text() == "{}"


def test_a_checkpoint_that_is_not_there_is_a_missing_file(weft: Weft) -> None:
    code, _, err = weft("new", "x", "--checkpoint", "weft-tny.safetensors")
    assert code == 4
    assert "did you mean 'weft-tiny.safetensors'?" in err


def test_the_list_names_every_template(weft: Weft) -> None:
    code, out, _ = weft("new", "--list")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, list(TEMPLATES))
    listed = json.loads(weft("new", "--list", "--json")[1])["templates"]
    assert listed == {name: template.title for name, template in TEMPLATES.items()}
    document = json.loads(weft("new", "x", "-t", "upscale", "--json")[1])
    assert (document["file"], document["next"]) == ("x.json", "weft run x.json --stand-ins")
    assert [issue["input"] for issue in document["missing"]] == ["image", "model_name"]


def test_a_new_workflow_runs_as_it_is(weft: Weft) -> None:
    assert weft("new", "x", "-t", "prompt-switch")[0] == 0
    steps = ("first half.steps=2", "first half.end_at_step=1", "second half.steps=2", "second half.start_at_step=1")
    changes = [part for change in steps for part in ("--set", change)]
    code, out, err = weft("run", "x.json", "--no-cache", "--quiet", *changes)
    assert code == 0, err
    assert Path(out.strip()).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_runs(name: str, weft: Weft) -> None:
    assert weft("new", "x", "-t", name)[0] == 0
    code, out, err = weft("run", "x.json", "--no-cache", "--quiet", "--stand-ins")
    assert code == 0, err
    assert out.strip()
