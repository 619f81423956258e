"""The names of Wan's weights: the released files -> diffusers' classes and what stands beside them; and their sizes."""

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
    (r"\.proj_in\.", ".before_proj."),
    (r"\.proj_out\.", ".after_proj."),
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
    sizes = read_sizes(shapes)
    read = reads(sizes) or ()
    if "vace_layers" in sizes:
        return "Wan VACE"
    name = "Wan 2.2 5B" if sizes["out_channels"] == 48 else "Wan 2.1" if sizes["image_dim"] else "Wan"
    if "camera_channels" in sizes:
        return f"{name} Fun camera"
    if CONTROL in read:
        return f"{name} Fun control"
    if sizes["out_channels"] == 48:
        return f"{name} Fun inpaint" if read else name
    return f"{name} image-to-video" if read else f"{name} text-to-video"


def read_sizes(shapes: Shapes) -> dict[str, Any]:
    """Keyword arguments of `network.wan_network` that a file's shapes say."""
    width = shapes.of(MARK, 3)[-1]
    image = _of(shapes, "img_emb.proj.1.weight", 2, 1)
    layers = len(shapes.indices(r"blocks\.(\d+)\."))
    sizes: dict[str, Any] = {
        "patch_size": PATCH,
        "num_attention_heads": width // HEAD,
        "attention_head_dim": HEAD,
        "in_channels": shapes.of("patch_embedding.weight", 5)[1],
        "out_channels": shapes.of("head.head.weight", 2)[0] // 4,
        "text_dim": shapes.of("text_embedding.0.weight", 2)[1],
        "freq_dim": shapes.of("time_embedding.0.weight", 2)[1],
        "ffn_dim": shapes.of("blocks.0.ffn.0.weight", 2)[0],
        "num_layers": layers,
        "image_dim": image,
        "added_kv_proj_dim": None if image is None else width,
        "pos_embed_seq_len": _of(shapes, "img_emb.emb_pos", 3, 1),
    }
    if "ref_conv.weight" in shapes:
        sizes["reference_channels"] = shapes.of("ref_conv.weight", 4)[1]
    if "control_adapter.conv.weight" in shapes:
        sizes["camera_channels"] = shapes.of("control_adapter.conv.weight", 4)[1]
        sizes["camera_blocks"] = len(shapes.indices(r"control_adapter\.residual_blocks\.(\d+)\."))
    controls = len(shapes.indices(r"vace_blocks\.(\d+)\."))
    if controls:
        # Every so many blocks, from the first on: 15 of 30 in the model of 1.3B, 8 of 40 in that of 14B.
        sizes["vace_layers"] = list(range(0, layers, max(1, layers // controls)))[:controls]
        sizes["vace_in_channels"] = shapes.of("vace_patch_embedding.weight", 5)[1]
    return sizes


def _of(shapes: Shapes, name: str, dims: int, axis: int) -> int | None:
    return shapes.of(name, dims)[axis] if name in shapes else None


# What patches are made of behind the noisy latent, as conditionings say it.
CONTROL, MASK, IMAGE = "control_latent", "concat_mask", "concat_latent_image"
# Channels of a mask: one for each frame of an element.
SUBFRAMES = 4
# Wan and 2.1 Fun camera, image-to-video and Fun inpaint, 2.1 Fun control, 2.2 Fun control.
_READ = ((), (IMAGE,), (MASK, IMAGE), (CONTROL, IMAGE), (CONTROL, MASK, IMAGE))


def reads(sizes: Mapping[str, Any]) -> tuple[str, ...] | None:
    """What its patches are made of behind the noisy latent, in this order; None where the channels fit nothing."""
    given = sizes["out_channels"]
    if given not in (16, 48):
        return None
    beside = sizes["in_channels"] - given
    return next((read for read in _READ if sum(SUBFRAMES if name == MASK else given for name in read) == beside), None)
