"""Resizing: properties, limits, and every golden of ComfyUI that only resizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.imagefile import load_image
from weft.nodes.diffusion.values.latentfile import read_latent
from weft.nodes.diffusion.values.pixels import (
    METHODS,
    resize,
    scale_image,
    scale_image_by,
    to_uint8,
    upscale_by,
    upscale_latent,
)

from ..reference.store import goldens

LIMIT = 1e-6  # of parity/README.md


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("crop", ["disabled", "center"])
@pytest.mark.parametrize("method", METHODS)
def test_sizes(method: str, crop: str) -> None:
    samples = noise(2, 3, 5, 7)
    kept = samples.clone()
    for width, height in ((7, 5), (14, 3), (1, 1), (5, 40)):
        got = resize(samples, width, height, method, crop)
        assert got.shape == (2, 3, height, width) and got.dtype == samples.dtype and got.isfinite().all()
    assert torch.equal(samples, kept)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_stays_one(method: str) -> None:
    got = resize(torch.full((1, 3, 4, 6), 51 / 255), 9, 5, method)
    torch.testing.assert_close(got, torch.full((1, 3, 5, 9), 51 / 255))


@pytest.mark.parametrize("method", METHODS)
def test_batch_items_are_resized_alone(method: str) -> None:
    samples = noise(3, 4, 6, 5)
    both = resize(samples, 8, 7, method)
    assert torch.equal(both[1:2], resize(samples[1:2], 8, 7, method))


def test_centre_crop_keeps_the_middle() -> None:
    columns = torch.arange(10.0).expand(1, 1, 4, 10)
    assert resize(columns, 4, 4, "nearest-exact", "center")[0, 0, 0].tolist() == [3, 4, 5, 6]
    # Halves are rounded to even, as Python does: (5 - 4) / 2 cuts nothing.
    odd = torch.arange(5.0).expand(1, 1, 4, 5)
    assert torch.equal(resize(odd, 4, 4, "nearest-exact", "center"), resize(odd, 4, 4, "nearest-exact"))


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (1, 5), (3, 1000)])
def test_an_extreme_aspect_leaves_something(rows: int, columns: int) -> None:
    samples = noise(1, 4, rows, columns)
    assert resize(samples, 1, 1000, "bilinear", "center").shape == (1, 4, 1000, 1)
    assert resize(samples, 1000, 1, "bilinear", "center").shape == (1, 4, 1, 1000)


# Bislerp


def test_bislerp_turns_at_constant_length() -> None:
    right, up = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    row = torch.stack([right, up], dim=1)[None, :, None]  # two vectors side by side
    got = resize(row, 4, 1, "bislerp")[0, :, 0].T
    torch.testing.assert_close(got.norm(dim=1), torch.full((4,), 2.0))
    angles = torch.atan2(got[:, 1], got[:, 0]).rad2deg()
    torch.testing.assert_close(angles, torch.tensor([0.0, 22.5, 67.5, 90.0]), atol=1e-3, rtol=0)


def test_bislerp_of_zero_parallel_and_opposite_vectors() -> None:
    one = torch.tensor([1.0, 2.0])
    for other in (0 * one, one, -one, 3 * one):
        row = torch.stack([one, other], dim=1)[None, :, None]
        assert resize(row, 5, 2, "bislerp").isfinite().all()
    assert torch.equal(resize(torch.zeros(1, 4, 2, 2), 3, 3, "bislerp"), torch.zeros(1, 4, 3, 3))


def test_bislerp_keeps_half_precision() -> None:
    assert resize(noise(1, 4, 3, 3).half(), 5, 5, "bislerp").dtype == torch.float16


# Sizes of the nodes


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (96, 64, (12, 8)),
        (100, 71, (12, 8)),
        (0, 128, (24, 16)),
        (96, 0, (12, 8)),
        (8, 8, (8, 8)),
        (0, 8, (12, 8)),
        (0, 90, (16, 11)),
    ],
)
def test_latent_sizes(width: int, height: int, size: tuple[int, int]) -> None:
    samples = noise(1, 4, 8, 12)
    got = upscale_latent(samples, width, height, "bilinear")
    assert (got.shape[3], got.shape[2]) == size


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(10, 20, (10, 20)), (0, 20, (30, 20)), (10, 0, (10, 7)), (0, 1, (2, 1)), (1, 0, (1, 1))],
)
def test_image_sizes(width: int, height: int, size: tuple[int, int]) -> None:
    got = scale_image(noise(1, 8, 12, 3), width, height, "area")
    assert (got.shape[2], got.shape[1]) == size and got.shape[3] == 3


def test_two_zeros_change_nothing() -> None:
    latent, image = noise(1, 4, 5, 5), noise(1, 5, 5, 3)
    assert upscale_latent(latent, 0, 0, "bislerp") is latent
    assert scale_image(image, 0, 0, "lanczos") is image


def test_factors_round_halves_to_even() -> None:
    assert upscale_by(noise(1, 4, 5, 7), 1.5, "area").shape == (1, 4, 8, 10)
    assert scale_image_by(noise(1, 5, 7, 3), 0.5, "area").shape == (1, 2, 4, 3)


# Errors


@pytest.mark.parametrize(
    ("method", "crop", "message"),
    [
        ("bilinaer", "disabled", "unknown resize method 'bilinaer'; did you mean 'bilinear'"),
        ("bilinear", "centre", "unknown crop 'centre'; did you mean 'center'"),
    ],
)
def test_unknown_choices(method: str, crop: str, message: str) -> None:
    with pytest.raises(DiffusionError, match=message):
        resize(noise(1, 4, 4, 4), 8, 8, method, crop)


@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 2, 2, 4, 4)])
def test_other_ranks(shape: tuple[int, ...]) -> None:
    with pytest.raises(DiffusionError, match=r"expected \[B,C,H,W\]"):
        resize(noise(*shape), 8, 8, "bilinear")


@pytest.mark.parametrize("method", ["bilinear", "bislerp", "nearest-exact"])
def test_each_frame_of_a_video_is_a_picture(method: str) -> None:
    video = noise(2, 4, 3, 6, 4)
    resized = resize(video, 5, 9, method, "center")
    assert resized.shape == (2, 4, 3, 9, 5)
    for frame in range(3):
        assert torch.equal(resized[:, :, frame], resize(video[:, :, frame], 5, 9, method, "center"))


def test_sides_of_nothing() -> None:
    with pytest.raises(DiffusionError, match="4x4 to 0x8"):
        resize(noise(1, 4, 4, 4), 0, 8, "bilinear")
    with pytest.raises(DiffusionError, match="4x4 to 0x0"):
        upscale_by(noise(1, 4, 4, 4), 0.01, "bilinear")


def test_lanczos_takes_pictures() -> None:
    for channels in (1, 3, 4):
        assert resize(noise(1, channels, 4, 4), 8, 2, "lanczos").shape == (1, channels, 2, 8)
    with pytest.raises(DiffusionError, match="1, 3 or 4 channels, got 2"):
        resize(noise(1, 2, 4, 4), 8, 8, "lanczos")


# Bytes


def test_bytes_are_cut_not_rounded() -> None:
    values = torch.tensor([0.0, 0.999 / 255, 1 / 255, 0.5, 0.9999, 1.0, 2.0, -1.0, torch.inf, -torch.inf])
    assert to_uint8(values).tolist() == [0, 0, 1, 127, 254, 255, 255, 0, 255, 0]
    assert torch.equal(to_uint8(torch.arange(256) / 255.0), (torch.arange(256) / 255.0 * 255.0).to(torch.uint8))


# Goldens

RESIZES = {
    "LatentUpscale": lambda s, i: upscale_latent(s, i["width"], i["height"], i["upscale_method"], i["crop"]),
    "LatentUpscaleBy": lambda s, i: upscale_by(s, i["scale_by"], i["upscale_method"]),
    "ImageScale": lambda s, i: scale_image(s, i["width"], i["height"], i["upscale_method"], i["crop"]),
    "ImageScaleBy": lambda s, i: scale_image_by(s, i["scale_by"], i["upscale_method"]),
}
LOADS = {
    "LoadLatent": lambda folder, inputs: read_latent(folder / inputs["latent"]),
    "LoadImage": lambda folder, inputs: load_image(folder / inputs["image"])[0],
}


def test_goldens_of_comfyui(parity: Path) -> None:
    errors: dict[str, float] = {}
    for name, golden in goldens("comfyui").items():
        if not name.startswith(("lat_", "img_")):
            continue
        prompt = golden.prompt
        [target] = golden.targets
        node = prompt[target]
        source = prompt.get(next((v[0] for v in node["inputs"].values() if isinstance(v, list)), ""), {})
        if node["class_type"] not in RESIZES or source.get("class_type") not in LOADS:
            continue
        samples = LOADS[source["class_type"]](parity / "input", source["inputs"])
        slot = f"{target}.0.samples" if f"{target}.0.samples" in golden.tensors else f"{target}.0"
        expected = golden.tensors[slot]
        got = RESIZES[node["class_type"]](samples, node["inputs"])
        assert got.dtype == expected.values.dtype, name
        errors[name] = expected.difference(got)
    exact = ("lanczos", "nearest")
    assert len(errors) >= 24
    assert not {name: error for name, error in errors.items() if error > (0 if name.endswith(exact) else LIMIT)}
