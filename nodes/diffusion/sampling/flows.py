"""Schedules of rectified flows that depend on the size of what is sampled.

Long sequences of tokens keep their content longer under noise, so their schedules are shifted towards it (Esser et al.
2024, section 5.3.2): the level t of 0..1 becomes e^mu / (e^mu + 1/t - 1).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, whole_number
from weft.nodes.diffusion.values.latents import samples_of

if TYPE_CHECKING:
    from weft.nodes.diffusion.values.latents import Latent

# The numbers of tokens between which the published shifts of a model are interpolated.
FLUX_TOKENS = (256, 4096)
LTXV_TOKENS = (1024, 4096)
# Tokens of a video whose latent is not known.
ASSUMED_TOKENS = 4096


def by_size(tokens: float, base: float, most: float, between: tuple[int, int]) -> float:
    """mu on the line through `base` and `most` at two numbers of tokens."""
    low, high = between
    slope = (most - base) / (high - low)
    return tokens * slope + (base - slope * low)


def tokens_of(latent: Latent | None) -> int:
    """Elements of a latent in space and time, which are the tokens of LTX-Video."""
    return ASSUMED_TOKENS if latent is None else math.prod(samples_of(latent).shape[2:])


def shifted(levels: Tensor, mu: float) -> Tensor:
    """Levels of 0..1 shifted towards noise; 0 stays 0."""
    factor = math.exp(mu)
    return torch.where(levels > 0, factor / (factor + (1.0 / levels - 1.0)), 0.0)


def ltxv(steps: int, mu: float, terminal: float | None) -> Tensor:
    """steps + 1 levels from 1 to 0, shifted; stretched so that the last above 0 is `terminal`, if one is given.

    With one step there is nothing to stretch: its levels are 1 and 0.
    """
    whole_number("steps", steps, 1)
    levels = shifted(torch.linspace(1.0, 0.0, steps + 1), mu)
    if terminal is None or steps < 2:
        return levels
    if not terminal < 1.0:
        raise DiffusionError(f"the terminal noise level must be below 1, got {terminal}")
    rest = 1.0 - levels[:-1]
    return torch.cat([1.0 - rest / (rest[-1] / (1.0 - terminal)), levels[-1:]])


def flux2(steps: int, width: int, height: int) -> Tensor:
    """The schedule of Black Forest Labs' FLUX.2 for a picture in pixels: steps + 1 levels from 1 to 0."""
    whole_number("steps", steps, 1)
    return shifted(torch.linspace(1.0, 0.0, steps + 1), flux2_mu(round(width * height / 256), steps))


def flux2_mu(tokens: int, steps: int) -> float:
    """Black Forest Labs' fit: a line in the tokens for 10 steps and one for 200, interpolated; the latter for many."""
    at_200 = 0.00016927 * tokens + 0.45666666
    if tokens > 4300:
        return at_200
    slope = (at_200 - (8.73809524e-05 * tokens + 1.89833333)) / 190.0
    return at_200 - slope * (200.0 - steps)
