"""Small files of Qwen-Image with random weights: structure is all that they have of the real ones."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from weft.nodes.diffusion.families.qwen.controlnet import QwenControlKind
from weft.nodes.diffusion.families.qwen.diffsynth import MASKED, PLAIN, BlockwiseKind
from weft.nodes.diffusion.families.qwen.keymap import AXES, HEAD
from weft.nodes.diffusion.families.qwen.kind import QwenImageKind
from weft.nodes.diffusion.families.sd.tiny import random_weights, shapes_of
from weft.nodes.diffusion.families.text_tiny import qwen
from weft.nodes.diffusion.families.wan.tiny import vae

_TEXT_WIDTH = 8
# What a transformer and a ControlNet of it have in common.
_SIZES = {
    "in_channels": 64,
    "num_layers": 1,
    "attention_head_dim": HEAD,
    "num_attention_heads": 1,
    "joint_attention_dim": _TEXT_WIDTH,
    "axes_dims_rope": AXES,
}


def sizes(*, layered: bool = False) -> dict[str, Any]:
    """Keyword arguments of a small QwenImageTransformer2DModel."""
    return {**_SIZES, "use_additional_t_cond": layered}


def small_file(kind: str, name: str = "") -> dict[str, Tensor] | None:
    """See Family."""
    part = QwenImageKind(sizes(layered="layered" in name.lower())).model_part()
    match kind:
        case "diffusion_models":
            return random_weights(shapes_of(part, ""))
        case "checkpoints":
            return random_weights(shapes_of(part))
        case "vae":
            return vae("wan")
        case "text_encoders":
            return qwen(_TEXT_WIDTH, sees=True)
        case "controlnet":
            return random_weights(shapes_of(QwenControlKind(_SIZES).part(), ""), seed=2)
        case "model_patches":
            read = MASKED if "inpaint" in name.lower() else PLAIN
            patch = BlockwiseKind({"width": HEAD, "blocks": sizes()["num_layers"], "patched": read})
            return random_weights(shapes_of(patch.part(), ""), seed=3)
        case "loras":
            layers = {
                f"transformer.{key.removesuffix('.weight')}": shape
                for key, shape in shapes_of(part, "").items()
                if ".attn.to_" in key and key.endswith(".weight")
            }
            down = {f"{layer}.lora_A.weight": (4, shape[1]) for layer, shape in layers.items()}
            up = {f"{layer}.lora_B.weight": (shape[0], 4) for layer, shape in layers.items()}
            return random_weights({**down, **up}, seed=1)
    return None
