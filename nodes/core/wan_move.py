"""Ways of points through a video, for Wan-Move."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Output, Tooltip, node
from weft.engine.schema.sockets import Boolean, Combo, Float, Int, Socket, String
from weft.nodes.core.empty_latents import BatchSize
from weft.nodes.core.types import NEWER, Image, Mask, Negative, Positive
from weft.nodes.core.wan import (
    CATEGORY,
    VISION,
    Begun,
    Height,
    Length,
    Seen,
    VideoClip,
    VideoVae,
    Width,
)
from weft.nodes.core.wan_tracks import drawn_in
from weft.nodes.diffusion.families.wan.track_text import PACES, PATH, VISIBILITY, Ways, read_tracks

_IMAGE = "concat_latent_image"

Tracks = Annotated[Ways, Socket("TRACKS")]
Side = Annotated[int, Int(default=832, min=16, max=4096, step=16)]
Made = tuple[Annotated[Tracks, Output("TRACKS")], Annotated[int, Int(), Output("track_length")]]
Visible = Annotated[
    Mask, Tooltip("Tracks are seen in the frames whose mask shows something; one mask is for all frames.")
]


def _share(default: float) -> Float:
    return Float(default=default, min=0.0, max=1.0, step=0.01)


@node(display_name="Generate Video Tracks", category=CATEGORY, python_module=NEWER)
def GenerateTracks(
    *,
    width: Side,
    height: Annotated[int, Int(default=480, min=16, max=4096, step=16)],
    start_x: Annotated[float, _share(0.0)],
    start_y: Annotated[float, _share(0.0)],
    end_x: Annotated[float, _share(1.0)],
    end_y: Annotated[float, _share(1.0)],
    num_frames: Annotated[int, Int(default=81, min=1, max=1024)],
    num_tracks: Annotated[int, Int(default=5, min=1, max=100)],
    track_spread: Annotated[float, Float(default=0.025, min=0.0, max=1.0, step=0.001)],
    bezier: Annotated[bool, Boolean(default=False)],
    mid_x: Annotated[float, _share(0.5)],
    mid_y: Annotated[float, _share(0.5)],
    interpolation: Annotated[str, Combo(PACES)],
    track_mask: Visible | None = None,
) -> Made:
    """Make tracks beside each other from one point of a video to another.

    Args:
        width: Width of the video in pixels.
        height: Height of the video in pixels.
        start_x: Where they begin, as a share of the width.
        start_y: Where they begin, as a share of the height.
        end_x: Where they end, as a share of the width.
        end_y: Where they end, as a share of the height.
        num_frames: Frames of the video.
        num_tracks: How many tracks.
        track_spread: From one to the next, across the way, as a share.
        bezier: Whether they bend towards a point.
        mid_x: The point that they bend to, as a share of the width.
        mid_y: The point that they bend to, as a share of the height.
        interpolation: How fast they are when; constant stays where it begins.
    """
    from weft.nodes.diffusion.families.wan.moves import generated, seen_by

    ends = ((start_x, start_y), (end_x, end_y))
    bend = (mid_x, mid_y) if bezier else None
    path = generated((width, height), ends, num_frames, num_tracks, track_spread, bend, interpolation)
    return {PATH: path, VISIBILITY: seen_by(track_mask, num_frames, num_tracks)}, num_frames


@node(category=CATEGORY, python_module=NEWER, check=drawn_in("track_coords"))
def WanMoveTracksFromCoords(
    *,
    track_coords: Annotated[str, String(default="[]", forceInput=True)],
    track_mask: Visible | None = None,
) -> Made:
    """Tracks of points that were drawn.

    Args:
        track_coords: JSON: a list of tracks, each a list of points {"x": 10, "y": 20} in pixels, one for each frame.
    """
    from weft.nodes.diffusion.families.wan.moves import of_points, seen_by

    path = of_points(read_tracks(track_coords))
    frames, count = path.shape[:2]
    return {PATH: path, VISIBILITY: seen_by(track_mask, frames, count)}, frames


@node(category=CATEGORY, python_module=NEWER)
def WanMoveConcatTrack(*, tracks_1: Tracks, tracks_2: Tracks | None = None) -> Tracks:
    """Put tracks beside others of the same frames.

    Args:
        tracks_1: The first ones.
        tracks_2: Those that are added.
    """
    from weft.nodes.diffusion.families.wan.moves import joined

    return tracks_1 if tracks_2 is None else joined(tracks_1, tracks_2)


@node(category=CATEGORY, python_module=NEWER)
def WanMoveTrackToVideo(
    *,
    positive: Positive,
    negative: Negative,
    vae: VideoVae,
    strength: Annotated[float, Float(default=1.0, min=0.0, max=100.0, step=0.01)],
    width: Width,
    height: Height,
    length: Length,
    batch_size: BatchSize,
    start_image: Image,
    tracks: Tracks | None = None,
    clip_vision_output: Seen | None = None,
    context: RunContext,
) -> Begun:
    """Move what a picture shows along tracks through a video, for the model of Wan-Move.

    The negative side is shown the picture alone, so that cfg tells how much the tracks count.

    Args:
        strength: How much of what stands at an end of a way is replaced; 0 is WanImageToVideo.
        start_image: The first frames: one picture, or several; what moves is of the first.
        tracks: Where its points go, in pixels.
    """
    from weft.nodes.diffusion.families.wan.moves import moved
    from weft.nodes.diffusion.text.prompt_mix import with_options

    clip = VideoClip(vae, width, height, length, batch_size, context)
    told = {**clip.begun(start_image), **({} if clip_vision_output is None else {VISION: clip_vision_output})}
    shown = dict(told)
    if tracks is not None and strength:
        image = told[_IMAGE]
        shown[_IMAGE] = moved(image, tracks, clip.vae.frames, clip.vae.downscale, strength, context.warn)
    return with_options(positive, **shown), with_options(negative, **told), clip.empty()
