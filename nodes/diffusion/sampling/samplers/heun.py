"""Heun's method, and Heun++."""

from __future__ import annotations

from torch import Tensor

from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State


def heun(
    model: GuidedDenoiser, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
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


def heunpp2(
    model: GuidedDenoiser, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """Heun++ (Carzit, sd-webui-samplers-scheduler): Heun with up to three slopes, each weighed by its sigma.

    Three evaluations a step, two in the last but one, one in the last. Remembers nothing.
    """
    last = sigmas[-1]
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        d = (x - denoised) / sigmas[i]
        dt = sigmas[i + 1] - sigmas[i]
        x_2 = x + d * dt
        if sigmas[i + 1] == last:
            x = x_2
            continue
        d_2 = (x_2 - model(x_2, sigmas[i + 1])) / sigmas[i + 1]
        if sigmas[i + 2] == last:
            w_2 = sigmas[i + 1] / (2 * sigmas[0])
            x = x + ((1 - w_2) * d + w_2 * d_2) * dt
            continue
        x_3 = x_2 + d_2 * (sigmas[i + 2] - sigmas[i + 1])
        d_3 = (x_3 - model(x_3, sigmas[i + 2])) / sigmas[i + 2]
        w_2, w_3 = sigmas[i + 1] / (3 * sigmas[0]), sigmas[i + 2] / (3 * sigmas[0])
        x = x + ((1 - w_2 - w_3) * d + w_2 * d_2 + w_3 * d_3) * dt
    return x
