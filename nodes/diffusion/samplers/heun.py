"""Heun's method."""

from __future__ import annotations

from torch import Tensor

from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.samplers.interface import Model, Report, State


def heun(
    model: Model, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """Karras et al. 2022, Algorithm 1: second order, two evaluations a step. Remembers nothing."""
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        d = (x - denoised) / sigmas[i]
        dt = sigmas[i + 1] - sigmas[i]
        if sigmas[i + 1] == 0:
            x = x + d * dt
            continue
        x_2 = x + d * dt
        d_2 = (x_2 - model(x_2, sigmas[i + 1])) / sigmas[i + 1]
        x = x + (d + d_2) / 2 * dt
    return x
