"""Tiling: every element is covered, a network without reach gives what it gives at once, and overlaps hide borders."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.tiling import mean_over_tilings, three_shapes


def doubled(part: Tensor) -> Tensor:
    """A network that sees one element at a time and makes 2x2 of it."""
    return torch.nn.functional.interpolate(part, scale_factor=2) + 1.0


@given(height=st.integers(1, 21), width=st.integers(1, 21), half=st.integers(2, 6), overlap=st.integers(0, 5))
def test_a_network_without_reach_is_tiled_without_a_trace(height: int, width: int, half: int, overlap: int) -> None:
    items = torch.rand(2, 3, height, width)
    overlap = min(overlap, half - 1)
    tiled = mean_over_tilings(items, doubled, three_shapes((2 * half, 2 * half)), overlap, Fraction(2))
    assert torch.allclose(tiled, doubled(items), atol=1e-6)


def test_downscaling() -> None:
    items = torch.rand(1, 3, 40, 56)
    pool = torch.nn.AvgPool2d(8)
    tiled = mean_over_tilings(items, pool, three_shapes((32, 32)), 8, Fraction(1, 8))
    assert torch.allclose(tiled, pool(items), atol=1e-6)


def test_weights_fall_off_towards_the_sides_of_a_tile() -> None:
    """Two tiles of 4 that share 2: what each says counts 1/2 and 1 of its own ramp, the outermost 1/2."""
    tiles = iter((0.0, 1.0))

    def constant(part: Tensor) -> Tensor:
        return torch.full_like(part, next(tiles))

    tiled = mean_over_tilings(torch.zeros(1, 1, 1, 6), constant, [(4, 4)], 2, Fraction(1))
    # Weights 1/2 1 1 1/2 each: in the shared part 1 against 1/2, then 1/2 against 1.
    assert tiled[0, 0, 0].tolist() == pytest.approx([0.0, 0.0, 1 / 3, 2 / 3, 1.0, 1.0])


def test_what_fits_into_a_tile_is_run_at_once() -> None:
    sizes: list[tuple[int, ...]] = []

    def record(part: Tensor) -> Tensor:
        sizes.append(tuple(part.shape[2:]))
        return part

    mean_over_tilings(torch.zeros(1, 1, 4, 4), record, three_shapes((8, 8)), 2, Fraction(1))
    assert sizes == [(4, 4)] * 3


def test_reports_each_tile() -> None:
    seen: list[tuple[int, int]] = []
    mean_over_tilings(torch.zeros(2, 1, 4, 6), lambda x: x, [(4, 4)], 2, Fraction(1), lambda *at: seen.append(at))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_three_shapes() -> None:
    assert set(three_shapes((64, 64))) == {(64, 64), (128, 32), (32, 128)}
    with pytest.raises(DiffusionError, match="a tile of 1x1 is too small"):
        three_shapes((1, 1))


def test_an_overlap_as_large_as_a_tile() -> None:
    with pytest.raises(DiffusionError, match="tiles of 8x2 cannot overlap by 2: make them larger"):
        mean_over_tilings(torch.zeros(1, 1, 9, 9), lambda x: x, [(4, 4), (2, 8)], 2, Fraction(1))
