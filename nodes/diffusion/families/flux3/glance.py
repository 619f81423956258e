"""What the header of a file of FLUX.3 says: see families.glance."""

from __future__ import annotations

from functools import partial

from weft.nodes.diffusion.families.flux2.glance import LATENTS
from weft.nodes.diffusion.families.flux3.keymap import landings, read_sizes, title_of
from weft.nodes.diffusion.families.glance import ModelGlance, Shapes, TextGlance, layers_of
from weft.nodes.diffusion.families.lora_places import places
from weft.nodes.diffusion.weights.landings import Shapes as Stored


def glance(shapes: Stored) -> ModelGlance:
    """See TransformerFamily.glance_in."""
    sizes = read_sizes(shapes)
    title = title_of(sizes["flow_map"])

    def named() -> Shapes:
        lands = landings(sizes)
        return layers_of(shapes, lands, partial(places, landings=lands))

    return ModelGlance(title, TextGlance("flux3", title, sizes["joint_attention_dim"]), LATENTS, named)
