"""Sampling from a consistency model."""

from __future__ import annotations

from torch import Tensor

from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State


def lcm(
    model: GuidedDenoiser, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """Song et al. 2023, "Consistency Models", Algorithm 1: predict, and noise again to the next level.

    Remembers nothing.
    """
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        x = denoised
        if sigmas[i + 1] > 0:
            x = model.sampling.noised(x, noise(i, sigmas[i], sigmas[i + 1]), sigmas[i + 1])
    return x
