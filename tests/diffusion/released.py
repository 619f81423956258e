"""The sizes of released models, by their publishers' configurations, and the files that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weft.nodes.diffusion.families.flux.keymap import AXES as FLUX_AXES
from weft.nodes.diffusion.families.flux.kind import FluxKind
from weft.nodes.diffusion.families.qwen.keymap import AXES as QWEN_AXES
from weft.nodes.diffusion.families.qwen.kind import QwenImageKind
from weft.nodes.diffusion.families.wan.keymap import PATCH
from weft.nodes.diffusion.families.wan.kind import WanKind
from weft.nodes.diffusion.families.zimage.keymap import AXES as ZIMAGE_AXES
from weft.nodes.diffusion.families.zimage.keymap import LENGTHS
from weft.nodes.diffusion.families.zimage.kind import ZImageKind

Shapes = Mapping[str, tuple[int, ...]]
HEAD = 128


def flux(*, guidance: bool) -> FluxKind:
    return FluxKind(
        {
            "in_channels": 64,
            "num_layers": 19,
            "num_single_layers": 38,
            "attention_head_dim": HEAD,
            "num_attention_heads": 24,
            "joint_attention_dim": 4096,
            "pooled_projection_dim": 768,
            "guidance_embeds": guidance,
            "axes_dims_rope": FLUX_AXES,
        }
    )


def wan(width: int, layers: int, inner: int, read: int, given: int, *, vision: bool = False) -> WanKind:
    sizes: dict[str, Any] = {
        "patch_size": PATCH,
        "num_attention_heads": width // HEAD,
        "attention_head_dim": HEAD,
        "in_channels": read,
        "out_channels": given,
        "text_dim": 4096,
        "freq_dim": 256,
        "ffn_dim": inner,
        "num_layers": layers,
        "image_dim": 1280 if vision else None,
        "added_kv_proj_dim": width if vision else None,
        "pos_embed_seq_len": None,
    }
    return WanKind(sizes, "")


QWEN = QwenImageKind(
    {
        "in_channels": 64,
        "num_layers": 60,
        "attention_head_dim": HEAD,
        "num_attention_heads": 24,
        "joint_attention_dim": 3584,
        "axes_dims_rope": QWEN_AXES,
    }
)
ZIMAGE = ZImageKind(
    {
        "in_channels": 16,
        "dim": 3840,
        "n_layers": 30,
        "n_refiner_layers": 2,
        "n_heads": 30,
        "n_kv_heads": 30,
        "cap_feat_dim": 2560,
        "axes_dims": list(ZIMAGE_AXES),
        "axes_lens": list(LENGTHS),
    }
)


def t5_file(vocabulary: int, *, each: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    """T5's and umT5's encoder of the size XXL. each: whether all blocks have a bias of positions."""
    yield "shared.weight", (vocabulary, 4096)
    yield "encoder.final_layer_norm.weight", (4096,)
    for block in range(24):
        attention, feed_forward = (f"encoder.block.{block}.layer.{layer}" for layer in (0, 1))
        yield from ((f"{attention}.SelfAttention.{name}.weight", (4096, 4096)) for name in "qkvo")
        yield from ((f"{layer}.layer_norm.weight", (4096,)) for layer in (attention, feed_forward))
        yield from ((f"{feed_forward}.DenseReluDense.{name}.weight", (10240, 4096)) for name in ("wi_0", "wi_1"))
        yield f"{feed_forward}.DenseReluDense.wo.weight", (4096, 10240)
        if each or not block:
            yield f"{attention}.SelfAttention.relative_attention_bias.weight", (32, 64)


def qwen_file(
    width: int, inner: int, layers: int, heads: tuple[int, int], vocabulary: int, *, normed: bool
) -> Iterator[tuple[str, tuple[int, ...]]]:
    query, key = (HEAD * number for number in heads)
    yield "model.embed_tokens.weight", (vocabulary, width)
    yield "model.norm.weight", (width,)
    for index in range(layers):
        layer, attention = f"model.layers.{index}", f"model.layers.{index}.self_attn"
        rows = {"q": query, "k": key, "v": key}
        yield from ((f"{attention}.{name}_proj.weight", (size, width)) for name, size in rows.items())
        yield f"{attention}.o_proj.weight", (width, query)
        yield from ((f"{layer}.mlp.{name}_proj.weight", (inner, width)) for name in ("gate", "up"))
        yield f"{layer}.mlp.down_proj.weight", (width, inner)
        yield from ((f"{layer}.{name}.weight", (width,)) for name in ("input_layernorm", "post_attention_layernorm"))
        if normed:
            yield from ((f"{attention}.{name}_norm.weight", (HEAD,)) for name in "qk")
        else:
            yield from ((f"{attention}.{name}_proj.bias", (size,)) for name, size in rows.items())
