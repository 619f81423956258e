"""Schedules as nodes make them: from a scheduler's name, from given ends, from published noise levels.

Each gives sigmas, float32 on the CPU, highest first, the last 0 except laplace's. Numbers: goldens sig_nodes, cust_*.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nodes.diffusion.denoiser import ModelSampling
from nodes.diffusion.errors import DiffusionError, finite_number, nearest, whole_number
from nodes.diffusion.schedules import beta, schedule, whole_length

# Timesteps of Stable Diffusion's schedule, published by Sabour et al. 2024, "Align Your Steps"; the last is its end.
ALIGNED_TIMESTEPS: Mapping[str, Sequence[int]] = {
    "SD1": (999, 850, 736, 645, 545, 455, 343, 233, 124, 24, 0),
    "SDXL": (999, 845, 730, 587, 443, 310, 193, 116, 53, 13, 0),
}
# Noise levels, from the same source.
ALIGNED_SIGMAS = {"SVD": (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002)}


def basic(sampling: ModelSampling, scheduler: str, steps: int, denoise: float) -> Tensor:
    """The last steps + 1 sigmas of a scheduler's schedule of steps / denoise steps; none where denoise is 0 or less."""
    _check(steps)
    if finite_number("denoise", denoise) <= 0.0:
        return torch.empty(0)
    return schedule(sampling, scheduler, whole_length(steps, min(denoise, 1.0)))[-(steps + 1) :]


def karras(steps: int, sigma_max: float, sigma_min: float, rho: float) -> Tensor:
    """Karras et al. 2022, equation 5."""
    _check(steps, rho=rho)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return _then_zero((high + torch.linspace(0, 1, steps) * (low - high)) ** rho)


def exponential(steps: int, sigma_max: float, sigma_min: float) -> Tensor:
    """Evenly spaced in log sigma."""
    _check(steps, sigma_max=sigma_max, sigma_min=sigma_min)
    return _then_zero(torch.linspace(math.log(sigma_max), math.log(sigma_min), steps).exp())


def polyexponential(steps: int, sigma_max: float, sigma_min: float, rho: float) -> Tensor:
    """Spaced in log sigma by a power: more of the steps at low noise for rho above 1."""
    _check(steps, sigma_max=sigma_max, sigma_min=sigma_min)
    ramp = torch.linspace(1, 0, steps) ** rho
    return _then_zero((ramp * (math.log(sigma_max) - math.log(sigma_min)) + math.log(sigma_min)).exp())


def laplace(steps: int, sigma_max: float, sigma_min: float, mu: float, beta: float) -> Tensor:
    """Log sigma at the quantiles of a Laplace distribution (Hang & Gu 2024, "Improved Noise Schedule for Diffusion
    Training"), cut to the ends. It has `steps` values and no 0."""
    _check(steps)
    x = 0.5 - torch.linspace(0, 1, steps)
    # The quantiles at 0 and 1 are infinite: 1e-5 keeps them finite.
    log_sigmas = mu - beta * x.sign() * (1 - 2 * x.abs() + 1e-5).log()
    return log_sigmas.exp().clamp(sigma_min, sigma_max)


def vp(steps: int, beta_d: float, beta_min: float, eps_s: float) -> Tensor:
    """The variance-preserving SDE of Song et al. 2021 ("Score-Based Generative Modeling"), evenly spaced in its time.

    eps_s: the time of the last step, 1 being pure noise.
    """
    _check(steps)
    t = torch.linspace(1, eps_s, steps)
    return _then_zero(((beta_d * t**2 / 2 + beta_min * t).exp() - 1).sqrt())


def sd_turbo(sampling: ModelSampling, steps: int, denoise: float) -> Tensor:
    """The ten timesteps 999, 899 .. 99 that SD Turbo was distilled to (Sauer et al. 2023), from a share of them on."""
    _check(steps)
    timesteps = torch.arange(10, 0, -1) * 100 - 1
    start = 10 - int(10 * denoise)
    return _then_zero(sampling.sigma(timesteps[start : start + steps].float()))


def beta_sampling(sampling: ModelSampling, steps: int, alpha: float, beta_: float) -> Tensor:
    """The scheduler "beta" with a Beta distribution of one's own."""
    _check(steps, alpha=alpha, beta=beta_)
    return beta(sampling, steps, alpha, beta_)


def align_your_steps(model_type: str, steps: int, denoise: float = 1.0) -> Tensor:
    """The optimised schedule of Sabour et al. 2024 for SD1, SDXL or SVD; other lengths than 10 are interpolated."""
    _check(steps)
    if model_type in ALIGNED_TIMESTEPS:
        published = ModelSampling.discrete().sigmas[torch.tensor(ALIGNED_TIMESTEPS[model_type])]
    elif model_type in ALIGNED_SIGMAS:
        published = torch.tensor(ALIGNED_SIGMAS[model_type])
    else:
        known = [*ALIGNED_TIMESTEPS, *ALIGNED_SIGMAS]
        raise DiffusionError(f"no aligned steps for {model_type!r}{nearest(model_type, known)}; there are {known}")
    return last_steps(interpolated(published, steps), steps, denoise)


def interpolated(sigmas: Tensor, steps: int) -> Tensor:
    """A schedule of another length: log sigma interpolated linearly over the index. All sigmas must be above 0."""
    if len(sigmas) == steps + 1:
        return sigmas
    import numpy

    given = numpy.linspace(0, 1, len(sigmas))
    # numpy.interp in float64 from the low end up, as ComfyUI's.
    levels = numpy.interp(numpy.linspace(0, 1, steps + 1), given, sigmas.double().log().flip(0).numpy())
    return torch.from_numpy(numpy.exp(levels)[::-1].copy()).float()


def last_steps(sigmas: Tensor, steps: int, denoise: float) -> Tensor:
    """The last round(steps * denoise) steps of a schedule, its end set to 0; empty where denoise is 0 or less."""
    if denoise <= 0.0:
        return torch.empty(0)
    kept = sigmas[-(min(round(steps * denoise), steps) + 1) :].clone()
    kept[-1] = 0.0
    return kept


def _check(steps: int, **positive: float) -> None:
    whole_number("steps", steps, 1)
    for name, value in positive.items():
        if not value > 0.0:
            raise DiffusionError(f"{name} must be above 0 here, got {value}")


def _then_zero(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, torch.zeros(1)])
