"""Gradient estimation, also with CFG++ (Chung et al. 2024)."""

from __future__ import annotations

from torch import Tensor

from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State


def gradient_estimation(
    model: GuidedDenoiser,
    x: Tensor,
    sigmas: Tensor,
    steps: range,
    noise: NoiseSource,
    state: State,
    report: Report,
    *,
    ge_gamma: float = 2.0,
) -> Tensor:
    """Permenter & Yuan 2023, "Interpreting and Improving Diffusion Models from an Optimization Perspective".

    Algorithm 2. ge_gamma: how far to go from the last derivative through this one and beyond; 1 is Euler's method.
    state["derivative"]: that of the step before. A step to 0 gives the prediction.
    """
    previous = state.get("derivative")
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        d = (x - denoised) / sigmas[i]
        if sigmas[i + 1] == 0:
            x = denoised
        else:
            d_bar = d if previous is None else ge_gamma * d + (1 - ge_gamma) * previous
            x = x + d_bar * (sigmas[i + 1] - sigmas[i])
        previous = d
    if previous is not None:
        state["derivative"] = previous
    return x


def gradient_estimation_cfg_pp(
    model: GuidedDenoiser,
    x: Tensor,
    sigmas: Tensor,
    steps: range,
    noise: NoiseSource,
    state: State,
    report: Report,
    *,
    ge_gamma: float = 2.0,
) -> Tensor:
    """gradient_estimation with CFG++: the derivative, and the noise put back, are the unguided ones.

    state["derivative"]: that of the step before. A step to 0 gives the prediction.
    """
    previous = state.get("derivative")
    for i in steps:
        denoised, uncond = model.with_uncond(x, sigmas[i])
        report(i, x, denoised)
        d = (x - uncond) / sigmas[i]
        x = denoised + d * sigmas[i + 1]
        if previous is not None and sigmas[i + 1] != 0:
            x = x + (ge_gamma - 1) * (d - previous) * (sigmas[i + 1] - sigmas[i])
        previous = d
    if previous is not None:
        state["derivative"] = previous
    return x
