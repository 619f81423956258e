"""Pictures in the place of a model's pooled text, with noise: Ramesh et al. 2022, "unCLIP"; SDXL's Revision.

The numbers follow ComfyUI's definition: no reference values are at hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.clip_vision import VisionOutput

LEVELS = 1000
# What the seed of the picture's noise is less than the run's.
SEED_OFFSET = 10
# How far a mix of several pictures is noised again.
MIXED = 0.05
KEY = "unclip_conditioning"


def with_picture(conditioning: Sequence[Any], seen: VisionOutput, strength: float, noise: float) -> list[Any]:
    """The prompts with one more picture, as a vision tower read it; as they are at strength 0.

    noise: how far its vector is noised, 0..1.

    Raises:
        DiffusionError: a vision tower without a projection, as SigLIP's.
    """
    if strength == 0:
        return list(conditioning)
    if seen.image_embeds.dim() != 2:
        raise DiffusionError("the vision model gives no vector for a picture; expected one of CLIP's")
    entry = {"clip_vision_output": seen, "strength": strength, "noise_augmentation": noise}
    return [[context, {**options, KEY: [*options.get(KEY, ()), entry]}] for context, options in conditioning]


def vector(entries: Sequence[Mapping[str, Any]], width: int, seed: int) -> Tensor:
    """[1,width]: the vectors of all pictures, noised and weighed; several are added up and noised again at level 0.

    seed: of the run.

    Raises:
        DiffusionError: vectors of another width.
    """
    made = [noised(embeds, noise, seed) * strength for embeds, noise, strength in _pictures(entries, width)]
    return made[0] if len(made) == 1 else noised(torch.stack(made).sum(dim=0), 0.0, seed)


def with_level(entries: Sequence[Mapping[str, Any]], width: int, seed: int) -> Tensor:
    """[1,2*width] for SD 2.x unCLIP: the vectors of all pictures, and how noisy they are; zeros without a picture.

    Arguments and errors as vector's.
    """
    if not entries:
        return torch.zeros(1, 2 * width)
    made = [
        torch.cat((noised(embeds, noise, seed), _level(noise, width)), dim=1) * strength
        for embeds, noise, strength in _pictures(entries, width)
    ]
    if len(made) == 1:
        return made[0]
    mixed = torch.stack(made).sum(dim=0)[:, :width]
    return torch.cat((noised(mixed, MIXED, seed), _level(MIXED, width)), dim=1)


def _level(share: float, width: int) -> Tensor:
    """[1,width]: a noise level as transformers are told a place, first the cosines (Vaswani et al. 2017)."""
    half = width // 2
    angles = round((LEVELS - 1) * share) * torch.exp(-math.log(10_000) * torch.arange(half) / half)
    return torch.cat((angles.cos(), angles.sin()))[None]


def noised(vectors: Tensor, share: float, seed: int) -> Tensor:
    """Vectors [1,P] at a share of the way to pure noise; a little noise is in them at 0, too. seed: of the run."""
    kept = float(_kept()[round((LEVELS - 1) * share)])
    noise = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(seed - SEED_OFFSET))
    return vectors.float() * math.sqrt(kept) + noise * math.sqrt(1.0 - kept)


def _pictures(entries: Sequence[Mapping[str, Any]], width: int) -> Iterator[tuple[Tensor, float, float]]:
    """(its vector [1,width], its noise, its strength) of each picture."""
    for entry in entries:
        for embeds in entry["clip_vision_output"].image_embeds:
            if len(embeds) != width:
                raise DiffusionError(
                    f"a picture was read as {len(embeds)} numbers, the model takes {width}: it needs another vision "
                    "model (SDXL: clip_vision_g; SD 2.x unCLIP: the one in its checkpoint)"
                )
            yield embeds[None], entry["noise_augmentation"], entry["strength"]


@cache
def _kept() -> Tensor:
    """[LEVELS] float64: the share of the picture's variance at each level; Nichol & Dhariwal 2021, equation 17."""

    def course(t: float) -> float:
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1.0 - course((level + 1) / LEVELS) / course(level / LEVELS), 0.999) for level in range(LEVELS)]
    return torch.cumprod(1.0 - torch.tensor(betas, dtype=torch.float64), dim=0)
