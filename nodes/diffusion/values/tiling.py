"""Running a network over tiles of its input, where the whole is too large for the memory.

Neighbouring tiles overlap and are averaged, each weighted down linearly towards its sides, so that no seam shows.
Numbers as measured on ComfyUI 0.3.64, held by the goldens vae_decode_tiled and vae_encode_tiled.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError

Size = tuple[int, ...]  # height, width; of videos frames, height, width
Network = Callable[[Tensor], Tensor]  # [1,C,h,w] -> [1,D,h',w'], of videos [1,C,T,h,w] -> [1,D,T',h',w']
Report = Callable[[int, int], None]  # done, total


@dataclass(frozen=True)
class Axis:
    """What becomes of elements along one axis: of so many, how many; of the one that stands there, where it stands."""

    size: Callable[[int], int]
    place: Callable[[int], int]


def scaled(scale: Fraction) -> Axis:
    """An axis along which each element becomes `scale` elements."""
    return Axis(lambda count: round(count * scale), lambda place: round(place * scale))


def three_shapes(tile: Size) -> tuple[Size, Size, Size]:
    """A tile, a taller and a wider one of the same area: the mean of three passes has fewer visible borders."""
    height, width = tile
    if min(tile) < 2:
        raise DiffusionError(f"a tile of {width}x{height} is too small")
    return tile, (height * 2, width // 2), (height // 2, width * 2)


def mean_over_tilings(
    items: Tensor,
    network: Network,
    tiles: Sequence[Size],
    overlap: int,
    scale: Fraction,
    report: Report | None = None,
) -> Tensor:
    """As over_tilings, of pictures [B,C,H,W] that a network makes `scale` times as large, with one overlap."""
    axis = scaled(scale)
    return over_tilings(items, network, tiles, (overlap, overlap), (axis, axis), report)


def over_tilings(
    items: Tensor,
    network: Network,
    tiles: Sequence[Size],
    overlaps: Size,
    axes: Sequence[Axis],
    report: Report | None = None,
) -> Tensor:
    """The mean of what `network` gives over several tilings.

    Args:
        items: [B,C,H,W] or [B,C,T,H,W], run one at a time; the network sees them tile by tile.
        tiles, overlaps: in elements of the input, along each axis.
        axes: what the network makes of each.
        report: called after each tile.

    Returns:
        [B,D,...] float32 on the CPU.

    Raises:
        DiffusionError: an overlap that leaves no way from one tile to the next.
    """
    shape = tuple(items.shape[2:])
    corners = [_corners(shape, tile, overlaps) for tile in tiles]
    total = len(items) * sum(map(len, corners))
    done = itertools.count(1)

    def counted(part: Tensor) -> Tensor:
        result = network(part).float().cpu()
        if report is not None:
            report(next(done), total)
        return result

    means = []
    for item in torch.split(items, 1):
        passes = [_one_tiling(item, counted, tile, at, overlaps, axes) for tile, at in zip(tiles, corners, strict=True)]
        means.append(torch.stack(passes).sum(dim=0) / len(passes))
    return torch.cat(means)


def _corners(shape: Size, tile: Size, overlaps: Size) -> list[Size]:
    """The first corners of the tiles that cover an input of this shape."""
    along = []
    for length, size, overlap in zip(shape, tile, overlaps, strict=True):
        if length <= size:
            along.append(range(1))
        elif overlap >= size:
            written = "x".join(map(str, reversed(tile)))
            raise DiffusionError(f"tiles of {written} cannot overlap by {overlap}: make them larger")
        else:
            along.append(range(0, length - overlap, size - overlap))
    return list(itertools.product(*along))


def _one_tiling(
    item: Tensor, network: Network, tile: Size, corners: Sequence[Size], overlaps: Size, axes: Sequence[Axis]
) -> Tensor:
    if len(corners) == 1:
        return network(item)
    ramps = [axis.size(overlap) for axis, overlap in zip(axes, overlaps, strict=True)]
    result = weights = torch.empty(0)
    for corner in corners:
        inside: Any = (..., *(slice(start, start + size) for start, size in zip(corner, tile, strict=True)))
        part = network(item[inside])
        if not result.numel():
            sizes = (axis.size(length) for axis, length in zip(axes, item.shape[2:], strict=True))
            result = torch.zeros(1, part.shape[1], *sizes)
            weights = torch.zeros_like(result[:, :1])
        weight = torch.ones(())
        for length, ramp in zip(part.shape[2:], ramps, strict=True):
            weight = weight[..., None] * _ramps(length, ramp)
        places = (axis.place(start) for axis, start in zip(axes, corner, strict=True))
        there: Any = (..., *(slice(at, at + length) for at, length in zip(places, part.shape[2:], strict=True)))
        result[there] += part * weight
        weights[there] += weight
    return result / weights


def _ramps(size: int, ramp: int) -> Tensor:
    """[size] weights along one axis: rising over `ramp` at both ends, the image's own edges included.

    A tile that is no longer than the ramp counts fully.
    """
    weight = torch.ones(size)
    if ramp >= size:
        return weight
    for t in range(ramp):
        weight[t] *= (t + 1) / ramp
        weight[size - 1 - t] *= (t + 1) / ramp
    return weight
