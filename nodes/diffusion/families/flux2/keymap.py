"""The names of FLUX.2's weights: Black Forest Labs' file -> diffusers' Flux2Transformer2DModel. There are no biases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weft.nodes.diffusion.weights.landings import Landing, Shapes, fused, halves_swapped

# A key that every file of it has and no other family's.
MARK = "double_stream_modulation_img.lin.weight"
GUIDANCE = "guidance_in.in_layer.weight"
HEAD = 128
AXES, THETA = (32, 32, 32, 32), 2000

_MODULES = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in.in_layer": "time_guidance_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_guidance_embed.timestep_embedder.linear_2",
    "double_stream_modulation_img.lin": "double_stream_modulation_img.linear",
    "double_stream_modulation_txt.lin": "double_stream_modulation_txt.linear",
    "single_stream_modulation.lin": "single_stream_modulation.linear",
    "final_layer.linear": "proj_out",
}
_GUIDED = {
    "guidance_in.in_layer": "time_guidance_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_guidance_embed.guidance_embedder.linear_2",
}
_DOUBLE = {
    "img_attn.proj": "attn.to_out.0",
    "img_mlp.0": "ff.linear_in",
    "img_mlp.2": "ff.linear_out",
    "txt_attn.proj": "attn.to_add_out",
    "txt_mlp.0": "ff_context.linear_in",
    "txt_mlp.2": "ff_context.linear_out",
}
_FUSED = {
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
}
_NORMS = {
    "img_attn.norm.query_norm": "attn.norm_q",
    "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q",
    "txt_attn.norm.key_norm": "attn.norm_added_k",
}
_SINGLE = {"linear1": "attn.to_qkv_mlp_proj", "linear2": "attn.to_out"}
_SINGLE_NORMS = {"norm.query_norm": "attn.norm_q", "norm.key_norm": "attn.norm_k"}


def title_of(guidance: bool) -> str:
    """How people call the model that takes guidance as an input, or not."""
    return "FLUX.2 dev" if guidance else "FLUX.2 klein"


def norm_in(shapes: Shapes) -> str:
    """What the file calls the weight of a norm: of two ages."""
    return next(
        (leaf for leaf in ("scale", "weight") if f"double_blocks.0.img_attn.norm.key_norm.{leaf}" in shapes), ""
    )


def read_sizes(shapes: Shapes) -> dict[str, Any]:
    """Keyword arguments of Flux2Transformer2DModel that a file's shapes say."""
    hidden, channels = shapes.of("img_in.weight", 2)
    # A gate and what it lets through stand side by side.
    inner = shapes.of("double_blocks.0.img_mlp.0.weight", 2)[0] // 2
    return {
        "in_channels": channels,
        "num_layers": len(shapes.indices(r"double_blocks\.(\d+)\.")),
        "num_single_layers": len(shapes.indices(r"single_blocks\.(\d+)\.")),
        "attention_head_dim": HEAD,
        "num_attention_heads": hidden // HEAD,
        "joint_attention_dim": shapes.of("txt_in.weight", 2)[1],
        "mlp_ratio": inner / hidden,
        "guidance_embeds": GUIDANCE in shapes,
        "axes_dims_rope": AXES,
        "rope_theta": THETA,
    }


def landings(sizes: Mapping[str, Any], norm: str = "scale") -> dict[str, tuple[Landing, ...]]:
    """Where each key of a file lands. norm: as norm_in."""
    return dict(_landings(sizes, norm))


def _landings(sizes: Mapping[str, Any], norm: str) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    hidden = sizes["num_attention_heads"] * sizes["attention_head_dim"]
    yield from _plain("", "", _MODULES | (_GUIDED if sizes["guidance_embeds"] else {}))
    # diffusers reads the scale first, the file has the shift first.
    yield "final_layer.adaLN_modulation.1.weight", (Landing("norm_out.linear.weight", halves_swapped, halves_swapped),)
    for index in range(sizes["num_layers"]):
        old, new = f"double_blocks.{index}.", f"transformer_blocks.{index}."
        yield from _plain(old, new, _DOUBLE)
        yield from _plain(old, new, _NORMS, norm)
        for name, parts in _FUSED.items():
            yield f"{old}{name}.weight", fused({f"{new}{part}.weight": hidden for part in parts})
    for index in range(sizes["num_single_layers"]):
        old, new = f"single_blocks.{index}.", f"single_transformer_blocks.{index}."
        yield from _plain(old, new, _SINGLE)
        yield from _plain(old, new, _SINGLE_NORMS, norm)


def _plain(
    old: str, new: str, names: Mapping[str, str], leaf: str = "weight"
) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    for stored, module in names.items():
        yield f"{old}{stored}.{leaf}", (Landing(f"{new}{module}.weight"),)
