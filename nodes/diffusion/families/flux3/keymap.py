"""The names of FLUX.3's weights: Black Forest Labs' file -> diffusers' Flux3Transformer2DModel. There are no biases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weft.nodes.diffusion.weights.landings import Landing, Shapes, halves_swapped

# A key that every file of it has and no other family's, and one that the distilled model has.
MARK = "early_stream_modulations.image.lin.weight"
TARGET = "ref_time_in.in_layer.weight"
HEAD = 128
AXES, THETA = (32, 32, 32, 32), 10_000
# What a token is of: the picture that is drawn, one that is edited, the prompt.
MODES = ("image", "image_cond", "txt")

_MODULES = {
    "emb_in.image": "x_embedders.image",
    "emb_in.image_cond": "x_embedders.image_cond",
    "txt_in": "context_embedder",
    "time_in.in_layer": "timestep_embedder.linear_1",
    "time_in.out_layer": "timestep_embedder.linear_2",
    "final_layer.image.linear": "proj_out",
    **{
        f"{stage}_stream_modulations.{mode}.lin": f"{stage}_stream_modulations.{mode}.linear"
        for stage in ("early", "single")
        for mode in MODES
    },
}
_TARGETED = {
    "ref_time_in.in_layer": "target_timestep_embedder.linear_1",
    "ref_time_in.out_layer": "target_timestep_embedder.linear_2",
}
_BLOCK = {
    "q_proj.weight": "attn.to_q.weight",
    "k_proj.weight": "attn.to_k.weight",
    "v_proj.weight": "attn.to_v.weight",
    "attn_out.weight": "attn.to_out.0.weight",
    "norm.query_norm.scale": "attn.norm_q.weight",
    "norm.key_norm.scale": "attn.norm_k.weight",
    "mlp_in.weight": "ff.linear_in.weight",
    "mlp_out.weight": "ff.linear_out.weight",
}
# Blocks of each kind of token, and of all together.
_EARLY = {
    "content_mode_blocks.image": "mode_blocks.image",
    "content_mode_blocks.image_cond": "mode_blocks.image_cond",
    "txt_mode_blocks": "txt_mode_blocks",
}
_JOINT = {"single_blocks": "single_transformer_blocks"}


def title_of(distilled: bool) -> str:
    """How people call the model that is told where a step ends, or the one that is not."""
    return "FLUX.3 klein" if distilled else "FLUX.3 klein base"


def read_sizes(shapes: Shapes) -> dict[str, Any]:
    """Keyword arguments of Flux3Transformer2DModel that a file's shapes say."""
    hidden, channels = shapes.of("emb_in.image.weight", 2)
    return {
        "in_channels": channels,
        "cond_in_channels": shapes.of("emb_in.image_cond.weight", 2)[1],
        "num_layers": len(shapes.indices(r"txt_mode_blocks\.(\d+)\.")),
        "num_single_layers": len(shapes.indices(r"single_blocks\.(\d+)\.")),
        "attention_head_dim": HEAD,
        "num_attention_heads": hidden // HEAD,
        "joint_attention_dim": shapes.of("txt_in.weight", 2)[1],
        "timestep_channels": shapes.of("time_in.in_layer.weight", 2)[1],
        # A gate and what it lets through stand side by side.
        "mlp_ratio": shapes.of("single_blocks.0.mlp_in.weight", 2)[0] / 2 / hidden,
        "flow_map": TARGET in shapes,
        "axes_dims_rope": AXES,
        "rope_theta": THETA,
    }


def landings(sizes: Mapping[str, Any]) -> dict[str, tuple[Landing, ...]]:
    """Where each key of a file lands."""
    return dict(_landings(sizes))


def _landings(sizes: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    for stored, module in (_MODULES | (_TARGETED if sizes["flow_map"] else {})).items():
        yield f"{stored}.weight", (Landing(f"{module}.weight"),)
    # diffusers reads the scale first, the file has the shift first.
    modulation = Landing("norm_out.linear.weight", halves_swapped, halves_swapped)
    yield "final_layer.image.adaLN_modulation.1.weight", (modulation,)
    for blocks, count in ((_EARLY, sizes["num_layers"]), (_JOINT, sizes["num_single_layers"])):
        for stored, module in blocks.items():
            for index in range(count):
                for key, name in _BLOCK.items():
                    yield f"{stored}.{index}.{key}", (Landing(f"{module}.{index}.{name}"),)
