"""The networks of the model, built as Weft's loader builds them from the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from loop import device

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

LATENT_SCALE = 0.18215  # of SD1.x: the UNet sees latents times this
WIDTH = 64  # of the text

# Shapes do not tell the number of groups, so the file states it. 32 groups of one to three channels would keep no
# flat colour: each is normalised by itself.
GROUPS = 4
VAE: dict[str, Any] = {
    "block_out_channels": (32, 64, 96, 96),
    "layers_per_block": 1,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "norm_num_groups": GROUPS,
}
UNET: dict[str, Any] = {
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (64, 128, 128),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 1, 1),
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
}
TEXT: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": 4 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_act": "quick_gelu",
    "max_position_embeddings": 77,
}


def new_vae() -> AutoencoderKL:
    """The autoencoder with random weights."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(**VAE).to(device(), memory_format=torch.channels_last)


def new_unet() -> UNet2DConditionModel:
    """The denoiser with random weights."""
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor

    unet = UNet2DConditionModel(**UNET)
    # For training on a CPU: the backward pass of torch's fused attention takes longer than all the rest.
    unet.set_attn_processor(AttnProcessor())
    return unet.to(device())


def new_text(words: int) -> CLIPTextModel:
    """The text encoder with random weights and a vocabulary of so many words."""
    from transformers import CLIPTextConfig, CLIPTextModel

    # The marks are the first two words of the compact table.
    config = CLIPTextConfig(**TEXT, vocab_size=words, bos_token_id=1, eos_token_id=2, attn_implementation="eager")
    return CLIPTextModel(config).to(device())
