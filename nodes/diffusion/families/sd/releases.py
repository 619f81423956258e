"""The families of Stable Diffusion that are supported, as data: what tells them apart, and what no shape says.

Released weights: Rombach et al. 2022 (1.x, 2.x), Podell et al. 2023 (XL and its refiner); their inpainting variants
take a mask and the masked image beside the latent, those of Brooks et al. 2023 (instruct-pix2pix) the image to edit.
Lotus (He et al. 2024) draws depth or normals of a picture in one step: Lotus-D begins with its latent, Lotus-G with
noise and reads the latent before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# What a UNet reads beside the noised latent, by the number of its input channels.
PLAIN, INPAINT, EDIT, ESTIMATE = "plain", "inpaint", "edit", "estimate"
_INPAINTABLE = {4: PLAIN, 9: INPAINT}
_EDITABLE = {**_INPAINTABLE, 8: EDIT}
# What the vector is of that a UNet takes beside the text.
OF_SIZES, OF_PICTURE, OF_TASK = "sizes", "picture", "task"
# Numbers in that of a task: the sine and the cosine of two.
TASK_WIDTH = 4

LATENT_CHANNELS = 4
LATENT_PIXELS = 8  # of an image, along one side of a latent's element
# Empty tensors that say that a UNet predicts v, and that its schedule ends in pure noise.
V_PREDICTION = "v_pred"
ZERO_SNR = "ztsnr"

# The numbers beside the pooled text in the vector that XL's UNets take, in their order: diffusers' "time_ids".
SIZES = ("height", "width", "crop_h", "crop_w", "target_height", "target_width")
REFINER_SIZES = ("height", "width", "crop_h", "crop_w", "aesthetic_score")


@dataclass(frozen=True)
class TextEncoderSpec:
    """One text tower of a family: where a file keeps it, how it is built, how prompts use it.

    prefixes: where its keys may start, the first that a file has; in a recognised SDKind the one found.
    layout: names and forms of its tensors, a key of keymaps.clip ("hf", "open_clip").
    config: keyword arguments of transformers' CLIPTextConfig; empty in the table.
    projected: whether the pooled output goes through the text projection; None in the table: where a file has one.
    pad_token: what fills a chunk behind its end mark.
    layer: the layer whose output conditions the UNet, counted from the end.
    final_norm: whether the final layer norm is applied to that output.
    """

    name: str
    prefixes: tuple[str, ...]
    layout: str
    activation: str
    projected: bool | None
    pad_token: int
    layer: int
    final_norm: bool
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """Where its keys start in the file."""
        return self.prefixes[0]


CLIP_L = TextEncoderSpec(
    name="clip_l",
    prefixes=("cond_stage_model.transformer.text_model.", "cond_stage_model.transformer."),
    layout="hf",
    activation="quick_gelu",
    projected=False,
    pad_token=49407,
    layer=-1,
    final_norm=True,
)
XL_CLIP_L = replace(
    CLIP_L,
    prefixes=("conditioner.embedders.0.transformer.text_model.", "conditioner.embedders.0.transformer."),
    layer=-2,
    final_norm=False,
)
XL_CLIP_G = TextEncoderSpec(
    name="clip_g",
    prefixes=("conditioner.embedders.1.model.",),
    layout="open_clip",
    activation="gelu",
    projected=True,
    pad_token=0,
    layer=-2,
    final_norm=False,
)
# Its UNet takes no pooled text, so some files leave the projection out.
CLIP_H = replace(
    XL_CLIP_G,
    name="clip_h",
    prefixes=("cond_stage_model.model.", "conditioner.embedders.0.model."),
    projected=None,
    final_norm=True,
)
REFINER_CLIP_G = replace(XL_CLIP_G, prefixes=("conditioner.embedders.0.model.",))


@dataclass(frozen=True)
class Release:
    """A row of the table: what tells a family from the others, and what its shapes do not say.

    linear, sizes, levels: whether the UNet's transformers start with a matrix (not a 1x1 convolution), the numbers in
    the vector that it takes beside the text (empty: no vector), and how many levels it has (None: any).
    heads: heads of an attention, from its level's channels and those of the first.
    inputs: what its variants read beside the latent, by their input channels.
    v_sign: a tensor of the UNet whose standard deviation is above a bound where it predicts v.
    vector: what its vector is of: pooled text and sizes, a picture and the noise in it (unCLIP), or a task (Lotus).
    predictions: what its variants give, where that is no noise, by what they read.
    """

    name: str
    title: str
    linear: bool
    sizes: tuple[str, ...]
    levels: int | None
    heads: Callable[[int, int], int]
    latent_scale: float
    text_encoders: tuple[TextEncoderSpec, ...]
    inputs: Mapping[int, str]
    v_sign: tuple[str, float] | None = None
    vector: str = ""
    predictions: Mapping[str, str] = field(default_factory=dict)


def _eight(channels: int, first: int) -> int:
    return 8


def _wide_64(channels: int, first: int) -> int:
    return channels // (64 if first >= 320 else 16)


RELEASES = (
    Release("sd1", "Stable Diffusion 1.x", False, (), None, _eight, 0.18215, (CLIP_L,), _EDITABLE),
    Release(
        name="sd2",
        title="Stable Diffusion 2.x",
        linear=True,
        sizes=(),
        levels=None,
        heads=_wide_64,
        latent_scale=0.18215,
        text_encoders=(CLIP_H,),
        inputs=_INPAINTABLE,
        # Files do not say it; this is how ComfyUI 0.3.64 tells (parity/shapes_sd21.json).
        v_sign=("output_blocks.11.1.transformer_blocks.0.norm1.bias", 0.09),
    ),
    Release(
        name="sd2_unclip",
        title="Stable Diffusion 2.x unCLIP",
        linear=True,
        sizes=(),
        levels=None,
        heads=_wide_64,
        latent_scale=0.18215,
        text_encoders=(CLIP_H,),
        inputs={4: PLAIN},
        v_sign=("output_blocks.11.1.transformer_blocks.0.norm1.bias", 0.09),
        vector=OF_PICTURE,
    ),
    Release(
        name="lotus",
        title="Lotus",
        linear=True,
        sizes=(),
        levels=None,
        heads=_wide_64,
        latent_scale=0.18215,
        text_encoders=(CLIP_H,),
        inputs={4: PLAIN, 8: ESTIMATE},
        vector=OF_TASK,
        # Lotus-D takes a latent as it is, Lotus-G one with noise; both give what they see.
        predictions={PLAIN: "img_to_img", ESTIMATE: "x0"},
    ),
    Release(
        name="sdxl",
        title="Stable Diffusion XL",
        linear=True,
        sizes=SIZES,
        levels=3,
        heads=_wide_64,
        latent_scale=0.13025,
        text_encoders=(XL_CLIP_L, XL_CLIP_G),
        inputs=_EDITABLE,
        vector=OF_SIZES,
    ),
    Release(
        name="sdxl_refiner",
        title="Stable Diffusion XL refiner",
        linear=True,
        sizes=REFINER_SIZES,
        levels=4,
        heads=_wide_64,
        latent_scale=0.13025,
        text_encoders=(REFINER_CLIP_G,),
        inputs={4: PLAIN},
        vector=OF_SIZES,
    ),
)


def title_of(name: str) -> str:
    """How people call the family of this name."""
    return next(release.title for release in RELEASES if release.name == name)


def release_of(unet: Mapping[str, Any]) -> Release | None:
    """The row of the table that a UNet, or a ControlNet made of its first half, belongs to; None for no family's.

    Args:
        unet: keyword arguments as keymaps.unet.read_unet gives them.
    """
    levels = len(unet["block_out_channels"])
    found = unet["use_linear_projection"], _vector_of(unet)
    rows = (release for release in RELEASES if (release.linear, release.vector) == found)
    return next((release for release in rows if release.levels in (None, levels)), None)


def _vector_of(unet: Mapping[str, Any]) -> str:
    """What the vector of a UNet is of; empty where it takes none."""
    width = unet.get("projection_class_embeddings_input_dim")
    if width is None:
        return ""
    if width == TASK_WIDTH:
        return OF_TASK
    # The refiner's has the width of its text, beside the sizes.
    refines = width - 256 * len(REFINER_SIZES) == unet["cross_attention_dim"]
    return OF_PICTURE if len(unet["block_out_channels"]) == 4 and not refines else OF_SIZES


def completed(unet: Mapping[str, Any], release: Release) -> dict[str, Any]:
    """The keyword arguments with what shapes do not tell: the heads, and what the vector is made of."""
    widths = unet["block_out_channels"]
    # What diffusers calls attention_head_dim is the number of heads.
    heads = tuple(release.heads(width, widths[0]) for width in widths)
    vector: dict[str, Any] = {}
    if release.sizes:
        vector = {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}
    elif release.vector:
        vector = {"class_embed_type": "projection"}
    return {**unet, "attention_head_dim": heads, **vector}
