"""Saved workflows of the Efficiency pack, as its versions wrote them, become prompts (efficiency.md section 7)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import weft
from weft.engine.errors import InvalidWorkflow
from weft.engine.folders import Folders
from weft.engine.formats.conversion import ConvertedPrompt, to_prompt
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry
from weft.engine.session import Session
from weft.engine.workflow.validation import validate

REGISTRY = Registry.discover()
SEEDS = {
    "KSampler (Efficient)": "seed",
    "KSampler Adv. (Efficient)": "noise_seed",
    "KSampler SDXL (Eff.)": "noise_seed",
    "Noise Control Script": "seed",
    "HighRes-Fix Script": "seed",
    "Tiled Upscaler Script": "seed",
}


def save(class_type: str, widgets: Any, **more: Any) -> dict[str, Any]:
    """A save with one node."""
    node = {"id": 1, "type": class_type, "mode": 0, "inputs": [], "outputs": [], "widgets_values": widgets, **more}
    return {"version": 0.4, "last_node_id": 1, "last_link_id": 0, "nodes": [node], "links": []}


def converted(document: dict[str, Any]) -> ConvertedPrompt:
    return to_prompt(Workflow.parse(document), REGISTRY)


def inputs(class_type: str, widgets: Any) -> dict[str, Any]:
    return converted(save(class_type, widgets)).nodes["1"].inputs


def example(class_type: str) -> dict[str, Any]:
    """A value for each widget, no two of them equal where the type has several."""
    values: dict[str, Any] = {}
    for number, (name, spec) in enumerate(REGISTRY[class_type].by_name.items(), 1):
        if spec.socket.is_widget:
            choices = getattr(spec.socket, "choices", None) or (f"file{number}",)
            by_type = {"INT": number, "FLOAT": number / 64, "BOOLEAN": True, "STRING": f"text {number}"}
            io_type = spec.socket.io_type
            values[name] = by_type.get(io_type, choices[-1]) if isinstance(io_type, str) else choices[-1]
    return values


FORMS = {"null": [None], "a word": ["randomize"], "another word": ["fixed"], "a boolean": [True], "nothing": []}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("class_type", SEEDS)
def test_the_slot_after_a_seed(class_type: str, form: str) -> None:
    """What the pack's own pictures hold: the button's null, a control word, early core's boolean, or no slot."""
    values = example(class_type)
    saved: list[Any] = []
    for name, value in values.items():
        saved += [value, *FORMS[form]] if name == SEEDS[class_type] else [value]
    assert inputs(class_type, saved) == values


def test_a_picture_with_the_buttons_null(tmp_path: Path) -> None:
    """The form that a well-known converter reads as `steps=None, cfg=20, sampler_name=7.5, ...`."""
    saved = [1234, None, 20, 7.5, "dpmpp_2s_ancestral", "karras", 0.5, "auto", "true"]
    notes = PngInfo()
    notes.add_text("workflow", json.dumps(save("KSampler (Efficient)", saved)))
    Image.new("RGB", (8, 8)).save(tmp_path / "saved.png", pnginfo=notes)
    found = weft.convert(tmp_path / "saved.png")["1"]["inputs"]
    assert list(found.values()) == [1234, 20, 7.5, "dpmpp_2s_ancestral", "karras", 0.5, "auto", "true"]
    assert list(found)[:3] == ["seed", "steps", "cfg"]


@pytest.mark.parametrize("slot", [[None], ["randomize"]])
@pytest.mark.parametrize("class_type", SEEDS)
def test_a_seed_of_minus_one_is_drawn(class_type: str, slot: list[Any]) -> None:
    """The first run takes 0, the same each time; the next ones draw. The reader is told."""
    values = example(class_type)
    saved: list[Any] = []
    for name, value in values.items():
        saved += [-1, *slot] if name == SEEDS[class_type] else [value]
    prompt = converted(save(class_type, saved))
    assert prompt.nodes["1"].inputs == values | {SEEDS[class_type]: 0}
    [note] = prompt.notes
    assert "the seed is -1" in note.message
    drawn = Session(registry=REGISTRY).next(prompt).nodes["1"].inputs
    assert drawn[SEEDS[class_type]] > 0
    assert drawn | {SEEDS[class_type]: 0} == prompt.nodes["1"].inputs


