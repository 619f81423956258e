"""Where points of the first frame go in a video, for models that were trained on it: ATI of ByteDance.

Sources: bytedance/ATI (Apache-2.0; Wang et al. 2025, "ATI: Any Trajectory Instruction for Controllable Video
Generation"). What stands in the first frame's latent where a track begins is laid where the track is later, weighed by
a Gaussian of the distance. Tracks have 24 points a second, videos 16 frames: every third point is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from weft.nodes.diffusion.errors import Warn
from weft.nodes.diffusion.families.wan import statistics
from weft.nodes.diffusion.families.wan.clips import KnownFrames
from weft.nodes.diffusion.families.wan.keymap import FRAMES

# So little that a point which is seen in no frame of an element is at no place, and not at infinity.
_SEEN_AT_LEAST = 1e-5


class Tracks(NamedTuple):
    """places: [F,N,2], x and y in pixels, of each frame of a video. seen: [F,N], 1 where a track has a point."""

    places: Tensor
    seen: Tensor


def point_of(frame: int) -> int:
    """Which point of a track is in a frame of a video: 0, 1, 3, 4, 6, ..."""
    return frame and 1 + (3 * frame - 2) // 2


def in_frames(tracks: Sequence[Sequence[tuple[float, float]]], length: int, warn: Warn) -> Tracks:
    """Tracks in the frames of a video; one that ends early is not seen from there on, which is warned about."""
    asked = [point_of(frame) for frame in range(length)]
    for number, track in enumerate(tracks, 1):
        if len(track) <= asked[-1]:
            last = sum(point < len(track) for point in asked)
            warn(
                f"track {number} has {len(track)} of the {asked[-1] + 1} points that {length} frames take: "
                f"it leads nothing behind frame {last}"
            )
    places = [[track[point] if point < len(track) else (0.0, 0.0) for track in tracks] for point in asked]
    seen = [[float(point < len(track)) for track in tracks] for point in asked]
    return Tracks(torch.tensor(places), torch.tensor(seen))


def led(known: KnownFrames, tracks: Tracks, size: tuple[int, int], temperature: float, nearest: int) -> KnownFrames:
    """The first frame of a clip laid along tracks, as far as they reach; how far they do becomes the mask.

    known: as `clips.begun` makes it of one picture. size: width and height of the clip in pixels.
    temperature: how fast what a track lays fades with the distance. nearest: how many tracks count at one place.
    """
    mean, deviation = (torch.tensor(each).reshape(-1, 1, 1, 1) for each in statistics.OF_CHANNELS[known.image.shape[1]])
    # As the published code has it, on latents as the network takes them.
    clip = (known.image[0] - mean) / deviation
    height, width = clip.shape[-2:]
    short = min(size)
    places = (tracks.places - torch.tensor(size) / 2) * (2 / short)
    weights, chosen = _weights(places, tracks.seen, height, width, temperature, nearest)
    features = _features(clip, places[0])
    laid = (features[chosen] * weights[..., None]).sum(dim=-2).movedim(-1, 0)
    reached = weights.sum(dim=-1)
    rest = laid + clip[:, 1:] * (1.0 - reached.clamp(0.0, 1.0))
    image = torch.cat([clip[:, :1], rest], dim=1) * deviation + mean
    mask = torch.cat([torch.zeros(1, height, width), 1.0 - reached])
    return KnownFrames(image[None], mask[None, None])


def _weights(
    places: Tensor, seen: Tensor, height: int, width: int, temperature: float, nearest: int
) -> tuple[Tensor, Tensor]:
    """How much the nearest tracks count, and which these are: [T,h,w,k] each, of all elements but the first."""
    frames, count = seen[1:].reshape(-1, FRAMES, seen.shape[1]), seen.shape[1]
    often = frames.sum(dim=1)
    middle = (places[1:].reshape(-1, FRAMES, count, 2) * frames[..., None]).sum(dim=1)
    middle = middle / (often[..., None] + _SEEN_AT_LEAST)
    short = min(height, width)
    down, across = (torch.linspace(-side / short, side / short, side) for side in (height, width))
    grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)
    distance = (middle[:, None, None] - grid[None, :, :, None]).square().sum(dim=-1)
    weights = (-distance * temperature).exp() * often.clamp(0.0, 1.0)[:, None, None]
    found = weights.topk(min(nearest, count), dim=-1)
    return found.values, found.indices


def _features(clip: Tensor, begins: Tensor) -> Tensor:
    """What the first element [C,h,w] of a clip has where tracks begin: [N,C]."""
    height, width = clip.shape[-2:]
    short = min(height, width)
    at = (begins / torch.tensor([width / short, height / short])).clamp(-1.0, 1.0)
    sampled = grid_sample(clip[None, :, 0], at[None, None], mode="bilinear", align_corners=False)
    return sampled[0, :, 0].T
