"""Merged models: new ones made of two models' weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Float
from weft.nodes.core.conditioning import require
from weft.nodes.core.types import Clip, Model

Ratio = Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)]
Multiplier = Annotated[float, Float(default=1.0, min=-10.0, max=10.0, step=0.01)]

_CATEGORY = "advanced/model_merging"
_MODULE = "comfy_extras.nodes_model_merging"


@node(category=_CATEGORY, python_module=_MODULE)
def ModelMergeSimple(*, model1: Model, model2: Model, ratio: Ratio, context: RunContext) -> Model:
    """Mix two diffusion models of one family.

    Args:
        model1: The model that a ratio of 1 gives.
        model2: The model that a ratio of 0 gives.
        ratio: The share of model1.
    """
    from weft.nodes.diffusion.weights.merge import weighted

    return _merged(model1, model2, lambda name: weighted(ratio), context)


@node(category=_CATEGORY, python_module=_MODULE)
def ModelMergeBlocks(
    *, model1: Model, model2: Model, input: Ratio, middle: Ratio, out: Ratio, context: RunContext
) -> Model:
    """Mix two diffusion models of one family, with a share for each part of the network.

    Args:
        model1: The model that a share of 1 gives.
        model2: The model that a share of 0 gives.
        input: The share of model1 in the input blocks, and in the embeddings.
        middle: The share of model1 in the middle block.
        out: The share of model1 in the output blocks.
    """
    from weft.nodes.diffusion.weights.merge import by_block

    return _merged(model1, model2, by_block({"input": input, "middle": middle, "out": out}), context)


@node(category=_CATEGORY, python_module=_MODULE)
def ModelMergeAdd(*, model1: Model, model2: Model, context: RunContext) -> Model:
    """Add the weights of two diffusion models of one family: for differences that ModelMergeSubtract made.

    Args:
        model1: The one model, whose schedule and options the result has.
        model2: The other.
    """
    from weft.nodes.diffusion.weights.merge import added

    return _merged(model1, model2, lambda name: added(), context)


@node(category=_CATEGORY, python_module=_MODULE)
def ModelMergeSubtract(*, model1: Model, model2: Model, multiplier: Multiplier, context: RunContext) -> Model:
    """The difference between two diffusion models of one family: what a fine-tune learned.

    Args:
        model1: The model to subtract from.
        model2: The model that is subtracted.
        multiplier: What the difference is multiplied with.
    """
    from weft.nodes.diffusion.weights.merge import subtracted

    return _merged(model1, model2, lambda name: subtracted(multiplier), context)


@node(category=_CATEGORY, python_module=_MODULE)
def CLIPMergeSimple(*, clip1: Clip, clip2: Clip, ratio: Ratio) -> Clip:
    """Mix the text encoders of two checkpoints of one family.

    Args:
        clip1: The text encoders that a ratio of 1 gives.
        clip2: The text encoders that a ratio of 0 gives.
        ratio: The share of clip1.
    """
    from weft.nodes.diffusion.weights.merge import weighted

    return _merged_clip(clip1, clip2, weighted(ratio))


@node(category=_CATEGORY, python_module=_MODULE)
def CLIPMergeAdd(*, clip1: Clip, clip2: Clip) -> Clip:
    """Add the weights of the text encoders of two checkpoints of one family.

    Args:
        clip1: The one.
        clip2: The other.
    """
    from weft.nodes.diffusion.weights.merge import added

    return _merged_clip(clip1, clip2, added())


@node(category=_CATEGORY, python_module=_MODULE)
def CLIPMergeSubtract(*, clip1: Clip, clip2: Clip, multiplier: Multiplier) -> Clip:
    """The difference between the text encoders of two checkpoints of one family.

    Args:
        clip1: The text encoders to subtract from.
        clip2: The text encoders that are subtracted.
        multiplier: What the difference is multiplied with.
    """
    from weft.nodes.diffusion.weights.merge import subtracted

    return _merged_clip(clip1, clip2, subtracted(multiplier))


def _merged(model1: Any, model2: Any, shares: Callable[[str], tuple[float, float]], context: RunContext) -> Any:
    from weft.nodes.diffusion.weights.merge import merge_models

    merged, left = merge_models(model1, model2, shares)
    if left:
        context.warn(f"the models read different channels: {', '.join(left)} is model1's alone")
    return merged


def _merged_clip(clip1: Any, clip2: Any, shares: tuple[float, float]) -> Any:
    from weft.nodes.diffusion.weights.merge import merge_clips

    return merge_clips(require(clip1, "text encoder"), require(clip2, "text encoder"), shares)
