"""The SDE solvers of DPM-Solver++ (Lu et al. 2022, "DPM-Solver++"): each step adds noise of its own.

t is -log sigma, h a step in it. eta scales the noise: 1 is the reverse SDE, 0 the probability flow.
"""

from __future__ import annotations

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.ancestral import ancestral_step
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State
from weft.nodes.diffusion.sampling.samplers.log_snr import in_log_snr

SOLVER_TYPES = ("midpoint", "heun")


@in_log_snr
def dpmpp_sde(
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
    r: float = 0.5,
) -> Tensor:
    """SDE-DPM-Solver++(2S), with the noise of an ancestral step at both of its stages. Two evaluations a step.

    r: where in the step, in t, the second evaluation lies. Remembers nothing.
    """
    if r <= 0:
        raise DiffusionError(f"r of dpmpp_sde must be above 0, got {r}")
    share = 1 / (2 * r)
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        if sigmas[i + 1] == 0:
            x = denoised
            continue
        t, t_next = -sigmas[i].log(), -sigmas[i + 1].log()
        sigma_mid = (-(t + r * (t_next - t))).exp()
        sigma_down, sigma_up = ancestral_step(sigmas[i], sigma_mid, eta)
        x_2 = (sigma_down / sigmas[i]) * x - (t + sigma_down.log()).expm1() * denoised
        x_2 = x_2 + noise(i, sigmas[i], sigma_mid) * (s_noise * sigma_up)
        blend = (1 - share) * denoised + share * model(x_2, sigma_mid)
        sigma_down, sigma_up = ancestral_step(sigmas[i], sigmas[i + 1], eta)
        x = (sigma_down / sigmas[i]) * x - (t + sigma_down.log()).expm1() * blend
        x = x + noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
    return x


@in_log_snr
def dpmpp_2m_sde(
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
    solver_type: str = "midpoint",
) -> Tensor:
    """SDE-DPM-Solver++(2M): second order from the previous prediction, one evaluation a step.

    solver_type: how the change of the prediction enters, "midpoint" or "heun".
    state["denoised"]: the prediction of the step before.
    """
    if solver_type not in SOLVER_TYPES:
        raise DiffusionError(f"unknown solver type {solver_type!r}{nearest(solver_type, SOLVER_TYPES)}")
    previous = state.get("denoised")
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        if sigmas[i + 1] == 0:
            x, previous = denoised, denoised
            continue
        t, t_next = -sigmas[i].log(), -sigmas[i + 1].log()
        h = t_next - t
        h_eta = h * (1 + eta)
        gain = -(-h_eta).expm1()
        x = (sigmas[i + 1] / sigmas[i]) * (-h * eta).exp() * x + gain * denoised
        if previous is not None:
            r = (t + sigmas[i - 1].log()) / h
            weight = gain / 2 if solver_type == "midpoint" else 1 - gain / h_eta
            x = x + weight / r * (denoised - previous)
        if eta:
            sigma_up = sigmas[i + 1] * (-(-2 * h * eta).expm1()).sqrt()
            x = x + noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
        previous = denoised
    if previous is not None:
        state["denoised"] = previous
    return x


@in_log_snr
def dpmpp_3m_sde(
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
    """The third-order multistep SDE solver of k-diffusion, from two previous predictions. One evaluation a step.

    state["denoised"]: [k,B,C,h,w], the last k <= 2 predictions, newest first.
    """
    past = list(state["denoised"]) if "denoised" in state else []
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        if sigmas[i + 1] == 0:
            x, past = denoised, [denoised, *past][:2]
            continue
        h = sigmas[i].log() - sigmas[i + 1].log()
        h_eta = h * (1 + eta)
        x = (-h_eta).exp() * x - (-h_eta).expm1() * denoised
        phi_2 = (-h_eta).expm1() / h_eta + 1
        if past:
            r_0 = (sigmas[i - 1].log() - sigmas[i].log()) / h
            d_0 = (denoised - past[0]) / r_0
            if len(past) == 1:
                x = x + phi_2 * d_0
            else:
                r_1 = (sigmas[i - 2].log() - sigmas[i - 1].log()) / h
                d_1 = (past[0] - past[1]) / r_1
                bend = (d_0 - d_1) / (r_0 + r_1)
                phi_3 = phi_2 / h_eta - 0.5
                x = x + phi_2 * (d_0 + r_0 * bend) - phi_3 * bend
        if eta:
            sigma_up = sigmas[i + 1] * (-(-2 * h * eta).expm1()).sqrt()
            x = x + noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
        past = [denoised, *past][:2]
    if past:
        state["denoised"] = torch.stack(past)
    return x
