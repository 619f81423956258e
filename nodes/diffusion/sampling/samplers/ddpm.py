"""DDPM's ancestral sampling, as the paper writes it."""

from __future__ import annotations

from torch import Tensor

from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State


def ddpm(
    model: GuidedDenoiser, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """Ho et al. 2020, Algorithm 2, between any two levels, with the posterior's variance. Remembers nothing.

    In the paper's variables alpha_bar = 1 / (1 + sigma^2), and its x is ours times sqrt(alpha_bar).
    """
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        epsilon = (x - denoised) / sigmas[i]
        alpha_bar, alpha_bar_next = 1 / (sigmas[i] ** 2 + 1), 1 / (sigmas[i + 1] ** 2 + 1)
        alpha = alpha_bar / alpha_bar_next
        x = (1 / alpha).sqrt() * (alpha_bar.sqrt() * x - (1 - alpha) / (1 - alpha_bar).sqrt() * epsilon)
        if sigmas[i + 1] > 0:
            variance = (1 - alpha) * (1 - alpha_bar_next) / (1 - alpha_bar)
            x = x + variance.sqrt() * noise(i, sigmas[i], sigmas[i + 1])
        x = x / alpha_bar_next.sqrt()
    return x
