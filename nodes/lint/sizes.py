"""What nodes that make an empty latent do with the sides and the frames that they are asked for, and rules about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from weft.engine.linting.rules import Remark, Severity, rule
from weft.engine.linting.view import LintNode, LintView
from weft.nodes.core.cells import SIZED, LatentCell

_WAN = ("width", "height", "length", "vae")
"""What Wan's nodes take that make latents for their VAE: those of Wan 2.1 here."""


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
            message = cell.cut(name, value) if cell is not None and isinstance(value, int) else ""
            if cell is not None and message and isinstance(value, int):
                near = max(1, round(value / cell.pixels)) * cell.pixels
                yield Remark(node, message, name, f"{name} {near}", _edit(node, name, near))


@rule("L104", "frames-cut", Severity.WARNING, "A video is made shorter than it is asked for.", fixes=True)
def frames_cut(view: LintView) -> Iterator[Remark]:
    """The first frame stands alone, and an element of the latent for so many others: what exceeds them is left out."""
    for node in view.running():
        cell, value = cell_of(node), node.values.get("length")
        message = cell.shortened(value) if cell is not None and isinstance(value, int) else ""
        if cell is not None and message and isinstance(value, int):
            near = round((value - 1) / cell.frames) * cell.frames + 1
            yield Remark(node, message, "length", f"length {near}", _edit(node, "length", near))


def _edit(node: LintNode, name: str, value: int) -> Mapping[tuple[str, str], int]:
    return {(node.node_id, name): value} if node.typed(name) else {}


RULES = (size_cut, frames_cut)
