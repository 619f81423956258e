"""Networks that enlarge latents: city96's SD-Latent-Upscaler (Apache-2.0), a small stack of convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.known import describe
from weft.nodes.diffusion.finite import finite
from weft.nodes.diffusion.values.latents import Latent, samples_of
from weft.nodes.diffusion.values.masks import as_masks
from weft.nodes.diffusion.values.pixels import as_pictures, as_videos
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.networks import Part, build, check, fill, in_file
from weft.nodes.diffusion.weights.weightfile import WeightFile


class LatentUpscaler(nn.Module):
    """Convolutions with ReLUs between, and the enlargement behind the first.

    widths: channels of the latent, and behind each convolution.
    """

    def __init__(self, widths: list[int], kernel: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(a, b, kernel, padding=kernel // 2) for a, b in pairwise(widths))

    def forward(self, latent: Tensor, factor: float) -> Tensor:
        """[B,C,h,w] -> [B,C,h*factor,w*factor], unscaled latents."""
        first, *inner, last = self.convs
        x = interpolate(first(latent).relu(), scale_factor=factor, mode="nearest")
        for conv in inner:
            x = conv(x).relu()
        result: Tensor = last(x)
        return result


def plan_latent_upscaler(shapes: Mapping[str, tuple[int, ...]]) -> Part:
    """The network of a file, still without weights; every key and shape is checked.

    Raises:
        CheckpointError: the file holds something else.
    """
    own = Shapes(shapes)
    places = own.indices(r"sequential\.(\d+)\.weight")
    if len(places) < 2:
        raise CheckpointError(f"no SD-Latent-Upscaler, but {describe(shapes)}")
    stored = [own.of(f"sequential.{place}.weight", 4) for place in places]
    widths = [stored[0][1], *(shape[0] for shape in stored)]
    if widths[-1] != widths[0]:
        raise CheckpointError(f"an SD-Latent-Upscaler of {widths[0]} channels that gives {widths[-1]}")
    network = build("LatentUpscaler", lambda config: LatentUpscaler(*config), (widths, stored[0][-1]))
    landings = {
        f"sequential.{place}.{leaf}": (Landing(f"convs.{number}.{leaf}"),)
        for number, place in enumerate(places)
        for leaf in ("weight", "bias")
    }
    part = Part("latent upscaler", "", network, landings)
    check([part], shapes)
    return part


def upscale_with(path: Path, latent: Latent, factor: float, memory: DeviceMemory) -> Latent:
    """Enlarge a latent by the network in a file; a noise mask is enlarged too (bicubic).

    Args:
        latent: {"samples": [B,C,h,w] or [B,C,T,h,w] unscaled, "noise_mask"?: [m,H,W]}.
        factor: the one that the file was trained for.

    Raises:
        CheckpointError: no such network in the file. DiffusionError: a latent of other channels, NaN or infinity.
    """
    samples = samples_of(latent)
    with in_file(path):
        file = WeightFile(path)
        part = plan_latent_upscaler(file.shapes)
        fill(file, [part], {part.name: torch.float32})
    module: Any = part.module

    def enlarge(network: Any, x: Tensor) -> Tensor:
        result: Tensor = network(x.to(next(network.parameters())), factor)
        return result

    channels = module.convs[0].in_channels
    if samples.shape[1] != channels:
        raise DiffusionError(f"this latent upscaler takes {channels} channels, got {samples.shape[1]}")
    with memory.on_device(module), torch.inference_mode():
        enlarged = finite(module, enlarge, "the latent upscaler")(as_pictures(samples)).cpu()
    result: Latent = {**latent, "samples": as_videos(enlarged, samples).clone()}
    noise_mask = latent.get("noise_mask")
    if noise_mask is not None:
        mask = as_masks(noise_mask).float()[:, None]
        result["noise_mask"] = interpolate(mask, scale_factor=factor, mode="bicubic")[:, 0]
    return result
