"""DPM-Solver-2, deterministic and ancestral."""

from __future__ import annotations

import torch
from torch import Tensor

from weft.nodes.diffusion.sampling.denoiser import EXPLODING
from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.ancestral import ancestral_step, flow_step
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State


def dpm_2(
    model: GuidedDenoiser, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """Karras et al. 2022, Algorithm 2 without churn, with the midpoint in log sigma of DPM-Solver-2 (Lu et al. 2022,
    "DPM-Solver", Algorithm 1). Two evaluations a step. Remembers nothing."""
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        d = (x - denoised) / sigmas[i]
        if sigmas[i + 1] == 0:
            x = x + d * (sigmas[i + 1] - sigmas[i])
            continue
        sigma_mid = _midpoint(sigmas[i], sigmas[i + 1])
        x_2 = x + d * (sigma_mid - sigmas[i])
        d_2 = (x_2 - model(x_2, sigma_mid)) / sigma_mid
        x = x + d_2 * (sigmas[i + 1] - sigmas[i])
    return x


def dpm_2_ancestral(
    model: GuidedDenoiser,
    x: Tensor,
    sigmas: Tensor,
    steps: range,
    noise: NoiseSource,
    state: State,
    report: Report,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """dpm_2 to sigma_down, then fresh noise (Ho et al. 2020). Two evaluations a step. Remembers nothing."""
    flow = model.sampling.process is not EXPLODING
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        d = (x - denoised) / sigmas[i]
        kept: Tensor | float = 1.0
        if flow:
            sigma_down, kept, sigma_up = flow_step(sigmas[i], sigmas[i + 1], eta)
        else:
            sigma_down, sigma_up = ancestral_step(sigmas[i], sigmas[i + 1], eta)
        if sigma_down == 0:
            x = x + d * (sigma_down - sigmas[i])
            continue
        sigma_mid = _midpoint(sigmas[i], sigma_down)
        x_2 = x + d * (sigma_mid - sigmas[i])
        d_2 = (x_2 - model(x_2, sigma_mid)) / sigma_mid
        x = kept * (x + d_2 * (sigma_down - sigmas[i])) + noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
    return x


def _midpoint(sigma: Tensor, sigma_next: Tensor) -> Tensor:
    return torch.lerp(sigma.log(), sigma_next.log(), 0.5).exp()
