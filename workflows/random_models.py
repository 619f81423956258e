"""Write models with random weights: they run like real ones, and draw noise.

    python workflows/random_models.py FOLDER             a small SD1.x checkpoint and a LoRA for it
    python workflows/random_models.py FOLDER --shapes F  a checkpoint with the shapes in the JSON file F ({key: shape})

For tests without other models, and for benchmarks at full size.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from weft.nodes.diffusion.families.sd.tiny import lora_shapes, random_weights

CHECKPOINT = "weft-tiny.safetensors"
LORA = "weft-pixel.safetensors"

UNET = {
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (32, 64, 128, 128),
    "layers_per_block": 2,
    "down_block_types": (*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
    "transformer_layers_per_block": (1, 1, 1, 1),
    "cross_attention_dim": 64,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
}
VAE = {
    "block_out_channels": (32, 64, 128, 128),
    "layers_per_block": 2,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
TEXT = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4}


def tiny_shapes(unet: Mapping[str, Any] = UNET, vae: Mapping[str, Any] = VAE) -> dict[str, tuple[int, ...]]:
    """Key -> shape of a small checkpoint in the single-file layout of SD1.x, of networks with these configurations."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from weft.nodes.diffusion.families.sd.keymaps import clip_landings, unet_keymap, vae_keymap

    with torch.device("meta"):
        denoiser = UNet2DConditionModel(**unet)
        autoencoder = AutoencoderKL(**vae)
        text = CLIPTextModel(CLIPTextConfig(**TEXT, vocab_size=49408))
    shapes = {f"model.diffusion_model.{old}": _shape(denoiser, new) for old, new in unet_keymap(unet).items()}
    for old, new in vae_keymap(vae).items():
        shape = _shape(autoencoder, new)
        # The single-file layout keeps the attention of the autoencoder as 1x1 convolutions.
        convolved = ".mid.attn_1." in old and len(shape) == 2
        shapes[f"first_stage_model.{old}"] = (*shape, 1, 1) if convolved else shape
    names = dict(text.named_parameters())
    for old, (landing, *_) in clip_landings(TEXT, "hf").items():
        name = landing.target if landing.target in names else f"text_model.{landing.target}"
        shapes[f"cond_stage_model.transformer.text_model.{old}"] = tuple(names[name].shape)
    return shapes


def _shape(network: torch.nn.Module, name: str) -> tuple[int, ...]:
    return tuple(network.get_parameter(name).shape)


def write_models(folder: Path, shapes: Mapping[str, tuple[int, ...]] | None = None) -> None:
    """Write checkpoints/weft-tiny.safetensors and loras/weft-pixel.safetensors below `folder`."""
    shapes = shapes if shapes is not None else tiny_shapes()
    for kind, name, tensors in (
        ("checkpoints", CHECKPOINT, random_weights(shapes)),
        ("loras", LORA, random_weights(lora_shapes(shapes), seed=1)),
    ):
        path = folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path, metadata={"format": "pt", "note": "random weights"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the model folder to write into")
    parser.add_argument("--shapes", type=Path, help='JSON: {key: shape}, or {"keys": {key: shape}}')
    arguments = parser.parse_args()
    shapes = None
    if arguments.shapes is not None:
        document = json.loads(arguments.shapes.read_text())
        shapes = {key: tuple(shape) for key, shape in document.get("keys", document).items()}
    write_models(arguments.folder, shapes)
    print(f"random models in {arguments.folder}: {CHECKPOINT}, {LORA}")


if __name__ == "__main__":
    main()
