"""Images turned, put beside each other, fitted into a frame, resized by a rule: small ones, and what they should be."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.arranging import fit_into, flip, join_all, join_masks, repeat, rotate, stitch
from weft.nodes.diffusion.values.sizes import resized, size_of, wanted

SQUARE = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1).repeat(1, 1, 1, 3) / 4


def grey(image: torch.Tensor) -> Any:
    """The first channel of the first image, in quarters."""
    return (image[0, ..., 0] * 4).tolist()


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        ("none", [[1, 2], [3, 4]]),
        ("90 degrees", [[3, 1], [4, 2]]),
        ("180 degrees", [[4, 3], [2, 1]]),
        ("270 degrees", [[2, 4], [1, 3]]),
    ],
)
def test_turned_clockwise(rotation: str, expected: Any) -> None:
    assert grey(rotate(SQUARE, rotation)) == expected


def test_mirrored() -> None:
    assert grey(flip(SQUARE, "x-axis: vertically")) == [[3, 4], [1, 2]]
    assert grey(flip(SQUARE, "y-axis: horizontally")) == [[2, 1], [4, 3]]
    with pytest.raises(DiffusionError, match="unknown flip method 'x-axis'; .*x-axis: vertically|unknown flip method"):
        flip(SQUARE, "x-axis")


def test_batches() -> None:
    a, b, c = torch.rand(2, 4, 6, 3), torch.rand(1, 4, 6, 4), torch.rand(1, 8, 12, 3)
    joined = join_all([a, b, c])
    assert joined.shape == (4, 4, 6, 4)
    assert torch.equal(joined[:2, ..., :3], a)
    assert torch.equal(joined[2:3], b)
    assert joined[3, ..., 3].eq(1.0).all()
    assert torch.equal(repeat(a, 3)[2:4], a)
    masks = join_masks([torch.ones(4, 6), torch.zeros(2, 8, 12)])
    assert masks.shape == (3, 4, 6)
    assert masks.mean(dim=(1, 2)).tolist() == [1.0, 0.0, 0.0]
    for nothing in (join_all, join_masks):
        with pytest.raises(DiffusionError, match="to put into a batch"):
            nothing([])


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("right", [[1, 2, 4, 4, 0], [3, 4, 4, 4, 0]]),
        ("left", [[0, 4, 4, 1, 2], [0, 4, 4, 3, 4]]),
        ("down", [[1, 2], [3, 4], [4, 4], [4, 4], [0, 0]]),
        ("up", [[0, 0], [4, 4], [4, 4], [1, 2], [3, 4]]),
    ],
)
def test_beside_each_other(direction: str, expected: Any) -> None:
    """A black one of half the length, between them 2 pixels of white."""
    other = torch.zeros(1, 2, 1, 3) if direction in ("left", "right") else torch.zeros(1, 1, 2, 3)
    assert grey(stitch(SQUARE, other, direction, True, 1, "white")) == expected
    assert grey(stitch(SQUARE, other, direction, False, 2, "white")) == expected


def test_the_side_that_they_share() -> None:
    first, other = torch.full((1, 4, 4, 3), 0.5), torch.full((2, 2, 3, 4), 0.25)
    matched = stitch(first, other, "right", True, 0, "red")
    assert matched.shape == (2, 4, 4 + 6, 4)
    assert (matched[:, :, 4:, :3] - 0.25).abs().max() < 1 / 255
    apart = stitch(first, other, "right", False, 2, "red")
    assert apart.shape == (2, 4, 4 + 2 + 3, 4)
    assert apart[1, 0, 4].tolist() == [1.0, 0.0, 0.0, 1.0]
    assert apart[1, :, 6, 0].tolist() == [0.0, 0.25, 0.25, 0.0]
    assert stitch(first, other, "right", False, 0, "white")[0, :, 4, 0].tolist() == [1.0, 0.25, 0.25, 1.0]


def test_fitted_into_a_frame() -> None:
    fitted = fit_into(torch.full((1, 2, 6, 4), 0.5), 4, 4, "black", "area")
    assert fitted.shape == (1, 4, 4, 4)
    # A third of 4 is 1.33, cut to 1; above it 1 of the 3 rows that remain.
    assert fitted[0, :, 0].tolist() == [[0, 0, 0, 1], [0.5] * 4, [0, 0, 0, 1], [0, 0, 0, 1]]
    assert fit_into(torch.zeros(1, 7, 49, 3), 512, 512, "white", "area")[0, 256].eq(0.0).all()


@pytest.mark.parametrize(
    ("rule", "given", "expected"),
    [
        ("scale dimensions", {"width": 10, "height": 20}, (10, 20)),
        ("scale dimensions", {"width": 0, "height": 24}, (36, 24)),
        ("scale dimensions", {"width": 3, "height": 0}, (3, 2)),
        ("scale dimensions", {"width": 0, "height": 0}, (12, 8)),
        ("scale by multiplier", {"multiplier": 0.3}, (4, 2)),  # 3.6 x 2.4
        ("scale longer dimension", {"longer_size": 100}, (100, 67)),
        ("scale shorter dimension", {"shorter_size": 100}, (150, 100)),
        ("scale width", {"width": 1}, (1, 1)),
        ("scale height", {"height": 2}, (3, 2)),
        ("scale total pixels", {"megapixels": 1.0}, (1254, 836)),
        ("match size", {"match": torch.zeros(1, 5, 7)}, (7, 5)),
        ("scale to multiple", {"multiple": 5}, (10, 5)),
        ("scale to multiple", {"multiple": 64}, (64, 64)),
    ],
)
def test_sizes_by_a_rule(rule: str, given: Any, expected: Any) -> None:
    for value in (torch.zeros(1, 8, 12, 3), torch.zeros(1, 8, 12)):
        assert wanted(value, rule, given) == expected
        assert size_of(resized(value, expected, "bilinear")) == expected


def test_sizes_that_are_none() -> None:
    image = torch.zeros(1, 8, 12, 3)
    with pytest.raises(DiffusionError, match="longer_size is 0"):
        wanted(image, "scale longer dimension", {"longer_size": 0})
    with pytest.raises(DiffusionError, match="unknown resize type 'scale'"):
        wanted(image, "scale", {})
    with pytest.raises(DiffusionError, match=r"expected an image .* got \[2\]"):
        size_of(torch.zeros(2))
    assert resized(image, (12, 8), "lanczos") is image


def test_a_mask_is_resized_as_a_picture_is() -> None:
    mask = torch.rand(2, 8, 12)
    for method in ("nearest-exact", "bilinear", "area", "bicubic", "lanczos"):
        cut = resized(mask, (4, 4), method, "center")
        assert torch.equal(cut, resized(mask[..., None], (4, 4), method, "center")[..., 0])
