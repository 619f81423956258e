"""Which parts of a latent are sampled in which order, where the whole is sampled tile by tile.

The four strategies of TiledKSampler. Semantics: efficiency.md section 3, efficiency/notes.md B.16; numbers: goldens
tile_*. Everything here counts in elements of a latent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, product

import torch

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Span:
    """A stretch of one axis that is sampled, start .. stop, of which first .. last is kept."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def whole(self) -> slice:
        """What is sampled."""
        return slice(self.start, self.stop)

    @property
    def kept(self) -> slice:
        """What is kept of it, in the axis."""
        return slice(self.first, self.last)

    @property
    def kept_within(self) -> slice:
        """What is kept of it, in the stretch."""
        return slice(self.first - self.start, self.last - self.start)


@dataclass(frozen=True)
class Tile:
    """A rectangle of a latent."""

    rows: Span
    columns: Span

    @property
    def partial(self) -> bool:
        """Whether some of what is sampled is not kept."""
        return self.rows.whole != self.rows.kept or self.columns.whole != self.columns.kept


@dataclass(frozen=True)
class TilePass:
    """Tiles that are sampled one after the other, each through all of `steps`.

    apart: tiles overlap, and each starts from what was there before the pass, so that none sees another's result.
    """

    tiles: Sequence[Tile]
    steps: range
    apart: bool = False


def passes(strategy: str, shape: Size, tile: Size, steps: range, seed: int) -> Iterator[TilePass]:
    """How a strategy goes over a latent; tiles larger than the latent are cut to it.

    Args:
        strategy: a key of STRATEGIES.
        steps: indices into the schedule.
        seed: decides the jitter of the random ones.
    """
    height, width = (min(side, length) for side, length in zip(tile, shape, strict=True))
    return STRATEGIES[strategy](shape, (height, width), steps, seed)


def grid(length: int, size: int, offset: int = 0) -> list[Span]:
    """Tiles side by side, the first starting `offset` before the axis; cut at its ends."""
    starts = range(-offset, length, size)
    ends = [(max(start, 0), min(start + size, length)) for start in starts if start + size > 0]
    return [Span(start, stop, start, stop) for start, stop in ends]


def enlarged(span: Span, length: int, size: int) -> Span:
    """A tile that an end of the axis cut, sampled at full size: it grows towards the middle; what is kept stays."""
    start = min(span.start, length - size)
    return Span(start, start + size, span.first, span.last)


def interiors(length: int, size: int, shifted: bool) -> list[Span]:
    """Tiles of full size of which all but a quarter at both sides is kept, or more at the ends of the axis.

    Those that are not shifted and those that are, by half a tile, together keep every element once.
    """
    quarter, last = size // 4, -(-length // size) - 1
    spans = []
    for place in range(last + (not shifted)):
        start = place * size + (size // 2 if shifted else 0)
        if shifted:
            first, end = (place + 1) * size - quarter, (place + 1) * size + quarter
        else:
            first = place * size + quarter if place else 0
            end = (place + 1) * size - quarter if place < last else length
        if first < length:
            spans.append(enlarged(Span(start, start + size, first, min(end, length)), length, size))
    return spans


def _simple(shape: Size, tile: Size, steps: range, seed: int) -> Iterator[TilePass]:
    rows, columns = (grid(length, size) for length, size in zip(shape, tile, strict=True))
    yield TilePass([Tile(row, column) for row, column in product(rows, columns)], steps)


def _padded(shape: Size, tile: Size, steps: range, seed: int) -> Iterator[TilePass]:
    for shift_columns, shift_rows in product((False, True), repeat=2):
        rows = interiors(shape[0], tile[0], shift_rows)
        columns = interiors(shape[1], tile[1], shift_columns)
        tiles = [Tile(row, column) for row, column in product(rows, columns)]
        if tiles:
            yield TilePass(tiles, steps)


def _random(shape: Size, tile: Size, steps: range, seed: int) -> Iterator[TilePass]:
    """Another grid each step: whole rows of tiles at even steps, whole columns at odd ones, every other one shifted."""
    generator = torch.Generator("cpu").manual_seed(seed)
    for turn, step in zip(count(), steps):
        across, down = (float(torch.rand(1, generator=generator)) for _ in range(2))
        x_offsets, y_offsets = _offsets(across, tile[1]), _offsets(down, tile[0])
        tiles = []
        if turn % 2 == 0:
            for place, row in enumerate(grid(shape[0], tile[0], y_offsets[0])):
                tiles += [Tile(row, column) for column in grid(shape[1], tile[1], x_offsets[place % 2])]
        else:
            for place, column in enumerate(grid(shape[1], tile[1], x_offsets[0])):
                tiles += [Tile(row, column) for row in grid(shape[0], tile[0], y_offsets[place % 2])]
        yield TilePass(tiles, range(step, step + 1))


def _offsets(share: float, size: int) -> tuple[int, int]:
    return int(share * size), int((share + 0.5) % 1.0 * size)


def _random_strict(shape: Size, tile: Size, steps: range, seed: int) -> Iterator[TilePass]:
    (height, width), (rows, columns) = shape, tile
    for turn in _random(shape, tile, steps, seed):
        whole = [Tile(enlarged(t.rows, height, rows), enlarged(t.columns, width, columns)) for t in turn.tiles]
        yield TilePass(whole, turn.steps, apart=True)


STRATEGIES: Mapping[str, Callable[[Size, Size, range, int], Iterator[TilePass]]] = {
    "random": _random,
    "random strict": _random_strict,
    "padded": _padded,
    "simple": _simple,
}
