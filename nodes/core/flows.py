"""Rectified flows: what noise levels a model of one passes, and schedules made for them."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Boolean, Float, Int
from weft.nodes.core.types import Latent, Model, Sigmas, Steps

_ADVANCED = "advanced/model"
_MODULE = "comfy_extras.nodes_model_advanced"
_SCHEDULERS = "sampling/custom_sampling/schedulers"
_LTXV = "comfy_extras.nodes_lt"

Shift = Annotated[float, Float(default=3.0, min=0.0, max=100.0, step=0.01)]


@node(category=_ADVANCED, python_module=_MODULE)
def ModelSamplingSD3(*, model: Model, shift: Shift) -> Model:
    """Shift the schedule of a flow towards noise, its timesteps counted to 1000: Stable Diffusion 3, Wan, HunyuanVideo.

    Args:
        shift: Higher spends more steps at high noise, as large pictures need; 1 shifts nothing.
    """
    from weft.nodes.diffusion.sampling.patches.sampling import flow

    return flow(model, shift, multiplier=1000.0)


@node(category=_ADVANCED, python_module=_MODULE)
def ModelSamplingAuraFlow(
    *, model: Model, shift: Annotated[float, Float(default=1.73, min=0.0, max=100.0, step=0.01)]
) -> Model:
    """Shift the schedule of a flow towards noise, its timesteps counted to 1: AuraFlow, Qwen-Image, Z-Image, Lumina.

    Args:
        shift: Higher spends more steps at high noise, as large pictures need; 1 shifts nothing.
    """
    from weft.nodes.diffusion.sampling.patches.sampling import flow

    return flow(model, shift, multiplier=1.0)


@node(category=_ADVANCED, python_module=_MODULE)
def ModelSamplingFlux(
    *,
    model: Model,
    max_shift: Annotated[float, Float(default=1.15, min=0.0, max=100.0, step=0.01)],
    base_shift: Annotated[float, Float(default=0.5, min=0.0, max=100.0, step=0.01)],
    width: Annotated[int, Int(default=1024, min=16, max=16384, step=8)],
    height: Annotated[int, Int(default=1024, min=16, max=16384, step=8)],
) -> Model:
    """Shift the schedule of a flow towards noise by the size of the picture: FLUX.1.

    Args:
        max_shift: The logarithm of the shift at 1024x1024 pixels.
        base_shift: The logarithm of the shift at 256x256 pixels.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
    """
    from weft.nodes.diffusion.sampling.flows import FLUX_TOKENS, by_size
    from weft.nodes.diffusion.sampling.patches.sampling import exponential_flow

    return exponential_flow(model, by_size(width * height / 256, base_shift, max_shift, FLUX_TOKENS))


@node(category=_ADVANCED, python_module=_LTXV)
def ModelSamplingLTXV(
    *,
    model: Model,
    max_shift: Annotated[float, Float(default=2.05, min=0.0, max=100.0, step=0.01)],
    base_shift: Annotated[float, Float(default=0.95, min=0.0, max=100.0, step=0.01)],
    latent: Latent | None = None,
) -> Model:
    """Shift the schedule of a flow towards noise by the size of the video: LTX-Video.

    Args:
        max_shift: The logarithm of the shift for 4096 elements of the latent.
        base_shift: The logarithm of the shift for 1024 elements of the latent.
        latent: The latent whose elements are counted; 4096 without one.
    """
    from weft.nodes.diffusion.sampling.flows import LTXV_TOKENS, by_size, tokens_of
    from weft.nodes.diffusion.sampling.patches.sampling import exponential_flow

    return exponential_flow(model, by_size(tokens_of(latent), base_shift, max_shift, LTXV_TOKENS))


@node(category=_SCHEDULERS, python_module=_LTXV)
def LTXVScheduler(
    *,
    steps: Steps,
    max_shift: Annotated[float, Float(default=2.05, min=0.0, max=100.0, step=0.01)],
    base_shift: Annotated[float, Float(default=0.95, min=0.0, max=100.0, step=0.01)],
    stretch: Annotated[bool, Boolean(default=True)],
    terminal: Annotated[float, Float(default=0.1, min=0.0, max=0.99, step=0.01)],
    latent: Latent | None = None,
) -> Sigmas:
    """The schedule of LTX-Video: shifted towards noise by the size of the video.

    Args:
        steps: How many steps.
        max_shift: The logarithm of the shift for 4096 elements of the latent.
        base_shift: The logarithm of the shift for 1024 elements of the latent.
        stretch: Stretch the levels so that the last before 0 is `terminal`.
        terminal: The last level before 0, where they are stretched.
        latent: The latent whose elements are counted; 4096 without one.
    """
    from weft.nodes.diffusion.sampling.flows import LTXV_TOKENS, by_size, ltxv, tokens_of

    shift = by_size(tokens_of(latent), base_shift, max_shift, LTXV_TOKENS)
    return ltxv(steps, shift, terminal if stretch else None)


@node(category=_SCHEDULERS, python_module="comfy_extras.nodes_flux")
def Flux2Scheduler(
    *,
    steps: Annotated[int, Int(default=20, min=1, max=4096)],
    width: Annotated[int, Int(default=1024, min=16, max=16384, step=1)],
    height: Annotated[int, Int(default=1024, min=16, max=16384, step=1)],
) -> Sigmas:
    """The schedule of FLUX.2: shifted towards noise by the size of the picture and the number of steps.

    Args:
        steps: How many steps.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
    """
    from weft.nodes.diffusion.sampling.flows import flux2

    return flux2(steps, width, height)
