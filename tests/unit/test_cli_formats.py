"""The command line on every form of a workflow: convert, run -n, --ui, --object-info, standard input, pictures."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from weft.cli import main

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
API = WORKFLOWS / "txt2img.api.json"
UI = WORKFLOWS / "txt2img.json"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


@pytest.fixture
def weft(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_convert_to_api_is_the_default(weft: Any) -> None:
    code, out, err = weft("convert", UI)
    assert (code, err) == (0, "")
    assert json.loads(out)["5"]["inputs"] == json.loads(API.read_text())["5"]["inputs"]


def test_convert_to_ui_into_a_file_and_back(weft: Any) -> None:
    assert weft("convert", API, "--to", "ui", "-o", "made.json") == (0, "", "")
    code, out, _ = weft("convert", "made.json")
    original = json.loads(API.read_text())
    assert code == 0
    assert {key: node["inputs"] for key, node in json.loads(out).items()} == {
        key: node["inputs"] for key, node in original.items()
    }


def test_what_the_editor_cannot_keep_is_said(weft: Any, folder: Path) -> None:
    prompt = json.loads(API.read_text())
    prompt["5"]["inputs"]["extra"] = 1
    (folder / "w.json").write_text(json.dumps(prompt))
    code, _, err = weft("convert", "w.json", "--to", "ui")
    assert code == 0
    assert "warning" in err
    assert "'extra'" in err


def test_another_format_is_refused(weft: Any) -> None:
    code, _, err = weft("convert", API, "--to", "uii")
    assert code == 2
    assert "expected api, ui or python" in err


def test_object_info_describes_what_is_not_here(weft: Any, folder: Path) -> None:
    (folder / "w.json").write_text(json.dumps({"1": {"class_type": "MyPackNode", "inputs": {"n": 5}}}))
    info = {"input": {"required": {"n": ["INT", {"default": 1, "max": 3}]}}, "output": [], "output_node": True}
    (folder / "info.json").write_text(json.dumps({"MyPackNode": info}))
    code, _, err = weft("convert", "w.json", "--to", "ui")
    assert code == 3
    assert "MyPackNode" in err
    assert weft("convert", "w.json", "--to", "ui", "--object-info", "info.json", "-o", "ui.json")[0] == 0
    code, out, _ = weft("convert", "ui.json", "--object-info", "info.json")
    assert json.loads(out)["1"]["inputs"] == {"n": 5}
    code, _, err = weft("validate", "ui.json", "--object-info", "info.json")
    assert code == 3
    assert "Value 5 bigger than max of 3" in err


def test_keep_unknown(weft: Any, folder: Path) -> None:
    node = {"id": 1, "type": "Nowhere", "inputs": [], "outputs": [], "widgets_values": [7]}
    (folder / "w.json").write_text(json.dumps({"version": 0.4, "nodes": [node], "links": []}))
    code, _, err = weft("convert", "w.json")
    assert code == 3
    assert "Nowhere" in err
    code, out, _ = weft("convert", "w.json", "--keep-unknown")
    assert code == 0
    assert list(json.loads(out)) == ["1"]


def test_n_runs_with_the_control_word_applied_in_between(weft: Any, folder: Path, random_models: Path) -> None:
    document = json.loads(UI.read_text())
    (sampler,) = (node for node in document["nodes"] if node["type"] == "KSampler")
    place = sampler["widgets_values"].index("fixed")
    sampler["widgets_values"][place] = "increment"
    (folder / "w.json").write_text(json.dumps(document))
    code, out, _ = weft("run", "w.json", "-n", 3, "--models", random_models, "--set", "5.steps=1", "--json", "-q")
    assert code == 0
    result = json.loads(out)
    assert [run["seeds"] for run in result["runs"]] == [{"5.seed": seed} for seed in (7, 8, 9)]
    assert len(result["files"]) == 3
    for seed, file in zip((7, 8, 9), result["files"], strict=True):
        with Image.open(file) as picture:
            assert json.loads(picture.text["prompt"])["5"]["inputs"]["seed"] == seed
            nodes = json.loads(picture.text["workflow"])["nodes"]
            assert next(node for node in nodes if node["id"] == 5)["widgets_values"][place - 1] == seed
    assert {"1", "2", "3"} <= set(result["runs"][1]["cached"]) | {"1", "2", "3"} - set(result["runs"][1]["timings"])


def test_several_workflows_share_what_is_equal(weft: Any, folder: Path, random_models: Path) -> None:
    other = json.loads(API.read_text())
    other["7"]["inputs"]["filename_prefix"] = "other"
    (folder / "other.json").write_text(json.dumps(other))
    options = ["--models", random_models, "--set", "5.steps=1"]
    code, out, err = weft("run", UI, "other.json", *options)
    assert code == 0
    assert [Path(line).name for line in out.splitlines()] == ["txt2img_00001_.png", "other_00001_.png"]
    assert [line for line in err.splitlines() if line in (str(UI), "other.json")] == [str(UI), "other.json"]
    code, out, _ = weft("run", UI, "other.json", *options, "--json", "--no-cache")
    first, second = json.loads(out)["runs"]
    assert (first["workflow"], second["workflow"]) == (str(UI), "other.json")
    assert "5" in first["timings"]
    assert "5" not in second["timings"], "the second one sampled again"


def test_several_are_checked_before_the_first_one_runs(weft: Any, folder: Path, random_models: Path) -> None:
    prompt = json.loads(API.read_text())
    prompt["5"]["inputs"]["steps"] = 0
    (folder / "bad.json").write_text(json.dumps(prompt))
    code, out, err = weft("run", API, "bad.json", "--models", random_models)
    assert (code, out) == (3, "")
    assert err.splitlines()[0] == "bad.json:"
    assert "smaller than min" in err
    code, out, _ = weft("run", API, "bad.json", "--models", random_models, "--json")
    assert (code, json.loads(out)["workflow"]) == (3, "bad.json")
    assert not Path("output").exists(), "one ran before another was refused"


def test_n_of_a_prompt_is_refused(weft: Any, random_models: Path) -> None:
    code, _, err = weft("run", API, "-n", 2, "--models", random_models, "--set", "5.steps=1", "-q")
    assert code == 2
    assert "does not say how its seeds change" in err
    assert not Path("output").exists(), "it ran before it was refused"


def test_a_file_that_cannot_be_written(weft: Any) -> None:
    code, _, err = weft("convert", UI, "-o", "absent/made.json")
    assert code == 2
    assert "cannot write absent/made.json: No such file or directory" in err


def test_a_picture_runs_again(weft: Any, random_models: Path) -> None:
    schedule = ("--prompt-schedule", "--set", "2.text=red [apple:rabbit:1]", "--set", "5.steps=2")
    code, out, _ = weft("run", UI, "--models", random_models, *schedule, "-q")
    assert code == 0
    (first,) = out.split()
    code, out, _ = weft("run", first, "--models", random_models, "-q")
    assert code == 0
    (second,) = out.split()
    with Image.open(first) as one, Image.open(second) as two:
        assert one.tobytes() == two.tobytes()
        assert one.text["weft"] == two.text["weft"]
        assert json.loads(one.text["prompt"])["5"]["inputs"]["steps"] == 2
    code, out, _ = weft("convert", first, "--ui")
    assert json.loads(out)["5"]["inputs"]["steps"] == 2, "the editor opens what ran"


def test_standard_input(weft: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(UI.read_bytes())))
    code, out, _ = weft("convert", "-")
    assert code == 0
    assert "5" in json.loads(out)


def test_what_is_written_is_json_for_every_reader(weft: Any, tmp_path: Any) -> None:
    """Python reads and writes NaN and Infinity, which are no JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    node = '{"1": {"class_type": "EmptyImage", "inputs": {"width": Infinity, "height": [NaN], "color": -1e999}}}'
    code, out, err = weft("convert", node)
    inputs = json.loads(out, parse_constant=refuse)["1"]["inputs"]
    assert (code, inputs) == (0, {"width": None, "height": [None], "color": None})
    assert err.count("is NaN or infinite") == 3
    assert "/1/inputs/width" in err
    code, out, _ = weft("validate", node, "--json")
    assert code == 3
    assert json.loads(out, parse_constant=refuse)["issues"]
