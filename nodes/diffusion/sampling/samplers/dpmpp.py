"""The DPM-Solver++ family (Lu et al. 2022, "DPM-Solver++"), without its SDE solvers; t is -log sigma."""

from __future__ import annotations

from torch import Tensor

from weft.nodes.diffusion.sampling.denoiser import EXPLODING
from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.ancestral import ancestral_step, flow_step
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State


def dpmpp_2m(
    model: GuidedDenoiser, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """DPM-Solver++(2M), Algorithm 2: second order from the previous prediction, one evaluation a step.

    state["denoised"]: the prediction of the step before. The first step of a run and the one to 0 are of first order.
    """
    previous = state.get("denoised")
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        t, t_next = -sigmas[i].log(), -sigmas[i + 1].log()
        h = t_next - t
        blend = denoised
        if previous is not None and sigmas[i + 1] != 0:
            h_last = t + sigmas[i - 1].log()
            r = h_last / h
            blend = (1 + 1 / (2 * r)) * denoised - (1 / (2 * r)) * previous
        x = ((-t_next).exp() / (-t).exp()) * x - (-h).expm1() * blend
        previous = denoised
    if previous is not None:
        state["denoised"] = previous
    return x


def dpmpp_2m_cfg_pp(
    model: GuidedDenoiser, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """DPM-Solver++(2M) with CFG++ (Chung et al. 2024): noise put back and earlier prediction are the unguided ones.

    state["uncond"]: the unguided prediction of the step before.
    """
    previous = state.get("uncond")
    for i in steps:
        denoised, uncond = model.with_uncond(x, sigmas[i])
        report(i, x, denoised)
        t, t_next = -sigmas[i].log(), -sigmas[i + 1].log()
        h = t_next - t
        change = -(-h).exp() * uncond
        if previous is not None and sigmas[i + 1] != 0:
            r = (t + sigmas[i - 1].log()) / h
            change = change - (-h).expm1() / (2 * r) * (denoised - previous)
        x = denoised + change + (-h).exp() * x
        previous = uncond
    if previous is not None:
        state["uncond"] = previous
    return x


def dpmpp_2s_ancestral(
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
    """DPM-Solver++(2S), Algorithm 1, to sigma_down, then fresh noise. Two evaluations a step. Remembers nothing."""
    if model.sampling.process is not EXPLODING:
        return _dpmpp_2s_ancestral_of_flow(model, x, sigmas, steps, noise, report, eta=eta, s_noise=s_noise)
    r = 0.5
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        sigma_down, sigma_up = ancestral_step(sigmas[i], sigmas[i + 1], eta)
        if sigma_down == 0:
            x = denoised
        else:
            t, t_down = -sigmas[i].log(), -sigma_down.log()
            h = t_down - t
            sigma_mid = (-(t + r * h)).exp()
            x_2 = (sigma_mid / sigmas[i]) * x - (-r * h).expm1() * denoised
            denoised_2 = model(x_2, sigma_mid)
            x = (sigma_down / sigmas[i]) * x - (-h).expm1() * denoised_2
        if sigmas[i + 1] > 0:
            x = x + noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
    return x


def _dpmpp_2s_ancestral_of_flow(
    model: GuidedDenoiser,
    x: Tensor,
    sigmas: Tensor,
    steps: range,
    noise: NoiseSource,
    report: Report,
    *,
    eta: float,
    s_noise: float,
) -> Tensor:
    """The same with the midpoint half-way in the log of signal to noise, on the straight lines of a flow."""
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        sigma_down, kept, sigma_up = flow_step(sigmas[i], sigmas[i + 1], eta)
        if sigma_down == 0:
            x = denoised
            continue
        # Pure noise has no log of signal to noise: as ComfyUI's numbers, almost all of it then stays for the midpoint.
        middle = (sigmas[i].logit() + sigma_down.logit()) / 2
        sigma_mid = middle.sigmoid() if sigmas[i] < 1 else sigmas.new_tensor(0.9999)
        denoised_2 = model(denoised + (sigma_mid / sigmas[i]) * (x - denoised), sigma_mid)
        x = denoised_2 + (sigma_down / sigmas[i]) * (x - denoised_2)
        x = kept * x + noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
    return x


def dpmpp_2s_ancestral_cfg_pp(
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
    """dpmpp_2s_ancestral with CFG++ (Chung et al. 2024): the noise put back is the unguided one. Remembers nothing.

    As in ComfyUI's numbers the second half takes the unguided prediction of the midpoint from that of the start, so
    that more steps do not bring it nearer to a solution.
    """
    r = 0.5
    for i in steps:
        denoised, uncond = model.with_uncond(x, sigmas[i])
        report(i, x, denoised)
        sigma_down, sigma_up = ancestral_step(sigmas[i], sigmas[i + 1], eta)
        if sigma_down == 0:
            x = denoised
        else:
            t, t_down = -sigmas[i].log(), -sigma_down.log()
            h = t_down - t
            sigma_mid = (-(t + r * h)).exp()
            # What the guidance changed is not noise: x is moved by it before its noise is scaled down.
            x_2 = (sigma_mid / sigmas[i]) * (x + (denoised - uncond)) - (-r * h).expm1() * denoised
            denoised_2, uncond_2 = model.with_uncond(x_2, sigma_mid)
            x = (sigma_down / sigmas[i]) * (x + (denoised - uncond_2)) - (-h).expm1() * denoised_2
        if sigmas[i + 1] > 0:
            x = x + noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
    return x
