"""Small files of FLUX.1 with random weights: structure is all that they have of the real ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from weft.nodes.diffusion.families.flux.controlnet import MODES, FluxControlKind
from weft.nodes.diffusion.families.flux.keymap import AXES, HEAD, PAINTED, PATCH, PICTURE, PLAIN
from weft.nodes.diffusion.families.flux.kind import FluxKind
from weft.nodes.diffusion.families.flux.recognise import VAE
from weft.nodes.diffusion.families.flux.uso import UsoKind
from weft.nodes.diffusion.families.image_vae import CHANNELS
from weft.nodes.diffusion.families.sd.networks import vae_part
from weft.nodes.diffusion.families.sd.tiny import random_weights, shapes_of
from weft.nodes.diffusion.families.text_tiny import clip_l, t5
from weft.nodes.diffusion.values.clip_vision_files import SMALL_WIDTH, small_siglip
from weft.nodes.diffusion.values.style_models import small_style_model

_CLIP_WIDTH, _T5_WIDTH = 32, 32
# What is in the names of those that read more than the latent.
_READ = ((r"fill|onereward", PAINTED), (r"canny|depth", PICTURE))
_INPUT = "img_in.weight"
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


def sizes(*, guidance: bool, channels: int = PLAIN) -> dict[str, Any]:
    """Keyword arguments of a small FluxTransformer2DModel."""
    return {
        "in_channels": PATCH**2 * channels,
        "out_channels": PATCH**2 * CHANNELS,
        "num_layers": 1,
        "num_single_layers": 1,
        "attention_head_dim": HEAD,
        "num_attention_heads": 1,
        "joint_attention_dim": _T5_WIDTH,
        "pooled_projection_dim": _CLIP_WIDTH,
        "guidance_embeds": guidance,
        "axes_dims_rope": AXES,
    }


def _controlnet(union: bool) -> FluxControlKind:
    own = sizes(guidance=True)
    del own["out_channels"]
    return FluxControlKind({**own, "num_mode": MODES if union else None})


def small_file(kind: str, name: str) -> dict[str, Tensor] | None:
    """See Family."""
    name = name.lower()
    channels = next((found for pattern, found in _READ if re.search(pattern, name)), PLAIN)
    model = FluxKind(sizes(guidance="schnell" not in name, channels=channels))
    match kind:
        case "diffusion_models":
            return random_weights(shapes_of(model.model_part(), ""))
        case "vae":
            return vae()
        case "text_encoders":
            return t5(_T5_WIDTH) if "t5" in name else clip_l(_CLIP_WIDTH)
        case "checkpoints":
            towers = {"clip_l": clip_l(_CLIP_WIDTH), "t5xxl": t5(_T5_WIDTH)}
            text = {
                f"text_encoders.{tower}.transformer.{key}": w for tower, ws in towers.items() for key, w in ws.items()
            }
            beside = {VAE + key: weight for key, weight in vae().items()}
            return {**random_weights(shapes_of(model.model_part())), **text, **beside}
        case "clip_vision":
            return small_siglip()
        case "model_patches":
            patch = UsoKind({"tokens": 4, "seen": SMALL_WIDTH, "rows": 2, "width": HEAD})
            return random_weights(shapes_of(patch.part(), ""), seed=3)
        case "style_models":
            return small_style_model(SMALL_WIDTH, _T5_WIDTH)
        case "controlnet":
            return random_weights(shapes_of(_controlnet("union" in name).part(), ""), seed=2)
        case "loras":
            layers = {
                f"lora_unet_{key.removesuffix('.weight').replace('.', '_')}": shape
                for key, shape in shapes_of(model.model_part(), "").items()
                if "_attn.qkv.weight" in key or "_attn.proj.weight" in key or (key == _INPUT and channels != PLAIN)
            }
            down = {f"{layer}.lora_down.weight": (4, shape[1]) for layer, shape in layers.items()}
            return random_weights(
                {**down, **{f"{layer}.lora_up.weight": (shape[0], 4) for layer, shape in layers.items()}}
            )
    return None


def vae() -> dict[str, Tensor]:
    """The VAE in a file of its own."""
    return random_weights(shapes_of(vae_part(_VAE, "")))
