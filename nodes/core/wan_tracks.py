"""Tracks along which points of a picture go through a video of Wan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.engine.schema.node import Seen as SeenNode
from weft.engine.schema.sockets import Float, Int, String
from weft.nodes.core.conditioning import known_text
from weft.nodes.core.empty_latents import BatchSize
from weft.nodes.core.types import Image, Negative, Positive
from weft.nodes.core.wan import (
    CATEGORY,
    MODULE,
    VISION,
    Begun,
    Height,
    Length,
    Seen,
    VideoClip,
    VideoVae,
    Width,
    both_told,
    known_frames,
)
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.wan.track_text import read_tracks


def drawn_in(name: str) -> Callable[[SeenNode], Iterator[tuple[str, str]]]:
    """For `@node(check=...)`: what is wrong with the tracks in this input, where its text is known before the run."""

    def check(seen: SeenNode) -> Iterator[tuple[str, str]]:
        try:
            read_tracks(known_text(seen, name))
        except DiffusionError as error:
            yield name, str(error)

    return check


@node(category=CATEGORY, python_module=MODULE, check=drawn_in("tracks"))
def WanTrackToVideo(
    *,
    positive: Positive,
    negative: Negative,
    vae: VideoVae,
    tracks: Annotated[str, String(default="[]", multiline=True)],
    width: Width,
    height: Height,
    length: Length,
    batch_size: BatchSize,
    temperature: Annotated[float, Float(default=220.0, min=1.0, max=1000.0, step=0.1)],
    topk: Annotated[int, Int(default=2, min=1, max=10)],
    start_image: Image,
    clip_vision_output: Seen | None = None,
    context: RunContext,
) -> Begun:
    """Lead points of a picture along tracks through a video, for the model of Wan ATI.

    Args:
        tracks: JSON: a list of tracks, each a list of points {"x": 10, "y": 20} in pixels, 24 a second; without any it
            is WanImageToVideo.
        temperature: How fast a track's pull fades with the distance.
        topk: How many tracks pull at one place.
        start_image: The first frame; of a batch the first.
    """
    clip = VideoClip(vae, width, height, length, batch_size, context)
    ways = read_tracks(tracks)
    begun = _led(clip, start_image, ways, temperature, topk) if ways else clip.begun(start_image)
    return both_told(positive, negative, clip, {**begun, VISION: clip_vision_output})


def _led(clip: VideoClip, start: Image, tracks: Sequence[Any], temperature: float, nearest: int) -> dict[str, Any]:
    """The first frame of a clip, led along tracks."""
    from weft.nodes.diffusion.families.wan.clips import begun
    from weft.nodes.diffusion.families.wan.trajectories import in_frames, led

    if len(start) > 1:
        clip.warn(f"start_image has {len(start)} pictures; the first alone is led")
    width, height, length = clip.sizes
    known = begun(clip.vae, width, height, length, start[:1])
    ways = in_frames(tracks, (known.image.shape[2] - 1) * clip.vae.frames + 1, clip.warn)
    return known_frames(led(known, ways, (width, height), temperature, nearest))
