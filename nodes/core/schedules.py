"""Schedules as values: which noise levels a run passes."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Combo, Float, Int
from weft.nodes.core.types import Model, SchedulerName, Sigmas, Steps

MODULE = "comfy_extras.nodes_custom_sampler"
CATEGORY = "sampling/custom_sampling/schedulers"

Denoise = Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)]
SigmaMax = Annotated[float, Float(default=14.614642, min=0.0, max=5000.0, step=0.01, round=False)]
SigmaMin = Annotated[float, Float(default=0.0291675, min=0.0, max=5000.0, step=0.01, round=False)]


@node(category=CATEGORY, python_module=MODULE)
def BasicScheduler(*, model: Model, scheduler: SchedulerName, steps: Steps, denoise: Denoise) -> Sigmas:
    """A schedule as KSampler makes it, except that no sampler leaves its last level but one out.

    Args:
        model: Whose noise levels are passed.
        scheduler: How they are spaced.
        steps: How many steps are kept, from the end.
        denoise: The share that the kept steps are of the whole schedule; 0 keeps none.
    """
    from weft.nodes.diffusion.sampling.spacings import basic

    return basic(model.sampling, scheduler, steps, denoise)


@node(category=CATEGORY, python_module=MODULE)
def KarrasScheduler(
    *,
    steps: Steps,
    sigma_max: SigmaMax,
    sigma_min: SigmaMin,
    rho: Annotated[float, Float(default=7.0, min=0.0, max=100.0, step=0.01, round=False)],
) -> Sigmas:
    """The schedule of Karras et al.: more of the steps at low noise.

    Args:
        steps: How many steps.
        sigma_max: The highest noise level.
        sigma_min: The lowest before 0.
        rho: How far the steps gather at low noise; above 0.
    """
    from weft.nodes.diffusion.sampling.spacings import karras

    return karras(steps, sigma_max, sigma_min, rho)


@node(category=CATEGORY, python_module=MODULE)
def ExponentialScheduler(*, steps: Steps, sigma_max: SigmaMax, sigma_min: SigmaMin) -> Sigmas:
    """Every noise level is the same share of the one before.

    Args:
        steps: How many steps.
        sigma_max: The highest noise level; above 0.
        sigma_min: The lowest before 0; above 0.
    """
    from weft.nodes.diffusion.sampling.spacings import exponential

    return exponential(steps, sigma_max, sigma_min)


@node(category=CATEGORY, python_module=MODULE)
def PolyexponentialScheduler(
    *,
    steps: Steps,
    sigma_max: SigmaMax,
    sigma_min: SigmaMin,
    rho: Annotated[float, Float(default=1.0, min=0.0, max=100.0, step=0.01, round=False)],
) -> Sigmas:
    """The exponential schedule, bent.

    Args:
        steps: How many steps.
        sigma_max: The highest noise level; above 0.
        sigma_min: The lowest before 0; above 0.
        rho: Above 1 more steps at low noise, below 1 more at high noise.
    """
    from weft.nodes.diffusion.sampling.spacings import polyexponential

    return polyexponential(steps, sigma_max, sigma_min, rho)


@node(category=CATEGORY, python_module=MODULE)
def LaplaceScheduler(
    *,
    steps: Steps,
    sigma_max: SigmaMax,
    sigma_min: SigmaMin,
    mu: Annotated[float, Float(default=0.0, min=-10.0, max=10.0, step=0.1, round=False)],
    beta: Annotated[float, Float(default=0.5, min=0.0, max=10.0, step=0.1, round=False)],
) -> Sigmas:
    """Log noise levels spread as a Laplace distribution: many steps near its middle. It ends at sigma_min, not at 0.

    Args:
        steps: How many noise levels.
        sigma_max: No level is higher.
        sigma_min: No level is lower.
        mu: The logarithm of the level in the middle.
        beta: How widely the levels spread.
    """
    from weft.nodes.diffusion.sampling.spacings import laplace

    return laplace(steps, sigma_max, sigma_min, mu, beta)


@node(category=CATEGORY, python_module=MODULE)
def VPScheduler(
    *,
    steps: Steps,
    beta_d: Annotated[float, Float(default=19.9, min=0.0, max=5000.0, step=0.01, round=False)],
    beta_min: Annotated[float, Float(default=0.1, min=0.0, max=5000.0, step=0.01, round=False)],
    eps_s: Annotated[float, Float(default=0.001, min=0.0, max=1.0, step=0.0001, round=False)],
) -> Sigmas:
    """Even steps in the time of a variance-preserving diffusion.

    Args:
        steps: How many steps.
        beta_d: How fast the rate of noise grows.
        beta_min: The rate of noise at time 0.
        eps_s: The time of the last level before 0.
    """
    from weft.nodes.diffusion.sampling.spacings import vp

    return vp(steps, beta_d, beta_min, eps_s)


@node(category=CATEGORY, python_module=MODULE)
def BetaSamplingScheduler(
    *,
    model: Model,
    steps: Steps,
    alpha: Annotated[float, Float(default=0.6, min=0.0, max=50.0, step=0.01, round=False)],
    beta: Annotated[float, Float(default=0.6, min=0.0, max=50.0, step=0.01, round=False)],
) -> Sigmas:
    """Timesteps spread as a Beta distribution: dense at both ends for low alpha and beta.

    Args:
        model: Whose noise levels are passed.
        steps: How many steps; equal neighbours fall together, so there may be fewer.
        alpha: Lower for more steps at high noise; above 0.
        beta: Lower for more steps at low noise; above 0.
    """
    from weft.nodes.diffusion.sampling.spacings import beta_sampling

    return beta_sampling(model.sampling, steps, alpha, beta)


@node(category=CATEGORY, python_module=MODULE)
def SDTurboScheduler(
    *,
    model: Model,
    steps: Annotated[int, Int(default=1, min=1, max=10)],
    denoise: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)],
) -> Sigmas:
    """The ten noise levels that SD Turbo was distilled to, or some of them.

    Args:
        model: Whose noise levels are passed.
        steps: How many of the ten.
        denoise: The share of the ten that is left when the run starts.
    """
    from weft.nodes.diffusion.sampling.spacings import sd_turbo

    return sd_turbo(model.sampling, steps, denoise)


@node(category=CATEGORY, python_module="comfy_extras.nodes_align_your_steps")
def AlignYourStepsScheduler(
    *,
    model_type: Annotated[str, Combo(("SD1", "SDXL", "SVD"), multiselect=False)],
    steps: Annotated[int, Int(default=10, min=1, max=10_000)],
    denoise: Denoise,
) -> Sigmas:
    """The schedule that NVIDIA optimised for a family of models: good pictures in 10 steps.

    Args:
        model_type: The family.
        steps: How many steps the whole schedule has; other numbers than 10 are interpolated.
        denoise: The share of the schedule that is kept, from its end; 0 keeps none.
    """
    from weft.nodes.diffusion.sampling.aligned import align_your_steps

    return align_your_steps(model_type, steps, denoise)


@node(category=CATEGORY, python_module="comfy_extras.nodes_gits")
def GITSScheduler(
    *,
    coeff: Annotated[float, Float(default=1.2, min=0.8, max=1.5, step=0.05)],
    steps: Annotated[int, Int(default=10, min=2, max=1000)],
    denoise: Denoise,
) -> Sigmas:
    """The schedules that were optimised for Stable Diffusion 1.5 by the shape of its sampling paths.

    Args:
        coeff: Higher for more of the steps at low noise; a multiple of 0.05.
        steps: How many steps the whole schedule has; more than 20 are interpolated.
        denoise: The share of the schedule that is kept, from its end; 0 keeps none.
    """
    from weft.nodes.diffusion.sampling.gits import gits

    return gits(coeff, steps, denoise)
