"""Operations on latents [B,C,h,w] or [B,C,T,h,w]: on the lengths and directions of their vectors of channels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.filters import SHARPEN_GAIN, gaussian
from weft.nodes.diffusion.values.pixels import as_pictures, as_videos

# Deviations above the mean length that tone mapping leaves room for.
ROOM = 5.0


@dataclass(frozen=True)
class Tonemap:
    """Reinhard et al. 2002: length / (1 + length / top), top being ROOM deviations above the mean length of an item."""

    multiplier: float

    def __post_init__(self) -> None:
        if not self.multiplier > 0.0:
            raise DiffusionError(f"the multiplier of a tone mapping must be above 0, got {self.multiplier}")

    def __call__(self, latent: Tensor) -> Tensor:
        """The latents with shorter vectors."""
        length: Tensor = torch.linalg.vector_norm(latent, dim=1, keepdim=True) + 1e-10
        axes = tuple(range(1, latent.dim()))
        top = (length.std(dim=axes, keepdim=True) * ROOM + length.mean(dim=axes, keepdim=True)) * self.multiplier
        share = length / top
        return latent / length * (share / (share + 1.0) * top)


@dataclass(frozen=True)
class Sharpen:
    """Directions plus 10 * alpha of their difference to their blur; edges are mirrored."""

    radius: int
    sigma: float
    alpha: float

    def __call__(self, latent: Tensor) -> Tensor:
        """The latents sharpened. Raises DiffusionError where the radius reaches beyond them."""
        if self.radius >= min(latent.shape[-2:]):
            height, width = latent.shape[-2:]
            raise DiffusionError(f"a radius of {self.radius} is too large for a latent of {width}x{height} elements")
        length: Tensor = torch.linalg.vector_norm(latent, dim=1, keepdim=True) + 1e-6
        kernel = gaussian(self.radius, self.sigma) * -(self.alpha * SHARPEN_GAIN)
        kernel[self.radius, self.radius] += 1.0 - kernel.sum()
        pictures = pad(as_pictures(latent / length), (self.radius,) * 4, mode="reflect")
        channels = pictures.shape[1]
        kernels = kernel.to(pictures).expand(channels, 1, *kernel.shape)
        return as_videos(conv2d(pictures, kernels, groups=channels), latent) * length
