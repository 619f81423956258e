"""What a file of FLUX.3 is, told by its keys and their shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families.flux2.kind import CHANNELS
from weft.nodes.diffusion.families.flux3.keymap import MARK, read_sizes
from weft.nodes.diffusion.families.flux3.kind import Flux3Kind
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.weights.landings import Shapes

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes


def recognise(shapes: FileShapes) -> Flux3Kind | None:
    """See Family.recognise."""
    found = Shapes(shapes, PREFIX)
    if MARK not in found:
        return None
    sizes = read_sizes(found)
    if (sizes["in_channels"], sizes["cond_in_channels"]) != (CHANNELS, CHANNELS):
        raise CheckpointError(f"this model of FLUX.3 reads {sizes['in_channels']} channels: expected {CHANNELS}")
    return Flux3Kind(sizes)
