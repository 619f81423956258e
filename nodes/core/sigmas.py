"""Schedules as values: which noise levels a run passes, and what is done to them before a sampler gets them."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import Boolean, Combo, Float, Int, String
from weft.nodes.core.trajectories import (
    basic_levels,
    levels_of,
    split_levels,
    split_levels_by_share,
    turbo_levels,
)
from weft.nodes.core.types import Model, SchedulerName, Sigmas, Steps, WholeSteps

MODULE = "comfy_extras.nodes_custom_sampler"
SCHEDULERS = "sampling/custom_sampling/schedulers"

Denoise = Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)]
SigmaMax = Annotated[float, Float(default=14.614642, min=0.0, max=5000.0, step=0.01, round=False)]
SigmaMin = Annotated[float, Float(default=0.0291675, min=0.0, max=5000.0, step=0.01, round=False)]

OPERATIONS = "sampling/custom_sampling/sigmas"

HighAndLow = tuple[Annotated[Sigmas, Output("high_sigmas")], Annotated[Sigmas, Output("low_sigmas")]]


@node(category=SCHEDULERS, python_module=MODULE, foretells=basic_levels)
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


@node(category=SCHEDULERS, python_module=MODULE, foretells=levels_of("karras"))
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


@node(category=SCHEDULERS, python_module=MODULE, foretells=levels_of("exponential"))
def ExponentialScheduler(*, steps: Steps, sigma_max: SigmaMax, sigma_min: SigmaMin) -> Sigmas:
    """Every noise level is the same share of the one before.

    Args:
        steps: How many steps.
        sigma_max: The highest noise level; above 0.
        sigma_min: The lowest before 0; above 0.
    """
    from weft.nodes.diffusion.sampling.spacings import exponential

    return exponential(steps, sigma_max, sigma_min)


@node(category=SCHEDULERS, python_module=MODULE, foretells=levels_of("polyexponential"))
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


@node(category=SCHEDULERS, python_module=MODULE, foretells=levels_of("laplace", to_zero=False))
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


@node(category=SCHEDULERS, python_module=MODULE, foretells=levels_of("vp"))
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


@node(category=SCHEDULERS, python_module=MODULE)
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


@node(category=SCHEDULERS, python_module=MODULE, foretells=turbo_levels)
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


@node(category=SCHEDULERS, python_module="comfy_extras.nodes_align_your_steps", foretells=levels_of("ays"))
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


@node(category=SCHEDULERS, python_module="comfy_extras.nodes_optimalsteps", foretells=levels_of("oss"))
def OptimalStepsScheduler(
    *,
    model_type: Annotated[str, Combo(("FLUX", "Wan", "Chroma"), multiselect=False)],
    steps: Annotated[int, Int(default=20, min=3, max=1000)],
    denoise: Denoise,
) -> Sigmas:
    """Schedules that were optimised for flows by the error of each step.

    Args:
        model_type: The family.
        steps: How many steps the whole schedule has; other numbers than the published ones are interpolated.
        denoise: The share of the schedule that is kept, from its end; 0 keeps none.
    """
    from weft.nodes.diffusion.sampling.aligned import optimal_steps

    return optimal_steps(model_type, steps, denoise)


@node(category=SCHEDULERS, python_module="comfy_extras.nodes_gits", foretells=levels_of("gits"))
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


@node(category="_for_testing/custom_sampling", python_module=MODULE, experimental=True)
def ManualSigmas(*, sigmas: Annotated[str, String(default="1, 0.5", multiline=False)]) -> Sigmas:
    """A schedule written out.

    Args:
        sigmas: The noise levels, highest first, with commas or blanks between.
    """
    from weft.nodes.diffusion.sampling.sigmas import written

    return written(sigmas)


@node(category=OPERATIONS, python_module=MODULE, foretells=split_levels)
def SplitSigmas(*, sigmas: Sigmas, step: Annotated[int, Int(default=0, min=0, max=10_000)]) -> HighAndLow:
    """Divide a schedule for two samplers, one after the other.

    Args:
        sigmas: The schedule.
        step: Where the second sampler takes over, counted from 0.
    """
    from weft.nodes.diffusion.sampling.sigmas import check_sigmas, split

    return split(check_sigmas(sigmas), step)


@node(category=OPERATIONS, python_module=MODULE, foretells=split_levels_by_share)
def SplitSigmasDenoise(
    *, sigmas: Sigmas, denoise: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)]
) -> HighAndLow:
    """Divide a schedule for two samplers by a share.

    Args:
        sigmas: The schedule.
        denoise: The share of the steps that the second sampler does; at 0 neither has any.
    """
    from weft.nodes.diffusion.sampling.sigmas import check_sigmas, split_denoise

    return split_denoise(check_sigmas(sigmas), denoise)


@node(category=OPERATIONS, python_module=MODULE)
def FlipSigmas(*, sigmas: Sigmas) -> Sigmas:
    """Turn a schedule round, to sample from a picture to its noise. A first level of 0 becomes 0.0001.

    Args:
        sigmas: The schedule.
    """
    from weft.nodes.diffusion.sampling.sigmas import check_sigmas, flip

    return flip(check_sigmas(sigmas))


@node(category=OPERATIONS, python_module=MODULE)
def SetFirstSigma(
    *,
    sigmas: Sigmas,
    sigma: Annotated[float, Float(default=136.0, min=0.0, max=20_000.0, step=0.001, round=False)],
) -> Sigmas:
    """Let a schedule begin at another noise level.

    Args:
        sigmas: The schedule.
        sigma: The first noise level.
    """
    from weft.nodes.diffusion.sampling.sigmas import check_sigmas, with_first

    return with_first(check_sigmas(sigmas), sigma)


@node(category=OPERATIONS, python_module=MODULE)
def ExtendIntermediateSigmas(
    *,
    sigmas: Sigmas,
    steps: Annotated[int, Int(default=2, min=1, max=100)],
    start_at_sigma: Annotated[float, Float(default=-1.0, min=-1.0, max=20_000.0, step=0.01, round=False)],
    end_at_sigma: Annotated[float, Float(default=12.0, min=0.0, max=20_000.0, step=0.01, round=False)],
    spacing: Annotated[str, Combo(("linear", "cosine", "sine"))],
) -> Sigmas:
    """Divide the steps of a part of a schedule into more steps.

    Args:
        sigmas: The schedule.
        steps: Into how many each step is divided.
        start_at_sigma: The highest noise level at which a divided step may begin; -1 for any.
        end_at_sigma: The lowest noise level at which a divided step may begin.
        spacing: How the new levels lie in a step; cosine nearer to its end, sine nearer to its start.
    """
    from weft.nodes.diffusion.sampling.sigmas import check_sigmas, extended

    return extended(check_sigmas(sigmas), steps, start_at_sigma, end_at_sigma, spacing)


@node(category=OPERATIONS, python_module=MODULE)
def SamplingPercentToSigma(
    *,
    model: Model,
    sampling_percent: Annotated[float, Float(default=0.0, min=0.0, max=1.0, step=0.0001)],
    return_actual_sigma: Annotated[bool, Boolean(default=False)],
) -> Annotated[float, Float(), Output("sigma_value")]:
    """The noise level at a share of the way from noise to image.

    Args:
        model: Whose noise levels are counted.
        sampling_percent: The share, 0 for pure noise.
        return_actual_sigma: At 0 and 1 give the model's highest and lowest level, not the open ends used by ranges.
    """
    from weft.nodes.diffusion.sampling.sigmas import percent_to_sigma

    return percent_to_sigma(model.sampling, sampling_percent, return_actual_sigma)


@node(category=OPERATIONS, python_module="weft")
def SigmaToStep(
    *,
    model: Model,
    scheduler: SchedulerName,
    steps: WholeSteps,
    sigma: Annotated[float, Float(default=0.875, min=0.0, max=20_000.0, step=0.001, round=False)],
) -> Annotated[int, Int(), Output("step")]:
    """The step at which a schedule comes down to a noise level: where one model hands over to another.

    Args:
        model: Whose noise levels are passed, its shift included.
        scheduler: How they are spaced: that of the samplers.
        sigma: The noise level. Wan 2.2's models meet at 0.875, those of image-to-video at 0.9.
    """
    from weft.nodes.diffusion.sampling.sigmas import step_at
    from weft.nodes.diffusion.sampling.spacings import basic

    return step_at(basic(model.sampling, scheduler, steps, 1.0), sigma)
