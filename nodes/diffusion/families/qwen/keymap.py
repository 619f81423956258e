"""What the names and shapes of Qwen-Image's weights say; diffusers' QwenImageTransformer2DModel has the same names."""

from __future__ import annotations

from typing import Any

from weft.nodes.diffusion.weights.landings import Shapes

# A key that every file of it has.
MARK = "txt_norm.weight"
# One of files that are told that pictures to edit have no noise (2511).
STILL_MARK = "__index_timestep_zero__"
# What tells a network that a picture has an alpha channel, of models that draw layers.
LAYERED_MARK = "time_text_embed.addition_t_embedding.weight"
HEAD = 128
AXES = (16, 56, 56)


def read_sizes(shapes: Shapes) -> dict[str, Any]:
    """Keyword arguments of QwenImageTransformer2DModel that a file's shapes say."""
    width, patched = shapes.of("img_in.weight", 2)
    return {
        "in_channels": patched,
        "num_layers": len(shapes.indices(r"transformer_blocks\.(\d+)\.")),
        "attention_head_dim": HEAD,
        "num_attention_heads": width // HEAD,
        "joint_attention_dim": shapes.of(MARK, 1)[0],
        "axes_dims_rope": AXES,
        "use_additional_t_cond": LAYERED_MARK in shapes,
    }
