"""Ways of points through a video, for Wan-Move: what the first frame shows at a point is put where the point goes.

Sources: ali-vilab/Wan-Move (Apache-2.0; Chu et al. 2025), which copies the vector of the first frame's latent to every
element that a track enters, and shows that to the positive side alone. Where several tracks meet, there the last
counts; in the published code, any of them. How ways are made is by ComfyUI's documentation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, Warn
from weft.nodes.diffusion.families.wan.track_text import PATH, VISIBILITY, Ways
from weft.nodes.diffusion.values.masks import as_masks

Point = tuple[float, float]

# Of the share of the time that is over, the share of the way; one for each of track_text.PACES.
_PACES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda time: time,
    "ease_in": lambda time: time**2,
    "ease_out": lambda time: 1.0 - (1.0 - time) ** 2,
    "ease_in_out": lambda time: torch.where(time < 0.5, 2.0 * time**2, 1.0 - 2.0 * (1.0 - time) ** 2),
    "constant": torch.zeros_like,
}


def generated(
    size: tuple[int, int],
    ends: tuple[Point, Point],
    frames: int,
    count: int,
    spread: float,
    bend: Point | None,
    pace: str,
) -> Tensor:
    """Tracks [F,N,2] beside each other from one point to another, in pixels.

    size: width and height. ends, bend: shares of them; bend: what a Bezier curve is drawn to. spread: from track to
    track, a share as well, across the way from end to end.
    """
    start, end = (torch.tensor(point) for point in ends)
    share = _PACES[pace](torch.linspace(0.0, 1.0, frames))[:, None]
    if bend is None:
        way = start + (end - start) * share
    else:
        way = start * (1.0 - share) ** 2 + torch.tensor(bend) * 2.0 * share * (1.0 - share) + end * share**2
    dx, dy = (end - start).tolist()
    length = math.hypot(dx, dy)
    across = torch.tensor([-dy / length, dx / length] if length else [0.0, 1.0])
    beside = (torch.arange(count) - (count - 1) / 2) * spread
    return (way[:, None] + beside[None, :, None] * across) * torch.tensor(size, dtype=torch.float32)


def seen_by(mask: Tensor | None, frames: int, count: int) -> Tensor:
    """Which tracks are seen [F,N]: all in each frame whose mask has something. Raises DiffusionError."""
    if mask is None:
        return torch.ones(frames, count, dtype=torch.bool)
    shown = (as_masks(mask) > 0).flatten(1).any(dim=1)
    if len(shown) not in (1, frames):
        raise DiffusionError(f"track_mask has {len(shown)} masks: expected one, or one for each of {frames} frames")
    return shown[:, None].expand(frames, count).clone()


def of_points(tracks: Sequence[Sequence[Point]]) -> Tensor:
    """Tracks [F,N,2] of points in each frame. Raises DiffusionError for none, and where their numbers differ."""
    lengths = [len(track) for track in tracks]
    if len({*lengths}) != 1:
        got = f"{min(lengths)} to {max(lengths)} points" if lengths else "no track"
        raise DiffusionError(f"got {got}: expected tracks of one point in each frame, as many in each track")
    return torch.tensor(tracks, dtype=torch.float32).transpose(0, 1).contiguous()


def joined(first: Ways, second: Ways) -> Ways:
    """The tracks of both. Raises DiffusionError where they are of other numbers of frames."""
    paths, seen = zip(*map(checked, (first, second)), strict=True)
    if len(paths[0]) != len(paths[1]):
        raise DiffusionError(f"tracks of {len(paths[0])} and of {len(paths[1])} frames: expected as many")
    return {PATH: torch.cat(paths, dim=1), VISIBILITY: torch.cat(seen, dim=1)}


def checked(ways: Ways) -> tuple[Tensor, Tensor]:
    """Path and visibility. Raises DiffusionError for what are no tracks."""
    path, seen = ways.get(PATH), ways.get(VISIBILITY)
    if not isinstance(path, Tensor) or path.dim() != 3 or path.shape[-1] != 2:
        got = list(path.shape) if isinstance(path, Tensor) else type(path).__name__
        raise DiffusionError(f"the tracks' {PATH} is {got}: expected [frames, tracks, 2]")
    if seen is None:
        seen = torch.ones(path.shape[:2], dtype=torch.bool)
    if tuple(seen.shape) != tuple(path.shape[:2]):
        raise DiffusionError(f"the tracks' {VISIBILITY} is {list(seen.shape)}: expected {list(path.shape[:2])}")
    return path.float().cpu(), seen.bool().cpu()


def moved(image: Tensor, ways: Ways, every: int, cell: int, strength: float, warn: Warn) -> Tensor:
    """The latent [1,C,T,h,w] of a clip that begins with a picture, with what its first frame shows along tracks.

    every, cell: frames and pixels of an element. strength: 1 puts it there, 0 leaves what is there.
    """
    path, seen = checked(ways)
    times, height, width = image.shape[2:]
    frames = (times - 1) * every + 1
    if len(path) != frames:
        then = "the rest is left out" if len(path) > frames else "behind them nothing is moved"
        warn(f"the tracks have {len(path)} frames, the video {frames}: {then}")
    path, seen = path[:frames:every], seen[:frames:every]
    columns, rows = (path // cell).long().unbind(dim=-1)
    # Of the points themselves: a number of an element may be too large for one.
    inside = seen & (path >= 0).all(dim=-1) & (path < torch.tensor([width, height]) * cell).all(dim=-1)
    hidden = int((~inside[0]).sum())
    if hidden:
        warn(f"{hidden} of {inside.shape[1]} tracks are not in the first picture: they move nothing")
    result = image.clone()
    for track in inside[0].nonzero()[:, 0].tolist():
        at = inside[1:, track].nonzero()[:, 0] + 1
        shown = image[0, :, 0, rows[0, track], columns[0, track]]
        result[0, :, at, rows[at, track], columns[at, track]] = shown[:, None]
    return image + strength * (result - image) if strength != 1.0 else result
