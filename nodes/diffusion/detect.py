"""What a checkpoint is, told by the shapes of its tensors: its family and the sizes of its networks.

Sizes are read, never looked up, so a family is recognised at any size. Shapes cannot tell everything: head counts
follow rules (`_heads`), and a file may state what else differs in its safetensors metadata, as JSON under
`weft.config`:

    {"unet": {"attention_head_dim": 4}, "vae": {"norm_num_groups": 4},
     "text_encoders": {"clip_l": {"num_attention_heads": 1}}}

which is merged over the detected keyword arguments; a key that these do not have is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nodes.diffusion.errors import CheckpointError, nearest
from nodes.diffusion.keymaps import Shapes, read_clip, read_unet, read_vae
from nodes.diffusion.keymaps.unet import PREFIX as UNET
from nodes.diffusion.keymaps.vae import PREFIX as VAE

CONFIG_KEY = "weft.config"


@dataclass(frozen=True)
class TextEncoderSpec:
    """One text tower of a family: where a file keeps it, how it is built, how prompts use it.

    prefixes: where its keys may start, the first that a file has; in a detected Family the one found.
    layout: names and forms of its tensors, a key of keymaps.clip ("hf", "open_clip").
    config: keyword arguments of transformers' CLIPTextConfig; empty in the table.
    projected: whether the pooled output goes through the text projection.
    pad_token: what fills a chunk behind its end mark.
    layer: the layer whose output conditions the UNet, counted from the end.
    final_norm: whether the final layer norm is applied to that output.
    """

    name: str
    prefixes: tuple[str, ...]
    layout: str
    activation: str
    projected: bool
    pad_token: int
    layer: int
    final_norm: bool
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """Where its keys start in the file."""
        return self.prefixes[0]


@dataclass(frozen=True)
class Family:
    """What the shapes say about a checkpoint: data, not code.

    unet, vae: keyword arguments of diffusers' UNet2DConditionModel and AutoencoderKL; no vae and no text_encoders
    where the file has none.
    latent_scale: what an encoded image is multiplied with before the UNet sees it.
    prediction: "eps" or "v".
    """

    name: str
    unet: Mapping[str, Any]
    text_encoders: tuple[TextEncoderSpec, ...]
    vae: Mapping[str, Any] | None
    latent_scale: float
    prediction: str


_CLIP_L = TextEncoderSpec(
    name="clip_l",
    prefixes=("cond_stage_model.transformer.text_model.", "cond_stage_model.transformer."),
    layout="hf",
    activation="quick_gelu",
    projected=False,
    pad_token=49407,
    layer=-1,
    final_norm=True,
)
_XL_CLIP_L = replace(
    _CLIP_L,
    prefixes=("conditioner.embedders.0.transformer.text_model.", "conditioner.embedders.0.transformer."),
    layer=-2,
    final_norm=False,
)
_CLIP_G = TextEncoderSpec(
    name="clip_g",
    prefixes=("conditioner.embedders.1.model.",),
    layout="open_clip",
    activation="gelu",
    projected=True,
    pad_token=0,
    layer=-2,
    final_norm=False,
)
_CLIP_H = replace(_CLIP_G, name="clip_h", prefixes=("cond_stage_model.model.",), projected=False, final_norm=True)
_REFINER_CLIP_G = replace(_CLIP_G, prefixes=("conditioner.embedders.0.model.",))


@dataclass(frozen=True)
class _Kind:
    """A row of the table: what tells a family from the others, and what its shapes do not say.

    linear, vector, levels: whether the UNet's transformers start with a matrix (not a 1x1 convolution), whether it
    takes a vector beside the text, and how many levels it has (None: any).
    heads: heads of an attention, from its level's channels and those of the first.
    """

    name: str
    title: str
    linear: bool
    vector: bool
    levels: int | None
    heads: Callable[[int, int], int]
    latent_scale: float
    text_encoders: tuple[TextEncoderSpec, ...]
    supported: bool = True


def _eight(channels: int, first: int) -> int:
    return 8


def _wide_64(channels: int, first: int) -> int:
    return channels // (64 if first >= 320 else 16)


_KINDS = (
    _Kind("sd1", "Stable Diffusion 1.x", False, False, None, _eight, 0.18215, (_CLIP_L,)),
    _Kind("sdxl", "Stable Diffusion XL", True, True, 3, _wide_64, 0.13025, (_XL_CLIP_L, _CLIP_G)),
    _Kind("sd2", "Stable Diffusion 2.x", True, False, None, _wide_64, 0.18215, (_CLIP_H,), supported=False),
    _Kind("sdxl_refiner", "Stable Diffusion XL refiner", True, True, 4, _wide_64, 0.13025, (_REFINER_CLIP_G,), False),
)

# What UNets with other inputs than a latent of 4 channels are.
_INPUTS = {
    5: "a depth-guided model (latent and depth)",
    7: "an upscaler (latent and image)",
    8: "an instruct-pix2pix model (latent and image)",
    9: "an inpainting model (latent, mask and masked image)",
}
# Marks of fine-tunes: keys that stand for a schedule, not for weights.
_UNSUPPORTED_MARKS = {"ztsnr": "zero terminal SNR", "edm_vpred.sigma_max": "EDM v-prediction", "edm_mean": "EDM"}
V_PREDICTION = "v_pred"


def detect(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None) -> Family:
    """The family of a checkpoint, with the sizes of its networks.

    Args:
        shapes: every key of the file with its shape.
        metadata: the file's safetensors metadata.

    Raises:
        CheckpointError: it is no checkpoint, of a family that is not supported, or lacks keys that tell its sizes.
    """
    unet_shapes = Shapes(shapes, UNET)
    if not unet_shapes.any("input_blocks."):
        raise CheckpointError(f"not a Stable Diffusion checkpoint, but {describe(shapes)}")
    unet = read_unet(unet_shapes)
    kind = _supported_kind(unet, shapes)
    widths = unet["block_out_channels"]
    # What diffusers calls attention_head_dim is the number of heads.
    unet["attention_head_dim"] = tuple(kind.heads(width, widths[0]) for width in widths)
    if kind.vector:
        unet |= {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}
    encoders = tuple(_read_tower(tower, shapes) for tower in kind.text_encoders) if _has_text(kind, shapes) else ()
    vae = detect_vae(shapes, prefix=VAE) if Shapes(shapes, VAE) else None
    prediction = "v" if V_PREDICTION in shapes else "eps"
    family = Family(kind.name, unet, encoders, vae, kind.latent_scale, prediction)
    family = _configured(family, metadata or {})
    _check_agreement(family)
    return family


def detect_vae(
    shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None, *, prefix: str = ""
) -> dict[str, Any]:
    """Keyword arguments of AutoencoderKL for a file that holds an autoencoder; raises CheckpointError as `detect`."""
    found = Shapes(shapes, prefix)
    if not found.any("encoder.down.") or not found.any("decoder.up."):
        raise CheckpointError(f"not a Stable Diffusion VAE, but {describe(shapes)}")
    vae = _merge(read_vae(found), _stated(metadata or {}).get("vae", {}), "vae")
    if vae["latent_channels"] != 4 or vae["in_channels"] != 3:
        got = f"{vae['latent_channels']} latent channels and {vae['in_channels']} image channels"
        raise CheckpointError(f"the VAE has {got}: expected 4 and 3, as Stable Diffusion 1.x to XL have")
    return vae


def _supported_kind(unet: Mapping[str, Any], shapes: Iterable[str]) -> _Kind:
    """The row of the table that a UNet belongs to; what cannot be computed is refused in words that say what it is."""
    levels = len(unet["block_out_channels"])
    traits = (unet["use_linear_projection"], "projection_class_embeddings_input_dim" in unet)
    kind = next((k for k in _KINDS if (k.linear, k.vector) == traits and k.levels in (None, levels)), None)
    found = (
        f"its UNet has {unet['in_channels']} input and {unet['out_channels']} output channels, reads "
        f"{unet['cross_attention_dim']}-wide text and has levels of {list(unet['block_out_channels'])} channels"
    )
    if kind is None or not kind.supported:
        title = kind.title if kind else "of no known family"
        supported = " and ".join(k.title for k in _KINDS if k.supported)
        raise CheckpointError(f"this checkpoint is {title}, which is not supported: {found}; supported: {supported}")
    if unet["in_channels"] != 4 or unet["out_channels"] != 4:
        what = _INPUTS.get(unet["in_channels"], "a variant with other inputs or outputs")
        raise CheckpointError(f"this checkpoint is {what} of {kind.title}, which is not supported: {found}")
    for mark, name in _UNSUPPORTED_MARKS.items():
        if mark in shapes:
            raise CheckpointError(f"this checkpoint asks for {name} (key {mark!r}), which is not supported")
    return kind


def _has_text(kind: _Kind, shapes: Mapping[str, Any]) -> bool:
    return any(Shapes(shapes, prefix) for tower in kind.text_encoders for prefix in tower.prefixes)


def _read_tower(tower: TextEncoderSpec, shapes: Mapping[str, tuple[int, ...]]) -> TextEncoderSpec:
    prefix = next((p for p in tower.prefixes if Shapes(shapes, p)), tower.prefix)
    config = read_clip(Shapes(shapes, prefix), tower.layout)
    width = config["hidden_size"]
    # Released towers have heads of width 64; the narrow ones of tests have heads of 16, at least 4 of them.
    heads = width // 64 if width >= 512 else max(4, width // 16)
    config |= {"num_attention_heads": heads, "hidden_act": tower.activation}
    return replace(tower, prefixes=(prefix,), config=config)


def _stated(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What a file says about itself under `weft.config`."""
    text = metadata.get(CONFIG_KEY)
    if text is None:
        return {}
    try:
        stated = json.loads(text)
    except ValueError as error:
        raise CheckpointError(f"metadata {CONFIG_KEY!r} is no JSON: {error}") from error
    return _merge({"unet": {}, "vae": {}, "text_encoders": {}}, stated, CONFIG_KEY)


