"""Pictures read by vision models, and what is made of that: beside the prompt, and in its place."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Combo, Files, Float
from weft.nodes.core.loaders import place
from weft.nodes.core.types import ClipVision, ClipVisionOutput, Conditioning, Image, StyleModel


@node(display_name="Load CLIP Vision", category="loaders")
def CLIPVisionLoader(*, clip_name: Annotated[str, Files("clip_vision")], context: RunContext) -> ClipVision:
    """Open a model that reads pictures: CLIP's vision tower, or SigLIP's.

    Args:
        clip_name: A file below the clip_vision folders.
    """
    from weft.nodes.diffusion.values.clip_vision_files import load_clip_vision

    where = place(context)
    path = context.folders.find("clip_vision", clip_name)
    return load_clip_vision(path, device=where.memory, dtype=where.text, warn=context.warn)


@node(display_name="CLIP Vision Encode", category="conditioning")
def CLIPVisionEncode(
    *, clip_vision: ClipVision, image: Image, crop: Annotated[str, Combo(("center", "none"))]
) -> ClipVisionOutput:
    """Read pictures with a vision model.

    Args:
        clip_vision: The vision model.
        image: The pictures.
        crop: center reads the middle square, none the whole picture, squeezed into one.
    """
    return clip_vision.encode_image(image, crop == "center")


@node(display_name="Load Style Model", category="loaders")
def StyleModelLoader(*, style_model_name: Annotated[str, Files("style_models")], context: RunContext) -> StyleModel:
    """Open a model that makes tokens of a picture: FLUX Redux.

    Args:
        style_model_name: A file below the style_models folders.
    """
    from weft.nodes.diffusion.values.style_models import load_style_model

    where = place(context)
    path = context.folders.find("style_models", style_model_name)
    return load_style_model(path, device=where.memory, dtype=where.text)


@node(display_name="Apply Style Model", category="conditioning/style_model")
def StyleModelApply(
    *,
    conditioning: Conditioning,
    style_model: StyleModel,
    clip_vision_output: ClipVisionOutput,
    strength: Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.001)],
    strength_type: Annotated[str, Combo(("multiply", "attn_bias"))],
) -> Conditioning:
    """Put the tokens of pictures behind those of a prompt.

    Args:
        conditioning: The prompts.
        style_model: What makes tokens of the pictures.
        clip_vision_output: The pictures, as a vision model read them.
        strength: How much they count.
        strength_type: multiply scales the tokens; attn_bias, the attention paid to them, works at 1 only.
    """
    from weft.nodes.diffusion.errors import DiffusionError
    from weft.nodes.diffusion.values.style_models import with_style

    if strength_type == "attn_bias" and strength != 1.0:
        raise DiffusionError("strength_type attn_bias is not supported yet but for a strength of 1; multiply is")
    return with_style(conditioning, style_model, clip_vision_output, strength)


@node(category="conditioning")
def unCLIPConditioning(
    *,
    conditioning: Conditioning,
    clip_vision_output: ClipVisionOutput,
    strength: Annotated[float, Float(default=1.0, min=-10.0, max=10.0, step=0.01)],
    noise_augmentation: Annotated[float, Float(default=0.0, min=0.0, max=1.0, step=0.01)],
) -> Conditioning:
    """Show a picture to a model in the place of what its prompt says as a whole: SDXL's Revision.

    Args:
        conditioning: The prompts; their tokens stay.
        clip_vision_output: The picture, as CLIP's vision model of the same width read it; of a batch all are mixed.
        strength: How much it counts; several pictures are added up.
        noise_augmentation: How freely it is taken: the share of noise in it.
    """
    from weft.nodes.diffusion.values.unclip import with_picture

    return with_picture(conditioning, clip_vision_output, strength, noise_augmentation)
