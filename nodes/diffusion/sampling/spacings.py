"""Schedules as nodes make them: from a scheduler's name, or from given ends.

Each gives sigmas, float32 on the CPU, highest first, the last 0 except laplace's. Numbers: goldens sig_nodes, cust_*.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, finite_number, whole_number
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.schedules import beta, schedule, whole_length


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


def _check(steps: int, **positive: float) -> None:
    whole_number("steps", steps, 1)
    for name, value in positive.items():
        if not value > 0.0:
            raise DiffusionError(f"{name} must be above 0 here, got {value}")


def _then_zero(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, torch.zeros(1)])
