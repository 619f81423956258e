"""The saved workflows as documents: both formats, their notes, and that what they write carries them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import weft
from weft.engine.formats.editor import TITLE_HEIGHT

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS, IMAGES = ROOT / "workflows", ROOT / "docs" / "images"
NAMES = sorted(file.name.removesuffix(".api.json") for file in WORKFLOWS.glob("*.api.json"))
Inputs = dict[str, tuple[str, dict[str, Any]]]


def inputs(prompt: dict[str, Any]) -> Inputs:
    """What a prompt computes: class and inputs by node."""
    return {key: (node["class_type"], node["inputs"]) for key, node in prompt.items()}


def prompt_of(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((WORKFLOWS / f"{name}.api.json").read_text())
    return loaded


def document_of(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((WORKFLOWS / f"{name}.json").read_text())
    return loaded


def test_there_are_fifteen() -> None:
    saved = {file.stem for file in WORKFLOWS.glob("*.json") if file.name.count(".") == 1}
    assert saved == set(NAMES)
    assert saved == {
        "areas", "divided", "hires_fix", "img2img", "inpaint", "lora_editing", "lora_switch", "noise_disabled",
        "prompt_editing", "prompt_sweep", "prompt_switch", "sampling_modes", "steps_4_to_11", "three_stages", "txt2img",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_each_format_becomes_the_other(name: str) -> None:
    prompt = prompt_of(name)
    converted = weft.convert(WORKFLOWS / f"{name}.json")
    assert converted == prompt
    drawn = weft.convert(prompt, to="ui")
    assert inputs(weft.convert(drawn)) == inputs(prompt)
    assert weft.validate(prompt, input=WORKFLOWS / "input") == []


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_shows_what_the_graph_draws(name: str) -> None:
    """Its pictures carry the graph as it is now, and are those of the golden, by their statistics."""
    golden = json.loads((WORKFLOWS / f"{name}.golden.json").read_text())["nodes"]
    saving = {key: node["inputs"] for key, node in prompt_of(name).items() if node["class_type"] == "SaveImage"}
    assert saving
    for node_id, given in saving.items():
        with Image.open(IMAGES / f"{given['filename_prefix'].replace('/', '-')}.png") as shown:
            assert json.loads(shown.text["workflow"]) == document_of(name), "make docs"
            pixels = torch.tensor(list(shown.convert("RGB").tobytes())) / 255
        wanted = golden[node_id]["values"][0]["leaves"]["pixels"]
        measured = [pixels.min(), pixels.max(), pixels.mean(), pixels.std(correction=0)]
        assert [float(one) for one in measured] == pytest.approx(
            [wanted[one] for one in ("min", "max", "mean", "std")], abs=0.005
        ), "make docs, or make goldens"


@pytest.mark.parametrize("name", NAMES)
def test_the_editor_opens_a_tidy_graph_with_a_note(name: str) -> None:
    document = document_of(name)
    (note,) = (node for node in document["nodes"] if node["type"] == "Note")
    (text,) = note["widgets_values"]
    assert 2 <= text.count(".") <= 12, "a few sentences"
    boxes = [(*node["pos"], *node["size"], node["id"]) for node in document["nodes"]]
    for x, y, width, height, node_id in boxes:
        for left, top, wide, high, other in boxes:
            apart = x + width <= left or left + wide <= x or y + height <= top - TITLE_HEIGHT or top + high <= y
            assert node_id == other or apart or y - TITLE_HEIGHT >= top + high, f"nodes {node_id} and {other} overlap"
    assert document["last_node_id"] == max(node["id"] for node in document["nodes"])


@pytest.mark.parametrize("name", ["divided", "inpaint"])
def test_both_formats_give_the_same_tensors(name: str, random_models: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "models": random_models,
        "input": WORKFLOWS / "input",
        "output": tmp_path,
        "device": "cpu",
    }
    decoded = [key for key, node in prompt_of(name).items() if node["class_type"] == "VAEDecode"]
    # A fifth of the steps: what is compared is the graph, not the picture.
    options["overrides"] = {
        f"{key}.{count}": value // 5
        for key, node in prompt_of(name).items()
        for count, value in node["inputs"].items()
        if count in ("steps", "start_at_step", "end_at_step")
    }
    first = weft.run(WORKFLOWS / f"{name}.api.json", targets=decoded, **options)
    second = weft.run(WORKFLOWS / f"{name}.json", targets=decoded, **options)
    assert not second.cached
    for key in decoded:
        assert torch.equal(first[key][0], second[key][0])


def test_a_picture_carries_both_formats_and_runs_again(random_models: Path, tmp_path: Path) -> None:
    options = {"models": random_models, "device": "cpu"}
    (first,) = weft.run(WORKFLOWS / "txt2img.json", output=tmp_path / "a", **options).files
    with Image.open(first) as picture:
        assert inputs(json.loads(picture.text["prompt"])) == inputs(prompt_of("txt2img"))
        assert json.loads(picture.text["workflow"]) == document_of("txt2img")
        pixels = picture.tobytes()
    (second,) = weft.run(first, output=tmp_path / "b", **options).files
    with Image.open(second) as picture:
        assert picture.tobytes() == pixels
