"""Conditioning: combined, mixed, and confined to a part of the picture or of the run."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Combo, Float, Int
from weft.nodes.core.types import Conditioning, Mask

Strength = Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01)]
Pixels = Annotated[int, Int(default=64, min=64, max=16384, step=8)]
Offset = Annotated[int, Int(default=0, min=0, max=16384, step=8)]
Share = Annotated[float, Float(default=1.0, min=0, max=1.0, step=0.01)]
ShareOffset = Annotated[float, Float(default=0, min=0, max=1.0, step=0.01)]


@node(display_name="Conditioning (Combine)", category="conditioning")
def ConditioningCombine(*, conditioning_1: Conditioning, conditioning_2: Conditioning) -> Conditioning:
    """Steer by several prompts at once: each is predicted on its own, and the predictions are averaged.

    Args:
        conditioning_1: The first prompts.
        conditioning_2: The prompts that join them.
    """
    return [*conditioning_1, *conditioning_2]


@node(category="conditioning")
def ConditioningAverage(
    *,
    conditioning_to: Conditioning,
    conditioning_from: Conditioning,
    conditioning_to_strength: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)],
    context: RunContext,
) -> Conditioning:
    """Mix two prompts into one, token by token.

    Args:
        conditioning_to: The prompts that are changed; areas and the like are theirs.
        conditioning_from: The prompt that is mixed in, the first one if it is several.
        conditioning_to_strength: The share of conditioning_to; at 1 nothing is mixed in.
    """
    from weft.nodes.diffusion.text.prompt_mix import average

    _tell_unused(conditioning_from, context)
    return average(conditioning_to, conditioning_from, conditioning_to_strength)


@node(display_name="Conditioning (Concat)", category="conditioning")
def ConditioningConcat(
    *, conditioning_to: Conditioning, conditioning_from: Conditioning, context: RunContext
) -> Conditioning:
    """Put the tokens of one prompt behind those of another, as if both had been one long prompt.

    Args:
        conditioning_to: The prompts that grow; areas and the like are theirs.
        conditioning_from: The prompt that is appended, the first one if it is several.
    """
    from weft.nodes.diffusion.text.prompt_mix import concat

    _tell_unused(conditioning_from, context)
    return concat(conditioning_to, conditioning_from)


@node(category="advanced/conditioning")
def ConditioningZeroOut(*, conditioning: Conditioning) -> Conditioning:
    """Replace a prompt by zeros, which says less than an empty prompt does.

    Args:
        conditioning: The prompts; only their options remain.
    """
    from weft.nodes.diffusion.text.prompt_mix import zero_out

    return zero_out(conditioning)


@node(display_name="Conditioning (Set Area)", category="conditioning")
def ConditioningSetArea(
    *, conditioning: Conditioning, width: Pixels, height: Pixels, x: Offset, y: Offset, strength: Strength
) -> Conditioning:
    """Let a prompt act in a box of the picture only; at sides inside the picture it fades in.

    Args:
        conditioning: The prompts.
        width: Width of the box in pixels.
        height: Height of the box in pixels.
        x: Pixels from the left of the picture to the box.
        y: Pixels from the top of the picture to the box.
        strength: How much it counts beside other prompts that act at the same place.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    area = (height // 8, width // 8, y // 8, x // 8)
    return with_options(conditioning, area=area, strength=strength, set_area_to_bounds=False)


@node(display_name="Conditioning (Set Area with Percentage)", category="conditioning")
def ConditioningSetAreaPercentage(
    *, conditioning: Conditioning, width: Share, height: Share, x: ShareOffset, y: ShareOffset, strength: Strength
) -> Conditioning:
    """Let a prompt act in a box of the picture only, given in shares of the picture's size.

    Args:
        conditioning: The prompts.
        width: Width of the box, 1 for the picture's.
        height: Height of the box, 1 for the picture's.
        x: From the left of the picture to the box, as a share of the picture's width.
        y: From the top of the picture to the box, as a share of the picture's height.
        strength: How much it counts beside other prompts that act at the same place.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    area = ("percentage", height, width, y, x)
    return with_options(conditioning, area=area, strength=strength, set_area_to_bounds=False)


@node(category="conditioning")
def ConditioningSetAreaStrength(*, conditioning: Conditioning, strength: Strength) -> Conditioning:
    """Set how much a prompt counts beside others; its area, if it has one, stays.

    Args:
        conditioning: The prompts.
        strength: The weight of its prediction in the average.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    return with_options(conditioning, strength=strength)


@node(display_name="Conditioning (Set Mask)", category="conditioning")
def ConditioningSetMask(
    *,
    conditioning: Conditioning,
    mask: Mask,
    strength: Strength,
    set_cond_area: Annotated[str, Combo(("default", "mask bounds"))],
) -> Conditioning:
    """Let a prompt act where a mask is, as much as the mask says.

    Args:
        conditioning: The prompts.
        mask: Where it acts; resized to the picture.
        strength: How much it counts beside other prompts that act at the same place.
        set_cond_area: mask bounds predicts the box around the mask alone: faster, and blind to what is outside.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options
    from weft.nodes.diffusion.values.masks import as_masks

    bounds = set_cond_area == "mask bounds"
    return with_options(conditioning, mask=as_masks(mask), set_area_to_bounds=bounds, mask_strength=strength)


@node(category="advanced/conditioning")
def ConditioningSetTimestepRange(
    *,
    conditioning: Conditioning,
    start: Annotated[float, Float(default=0.0, min=0.0, max=1.0, step=0.001)],
    end: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.001)],
) -> Conditioning:
    """Let a prompt act in a part of the run only.

    Args:
        conditioning: The prompts.
        start: From here on, as a share of the model's noise levels: 0 is full noise.
        end: Up to here; 1 is the finished picture.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    return with_options(conditioning, start_percent=start, end_percent=end)


def _tell_unused(conditioning_from: Conditioning, context: RunContext) -> None:
    if len(conditioning_from) > 1:
        context.warn(f"conditioning_from holds {len(conditioning_from)} prompts; only the first is used")
