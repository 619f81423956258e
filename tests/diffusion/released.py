"""The sizes of released models, by their publishers' configurations, and the files that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from weft.nodes.diffusion.families.flux.keymap import AXES as FLUX_AXES
from weft.nodes.diffusion.families.flux.kind import FluxKind
from weft.nodes.diffusion.families.flux2.keymap import AXES as FLUX2_AXES
from weft.nodes.diffusion.families.flux2.keymap import THETA as FLUX2_THETA
from weft.nodes.diffusion.families.flux2.kind import CHANNELS as FLUX2_CHANNELS
from weft.nodes.diffusion.families.flux2.kind import Flux2Kind
from weft.nodes.diffusion.families.flux3.keymap import AXES as FLUX3_AXES
from weft.nodes.diffusion.families.flux3.keymap import THETA as FLUX3_THETA
from weft.nodes.diffusion.families.flux3.kind import Flux3Kind
from weft.nodes.diffusion.families.qwen.keymap import AXES as QWEN_AXES
from weft.nodes.diffusion.families.qwen.kind import QwenImageKind
from weft.nodes.diffusion.families.qwen21.keymap import AXES as QWEN21_AXES
from weft.nodes.diffusion.families.qwen21.kind import QwenImage21Kind
from weft.nodes.diffusion.families.qwen21.vae import QwenImage21VaeKind
from weft.nodes.diffusion.families.sd.networks import text_part, unet_part, vae_part
from weft.nodes.diffusion.families.sd.releases import RELEASES, TextEncoderSpec, completed
from weft.nodes.diffusion.families.sd.tiny import UNET, VAE, shapes_of
from weft.nodes.diffusion.families.sd3.kind import SD3Kind
from weft.nodes.diffusion.families.wan.keymap import PATCH
from weft.nodes.diffusion.families.wan.kind import WanKind
from weft.nodes.diffusion.families.wan.vae import VideoVaeKind
from weft.nodes.diffusion.families.zimage.keymap import AXES as ZIMAGE_AXES
from weft.nodes.diffusion.families.zimage.keymap import LENGTHS
from weft.nodes.diffusion.families.zimage.kind import ZImageKind

Shapes = Mapping[str, tuple[int, ...]]
HEAD = 128


def flux(*, guidance: bool) -> FluxKind:
    return FluxKind(
        {
            "in_channels": 64,
            "out_channels": 64,
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


def wan(width: int, layers: int, inner: int, read: int, given: int, *, vision: bool = False, **beside: Any) -> WanKind:
    """beside: sizes of what a variant has more."""
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
        **beside,
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
        "use_additional_t_cond": False,
    }
)
QWEN21 = QwenImage21Kind(
    {
        "in_channels": 64,
        "out_channels": 64,
        "num_layers": 32,
        "attention_head_dim": HEAD,
        "num_attention_heads": 32,
        "context_in_dim": 4096,
        "mlp_ratio": 3,
        "axes_dims_rope": QWEN21_AXES,
    },
    joined=True,
)
QWEN21_VAE = QwenImage21VaeKind({"base_dim": 96, "decoder_base_dim": 144, "in_channels": 4, "out_channels": 4})
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


def flux2(layers: int, single_layers: int, heads: int, text: int, *, guidance: bool) -> Flux2Kind:
    return Flux2Kind(
        {
            "in_channels": FLUX2_CHANNELS,
            "num_layers": layers,
            "num_single_layers": single_layers,
            "attention_head_dim": HEAD,
            "num_attention_heads": heads,
            "joint_attention_dim": text,
            "mlp_ratio": 3.0,
            "guidance_embeds": guidance,
            "axes_dims_rope": FLUX2_AXES,
            "rope_theta": FLUX2_THETA,
        }
    )


def flux3(*, distilled: bool) -> Flux3Kind:
    """As diffusers' class is by default."""
    return Flux3Kind(
        {
            "in_channels": FLUX2_CHANNELS,
            "cond_in_channels": FLUX2_CHANNELS,
            "num_layers": 5,
            "num_single_layers": 28,
            "attention_head_dim": HEAD,
            "num_attention_heads": 24,
            "joint_attention_dim": 20480,
            "timestep_channels": 256,
            "mlp_ratio": 3.0,
            "flow_map": distilled,
            "axes_dims_rope": FLUX3_AXES,
            "rope_theta": FLUX3_THETA,
        }
    )


SD3_LARGE = SD3Kind(
    {
        "sample_size": 384,
        "patch_size": 2,
        "in_channels": 16,
        "out_channels": 16,
        "num_layers": 38,
        "attention_head_dim": 64,
        "num_attention_heads": 38,
        "joint_attention_dim": 4096,
        "caption_projection_dim": 2432,
        "pooled_projection_dim": 2048,
        "pos_embed_max_size": 192,
        "qk_norm": "rms_norm",
        "dual_attention_layers": (),
    },
    "Stable Diffusion 3.5 Large",
)
_WIDTHS = (320, 640, 1280, 1280)
_UNETS: Mapping[str, Mapping[str, Any]] = {
    "sd1": {
        "block_out_channels": _WIDTHS,
        "down_block_types": (*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
        "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
        "cross_attention_dim": 768,
        "use_linear_projection": False,
        "transformer_layers_per_block": (1, 1, 1, 1),
    },
    "sdxl": {
        "block_out_channels": _WIDTHS[:3],
        "down_block_types": ("DownBlock2D", *["CrossAttnDownBlock2D"] * 2),
        "up_block_types": (*["CrossAttnUpBlock2D"] * 2, "UpBlock2D"),
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "transformer_layers_per_block": (1, 2, 10),
        "projection_class_embeddings_input_dim": 2816,
    },
}
# Width, layers and heads.
_TOWERS = {"clip_l": (768, 12, 12), "clip_g": (1280, 32, 20)}


def image_vae(channels: int) -> dict[str, Any]:
    """Keyword arguments of the AutoencoderKL of Stable Diffusion, and of those after it with 16 channels."""
    return {
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": channels,
        "block_out_channels": (128, 256, 512, 512),
        "layers_per_block": 2,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "norm_num_groups": 32,
        "use_quant_conv": channels == 4,
        "use_post_quant_conv": channels == 4,
    }


def video_vae() -> Shapes:
    """Wan 2.1's VAE in a file of its own."""
    config = {"base_dim": 96, "z_dim": 16, "is_residual": False, "scale_factor_spatial": 8}
    return shapes_of(VideoVaeKind(config).part({}, lambda _: None))


def tower(spec: TextEncoderSpec, **changes: Any) -> Shapes:
    """A CLIP tower, at the place that `spec` says."""
    width, layers, heads = _TOWERS[spec.name]
    projected = spec.projected is not False
    config = {
        "vocab_size": 49408,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "hidden_act": spec.activation,
        **({"projection_dim": width} if projected else {}),
    }
    return shapes_of(text_part(replace(spec, config=config, projected=projected, **changes)))


def checkpoint(name: str) -> Shapes:
    """A checkpoint of Stable Diffusion with all its parts; name: of the release."""
    release = next(release for release in RELEASES if release.name == name)
    unet = {"in_channels": 4, "out_channels": 4, "layers_per_block": 2, "norm_num_groups": 32, **_UNETS[name]}
    vae = {key: value for key, value in image_vae(4).items() if not key.startswith("use_")}
    parts = [shapes_of(unet_part(completed(unet, release), UNET)), shapes_of(vae_part(vae, VAE))]
    return {key: shape for part in (*parts, *map(tower, release.text_encoders)) for key, shape in part.items()}
