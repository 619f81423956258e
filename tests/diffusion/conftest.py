"""Small checkpoints of every family, of random weights: structure is all that these tests ask of them."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.diffusion.families.sd.networks import text_part, unet_part, vae_part
from weft.nodes.diffusion.families.sd.releases import RELEASES, completed
from weft.nodes.diffusion.weights.landings import as_landed
from weft.nodes.diffusion.weights.networks import Part

ROOT = Path(__file__).resolve().parents[2]
Shapes = dict[str, tuple[int, ...]]
MakeCheckpoint = Callable[..., Path]

_FOUR_LEVELS = {
    "block_out_channels": (32, 64, 64, 64),
    "down_block_types": (*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
}
_UNETS: Mapping[str, Mapping[str, Any]] = {
    "sd1": {**_FOUR_LEVELS, "cross_attention_dim": 64, "use_linear_projection": False},
    "sd2": {**_FOUR_LEVELS, "cross_attention_dim": 80, "use_linear_projection": True},
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


def _shapes(part: Part) -> Shapes:
    return {
        part.prefix + key: tuple(as_landed(to, part.module.get_parameter).shape) for key, to in part.landings.items()
    }


def tiny_shapes(family: str, in_channels: int = 4) -> Shapes:
    """Key -> shape of a small checkpoint of a family."""
    release = next(release for release in RELEASES if release.name == family)
    levels = len(_UNETS[family]["block_out_channels"])
    unet = {
        "in_channels": in_channels,
        "out_channels": 4,
        "layers_per_block": 1,
        "transformer_layers_per_block": (1,) * levels,
        "norm_num_groups": 32,
        **_UNETS[family],
    }
    parts = [unet_part(completed(unet, release), "model.diffusion_model."), vae_part(_VAE, "first_stage_model.")]
    for tower in release.text_encoders:
        width = _TOWERS[tower.name] if family != "sdxl_refiner" else 80
        config = {
            "vocab_size": 49408,
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": 2,
            "num_attention_heads": max(4, width // 16),
            "hidden_act": tower.activation,
        }
        if tower.projected is not False:
            config["projection_dim"] = width
        spec = type(tower)(**{**vars(tower), "config": config, "projected": tower.projected is not False})
        parts.append(text_part(spec))
    return {key: shape for part in parts for key, shape in _shapes(part).items()}


@pytest.fixture(scope="session")
def weights_of() -> Callable[[Mapping[str, tuple[int, ...]]], dict[str, Tensor]]:
    """Random weights for shapes by key."""
    spec = importlib.util.spec_from_file_location("random_models", ROOT / "workflows" / "random_models.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.random_weights


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory, weights_of: Any) -> MakeCheckpoint:
    """Writes a small checkpoint of a family: (family, in_channels=4, name=..., seed=0, change=..., stated=...) -> path.

    change: edits the tensors. stated: what the metadata says under weft.config.
    """
    folder = tmp_path_factory.mktemp("families")

    def make(
        family: str,
        in_channels: int = 4,
        *,
        name: str | None = None,
        seed: int = 0,
        change: Callable[[dict[str, Tensor]], None] = lambda tensors: None,
        stated: Mapping[str, Any] | None = None,
    ) -> Path:
        path = folder / f"{name or f'{family}_{in_channels}_{seed}'}.safetensors"
        if not path.exists():
            tensors = weights_of(tiny_shapes(family, in_channels), seed=seed)
            change(tensors)
            save_file(tensors, path, {"weft.config": json.dumps(stated)} if stated else None)
        return path

    return make


@pytest.fixture(scope="session")
def open_checkpoint(make_checkpoint: MakeCheckpoint) -> Callable[..., Any]:
    """Makes and opens a small checkpoint, float32 on the CPU; arguments as make_checkpoint's. One each is kept."""
    from weft.nodes.diffusion.weights.checkpoint import load_checkpoint

    opened: dict[Path, Any] = {}

    def open_(*args: Any, **options: Any) -> Any:
        path = make_checkpoint(*args, **options)
        if path not in opened:
            opened[path] = load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32)
        return opened[path]

    return open_
