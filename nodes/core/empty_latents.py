"""Empty latents in the form of one family each: channels, and how many pixels and frames an element is."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Output, Tooltip, node
from weft.engine.schema.sockets import Int
from weft.nodes.core.cells import SIZED
from weft.nodes.core.types import Latent

BatchSize = Annotated[int, Int(default=1, min=1, max=4096), Tooltip("How many of them.")]
WIDTH = Tooltip("Width in pixels.")
HEIGHT = Tooltip("Height in pixels.")
FRAMES = Tooltip("How many frames the video has.")

Side = Annotated[int, Int(default=1024, min=16, max=16384, step=16)]
_VIDEO = "latent/video"


def zeros(batch: int, channels: int, *sides: int, pixels: int, frames: int = 0) -> Latent:
    """An empty latent whose elements are so many pixels wide, and stand for so many frames."""
    import torch

    latent: Latent = {"samples": torch.zeros([batch, channels, *sides]), "downscale_ratio_spacial": pixels}
    if frames:
        latent["downscale_ratio_temporal"] = frames
    return latent


def _empty(
    class_type: str, context: RunContext, batch: int, channels: int, width: int, height: int, length: int | None = None
) -> Latent:
    """The empty latent of a class of SIZED; a length makes it a video. What is cut is warned about."""
    cell = SIZED[class_type]
    cell.tell(context.warn, width, height, length or 1)
    # The first frame stands alone, others by as many as an element has.
    time = [] if length is None else [(length - 1) // cell.frames + 1]
    sides = (*time, height // cell.pixels, width // cell.pixels)
    return zeros(batch, channels, *sides, pixels=cell.pixels, frames=cell.frames)


@node(category="latent/sd3", python_module="comfy_extras.nodes_sd3")
def EmptySD3LatentImage(
    *,
    width: Annotated[Side, WIDTH],
    height: Annotated[Side, HEIGHT],
    batch_size: BatchSize,
    context: RunContext,
) -> Latent:
    """Empty latents of 16 channels: for Stable Diffusion 3, FLUX, Qwen-Image, Z-Image and others."""
    return _empty("EmptySD3LatentImage", context, batch_size, 16, width, height)


@node(category="latent", display_name="Empty Flux 2 Latent", python_module="comfy_extras.nodes_flux")
def EmptyFlux2LatentImage(
    *,
    width: Annotated[Side, WIDTH],
    height: Annotated[Side, HEIGHT],
    batch_size: BatchSize,
    context: RunContext,
) -> Latent:
    """Empty latents of 128 channels, each element of 16 pixels: for FLUX.2."""
    return _empty("EmptyFlux2LatentImage", context, batch_size, 128, width, height)


@node(category="latent", python_module="comfy_extras.nodes_hunyuan")
def EmptyHunyuanImageLatent(
    *,
    width: Annotated[int, Int(default=2048, min=64, max=16384, step=32), WIDTH],
    height: Annotated[int, Int(default=2048, min=64, max=16384, step=32), HEIGHT],
    batch_size: BatchSize,
    context: RunContext,
) -> Latent:
    """Empty latents of 64 channels, each element of 32 pixels: for HunyuanImage 2.1."""
    return _empty("EmptyHunyuanImageLatent", context, batch_size, 64, width, height)


@node(category="latent/chroma_radiance", python_module="comfy_extras.nodes_chroma_radiance")
def EmptyChromaRadianceLatentImage(
    *, width: Annotated[Side, WIDTH], height: Annotated[Side, HEIGHT], batch_size: BatchSize
) -> Latent:
    """Empty latents that are the pixels themselves: for Chroma Radiance."""
    return zeros(batch_size, 3, height, width, pixels=1)


@node(category="latent/qwen", display_name="Empty Qwen Image Layered Latent", python_module="comfy_extras.nodes_qwen")
def EmptyQwenImageLayeredLatentImage(
    *,
    width: Annotated[int, Int(default=640, min=16, max=16384, step=16), WIDTH],
    height: Annotated[int, Int(default=640, min=16, max=16384, step=16), HEIGHT],
    layers: Annotated[int, Int(default=3, min=0, max=16384, step=1)],
    batch_size: BatchSize,
    context: RunContext,
) -> Latent:
    """Empty latents for Qwen-Image Layered: one for the whole picture and one for each of its layers.

    Args:
        layers: Into how many layers the picture is taken apart.
    """
    SIZED["EmptyQwenImageLayeredLatentImage"].tell(context.warn, width, height)
    return zeros(batch_size, 16, layers + 1, height // 8, width // 8, pixels=8)


@node(category="latent/stable_cascade", python_module="comfy_extras.nodes_stable_cascade")
def StableCascade_EmptyLatentImage(
    *,
    width: Annotated[int, Int(default=1024, min=256, max=16384, step=8), WIDTH],
    height: Annotated[int, Int(default=1024, min=256, max=16384, step=8), HEIGHT],
    compression: Annotated[int, Int(default=42, min=4, max=128, step=1)],
    batch_size: BatchSize,
) -> tuple[Annotated[Latent, Output("stage_c")], Annotated[Latent, Output("stage_b")]]:
    """Empty latents for the two stages of Stable Cascade.

    Args:
        compression: Pixels along one side of an element of stage C.
    """
    stage_c = zeros(batch_size, 16, height // compression, width // compression, pixels=compression)
    return stage_c, zeros(batch_size, 4, height // 4, width // 4, pixels=4)


@node(category=_VIDEO, python_module="comfy_extras.nodes_hunyuan")
def EmptyHunyuanLatentVideo(
    *,
    width: Annotated[int, Int(default=848, min=16, max=16384, step=16), WIDTH],
    height: Annotated[int, Int(default=480, min=16, max=16384, step=16), HEIGHT],
    length: Annotated[int, Int(default=25, min=1, max=16384, step=4), FRAMES],
    batch_size: BatchSize,
    context: RunContext,
) -> Latent:
    """Empty latents of a video, 16 channels, four frames an element: for HunyuanVideo and Wan 2.1."""
    return _empty("EmptyHunyuanLatentVideo", context, batch_size, 16, width, height, length)


@node(category=_VIDEO, display_name="Empty HunyuanVideo 1.5 Latent", python_module="comfy_extras.nodes_hunyuan")
def EmptyHunyuanVideo15Latent(
    *,
    width: Annotated[int, Int(default=848, min=16, max=16384, step=16), WIDTH],
    height: Annotated[int, Int(default=480, min=16, max=16384, step=16), HEIGHT],
    length: Annotated[int, Int(default=25, min=1, max=16384, step=4), FRAMES],
    batch_size: BatchSize,
    context: RunContext,
) -> Latent:
    """Empty latents of a video, 32 channels, four frames and 16 pixels an element: for HunyuanVideo 1.5."""
    return _empty("EmptyHunyuanVideo15Latent", context, batch_size, 32, width, height, length)


@node(category="latent/video/ltxv", python_module="comfy_extras.nodes_lt")
def EmptyLTXVLatentVideo(
    *,
    width: Annotated[int, Int(default=768, min=64, max=16384, step=32), WIDTH],
    height: Annotated[int, Int(default=512, min=64, max=16384, step=32), HEIGHT],
    length: Annotated[int, Int(default=97, min=1, max=16384, step=8), FRAMES],
    batch_size: BatchSize,
    context: RunContext,
) -> Latent:
    """Empty latents of a video, 128 channels, eight frames and 32 pixels an element: for LTX-Video."""
    return _empty("EmptyLTXVLatentVideo", context, batch_size, 128, width, height, length)


@node(category=_VIDEO, python_module="comfy_extras.nodes_mochi")
def EmptyMochiLatentVideo(
    *,
    width: Annotated[int, Int(default=848, min=16, max=16384, step=16), WIDTH],
    height: Annotated[int, Int(default=480, min=16, max=16384, step=16), HEIGHT],
    length: Annotated[int, Int(default=25, min=7, max=16384, step=6), FRAMES],
    batch_size: BatchSize,
    context: RunContext,
) -> Latent:
    """Empty latents of a video, 12 channels, six frames an element: for Mochi."""
    return _empty("EmptyMochiLatentVideo", context, batch_size, 12, width, height, length)


@node(category=_VIDEO, python_module="comfy_extras.nodes_cosmos")
def EmptyCosmosLatentVideo(
    *,
    width: Annotated[int, Int(default=1280, min=16, max=16384, step=16), WIDTH],
    height: Annotated[int, Int(default=704, min=16, max=16384, step=16), HEIGHT],
    length: Annotated[int, Int(default=121, min=1, max=16384, step=8), FRAMES],
    batch_size: BatchSize,
    context: RunContext,
) -> Latent:
    """Empty latents of a video, 16 channels, eight frames an element: for Cosmos."""
    return _empty("EmptyCosmosLatentVideo", context, batch_size, 16, width, height, length)
