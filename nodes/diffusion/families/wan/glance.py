"""What the header of a file of Wan, or of its VAE, says: see families.glance."""

from __future__ import annotations

from weft.nodes.diffusion.families.glance import LatentGlance, ModelGlance, Shapes, TextGlance, VaeGlance, layers_of
from weft.nodes.diffusion.families.wan.keymap import FRAMES, VAE_MARK, landings, names_in, read_sizes, title_of
from weft.nodes.diffusion.families.wan.lora_names import places
from weft.nodes.diffusion.weights.landings import Shapes as Stored

_VAES = {16: "Wan 2.1 or Qwen-Image", 48: "Wan 2.2 5B"}


def glance(shapes: Stored) -> ModelGlance:
    """See TransformerFamily.glance_in."""
    sizes, title = read_sizes(shapes), title_of(shapes)
    channels = sizes["out_channels"]

    def named() -> Shapes:
        return layers_of(shapes, landings(names_in(shapes)), places)

    return ModelGlance(
        title,
        TextGlance("wan", title, sizes["text_dim"]),
        LatentGlance(channels, FRAMES, f"wan {channels}"),
        named,
        vision=sizes["image_dim"] or 0,
        beside=sizes["in_channels"] - channels,
    )


def glance_vae(shapes: Shapes) -> VaeGlance | None:
    """See Family. Qwen-Image's has the same form as that of Wan 2.1, and other numbers."""
    if VAE_MARK not in shapes:
        return None
    channels = Stored(shapes).of("conv2.weight", 5)[0]
    return VaeGlance(f"the VAE of {_VAES.get(channels, 'a model of videos')}", LatentGlance(channels, FRAMES))
