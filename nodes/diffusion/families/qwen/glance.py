"""What the header of a file of Qwen-Image says: see families.glance."""

from __future__ import annotations

from weft.nodes.diffusion.families.glance import LatentGlance, ModelGlance, Shapes, TextGlance
from weft.nodes.diffusion.families.qwen.keymap import MARK
from weft.nodes.diffusion.families.qwen.lora_names import LORA
from weft.nodes.diffusion.weights.landings import Shapes as Stored
from weft.nodes.diffusion.weights.lora_names import prefixed

TITLE = "Qwen-Image"


def glance(shapes: Stored) -> ModelGlance:
    """See TransformerFamily.glance_in."""
    text = TextGlance("qwen_image", TITLE, shapes.of(MARK, 1)[0])

    def named() -> Shapes:
        layers = (key.removesuffix(".weight") for key in shapes if key.endswith(".weight"))
        return {name: shapes.shape(f"{layer}.weight") for layer in layers for name in prefixed(LORA, layer)}

    return ModelGlance(TITLE, text, LatentGlance(16, frames=4, space="qwen"), named)
