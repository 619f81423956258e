"""What the shapes of a file's tensors say of its networks, and what the file states beside them.

Sizes are read, never looked up, so a family is recognised at any size. Shapes cannot tell everything: head counts
follow rules (RELEASES), SD 2.x shows in its numbers what it predicts, and a file may state what else differs in
its safetensors metadata, as JSON under `weft.config`:

    {"unet": {"attention_head_dim": 4}, "vae": {"norm_num_groups": 4},
     "text_encoders": {"clip_l": {"num_attention_heads": 1}}, "prediction": "v"}

which is merged over the detected keyword arguments; a key that these do not have is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from weft.nodes.diffusion.errors import CheckpointError, nearest
from weft.nodes.diffusion.families.sd.keymaps import read_clip, read_unet, read_vae
from weft.nodes.diffusion.families.sd.keymaps.unet import PREFIX as UNET
from weft.nodes.diffusion.families.sd.keymaps.vae import PREFIX as VAE
from weft.nodes.diffusion.families.sd.releases import (
    CLIP_H,
    LATENT_CHANNELS,
    RELEASES,
    Release,
    TextEncoderSpec,
    completed,
    release_of,
)
from weft.nodes.diffusion.weights.landings import Shapes

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes

CONFIG_KEY = "weft.config"

# What UNets are that no family here has, by the number of their input channels.
_INPUTS = {
    5: "a depth-guided model (latent and depth)",
    7: "an upscaler (latent and image)",
    8: "an instruct-pix2pix model (latent and image)",
    9: "an inpainting model (latent, mask and masked image)",
}
# Marks of fine-tunes: keys that stand for a schedule, not for weights.
_UNSUPPORTED_MARKS = {"edm_vpred.sigma_max": "EDM v-prediction", "edm_mean": "EDM"}
PREDICTIONS = ("eps", "v")
_LAYERS_OF_H = 24


class Sizes(NamedTuple):
    """What the shapes of a checkpoint say: its row of the table, and how its networks are built, as in SDKind."""

    release: Release
    unet: dict[str, Any]
    text_encoders: tuple[TextEncoderSpec, ...]
    vae: dict[str, Any] | None


def read_sizes(shapes: FileShapes) -> Sizes:
    """The sizes of a checkpoint with a UNet; raises CheckpointError as `recognise`."""
    unet = read_unet(Shapes(shapes, UNET))
    release = _supported_release(unet, shapes)
    return Sizes(
        release,
        completed(unet, release),
        tuple(read_tower(tower, shapes) for tower in release.text_encoders) if _has_text(release, shapes) else (),
        supported_vae(Shapes(shapes, VAE)) if Shapes(shapes, VAE) else None,
    )


def supported_vae(found: Shapes, stated: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """Keyword arguments of AutoencoderKL."""
    vae = merged(read_vae(found), dict(stated), "vae")
    if vae["latent_channels"] != LATENT_CHANNELS or vae["in_channels"] != 3:
        got = f"{vae['latent_channels']} latent channels and {vae['in_channels']} image channels"
        raise CheckpointError(f"the VAE has {got}: expected 4 and 3, as Stable Diffusion 1.x to XL have")
    return vae


def _supported_release(unet: Mapping[str, Any], shapes: Iterable[str]) -> Release:
    """The row of the table that a UNet belongs to; what cannot be computed is refused in words that say what it is."""
    release = release_of(unet)
    found = (
        f"its UNet has {unet['in_channels']} input and {unet['out_channels']} output channels, reads "
        f"{unet['cross_attention_dim']}-wide text and has levels of {list(unet['block_out_channels'])} channels"
    )
    if release is None:
        supported = ", ".join(release.title for release in RELEASES)
        raise CheckpointError(f"this checkpoint is of no known family: {found}; supported: {supported}")
    if unet["in_channels"] not in release.inputs or unet["out_channels"] != LATENT_CHANNELS:
        what = _INPUTS.get(unet["in_channels"], "a variant with other inputs or outputs")
        raise CheckpointError(f"this checkpoint is {what} of {release.title}, which is not supported: {found}")
    for mark, name in _UNSUPPORTED_MARKS.items():
        if mark in shapes:
            raise CheckpointError(f"this checkpoint asks for {name} (key {mark!r}), which is not supported")
    return release


def _has_text(release: Release, shapes: Mapping[str, Any]) -> bool:
    return any(Shapes(shapes, prefix) for tower in release.text_encoders for prefix in tower.prefixes)


def read_tower(
    tower: TextEncoderSpec, shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None
) -> TextEncoderSpec:
    """A row of the table with the sizes and the prefix that a file has; raises CheckpointError as `recognise`."""
    prefix = next((p for p in tower.prefixes if Shapes(shapes, p)), tower.prefix)
    found = Shapes(shapes, prefix)
    config = read_clip(found, tower.layout)
    projected = "projection_dim" in config if tower.projected is None else tower.projected
    if projected and "projection_dim" not in config:
        raise CheckpointError(f"missing key {prefix + 'text_projection'!r}: the text projection of {tower.name}")
    if not projected:
        config.pop("projection_dim", None)
    width = config["hidden_size"]
    # Released towers have heads of width 64; the narrow ones of tests have heads of 16, at least 4 of them.
    heads = width // 64 if width >= 512 else max(4, width // 16)
    config |= {"num_attention_heads": heads, "hidden_act": tower.activation}
    stated = stated_in(metadata or {}).get("text_encoders", {}).get(tower.name, {})
    config = merged(config, stated, tower.name)
    # diffusers stores SD 2.x's without the last of its 24 layers, which it does not use.
    layer = -1 if tower.name == CLIP_H.name and config["num_hidden_layers"] == _LAYERS_OF_H - 1 else tower.layer
    return replace(tower, prefixes=(prefix,), config=config, projected=projected, layer=layer)


def stated_towers(metadata: Mapping[str, str]) -> list[str]:
    """The text encoders that a file names in its metadata."""
    return list(stated_in(metadata).get("text_encoders", {}))


def stated_in(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What a file says about itself under `weft.config`."""
    text = metadata.get(CONFIG_KEY)
    if text is None:
        return {}
    try:
        stated = json.loads(text)
    except ValueError as error:
        raise CheckpointError(f"metadata {CONFIG_KEY!r} is no JSON: {error}") from error
    stated = merged({"unet": {}, "vae": {}, "text_encoders": {}, "prediction": None}, stated, CONFIG_KEY)
    if stated["prediction"] not in (None, *PREDICTIONS):
        near = nearest(stated["prediction"], PREDICTIONS)
        raise CheckpointError(f"metadata {CONFIG_KEY!r}: unknown prediction {stated['prediction']!r}{near}")
    return stated


