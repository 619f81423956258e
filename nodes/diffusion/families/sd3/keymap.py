"""The names of Stable Diffusion 3's weights: Stability AI's file -> diffusers' SD3Transformer2DModel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.weights.landings import Landing, Shapes, fused, halves_swapped

# A key that every file of it has and no other family's.
MARK = "joint_blocks.0.context_block.attn.qkv.weight"
HEAD = 64
PATCH = 2
# The table of positions, which is a weight here: the file's, and the network's name for it.
TABLE, TABLE_OF_NETWORK = "pos_embed", "pos_embed.pos_embed"

_LEAVES = ("weight", "bias")
_EMBEDDERS = {"t_embedder": "timestep_embedder", "y_embedder": "text_embedder"}
_OF_PICTURE = tuple(f"attn.to_{name}" for name in "qkv")
_OF_TEXT = tuple(f"attn.add_{name}_proj" for name in "qkv")
_SECOND = tuple(f"attn2.to_{name}" for name in "qkv")


def title_of(shapes: Shapes) -> str:
    """How people call the model that a file holds."""
    if "joint_blocks.0.x_block.attn.ln_q.weight" not in shapes:
        return "Stable Diffusion 3"
    medium = "joint_blocks.0.x_block.attn2.qkv.weight" in shapes
    return f"Stable Diffusion 3.5 {'Medium' if medium else 'Large'}"


def read_sizes(shapes: Shapes) -> dict[str, Any]:
    """Keyword arguments of SD3Transformer2DModel that a file's shapes say."""
    hidden, channels, _, _ = shapes.of("x_embedder.proj.weight", 4)
    out, _ = shapes.of("final_layer.linear.weight", 2)
    _, places, _ = shapes.of(TABLE, 3)
    side = round(places**0.5)
    if side**2 != places:
        raise CheckpointError(f"its table of positions has {places} places, which are no square")
    return {
        # Of the table that diffusers would compute; the file has its own.
        "sample_size": PATCH * side,
        "patch_size": PATCH,
        "in_channels": channels,
        "out_channels": out // PATCH**2,
        "num_layers": len(shapes.indices(r"joint_blocks\.(\d+)\.")),
        "attention_head_dim": HEAD,
        "num_attention_heads": hidden // HEAD,
        "joint_attention_dim": shapes.of("context_embedder.weight", 2)[1],
        "caption_projection_dim": hidden,
        "pooled_projection_dim": shapes.of("y_embedder.mlp.0.weight", 2)[1],
        "pos_embed_max_size": side,
        "qk_norm": "rms_norm" if "joint_blocks.0.x_block.attn.ln_q.weight" in shapes else None,
        "dual_attention_layers": tuple(shapes.indices(r"joint_blocks\.(\d+)\.x_block\.attn2\.")),
    }


def landings(sizes: Mapping[str, Any]) -> dict[str, tuple[Landing, ...]]:
    """Where each key of a file lands."""
    return dict(_landings(sizes))


def _landings(sizes: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    yield TABLE, (Landing(TABLE_OF_NETWORK),)
    yield from _linear("x_embedder.proj", "pos_embed.proj")
    yield from _linear("context_embedder", "context_embedder")
    for old, new in _EMBEDDERS.items():
        yield from _linear(f"{old}.mlp.0", f"time_text_embed.{new}.linear_1")
        yield from _linear(f"{old}.mlp.2", f"time_text_embed.{new}.linear_2")
    for index in range(sizes["num_layers"]):
        yield from _block(index, sizes)
    yield from _linear("final_layer.linear", "proj_out")
    yield from _swapped("final_layer.adaLN_modulation.1", "norm_out.linear")


def _block(index: int, sizes: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    new = f"transformer_blocks.{index}"
    picture, text = (f"joint_blocks.{index}.{name}" for name in ("x_block", "context_block"))
    yield from _attention(f"{picture}.attn", new, _OF_PICTURE, "attn.norm_", sizes)
    yield from _linear(f"{picture}.attn.proj", f"{new}.attn.to_out.0")
    yield from _linear(f"{picture}.adaLN_modulation.1", f"{new}.norm1.linear")
    yield from _linear(f"{picture}.mlp.fc1", f"{new}.ff.net.0.proj")
    yield from _linear(f"{picture}.mlp.fc2", f"{new}.ff.net.2")
    if index in sizes["dual_attention_layers"]:
        yield from _attention(f"{picture}.attn2", new, _SECOND, "attn2.norm_", sizes)
        yield from _linear(f"{picture}.attn2.proj", f"{new}.attn2.to_out.0")
    yield from _attention(f"{text}.attn", new, _OF_TEXT, "attn.norm_added_", sizes)
    # Behind the last block nothing reads the text.
    if index == sizes["num_layers"] - 1:
        yield from _swapped(f"{text}.adaLN_modulation.1", f"{new}.norm1_context.linear")
        return
    yield from _linear(f"{text}.adaLN_modulation.1", f"{new}.norm1_context.linear")
    yield from _linear(f"{text}.attn.proj", f"{new}.attn.to_add_out")
    yield from _linear(f"{text}.mlp.fc1", f"{new}.ff_context.net.0.proj")
    yield from _linear(f"{text}.mlp.fc2", f"{new}.ff_context.net.2")


def _attention(
    old: str, block: str, parts: tuple[str, ...], norms: str, sizes: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    hidden = sizes["num_attention_heads"] * sizes["attention_head_dim"]
    for leaf in _LEAVES:
        yield f"{old}.qkv.{leaf}", fused({f"{block}.{part}.{leaf}": hidden for part in parts})
    if sizes["qk_norm"] is not None:
        for name in "qk":
            yield f"{old}.ln_{name}.weight", (Landing(f"{block}.{norms}{name}.weight"),)


def _linear(old: str, new: str) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    for leaf in _LEAVES:
        yield f"{old}.{leaf}", (Landing(f"{new}.{leaf}"),)


def _swapped(old: str, new: str) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    # diffusers reads the scale first, the file has the shift first.
    for leaf in _LEAVES:
        yield f"{old}.{leaf}", (Landing(f"{new}.{leaf}", halves_swapped, halves_swapped),)
