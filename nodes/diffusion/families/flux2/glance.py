"""What the header of a file of FLUX.2 says: see families.glance."""

from __future__ import annotations

from functools import partial

from weft.nodes.diffusion.families.flux2.keymap import landings, norm_in, read_sizes, title_of
from weft.nodes.diffusion.families.glance import LatentGlance, ModelGlance, Shapes, TextGlance, layers_of
from weft.nodes.diffusion.families.lora_places import places
from weft.nodes.diffusion.weights.landings import Shapes as Stored

LATENTS = LatentGlance(128, space="flux2")


def glance(shapes: Stored) -> ModelGlance:
    """See TransformerFamily.glance_in."""
    sizes = read_sizes(shapes)
    title = title_of(sizes["guidance_embeds"])

    def named() -> Shapes:
        lands = landings(sizes, norm_in(shapes))
        return layers_of(shapes, lands, partial(places, landings=lands))

    return ModelGlance(title, TextGlance("flux2", title, sizes["joint_attention_dim"]), LATENTS, named)
