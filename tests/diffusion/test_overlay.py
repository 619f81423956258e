"""Image Overlay against the original's pictures, and bad input."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.imagefile import load_image
from weft.nodes.diffusion.values.overlay import overlay

from ..reference.store import goldens

GOLDENS = (
    "overlay_batch_overlay",
    "overlay_fit_area",
    "overlay_fit_bilinear",
    "overlay_mask",
    "overlay_none",
    "overlay_opacity100",
    "overlay_outside",
    "overlay_rot45",
    "overlay_scale05",
)


@pytest.mark.parametrize("name", GOLDENS)
def test_goldens(name: str, parity: Path) -> None:
    golden = goldens("efficiency")[name]
    node_id, node = next((i, n) for i, n in golden.prompt.items() if n["class_type"] == "Image Overlay")
    given = node["inputs"]
    base, above = (load_image(parity / "input" / f"img_{letter}.png")[0] for letter in "ab")
    if name == "overlay_batch_overlay":
        above = torch.cat([1.0 - above, above])
    mask = load_image(parity / "input" / "mask.png")[0][..., 0] if "optional_mask" in given else None
    result = overlay(
        base,
        above,
        resize=given["overlay_resize"],
        method=given["resize_method"],
        factor=given.get("rescale_factor", 1.0),
        size=(given.get("width", 512), given.get("height", 512)),
        offset=(given["x_offset"], given["y_offset"]),
        rotation=given["rotation"],
        opacity=given["opacity"],
        mask=mask,
    )
    assert golden.tensors[f"{node_id}.0"].difference(result) <= 1e-6


def test_every_picture_below_gets_it() -> None:
    base = torch.stack([torch.zeros(8, 8, 3), torch.ones(8, 8, 3)])
    result = overlay(base, torch.full((1, 2, 4, 3), 0.5), offset=(3, 5))
    assert (result[:, 5:7, 3:7] == 127 / 255).all()
    assert (result[0, :5] == 0.0).all()
    assert (result[1, :5] == 1.0).all()


@pytest.mark.parametrize(("opacity", "level"), [(0.0, 255), (25.0, 191), (50.0, 127), (100.0, 0)])
def test_opacity_says_how_transparent(opacity: float, level: int) -> None:
    result = overlay(torch.zeros(1, 4, 4, 3), torch.ones(1, 4, 4, 3), opacity=opacity)
    assert torch.allclose(result, torch.tensor(level / 255.0), atol=1.01 / 255)


def test_transparency_of_the_picture_and_a_mask() -> None:
    picture = torch.ones(1, 4, 4, 4)
    picture[:, :, 2:, 3] = 0.0
    result = overlay(torch.zeros(1, 4, 4, 3), picture)
    assert (result[0, :, :2] == 1.0).all()
    assert (result[0, :, 2:] == 0.0).all()
    mask = torch.zeros(1, 4, 4)
    mask[:, :2] = 1.0
    result = overlay(torch.zeros(1, 4, 4, 3), picture[..., :3], mask=mask)
    assert (result[0, :2] == 0.0).all()
    assert (result[0, 2:] == 1.0).all()


def test_bad_input() -> None:
    image = torch.zeros(1, 4, 4, 3)
    with pytest.raises(DiffusionError, match="unknown way to resize 'Fitt'; did you mean 'Fit'?"):
        overlay(image, image, resize="Fitt")
    with pytest.raises(DiffusionError, match="the overlay would be 0x512 pixels"):
        overlay(image, image, resize="Resize to width & heigth", size=(0, 512))
    with pytest.raises(DiffusionError, match=r"the base image is \[4, 4, 3\]"):
        overlay(image[0], image)
