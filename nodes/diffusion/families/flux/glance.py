"""What the header of a file of FLUX.1 says: see families.glance."""

from __future__ import annotations

from functools import partial

from weft.nodes.diffusion.families.flux.keymap import INPUTS, ORIGINAL, PATCH, landings, read_sizes, title_of
from weft.nodes.diffusion.families.glance import LatentGlance, ModelGlance, Shapes, TextGlance, layers_of
from weft.nodes.diffusion.families.lora_places import places
from weft.nodes.diffusion.weights.landings import Shapes as Stored

LATENTS = LatentGlance(16, space="flux")


def glance(shapes: Stored) -> ModelGlance:
    """See TransformerFamily.glance_in."""
    sizes = read_sizes(shapes)
    channels = sizes["in_channels"] // PATCH**2
    title = title_of(sizes["guidance_embeds"], channels)
    text = TextGlance("flux", title, sizes["joint_attention_dim"], sizes["pooled_projection_dim"])

    def named() -> Shapes:
        lands = landings(sizes)
        return layers_of(shapes, lands, partial(places, landings=lands, original=ORIGINAL))

    rows, own = shapes.of("img_in.weight", 2)
    wider = frozenset((rows, PATCH**2 * more) for more in INPUTS if channels == INPUTS[0] and more != channels)
    beside = channels - LATENTS.channels
    return ModelGlance(title, text, LATENTS, named, beside=beside, wider={(rows, own): wider})
