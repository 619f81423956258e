"""`weft explain A B`: what differs, the most telling first, and when nothing that is recorded does."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from weft.cli import main
from weft.engine.comparing.changes import excerpts
from weft.engine.testing.explaining import KINDS

from .conftest import drawing, node, simple

Explain = Callable[..., tuple[int, list[str]]]

MADE = {
    "version": "0.1.0",
    "sampling": "comfy",
    "sampling_version": 1,
    "models": {"checkpoints/weft-tiny.safetensors": "aa" * 32, "loras/weft-pixel.safetensors": "bb" * 32},
}


def prompt() -> dict[str, Any]:
    """drawing() with one of its two ends, and a node that leads nowhere."""
    kept = {name: one for name, one in drawing().items() if int(name) <= 10}
    return {**kept, "20": node("EmptyLatentImage", "unused", width=64, height=64, batch_size=1)}


def edited(**inputs: Any) -> dict[str, Any]:
    """prompt() with other inputs: `node8_seed=8`."""
    changed = copy.deepcopy(prompt())
    for name, value in inputs.items():
        node_id, _, input_name = name.removeprefix("node").partition("_")
        changed[node_id]["inputs"][input_name] = value
    return changed


def save(
    name: str,
    workflow: Any = None,
    *,
    made: Any = MADE,
    shade: int = 0,
    size: tuple[int, int] = (16, 16),
    mode: str = "RGB",
) -> str:
    """A picture that carries a prompt and what Weft says of its making."""
    info = PngInfo()
    if workflow is not False:
        info.add_text("prompt", json.dumps(prompt() if workflow is None else workflow))
    if made:
        info.add_text("weft", json.dumps(made))
    values = numpy.full((size[1], size[0], 3), 100, dtype=numpy.uint8)
    values[2:4, 5:8] += shade
    Image.fromarray(values).convert(mode).save(name, pnginfo=info)
    return name


@pytest.fixture
def explain(capsys: pytest.CaptureFixture[str]) -> Explain:
    def run(*files: str) -> tuple[int, list[str]]:
        code = main(["explain", *files])
        said = capsys.readouterr()
        return code, (said.out or said.err).splitlines()

    return run


REASONS: dict[str, tuple[dict[str, Any], str]] = {
    "seed": (
        {"workflow": edited(node8_seed=8)},
        """another seed: node 8 "repaint": input 'seed': 7 -> 8""",
    ),
    "model": (
        {"workflow": edited(node2_lora_name="other.safetensors")},
        """another model: node 2 "Load LoRA": input 'lora_name': 'weft-pixel.safetensors' -> 'other.safetensors'""",
    ),
    "file": (
        {"made": {**MADE, "models": {**MADE["models"], "checkpoints/weft-tiny.safetensors": "cc" * 32}}},  # type: ignore[dict-item]
        """another file under the same name: node 1 "Load Checkpoint": the file 'weft-tiny.safetensors' has other """
        "content: digest aaaaaaaaaaaa -> cccccccccccc",
    ),
    "picture": (
        {"workflow": edited(node5_image="end.png")},
        """another input picture: node 5 "Load Image": input 'image': 'start.png' -> 'end.png'""",
    ),
    "text": (
        {"workflow": edited(node3_text="a red pear")},
        """another text: node 3 "positive": input 'text': 'a red apple' -> 'a red pear'""",
    ),
    "input": (
        {"workflow": edited(node8_cfg=7.01)},
        """another value: node 8 "repaint": input 'cfg': 7.0 -> 7.01""",
    ),
    "link": (
        {"workflow": edited(node8_model=["1", 0])},
        "another connection: node 8 \"repaint\": input 'model' comes from node 1 slot 0, it came from node 2 slot 0",
    ),
    "mode": ({"made": {**MADE, "sampling": "continuous"}}, "another sampling mode: sampling mode: comfy -> continuous"),
    "version": ({"made": {**MADE, "version": "0.2.0"}}, "another version: Weft: 0.1.0 -> 0.2.0"),
    "maker": ({"made": None}, "another program: a.png was written by Weft 0.1.0, b.png does not say so"),
    "environment": ({"made": {**MADE, "device": "cuda"}}, "another environment: device: not given -> cuda"),
}


@pytest.mark.parametrize("kind", REASONS)
def test_a_reason_is_named(kind: str, explain: Explain) -> None:
    options, told = REASONS[kind]
    code, lines = explain(save("a.png"), save("b.png", shade=50, **options))
    assert code == 1
    assert lines[3:] == ["recorded differences, the most telling first:", f"   1. {told}"]
    assert told.startswith(KINDS[kind])


def test_both_files_and_how_far_their_pixels_are_apart(explain: Explain) -> None:
    code, lines = explain(save("a.png"), save("b.png", edited(node8_seed=8), shade=51))
    assert code == 1
    assert lines[0] == "a.png: a PNG by Weft 0.1.0, sampling comfy, 11 nodes"
    # 6 of 256 pixels by 0.2: a mean square of 0.04 * 6 / 256.
    assert lines[2].startswith("the pictures differ: PSNR 30.28 dB, SSIM 0.")
    assert lines[2].endswith("by at most 51 of 255, 2.3% of values, columns 5-7, rows 2-3")


def test_the_most_telling_comes_first(explain: Explain) -> None:
    changed = edited(node8_seed=8, node8_steps=4, node3_text="a red pear", node2_lora_name="other.safetensors")
    changed["10"]["inputs"]["filename_prefix"] = "elsewhere"
    _, lines = explain(save("a.png"), save("b.png", changed, made={**MADE, "version": "0.2.0"}, shade=9))
    assert [line[6:].partition(":")[0] for line in lines[4:9]] == [
        "another seed", "another model", "another text", "another value", "another version",
    ]  # fmt: skip
    assert lines[9] == (
        "  without effect on pixels: node 10 \"repainted\": input 'filename_prefix': 'repainted' -> 'elsewhere'"
    )


def test_a_node_in_between(explain: Explain) -> None:
    """The links that it takes over are no reasons of their own."""
    without = {name: one for name, one in edited(node8_model=["1", 0], node3_clip=["1", 1]).items() if name != "2"}
    _, lines = explain(save("a.png"), save("b.png", without, shade=9))
    assert lines[4:] == ['   1. a node less: node 2 "Load LoRA", LoraLoader is only in a.png']
    _, lines = explain("b.png", "a.png")
    assert lines[4:] == ['   1. a node more: node 2 "Load LoRA", LoraLoader is only in a.png']


def test_another_node_in_the_same_place(explain: Explain) -> None:
    changed = prompt()
    changed["6"] = node("ImageScaleBy", image=["5", 0], upscale_method="bilinear", scale_by=1.5)
    _, lines = explain(save("a.png"), save("b.png", changed, shade=9))
    assert lines[4:] == [
        '   1. another node: node 6 "Upscale Image By": the node was a ImageScale, it is a ImageScaleBy'
    ]


def test_renumbered_nodes_are_the_same_nodes(explain: Explain) -> None:
    text = json.dumps(prompt())
    for number in range(1, 11):
        text = text.replace(f'"{number}"', f'"{number + 100}"')
    _, lines = explain(save("a.png"), save("b.png", json.loads(text.replace('"seed": 7', '"seed": 8')), shade=9))
    assert lines[4:] == ["   1. another seed: node 108 \"repaint\": input 'seed': 7 -> 8"]


def test_whole_numbers_and_floats_are_one_value(explain: Explain) -> None:
    """The editor writes 7 where a program writes 7.0."""
    code, lines = explain(save("a.png"), save("b.png", edited(node8_cfg=7)))
    assert (code, lines[2:]) == (0, ["the pictures are the same, pixel for pixel"])


def test_what_leads_nowhere_is_no_reason(explain: Explain) -> None:
    _, lines = explain(save("a.png"), save("b.png", edited(node20_width=128), shade=9))
    assert lines[3] == "nothing that is recorded differs: same workflow, seeds, models, sampling mode and version"
    assert lines[5] == "  without effect on pixels: node 20 \"unused\": input 'width': 64 -> 128"


def test_another_workflow(explain: Explain) -> None:
    other = {"1": node("LoadImage", image="x.png"), "2": node("SaveImage", images=["1", 0], filename_prefix="x")}
    _, lines = explain(save("a.png"), save("b.png", other, shade=9))
    assert lines[4:] == ["   1. another workflow: 2 nodes of 11 and 2 have a counterpart in the other one"]


@pytest.mark.parametrize("made", [MADE, None])
def test_where_nothing_that_is_recorded_differs(made: Any, explain: Explain) -> None:
    code, lines = explain(save("a.png", made=made), save("b.png", made=made, shade=9))
    assert code == 1
    assert lines[3] == "nothing that is recorded differs: same workflow, seeds, models, sampling mode and version"
    assert lines[4].startswith("  the reason lies in the environment: processor or GPU")
    assert ("what is in the model files" in lines[4]) == (made is None)


def test_two_pictures_of_one_run(explain: Explain) -> None:
    batch = edited(node20_batch_size=4)
    batch["11"] = node("SaveImage", images=["6", 0], filename_prefix="scaled")
    code, lines = explain(save("a.png", batch), save("b.png", batch, shade=9))
    assert code == 1
    assert lines[4] == (
        "  they may be two pictures of one run: the workflow writes pictures in 2 places (nodes 10, 11) and it draws "
        "batches (batch_size 4)"
    )


def test_the_same_pixels_are_exit_code_0(explain: Explain) -> None:
    code, lines = explain(save("a.png"), save("b.png", edited(node8_seed=8)))
    assert code == 0
    assert lines[2:4] == ["the pictures are the same, pixel for pixel", "what differs and does not show:"]
    shutil.copy("a.png", "c.png")
    assert explain("a.png", "c.png")[0] == 0


def test_sizes_and_channels(explain: Explain) -> None:
    code, lines = explain(save("a.png"), save("b.png", edited(node6_width=128), size=(32, 16)))
    assert code == 1
    assert lines[2] == "the pictures differ in size: 16 x 16 and 32 x 16"
    code, lines = explain("a.png", save("c.png", mode="RGBA"))
    assert code == 1
    assert lines[2] == "the pictures differ: 3 and 4 channels, equal in red, green and blue"
    code, lines = explain("a.png", save("d.png", mode="L", shade=10))
    assert lines[2].startswith("the pictures differ: 3 and 1 channels, PSNR ")


def test_workflow_files_are_compared_without_pixels(explain: Explain) -> None:
    Path("a.json").write_text(json.dumps(prompt()))
    Path("b.json").write_text(json.dumps(edited(node8_seed=8)))
    code, lines = explain("a.json", "b.json")
    assert code == 1
    assert lines[0] == "a.json: a workflow, 11 nodes"
    assert lines[2:] == [
        "the workflows differ", "recorded differences, the most telling first:",
        "   1. another seed: node 8 \"repaint\": input 'seed': 7 -> 8",
    ]  # fmt: skip
    assert explain("a.json", "a.json") == (0, [*lines[:1] * 2, "the workflows would draw the same"])
    assert explain(save("a.png"), "b.json")[1][2] == "the workflows differ"


def test_a_save_of_the_editor_with_unknown_nodes(explain: Explain) -> None:
    first = {"1": node("MysteryLoader", model="x.ckpt", strength=1, note="a b"), "2": node("MysteryEnd", it=["1", 0])}
    second = copy.deepcopy(first)
    second["1"]["inputs"].update(model="y.ckpt", note="a c")
    _, lines = explain(save("a.png", first), save("b.png", second, shade=9))
    assert lines[4:] == [
        "   1. another model: node 1 \"MysteryLoader\": input 'model': 'x.ckpt' -> 'y.ckpt'",
        "   2. another text: node 1 \"MysteryLoader\": input 'note': 'a b' -> 'a c'",
    ]
    loader = {"id": 1, "type": "MysteryLoader", "inputs": [], "outputs": [], "widgets_values": ["x.ckpt"], "mode": 0}
    saved = {"nodes": [loader], "links": [], "version": 0.4}
    Path("ui.json").write_text(json.dumps(saved))
    assert explain("ui.json", "ui.json")[0] == 0


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    save("a.png")
    save("b.png", edited(node8_seed=8), shade=51)
    assert main(["explain", "--json", "a.png", "b.png"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == "differ"
    assert [one["path"] for one in found["files"]] == ["a.png", "b.png"]
    assert found["files"][0]["made"] == MADE
    assert found["pixels"]["state"] == "differ"
    assert found["pixels"]["box"] == [5, 2, 7, 3]
    assert found["pixels"]["psnr"] == pytest.approx(30.28, abs=0.01)
    assert found["reasons"] == [
        {"kind": "seed", "text": "node 8 \"repaint\": input 'seed': 7 -> 8", "node_id": "8", "shows": True}
    ]
    save("c.png", mode="RGBA")
    assert main(["explain", "--json", "a.png", "c.png"]) == 1
    assert json.loads(capsys.readouterr().out)["pixels"]["psnr"] == "inf"


def test_a_file_that_changed_under_its_name_is_found_in_pictures_of_weft(
    pictures: Path, explain: Explain, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("w.json").write_text(json.dumps(simple()))
    shutil.copytree(pictures, "input")
    assert main(["run", "w.json", "-q"]) == 0
    Image.new("RGB", (48, 48), "red").save("input/start.png")
    assert main(["run", "w.json", "-q"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    with Image.open(first) as image:
        made = json.loads(image.info["weft"])
    assert set(made) == {"version", "sampling", "numbers", "sampling_version", "models"}
    assert set(made["models"]) == {"input/start.png"}
    code, lines = explain(first, second)
    assert code == 1
    (told,) = lines[4:]
    assert "another file under the same name: node 1 \"Load Image\": the file 'start.png' has other content" in told


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "absent": (lambda: None, "cannot read 'b.png': No such file or directory"),
    "without metadata": (
        lambda: save("b.png", False, made=None),
        "b.png holds no workflow of ComfyUI: it is a PNG of 16x16 without metadata",
    ),
    "no picture": (lambda: Path("b.png").write_text("hello"), "b.png is no JSON: Expecting value at line 1, column 1"),
    "cut short": (
        lambda: Path("b.png").write_bytes(Path(save("b.png")).read_bytes()[:60]), "b.png is a damaged PNG",
    ),
    "a folder": (lambda: Path("b.png").mkdir(), "cannot read 'b.png': Is a directory"),
    "another format": (lambda: Image.new("L", (4, 4)).save("b.png", "GIF"), "b.png is a GIF; workflows are read from"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_cannot_be_explained_is_exit_code_2(what: str, explain: Explain) -> None:
    make, told = BAD[what]
    make()
    for files in ((save("a.png"), "b.png"), ("b.png", "a.png")):
        code, lines = explain(*files)
        assert code == 2
        assert lines[0].startswith(f"error: {told}")
        assert len(lines) == 1


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "a wrong slot": (edited(node9_vae=["1", 1]), "input 'vae': Return type mismatch"),
    "no such slot": (edited(node9_vae=["1", 3]), "Linked node '1' (CheckpointLoaderSimple) has no output slot 3"),
    "a link to nothing": (edited(node8_latent_image=["70", 0]), "Linked node '70' does not exist"),
    "a slot by its name": (edited(node9_vae=["1", "VAE"]), "must be a length-2 list"),
    "a circle": (edited(node2_model=["2", 0]), "Nodes wait for each other"),
    "a circle that feeds nothing": (
        {**prompt(), "30": node("ImageInvert", image=["31", 0]), "31": node("ImageInvert", image=["30", 0])},
        "Nodes wait for each other: 30, 31",
    ),
}
BROKEN_FILES = {
    **BROKEN,
    "an input is missing": (
        {**prompt(), "9": node("VAEDecode", samples=["8", 0])}, "input 'vae': Required input is missing",
    ),
    "no output": ({name: one for name, one in prompt().items() if name != "10"}, "Prompt has no outputs"),
    "a value out of its range": (edited(node8_steps=0), "Value 0 smaller than min of 1"),
    "a value of no list": (edited(node8_sampler_name="Euler a"), "did you mean 'euler_ancestral'"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN_FILES)
def test_a_broken_workflow_is_named_and_exit_code_3(what: str, explain: Explain) -> None:
    broken, told = BROKEN_FILES[what]
    Path("a.json").write_text(json.dumps(prompt()))
    Path("b.json").write_text(json.dumps(broken))
    for files in (("a.json", "b.json"), ("b.json", "a.json"), ("b.json", "b.json")):
        code, lines = explain(*files)
        assert code == 3
        assert lines[0] == "error: b.json: invalid workflow: 1 problem"
        assert told in lines[1]


@pytest.mark.parametrize("what", BROKEN_FILES)
def test_of_a_picture_only_the_links_count(what: str, explain: Explain) -> None:
    """It was drawn, perhaps with other versions of its classes."""
    code, _ = explain(save("a.png"), save("b.png", BROKEN_FILES[what][0], shade=9))
    assert code == (3 if what in BROKEN else 1)


@pytest.mark.parametrize("class_type", ["CheckpointLoaderSimple", "MysteryLoader"])
def test_the_direction_of_slashes_is_no_difference(class_type: str, explain: Explain) -> None:
    for name, slash in (("a.png", "/"), ("b.png", "\\")):
        changed = prompt()
        changed["1"] = node(class_type, ckpt_name=f"sub{slash}tiny.safetensors")
        made = {**MADE, "models": {f"checkpoints/sub{slash}tiny.safetensors": "aa" * 32}}
        save(name, changed, made=made)
    code, lines = explain("a.png", "b.png")
    assert (code, lines[2:]) == (0, ["the pictures are the same, pixel for pixel"])


def test_damaged_pixels_and_animations_are_not_measured(explain: Explain, capsys: pytest.CaptureFixture[str]) -> None:
    whole = Path(save("a.png", size=(64, 64))).read_bytes()
    Path("b.png").write_bytes(whole[: whole.index(b"IDAT") + 20])
    assert main(["explain", "a.png", "b.png"]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[2].startswith("the files differ; their pixels were not measured")
    assert said.err.startswith("warning: b.png is a damaged PNG, of which the workflow was read: ")
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    info = PngInfo()
    info.add_text("prompt", json.dumps(prompt()))
    frames[0].save("moving.png", save_all=True, append_images=frames[1:], pnginfo=info)
    assert explain("a.png", "moving.png")[1][2].startswith("the files differ; their pixels were not measured")


@pytest.mark.parametrize(
    ("was", "is_", "told"),
    [
        ("a", "b", "'a' -> 'b'"),
        ("a b", "a b c", "'a b' -> 'a b c'"),
        ("x" * 100 + " cat", "x" * 100 + " dog", f"'...{'x' * 23} cat' -> '...{'x' * 23} dog'"),
        ("cat " + "x" * 100, "dog " + "x" * 100, f"'cat {'x' * 23}...' -> 'dog {'x' * 23}...'"),
        ("", "y" * 200, f"'' -> '{'y' * 84}...'"),
        ("aa", "aaa", "'aa' -> 'aaa'"),
    ],
)
def test_long_texts_are_shown_where_they_differ(was: str, is_: str, told: str) -> None:
    assert " -> ".join(map(repr, excerpts(was, is_))) == told