def merged(detected: Mapping[str, Any], stated: Any, where: str) -> dict[str, Any]:
    """What was detected, with what a file states in its place; raises CheckpointError for what is no part of it."""
    if not isinstance(stated, dict):
        raise CheckpointError(f"metadata {CONFIG_KEY!r}: {where} is {type(stated).__name__}, expected an object")
    for key in stated:
        if key not in detected:
            raise CheckpointError(f"metadata {CONFIG_KEY!r}: unknown key {key!r} in {where}{nearest(key, detected)}")
    return {**detected, **{key: tuple(v) if isinstance(v, list) else v for key, v in stated.items()}}


def check_agreement(unet: Mapping[str, Any], text_encoders: Sequence[TextEncoderSpec]) -> None:
    """The parts must fit each other and their heads their widths: a merge of two families shows here."""
    widths, heads = unet["block_out_channels"], unet["attention_head_dim"]
    heads = heads if isinstance(heads, tuple) else (heads,) * len(widths)
    if len(heads) != len(widths):
        raise CheckpointError(f"{len(heads)} numbers of attention heads (attention_head_dim) for {len(widths)} levels")
    divided = list(zip(widths, heads, strict=True))
    divided += [(tower.config["hidden_size"], tower.config["num_attention_heads"]) for tower in text_encoders]
    for width, count in divided:
        if not isinstance(count, int) or count < 1 or width % count:
            raise CheckpointError(
                f"{width} channels do not divide into {count} attention heads: state the number in the "
                f"metadata {CONFIG_KEY!r}"
            )
    width = sum(tower.config["hidden_size"] for tower in text_encoders)
    if text_encoders and width != unet["cross_attention_dim"]:
        towers = " + ".join(f"{tower.name} {tower.config['hidden_size']}" for tower in text_encoders)
        raise CheckpointError(f"the UNet reads {unet['cross_attention_dim']}-wide text, the file has {towers}")
