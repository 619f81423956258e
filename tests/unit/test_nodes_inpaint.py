"""Inpainting nodes: which keys end up where."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.core import mask as faces


class Pixels:
    """A VAE whose latents are its pixels."""

    downscale = 8

    def encode(self, pixels: Tensor) -> Tensor:
        return pixels.movedim(-1, 1).clone()


PROMPT: list[Any] = [[torch.ones(1, 4, 3), {"strength": 0.5}], [torch.ones(1, 4, 3), {}]]


@pytest.mark.parametrize("noise_mask", [True, False])
def test_inpaint_model_conditioning(noise_mask: bool) -> None:
    pixels, mask = torch.rand(1, 16, 16, 3), torch.ones(1, 8, 8)
    positive, negative, latent = faces.InpaintModelConditioning(
        positive=PROMPT, negative=PROMPT[:1], vae=Pixels(), pixels=pixels, mask=mask, noise_mask=noise_mask
    )
    assert [len(positive), len(negative)] == [2, 1]
    for _, options in (*positive, *negative):
        assert options["concat_latent_image"].eq(0.5).all()
        assert torch.equal(options["concat_mask"], torch.ones(1, 1, 16, 16))
    assert positive[0][1]["strength"] == 0.5
    assert torch.equal(latent["samples"], pixels.movedim(-1, 1))
    assert ("noise_mask" in latent) is noise_mask
    assert PROMPT[1][1] == {}


def test_set_latent_noise_mask() -> None:
    samples = {"samples": torch.zeros(1, 4, 8, 8), "batch_index": [3]}
    mask = torch.rand(2, 5, 6)
    masked = faces.SetLatentNoiseMask(samples=samples, mask=mask)
    assert torch.equal(masked["noise_mask"], mask[:, None])
    assert masked["batch_index"] == [3]
    assert "noise_mask" not in samples
    with pytest.raises(ValueError, match=r"a mask must be .*, got \[2, 3, 5, 6\]"):
        faces.SetLatentNoiseMask(samples=samples, mask=torch.zeros(2, 3, 5, 6))


def test_a_checkpoint_without_vae() -> None:
    with pytest.raises(ValueError, match="holds no VAE"):
        faces.VAEEncodeForInpaint(pixels=torch.zeros(1, 8, 8, 3), vae=None, mask=torch.zeros(8, 8), grow_mask_by=6)
