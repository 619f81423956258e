"""Small files of Wan with random weights: structure is all that they have of the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from weft.nodes.diffusion.families.sd.tiny import random_weights, shapes_of
from weft.nodes.diffusion.families.text_tiny import t5
from weft.nodes.diffusion.families.wan.camera import CHANNELS as CAMERA_CHANNELS
from weft.nodes.diffusion.families.wan.keymap import HEAD, PATCH
from weft.nodes.diffusion.families.wan.kind import WanKind
from weft.nodes.diffusion.families.wan.vae import VideoVaeKind
from weft.nodes.diffusion.values.clip_vision_files import small_clip_vision

_TEXT_WIDTH = 32
# Of small_clip_vision: the width of a token, and how many a picture has.
_VISION_WIDTH, _VISION_TOKENS = 64, 50
_VISION = {"image_dim": _VISION_WIDTH, "added_kv_proj_dim": HEAD}
_CAMERA = {"camera_channels": CAMERA_CHANNELS * 8 * 8, "camera_blocks": 1}
# Release -> channels that it reads and gives, and what it has beside.
_OF: Mapping[str, tuple[int, int, Mapping[str, Any]]] = {
    "wan": (16, 16, {}),
    "wan_i2v": (36, 16, {}),
    "wan21_i2v": (36, 16, _VISION),
    "wan21_flf2v": (36, 16, {**_VISION, "pos_embed_seq_len": 2 * _VISION_TOKENS}),
    "wan21_control": (48, 16, _VISION),
    "wan_control": (52, 16, {"reference_channels": 16}),
    "wan21_camera": (32, 16, {**_VISION, **_CAMERA}),
    "wan_camera": (36, 16, _CAMERA),
    "wan_vace": (16, 16, {"vace_layers": [0], "vace_in_channels": 2 * 16 + 8 * 8}),
    "wan_ti2v": (48, 48, {}),
    "wan_ti2v_inpaint": (100, 48, {}),
    "wan_ti2v_control": (148, 48, {"reference_channels": 48}),
}


def sizes(release: str) -> dict[str, Any]:
    """Keyword arguments of a small `wan_network`."""
    read, given, beside = _OF[release]
    return {
        "patch_size": PATCH,
        "num_attention_heads": 1,
        "attention_head_dim": HEAD,
        "in_channels": read,
        "out_channels": given,
        "text_dim": _TEXT_WIDTH,
        "freq_dim": 256,
        "ffn_dim": 2 * HEAD,
        "num_layers": 2,
        "image_dim": None,
        "added_kv_proj_dim": None,
        "pos_embed_seq_len": None,
        **beside,
    }


def small_file(kind: str, name: str, release: str) -> dict[str, Tensor] | None:
    """See Family."""
    model = WanKind(sizes(release), release)
    match kind:
        case "diffusion_models":
            return random_weights(shapes_of(model.model_part(), ""), seed=int("low" in name.lower()))
        case "checkpoints":
            return random_weights(shapes_of(model.model_part()))
        case "vae":
            return vae(release)
        case "text_encoders":
            return t5(_TEXT_WIDTH, umt5=True)
        case "clip_vision":
            return small_clip_vision(_TEXT_WIDTH)
        case "loras":
            layers = {
                f"diffusion_model.{key.removesuffix('.weight')}": shape
                for key, shape in shapes_of(model.model_part(), "").items()
                if ".self_attn." in key and key.endswith(".weight") and len(shape) == 2
            }
            down = {f"{layer}.lora_down.weight": (4, shape[1]) for layer, shape in layers.items()}
            up = {f"{layer}.lora_up.weight": (shape[0], 4) for layer, shape in layers.items()}
            return random_weights({**down, **up}, seed=1)
    return None


def vae(release: str) -> dict[str, Tensor]:
    """The VAE in a file of its own."""
    config: dict[str, Any] = {"base_dim": 4, "z_dim": 16, "is_residual": False, "scale_factor_spatial": 8}
    if release.startswith("wan_ti2v"):
        config |= {
            "z_dim": 48,
            "is_residual": True,
            "decoder_base_dim": 8,
            "in_channels": 12,
            "out_channels": 12,
            "patch_size": 2,
            "scale_factor_spatial": 16,
        }
    weights = random_weights(shapes_of(VideoVaeKind(config).part({}, lambda _: None)))
    # Norms here are called gamma, and are no matrices although they have the dimensions of convolutions.
    return {key: weight.fill_(1.0) if key.endswith("gamma") else weight for key, weight in weights.items()}