def _merge(detected: Mapping[str, Any], stated: Any, where: str) -> dict[str, Any]:
    if not isinstance(stated, dict):
        raise CheckpointError(f"metadata {CONFIG_KEY!r}: {where} is {type(stated).__name__}, expected an object")
    for key in stated:
        if key not in detected:
            raise CheckpointError(f"metadata {CONFIG_KEY!r}: unknown key {key!r} in {where}{nearest(key, detected)}")
    return {**detected, **{key: tuple(v) if isinstance(v, list) else v for key, v in stated.items()}}


def _configured(family: Family, metadata: Mapping[str, str]) -> Family:
    stated = _stated(metadata)
    if not stated:
        return family
    towers = _merge({tower.name: {} for tower in family.text_encoders}, stated["text_encoders"], "text_encoders")
    encoders = tuple(
        replace(tower, config=_merge(tower.config, towers[tower.name], tower.name)) for tower in family.text_encoders
    )
    vae = family.vae if family.vae is None else _merge(family.vae, stated["vae"], "vae")
    return replace(family, unet=_merge(family.unet, stated["unet"], "unet"), text_encoders=encoders, vae=vae)


def _check_agreement(family: Family) -> None:
    """The parts must fit each other and their heads their widths: a merge of two families shows here."""
    widths, heads = family.unet["block_out_channels"], family.unet["attention_head_dim"]
    heads = heads if isinstance(heads, tuple) else (heads,) * len(widths)
    if len(heads) != len(widths):
        raise CheckpointError(f"{len(heads)} numbers of attention heads (attention_head_dim) for {len(widths)} levels")
    divided = list(zip(widths, heads, strict=True))
    divided += [(tower.config["hidden_size"], tower.config["num_attention_heads"]) for tower in family.text_encoders]
    for width, count in divided:
        if not isinstance(count, int) or count < 1 or width % count:
            raise CheckpointError(
                f"{width} channels do not divide into {count} attention heads: state the number in the "
                f"metadata {CONFIG_KEY!r}"
            )
    width = sum(tower.config["hidden_size"] for tower in family.text_encoders)
    if family.text_encoders and width != family.unet["cross_attention_dim"]:
        towers = " + ".join(f"{tower.name} {tower.config['hidden_size']}" for tower in family.text_encoders)
        raise CheckpointError(f"the UNet reads {family.unet['cross_attention_dim']}-wide text, the file has {towers}")


