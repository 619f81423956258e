"""Schedules as values: what nodes do to a SIGMAS between a scheduler and a sampler.

SIGMAS is [n+1], float32 on the CPU, for n steps. Nothing here changes what it is given. Numbers: goldens sig_nodes,
cust_split_*.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.sampling.denoiser import ModelSampling

# A share of the way from one sigma to the next -> how far down that is, both 0..1.
SPACINGS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "cosine": lambda x: (x * math.pi / 2).sin(),
    "sine": lambda x: 1 - (x * math.pi / 2).cos(),
}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
# What stands for 0 where a schedule begins there: nothing can be divided by it.
ALMOST_ZERO = 0.0001


def check_sigmas(sigmas: object) -> Tensor:
    """The schedule, or DiffusionError where it is none: not [n+1] numbers, NaN, infinite or below 0."""
    if not isinstance(sigmas, Tensor) or sigmas.dim() != 1 or not sigmas.is_floating_point():
        got = f"{sigmas.dtype} {list(sigmas.shape)}" if isinstance(sigmas, Tensor) else type(sigmas).__name__
        raise DiffusionError(f"sigmas must be a tensor [steps + 1] of floats, got {got}")
    sigmas = sigmas.detach().to(device="cpu", dtype=torch.float32)
    bad = ~(sigmas.isfinite() & (sigmas >= 0))
    if bad.any():
        place = int(bad.nonzero()[0])
        raise DiffusionError(f"sigmas must be finite and not negative, got {float(sigmas[place])} at index {place}")
    return sigmas


def written(text: str) -> Tensor:
    """A schedule of the numbers in a text, whatever stands between them.

    Raises:
        DiffusionError: no number, or one below 0.
    """
    numbers = [float(number) for number in _NUMBER.findall(text)]
    if not numbers:
        raise DiffusionError(f"a schedule is numbers such as 1.0, 0.5, 0, got {text!r}")
    return check_sigmas(torch.tensor(numbers))


def split(sigmas: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """The schedule up to a step and from there on; the sigma between them ends the one and begins the other."""
    if step < 0:
        raise DiffusionError(f"the step to split at must not be negative, got {step}")
    return sigmas[: step + 1], sigmas[step:]


def split_denoise(sigmas: Tensor, denoise: float) -> tuple[Tensor, Tensor]:
    """The schedule before and within its last share of steps; at 0 the first part is empty, as in ComfyUI."""
    steps = max(len(sigmas) - 1, 0)
    last = round(steps * denoise)
    return sigmas[: len(sigmas) - last if last else 0], sigmas[len(sigmas) - last - 1 if len(sigmas) else 0 :]


def flip(sigmas: Tensor) -> Tensor:
    """The schedule backwards, for sampling from an image to its noise; it begins a little above 0."""
    flipped = sigmas.flip(0)
    if len(flipped) and flipped[0] == 0:
        flipped[0] = ALMOST_ZERO
    return flipped


def with_first(sigmas: Tensor, sigma: float) -> Tensor:
    """The schedule beginning at another noise level. Raises DiffusionError for an empty one."""
    if not len(sigmas):
        raise DiffusionError("the schedule is empty: it has no first sigma to set")
    changed = sigmas.clone()
    changed[0] = sigma
    return changed


def extended(sigmas: Tensor, steps: int, start: float, end: float, spacing: str) -> Tensor:
    """Each step that begins between the sigmas start and end (start below 0: any) divided into `steps` steps."""
    if spacing not in SPACINGS:
        raise DiffusionError(f"unknown spacing {spacing!r}{nearest(spacing, SPACINGS)}")
    if steps < 1:
        raise DiffusionError(f"steps must be at least 1, got {steps}")
    between = SPACINGS[spacing](torch.linspace(0, 1, steps + 1)[1:-1])
    top = math.inf if start < 0 else start
    parts = []
    for sigma, sigma_next in pairwise(sigmas):
        parts.append(sigma[None])
        if end <= float(sigma) <= top:
            parts.append(between * (sigma_next - sigma) + sigma)
    return torch.cat([*parts, sigmas[-1:]])


def percent_to_sigma(sampling: ModelSampling, percent: float, actual: bool) -> float:
    """ModelSampling.percent_to_sigma; `actual` gives the ends of the trained levels in place of the open ends."""
    ends = {0.0: sampling.sigma_max, 1.0: sampling.sigma_min}
    return ends[percent] if actual and percent in ends else sampling.percent_to_sigma(percent)


def step_at(sigmas: Tensor, sigma: float) -> int:
    """The first step that begins at or below a noise level; the number of steps where only the end does."""
    below = (sigmas <= sigma).nonzero()
    return int(below[0]) if len(below) else len(sigmas) - 1
