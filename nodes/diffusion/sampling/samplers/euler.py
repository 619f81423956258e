"""Euler's method, deterministic and ancestral, each also with CFG++ (Chung et al. 2024)."""

from __future__ import annotations

from torch import Tensor

from weft.nodes.diffusion.sampling.denoiser import EXPLODING
from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.ancestral import ancestral_step, flow_step
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State


def euler(
    model: GuidedDenoiser, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """Karras et al. 2022, Algorithm 2 without its correction and churn. Remembers nothing."""
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        d = (x - denoised) / sigmas[i]
        x = x + d * (sigmas[i + 1] - sigmas[i])
    return x


def euler_ancestral(
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
    """Euler to sigma_down, then fresh noise: Ho et al. 2020's ancestral sampling in sigma. Remembers nothing."""
    flow = model.sampling.process is not EXPLODING
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        if flow and sigmas[i + 1] > 0:
            sigma_down, kept, sigma_up = flow_step(sigmas[i], sigmas[i + 1], eta)
            x = denoised + (sigma_down / sigmas[i]) * (x - denoised)
            x = kept * x + noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
            continue
        sigma_down, sigma_up = ancestral_step(sigmas[i], sigmas[i + 1], eta)
        if sigma_down == 0:
            x = denoised
            continue
        d = (x - denoised) / sigmas[i]
        x = x + d * (sigma_down - sigmas[i]) + noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
    return x


def euler_cfg_pp(
    model: GuidedDenoiser, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """Euler with CFG++: the noise that is put back is the unguided one. Remembers nothing."""
    signal = model.sampling.process.signal
    for i in steps:
        denoised, uncond = model.with_uncond(x, sigmas[i])
        report(i, x, denoised)
        d = (x - signal(sigmas[i]) * uncond) / sigmas[i]
        x = signal(sigmas[i + 1]) * denoised + d * sigmas[i + 1]
    return x


def euler_ancestral_cfg_pp(
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
    """euler_cfg_pp to sigma_down, then fresh noise. Remembers nothing."""
    signal = model.sampling.process.signal
    for i in steps:
        denoised, uncond = model.with_uncond(x, sigmas[i])
        report(i, x, denoised)
        before, after = signal(sigmas[i]), signal(sigmas[i + 1])
        # By the ratio of noise to signal, which pure noise has none of.
        sigma_down, sigma_up = ancestral_step(sigmas[i] / before, sigmas[i + 1] / after, eta)
        sigma_down, sigma_up = sigma_down * after, sigma_up * after
        d = (x - before * uncond) / sigmas[i]
        x = after * denoised + d * sigma_down
        if sigmas[i + 1] > 0:
            x = x + noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
    return x