def test_other_seeds_stay_as_they_are() -> None:
    prompt = converted(save("KSampler (Efficient)", [7, None, 20]))
    assert prompt.notes == ()
    assert Session(registry=REGISTRY).next(prompt).nodes["1"].inputs["seed"] == 7


# Version 1.x

OLD = [7, "randomize", 30, 6.5, "heun", "karras", 0.75]
NEW = {"seed": 7, "steps": 30, "cfg": 6.5, "sampler_name": "heun", "scheduler": "karras", "denoise": 0.75}


@pytest.mark.parametrize("state", ["Sample", "Hold", "Script"])
@pytest.mark.parametrize("tail", [[], ["Enabled"], ["Disabled"]])
def test_samplers_began_with_their_state(state: str, tail: list[str]) -> None:
    found = inputs("KSampler (Efficient)", [state, *OLD, *tail])
    assert found == {**NEW, "preview_method": "auto", "vae_decode": "true"}


def test_advanced_samplers_began_with_their_state_too() -> None:
    old = ["Script", "enable", 7, None, 30, 6.5, "heun", "karras", 2, 9, "disable", "Disabled"]
    assert inputs("KSampler Adv. (Efficient)", old) == {
        "add_noise": "enable",
        **{name.replace("seed", "noise_seed"): value for name, value in NEW.items() if name != "denoise"},
        "start_at_step": 2,
        "end_at_step": 9,
        "return_with_leftover_noise": "disable",
        "preview_method": "auto",
        "vae_decode": "true",
    }


def test_the_address_of_a_video_at_the_end() -> None:
    current = [*OLD, "none", "true (tiled)"]
    expected = {**NEW, "preview_method": "none", "vae_decode": "true (tiled)"}
    assert inputs("KSampler (Efficient)", [*current, "http://127.0.0.1:8188/view?filename=a.gif"]) == expected


@pytest.mark.parametrize("class_type", ["Efficient Loader", "Eff. Loader SDXL"])
def test_loaders_that_had_no_encoder_choices(class_type: str) -> None:
    values = example(class_type)
    now = list(values.values())
    assert inputs(class_type, now) == values
    at = list(values).index("token_normalization")
    found = inputs(class_type, [*now[:at], *now[at + 2 :]])
    assert found == values | {"token_normalization": "none", "weight_interpretation": "comfy"}


def test_high_res_fix_had_five_widgets() -> None:
    found = inputs("HighRes-Fix Script", ["SD-Latent-Upscaler.xl", 1.5, 9, 0.4, 2])
    assert found["latent_upscaler"] == "city96.xl"
    assert (found["upscale_by"], found["hires_steps"], found["denoise"], found["iterations"]) == (1.5, 9, 0.4, 2)
    assert (found["upscale_type"], found["use_same_seed"]) == ("latent", True)


def linked(outputs: list[str], slot: int) -> Any:
    """Where the sampler's last socket leads, if it took `slot` of a loader that was saved with these outputs."""
    document = save("Efficient Loader", ["m", "Baked VAE", -1])
    document["nodes"][0]["outputs"] = [
        {"name": name, "type": name.strip("+-"), "links": [1] if at == slot else []} for at, name in enumerate(outputs)
    ]
    socket = {"name": "dependencies", "type": "DEPENDENCIES", "link": 1}
    document["nodes"].append({"id": 2, "type": "XY Plot", "mode": 0, "inputs": [socket], "outputs": []})
    document["links"] = [[1, 1, slot, 2, 0, "DEPENDENCIES"]]
    return converted(document).nodes["2"].inputs["dependencies"]


