"""What the header of a file of Stable Diffusion 3 says: see families.glance."""

from __future__ import annotations

from functools import partial

from weft.nodes.diffusion.families.glance import LatentGlance, ModelGlance, Shapes, TextGlance, layers_of
from weft.nodes.diffusion.families.lora_places import places
from weft.nodes.diffusion.families.sd3.keymap import landings, read_sizes, title_of
from weft.nodes.diffusion.weights.landings import Shapes as Stored


def glance(shapes: Stored) -> ModelGlance:
    """See TransformerFamily.glance_in."""
    sizes, title = read_sizes(shapes), title_of(shapes)
    text = TextGlance("sd3", title, sizes["joint_attention_dim"], sizes["pooled_projection_dim"])

    def named() -> Shapes:
        lands = landings(sizes)
        return layers_of(shapes, lands, partial(places, landings=lands))

    return ModelGlance(title, text, LatentGlance(16, space="sd3"), named)
