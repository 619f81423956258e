"""What a file of Stable Diffusion 3 is, told by its keys and their shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families.image_vae import CHANNELS, recognise_vae
from weft.nodes.diffusion.families.sd3.keymap import MARK, read_sizes, title_of
from weft.nodes.diffusion.families.sd3.kind import SD3Kind
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.weights.landings import Shapes

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes

VAE = "first_stage_model."


def recognise(shapes: FileShapes) -> SD3Kind | None:
    """See Family.recognise."""
    found = Shapes(shapes, PREFIX)
    if MARK not in found:
        return None
    sizes = read_sizes(found)
    if (sizes["in_channels"], sizes["out_channels"]) != (CHANNELS, CHANNELS):
        got = f"reads {sizes['in_channels']} channels and gives {sizes['out_channels']}"
        raise CheckpointError(f"this is a model of {title_of(found)} that {got}: expected {CHANNELS} and {CHANNELS}")
    return SD3Kind(sizes, title_of(found), recognise_vae(shapes, VAE))
