"""Plots: where cells and labels stand. How labels look is for eyes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values import lettering
from weft.nodes.diffusion.values.plot import draw_plot, shortened


def cells(count: int, height: int = 60, width: int = 90, channels: int = 3) -> Tensor:
    return torch.rand(count, height, width, channels, generator=torch.Generator().manual_seed(1)) * 0.9


def as_drawn(cell: Tensor) -> Tensor:
    return (cell * 255).floor() / 255


def found(picture: Tensor, cell: Tensor, x: int, y: int) -> bool:
    height, width = cell.shape[:2]
    return torch.equal(picture[0, y : y + height, x : x + width, :3], as_drawn(cell))


def blank(part: Tensor) -> bool:
    return bool((part == 1.0).all())


@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("spacing", [0, 7])
def test_cells_stand_row_by_row_beside_their_labels(spacing: int, vertical: bool) -> None:
    images = cells(6)
    picture = draw_plot(images, ["a", "b", "c"], ["x", "y"], spacing=spacing, vertical_labels=vertical)
    height, width = picture.shape[1:3]
    left, top = width - 3 * 90 - 2 * spacing, height - 2 * 60 - spacing
    assert top == 18
    assert left >= 18
    for number, cell in enumerate(images):
        column, row = number % 3, number // 3
        assert found(picture, cell, left + column * (90 + spacing), top + row * (60 + spacing))
    assert picture.dtype == torch.float32
    assert (picture[..., 3] == 1.0).all()
    if spacing:
        assert blank(picture[0, top:, left + 90 : left + 90 + spacing])
    assert blank(picture[0, :top, :left])
    for column in range(3):
        start = left + column * (90 + spacing)
        assert not blank(picture[0, :top, start : start + 90])
    for row in range(2):
        start = top + row * (60 + spacing)
        assert not blank(picture[0, start : start + 60, :left])


def test_an_axis_that_is_not_there_takes_no_room() -> None:
    images = cells(2)
    assert draw_plot(images, ["a", "b"], []).shape == (1, 78, 180, 4)
    assert draw_plot(images, [], ["a", "b"], vertical_labels=True).shape == (1, 120, 108, 4)
    assert draw_plot(images[:1], [], []).shape == (1, 60, 90, 4)


def test_the_band_at_the_left_grows_with_the_labels_up_to_a_limit() -> None:
    images = cells(1, 300, 320)
    widths = [draw_plot(images, [], [label]).shape[2] - 320 for label in ("1", "a few words", "a few words " * 9)]
    assert widths[0] == 63
    assert 63 < widths[1] < 304
    assert widths[2] == 304


def test_pictures_with_transparency_keep_it() -> None:
    images = cells(1, channels=4)
    assert torch.equal(draw_plot(images, [], []), as_drawn(images))


def test_numbers_and_short_words_stay_whole() -> None:
    font = lettering.font_of(20)
    assert lettering.wrapped("CFG: 12.5", font, 60, whole_words=True) == ["CFG:", "12.5"]
    assert lettering.wrapped("CFG: 12.5", font, 200, whole_words=True) == ["CFG: 12.5"]
    assert lettering.wrapped("some_long_file_name.safetensors", font, 130, whole_words=True) == [
        "some_long_",
        "file_name.",
        "safetensors",
    ]
    assert lettering.wrapped("18446744073709551615", font, 60, whole_words=True) is None


def test_words_are_broken_only_where_they_are_too_long() -> None:
    font, text = lettering.font_of(20), "dpmpp_2m_sde_gpu (sgm_u)"
    assert lettering.wrapped(text, font, 180, whole_words=True) == ["dpmpp_2m_sde_gpu", "(sgm_u)"]
    assert lettering.wrapped(text, font, 130, whole_words=True) == ["dpmpp_2m_", "sde_gpu", "(sgm_u)"]


def test_the_labels_of_an_axis_have_one_size_unless_one_is_far_longer() -> None:
    box, longer = (256, 48), "some more words here to go"
    assert 16 < lettering.common_font([longer], box, 24) < 24
    assert lettering.common_font(["a", longer], box, 24) == lettering.common_font([longer], box, 24)
    assert lettering.common_font(["a", longer * 2], box, 24) == 16
    assert lettering.common_font(["a", longer * 20], box, 24) == 24, "one that does not fit at all decides nothing"
    assert lettering.common_font([], box, 24) == 24


def test_labels_shrink_until_they_fit_and_end_in_dots_where_nothing_helps() -> None:
    font, lines = lettering.fitted("short", 200, 60, 30)
    assert (font.size, lines) == (30, ["short"])
    font, lines = lettering.fitted("a label of several words", 100, 40, 30)
    assert font.size < 30
    assert len(lines) > 1
    font, lines = lettering.fitted("word " * 400, 60, 30, 30)
    assert font.size == lettering.SMALLEST_FONT
    assert lines[-1].endswith("...")
    assert len(lines) * lettering.line_height(font) <= 30


def test_letters_beyond_ascii_have_shapes() -> None:
    missing = lettering.font_of(30).getmask("\uffff").getbbox(), bytes(lettering.font_of(30).getmask("\uffff"))
    for letter in "üßéñЖΩ→":
        mask = lettering.font_of(30).getmask(letter)
        assert (mask.getbbox(), bytes(mask)) != missing, letter


def test_empty_labels_are_no_problem() -> None:
    assert blank(draw_plot(cells(1), [""], ["  "])[0, :18])


def test_shortened() -> None:
    assert shortened("a" * 42) == "a" * 42
    assert shortened("a" * 43) == "a" * 39 + "..."


def test_bad_input() -> None:
    with pytest.raises(DiffusionError, match="a plot of 3x2 cells got 5 pictures"):
        draw_plot(cells(5), ["a", "b", "c"], ["x", "y"])
    with pytest.raises(DiffusionError, match=r"are \[N,height,width,3\], got \[1, 60, 90, 2\]"):
        draw_plot(cells(1, channels=2), [], [])
