"""The VAE socket: images to latents and back.

An autoencoder as in Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models". Latents here
are those of the node space: what the encoder gives, without the scale that the UNet expects (`Family.latent_scale`).
Numbers as in parity/facts.md section 10, held by the goldens vae_* and parity/units/vae.safetensors.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.patcher import PatchedNetwork


class Vae:
    """An autoencoder over images [B,H,W,3] in 0..1 and latents [B,4,H/8,W/8].

    Args:
        network: diffusers' AutoencoderKL.
    """

    def __init__(self, network: PatchedNetwork) -> None:
        self.network = network

    @property
    def downscale(self) -> int:
        """Pixels along one side of a latent's cell: 8 for Stable Diffusion."""
        return 1 << (len(self._config.block_out_channels) - 1)

    @property
    def latent_channels(self) -> int:
        """Channels of a latent: 4 for Stable Diffusion."""
        return int(self._config.latent_channels)

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts."""
        return self.network.memory_parts

    def encode(self, pixels: Tensor) -> Tensor:
        """The latent of an image: the mode of the posterior, so without randomness.

        Args:
            pixels: [B,H,W,C] float, 0..1, any device; channels behind the third are left out. What exceeds a multiple
                of `downscale` is cropped, half of it at the upper left.

        Returns:
            [B,4,H//8,W//8] float32 on the CPU, unscaled.

        Raises:
            DiffusionError: no image of this form, or one smaller than a cell.
        """
        cell = self.downscale
        shape = list(pixels.shape)
        if len(shape) != 4 or shape[3] < 3 or not pixels.is_floating_point():
            raise DiffusionError(f"an image is {shape} {pixels.dtype}, expected [B,H,W,3] float")
        if not shape[0] or min(shape[1:3]) < cell:
            raise DiffusionError(f"an image is {shape} (B,H,W,C), expected at least one of {cell}x{cell} pixels")
        height, width = (size // cell * cell for size in shape[1:3])
        top, left = (size % cell // 2 for size in shape[1:3])
        cropped: Tensor = pixels[:, top : top + height, left : left + width, :3].movedim(-1, 1)
        module: Any = self.network.module()
        # Made outside inference_mode, so that nodes may write into it.
        latents = torch.empty(shape[0], self.latent_channels, height // cell, width // cell)
        with torch.inference_mode():
            # One image at a time: memory for one, and rounding that does not depend on the batch.
            for latent, image in zip(latents, cropped, strict=True):
                encoded = module.encode(_like(image[None] * 2.0 - 1.0, module)).latent_dist
                latent.copy_(encoded.mode()[0])
        return latents

    def decode(self, latent: Tensor) -> Tensor:
        """The image of a latent.

        Args:
            latent: [B,4,h,w] float, unscaled, any device.

        Returns:
            [B,8h,8w,3] float32 on the CPU, clamped to 0..1.

        Raises:
            DiffusionError: no latent of this form.
        """
        shape = list(latent.shape)
        if len(shape) != 4 or shape[1] != self.latent_channels or not latent.is_floating_point() or 0 in shape:
            raise DiffusionError(f"a latent is {shape} {latent.dtype}, expected [B,{self.latent_channels},h,w] float")
        module: Any = self.network.module()
        images = torch.empty(shape[0], shape[2] * self.downscale, shape[3] * self.downscale, 3)
        with torch.inference_mode():
            for image, one in zip(images, latent, strict=True):
                decoded = module.decode(_like(one[None], module)).sample
                image.copy_((decoded[0].float() * 0.5 + 0.5).clamp_(0.0, 1.0).movedim(0, -1))
        return images

    @property
    def _config(self) -> Any:
        return self.network.base.config


def _like(tensor: Tensor, module: Any) -> Tensor:
    """The tensor on the device and in the number format of a network, contiguous."""
    weight = next(module.parameters())
    return tensor.to(device=weight.device, dtype=weight.dtype).contiguous()
