"""Small text encoders of random weights, which several families have."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from weft.nodes.diffusion.families.sd.networks import text_part
from weft.nodes.diffusion.families.sd.releases import CLIP_L, TextEncoderSpec
from weft.nodes.diffusion.families.sd.tiny import random_weights, shapes_of
from weft.nodes.diffusion.text.t5 import TOKENIZER
from weft.nodes.diffusion.text.t5_tokenizer import small_tokenizer

_LAYERS, _HEADS, _BUCKETS, _VOCABULARY = 2, 4, 32, 128


def clip_l(width: int, spec: TextEncoderSpec = CLIP_L, *, projected: bool = False) -> dict[str, Tensor]:
    """A CLIP tower in a file of its own."""
    config = {
        "vocab_size": 49408,
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": max(4, width // 16),
        "hidden_act": spec.activation,
        **({"projection_dim": width} if projected else {}),
    }
    prefix = "" if projected else "text_model."
    part = text_part(
        replace(spec, prefixes=(prefix,), layout="hf_whole" if projected else "hf", config=config, projected=projected)
    )
    return random_weights(shapes_of(part))


def t5(width: int, *, umt5: bool = False) -> dict[str, Tensor]:
    """T5 in a file of its own, with a tokenizer of letters. umt5: each block has its bias of positions."""
    shapes: dict[str, tuple[int, ...]] = {
        "shared.weight": (_VOCABULARY, width),
        "encoder.final_layer_norm.weight": (width,),
    }
    for block in range(_LAYERS):
        attention, feed_forward = (f"encoder.block.{block}.layer.{layer}" for layer in (0, 1))
        shapes |= {f"{attention}.SelfAttention.{name}.weight": (width, width) for name in "qkvo"}
        shapes |= {f"{feed_forward}.DenseReluDense.{name}.weight": (2 * width, width) for name in ("wi_0", "wi_1")}
        shapes |= {
            f"{attention}.layer_norm.weight": (width,),
            f"{feed_forward}.layer_norm.weight": (width,),
            f"{feed_forward}.DenseReluDense.wo.weight": (width, 2 * width),
        }
        if umt5 or not block:
            shapes[f"{attention}.SelfAttention.relative_attention_bias.weight"] = (_BUCKETS, _HEADS)
    return {**random_weights(shapes), TOKENIZER: small_tokenizer()}


def qwen(width: int, *, normed: bool = False, sees: bool = False, layers: int = _LAYERS) -> dict[str, Tensor]:
    """A Qwen in a file of its own, of its whole vocabulary. normed: Qwen3. sees: with what sees pictures."""
    from weft.nodes.diffusion.text.qwen import HEAD

    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (151_936, width), "model.norm.weight": (width,)}
    for index in range(layers):
        layer, attention = f"model.layers.{index}", f"model.layers.{index}.self_attn"
        shapes |= {f"{attention}.{name}_proj.weight": (HEAD, width) for name in "qkv"}
        shapes |= {f"{attention}.o_proj.weight": (width, HEAD)}
        shapes |= {f"{layer}.mlp.{name}_proj.weight": (2 * width, width) for name in ("gate", "up")}
        shapes |= {f"{layer}.mlp.down_proj.weight": (width, 2 * width)}
        shapes |= {f"{layer}.{name}.weight": (width,) for name in ("input_layernorm", "post_attention_layernorm")}
        if normed:
            shapes |= {f"{attention}.{name}_norm.weight": (HEAD,) for name in "qk"}
        else:
            shapes |= {f"{attention}.{name}_proj.bias": (HEAD,) for name in "qkv"}
    return random_weights(shapes | (_eyes(width) if sees else {}))


def qwen3vl(width: int, *, layers: int = _LAYERS) -> dict[str, Tensor]:
    """A Qwen3-VL in a file of its own, by its makers' names."""
    found = qwen(width, normed=True, layers=layers)
    found = {f"model.language_model.{key.removeprefix('model.')}": weight for key, weight in found.items()}
    return found | random_weights(_eyes_of_qwen3(width), seed=1)


def _eyes_of_qwen3(width: int, inner: int = 64, feed_forward: int = 32) -> dict[str, tuple[int, ...]]:
    """Of a vision tower of Qwen3-VL, of two blocks, the first of which speaks to the language model's first layer."""
    rows, eyes = 4 * inner, "model.visual"
    layers: dict[str, tuple[int, ...]] = {f"{eyes}.patch_embed.proj": (inner, 3, 2, 16, 16)}
    norms = {f"{eyes}.merger.norm": inner, f"{eyes}.deepstack_merger_list.0.norm": rows}
    for index in range(2):
        block = f"{eyes}.blocks.{index}"
        layers |= {f"{block}.attn.qkv": (3 * inner, inner), f"{block}.attn.proj": (inner, inner)}
        layers |= {f"{block}.mlp.linear_fc1": (feed_forward, inner), f"{block}.mlp.linear_fc2": (inner, feed_forward)}
        norms |= {f"{block}.norm1": inner, f"{block}.norm2": inner}
    for merger in ("merger", "deepstack_merger_list.0"):
        layers |= {f"{eyes}.{merger}.linear_fc1": (rows, rows), f"{eyes}.{merger}.linear_fc2": (width, rows)}
    shapes: dict[str, tuple[int, ...]] = {f"{eyes}.pos_embed.weight": (16, inner)}
    for layer, shape in layers.items():
        shapes |= {f"{layer}.weight": shape, f"{layer}.bias": shape[:1]}
    for norm, size in norms.items():
        shapes |= {f"{norm}.weight": (size,), f"{norm}.bias": (size,)}
    return shapes


def _eyes(width: int, inner: int = 64, feed_forward: int = 32) -> dict[str, tuple[int, ...]]:
    """Of a vision tower of Qwen2.5-VL, of one block, before a language model of this width."""
    block, rows = "visual.blocks.0", 4 * inner
    shapes: dict[str, tuple[int, ...]] = {"visual.patch_embed.proj.weight": (inner, 3, 2, 14, 14)}
    layers = {f"{block}.attn.qkv": (3 * inner, inner), f"{block}.attn.proj": (inner, inner)}
    layers |= {f"{block}.mlp.{name}_proj": (feed_forward, inner) for name in ("gate", "up")}
    layers |= {f"{block}.mlp.down_proj": (inner, feed_forward)}
    layers |= {"visual.merger.mlp.0": (rows, rows), "visual.merger.mlp.2": (width, rows)}
    for layer, shape in layers.items():
        shapes |= {f"{layer}.weight": shape, f"{layer}.bias": shape[:1]}
    norms = (f"{block}.norm1", f"{block}.norm2", "visual.merger.ln_q")
    return shapes | {f"{norm}.weight": (inner,) for norm in norms}
