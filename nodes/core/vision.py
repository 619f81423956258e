"""Pictures read by vision models, and what is made of that: beside the prompt, and in its place."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import Combo, Files, Float, Int
from weft.nodes.core.conditioning import require
from weft.nodes.core.loaders import place
from weft.nodes.core.types import ClipVision, ClipVisionOutput, Conditioning, Image, Latent, StyleModel, Vae


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


@node(category="conditioning/video_models", python_module="comfy_extras.nodes_video_model")
def SVD_img2vid_Conditioning(
    *,
    clip_vision: ClipVision,
    init_image: Image,
    vae: Vae,
    width: Annotated[int, Int(default=1024, min=16, max=16384, step=8)],
    height: Annotated[int, Int(default=576, min=16, max=16384, step=8)],
    video_frames: Annotated[int, Int(default=14, min=1, max=4096)],
    motion_bucket_id: Annotated[int, Int(default=127, min=1, max=1023)],
    fps: Annotated[int, Int(default=6, min=1, max=1024)],
    augmentation_level: Annotated[float, Float(default=0.0, min=0.0, max=10.0, step=0.01)],
) -> tuple[
    Annotated[Conditioning, Output("positive")],
    Annotated[Conditioning, Output("negative")],
    Annotated[Latent, Output("latent")],
]:
    """Show a picture to Stable Video Diffusion, in the place of a prompt, and say how the video moves.

    Args:
        clip_vision: The vision model of its checkpoint.
        init_image: The picture that the video begins with.
        vae: The VAE of its checkpoint.
        width: Width of the video in pixels.
        height: Height of the video in pixels.
        video_frames: How many frames it has.
        motion_bucket_id: Higher moves more.
        fps: Frames a second.
        augmentation_level: How much noise is put on the picture: more lets the video leave it.
    """
    import torch

    from weft.nodes.diffusion.values.pixels import scale_image

    vector = clip_vision.encode_image(init_image).image_embeds[None]
    pixels = scale_image(init_image, width, height, "bilinear", "center")[..., :3]
    if augmentation_level > 0:
        # By a seed of its own, so that the same inputs give the same.
        noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0))
        pixels = pixels + noise * augmentation_level
    shown = require(vae, "VAE").encode(pixels)
    said = {"motion_bucket_id": motion_bucket_id, "fps": fps, "augmentation_level": augmentation_level}
    positive = [[vector, {**said, "concat_latent_image": shown}]]
    negative = [[torch.zeros_like(vector), {**said, "concat_latent_image": torch.zeros_like(shown)}]]
    return positive, negative, {"samples": torch.zeros([video_frames, 4, height // 8, width // 8])}
