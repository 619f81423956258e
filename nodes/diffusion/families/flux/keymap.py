"""The names of FLUX.1's weights: Black Forest Labs' file -> diffusers' FluxTransformer2DModel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weft.nodes.diffusion.weights.landings import Landing, Shapes, fused, halves_swapped

# A key that every file of it has and no other family's; of two ages.
MARKS = ("double_blocks.0.img_attn.norm.key_norm.scale", "double_blocks.0.img_attn.norm.key_norm.weight")
# A key that a model with guidance as an input has.
GUIDANCE = "guidance_in.in_layer.weight"
# The weight of the layer that reads patches.
EMBEDDER = "x_embedder.weight"
HEAD = 128
AXES = (16, 56, 56)
PATCH = 2

_LEAVES = ("weight", "bias")
_EMBEDDERS = {"time_in": "timestep_embedder", "vector_in": "text_embedder", "guidance_in": "guidance_embedder"}
# Of the stream of the picture and of that of the text in a double block.
_STREAMS = {
    "img": ("norm1.linear", ("attn.to_q", "attn.to_k", "attn.to_v"), "attn.norm_", "attn.to_out.0", "ff"),
    "txt": (
        "norm1_context.linear",
        ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
        "attn.norm_added_",
        "attn.to_add_out",
        "ff_context",
    ),
}


# What stands behind the 16 channels of the latent, by the number of all: a picture, or one and a mask of 8x8 pixels.
PLAIN, PICTURE, PAINTED = 16, 16 + 16, 16 + 16 + 64
_TITLES = {PICTURE: "FLUX.1 Canny or Depth", PAINTED: "FLUX.1 Fill"}
INPUTS = (PLAIN, *_TITLES)


def title_of(guidance: bool, channels: int = PLAIN) -> str:
    """How people call the model that takes guidance as an input, or not, and reads so many channels."""
    return _TITLES.get(channels, "FLUX.1 dev" if guidance else "FLUX.1 schnell")


def read_sizes(shapes: Shapes) -> dict[str, Any]:
    """Keyword arguments of FluxTransformer2DModel that a file's shapes say."""
    return {
        **trunk_sizes(shapes),
        "out_channels": shapes.of("final_layer.linear.weight", 2)[0],
        "num_single_layers": len(shapes.indices(r"single_blocks\.(\d+)\.")),
    }


def trunk_sizes(shapes: Shapes) -> dict[str, Any]:
    """Those that a ControlNet has, too: of what is read, and of the blocks of two streams."""
    hidden, patched = shapes.of("img_in.weight", 2)
    return {
        "in_channels": patched,
        "num_layers": len(shapes.indices(r"double_blocks\.(\d+)\.")),
        "attention_head_dim": HEAD,
        "num_attention_heads": hidden // HEAD,
        "joint_attention_dim": shapes.of("txt_in.weight", 2)[1],
        "pooled_projection_dim": shapes.of("vector_in.in_layer.weight", 2)[1],
        "guidance_embeds": GUIDANCE in shapes,
        "axes_dims_rope": AXES,
    }


def landings(sizes: Mapping[str, Any], scale: str = "scale") -> dict[str, tuple[Landing, ...]]:
    """Where each key of a file lands. scale: what the file calls the weight of a norm."""
    return dict(_landings(sizes, scale))


def _landings(sizes: Mapping[str, Any], scale: str) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    hidden = sizes["num_attention_heads"] * sizes["attention_head_dim"]
    for old, new in _EMBEDDERS.items():
        if old != "guidance_in" or sizes["guidance_embeds"]:
            yield from _linear(f"{old}.in_layer", f"time_text_embed.{new}.linear_1")
            yield from _linear(f"{old}.out_layer", f"time_text_embed.{new}.linear_2")
    yield from _linear("img_in", "x_embedder")
    yield from _linear("txt_in", "context_embedder")
    for index in range(sizes["num_layers"]):
        block = f"transformer_blocks.{index}"
        for stream, (modulation, attention, norms, out, feed_forward) in _STREAMS.items():
            old = f"double_blocks.{index}.{stream}"
            yield from _linear(f"{old}_mod.lin", f"{block}.{modulation}")
            yield from _fused(f"{old}_attn.qkv", {f"{block}.{name}": hidden for name in attention})
            yield f"{old}_attn.norm.query_norm.{scale}", (Landing(f"{block}.{norms}q.weight"),)
            yield f"{old}_attn.norm.key_norm.{scale}", (Landing(f"{block}.{norms}k.weight"),)
            yield from _linear(f"{old}_attn.proj", f"{block}.{out}")
            yield from _linear(f"{old}_mlp.0", f"{block}.{feed_forward}.net.0.proj")
            yield from _linear(f"{old}_mlp.2", f"{block}.{feed_forward}.net.2")
    for index in range(sizes["num_single_layers"]):
        old, block = f"single_blocks.{index}", f"single_transformer_blocks.{index}"
        widths = {f"{block}.attn.to_{name}": hidden for name in "qkv"} | {f"{block}.proj_mlp": 4 * hidden}
        yield from _linear(f"{old}.modulation.lin", f"{block}.norm.linear")
        yield from _fused(f"{old}.linear1", widths)
        yield from _linear(f"{old}.linear2", f"{block}.proj_out")
        yield f"{old}.norm.query_norm.{scale}", (Landing(f"{block}.attn.norm_q.weight"),)
        yield f"{old}.norm.key_norm.{scale}", (Landing(f"{block}.attn.norm_k.weight"),)
    yield from _linear("final_layer.linear", "proj_out")
    # diffusers reads the scale first, the file has the shift first.
    for leaf in _LEAVES:
        landing = Landing(f"norm_out.linear.{leaf}", halves_swapped, halves_swapped)
        yield f"final_layer.adaLN_modulation.1.{leaf}", (landing,)


def _linear(old: str, new: str) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    for leaf in _LEAVES:
        yield f"{old}.{leaf}", (Landing(f"{new}.{leaf}"),)


def _fused(old: str, widths: Mapping[str, int]) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    for leaf in _LEAVES:
        yield f"{old}.{leaf}", fused({f"{new}.{leaf}": width for new, width in widths.items()})
