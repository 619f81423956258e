"""What a file of Qwen-Image 2.1 is, told by its keys and their shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.qwen21.keymap import MARK, is_fused, read_sizes
from weft.nodes.diffusion.families.qwen21.kind import CHANNELS, QwenImage21Kind
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.weights.landings import Shapes

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes


def recognise(shapes: FileShapes) -> QwenImage21Kind | None:
    """See Family.recognise."""
    found = Shapes(shapes, PREFIX)
    if MARK not in found or not known.holds(shapes, known.QWEN21):
        return None
    sizes = read_sizes(found)
    if (sizes["in_channels"], sizes["out_channels"]) != (CHANNELS, CHANNELS):
        raise CheckpointError(
            f"this model of Qwen-Image 2.1 reads {sizes['in_channels']} channels and gives {sizes['out_channels']}: "
            f"expected {CHANNELS}"
        )
    return QwenImage21Kind(sizes, joined=is_fused(found))
