"""Pasting and blending: positions off the canvas, masks of other sizes, unequal batches, every mode."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.compositing import (
    BLENDS,
    blend_images,
    blend_latents,
    paste,
    paste_feathered,
    with_channels,
)

ones, zeros = torch.ones, torch.zeros


def slowly(destination: Tensor, source: Tensor, x: int, y: int, mask: Tensor) -> Tensor:
    """paste, element by element."""
    result = destination.clone()
    rows, columns = destination.shape[2:]
    for i in range(source.shape[2]):
        for j in range(source.shape[3]):
            if 0 <= y + i < rows and 0 <= x + j < columns:
                m = mask[:, i, j, None]
                result[:, :, y + i, x + j] = source[:, :, i, j] * m + destination[:, :, y + i, x + j] * (1.0 - m)
    return result


@given(x=st.integers(-9, 9), y=st.integers(-9, 9), masked=st.booleans())
def test_paste_anywhere(x: int, y: int, masked: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    destination, source = (torch.rand(2, 3, *size, generator=generator) for size in ((5, 6), (4, 3)))
    mask = torch.rand(2, 4, 3, generator=generator) if masked else None
    before = destination.clone()
    got = paste(destination, source, x, y, mask)
    assert torch.equal(got, slowly(destination, source, x, y, ones(2, 4, 3) if mask is None else mask))
    assert torch.equal(destination, before)


def test_paste_brings_source_and_mask_to_the_destination() -> None:
    destination, source = zeros(3, 4, 8, 8), torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 4, 8, 8) + 1.0
    assert paste(destination, source, 0, 0)[:, 0, 0, 0].tolist() == [1.0, 2.0, 1.0]
    assert paste(destination[:1], source, 0, 0).shape[0] == 1
    assert paste(destination, source, 0, 0, zeros(1, 64, 64)).any() == False  # noqa: E712
    halves = torch.cat((ones(1, 32, 16), zeros(1, 32, 16)), dim=2)
    seen = paste(destination, source, 0, 0, halves)
    assert seen[0, 0, 0].tolist() == [1.0] * 4 + [0.0] * 4
    by_item = paste(destination, source, 0, 0, torch.stack((ones(8, 8), zeros(8, 8))))
    assert by_item[:, 0, 0, 0].tolist() == [1.0, 0.0, 1.0]


def test_paste_resizes_the_source_then_the_mask() -> None:
    destination, source = zeros(1, 4, 6, 10), torch.rand(1, 4, 3, 5)
    resized = torch.nn.functional.interpolate(source, size=(6, 10), mode="bilinear")
    mask = torch.rand(1, 7, 9)
    weight = torch.nn.functional.interpolate(mask[None], size=(6, 10), mode="bilinear")
    assert torch.allclose(paste(destination, source, 0, 0, mask, resize_source=True), resized * weight)


def test_paste_feathered() -> None:
    below, above = zeros(1, 1, 6, 8), ones(1, 1, 4, 4)
    assert torch.equal(paste_feathered(below, above, 2, 1, 0), torch.nn.functional.pad(above, (2, 2, 1, 1)))
    faded = paste_feathered(below, above, 0, 1, 2)[0, 0]
    # No fading at the left, which is the canvas's own side.
    assert faded[2].tolist() == [1.0, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0]
    assert faded[:, 0].tolist() == [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    # What exceeds the canvas is cut off, and does not fade there.
    assert paste_feathered(below, above, 6, 4, 2)[0, 0, 5].tolist() == [0.0] * 6 + [0.5, 1.0]
    assert torch.equal(paste_feathered(below, above, 8, 9, 2), below)
    assert not below.any()


def test_a_feather_longer_than_the_source() -> None:
    """The far ramp goes on past the first element, from the last but one downwards."""
    below, above = zeros(1, 1, 8, 4), ones(1, 1, 3, 4)
    faded = paste_feathered(below, above, 0, 0, 6)[0, 0, :3, 0]
    assert torch.allclose(faded, torch.tensor([3 / 6 * 6 / 6, 2 / 6 * 5 / 6, 1 / 6]))


@pytest.mark.parametrize("mode", BLENDS)
def test_blend_stays_in_range_and_at_0_is_the_first(mode: str) -> None:
    a, b = torch.rand(2, 5, 7, 3), torch.rand(2, 5, 7, 3)
    assert torch.allclose(blend_images(a, b, 0.0, mode), a)
    whole = blend_images(a, b, 1.0, mode)
    assert torch.allclose(whole, BLENDS[mode](a, b).clamp(0.0, 1.0))
    assert torch.allclose(blend_images(a, b, 0.5, mode), (a * 0.5 + BLENDS[mode](a, b) * 0.5).clamp(0.0, 1.0))


@pytest.mark.parametrize(
    ("mode", "a", "b", "expected"),
    [
        ("normal", 0.25, 0.75, 0.75),
        ("multiply", 0.25, 0.5, 0.125),
        ("screen", 0.25, 0.5, 0.625),
        ("overlay", 0.25, 0.5, 0.25),
        ("overlay", 0.5, 0.75, 0.75),
        ("overlay", 0.75, 0.75, 0.875),
        ("soft_light", 0.5, 0.25, 0.375),
        ("soft_light", 0.25, 0.75, 0.375),
        ("soft_light", 0.64, 1.0, 0.8),
        ("difference", 0.75, 0.5, 0.25),
        ("difference", 0.5, 0.75, -0.25),
    ],
)
def test_blend_values(mode: str, a: float, b: float, expected: float) -> None:
    assert BLENDS[mode](torch.tensor(a), torch.tensor(b)).item() == pytest.approx(expected)


def test_blend_resizes_and_broadcasts() -> None:
    assert blend_images(ones(1, 6, 8, 3), zeros(3, 4, 4, 3), 0.5, "normal").shape == (3, 6, 8, 3)
    assert blend_images(ones(1, 6, 8, 3), zeros(1, 6, 8, 4), 0.5, "normal").shape == (1, 6, 8, 3)
    assert blend_images(zeros(1, 6, 8, 4), zeros(1, 6, 8, 3), 0.5, "normal")[0, 0, 0].tolist() == [0.0, 0.0, 0.0, 0.5]
    # The factor is the share of the first.
    assert blend_latents(ones(2, 4, 8, 8), zeros(1, 4, 9, 5), 0.25).unique().tolist() == [0.25]


def test_with_channels() -> None:
    image = torch.rand(1, 2, 2, 3)
    assert torch.equal(with_channels(image, 4)[..., :3], image)
    assert with_channels(image, 4)[..., 3].eq(1.0).all()
    assert torch.equal(with_channels(image, 1), image[..., :1])


def test_what_does_not_fit() -> None:
    with pytest.raises(DiffusionError, match="cannot combine 4 and 16 channels"):
        paste(zeros(1, 4, 8, 8), zeros(1, 16, 8, 8), 0, 0)
    with pytest.raises(DiffusionError, match="expected two of 4 axes"):
        paste(zeros(4, 8, 8), zeros(1, 4, 8, 8), 0, 0)
    with pytest.raises(DiffusionError, match="a mask must be"):
        paste(zeros(1, 4, 8, 8), zeros(1, 4, 8, 8), 0, 0, zeros(8))
    with pytest.raises(DiffusionError, match="a batch of 2 onto one of 3: expected 1 or 3"):
        paste_feathered(zeros(3, 4, 8, 8), zeros(2, 4, 8, 8), 0, 0, 0)
    with pytest.raises(DiffusionError, match="must not be negative, got -1, 0 and 0"):
        paste_feathered(zeros(1, 4, 8, 8), zeros(1, 4, 8, 8), -1, 0, 0)
    with pytest.raises(DiffusionError, match="unknown blend mode 'multiplay'; did you mean 'multiply'"):
        blend_images(zeros(1, 8, 8, 3), zeros(1, 8, 8, 3), 0.5, "multiplay")
    with pytest.raises(DiffusionError, match="batches of 2 and 3"):
        blend_images(zeros(2, 8, 8, 3), zeros(3, 8, 8, 3), 0.5, "normal")
    with pytest.raises(DiffusionError, match="batches of 2 and 3"):
        blend_latents(zeros(2, 4, 8, 8), zeros(3, 4, 8, 8), 0.5)
