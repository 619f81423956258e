"""The names of Qwen-Image 2.1's weights: diffusers' QwenImage21Transformer2DModel has them, but for one.

A file may have the gate of a feed-forward and what it lets through in one matrix, the gate first. There are no biases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from weft.nodes.diffusion.weights.landings import Landing, Shapes, fused

# A key that every file of it has.
MARK = "txt_in.text_norm.weight"
HEAD = 128
AXES = (16, 56, 56)
_FUSED = "img_mlp.gate_up.weight"


def read_sizes(shapes: Shapes) -> dict[str, Any]:
    """Keyword arguments of QwenImage21Transformer2DModel that a file's shapes say."""
    width, channels = shapes.of("img_in.weight", 2)
    return {
        "in_channels": channels,
        "out_channels": shapes.of("proj_out.weight", 2)[0],
        "num_layers": len(shapes.indices(r"transformer_blocks\.(\d+)\.")),
        "attention_head_dim": HEAD,
        "num_attention_heads": width // HEAD,
        "context_in_dim": shapes.of(MARK, 1)[0],
        "mlp_ratio": shapes.of("transformer_blocks.0.img_mlp.out.weight", 2)[1] // width,
        "axes_dims_rope": AXES,
    }


def is_fused(shapes: Shapes) -> bool:
    """Whether a file has the two matrices of a feed-forward in one."""
    return f"transformer_blocks.0.{_FUSED}" in shapes


def landings(names: Iterable[str], sizes: Mapping[str, Any], *, joined: bool) -> dict[str, tuple[Landing, ...]]:
    """Where each key of a file lands. names: of the network's parameters. joined: as `is_fused`."""
    found: dict[str, tuple[Landing, ...]] = {name: (Landing(name),) for name in names}
    for index in range(sizes["num_layers"] if joined else 0):
        block = f"transformer_blocks.{index}"
        rows = sizes["mlp_ratio"] * sizes["num_attention_heads"] * sizes["attention_head_dim"]
        parts = [f"{block}.img_mlp.{part}.weight" for part in ("gate_layer", "proj")]
        found[f"{block}.{_FUSED}"] = fused(dict.fromkeys(parts, rows))
        for part in parts:
            del found[part]
    return found


def parameters(sizes: Mapping[str, Any]) -> list[str]:
    """The names of the network's parameters, without it."""
    outer = (
        *("time_text_embed.timestep_embedder.linear_1", "time_text_embed.timestep_embedder.linear_2"),
        *("txt_in.text_norm", "txt_in.in_layer", "txt_in.out_layer", "img_in", "modulation.1"),
        *("norm_out.linear", "proj_out"),
    )
    inner = ("to_q", "to_k", "to_v", "to_out.0", "norm_q", "norm_k")
    block = (*(f"attn.{name}" for name in inner), *(f"img_mlp.{name}" for name in ("proj", "out", "gate_layer")))
    blocks = (f"transformer_blocks.{index}.{name}" for index in range(sizes["num_layers"]) for name in block)
    return [f"{name}.weight" for name in (*outer, *blocks)]
