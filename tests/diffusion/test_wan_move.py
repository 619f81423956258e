"""Wan-Move: held to its published definition, written out in loops; how ways are made, to the node's documentation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.core.wan import WanImageToVideo
from weft.nodes.core.wan_move import GenerateTracks, WanMoveConcatTrack, WanMoveTracksFromCoords, WanMoveTrackToVideo
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families import release_meant
from weft.nodes.diffusion.families.wan import moves
from weft.nodes.diffusion.families.wan.track_text import PACES, PATH, VISIBILITY

from .test_wan_tracks import text
from .test_wan_variants import Heard, options, pixels, random, told


def ways(*tracks: list[tuple[float, float]], hidden: tuple[tuple[int, int], ...] = ()) -> dict[str, Tensor]:
    path = torch.tensor(tracks, dtype=torch.float32).transpose(0, 1)
    seen = torch.ones(path.shape[:2], dtype=torch.bool)
    for frame, track in hidden:
        seen[frame, track] = False
    return {PATH: path, VISIBILITY: seen}


def published(image: Tensor, given: dict[str, Tensor]) -> Tensor:
    """Element by element: every fourth frame of a track, in cells of eight pixels."""
    result, (times, height, width) = image.clone(), image.shape[2:]
    for track in range(given[PATH].shape[1]):
        places: list[tuple[int, int] | None] = []
        for frame in range(0, len(given[PATH]), 4):
            x, y = given[PATH][frame, track].tolist()
            outside = x < 0 or y < 0 or x >= width * 8 or y >= height * 8 or not given[VISIBILITY][frame, track]
            places.append(None if outside else (int(y // 8), int(x // 8)))
        for time in range(1, times):
            if places[0] and places[time]:
                (row, column), (y0, x0) = places[time], places[0]
                result[0, :, time, row, column] = image[0, :, 0, y0, x0]
    return result


def test_a_point_of_the_picture_is_put_where_it_goes() -> None:
    """Of four tracks one leaves the picture, one is not seen in between, two meet."""
    image = random(1, 16, 3, 4, 6)
    given = ways(
        [(4.0 + 4 * frame, 4.0) for frame in range(9)],
        [(40.0 + 2 * frame, 30.9) for frame in range(9)],
        [(20.0, 20.0 - frame) for frame in range(9)],
        [(40.0 - 4 * frame, 7.9) for frame in range(9)],
        hidden=((4, 2),),
    )
    warned: list[str] = []
    assert torch.equal(moves.moved(image, given, 4, 8, 1.0, warned.append), published(image, given))
    assert not warned
    half = moves.moved(image, given, 4, 8, 0.5, warned.append)
    torch.testing.assert_close(half, (image + published(image, given)) / 2)


def test_what_moves_nothing_is_said() -> None:
    image, given = random(1, 16, 3, 4, 4), ways([(40.0, 4.0)] * 9, [(4.0, 4.0)] * 9)
    warned: list[str] = []
    moves.moved(image, {name: each[:5] for name, each in given.items()}, 4, 8, 1.0, warned.append)
    moves.moved(image[:, :, :2], given, 4, 8, 1.0, warned.append)
    outside = "1 of 2 tracks are not in the first picture: they move nothing"
    assert warned == [
        "the tracks have 5 frames, the video 9: behind them nothing is moved",
        outside,
        "the tracks have 9 frames, the video 5: the rest is left out",
        outside,
    ]


def made(**changes: Any) -> Any:
    given: dict[str, Any] = {"width": 100, "height": 50, "num_frames": 5, "num_tracks": 1, "track_spread": 0.1}
    given |= {"start_x": 0.0, "start_y": 0.0, "end_x": 1.0, "end_y": 0.0, "bezier": False, "mid_x": 0.5, "mid_y": 1.0}
    return GenerateTracks(**{**given, "interpolation": "linear", **changes})


@pytest.mark.parametrize(
    ("pace", "places"),
    [
        ("linear", [0, 25, 50, 75, 100]),
        ("ease_in", [0, 6.25, 25, 56.25, 100]),
        ("ease_out", [0, 43.75, 75, 93.75, 100]),
        ("ease_in_out", [0, 12.5, 50, 87.5, 100]),
        ("constant", [0, 0, 0, 0, 0]),
    ],
)
def test_how_fast_a_way_is_gone(pace: str, places: list[float]) -> None:
    assert made(interpolation=pace)[0][PATH][:, 0, 0].tolist() == places
    assert pace in PACES


def test_ways_beside_each_other_and_bent() -> None:
    """From side to side they are apart across the way; a curve is drawn half way to its point."""
    tracks, length = made(num_tracks=3)
    assert tracks[PATH][0].tolist() == [[0.0, -5.0], [0.0, 0.0], [0.0, 5.0]]
    assert (length, tuple(tracks[VISIBILITY].shape), bool(tracks[VISIBILITY].all())) == (5, (5, 3), True)
    assert made(bezier=True)[0][PATH][2, 0].tolist() == [50.0, 25.0]
    still = made(num_tracks=2, end_x=0.0, num_frames=1)[0][PATH]
    assert still.tolist() == [[[0.0, -2.5], [0.0, 2.5]]]
    shown = torch.zeros(5, 4, 4)
    shown[3, 1, 1] = 0.5
    assert made(track_mask=shown, num_tracks=2)[0][VISIBILITY].tolist() == [[False] * 2] * 3 + [[True] * 2, [False] * 2]
    assert made(track_mask=shown[3:4])[0][VISIBILITY].all()
    assert made(track_mask=shown[3])[0][VISIBILITY].all()
    with pytest.raises(DiffusionError, match="track_mask has 3 masks: expected one, or one for each of 5 frames"):
        made(track_mask=shown[:3])


def test_tracks_are_put_together_and_drawn_ones_read() -> None:
    one, two = made(num_tracks=2)[0], made()[0]
    both = WanMoveConcatTrack(tracks_1=one, tracks_2=two)
    assert (tuple(both[PATH].shape), tuple(both[VISIBILITY].shape)) == ((5, 3, 2), (5, 3))
    assert WanMoveConcatTrack(tracks_1=one) is one
    with pytest.raises(DiffusionError, match="tracks of 5 and of 4 frames: expected as many"):
        WanMoveConcatTrack(tracks_1=one, tracks_2=made(num_frames=4)[0])
    drawn, length = WanMoveTracksFromCoords(track_coords=text([(1, 2), (3, 4)], [(5, 6), (7, 8)]))
    assert (drawn[PATH].tolist(), length) == ([[[1, 2], [5, 6]], [[3, 4], [7, 8]]], 2)
    for given, words in ((text([(1, 2)] * 2, [(1, 2)] * 3), "got 2 to 3 points"), ("[]", "got no track")):
        with pytest.raises(DiffusionError, match=words):
            WanMoveTracksFromCoords(track_coords=given)
    for wrong in ({}, {PATH: torch.zeros(3, 2)}, {PATH: torch.zeros(3, 1, 2), VISIBILITY: torch.ones(2, 1)}):
        with pytest.raises(DiffusionError, match="the tracks' track_.* is .*: expected"):
            moves.checked(wrong)


def test_the_positive_side_alone_is_shown_what_moves() -> None:
    given: dict[str, Any] = {"start_image": pixels(1, 32, 32, 3)}
    plain = options(told(WanImageToVideo, **given))["concat_latent_image"]
    tracks = ways([(4.0 + 5 * frame, 4.0) for frame in range(5)])
    heard = Heard()
    positive, negative, latent = told(WanMoveTrackToVideo, heard, **given, strength=1.0, tracks=tracks)
    assert torch.equal(negative[0][1]["concat_latent_image"], plain)
    assert torch.equal(positive[0][1]["concat_latent_image"], published(plain, tracks))
    assert torch.equal(positive[0][1]["concat_mask"], negative[0][1]["concat_mask"])
    assert (tuple(latent["samples"].shape), heard.said) == ((1, 16, 2, 4, 4), [])
    away = ways([(4.0, 4.0), *[(1e30, 4.0)] * 4])
    gone = told(WanMoveTrackToVideo, **given, strength=1.0, tracks=away)
    assert torch.equal(options(gone)["concat_latent_image"], plain)
    still = told(WanMoveTrackToVideo, **given, strength=0.0, tracks=tracks)
    assert torch.equal(options(still)["concat_latent_image"], plain)


def test_its_model_is_one_of_image_to_video() -> None:
    assert release_meant("Wan21-WanMove_fp8_scaled_e4m3fn_KJ.safetensors") == "wan21_i2v"
