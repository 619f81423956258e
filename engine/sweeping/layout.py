"""Where the cells stand on a sheet: the last axis across, the one before it down, a block for each place on the others.

The cells of a single axis are read like a page. An axis with one point is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import ceil, isqrt

from weft.engine.sweeping.axes import ROWS, Point, SweepAxis
from weft.engine.sweeping.pictures import SheetBlock, SheetTile

MOST_TILES = 2_500
"""Of one sheet; more cells take several."""

Tiles = Mapping[tuple[int, ...], SheetTile]
"""Tiles by their place on each axis."""


def sheets(axes: Sequence[SweepAxis], tiles: Tiles) -> list[list[SheetBlock]]:
    """The blocks of each sheet."""
    long = [place for place, axis in enumerate(axes) if len(axis.points) > 1]
    if len(long) < 2:
        return [[block] for block in _pages(axes, long, tiles)]
    *outer, down, across = long
    found: list[list[SheetBlock]] = []
    size = len(axes[down].points) * len(axes[across].points)
    room = max(1, MOST_TILES // size)
    blocks = [_block(axes, dict(zip(outer, at, strict=True)), down, across, tiles) for at in _places(axes, outer)]
    for start in range(0, len(blocks), room):
        found.append(blocks[start : start + room])
    return found


def frames(axes: Sequence[SweepAxis], time: int, tiles: Tiles) -> list[list[SheetBlock]]:
    """The blocks of each frame, where the axis at this place is the time; what is left of the others is one sheet."""
    others = [axis for place, axis in enumerate(axes) if place != time]
    found = []
    for moment in range(len(axes[time].points)):
        shown = {(*at[:time], *at[time + 1 :]): tile for at, tile in tiles.items() if at[time] == moment}
        found.append([block for blocks in sheets(others, shown) for block in blocks])
    return found


def _pages(axes: Sequence[SweepAxis], long: Sequence[int], tiles: Tiles) -> list[SheetBlock]:
    """The tiles of a single axis, read like a page, each with its caption."""
    order = sorted(tiles)
    shown = [
        tiles[at]._replace(caption=label(axes[long[0]], axes[long[0]].points[at[long[0]]])) if long else tiles[at]
        for at in order
    ]
    across = _across(min(len(shown), MOST_TILES))
    pages = [shown[start : start + MOST_TILES] for start in range(0, len(shown), MOST_TILES)]
    return [
        SheetBlock(tuple(tuple(page[start : start + across]) for start in range(0, len(page), across)))
        for page in pages
    ]


def _across(count: int) -> int:
    """How many tiles stand in a row: the last row is full if it can be, and no page is wider than four are high."""
    root = max(1, isqrt(count))

    def waste(width: int) -> tuple[int, float]:
        return ceil(count / width) * width - count, abs(width - 1.6 * root)

    return min(range(root, 2 * root + 1), key=waste)


def _places(axes: Sequence[SweepAxis], which: Sequence[int]) -> Sequence[tuple[int, ...]]:
    return list(product(*(range(len(axes[place].points)) for place in which)))


def _block(axes: Sequence[SweepAxis], fixed: Mapping[int, int], down: int, across: int, tiles: Tiles) -> SheetBlock:
    def tile(row: int, column: int) -> SheetTile:
        where = {**fixed, down: row, across: column}
        return tiles[tuple(where.get(place, 0) for place in range(len(axes)))]

    rows, columns = (range(len(axes[place].points)) for place in (down, across))
    heading = ", ".join(label(axes[place], axes[place].points[at]) for place, at in fixed.items())
    return SheetBlock(
        tuple(tuple(tile(row, column) for column in columns) for row in rows),
        tuple(label(axes[across], point) for point in axes[across].points),
        tuple(label(axes[down], point) for point in axes[down].points),
        heading,
    )


def label(axis: SweepAxis, point: Point) -> str:
    """What a sheet writes beside a place: `cfg 2.5`; a text says what it is by itself."""
    if axis.name == ROWS or len(set(map(str, point.values.values()))) > 1:
        return point.label
    try:
        float(point.label)
    except ValueError:
        return point.label
    return f"{short(axis)} {point.label}"


def short(axis: SweepAxis) -> str:
    """What the column of an axis is called in short: the input, without its node."""
    if axis.name == ROWS:
        return ROWS
    column, references = next(iter(axis.columns.items()))
    return column if column not in references and "," not in column else references[0].rpartition(".")[2]
