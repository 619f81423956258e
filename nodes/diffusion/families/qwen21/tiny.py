"""Small files of Qwen-Image 2.1 with random weights: structure is all that they have of the real ones."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from weft.nodes.diffusion.families.qwen21.keymap import AXES, HEAD
from weft.nodes.diffusion.families.qwen21.kind import CHANNELS, QwenImage21Kind
from weft.nodes.diffusion.families.qwen21.vae import QwenImage21VaeKind
from weft.nodes.diffusion.families.sd.tiny import random_weights, shapes_of
from weft.nodes.diffusion.families.text_tiny import qwen3vl

_TEXT_WIDTH = 8


def sizes() -> dict[str, Any]:
    """Keyword arguments of a small QwenImage21Transformer2DModel."""
    return {
        "in_channels": CHANNELS,
        "out_channels": CHANNELS,
        "num_layers": 2,
        "attention_head_dim": HEAD,
        "num_attention_heads": 1,
        "context_in_dim": _TEXT_WIDTH,
        "mlp_ratio": 3,
        "axes_dims_rope": AXES,
    }


def small_file(kind: str) -> dict[str, Tensor] | None:
    """See Family."""
    part = QwenImage21Kind(sizes(), joined=True).model_part()
    match kind:
        case "diffusion_models":
            return random_weights(shapes_of(part, ""))
        case "checkpoints":
            return random_weights(shapes_of(part))
        case "vae":
            return vae()
        case "text_encoders":
            return qwen3vl(_TEXT_WIDTH)
        case "loras":
            layers = {
                f"transformer.{key.removesuffix('.weight')}": shape
                for key, shape in shapes_of(part, "").items()
                if ".attn.to_" in key
            }
            down = {f"{layer}.lora_A.weight": (4, shape[1]) for layer, shape in layers.items()}
            up = {f"{layer}.lora_B.weight": (shape[0], 4) for layer, shape in layers.items()}
            return random_weights({**down, **up}, seed=1)
    return None


def vae() -> dict[str, Tensor]:
    """The VAE in a file of its own."""
    config = {"base_dim": 4, "decoder_base_dim": 4, "in_channels": 4, "out_channels": 4}
    weights = random_weights(shapes_of(QwenImage21VaeKind(config).part({}, lambda _: None)))
    # Norms here are called gamma, and are no matrices although they have the dimensions of convolutions.
    return {key: weight.fill_(1.0) if key.endswith("gamma") else weight for key, weight in weights.items()}
