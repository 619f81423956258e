"""Tracks that lead points of a picture through a video: held to the published definition, written out in loops.

No values of ComfyUI's are at hand.
"""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor

import weft
from weft.nodes.core.wan import WanImageToVideo
from weft.nodes.core.wan_tracks import WanTrackToVideo
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.wan import statistics
from weft.nodes.diffusion.families.wan.clips import KnownFrames
from weft.nodes.diffusion.families.wan.track_text import read_tracks
from weft.nodes.diffusion.families.wan.trajectories import in_frames, led, point_of

from .test_wan_variants import Heard, options, pixels, random, sampled, told

WIDTH, HEIGHT = 48, 32
MEAN, DEVIATION = (torch.tensor(each).reshape(-1, 1, 1, 1) for each in statistics.OF_CHANNELS[16])
Point = tuple[float, float]


def line(start: Point, end: Point, count: int) -> list[Point]:
    shares = [number / (count - 1) for number in range(count)]
    return [(start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share) for share in shares]


def at(place: Point) -> Point:
    """Pixels as the code of ATI counts: from the middle, the shorter side from -1 to 1."""
    return (place[0] - WIDTH / 2) / (HEIGHT / 2), (place[1] - HEIGHT / 2) / (HEIGHT / 2)


def bilinear(picture: Tensor, place: Point) -> Tensor:
    """What [C,h,w] has at a place, zeros around it."""
    height, width = picture.shape[-2:]
    x, y = at(place)
    x, y = (min(max(x / (width / height), -1.0), 1.0), min(max(y, -1.0), 1.0))
    column, row = (x + 1) / 2 * width - 0.5, (y + 1) / 2 * height - 0.5
    found = torch.zeros(len(picture))
    for i in (math.floor(row), math.floor(row) + 1):
        for j in (math.floor(column), math.floor(column) + 1):
            if 0 <= i < height and 0 <= j < width:
                found += picture[:, i, j] * (1 - abs(row - i)) * (1 - abs(column - j))
    return found


