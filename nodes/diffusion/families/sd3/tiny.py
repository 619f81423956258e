"""Small files of Stable Diffusion 3 with random weights: structure is all that they have of the real ones."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from weft.nodes.diffusion.families.flux.tiny import vae as image_vae
from weft.nodes.diffusion.families.image_vae import CHANNELS
from weft.nodes.diffusion.families.sd.releases import XL_CLIP_G
from weft.nodes.diffusion.families.sd.tiny import random_weights, shapes_of
from weft.nodes.diffusion.families.sd3.controlnet import ALONE, SD3ControlKind
from weft.nodes.diffusion.families.sd3.keymap import HEAD, PATCH
from weft.nodes.diffusion.families.sd3.kind import SD3Kind
from weft.nodes.diffusion.families.sd3.recognise import VAE
from weft.nodes.diffusion.families.sd3.text import TOWERS
from weft.nodes.diffusion.families.sd3.widths import SMALL
from weft.nodes.diffusion.families.t5_files import T5_NAME
from weft.nodes.diffusion.families.text_tiny import clip_l, t5

# Patches along a side, of which the table of positions has a place for each: pictures of up to 1024 pixels.
_SIDE = 64


def sizes(name: str) -> dict[str, Any]:
    """Keyword arguments of a small SD3Transformer2DModel: of 3, or of 3.5 Large or Medium by the name of the file."""
    newer, medium = "3.5" in name, "medium" in name.lower()
    return {
        "sample_size": PATCH * _SIDE,
        "patch_size": PATCH,
        "in_channels": CHANNELS,
        "out_channels": CHANNELS,
        "num_layers": 2,
        "attention_head_dim": HEAD,
        "num_attention_heads": 1,
        "joint_attention_dim": SMALL[T5_NAME],
        "caption_projection_dim": HEAD,
        "pooled_projection_dim": SMALL["clip_l"] + SMALL["clip_g"],
        "pos_embed_max_size": _SIDE,
        "qk_norm": "rms_norm" if newer else None,
        "dual_attention_layers": (0,) if newer and medium else (),
    }


def small_file(kind: str, name: str) -> dict[str, Tensor] | None:
    """See Family. A checkpoint has both CLIPs and no T5, whose tokenizer would be needed."""
    model = SD3Kind(sizes(name), "Stable Diffusion 3")
    match kind:
        case "diffusion_models":
            return random_weights(shapes_of(model.model_part(), ""))
        case "vae":
            return image_vae()
        case "text_encoders":
            return _text(name.lower())
        case "checkpoints":
            towers = {TOWERS[tower].prefix: _text(tower) for tower in TOWERS}
            beside = {VAE: image_vae(), **towers}
            parts = {prefix + key: weight for prefix, weights in beside.items() for key, weight in weights.items()}
            return {**random_weights(shapes_of(model.model_part())), **parts}
        case "controlnet":
            return random_weights(shapes_of(_controlnet("3.5" in name).part(), ""), seed=2)
        case "loras":
            layers = {
                f"lora_unet_{key.removesuffix('.weight').replace('.', '_')}": shape
                for key, shape in shapes_of(model.model_part(), "").items()
                if key.endswith(("attn.qkv.weight", "attn.proj.weight"))
            }
            down = {f"{layer}.lora_down.weight": (4, shape[1]) for layer, shape in layers.items()}
            return random_weights(
                {**down, **{f"{layer}.lora_up.weight": (shape[0], 4) for layer, shape in layers.items()}}
            )
    return None


def _controlnet(original: bool) -> SD3ControlKind:
    """As Stability AI's of 3.5, or as one in diffusers' names."""
    whole = sizes("")
    shared = ("in_channels", "attention_head_dim", "num_attention_heads", "caption_projection_dim")
    own = {name: whole[name] for name in (*shared, "pooled_projection_dim")} | {"num_layers": 1}
    beside = ("joint_attention_dim", "pos_embed_max_size")
    more = ALONE if original else {name: whole[name] for name in beside}
    return SD3ControlKind({**own, **more}, original=original)


def _text(name: str) -> dict[str, Tensor]:
    if "t5" in name:
        return t5(SMALL[T5_NAME])
    if "clip_g" in name or "bigg" in name:
        return clip_l(SMALL["clip_g"], XL_CLIP_G, projected=True)
    return clip_l(SMALL["clip_l"])