def test_outputs_of_a_loader_are_found_by_name() -> None:
    """Once it had no CLIP output, so DEPENDENCIES was the sixth."""
    old = ["MODEL", "CONDITIONING+", "CONDITIONING-", "LATENT", "VAE", "DEPENDENCIES"]
    assert linked(old, 5) == ("1", 6)
    assert linked([*old[:5], "CLIP", "DEPENDENCIES"], 6) == ("1", 6)


def test_an_input_that_is_gone_is_left_out() -> None:
    document = save("KSampler (Efficient)", [*OLD, "none", "true"])
    document["nodes"][0]["inputs"] = [{"name": "preview_image", "type": "IMAGE", "link": 5}]
    found = converted(document).nodes["1"].inputs
    assert {name: found[name] for name in NEW} == NEW
    assert not any(issue.input == "preview_image" for issue in validate(converted(document), REGISTRY))


# Fifty slots, and file names


def test_a_lora_stacker_saves_202_widgets() -> None:
    saved: list[Any] = ["advanced", 1]
    for number in range(1, 51):
        saved += [f"sub\\lora{number}", number / 8, number / 16, number / 32]
    found = inputs("LoRA Stacker", saved)
    assert len(saved) == len(found) == 202
    assert list(found.values()) == saved
    assert (found["lora_name_50"], found["model_str_50"]) == ("sub\\lora50", 3.125)


def test_hidden_slots_may_name_files_that_are_gone(folders: Folders) -> None:
    (folders.models[0] / "loras" / "sub").mkdir(parents=True)
    (folders.models[0] / "loras" / "sub" / "lora1.safetensors").touch()
    saved = ["simple", 1, "sub\\lora1.safetensors", 1, 99, 99, "gone.safetensors", 99, 99, 99]
    prompt = converted(save("LoRA Stacker", saved))
    assert validate(prompt, REGISTRY, folders=folders, targets=["1"]) == []
    two = prompt.with_values({("1", "lora_count"): 2})
    found = [(issue.input, issue.code) for issue in validate(two, REGISTRY, folders=folders, targets=["1"])]
    assert found == [("lora_name_2", "value_not_in_list"), ("lora_wt_2", "value_bigger_than_max")]


def test_names_with_the_separators_of_windows(folders: Folders) -> None:
    (folders.models[0] / "checkpoints" / "SD1.5").mkdir()
    (folders.models[0] / "checkpoints" / "SD1.5" / "m.safetensors").touch()
    prompt = converted(save("Efficient Loader", ["SD1.5\\m.safetensors", "Baked VAE", -1, "None", 1, 1, "p", "n"]))
    assert validate(prompt, REGISTRY, folders=folders, targets=["1"]) == []


@pytest.mark.parametrize(
    "class_type", [name for name in REGISTRY if REGISTRY[name].category.startswith("Efficiency Nodes")]
)
def test_what_is_saved_today_comes_back(class_type: str) -> None:
    """From a prompt to the editor's form and back: every class, every widget in its place."""
    values = example(class_type)
    prompt = {"1": {"class_type": class_type, "inputs": values}}
    document = weft.convert(prompt, to="ui")
    assert weft.convert(document)["1"]["inputs"] == values


@pytest.mark.parametrize(
    ("class_type", "widgets"),
    [
        ("XY Plot", ["CFG Scale", "7,8", "Sampler", "euler", 5, "False", 0]),
        ("KSampler (Efficient)", ["Sample", 20, 7, "euler", "normal", 1]),
        ("Efficient Loader", ["a.safetensors", "vae.pt", "pos", "neg", 512, 512, 1]),
    ],
)
def test_a_save_from_before_version_1_gives_one_sentence(class_type: str, widgets: list[Any]) -> None:
    with pytest.raises(InvalidWorkflow) as caught:
        converted(save(class_type, widgets))
    [issue] = caught.value.issues
    assert issue.node_id == "1"
    assert "from before version 1" in issue.message
