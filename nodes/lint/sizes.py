"""What nodes that make an empty latent do with the sides and the frames that they are asked for, and rules about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from weft.engine.linting.rules import Remark, Severity, rule
from weft.engine.linting.view import LintNode, LintView


class LatentCell(NamedTuple):
    """What an element of a latent stands for: pixels along a side; of a video, frames behind the first, else 0."""

    pixels: int
    frames: int = 0


SIZED: Mapping[str, LatentCell] = {
    "EmptyLatentImage": LatentCell(8),
    "EmptySD3LatentImage": LatentCell(8),
    "EmptyFlux2LatentImage": LatentCell(16),
    "EmptyHunyuanImageLatent": LatentCell(32),
    "EmptyHunyuanLatentVideo": LatentCell(8, 4),
    "EmptyHunyuanVideo15Latent": LatentCell(16, 4),
    "EmptyLTXVLatentVideo": LatentCell(32, 8),
    "EmptyMochiLatentVideo": LatentCell(8, 6),
    "EmptyCosmosLatentVideo": LatentCell(8, 8),
    "Wan22ImageToVideoLatent": LatentCell(16, 4),
}
"""By class, of those that are cut to whole elements. Those of Wan below have the latents of Wan 2.1."""
_WAN = ("width", "height", "length", "vae")


def cell_of(node: LintNode) -> LatentCell | None:
    """What a node makes latents of; None for one that makes none of a size of its own."""
    of_wan = node.class_type.startswith("Wan") and node.inputs >= set(_WAN)
    return SIZED.get(node.class_type) or (LatentCell(8, 4) if of_wan else None)


@rule("L103", "size-cut", Severity.WARNING, "A latent is made smaller than it is asked for.", fixes=True)
def size_cut(view: LintView) -> Iterator[Remark]:
    """An element of a latent is 8 pixels wide and high, or more: what exceeds a multiple of it is left out."""
    for node in view.running():
        cell = cell_of(node)
        for name in ("width", "height") if cell is not None else ():
            value = node.values.get(name)
            if cell is not None and isinstance(value, int) and value % cell.pixels:
                near = max(1, round(value / cell.pixels)) * cell.pixels
                message = f"{name} {value} becomes {value - value % cell.pixels}: it is no multiple of {cell.pixels}"
                yield Remark(node, message, name, f"{name} {near}", _edit(node, name, near))


@rule("L104", "frames-cut", Severity.WARNING, "A video is made shorter than it is asked for.", fixes=True)
def frames_cut(view: LintView) -> Iterator[Remark]:
    """The first frame stands alone, and an element of the latent for so many others: what exceeds them is left out."""
    for node in view.running():
        cell, value = cell_of(node), node.values.get("length")
        if cell is None or not cell.frames or not isinstance(value, int) or (value - 1) % cell.frames == 0:
            continue
        made = value - (value - 1) % cell.frames
        near = round((value - 1) / cell.frames) * cell.frames + 1
        message = f"length {value} becomes {made} frames: expected 1 and a multiple of {cell.frames}"
        yield Remark(node, message, "length", f"length {near}", _edit(node, "length", near))


def _edit(node: LintNode, name: str, value: int) -> Mapping[tuple[str, str], int]:
    return {(node.node_id, name): value} if node.typed(name) else {}


RULES = (size_cut, frames_cut)
