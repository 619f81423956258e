"""Small files of each release with random weights: structure is all that they have of the real ones.

They stand in for models that are not there, and are what tests load.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weft.nodes.diffusion.families.sd.controlnet import SDControlKind
from weft.nodes.diffusion.families.sd.keymaps import unet_keymap
from weft.nodes.diffusion.families.sd.networks import text_part, unet_part, vae_part
from weft.nodes.diffusion.families.sd.recognise import recognise
from weft.nodes.diffusion.families.sd.releases import RELEASES, TASK_WIDTH, completed
from weft.nodes.diffusion.values.clip_vision_files import small_clip_vision
from weft.nodes.diffusion.weights.landings import as_landed
from weft.nodes.diffusion.weights.networks import Part
from weft.nodes.diffusion.weights.weightfile import read_tensors

Shapes = dict[str, tuple[int, ...]]

_FOUR_LEVELS = {
    "block_out_channels": (32, 64, 64, 64),
    "down_block_types": (*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
}
_UNETS: Mapping[str, Mapping[str, Any]] = {
    "sd1": {**_FOUR_LEVELS, "cross_attention_dim": 64, "use_linear_projection": False},
    "sd2": {**_FOUR_LEVELS, "cross_attention_dim": 80, "use_linear_projection": True},
    "sd2_unclip": {
        **_FOUR_LEVELS,
        "cross_attention_dim": 80,
        "use_linear_projection": True,
        "projection_class_embeddings_input_dim": 2 * 20,
    },
    "lotus": {
        **_FOUR_LEVELS,
        "cross_attention_dim": 80,
        "use_linear_projection": True,
        "projection_class_embeddings_input_dim": TASK_WIDTH,
    },
    "sdxl": {
        "block_out_channels": (32, 64, 64),
        "down_block_types": ("DownBlock2D", *["CrossAttnDownBlock2D"] * 2),
        "up_block_types": (*["CrossAttnUpBlock2D"] * 2, "UpBlock2D"),
        "cross_attention_dim": 144,
        "use_linear_projection": True,
        "projection_class_embeddings_input_dim": 80 + 6 * 256,
    },
    "sdxl_refiner": {
        "block_out_channels": (32, 64, 64, 64),
        "down_block_types": ("DownBlock2D", *["CrossAttnDownBlock2D"] * 2, "DownBlock2D"),
        "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 2, "UpBlock2D"),
        "cross_attention_dim": 80,
        "use_linear_projection": True,
        "projection_class_embeddings_input_dim": 80 + 5 * 256,
    },
}
# As its files are called: lotus-depth-g-v1-0, lotus-depth-g-v2-1-disparity.
_LOTUS_G = re.compile(r"lotus.*[-_]g(?![a-z])")
_TOWERS = {"clip_l": 64, "clip_g": 80, "clip_h": 80}
_VAE = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "block_out_channels": (32, 32, 32, 32),
    "layers_per_block": 1,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "norm_num_groups": 32,
}
_HINT = {"conditioning_channels": 3, "conditioning_embedding_out_channels": (16, 32, 96, 256)}
UNET, VAE, CONTROL = "model.diffusion_model.", "first_stage_model.", "control_model."


def checkpoint_shapes(release_name: str, in_channels: int = 4) -> Shapes:
    """Key -> shape of a small checkpoint of a release, by its name in RELEASES."""
    release = next(release for release in RELEASES if release.name == release_name)
    unet = {
        "in_channels": in_channels,
        "out_channels": 4,
        "layers_per_block": 1,
        "transformer_layers_per_block": (1,) * len(_UNETS[release_name]["block_out_channels"]),
        "norm_num_groups": 32,
        **_UNETS[release_name],
    }
    parts = [unet_part(completed(unet, release), UNET), vae_part(_VAE, VAE)]
    for tower in release.text_encoders:
        width = _TOWERS[tower.name] if release_name != "sdxl_refiner" else 80
        config = {
            "vocab_size": 49408,
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": 2,
            "num_attention_heads": max(4, width // 16),
            "hidden_act": tower.activation,
        }
        if tower.projected:
            config["projection_dim"] = width
        parts.append(text_part(replace(tower, config=config, projected=bool(tower.projected))))
    return {key: shape for part in parts for key, shape in shapes_of(part).items()}


def controlnet_shapes(checkpoint: Mapping[str, tuple[int, ...]]) -> Shapes:
    """Key -> shape of a ControlNet for the UNet of a checkpoint, in the original layout."""
    from diffusers import ControlNetModel

    unet = recognise(checkpoint)
    assert unet is not None
    taken = set(inspect.signature(ControlNetModel).parameters)
    net = {name: value for name, value in unet.unet.items() if name in taken} | _HINT
    return shapes_of(SDControlKind(unet.name, net, CONTROL, of_diffusers=False, is_difference=False).part())


def lora_shapes(checkpoint: Mapping[str, tuple[int, ...]], rank: int = 4) -> Shapes:
    """Key -> shape of a LoRA, in kohya's spelling, for the attention of the UNet of a checkpoint."""
    unet = recognise(checkpoint)
    assert unet is not None
    shapes: Shapes = {}
    for old, new in unet_keymap(unet.unet).items():
        shape = checkpoint[UNET + old]
        if new.endswith(".weight") and ".attn" in new and len(shape) == 2:
            layer = "lora_unet_" + new.removesuffix(".weight").replace(".", "_")
            shapes |= {f"{layer}.lora_down.weight": (rank, shape[1]), f"{layer}.lora_up.weight": (shape[0], rank)}
    return shapes


