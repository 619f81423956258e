"""`latent_format`: how a model takes latents, by ComfyUI's names. Only those of models that Weft runs are instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from weft.nodes.diffusion.families import latent_format as native


class ComfyLatentFormat:
    """Scale, channels and what previews need. latent_rgb_factors: None, here nothing knows them."""

    scale_factor: float = 1.0
    latent_channels: int = 4
    latent_dimensions: int = 2
    latent_rgb_factors: Any = None
    latent_rgb_factors_bias: Any = None
    taesd_decoder_name: str | None = None
    spacial_downscale_ratio: int = 8

    def process_in(self, latent: Tensor) -> Tensor:
        """As the network takes it."""
        return latent * self.scale_factor

    def process_out(self, latent: Tensor) -> Tensor:
        """The inverse."""
        return latent / self.scale_factor


class SD15(ComfyLatentFormat):
    """Stable Diffusion 1.x and 2.x."""

    taesd_decoder_name = "taesd_decoder"

    def __init__(self, scale_factor: float = 0.18215) -> None:
        self.scale_factor = scale_factor


class SDXL(ComfyLatentFormat):
    """Stable Diffusion XL."""

    scale_factor = 0.13025
    taesd_decoder_name = "taesdxl_decoder"


class SDXL_Playground_2_5(ComfyLatentFormat):
    """Playground v2.5."""

    scale_factor = 0.5
    taesd_decoder_name = "taesdxl_decoder"
    latents_mean = torch.tensor([-1.6574, 1.886, -1.383, 2.5155]).view(1, 4, 1, 1)
    latents_std = torch.tensor([8.4927, 5.9022, 6.5498, 5.2299]).view(1, 4, 1, 1)

    def process_in(self, latent: Tensor) -> Tensor:
        """See ComfyLatentFormat."""
        mean, deviation = self.latents_mean.to(latent), self.latents_std.to(latent)
        return (latent - mean) * self.scale_factor / deviation

    def process_out(self, latent: Tensor) -> Tensor:
        """See ComfyLatentFormat."""
        return latent * self.latents_std.to(latent) / self.scale_factor + self.latents_mean.to(latent)


class OtherFormat(ComfyLatentFormat):
    """A format that none of the classes above is."""

    def __init__(self, format_: native.LatentFormat) -> None:
        self.scale_factor, self.latent_channels = format_.scale, format_.channels
        self.latent_dimensions = 3 if format_.frames else 2
        self.spacial_downscale_ratio = format_.pixels
        self.process_in, self.process_out = format_.to_network, format_.from_network  # type: ignore[method-assign]


_BY_SCALE: Mapping[float, type[ComfyLatentFormat]] = {0.18215: SD15, 0.13025: SDXL}


def shown(format_: native.LatentFormat) -> ComfyLatentFormat:
    """A latent format as packs know it."""
    if (format_.channels, format_.pixels, format_.frames) == (4, 8, 0):
        if format_.mean:
            return SDXL_Playground_2_5()
        if format_.scale in _BY_SCALE:
            return _BY_SCALE[format_.scale]()
    return OtherFormat(format_)
