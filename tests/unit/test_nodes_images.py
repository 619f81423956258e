"""Nodes that arrange, resize and compare pictures, as workflows give them; their numbers are tests/diffusion's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import weft
from weft.engine.errors import InvalidWorkflow, NodeError


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def run(prompt: dict[str, Any], *targets: str, **options: Any) -> Any:
    return weft.run(prompt, targets=targets, device="cpu", **options)


def picture(width: int, height: int, batch: int = 1) -> dict[str, Any]:
    return node("EmptyImage", width=width, height=height, batch_size=batch, color=0xFF0000)


def resize(source: str, resize_type: str, **given: Any) -> dict[str, Any]:
    inner = {f"resize_type.{name}": value for name, value in given.items()}
    return node("ResizeImageMaskNode", input=[source, 0], resize_type=resize_type, scale_method="area", **inner)


def test_pictures_and_masks_are_resized_by_what_is_chosen() -> None:
    prompt = {
        "image": picture(30, 20),
        "mask": node("SolidMask", value=1.0, width=8, height=8),
        "1": resize("image", "scale longer dimension", longer_size=15),
        "2": resize("mask", "match size", match=["1", 0], crop="center"),
        "3": resize("2", "scale by multiplier", multiplier=2.0),
        "4": node("ImageScaleToMaxDimension", image=["image", 0], upscale_method="area", largest_size=60),
        "5": node("ResizeImagesByLongerEdge", images=["image", 0], longer_edge=10),
        "6": node("BatchMasksNode", **{"masks.mask0": ["3", 0], "masks.mask1": ["mask", 0]}),
    }
    result = run(prompt, *prompt)
    shapes = {name: tuple(result[name][0].shape) for name in "123456"}
    assert shapes["1"] == (1, 10, 15, 3)
    assert shapes["2"] == (1, 10, 15)
    assert shapes["3"] == (1, 20, 30)
    assert shapes["4"] == (1, 40, 60, 3)
    assert shapes["5"] == (1, 7, 10, 3)
    assert shapes["6"] == (2, 20, 30)


def test_what_another_choice_would_need_is_not_asked_for() -> None:
    with pytest.raises(InvalidWorkflow, match=r"resize_type\.longer_size"):
        run({"image": picture(8, 8), "1": resize("image", "scale longer dimension")}, "1")
    with pytest.raises(InvalidWorkflow, match="scale longer side"):
        run({"image": picture(8, 8), "1": resize("image", "scale longer side", longer_size=8)}, "1")
    with pytest.raises(NodeError, match="longer_size is 0"):
        run({"image": picture(8, 8), "1": resize("image", "scale longer dimension", longer_size=0)}, "1")


def test_a_row_of_pictures_becomes_one_batch() -> None:
    row = {f"images.image{index}": [str(index), 0] for index in (0, 2, 1)}
    prompt = {"0": picture(8, 4), "1": picture(8, 4, 2), "2": picture(4, 4), "all": node("BatchImagesNode", **row)}
    assert run(prompt, "all")["all"][0].shape == (4, 4, 8, 3)
    latents = {
        "0": node("EmptyLatentImage", width=64, height=64, batch_size=2),
        "1": node("EmptyLatentImage", width=128, height=64, batch_size=1),
        "all": node("BatchLatentsNode", **{"latents.latent0": ["0", 0], "latents.latent1": ["1", 0]}),
    }
    (latent,) = run(latents, "all")["all"]
    assert (latent["samples"].shape, latent["batch_index"]) == ((3, 4, 8, 8), [0, 1, 0])
    with pytest.raises(InvalidWorkflow, match=r"images\.image0"):
        run({"all": node("BatchImagesNode")}, "all")


def test_one_picture_is_stitched_to_nothing() -> None:
    given = {"direction": "up", "match_image_size": True, "spacing_width": 4, "spacing_color": "red"}
    prompt = {
        "0": picture(8, 4),
        "1": node("ImageStitch", image1=["0", 0], **given),
        "2": node("ImageStitch", image1=["0", 0], image2=["0", 0], **given),
    }
    result = run(prompt, "1", "2")
    assert result["1"][0].shape == (1, 4, 8, 3)
    assert result["2"][0].shape == (1, 12, 8, 3)


def test_two_pictures_are_shown_to_be_compared(tmp_path: Path) -> None:
    prompt = {"0": picture(8, 4), "1": node("ImageCompare", image_b=["0", 0])}
    result = run(prompt, "1", output=tmp_path)
    (shown,) = result.ui["1"]["b_images"]
    assert result.ui["1"]["a_images"] == []
    (file,) = result.previews
    assert Path(file).name == shown["filename"]
    with Image.open(file) as opened:
        assert opened.size == (8, 4)


def test_a_picture_that_was_written_before(tmp_path: Path) -> None:
    Image.new("RGBA", (6, 2), (255, 0, 0, 0)).save(tmp_path / "before.png")
    prompt = {"1": node("LoadImageOutput", image="before.png [output]")}
    image, mask = run(prompt, "1", output=tmp_path)["1"]
    assert (image.shape, mask.mean().item()) == ((1, 2, 6, 3), 1.0)
    with pytest.raises(InvalidWorkflow, match="after.png"):
        run({"1": node("LoadImageOutput", image="after.png [output]")}, "1", output=tmp_path)


def test_edges_and_transparency_through_a_workflow() -> None:
    prompt = {
        "0": picture(16, 16),
        "mask": node("SolidMask", value=0.25, width=16, height=16),
        "1": node("Canny", image=["0", 0], low_threshold=0.4, high_threshold=0.8),
        "2": node("JoinImageWithAlpha", image=["0", 0], alpha=["mask", 0]),
        "3": node("SplitImageWithAlpha", image=["2", 0]),
        "4": node("ImageColorToMask", image=["3", 0], color=0xFF0000),
    }
    result = run(prompt, *prompt)
    assert not result["1"][0].any()
    assert result["2"][0][..., 3].eq(0.75).all()
    assert result["3"][1].eq(0.25).all()
    assert result["4"][0].eq(1.0).all()
    prompt["1"]["inputs"] |= {"low_threshold": 0.9, "high_threshold": 0.1}
    with pytest.raises(NodeError, match="0 < low <= high < 1, got 0.9 and 0.1"):
        run(prompt, "1")


SAID = {"type": "obj", "text": "", "desc": "a cat", "palette": []}
TITLE = {"type": "text", "text": "MOSS", "desc": "a title", "palette": ["#ffffff"]}
DRAWN = [
    {"x": 100, "y": 50, "width": 200, "height": 100, "metadata": SAID},
    {"x": 0, "y": 0, "width": 1000, "height": 500, "metadata": TITLE},
]
ELEMENTS = [
    {"type": "obj", "bbox": [100, 100, 300, 300], "desc": "a cat"},
    {"type": "text", "bbox": [0, 0, 1000, 1000], "text": "MOSS", "desc": "a title", "color_palette": ["#ffffff"]},
]


def drawn(**more: Any) -> dict[str, Any]:
    given = {"width": 1000, "height": 500, "editor_state": {"__value__": DRAWN}, **more}
    return node("CreateBoundingBoxes", **given)


def test_boxes_become_elements_of_a_prompt() -> None:
    style = {"style": "photo", "style.photo": "35 mm", "aesthetics": "moody", "lighting": "dim", "medium": "photograph"}
    empty = dict.fromkeys(("high_level_description", "background", "aesthetics", "lighting", "medium"), "")
    prompt = {
        "1": drawn(),
        "2": node(
            "BuildJsonPromptIdeogram",
            element=["1", 2],
            high_level_description="a cover",
            background="a wall",
            color_palette={"__value__": ["#000000"]},
            **style,
        ),
        "3": node("BuildJsonPromptIdeogram", element=["1", 2], style="none", color_palette={"__value__": []}, **empty),
        "4": node("ConvertDictionaryToString", dictionary=["2", 0], indent=0),
        "5": node("ConvertArrayToString", array=["1", 2]),
        "6": drawn(bboxes=["5", 0], editor_state={"__value__": []}),
        "7": drawn(bboxes=["5", 0], editor_state={"__value__": DRAWN[:1]}, last_incoming={"__value__": DRAWN}),
    }  # fmt: skip
    result = run(prompt, *prompt)
    preview, boxes, elements = result["1"]
    assert preview.shape == (1, 500, 1000, 3)
    assert boxes == [{name: box[name] for name in ("x", "y", "width", "height")} for box in DRAWN]
    assert elements == ELEMENTS
    said = {"aesthetics": "moody", "lighting": "dim", "photo": "35 mm", "medium": "photograph"}
    assert result["2"][0] == {
        "high_level_description": "a cover",
        "style_description": said | {"color_palette": ["#000000"]},
        "compositional_deconstruction": {"background": "a wall", "elements": ELEMENTS},
    }
    assert result["3"][0] == {"compositional_deconstruction": {"background": "", "elements": ELEMENTS}}
    assert json.loads(result["4"][0]) == result["2"][0]
    assert "\n" not in result["4"][0]
    assert result["5"][0].startswith('[\n  {\n    "type"')
    # What comes in counts, unless what was drawn comes from it.
    assert result["6"][2] == ELEMENTS
    assert result["7"][2] == ELEMENTS[:1]


def test_boxes_are_cut_out_and_shown() -> None:
    prompt = {
        "0": picture(1000, 500),
        "1": drawn(),
        "2": node("ImageCropV2", image=["0", 0], crop_region=["1", 1]),
        "3": node("DrawBBoxes", bboxes=["4", 0], image=["0", 0]),
        "4": node("PrimitiveBoundingBox", x=1, y=2, width=3, height=4),
        "5": node("ImageCropV2", image=["0", 0], crop_region={"x": 1, "y": 2, "width": 3, "height": 4}),
    }
    result = run(prompt, "2", "3", "5")
    assert result["2"][0].shape == (1, 100, 200, 3)
    assert result["3"][0].shape == (1, 500, 1000, 3)
    assert result["5"][0].shape == (1, 4, 3, 3)
    with pytest.raises(NodeError, match="a box is"):
        run({**prompt, "5": node("ImageCropV2", image=["0", 0], crop_region={"x": 1})}, "5")


def test_a_painting_over_a_picture(tmp_path: Path) -> None:
    strokes = Image.new("RGBA", (4, 4), (0, 0, 255, 0))
    strokes.paste((0, 0, 255, 255), (0, 0, 2, 4))
    strokes.save(tmp_path / "painted.png")
    widgets = {"width": 64, "height": 64, "bg_color": "#00ff00"}
    prompt = {
        "0": picture(8, 8),
        "1": node("Painter", mask="painted.png [input]", image=["0", 0], **widgets),
        "2": node("Painter", mask="", **widgets),
    }
    result = run(prompt, "1", "2", input=tmp_path)
    image, mask = result["1"]
    assert image[0, 4, [0, 7]].tolist() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    assert mask[0, 4, [0, 7]].tolist() == [1.0, 0.0]
    image, mask = result["2"]
    assert image[0, 0, 0].tolist() == [0.0, 1.0, 0.0]
    assert (mask.shape, mask.any().item()) == ((1, 64, 64), False)
    prompt["1"]["inputs"]["mask"] = "gone.png"
    with pytest.raises(InvalidWorkflow, match=r"gone\.png"):
        run(prompt, "1", input=tmp_path)


def test_colours_and_masks_through_a_workflow() -> None:
    prompt = {
        "0": picture(16, 16),
        "1": node("EmptyImage", width=8, height=8, batch_size=1, color=0x0000FF),
        "mask": node("SolidMask", value=1.0, width=16, height=16),
        "2": node("ColorTransfer", image_target=["0", 0], image_ref=["1", 0], method="histogram", strength=1.0,
                  source_stats="target_frame", **{"source_stats.target_index": 3}),
        "3": node("ImageCropToMask", images=["0", 0], masks=["mask", 0], width=64, height=64, pad_factor=1.0,
                  grow_mask=0, background="#00ff00"),
    }  # fmt: skip
    result = run(prompt, "2", "3")
    assert result["2"][0][0, 0, 0].tolist() == [0.0, 0.0, 1.0]
    assert result["3"][0].shape == (1, 64, 64, 3)


def test_lists_are_made_and_taken_apart() -> None:
    prompt = {
        "a": node("PrimitiveInt", value=3),
        "b": node("PrimitiveInt", value=5),
        "1": node("CreateList", **{"inputs.input0": ["a", 0], "inputs.input1": ["b", 0]}),
        "2": node("CreateList", **{"inputs.input0": ["1", 0], "inputs.input1": ["a", 0]}),
        "3": node("GetItemFromList", list=["2", 0], index=1),
        "4": node("GetItemFromList", list=["2", 0], index=-1),
        "5": node("ComfyMathExpression", expression="a * 2", **{"values.a": ["2", 0]}),
        "6": node("GetItemFromList", list=["5", 1], index=2),
    }
    result = run(prompt, "3", "4", "6")
    assert (result["3"], result["4"], result["6"]) == ((5,), (3,), (6,))
    prompt["3"]["inputs"]["index"] = 3
    with pytest.raises(NodeError, match="the list has 3 values, and none at 3"):
        run(prompt, "3")


def test_texts_are_saved(tmp_path: Path) -> None:
    prompt = {
        "0": node("PrimitiveString", value='{"a": "ä"}'),
        "1": node("SaveText", text=["0", 0], filename_prefix="notes/a", format="json"),
        "2": node("SaveText", text=["1", 0], filename_prefix="b", format="md"),
    }
    result = run(prompt, output=tmp_path)
    assert result["2"] == ('{"a": "ä"}',)
    written = {path.relative_to(tmp_path).as_posix(): path.read_text("utf-8") for path in map(Path, result.files)}
    assert written == {"notes/a_00001_.json": '{\n  "a": "ä"\n}', "b_00001_.md": '{"a": "ä"}'}
