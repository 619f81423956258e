"""Patches on feature maps: FreeU and Deep Shrink."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.pixels import resize

if TYPE_CHECKING:
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

# How many entries of the spectrum on either side of its centre FreeU takes for low frequencies.
LOW_FREQUENCIES = 1


def free_u(model: ModelPatcher, b1: float, b2: float, s1: float, s2: float) -> ModelPatcher:
    """Si et al. 2023, "FreeU": in the decoder, more of the feature maps and less of the skips' low frequencies.

    b1, s1: factors where the feature map has 4 times the network's base channels; b2, s2: where it has 2 times.
    """
    return _free_u(model, FreeU(_by_channels(model, b1, b2, s1, s2), by_content=False))


def free_u_v2(model: ModelPatcher, b1: float, b2: float, s1: float, s2: float) -> ModelPatcher:
    """FreeU with factors that follow the content of the feature map (the authors' second version)."""
    return _free_u(model, FreeU(_by_channels(model, b1, b2, s1, s2), by_content=True))


def deep_shrink(
    model: ModelPatcher,
    block_number: int,
    downscale_factor: float,
    start_percent: float,
    end_percent: float,
    downscale_after_skip: bool,
    downscale_method: str,
    upscale_method: str,
) -> ModelPatcher:
    """kohya-ss 2023, "Deep Shrink": early in a run the inner blocks work on a smaller map, against doubled subjects.

    block_number: the input block whose map is shrunk. downscale_after_skip: its skip connection keeps the size.
    """
    if not downscale_factor > 0:
        raise DiffusionError(f"downscale_factor must be above 0, got {downscale_factor}")
    sigmas = (model.sampling.percent_to_sigma(start_percent), model.sampling.percent_to_sigma(end_percent))
    place = "input_block_patch_after_skip" if downscale_after_skip else "input_block_patch"
    clone = model.clone()
    clone.set_model_patch(Shrink(block_number, 1.0 / downscale_factor, *sigmas, downscale_method), place)
    clone.set_model_output_block_patch(MatchSkip(upscale_method))
    return clone


@dataclass(frozen=True)
class FreeU:
    """An output_block_patch. factors: (channels, b, s) for each feature map that it changes."""

    factors: tuple[tuple[int, float, float], ...]
    by_content: bool

    def __call__(self, h: Tensor, skip: Tensor, options: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        for channels, b, s in self.factors:
            if h.shape[1] == channels:
                half = channels // 2
                factor = 1 + (b - 1) * _content(h) if self.by_content else b
                return torch.cat([h[:, :half] * factor, h[:, half:]], dim=1), _less_low_frequencies(skip, s)
        return h, skip


@dataclass(frozen=True)
class Shrink:
    """An input_block_patch, active at the noise levels between two, both included."""

    block_number: int
    factor: float
    sigma_start: float
    sigma_end: float
    method: str

    def __call__(self, h: Tensor, options: Mapping[str, Any]) -> Tensor:
        if options["block"][1] != self.block_number or not self.sigma_end <= options["sigmas"][0] <= self.sigma_start:
            return h
        height, width = (round(side * self.factor) for side in h.shape[-2:])
        return resize(h, width, height, self.method)


@dataclass(frozen=True)
class MatchSkip:
    """An output_block_patch that brings a feature map to the size of the skip connection it is joined with."""

    method: str

    def __call__(self, h: Tensor, skip: Tensor, options: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        if h.shape[-2:] != skip.shape[-2:]:
            h = resize(h, skip.shape[-1], skip.shape[-2], self.method)
        return h, skip


def _free_u(model: ModelPatcher, patch: FreeU) -> ModelPatcher:
    clone = model.clone()
    clone.set_model_output_block_patch(patch)
    return clone


def _by_channels(
    model: ModelPatcher, b1: float, b2: float, s1: float, s2: float
) -> tuple[tuple[int, float, float], ...]:
    base = model.places.channels
    return (4 * base, b1, s1), (2 * base, b2, s2)


def _content(h: Tensor) -> Tensor:
    """[N,1,h,w]: the mean over channels, stretched to 0..1 for each item; NaN for a map of one value."""
    mean = h.mean(dim=1, keepdim=True)
    low, high = mean.amin(dim=(2, 3), keepdim=True), mean.amax(dim=(2, 3), keepdim=True)
    return (mean - low) / (high - low)


def _less_low_frequencies(x: Tensor, scale: float) -> Tensor:
    spectrum: Tensor = torch.fft.fftshift(torch.fft.fftn(x.float(), dim=(-2, -1)), dim=(-2, -1))
    row, column = x.shape[-2] // 2, x.shape[-1] // 2
    # A side of 1 gives the slice [-1:1], which holds its one entry.
    rows, columns = (slice(at - LOW_FREQUENCIES, at + LOW_FREQUENCIES) for at in (row, column))
    spectrum[..., rows, columns] *= scale
    image: Tensor = torch.fft.ifftn(torch.fft.ifftshift(spectrum, dim=(-2, -1)), dim=(-2, -1))
    return image.real.to(x.dtype)