def part_of(checkpoint: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint below a prefix, as a file of their own has them."""
    return {key.removeprefix(prefix): value for key, value in checkpoint.items() if key.startswith(prefix)}


def random_weights(shapes: Mapping[str, tuple[int, ...]], *, seed: int = 0) -> dict[str, Tensor]:
    """float16 weights for each key: norms do nothing, the rest keeps the size of what passes through it."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for key, shape in shapes.items():
        if key.endswith("position_ids"):
            weights[key] = torch.arange(shape[-1]).reshape(shape)
        elif len(shape) < 2:
            weights[key] = torch.full(shape, float(key.endswith("weight")), dtype=torch.float16)
        else:
            scale = 0.02 if "embedding" in key else 0.3 if ".lora_" in key else 1 / math.sqrt(math.prod(shape[1:]))
            weights[key] = (torch.randn(shape, generator=generator) * scale).half()
    return weights


def small_file(kind: str, name: str, release: str, base: Path) -> dict[str, Tensor] | None:
    """See Family."""
    checkpoint = _small_checkpoint(release, base, 8 if _LOTUS_G.search(name.lower()) else 4)
    match kind:
        case "checkpoints":
            return checkpoint
        case "vae":
            return part_of(checkpoint, VAE)
        case "diffusion_models":
            return part_of(checkpoint, UNET)
        case "text_encoders":
            towers = _towers(checkpoint)
            return part_of(checkpoint, towers[-1 if re.search(r"clip_?g|big_?g", name.lower()) else 0])
        case "loras":
            return random_weights(lora_shapes(_sizes(checkpoint)), seed=1)
        case "controlnet":
            return random_weights(controlnet_shapes(_sizes(checkpoint)), seed=2)
        case "clip_vision":
            # Where a model reads a picture in the place of a pooled text, it is as wide.
            return small_clip_vision(_TOWERS["clip_l" if release == "sd1" else "clip_g"])
        case "embeddings":
            return _embedding(_sizes(checkpoint))
    return None


def _small_checkpoint(release: str, base: Path, channels: int) -> dict[str, Tensor]:
    tensors = read_tensors(base)
    kind = recognise(_sizes(tensors))
    if kind is not None and kind.name == release:
        return tensors
    return random_weights(checkpoint_shapes(release, channels))


def _sizes(tensors: Mapping[str, Tensor]) -> Shapes:
    return {key: tuple(value.shape) for key, value in tensors.items()}


def _embedding(checkpoint: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Two vectors for each text encoder."""
    kind = recognise(checkpoint)
    assert kind is not None
    return random_weights({tower.name: (2, tower.config["hidden_size"]) for tower in kind.text_encoders}, seed=3)


def _towers(checkpoint: Mapping[str, Tensor]) -> list[str]:
    """Where the keys of each text encoder begin."""
    kind = recognise(_sizes(checkpoint))
    assert kind is not None
    return [tower.prefix.removesuffix("text_model.") for tower in kind.text_encoders]


def shapes_of(part: Part, prefix: str | None = None) -> Shapes:
    """Key -> shape of a part in a file, behind its prefix or another one."""
    return {
        (part.prefix if prefix is None else prefix) + key: tuple(as_landed(to, part.module.get_parameter).shape)
        for key, to in part.landings.items()
    }
