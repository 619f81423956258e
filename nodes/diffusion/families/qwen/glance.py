"""What the header of a file of Qwen-Image says: see families.glance."""

from __future__ import annotations

from weft.nodes.diffusion.families.glance import LatentGlance, ModelGlance, PatchGlance, Shapes, TextGlance
from weft.nodes.diffusion.families.known import prefix_before
from weft.nodes.diffusion.families.qwen.keymap import MARK
from weft.nodes.diffusion.families.qwen.lora_names import LORA
from weft.nodes.diffusion.weights.landings import Shapes as Stored
from weft.nodes.diffusion.weights.lora_names import prefixed

TITLE = "Qwen-Image"
# What every ControlNet of DiffSynth-Studio has: see diffsynth.py.
_BLOCKWISE = "controlnet_blocks.0.y_rms.weight"
_PLAIN = 64


def glance(shapes: Stored) -> ModelGlance:
    """See TransformerFamily.glance_in."""
    text = TextGlance("qwen_image", TITLE, shapes.of(MARK, 1)[0])

    def named() -> Shapes:
        layers = (key.removesuffix(".weight") for key in shapes if key.endswith(".weight"))
        return {name: shapes.shape(f"{layer}.weight") for layer in layers for name in prefixed(LORA, layer)}

    return ModelGlance(TITLE, text, LatentGlance(16, frames=4, space="qwen"), named)


def read_blockwise(shapes: Shapes) -> tuple[str, dict[str, int]] | None:
    """What stands before the keys of a DiffSynth ControlNet, and its sizes; None for another file."""
    prefix = prefix_before(shapes, _BLOCKWISE)
    if prefix is None:
        return None
    own = Stored(shapes, prefix)
    width, patched = own.of("img_in.weight", 2)
    return prefix, {"width": width, "blocks": len(own.indices(r"controlnet_blocks\.(\d+)\.")), "patched": patched}


def glance_patch(shapes: Shapes) -> PatchGlance | None:
    """See Family."""
    found = read_blockwise(shapes)
    return None if found is None else PatchGlance("a DiffSynth ControlNet", TITLE, found[1]["patched"] != _PLAIN)
