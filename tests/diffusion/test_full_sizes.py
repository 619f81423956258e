"""Each family's released sizes: a file of these shapes is recognised by them alone, and lands whole in its network.

No weights: networks are on the meta device. The sizes are those of the publishers' configurations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
import torch

from weft.nodes.diffusion.families import recognise, release_in
from weft.nodes.diffusion.families.flux.keymap import AXES as FLUX_AXES
from weft.nodes.diffusion.families.flux.kind import FluxKind
from weft.nodes.diffusion.families.protocol import Kind
from weft.nodes.diffusion.families.qwen.keymap import AXES as QWEN_AXES
from weft.nodes.diffusion.families.qwen.kind import QwenImageKind
from weft.nodes.diffusion.families.sd.tiny import shapes_of
from weft.nodes.diffusion.families.wan.keymap import PATCH
from weft.nodes.diffusion.families.wan.kind import WanKind
from weft.nodes.diffusion.families.zimage.keymap import AXES as ZIMAGE_AXES
from weft.nodes.diffusion.families.zimage.keymap import LENGTHS
from weft.nodes.diffusion.families.zimage.kind import ZImageKind
from weft.nodes.diffusion.text.qwen import qwen_part
from weft.nodes.diffusion.text.t5 import t5_part
from weft.nodes.diffusion.weights.networks import check

pytestmark = pytest.mark.slow

Shapes = Mapping[str, tuple[int, ...]]
HEAD = 128


class Released(NamedTuple):
    """What is published: sizes, how many billions of numbers the model has, and some of the file's shapes."""

    kind: Kind
    title: str
    billions: float
    some: Shapes


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
OF_FLUX: Shapes = {
    "double_blocks.18.img_attn.qkv.weight": (9216, 3072),
    "single_blocks.37.linear1.weight": (21504, 3072),
    "final_layer.linear.weight": (64, 3072),
}
OF_WAN: Shapes = {"blocks.39.ffn.2.weight": (5120, 13824), "head.head.weight": (64, 5120)}
RELEASED = {
    "flux dev": Released(
        flux(guidance=True), "FLUX.1 dev", 11.90, OF_FLUX | {"guidance_in.in_layer.weight": (3072, 256)}
    ),
    "flux schnell": Released(flux(guidance=False), "FLUX.1 schnell", 11.89, OF_FLUX),
    "wan 1.3B": Released(wan(1536, 30, 8960, 16, 16), "Wan text-to-video", 1.42, {}),
    "wan 14B": Released(wan(5120, 40, 13824, 16, 16), "Wan text-to-video", 14.29, OF_WAN),
    "wan 2.2 i2v 14B": Released(
        wan(5120, 40, 13824, 36, 16),
        "Wan image-to-video",
        14.29,
        OF_WAN | {"patch_embedding.weight": (5120, 36, 1, 2, 2)},
    ),
    "wan 2.1 i2v 14B": Released(
        wan(5120, 40, 13824, 36, 16, vision=True),
        "Wan 2.1 image-to-video",
        16.39,
        OF_WAN | {"blocks.39.cross_attn.k_img.weight": (5120, 5120), "img_emb.proj.3.weight": (5120, 1280)},
    ),
    "wan 2.2 5B": Released(wan(3072, 30, 14336, 48, 48), "Wan 2.2 5B", 5.00, {"head.head.weight": (192, 3072)}),
    "qwen image": Released(
        QWEN,
        "Qwen-Image",
        20.43,
        {"transformer_blocks.59.txt_mlp.net.0.proj.weight": (12288, 3072), "txt_in.weight": (3072, 3584)},
    ),
    "z image": Released(
        ZIMAGE,
        "Z-Image",
        6.15,
        {"layers.29.attention.qkv.weight": (11520, 3840), "cap_embedder.1.weight": (3840, 2560)},
    ),
}


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_model_is_recognised_by_its_shapes_and_lands_whole(name: str) -> None:
    kind, title, billions, some = RELEASED[name]
    shapes = shapes_of(kind.model_part())
    for key, shape in some.items():
        assert shapes[f"model.diffusion_model.{key}"] == shape
    assert sum(map(torch.Size.numel, map(torch.Size, shapes.values()))) / 1e9 == pytest.approx(billions, abs=0.005)
    found: Any = recognise(shapes)
    assert (type(found), found.title, found.sizes) == (type(kind), title, kind.sizes)
    assert release_in(shapes) == title
    part = found.model_part()
    check([part], shapes)
    landed = [landing.target for landings in part.landings.values() for landing in landings]
    assert sorted(landed) == sorted(name for name, _ in part.module.named_parameters())


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


@pytest.mark.parametrize(("vocabulary", "each", "model"), [(32128, False, "t5"), (256384, True, "umt5")])
def test_t5_xxl_and_umt5_xxl_land_whole(vocabulary: int, each: bool, model: str) -> None:
    shapes = dict(t5_file(vocabulary, each=each))
    part: Any = t5_part(model, "", shapes)
    check([part], shapes)
    config = part.module.config
    assert (config.model_type, config.num_layers, config.num_heads, config.d_ff) == (model, 24, 64, 10240)


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


@pytest.mark.parametrize(
    ("sizes", "normed", "model"),
    [((3584, 18944, 28, (28, 4), 152064), False, "qwen2"), ((2560, 9728, 36, (32, 8), 151936), True, "qwen3")],
    ids=["Qwen2.5 7B", "Qwen3 4B"],
)
def test_qwen_of_the_families_lands_whole(sizes: tuple[Any, ...], normed: bool, model: str) -> None:
    shapes = dict(qwen_file(*sizes, normed=normed))
    part: Any = qwen_part(model, shapes)
    check([part], shapes)
    config = part.module.config
    found = (config.hidden_size, config.intermediate_size, config.num_hidden_layers)
    assert (config.model_type, *found, config.num_key_value_heads) == (model, *sizes[:3], sizes[3][1])
