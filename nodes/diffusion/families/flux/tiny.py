"""Small files of FLUX.1 with random weights: structure is all that they have of the real ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from weft.nodes.diffusion.families.flux.keymap import AXES, HEAD
from weft.nodes.diffusion.families.flux.kind import FluxKind
from weft.nodes.diffusion.families.flux.recognise import VAE
from weft.nodes.diffusion.families.image_vae import CHANNELS
from weft.nodes.diffusion.families.sd.networks import vae_part
from weft.nodes.diffusion.families.sd.tiny import random_weights, shapes_of
from weft.nodes.diffusion.families.text_tiny import clip_l, t5

_CLIP_WIDTH, _T5_WIDTH = 32, 32
_VAE: Mapping[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": CHANNELS,
    "block_out_channels": (32, 32, 32, 32),
    "layers_per_block": 1,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "norm_num_groups": 32,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
}


def sizes(*, guidance: bool) -> dict[str, Any]:
    """Keyword arguments of a small FluxTransformer2DModel."""
    return {
        "in_channels": 4 * CHANNELS,
        "num_layers": 1,
        "num_single_layers": 1,
        "attention_head_dim": HEAD,
        "num_attention_heads": 1,
        "joint_attention_dim": _T5_WIDTH,
        "pooled_projection_dim": _CLIP_WIDTH,
        "guidance_embeds": guidance,
        "axes_dims_rope": AXES,
    }


def small_file(kind: str, name: str) -> dict[str, Tensor] | None:
    """See Family."""
    model = FluxKind(sizes(guidance="schnell" not in name.lower()))
    match kind:
        case "diffusion_models":
            return random_weights(shapes_of(model.model_part(), ""))
        case "vae":
            return vae()
        case "text_encoders":
            return t5(_T5_WIDTH) if re.search(r"t5", name.lower()) else clip_l(_CLIP_WIDTH)
        case "checkpoints":
            towers = {"clip_l": clip_l(_CLIP_WIDTH), "t5xxl": t5(_T5_WIDTH)}
            text = {
                f"text_encoders.{tower}.transformer.{key}": w for tower, ws in towers.items() for key, w in ws.items()
            }
            beside = {VAE + key: weight for key, weight in vae().items()}
            return {**random_weights(shapes_of(model.model_part())), **text, **beside}
        case "loras":
            layers = {
                f"lora_unet_{key.removesuffix('.weight').replace('.', '_')}": shape
                for key, shape in shapes_of(model.model_part(), "").items()
                if "_attn.qkv.weight" in key or "_attn.proj.weight" in key
            }
            down = {f"{layer}.lora_down.weight": (4, shape[1]) for layer, shape in layers.items()}
            return random_weights(
                {**down, **{f"{layer}.lora_up.weight": (shape[0], 4) for layer, shape in layers.items()}}
            )
    return None


def vae() -> dict[str, Tensor]:
    """The VAE in a file of its own."""
    return random_weights(shapes_of(vae_part(_VAE, "")))
