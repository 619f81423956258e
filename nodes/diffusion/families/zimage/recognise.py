"""What a file of Z-Image is, told by its keys and their shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.families.zimage.keymap import MARKS, read_sizes
from weft.nodes.diffusion.families.zimage.kind import ZImageKind
from weft.nodes.diffusion.weights.landings import Shapes

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes


def recognise(shapes: FileShapes) -> ZImageKind | None:
    """See Family.recognise."""
    found = Shapes(shapes, PREFIX)
    if any(mark not in found for mark in MARKS):
        return None
    sizes = read_sizes(found)
    if sizes["in_channels"] != 16:
        raise CheckpointError(f"this model of Z-Image reads {sizes['in_channels']} channels: expected 16")
    return ZImageKind(sizes)
