"""What is done to schedules between a scheduler and a sampler."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import Boolean, Combo, Float, Int
from weft.nodes.core.types import Model, Sigmas

MODULE = "comfy_extras.nodes_custom_sampler"
CATEGORY = "sampling/custom_sampling/sigmas"

HighAndLow = tuple[Annotated[Sigmas, Output("high_sigmas")], Annotated[Sigmas, Output("low_sigmas")]]


@node(category=CATEGORY, python_module=MODULE)
def SplitSigmas(*, sigmas: Sigmas, step: Annotated[int, Int(default=0, min=0, max=10_000)]) -> HighAndLow:
    """Divide a schedule for two samplers, one after the other.

    Args:
        sigmas: The schedule.
        step: Where the second sampler takes over, counted from 0.
    """
    from weft.nodes.diffusion.sampling.sigmas import check_sigmas, split

    return split(check_sigmas(sigmas), step)


@node(category=CATEGORY, python_module=MODULE)
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


@node(category=CATEGORY, python_module=MODULE)
def FlipSigmas(*, sigmas: Sigmas) -> Sigmas:
    """Turn a schedule round, to sample from a picture to its noise. A first level of 0 becomes 0.0001.

    Args:
        sigmas: The schedule.
    """
    from weft.nodes.diffusion.sampling.sigmas import check_sigmas, flip

    return flip(check_sigmas(sigmas))


@node(category=CATEGORY, python_module=MODULE)
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


@node(category=CATEGORY, python_module=MODULE)
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


@node(category=CATEGORY, python_module=MODULE)
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
