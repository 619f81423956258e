"""Tracks of points in a video, as text, and by which names they pass between nodes: without torch, for checks before a
run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from weft.nodes.diffusion.errors import DiffusionError

Ways = Mapping[str, Any]
"""{"track_path": float32 [F,N,2], x and y in pixels, "track_visibility": bool [F,N]}, of F frames and N tracks."""
PATH, VISIBILITY = "track_path", "track_visibility"
PACES = ("linear", "ease_in", "ease_out", "ease_in_out", "constant")
"""How a point goes from one end of a way to the other."""

FEWEST = 2
"""Points of a track: where it begins, and one more."""
_EXAMPLE = 'expected tracks as [[{"x": 10, "y": 20}, {"x": 12, "y": 20}, ...], ...], in pixels'


def read_tracks(text: str | Sequence[str]) -> list[list[tuple[float, float]]]:
    """The tracks of a text of JSON, or of several: the points of each in their order, 24 a second.

    A single track may stand without the brackets around it, and names in single quotes, as editors of tracks write.

    Raises:
        DiffusionError: no JSON, no tracks, or a track of fewer points than FEWEST.
    """
    texts = [text] if isinstance(text, str) else list(text)
    tracks = [track for each in texts for track in _tracks_of(each)]
    return [_points(number, track) for number, track in enumerate(tracks, 1)]


def _tracks_of(text: str) -> list[Any]:
    try:
        value = json.loads(text.replace("'", '"') or "[]")
    except ValueError as error:
        raise DiffusionError(f"the tracks are no JSON ({error}): {_EXAMPLE}") from error
    if not isinstance(value, list):
        raise DiffusionError(f"got {type(value).__name__} in the place of tracks: {_EXAMPLE}")
    return [value] if value and all(isinstance(part, Mapping) for part in value) else value


def _points(number: int, track: Any) -> list[tuple[float, float]]:
    if not isinstance(track, list) or not all(isinstance(point, Mapping) and {"x", "y"} <= {*point} for point in track):
        raise DiffusionError(f"track {number} is {json.dumps(track)[:60]}: {_EXAMPLE}")
    if len(track) < FEWEST:
        raise DiffusionError(f"track {number} has {len(track)} of the {FEWEST} points or more that a way has")
    try:
        points = [(float(point["x"]), float(point["y"])) for point in track]
    except (TypeError, ValueError, OverflowError) as error:
        raise DiffusionError(f"track {number} has a point that is no two numbers: {error}") from error
    if odd := [point for point in points if not all(map(math.isfinite, point))]:
        raise DiffusionError(f"track {number} has a point {odd[0]}: expected finite numbers of pixels")
    return points
