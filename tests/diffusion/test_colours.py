"""Colours of images: edges of drawn shapes, morphology by its definition, noise, palettes, YUV, transparency."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.alpha import MODES, composite, join_alpha, split_alpha
from weft.nodes.diffusion.values.colours import (
    DITHERS,
    add_noise,
    from_yuv,
    mask_of_colour,
    quantize,
    to_yuv,
)
from weft.nodes.diffusion.values.compression import compressed
from weft.nodes.diffusion.values.edges import OPERATIONS, canny, morph


def test_the_edge_of_a_square() -> None:
    """One pixel wide, all around it, within a pixel of where it is drawn; the rest is black."""
    image = torch.zeros(2, 24, 24, 4)
    image[0, 8:16, 8:16] = 1.0
    edges = canny(image, 0.4, 0.8)
    assert edges.shape == (2, 24, 24, 3)
    assert edges.unique().tolist() == [0.0, 1.0]
    assert not edges[1].any()
    drawn = edges[0, ..., 0]
    assert drawn[:7].sum() == drawn[17:].sum() == drawn[10:14, 10:14].sum() == 0
    for line in (drawn[12], drawn[:, 12]):
        assert line.sum() == 2
        left, right = line.nonzero().ravel().tolist()
        assert abs(left - 7.5) < 1
        assert abs(right - 15.5) < 1


def test_a_weak_edge_counts_where_it_goes_on_from_a_strong_one() -> None:
    image = torch.zeros(1, 24, 24, 3)
    image[:, :, 12:] = torch.linspace(0.05, 0.5, 24)[:, None, None]
    rows = canny(image, 0.1, 0.9)[0, :, 10:14, 0].amax(dim=1)
    assert rows[2:22].eq(1.0).all()
    # Above, it is too weak to count by itself.
    assert not canny(image[:, :12], 0.1, 0.9).any()
    assert canny(image, 0.9, 0.9)[0, :, 10:14, 0].amax(dim=1)[:10].eq(0.0).all()


@pytest.mark.parametrize(("low", "high"), [(0.8, 0.4), (0.0, 0.5), (0.5, 1.0)])
def test_thresholds_that_make_no_edges(low: float, high: float) -> None:
    with pytest.raises(DiffusionError, match="0 < low <= high < 1"):
        canny(torch.zeros(1, 8, 8, 3), low, high)


@pytest.mark.parametrize(("operation", "size"), [*itertools.product(OPERATIONS, (3, 4))])
def test_morphology_is_what_kornia_has(operation: str, size: int) -> None:
    """Whose own needs memory for every pixel of the square at every pixel of the image."""
    from kornia import morphology

    names = {"erode": "erosion", "dilate": "dilation", "open": "opening", "close": "closing"}
    image = torch.rand(2, 9, 11, 3, generator=torch.Generator().manual_seed(size))
    reference = getattr(morphology, names.get(operation, operation))
    expected = reference(image.movedim(-1, 1), torch.ones(size, size)).movedim(1, -1)
    assert torch.equal(morph(image, operation, size), expected)


def test_morphology_of_a_square() -> None:
    image = torch.zeros(1, 9, 9, 1)
    image[:, 3:6, 3:6] = 1.0
    areas = {name: morph(image, name, 3).sum().item() for name in OPERATIONS}
    assert areas == {"erode": 1, "dilate": 25, "open": 9, "close": 9, "gradient": 24, "bottom_hat": 0, "top_hat": 0}
    with pytest.raises(DiffusionError, match="unknown operation 'eroded'"):
        morph(image, "eroded", 3)


def test_noise() -> None:
    image = torch.full((1, 64, 64, 4), 0.5)
    noisy = add_noise(image, 7, 0.1)
    assert torch.equal(noisy, add_noise(image, 7, 0.1))
    assert not torch.equal(noisy, add_noise(image, 8, 0.1))
    assert noisy[..., :3].std().item() == pytest.approx(0.1, rel=0.05)
    assert noisy[..., :3].mean().item() == pytest.approx(0.5, abs=0.01)
    assert noisy[..., 3].eq(0.5).all()
    assert add_noise(image, 2**64 - 1, 1.0).amax() <= 1.0
    assert torch.equal(add_noise(image, 7, 0.0), image)


def test_one_colour() -> None:
    image = torch.tensor([[0x12, 0x34, 0x56], [0x12, 0x34, 0x57], [255, 0, 0]]).reshape(1, 1, 3, 3) / 255
    assert mask_of_colour(image, 0x123456).tolist() == [[[1.0, 0.0, 0.0]]]
    assert mask_of_colour(image * 1.001, 0x123456).tolist() == [[[1.0, 0.0, 0.0]]]
    assert mask_of_colour(image, 0xFF0000).tolist() == [[[0.0, 0.0, 1.0]]]


def test_yuv() -> None:
    """Recommendation ITU-T T.871: Y = 0.299 R + 0.587 G + 0.114 B, Cb and Cr around a half."""
    image = torch.rand(2, 5, 6, 4)
    y, u, v = to_yuv(image)
    assert y.shape == u.shape == v.shape == (2, 5, 6, 3)
    red, green, blue = image[..., :3].unbind(-1)
    assert torch.allclose(y[..., 1], 0.299 * red + 0.587 * green + 0.114 * blue, atol=1e-6)
    assert torch.allclose(u[..., 0], 0.5 + (blue - y[..., 0]) / 1.772, atol=1e-3)
    assert torch.allclose(v[..., 2], 0.5 + (red - y[..., 0]) / 1.402, atol=1e-3)
    assert torch.allclose(from_yuv(y, u, v), image[..., :3], atol=1e-3)
    with pytest.raises(DiffusionError, match="must have one size"):
        from_yuv(y, u[:1], v)


@pytest.mark.parametrize("dither", DITHERS)
def test_palettes(dither: str) -> None:
    ramp = torch.linspace(0, 1, 64).reshape(1, 1, 64, 1).repeat(1, 32, 1, 3)
    few = quantize(ramp, 4, dither)
    assert len(few.reshape(-1, 3).unique(dim=0)) == 4
    # In the mean a dithered ramp is nearer to the ramp than one of four steps.
    off = (few.mean(dim=1) - ramp.mean(dim=1)).abs().mean().item()
    assert off < (0.08 if dither == "none" else 0.07)
    assert torch.allclose(quantize(few, 4, "none"), few, atol=1 / 255)


def test_transparency_apart_and_together() -> None:
    image, mask = torch.rand(2, 4, 6, 3), torch.rand(1, 4, 6)
    joined = join_alpha(image, mask)
    assert joined.shape == (2, 4, 6, 4)
    assert torch.equal(joined[..., 3], (1.0 - mask).expand(2, 4, 6))
    colours, again = split_alpha(joined)
    assert torch.equal(colours, image)
    assert torch.allclose(again, mask.expand(2, 4, 6))
    assert split_alpha(image)[1].eq(0.0).all()
    assert join_alpha(image[:1], torch.ones(3, 8, 12))[..., 3].eq(0.0).all()


# Of two opaque or absent layers: what is seen where there is the source alone, the image below alone, both.
SEEN = {
    "CLEAR": "---",
    "DST": "-dd",
    "DST_ATOP": "s-d",
    "DST_IN": "--d",
    "DST_OUT": "-d-",
    "DST_OVER": "sdd",
    "SRC": "s-s",
    "SRC_ATOP": "-ds",
    "SRC_IN": "--s",
    "SRC_OUT": "s--",
    "SRC_OVER": "sds",
    "XOR": "sd-",
}
BOTH = {"ADD": 1.0, "DARKEN": 0.5, "LIGHTEN": 0.75, "MULTIPLY": 0.375, "OVERLAY": 0.75, "SCREEN": 0.875}


def layers() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    source, below = torch.full((1, 1, 4, 3), 0.75), torch.full((1, 1, 4, 3), 0.5)
    return source, torch.tensor([[[0.0, 1.0, 0.0, 1.0]]]), below, torch.tensor([[[1.0, 0.0, 0.0, 1.0]]])


@pytest.mark.parametrize("mode", MODES)
def test_operators_of_porter_and_duff(mode: str) -> None:
    image, mask = composite(*layers(), mode)
    values = {"-": 0.0, "s": 0.75, "d": 0.5}
    if mode in SEEN:
        expected = [values[each] for each in SEEN[mode]]
    else:
        expected = [0.0 if mode == "MULTIPLY" else 0.75, 0.0 if mode == "MULTIPLY" else 0.5, BOTH[mode]]
    assert image[0, 0, :, 0].tolist() == pytest.approx([*expected, 0.0])
    assert mask[0, 0].tolist() == [0.0 if value else 1.0 for value in [*expected, 0.0]]


def test_half_transparent() -> None:
    source, below = torch.full((1, 1, 1, 3), 1.0), torch.full((1, 1, 1, 3), 0.0)
    half = torch.full((1, 1, 1), 0.5)
    image, mask = composite(source, half, below, half, "SRC_OVER")
    assert (image[0, 0, 0, 0].item(), mask.item()) == (pytest.approx(2 / 3), 0.25)
    image, mask = composite(source.repeat(2, 2, 2, 1), half, below, half, "XOR")
    assert (image.shape, mask.shape) == ((2, 1, 1, 3), (2, 1, 1))
    assert (image[1, 0, 0, 0].item(), mask[1].item()) == (0.5, 0.5)
    with pytest.raises(DiffusionError, match="unknown mode 'OVER'"):
        composite(source, half, below, half, "OVER")


def test_what_compression_leaves() -> None:
    """More at a low rate factor than at a high one, and each time the same."""
    image = torch.nn.functional.interpolate(torch.rand(2, 3, 5, 5), size=(33, 32), mode="bilinear").movedim(1, -1)
    assert compressed(image, 0) is image
    lost = []
    for crf in (5, 35, 100):
        shown = compressed(image, crf)
        assert shown.shape == (2, 32, 32, 3)
        assert torch.equal(shown, compressed(image, crf))
        lost.append((shown - image[:, :32]).abs().mean().item())
    assert lost == sorted(lost)
    assert lost[0] < 0.05 < lost[2]
    with pytest.raises(DiffusionError, match="2x2 pixels at least"):
        compressed(image[:, :1], 35)
