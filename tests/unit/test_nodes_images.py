"""Nodes that arrange, resize and compare pictures, as workflows give them; their numbers are tests/diffusion's."""

from __future__ import annotations

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
