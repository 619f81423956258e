"""What Wan is told beside the prompt: pictures that a video begins or ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import Int
from weft.nodes.core.empty_latents import FRAMES, HEIGHT, WIDTH, BatchSize
from weft.nodes.core.types import ClipVisionOutput, Conditioning, Image, Latent, Negative, Positive, Vae

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.wan.clips import KnownFrames

_CATEGORY = "conditioning/video_models"
_MODULE = "comfy_extras.nodes_wan"

Width = Annotated[int, Int(default=832, min=16, max=16384, step=16), WIDTH]
Height = Annotated[int, Int(default=480, min=16, max=16384, step=16), HEIGHT]
Length = Annotated[int, Int(default=81, min=1, max=16384, step=4), FRAMES]
Begun = tuple[
    Annotated[Conditioning, Output("positive")],
    Annotated[Conditioning, Output("negative")],
    Annotated[Latent, Output("latent")],
]


@node(category=_CATEGORY, python_module=_MODULE)
def WanImageToVideo(
    *,
    positive: Positive,
    negative: Negative,
    vae: Vae,
    width: Width,
    height: Height,
    length: Length,
    batch_size: BatchSize,
    clip_vision_output: ClipVisionOutput | None = None,
    start_image: Image | None = None,
) -> Begun:
    """Begin a video of Wan with pictures, for its models of image-to-video.

    Args:
        vae: The VAE of the model, which makes latents of videos.
        clip_vision_output: What CLIP vision sees in the picture, which the models of Wan 2.1 read.
        start_image: The first frames: one picture, or several.
    """
    from weft.nodes.diffusion.families.wan.clips import begun

    known = None if start_image is None else begun(vae, width, height, length, start_image)
    return _told(positive, negative, known, clip_vision_output, _empty(vae, width, height, length, batch_size))


@node(category=_CATEGORY, python_module=_MODULE)
def WanFirstLastFrameToVideo(
    *,
    positive: Positive,
    negative: Negative,
    vae: Vae,
    width: Width,
    height: Height,
    length: Length,
    batch_size: BatchSize,
    clip_vision_start_image: ClipVisionOutput | None = None,
    clip_vision_end_image: ClipVisionOutput | None = None,
    start_image: Image | None = None,
    end_image: Image | None = None,
) -> Begun:
    """Begin and end a video of Wan with pictures, for its models of image-to-video.

    Args:
        vae: The VAE of the model, which makes latents of videos.
        clip_vision_start_image: What CLIP vision sees in the first picture, which models of Wan 2.1 read.
        clip_vision_end_image: What it sees in the last one.
        start_image: The first frames: one picture, or several.
        end_image: The last frames.
    """
    from weft.nodes.diffusion.families.wan.clips import framed

    seen = [each for each in (clip_vision_start_image, clip_vision_end_image) if each is not None]
    known = framed(vae, width, height, length, start_image, end_image)
    return _told(positive, negative, known, _joined(seen), _empty(vae, width, height, length, batch_size))


@node(category="conditioning/inpaint", python_module=_MODULE)
def Wan22ImageToVideoLatent(
    *,
    vae: Vae,
    width: Annotated[int, Int(default=1280, min=32, max=16384, step=32), WIDTH],
    height: Annotated[int, Int(default=704, min=32, max=16384, step=32), HEIGHT],
    length: Annotated[int, Int(default=49, min=1, max=16384, step=4), FRAMES],
    batch_size: BatchSize,
    start_image: Image | None = None,
) -> Latent:
    """Latents of a video for Wan 2.2 5B; with pictures, these are its first frames, and the rest is made.

    Args:
        vae: The VAE of the model, which makes latents of videos.
        start_image: The first frames: one picture, or several.
    """
    from weft.nodes.diffusion.families.wan.clips import begun_latent

    if start_image is None:
        return _empty(vae, width, height, length, batch_size, channels=48, cell=16)
    return begun_latent(vae, width, height, length, start_image, batch_size)


def _told(
    positive: Conditioning,
    negative: Conditioning,
    known: KnownFrames | None,
    seen: ClipVisionOutput | None,
    latent: Latent,
) -> Begun:
    from weft.nodes.diffusion.text.prompt_mix import with_options

    options: dict[str, Any] = {}
    if known is not None:
        options |= {"concat_latent_image": known.image, "concat_mask": known.mask}
    if seen is not None:
        options["clip_vision_output"] = seen
    return with_options(positive, **options), with_options(negative, **options), latent


def _joined(seen: list[ClipVisionOutput]) -> ClipVisionOutput | None:
    """What is seen in both pictures, one behind the other."""
    if len(seen) < 2:
        return seen[0] if seen else None
    from dataclasses import replace

    import torch

    return replace(seen[0], penultimate_hidden_states=torch.cat([each.penultimate_hidden_states for each in seen], 1))


def _empty(vae: Vae, width: int, height: int, length: int, batch: int, channels: int = 16, cell: int = 8) -> Latent:
    import torch

    return {"samples": torch.zeros(batch, channels, (length - 1) // 4 + 1, height // cell, width // cell)}
