"""What the header of a file of Qwen-Image 2.1, or of its VAE, says: see families.glance."""

from __future__ import annotations

from functools import partial

from weft.nodes.diffusion.families.glance import LatentGlance, ModelGlance, Shapes, TextGlance, VaeGlance, layers_of
from weft.nodes.diffusion.families.known import QWEN21
from weft.nodes.diffusion.families.lora_places import places
from weft.nodes.diffusion.families.qwen21.keymap import MARK, is_fused, landings, parameters, read_sizes
from weft.nodes.diffusion.families.qwen21.vae_names import spelling_of
from weft.nodes.diffusion.weights.landings import Shapes as Stored

LATENTS = LatentGlance(64, space="qwen21")
# What its text encoder writes, see TextGlance.
LANGUAGE = "qwen_image_21"


def glance(shapes: Stored) -> ModelGlance:
    """See TransformerFamily.glance_in."""
    sizes = read_sizes(shapes)

    def named() -> Shapes:
        lands = landings(parameters(sizes), sizes, joined=is_fused(shapes))
        return layers_of(shapes, lands, partial(places, landings=lands))

    return ModelGlance(QWEN21, TextGlance(LANGUAGE, QWEN21, shapes.of(MARK, 1)[0]), LATENTS, named)


def glance_vae(shapes: Shapes) -> VaeGlance | None:
    """See Family."""
    return None if spelling_of(shapes) is None else VaeGlance(f"the VAE of {QWEN21}", LATENTS)
