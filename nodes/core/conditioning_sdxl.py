"""Prompts for SDXL and its refiner, which are also told sizes."""

from __future__ import annotations

from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Float, Int, String
from weft.nodes.core.conditioning import prompts, require
from weft.nodes.core.types import Clip, Conditioning

Prompt = Annotated[str, String(multiline=True, dynamicPrompts=True)]
Side = Annotated[int, Int(default=1024, min=0, max=16384)]
Offset = Annotated[int, Int(default=0, min=0, max=16384)]

_MODULE = "comfy_extras.nodes_clip_sdxl"


@node(category="advanced/conditioning", python_module=_MODULE, **prompts("text_g", "text_l"))
def CLIPTextEncodeSDXL(
    *,
    clip: Clip,
    width: Side,
    height: Side,
    crop_w: Offset,
    crop_h: Offset,
    target_width: Side,
    target_height: Side,
    text_g: Prompt,
    text_l: Prompt,
    context: RunContext,
) -> Conditioning:
    """Encode a prompt for each of SDXL's two text encoders, and say which sizes the model is to imagine.

    Args:
        clip: The text encoders of an SDXL checkpoint.
        width: Width of the picture that was scaled to the target, in pixels; a small one asks for blur.
        height: Height of that picture.
        crop_w: Pixels cut off at its left.
        crop_h: Pixels cut off at its top.
        target_width: Width of the picture in pixels.
        target_height: Height of the picture.
        text_g: The prompt for the larger encoder, OpenCLIP bigG.
        text_l: The prompt for the smaller encoder, CLIP L.
    """
    encoded = require(clip, "text encoder").encode_each({"clip_l": text_l, "clip_g": text_g}, context.warn)
    return _with(
        encoded,
        width=width,
        height=height,
        crop_w=crop_w,
        crop_h=crop_h,
        target_width=target_width,
        target_height=target_height,
    )


@node(category="advanced/conditioning", python_module=_MODULE, **prompts("text"))
def CLIPTextEncodeSDXLRefiner(
    *,
    ascore: Annotated[float, Float(default=6.0, min=0.0, max=1000.0, step=0.01)],
    width: Side,
    height: Side,
    text: Prompt,
    clip: Clip,
    context: RunContext,
) -> Conditioning:
    """Encode a prompt for SDXL's refiner, and say which size and beauty the model is to imagine.

    Args:
        ascore: The aesthetic score: 6 is usual for the positive side, 2.5 for the negative.
        width: Width of the picture in pixels.
        height: Height of the picture.
        text: The prompt.
        clip: The text encoder of the refiner's checkpoint.
    """
    encoded = require(clip, "text encoder").encode(text, context.warn)
    return _with(encoded, aesthetic_score=ascore, width=width, height=height)


def _with(conditioning: list[Any], **values: float) -> list[Any]:
    return [[cond, {**options, **values}] for cond, options in conditioning]
