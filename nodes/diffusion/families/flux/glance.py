"""What the header of a file of FLUX.1 says: see families.glance."""

from __future__ import annotations

from functools import partial

from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.flux.keymap import INPUTS, PATCH, landings, read_sizes, title_of
from weft.nodes.diffusion.families.flux.lora_names import lora_places
from weft.nodes.diffusion.families.glance import LatentGlance, ModelGlance, PatchGlance, Shapes, TextGlance, layers_of
from weft.nodes.diffusion.weights.landings import Shapes as Stored

TITLE = "FLUX.1"
LATENTS = LatentGlance(16, space="flux")
USO_TITLE = "USO's projector"
_USO = "mid_embedding_linear.0.weight"


def read_uso(shapes: Shapes) -> tuple[str, dict[str, int]] | None:
    """The prefix of USO's projector in a file, and keyword arguments of uso.Projector; None for another file.

    Raises CheckpointError for one that is not whole.
    """
    prefix = known.prefix_before(shapes, _USO)
    if prefix is None:
        return None
    own = Stored(shapes, prefix)
    (rows, tokens), (width, seen) = own.of(_USO, 2), own.of("mid_projection.weight", 2)
    return prefix, {"tokens": tokens, "seen": seen, "rows": rows, "width": width}


def glance_patch(shapes: Shapes) -> PatchGlance | None:
    """See Family."""
    return None if read_uso(shapes) is None else PatchGlance(USO_TITLE, TITLE)


def glance(shapes: Stored) -> ModelGlance:
    """See TransformerFamily.glance_in."""
    sizes = read_sizes(shapes)
    rows, own = shapes.of("img_in.weight", 2)
    channels = sizes["in_channels"] // PATCH**2
    title = title_of(sizes["guidance_embeds"], channels)
    text = TextGlance("flux", title, sizes["joint_attention_dim"], sizes["pooled_projection_dim"])

    def named() -> Shapes:
        lands = landings(sizes)
        return layers_of(shapes, lands, partial(lora_places, landings=lands, hidden=rows))

    wider = frozenset((rows, PATCH**2 * more) for more in INPUTS if channels == INPUTS[0] and more != channels)
    beside = channels - LATENTS.channels
    return ModelGlance(title, text, LATENTS, named, beside=beside, wider={(rows, own): wider})
