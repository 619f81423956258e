"""Schedules: which noise levels a run passes through, from the highest down to 0.

One function a scheduler: (model sampling, steps) -> sigmas, float32 on the CPU. All give steps + 1 values, the last 0,
except ddim_uniform (its stride is whole, so it may give more) and beta (equal neighbours fall together, so fewer).
Numbers: ComfyUI 0.3.64's, parity/units/sigmas_*.safetensors.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, finite_number, whole_number
from weft.nodes.diffusion.sampling.aligned import align_your_steps, last_steps
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.gits import MOST_STEPS, gits
from weft.nodes.diffusion.sampling.spellings import find_scheduler

# The longest schedule: 10,000 steps at the lowest denoise that the editor offers, 0.01.
MAX_STEPS = 1_000_000


def simple(sampling: ModelSampling, steps: int) -> Tensor:
    """Every (T / steps)-th trained noise level, from the top."""
    stride = len(sampling.sigmas) / steps
    picked = torch.tensor([-1 - int(i * stride) for i in range(steps)])
    return _then_zero(sampling.sigmas[picked])


def normal(sampling: ModelSampling, steps: int) -> Tensor:
    """Timesteps evenly spaced, both ends of the trained range included."""
    top, bottom = _timestep_range(sampling)
    if math.isclose(float(sampling.sigma(bottom)), 0.0, abs_tol=1e-5):
        return sampling.sigma(torch.linspace(top, bottom, steps + 1))
    return _then_zero(sampling.sigma(torch.linspace(top, bottom, steps)))


def sgm_uniform(sampling: ModelSampling, steps: int) -> Tensor:
    """Timesteps evenly spaced, the lowest one left out: from there the run goes straight to 0."""
    top, bottom = _timestep_range(sampling)
    return _then_zero(sampling.sigma(torch.linspace(top, bottom, steps + 1)[:-1]))


def ddim_uniform(sampling: ModelSampling, steps: int) -> Tensor:
    """Every (T // steps)-th trained noise level from the bottom up (Song et al. 2021, "linear"): often > steps + 1."""
    stride = max(len(sampling.sigmas) // steps, 1)
    return _then_zero(sampling.sigmas[1::stride].flip(0))


def karras(sampling: ModelSampling, steps: int) -> Tensor:
    """Karras et al. 2022, equation 5, rho 7."""
    rho = 7.0
    low, high = sampling.sigma_min ** (1 / rho), sampling.sigma_max ** (1 / rho)
    return _then_zero((high + torch.linspace(0, 1, steps) * (low - high)) ** rho)


def exponential(sampling: ModelSampling, steps: int) -> Tensor:
    """Evenly spaced in log sigma."""
    return _then_zero(torch.linspace(math.log(sampling.sigma_max), math.log(sampling.sigma_min), steps).exp())


def beta(sampling: ModelSampling, steps: int, alpha: float = 0.6, beta: float = 0.6) -> Tensor:
    """Timesteps at the quantiles of a Beta distribution: dense at both ends (Lee et al. 2024, "Beta Sampling")."""
    import numpy
    from scipy.stats import beta as beta_distribution

    quantiles = 1 - numpy.linspace(0, 1, steps, endpoint=False)
    timesteps = numpy.rint(beta_distribution.ppf(quantiles, alpha, beta) * (len(sampling.sigmas) - 1))
    distinct = [t for i, t in enumerate(timesteps) if i == 0 or t != timesteps[i - 1]]
    return _then_zero(sampling.sigmas[torch.tensor(distinct, dtype=torch.int64)])


def linear_quadratic(sampling: ModelSampling, steps: int, threshold: float = 0.025) -> Tensor:
    """Genmo's Mochi 1: small equal steps for half the run, then a parabola that meets them in value and slope.

    In u = 1 - sigma / sigma_max: i * threshold / half up to step `half`, then a i^2 + b i + c up to 1 at i = steps.
    """
    if steps == 1:
        return torch.tensor([sampling.sigma_max, 0.0])
    half = steps // 2
    rest = steps - half
    slope = threshold / half
    a = (half - threshold * steps) / (half * rest**2)
    b = slope - 2 * a * half
    c = a * half**2
    u = [slope * i for i in range(half)] + [a * i**2 + b * i + c for i in range(half, steps)] + [1.0]
    return torch.tensor([1.0 - value for value in u]) * sampling.sigma_max


def kl_optimal(sampling: ModelSampling, steps: int) -> Tensor:
    """Sabour et al. 2024, "Align Your Steps", equation 12: evenly spaced in arctan sigma; NaN, 0/0, for one step."""
    share = torch.arange(steps, dtype=torch.float32) / (steps - 1)
    angle = share * math.atan(sampling.sigma_min) + (1 - share) * math.atan(sampling.sigma_max)
    return _then_zero(angle.tan())


def aligned(sampling: ModelSampling, steps: int, *, model_type: str) -> Tensor:
    """Sabour et al. 2024, "Align Your Steps": levels optimised for a type of model, whatever the model."""
    return align_your_steps(model_type, steps)


def gits_120(sampling: ModelSampling, steps: int) -> Tensor:
    """GITS of coefficient 1.20, whatever the model; one step is the last of the schedule of 20 (gits_shim_steps1)."""
    return gits(1.2, steps) if steps > 1 else last_steps(gits(1.2, MOST_STEPS), 1, 1.0)


def schedule(sampling: ModelSampling, scheduler: str, steps: int) -> Tensor:
    """The scheduler's sigmas for `steps` steps, highest first, float32 on the CPU; NaN where its formula gives that.

    scheduler: of SCHEDULERS or PUBLISHED_SCHEDULERS.
    """
    function = find_scheduler(scheduler)
    whole_number("steps", steps, 1)
    return function(sampling, steps)


def ksampler_schedule(
    sampling: ModelSampling, scheduler: str, steps: int, *, denoise: float = 1.0, discard_penultimate: bool = False
) -> Tensor:
    """KSampler's sigmas: the last steps + 1 of a schedule of steps / denoise steps; none where denoise is 0 or less.

    discard_penultimate: for solvers that spend two evaluations on the last step (dpm_2, uni_pc): one step more is
    scheduled and the lowest sigma above 0 is left out.

    Raises DiffusionError where the scheduler's formula gives NaN: kl_optimal of one step.
    """

    def scheduled(n: int) -> Tensor:
        sigmas = schedule(sampling, scheduler, n + 1 if discard_penultimate else n)
        if sigmas.isnan().any():
            raise DiffusionError(f"scheduler {scheduler} needs at least 2 steps, got {n}: its formula is 0/0 there")
        return torch.cat([sigmas[:-2], sigmas[-1:]]) if discard_penultimate else sigmas

    whole_number("steps", steps, 1)
    if finite_number("denoise", denoise) > 0.9999:
        return scheduled(steps)
    if denoise <= 0.0:
        return torch.empty(0)
    return scheduled(whole_length(steps, denoise))[-(steps + 1) :]


def whole_length(steps: int, denoise: float) -> int:
    """How long the schedule is of which `steps` are the share `denoise` (above 0); DiffusionError above MAX_STEPS."""
    whole = int(steps / denoise)
    if whole > MAX_STEPS:
        raise DiffusionError(
            f"denoise {denoise:g} makes {steps} steps the end of a schedule of {whole:,}, at most {MAX_STEPS:,} can be"
        )
    return whole


def _timestep_range(sampling: ModelSampling) -> tuple[float, float]:
    return float(sampling.timestep(sampling.sigma_max)), float(sampling.timestep(sampling.sigma_min))


def _then_zero(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, torch.zeros(1)])
