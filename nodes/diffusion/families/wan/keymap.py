"""The names of Wan's weights: the released files -> diffusers' WanTransformer3DModel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from weft.nodes.diffusion.weights.landings import Landing, Shapes

# A key that every file of it has and no other family's.
MARK = "head.modulation"
# And of a VAE of Wan 2.1 (and Qwen-Image) or 2.2.
VAE_MARK = "decoder.middle.0.residual.0.gamma"
HEAD = 128
# Frames of a video that an element of its latent stands for, behind the first.
FRAMES = 4
PATCH = (1, 2, 2)

# diffusers' name -> the file's, by pieces, the first that stands in a name.
_PIECES = (
    (r"^scale_shift_table$", "head.modulation"),
    (r"^proj_out\.", "head.head."),
    (r"^condition_embedder\.time_embedder\.linear_1\.", "time_embedding.0."),
    (r"^condition_embedder\.time_embedder\.linear_2\.", "time_embedding.2."),
    (r"^condition_embedder\.time_proj\.", "time_projection.1."),
    (r"^condition_embedder\.text_embedder\.linear_1\.", "text_embedding.0."),
    (r"^condition_embedder\.text_embedder\.linear_2\.", "text_embedding.2."),
    (r"^condition_embedder\.image_embedder\.norm1\.", "img_emb.proj.0."),
    (r"^condition_embedder\.image_embedder\.ff\.net\.0\.proj\.", "img_emb.proj.1."),
    (r"^condition_embedder\.image_embedder\.ff\.net\.2\.", "img_emb.proj.3."),
    (r"^condition_embedder\.image_embedder\.norm2\.", "img_emb.proj.4."),
    (r"^condition_embedder\.image_embedder\.pos_embed$", "img_emb.emb_pos"),
    (r"\.scale_shift_table$", ".modulation"),
    (r"\.attn1\.", ".self_attn."),
    (r"\.attn2\.", ".cross_attn."),
    (r"\.add_k_proj\.", ".k_img."),
    (r"\.add_v_proj\.", ".v_img."),
    (r"\.norm_added_k\.", ".norm_k_img."),
    (r"\.to_out\.0\.", ".o."),
    (r"\.to_([qkv])\.", r".\1."),
    (r"\.norm2\.", ".norm3."),
    (r"\.ffn\.net\.0\.proj\.", ".ffn.0."),
    (r"\.ffn\.net\.2\.", ".ffn.2."),
)


def original(name: str) -> str:
    """A parameter's name in a file, without prefix."""
    for pattern, piece in _PIECES:
        name = re.sub(pattern, piece, name)
    return name


# Modules of a network and of a block, by diffusers' names.
_MODULES = (
    "patch_embedding",
    "proj_out",
    *(f"condition_embedder.time_embedder.linear_{number}" for number in (1, 2)),
    "condition_embedder.time_proj",
    *(f"condition_embedder.text_embedder.linear_{number}" for number in (1, 2)),
    *(f"condition_embedder.image_embedder.{name}" for name in ("norm1", "ff.net.0.proj", "ff.net.2", "norm2")),
)
_OF_BLOCK = (
    *(f"attn{number}.{name}" for number in (1, 2) for name in ("to_q", "to_k", "to_v", "to_out.0", "norm_q", "norm_k")),
    *(f"attn2.{name}" for name in ("add_k_proj", "add_v_proj", "norm_added_k")),
    *("norm2", "ffn.net.0.proj", "ffn.net.2"),
)


def names_in(shapes: Shapes) -> list[str]:
    """diffusers' names of the weights that a file has, without a network that says them."""
    blocks = shapes.indices(r"blocks\.(\d+)\.")
    modules = (*_MODULES, *(f"blocks.{block}.{name}" for block in blocks for name in _OF_BLOCK))
    return [f"{module}.weight" for module in modules if original(f"{module}.weight") in shapes]


def landings(names: Iterable[str]) -> dict[str, tuple[Landing, ...]]:
    """Where each key of a file lands. names: of the network's parameters."""
    return {original(name): (Landing(name),) for name in names}


def title_of(shapes: Shapes) -> str:
    """How people call the model of a file."""
    channels = shapes.of("patch_embedding.weight", 5)[1]
    if shapes.of("head.head.weight", 2)[0] == 4 * 48:
        return "Wan 2.2 5B"
    if "img_emb.proj.1.weight" in shapes:
        return "Wan 2.1 image-to-video"
    return "Wan image-to-video" if channels == 36 else "Wan text-to-video"


def read_sizes(shapes: Shapes) -> dict[str, Any]:
    """Keyword arguments of WanTransformer3DModel that a file's shapes say."""
    width = shapes.of(MARK, 3)[-1]
    image = shapes.of("img_emb.proj.1.weight", 2)[1] if "img_emb.proj.1.weight" in shapes else None
    positions = shapes.of("img_emb.emb_pos", 3)[1] if "img_emb.emb_pos" in shapes else None
    return {
        "patch_size": PATCH,
        "num_attention_heads": width // HEAD,
        "attention_head_dim": HEAD,
        "in_channels": shapes.of("patch_embedding.weight", 5)[1],
        "out_channels": shapes.of("head.head.weight", 2)[0] // 4,
        "text_dim": shapes.of("text_embedding.0.weight", 2)[1],
        "freq_dim": shapes.of("time_embedding.0.weight", 2)[1],
        "ffn_dim": shapes.of("blocks.0.ffn.0.weight", 2)[0],
        "num_layers": len(shapes.indices(r"blocks\.(\d+)\.")),
        "image_dim": image,
        "added_kv_proj_dim": None if image is None else width,
        "pos_embed_seq_len": positions,
    }


def is_whole(sizes: Mapping[str, Any]) -> bool:
    """Whether the network's inputs are those of a model that is known."""
    return (sizes["in_channels"], sizes["out_channels"]) in ((16, 16), (36, 16), (48, 48))
