"""RES: the second-order exponential integrator of Zhang et al. 2023, "Improved Order Analysis and Design of Exponential
Integrator for Diffusion Models Sampling", in its multistep form, and with CFG++ (Chung et al. 2024).

With eta above 0 a step goes to sigma_down and adds fresh noise (Ho et al. 2020). t is -log sigma, h a step in it.
"""

from __future__ import annotations

from torch import Tensor

from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.ancestral import ancestral_step
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State


def res_multistep(
    model: GuidedDenoiser,
    x: Tensor,
    sigmas: Tensor,
    steps: range,
    noise: NoiseSource,
    state: State,
    report: Report,
    *,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """One evaluation a step.

    state["denoised"]: the prediction of the step before. The first step of a run and the one to 0 are of first order.
    """
    previous = state.get("denoised")
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        sigma_down, sigma_up = ancestral_step(sigmas[i], sigmas[i + 1], eta)
        if sigma_down == 0 or previous is None:
            x = x + (x - denoised) / sigmas[i] * (sigma_down - sigmas[i])
        else:
            h, b_1, b_2 = _weights(sigmas, i, sigma_down, eta)
            x = (-h).exp() * x + h * (b_1 * denoised + b_2 * previous)
        if eta and sigmas[i + 1] > 0:
            x = x + noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
        previous = denoised
    if previous is not None:
        state["denoised"] = previous
    return x


def res_multistep_cfg_pp(
    model: GuidedDenoiser,
    x: Tensor,
    sigmas: Tensor,
    steps: range,
    noise: NoiseSource,
    state: State,
    report: Report,
    *,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """res_multistep with CFG++: the noise put back is the unguided one. One evaluation a step.

    state["uncond"]: the unguided prediction of the step before.
    """
    previous = state.get("uncond")
    for i in steps:
        denoised, uncond = model.with_uncond(x, sigmas[i])
        report(i, x, denoised)
        sigma_down, sigma_up = ancestral_step(sigmas[i], sigmas[i + 1], eta)
        if sigma_down == 0 or previous is None:
            x = denoised + (x - uncond) / sigmas[i] * sigma_down
        else:
            h, b_1, b_2 = _weights(sigmas, i, sigma_down, eta)
            x = (-h).exp() * (x + (denoised - uncond)) + h * (b_1 * uncond + b_2 * previous)
        if eta and sigmas[i + 1] > 0:
            x = x + noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
        previous = uncond
    if previous is not None:
        state["uncond"] = previous
    return x


def _weights(sigmas: Tensor, i: int, sigma_down: Tensor, eta: float) -> tuple[Tensor, Tensor, Tensor]:
    """h of the step to sigma_down, and the weights of this prediction and the one before it."""
    h = sigmas[i].log() - sigma_down.log()
    # The step before ended at its own sigma_down: that far back, in h, lies its prediction.
    before, _ = ancestral_step(sigmas[i - 1], sigmas[i], eta)
    c_2 = (before.log() - sigmas[i - 1].log()) / h
    phi_1 = (-h).expm1() / -h
    phi_2 = (phi_1 - 1) / -h
    b_2 = phi_2 / c_2
    return h, phi_1 - b_2, b_2