def published(clip: Tensor, tracks: list[list[Point]], temperature: float, topk: int) -> tuple[Tensor, Tensor]:
    """The clip [C,T,h,w] laid along tracks, and how far they reach [T,h,w]."""
    _, times, height, width = clip.shape
    laid, reached = clip.clone(), torch.ones(times, height, width)
    for t in range(1, times):
        for i in range(height):
            for j in range(width):
                pixel = (2 * j / (width - 1) - 1) * width / height, 2 * i / (height - 1) - 1
                pulls = []
                for track in tracks:
                    points = [1 + (3 * frame - 2) // 2 for frame in range(4 * t - 3, 4 * t + 1)]
                    seen = [at(track[point]) for point in points if point < len(track)]
                    x, y = (sum(each[axis] for each in seen) / (len(seen) + 1e-5) for axis in (0, 1))
                    weight = math.exp(-((x - pixel[0]) ** 2 + (y - pixel[1]) ** 2) * temperature)
                    pulls.append((weight if seen else 0.0, bilinear(clip[:, 0], track[0])))
                pulls = sorted(pulls, key=lambda pull: -pull[0])[:topk]
                total = sum(weight for weight, _ in pulls)
                reached[t, i, j] = total
                laid[:, t, i, j] = clip[:, t, i, j] * (1 - min(total, 1.0)) + sum(w * f for w, f in pulls)
    return laid, reached


@pytest.mark.parametrize("topk", [1, 2, 10])
def test_a_picture_is_laid_along_tracks_as_published(topk: int) -> None:
    """Of three tracks two meet, one ends early, and one begins outside of the picture."""
    tracks = [
        line((10, 10), (30, 20), 13),
        line((40, 8), (28, 20), 5),
        line((-6, 30), (20, 24), 20),
    ]
    known = KnownFrames(random(1, 16, 3, 4, 6), torch.zeros(1))
    warned: list[str] = []
    found = led(known, in_frames(tracks, 9, warned.append), (WIDTH, HEIGHT), 20.0, topk)
    laid, reached = published((known.image[0] - MEAN) / DEVIATION, tracks, 20.0, topk)
    torch.testing.assert_close((found.image[0] - MEAN) / DEVIATION, laid, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(1.0 - found.mask[0, 0], reached, atol=1e-4, rtol=1e-4)
    assert warned == ["track 2 has 5 of the 13 points that 9 frames take: it leads nothing behind frame 4"]


def test_tracks_have_three_points_for_two_frames() -> None:
    """The 81 frames that the model was trained on take 121 points."""
    doubled = [point for point in range(1, 121) for _ in range(2)]
    assert [point_of(frame) for frame in range(81)] == [0, *doubled[1::3]]


def text(*tracks: Any) -> str:
    return json.dumps([[{"x": x, "y": y} for x, y in track] for track in tracks])


def test_the_node_tells_both_sides_the_same() -> None:
    """A model of image-to-video reads it; without tracks it is WanImageToVideo."""
    start, track = pixels(1, 32, 32, 3), line((4, 4), (28, 28), 7)
    given: dict[str, Any] = {"start_image": start, "temperature": 5.0, "topk": 2}
    plain = told(WanImageToVideo, start_image=start)
    assert torch.equal(
        options(told(WanTrackToVideo, tracks="[]", **given))["concat_latent_image"],
        options(plain)["concat_latent_image"],
    )
    heard = Heard()
    result = told(WanTrackToVideo, heard, tracks=text(track), **given)
    assert not heard.said
    assert torch.equal(result[1][0][1]["concat_mask"], options(result)["concat_mask"])
    assert options(result)["concat_mask"].shape == (1, 1, 2, 4, 4)
    one, other = (sampled("wan_i2v", options(each), result[2])["samples"] for each in (plain, result))
    assert (one - other).abs().max() > 1e-3
    told(WanTrackToVideo, heard, **{**given, "start_image": pixels(2, 32, 32, 3)}, tracks=text(track[:3]))
    assert heard.said == [
        "start_image has 2 pictures; the first alone is led",
        "track 1 has 3 of the 7 points that 5 frames take: it leads nothing behind frame 2",
    ]
    with pytest.raises(DiffusionError, match="a picture to begin with, which Wan text-to-video does not read"):
        sampled("wan", options(result), result[2])


def test_what_editors_write_is_read() -> None:
    once = [[(1.0, 2.0), (3.0, 4.5)]]
    assert read_tracks('[{"x": 1, "y": 2}, {"x": 3, "y": 4.5}]') == once
    assert read_tracks("[[{'x': 1, 'y': 2}, {'x': 3, 'y': 4.5}]]") == once
    assert read_tracks([text(*once)[1:-1], text(*once)]) == once * 2
    assert read_tracks("") == read_tracks("[]") == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("[[{", "the tracks are no JSON .Expecting"),
        ('{"x": 1}', "got dict in the place of tracks: expected tracks as"),
        ("[1, 2]", "track 1 is 1: expected tracks as"),
        ("[[[1, 2], [3, 4]]]", r"track 1 is \[\[1, 2\], \[3, 4\]\]: expected tracks as"),
        ('[[{"x": 1}, {"x": 2}]]', "track 1 is .*expected tracks as"),
        ('[[{"x": 1, "y": 1}]]', "track 1 has 1 of the 2 points or more that a way has"),
        ("[[]]", "track 1 has 0 of the 2 points"),
        ('[[{"x": 1, "y": "a"}, {"x": 1, "y": 2}]]', "track 1 has a point that is no two numbers"),
        ('[[{"x": 1, "y": Infinity}, {"x": 1, "y": 2}]]', "track 1 has a point .1.0, inf.: expected finite numbers"),
        ('[[{"x": NaN, "y": 1}, {"x": 1, "y": 2}]]', "track 1 has a point .nan, 1.0.: expected finite numbers"),
    ],
)
def test_what_is_no_track_is_refused(given: str, words: str) -> None:
    with pytest.raises(DiffusionError, match=words):
        read_tracks(given)


def test_it_is_refused_before_the_run() -> None:
    """Typed, or given by a node that has nothing else to give."""
    linked = {"1": {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "[[{"}}}
    session = weft.Session()
    for tracks, before in (("[1]", {}), (["1", 0], linked)):
        node = {"class_type": "WanTrackToVideo", "inputs": {"tracks": tracks}}
        said = [issue for issue in session.issues(session.read({**before, "2": node})) if issue.input == "tracks"]
        assert [issue.code for issue in said] == ["custom_validation_failed"]
