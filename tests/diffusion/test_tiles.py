"""Tiles: every strategy keeps every element of the latent, and none twice."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from weft.nodes.diffusion.sampling.tiles import STRATEGIES, Span, TilePass, enlarged, grid, interiors, passes

STEPS = range(3, 7)
sides = st.integers(1, 60)
tiles = st.integers(4, 12).map(lambda n: 2 * n)


def planned(strategy: str, shape: tuple[int, int], tile: tuple[int, int], seed: int = 5) -> list[TilePass]:
    return list(passes(strategy, shape, tile, STEPS, seed))


def kept(plan: list[TilePass], shape: tuple[int, int], step: int) -> Tensor:
    """How often each element is kept at a step."""
    counts = torch.zeros(shape, dtype=torch.int64)
    for each in plan:
        if step in each.steps:
            for tile in each.tiles:
                counts[tile.rows.kept, tile.columns.kept] += 1
    return counts


@settings(max_examples=40)
@given(height=sides, width=sides, rows=tiles, columns=tiles, seed=st.integers(0, 2**64 - 1))
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_element_is_kept_once_a_step(
    strategy: str, height: int, width: int, rows: int, columns: int, seed: int
) -> None:
    plan = planned(strategy, (height, width), (rows, columns), seed)
    for step in STEPS:
        assert (kept(plan, (height, width), step) == 1).all()


@settings(max_examples=40)
@given(height=sides, width=sides, size=tiles)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_tiles_lie_in_the_latent_and_hold_what_they_keep(strategy: str, height: int, width: int, size: int) -> None:
    for each in planned(strategy, (height, width), (size, size)):
        for tile in each.tiles:
            for span, length in ((tile.rows, height), (tile.columns, width)):
                assert 0 <= span.start <= span.first < span.last <= span.stop <= length
                assert span.stop - span.start <= size
                if strategy in ("random strict", "padded"):
                    assert span.stop - span.start == min(size, length)


def test_simple_is_one_grid_through_all_steps() -> None:
    (only,) = planned("simple", (40, 33), (32, 32))
    assert only.steps == STEPS
    corners = [(tile.rows.start, tile.rows.stop, tile.columns.start, tile.columns.stop) for tile in only.tiles]
    assert corners == [(0, 32, 0, 32), (0, 32, 32, 33), (32, 40, 0, 32), (32, 40, 32, 33)]


def test_padded_is_four_grids_half_a_tile_apart() -> None:
    plan = planned("padded", (64, 64), (32, 32))
    assert [len(each.tiles) for each in plan] == [4, 2, 2, 1]
    assert all(each.steps == STEPS for each in plan)
    middle = plan[3].tiles[0]
    assert middle.rows == middle.columns == Span(16, 48, 24, 40)
    # Shifted along the height first.
    assert [tile.rows.start for tile in plan[1].tiles] == [16, 16]


def test_a_quarter_around_what_is_kept_is_surroundings() -> None:
    assert interiors(96, 32, False) == [Span(0, 32, 0, 24), Span(32, 64, 40, 56), Span(64, 96, 72, 96)]
    assert interiors(96, 32, True) == [Span(16, 48, 24, 40), Span(48, 80, 56, 72)]
    assert interiors(20, 20, False) == [Span(0, 20, 0, 20)]
    assert interiors(20, 20, True) == []


def test_a_random_grid_moves_with_every_step() -> None:
    plan = planned("random", (80, 80), (32, 32))
    assert [each.steps for each in plan] == [range(step, step + 1) for step in STEPS]
    assert len({tuple(each.tiles) for each in plan}) == len(plan)
    assert planned("random", (80, 80), (32, 32)) == plan
    assert planned("random", (80, 80), (32, 32), seed=6) != plan


def test_random_grids_go_by_rows_and_by_columns_in_turn() -> None:
    """In one direction the borders run through, in the other every other row or column is shifted by half a tile."""
    by_rows, by_columns = planned("random", (320, 320), (32, 32))[:2]
    rows = {(tile.rows.start, tile.rows.stop) for tile in by_rows.tiles}
    columns = {(tile.columns.start, tile.columns.stop) for tile in by_columns.tiles}
    assert len(rows) in (10, 11)
    assert len(columns) in (10, 11)
    starts = {tile.columns.start % 32 for tile in by_rows.tiles if tile.columns.start}
    assert len(starts) == 2
    assert abs(max(starts) - min(starts)) in (15, 16, 17)


def test_random_strict_is_random_with_whole_tiles_that_do_not_see_each_other() -> None:
    loose, strict = (planned(strategy, (80, 72), (32, 32)) for strategy in ("random", "random strict"))
    assert not any(each.apart for each in loose)
    assert all(each.apart for each in strict)
    for a, b in zip(loose, strict, strict=True):
        assert [(t.rows.kept, t.columns.kept) for t in a.tiles] == [(t.rows.kept, t.columns.kept) for t in b.tiles]
    assert not any(tile.partial for each in loose for tile in each.tiles)
    assert any(tile.partial for each in strict for tile in each.tiles)


def test_a_tile_that_is_too_large_is_the_whole_latent() -> None:
    for strategy in ("simple", "padded"):
        (only,) = planned(strategy, (12, 20), (32, 32))
        (tile,) = only.tiles
        assert not tile.partial
        assert (tile.rows.whole, tile.columns.whole) == (slice(0, 12), slice(0, 20))


def test_grids() -> None:
    assert grid(10, 4, 3) == [Span(0, 1, 0, 1), Span(1, 5, 1, 5), Span(5, 9, 5, 9), Span(9, 10, 9, 10)]
    assert enlarged(Span(9, 10, 9, 10), 10, 4) == Span(6, 10, 9, 10)
    assert enlarged(Span(0, 1, 0, 1), 10, 4) == Span(0, 4, 0, 1)
