"""What a file of FLUX.1 is, told by its keys and their shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.flux.keymap import INPUTS, MARKS, PATCH, read_sizes
from weft.nodes.diffusion.families.flux.kind import FluxKind
from weft.nodes.diffusion.families.image_vae import recognise_vae
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.weights.landings import Shapes

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes

VAE = "vae."


def recognise(shapes: FileShapes) -> FluxKind | None:
    """See Family.recognise."""
    found = Shapes(shapes, PREFIX)
    mark = next((mark for mark in MARKS if mark in found), None)
    if mark is None or not known.holds(shapes, known.FLUX):
        return None
    sizes = read_sizes(found)
    channels = sizes["in_channels"] // PATCH**2
    if channels not in INPUTS:
        supported = ", ".join(map(str, INPUTS))
        raise CheckpointError(
            f"this model of FLUX.1 reads {channels} channels, which is not supported: {supported} are"
        )
    return FluxKind(sizes, mark.rpartition(".")[2], recognise_vae(shapes, VAE))
