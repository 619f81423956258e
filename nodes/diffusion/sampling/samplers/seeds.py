"""SEEDS (Gonzalez et al. 2023, "SEEDS: Exponential SDE Solvers for Fast High-Quality Sampling from Diffusion Models").

Exponential integrators of the reverse SDE with several stages, whose noises share increments of one path. With two
stages, the second at the end of the step, that is Heun's method (Hochbruck & Ostermann 2010, "Exponential
integrators"). t is -log sigma, h a step in it. eta scales the noise: 1 is the reverse SDE, 0 the probability flow. They
remember nothing.
"""

from __future__ import annotations

from torch import Tensor

from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State
from weft.nodes.diffusion.sampling.samplers.log_snr import in_log_snr


@in_log_snr
def seeds_2(
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
    """Two evaluations a step, the second half-way in t."""
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        if sigmas[i + 1] == 0:
            x = denoised
            continue
        t = -sigmas[i].log()
        h = -sigmas[i + 1].log() - t
        h_eta = h * (1 + eta)
        sigma_mid = (-(t + h / 2)).exp()
        x_2 = (sigma_mid / sigmas[i]) * (-h * eta / 2).exp() * x - (-h_eta / 2).expm1() * denoised
        x_next = (sigmas[i + 1] / sigmas[i]) * (-h * eta).exp() * x
        if eta and s_noise:
            faded_1, faded_2 = (-h * eta).exp(), (-2 * h * eta).exp()
            c_1, c_2 = (1 - faded_1).sqrt(), (faded_1 - faded_2).sqrt()
            noise_1 = noise(i, sigmas[i], sigma_mid) * s_noise
            noise_2 = noise(i, sigma_mid, sigmas[i + 1]) * s_noise
            x_2 = x_2 + sigma_mid * c_1 * noise_1
            x_next = x_next + sigmas[i + 1] * (c_2 * noise_1 + c_1 * noise_2)
        x = x_next - (-h_eta).expm1() * model(x_2, sigma_mid)
    return x


@in_log_snr
def exp_heun_2(
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
    """Two evaluations a step, the second at its end: the prediction goes linearly from one to the other.

    Both moves are the whole step, so they have the same noise.
    """
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        if sigmas[i + 1] == 0:
            x = denoised
            continue
        h = sigmas[i].log() - sigmas[i + 1].log()
        h_eta = h * (1 + eta)
        kept = (sigmas[i + 1] / sigmas[i]) * (-h * eta).exp() * x
        if eta and s_noise:
            sigma_up = sigmas[i + 1] * (-(-2 * h * eta).expm1()).sqrt()
            kept = kept + sigma_up * s_noise * noise(i, sigmas[i], sigmas[i + 1])
            # As in ComfyUI, for which it is seeds_2: what lies behind the second evaluation is drawn, and is nothing.
            noise(i, sigmas[i + 1], sigmas[i + 1])
        gain = (-h_eta).expm1()
        at_end = -gain / h_eta - 1
        denoised_2 = model(kept - gain * denoised, sigmas[i + 1])
        x = kept - (gain - at_end) * denoised - at_end * denoised_2
    return x


@in_log_snr
def seeds_3(
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
    """Three evaluations a step, at its start and at both thirds in t."""
    r_1, r_2 = 1 / 3, 2 / 3
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        if sigmas[i + 1] == 0:
            x = denoised
            continue
        t = -sigmas[i].log()
        h = -sigmas[i + 1].log() - t
        h_eta = h * (1 + eta)
        gain_1, gain_2, gain = (-r_1 * h_eta).expm1(), (-r_2 * h_eta).expm1(), (-h_eta).expm1()
        sigma_1, sigma_2 = (-(t + r_1 * h)).exp(), (-(t + r_2 * h)).exp()
        x_2 = (sigma_1 / sigmas[i]) * (-r_1 * h * eta).exp() * x
        x_3 = (sigma_2 / sigmas[i]) * (-r_2 * h * eta).exp() * x
        x_next = (sigmas[i + 1] / sigmas[i]) * (-h * eta).exp() * x
        if eta and s_noise:
            faded_1, faded_2, faded_3 = ((-2 * r * h * eta).exp() for r in (r_1, r_2, 1.0))
            c_1, c_2, c_3 = (1 - faded_1).sqrt(), (faded_1 - faded_2).sqrt(), (faded_2 - faded_3).sqrt()
            noise_1 = noise(i, sigmas[i], sigma_1) * s_noise
            noise_2 = noise(i, sigma_1, sigma_2) * s_noise
            noise_3 = noise(i, sigma_2, sigmas[i + 1]) * s_noise
            x_2 = x_2 + sigma_1 * c_1 * noise_1
            x_3 = x_3 + sigma_2 * (c_2 * noise_1 + c_1 * noise_2)
            x_next = x_next + sigmas[i + 1] * (c_3 * noise_1 + c_2 * noise_2 + c_1 * noise_3)
        denoised_2 = model(x_2 - gain_1 * denoised, sigma_1)
        x_3 = x_3 - gain_2 * denoised + (r_2 / r_1) * (gain_2 / (r_2 * h_eta) + 1) * (denoised_2 - denoised)
        denoised_3 = model(x_3, sigma_2)
        x = x_next - gain * denoised + (gain / h_eta + 1) / r_2 * (denoised_3 - denoised)
    return x
