"""What a file of Qwen-Image is, told by its keys and their shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.qwen.keymap import MARK, STILL_MARK, read_sizes
from weft.nodes.diffusion.families.qwen.kind import LAYERED, QwenImageKind
from weft.nodes.diffusion.families.references import BEFORE, INDEX, STILL
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.weights.landings import Shapes

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes


def recognise(shapes: FileShapes) -> QwenImageKind | None:
    """See Family.recognise."""
    found = Shapes(shapes, PREFIX)
    if MARK not in found or not known.holds(shapes, known.QWEN):
        return None
    sizes = read_sizes(found)
    if sizes["in_channels"] != 4 * 16:
        raise CheckpointError(f"this model of Qwen-Image reads {sizes['in_channels']} numbers a patch: expected 64")
    if sizes["use_additional_t_cond"]:
        return QwenImageKind(sizes, title=LAYERED, method=BEFORE)
    return QwenImageKind(sizes, method=STILL if STILL_MARK in found else INDEX)
