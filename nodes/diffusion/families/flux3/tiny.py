"""Small files of FLUX.3 with random weights: structure is all that they have of the real ones."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from weft.nodes.diffusion.families.flux2 import tiny as flux2
from weft.nodes.diffusion.families.flux2.kind import CHANNELS
from weft.nodes.diffusion.families.flux3.keymap import AXES, HEAD, THETA
from weft.nodes.diffusion.families.flux3.kind import Flux3Kind
from weft.nodes.diffusion.families.flux3.text import USE
from weft.nodes.diffusion.families.sd.tiny import random_weights, shapes_of
from weft.nodes.diffusion.families.text_tiny import qwen3vl

_TEXT_WIDTH = 8


def sizes(*, distilled: bool) -> dict[str, Any]:
    """Keyword arguments of a small Flux3Transformer2DModel."""
    return {
        "in_channels": CHANNELS,
        "cond_in_channels": CHANNELS,
        "num_layers": 1,
        "num_single_layers": 1,
        "attention_head_dim": HEAD,
        "num_attention_heads": 1,
        "joint_attention_dim": len(USE.layers) * _TEXT_WIDTH,
        "timestep_channels": 256,
        "mlp_ratio": 3.0,
        "flow_map": distilled,
        "axes_dims_rope": AXES,
        "rope_theta": THETA,
    }


def small_file(kind: str, name: str) -> dict[str, Tensor] | None:
    """See Family."""
    part = Flux3Kind(sizes(distilled="base" not in name.lower())).model_part()
    match kind:
        case "diffusion_models":
            return random_weights(shapes_of(part, ""))
        case "vae":
            return flux2.vae()
        case "text_encoders":
            return qwen3vl(_TEXT_WIDTH, layers=max(USE.layers) + 1)
        case "loras":
            layers = {
                f"diffusion_model.{key.removesuffix('.weight')}": shape
                for key, shape in shapes_of(part, "").items()
                if key.endswith(("q_proj.weight", "attn_out.weight"))
            }
            down = {f"{layer}.lora_A.weight": (4, shape[1]) for layer, shape in layers.items()}
            up = {f"{layer}.lora_B.weight": (shape[0], 4) for layer, shape in layers.items()}
            return random_weights({**down, **up}, seed=1)
    return None
