"""Solvers that no sampler name stands for: a node of its own offers each."""

from __future__ import annotations

import numpy
from torch import Tensor

from weft.nodes.diffusion.sampling.noise import NoiseSource, ShapedNoise
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State
from weft.nodes.diffusion.values.pixels import resize


def euler_cfg_pp_alternative(
    model: GuidedDenoiser, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """Euler whose slope is the guided one, less once more what the guidance added. Remembers nothing.

    Kin of CFG++ (Chung et al. 2024), where the noise put back is the unguided one.
    """
    for i in steps:
        denoised, uncond = model.with_uncond(x, sigmas[i])
        report(i, x, denoised)
        d = ((x - denoised + uncond) - denoised) / sigmas[i]
        x = x + d * (sigmas[i + 1] - sigmas[i])
    return x


def lcm_upscale(
    model: GuidedDenoiser,
    x: Tensor,
    sigmas: Tensor,
    steps: range,
    noise: ShapedNoise,
    state: State,
    report: Report,
    *,
    scale_ratio: float = 1.0,
    scale_steps: int | None = None,
    upscale_method: str = "bislerp",
) -> Tensor:
    """lcm that enlarges its prediction between steps, until it is scale_ratio times as large. Remembers nothing.

    scale_steps: over how many steps, evenly; None for about the first half.
    """
    n = len(sigmas) - 1
    over = max((n + 1) // 2 + 1, 2) - 1 if scale_steps is None else min(scale_steps, n + 1)
    scales = numpy.linspace(1.0, scale_ratio, over + 1)[1:]
    height, width = x.shape[-2:]
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        x = denoised
        if i < len(scales):
            x = resize(x, round(width * scales[i]), round(height * scales[i]), upscale_method)
        if sigmas[i + 1] > 0:
            x = model.sampling.noised(x, noise.like(x), sigmas[i + 1])
    return x
