"""Small files of FLUX.2 with random weights: structure is all that they have of the real ones."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from weft.nodes.diffusion.families.flux2.keymap import AXES, HEAD, THETA
from weft.nodes.diffusion.families.flux2.kind import CHANNELS, Flux2Kind
from weft.nodes.diffusion.families.flux2.text import LAYERS
from weft.nodes.diffusion.families.flux2.vae import PATCH, Flux2VaeKind
from weft.nodes.diffusion.families.sd.tiny import random_weights, shapes_of
from weft.nodes.diffusion.families.text_tiny import qwen

_TEXT_WIDTH = 8
_WIDTHS = (32, 32, 32, 32)
VAE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": CHANNELS // PATCH**2,
    "block_out_channels": _WIDTHS,
    "decoder_block_out_channels": _WIDTHS,
    "layers_per_block": 1,
    "down_block_types": ("DownEncoderBlock2D",) * len(_WIDTHS),
    "up_block_types": ("UpDecoderBlock2D",) * len(_WIDTHS),
    "norm_num_groups": 32,
}


def sizes(*, guidance: bool) -> dict[str, Any]:
    """Keyword arguments of a small Flux2Transformer2DModel."""
    return {
        "in_channels": CHANNELS,
        "num_layers": 1,
        "num_single_layers": 1,
        "attention_head_dim": HEAD,
        "num_attention_heads": 1,
        "joint_attention_dim": len(LAYERS) * _TEXT_WIDTH,
        "mlp_ratio": 3.0,
        "guidance_embeds": guidance,
        "axes_dims_rope": AXES,
        "rope_theta": THETA,
    }


def small_file(kind: str, name: str) -> dict[str, Tensor] | None:
    """See Family."""
    part = Flux2Kind(sizes(guidance="klein" not in name.lower())).model_part()
    match kind:
        case "diffusion_models":
            return random_weights(shapes_of(part, ""))
        case "vae":
            return vae()
        case "text_encoders":
            return qwen(_TEXT_WIDTH, normed=True, layers=max(LAYERS) + 1)
        case "loras":
            layers = {
                f"diffusion_model.{key.removesuffix('.weight')}": shape
                for key, shape in shapes_of(part, "").items()
                if key.endswith(("_attn.qkv.weight", "_attn.proj.weight"))
            }
            down = {f"{layer}.lora_down.weight": (4, shape[1]) for layer, shape in layers.items()}
            up = {f"{layer}.lora_up.weight": (shape[0], 4) for layer, shape in layers.items()}
            return random_weights({**down, **up}, seed=1)
    return None


def vae() -> dict[str, Tensor]:
    """The VAE in a file of its own."""
    found = random_weights(shapes_of(Flux2VaeKind(VAE).part({}, print)))
    return found | {key: value + 1.0 for key, value in found.items() if key == "bn.running_var"}
