"""Latents cut and joined along an axis, and operations on latents as values of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Combo, Float, Int, Socket
from weft.nodes.core.types import Latent, Model

if TYPE_CHECKING:
    from torch import Tensor

    Operate = Callable[[Tensor], Tensor]
else:
    Operate = Any

LatentOperation = Annotated[Operate, Socket("LATENT_OPERATION")]
"""A function of latents [B,C,h,w]."""

_LATENT = "comfy_extras.nodes_latent"
_ADVANCED = "latent/advanced"
_OPERATIONS = "latent/advanced/operations"


@node(category=_ADVANCED, python_module=_LATENT)
def LatentCut(
    *,
    samples: Latent,
    dim: Annotated[str, Combo(("x", "y", "t"), multiselect=False)],
    index: Annotated[int, Int(default=0, min=-16384, max=16384, step=1)],
    amount: Annotated[int, Int(default=1, min=1, max=16384, step=1)],
) -> Latent:
    """Take a stretch of latents along one axis; a noise mask stays as it is.

    Args:
        samples: The latents.
        dim: The axis: across, down, or in time.
        index: Where the stretch begins, in elements of the latent; negative from the end.
        amount: How many elements it has, as far as there are.
    """
    from weft.nodes.diffusion.values.latent_axes import cut
    from weft.nodes.diffusion.values.latents import samples_of

    return {**samples, "samples": cut(samples_of(samples), dim, index, amount)}


@node(category=_ADVANCED, python_module=_LATENT)
def LatentCutToBatch(
    *,
    samples: Latent,
    dim: Annotated[str, Combo(("t", "x", "y"), multiselect=False)],
    slice_size: Annotated[int, Int(default=1, min=1, max=16384, step=1)],
) -> Latent:
    """Cut latents into slices along one axis and make a batch of these: the frames of a video, the layers of a picture.

    Args:
        samples: The latents.
        dim: The axis: in time, across, or down.
        slice_size: Elements in a slice; what is left over at the end is dropped.
    """
    from weft.nodes.diffusion.values.latent_axes import cut_to_batch
    from weft.nodes.diffusion.values.latents import samples_of

    return {**samples, "samples": cut_to_batch(samples_of(samples), dim, slice_size)}


@node(category=_ADVANCED, python_module=_LATENT)
def LatentConcat(
    *,
    samples1: Latent,
    samples2: Latent,
    dim: Annotated[str, Combo(("x", "-x", "y", "-y", "t", "-t"), multiselect=False)],
) -> Latent:
    """Put latents side by side along one axis.

    Args:
        samples1: The first latents, whose noise mask and the like the result has.
        samples2: The second; repeated or cut to the batch of the first.
        dim: The axis: across, down, or in time; with a minus the second come first.
    """
    from weft.nodes.diffusion.values.latent_axes import concatenate
    from weft.nodes.diffusion.values.latents import samples_of

    return {**samples1, "samples": concatenate(samples_of(samples1), samples_of(samples2), dim)}


@node(category="latent/video", python_module="comfy_extras.nodes_wan")
def TrimVideoLatent(*, samples: Latent, trim_amount: Annotated[int, Int(default=0, min=0, max=99999)]) -> Latent:
    """Take elements off the beginning of a video's latents; a noise mask stays as it is.

    Args:
        samples: The latents of a video.
        trim_amount: How many elements in time; of most models the first is one frame and each other four.
    """
    from weft.nodes.diffusion.values.latent_axes import trim
    from weft.nodes.diffusion.values.latents import samples_of

    return {**samples, "samples": trim(samples_of(samples), trim_amount)}


@node(category=_OPERATIONS, python_module=_LATENT, experimental=True)
def LatentApplyOperation(*, samples: Latent, operation: LatentOperation) -> Latent:
    """Apply an operation to latents.

    Args:
        samples: The latents.
        operation: What is done to them.
    """
    from weft.nodes.diffusion.values.latents import samples_of

    return {**samples, "samples": operation(samples_of(samples))}


@node(category=_OPERATIONS, python_module=_LATENT, experimental=True)
def LatentApplyOperationCFG(*, model: Model, operation: LatentOperation) -> Model:
    """Apply an operation to what guidance adds, at every step: to the positive prediction less the negative one.

    Args:
        operation: What is done to the difference.
    """
    from weft.nodes.diffusion.sampling.patches.cfg import operate_on_guidance

    return operate_on_guidance(model, operation)


@node(category=_OPERATIONS, python_module=_LATENT, experimental=True)
def LatentOperationTonemapReinhard(
    *, multiplier: Annotated[float, Float(default=1.0, min=0.0, max=100.0, step=0.01)]
) -> LatentOperation:
    """Hold back the strongest elements of latents: Reinhard's tone mapping on the length of their vectors.

    Args:
        multiplier: Higher lets more through; above 0.
    """
    from weft.nodes.diffusion.values.latent_tones import Tonemap

    return Tonemap(multiplier)


@node(category=_OPERATIONS, python_module=_LATENT, experimental=True)
def LatentOperationSharpen(
    *,
    sharpen_radius: Annotated[int, Int(default=9, min=1, max=31, step=1)],
    sigma: Annotated[float, Float(default=1.0, min=0.1, max=10.0, step=0.1)],
    alpha: Annotated[float, Float(default=0.1, min=0.0, max=5.0, step=0.01)],
) -> LatentOperation:
    """Sharpen the directions of latents' vectors; their lengths stay.

    Args:
        sharpen_radius: How far around an element is looked, in elements.
        sigma: How wide the blur is whose difference is added, 1 reaching from the middle to the side.
        alpha: How much of the difference is added, in tenfolds.
    """
    from weft.nodes.diffusion.values.latent_tones import Sharpen

    return Sharpen(sharpen_radius, sigma, alpha)