# What a file is that is no checkpoint: the first row of which some key holds one of the marks.
_MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("a LoRA (put it in loras/)", ("lora_up.", "lora_down.", ".lora_A.", ".lora_B.", "hada_w1", "lokr_w", ".oft_")),
    ("a ControlNet (put it in controlnet/)", ("control_model.", "controlnet_", "input_hint_block.", "zero_convs.")),
    ("a checkpoint (put it in checkpoints/)", ("model.diffusion_model.input_blocks.",)),
    ("a FLUX model", ("double_blocks.",)),
    ("a Stable Diffusion 3 model", ("joint_blocks.",)),
    ("a CLIP vision model", ("vision_model.", "visual.transformer.")),
    ("a T5 text encoder", ("encoder.block.0.layer.0.SelfAttention",)),
    ("a UNet in diffusers' layout", ("down_blocks.0.resnets.0.time_emb_proj", "time_embedding.linear_1")),
    ("a UNet without text encoder and VAE (put it in diffusion_models/)", ("input_blocks.",)),
    ("a VAE in diffusers' layout", ("decoder.up_blocks.", "encoder.down_blocks.")),
    ("a VAE whose keys start as in a checkpoint", ("first_stage_model.",)),
    ("a VAE (put it in vae/)", ("decoder.up.", "encoder.down.")),
    ("a text encoder", ("text_model.encoder.layers.", "transformer.resblocks.")),
    ("a transformer of another family", ("transformer_blocks.", "blocks.0.attn", "blocks.0.self_attn")),
    ("a textual inversion (put it in embeddings/)", ("emb_params", "string_to_param", "clip_l", "clip_g")),
    ("an upscaler (put it in upscale_models/)", ("rdb1.", "RDB1.", "upsampler.", "conv_first.")),
)


def describe(names: Iterable[str]) -> str:
    """In a few words what a file with these keys is."""
    names = list(names)
    if not names:
        return "a file without tensors"
    for title, marks in _MARKS:
        if any(mark in name for name in names for mark in marks):
            return title
    examples = ", ".join(repr(name) for name in names[:3])
    return f"something unknown ({len(names)} tensors: {examples}{', ...' if len(names) > 3 else ''})"
