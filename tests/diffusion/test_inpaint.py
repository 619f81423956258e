"""What inpainting starts from, with a VAE that keeps its pixels: greying, growing, cropping, batches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.inpaint import encode_for_inpaint, inpaint_conditions


class Pixels:
    """A VAE whose latents are its pixels."""

    downscale = 8

    def encode(self, pixels: Tensor) -> Tensor:
        return pixels.movedim(-1, 1).clone()


vae: Any = Pixels()


def test_the_masked_part_is_greyed() -> None:
    pixels = torch.rand(2, 16, 24, 3)
    mask = torch.zeros(1, 16, 24)
    mask[:, 2:5, 3:9] = 0.51
    before = pixels.clone(), mask.clone()
    latent = encode_for_inpaint(vae, pixels, mask, 0)
    inside = torch.zeros(16, 24, dtype=torch.bool)
    inside[2:5, 3:9] = True
    assert latent["samples"][:, :, inside].eq(0.5).all()
    assert torch.allclose(latent["samples"][:, :, ~inside], pixels.movedim(-1, 1)[:, :, ~inside])
    assert torch.equal(latent["noise_mask"], inside.float()[None, None])
    assert torch.equal(pixels, before[0])
    assert torch.equal(mask, before[1])


@pytest.mark.parametrize("grow", [0, 1, 2, 3, 6, 7, 64])
def test_the_noise_mask_grows_by_a_window(grow: int) -> None:
    """As a convolution with a window of ones, padded by half of it rounded up."""
    mask = (torch.rand(1, 24, 32) > 0.97).float()
    got = encode_for_inpaint(vae, torch.zeros(1, 24, 32, 3), mask, grow)["noise_mask"]
    if grow:
        summed = torch.nn.functional.conv2d(mask[None], torch.ones(1, 1, grow, grow), padding=-(-(grow - 1) // 2))
        mask = summed[0, :, :24, :32].clamp(0, 1)
    assert torch.equal(got[0], mask)


def test_odd_sizes_are_cropped_around_the_middle() -> None:
    pixels, mask = torch.rand(1, 21, 30, 3), torch.rand(1, 21, 30)
    samples, greyed, cropped = inpaint_conditions(vae, pixels, mask)
    assert torch.equal(cropped[:, 0], mask[:, 2:18, 3:27])
    assert torch.equal(samples, pixels[:, 2:18, 3:27].movedim(-1, 1))
    assert torch.allclose(greyed, (samples - 0.5) * (1.0 - cropped.round()) + 0.5)
    assert encode_for_inpaint(vae, pixels, mask, 3)["noise_mask"].shape == (1, 1, 16, 24)


def test_masks_of_other_sizes_and_one_for_each_image() -> None:
    pixels = torch.zeros(2, 16, 16, 3)
    halves = torch.stack((torch.ones(8, 8), torch.zeros(8, 8)))
    latent = encode_for_inpaint(vae, pixels, halves, 6)
    assert latent["noise_mask"].shape == (2, 1, 16, 16)
    assert latent["samples"][0].eq(0.5).all()
    assert latent["samples"][1].eq(0.0).all()
    assert encode_for_inpaint(vae, pixels, torch.ones(4, 4), 0)["noise_mask"].shape == (1, 1, 16, 16)


def test_what_does_not_fit() -> None:
    pixels = torch.zeros(2, 16, 16, 3)
    with pytest.raises(DiffusionError, match="3 masks do not fit 2 images: expected 1 or 2"):
        encode_for_inpaint(vae, pixels, torch.zeros(3, 16, 16), 0)
    with pytest.raises(DiffusionError, match="a mask must be"):
        inpaint_conditions(vae, pixels, torch.zeros(16))
    with pytest.raises(DiffusionError, match=r"an image is \[16, 16, 3\]"):
        inpaint_conditions(vae, pixels[0], torch.zeros(1, 16, 16))
    with pytest.raises(DiffusionError, match="cannot be grown by -1 pixels"):
        encode_for_inpaint(vae, pixels, torch.zeros(1, 16, 16), -1)
