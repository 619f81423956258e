"""What the header of a file of Z-Image says: see families.glance."""

from __future__ import annotations

from functools import partial

from weft.nodes.diffusion.families.flux.glance import LATENTS
from weft.nodes.diffusion.families.glance import ModelGlance, Shapes, TextGlance, layers_of
from weft.nodes.diffusion.families.zimage.keymap import landings, names_in, read_sizes
from weft.nodes.diffusion.families.zimage.lora_names import places
from weft.nodes.diffusion.weights.landings import Shapes as Stored

TITLE = "Z-Image"


def glance(shapes: Stored) -> ModelGlance:
    """See TransformerFamily.glance_in. Its latents are FLUX.1's."""
    sizes = read_sizes(shapes)

    def named() -> Shapes:
        lands = landings(names_in(shapes), sizes["dim"])
        return layers_of(shapes, lands, partial(places, landings=lands))

    return ModelGlance(TITLE, TextGlance("lumina2", TITLE, sizes["cap_feat_dim"]), LATENTS, named)
