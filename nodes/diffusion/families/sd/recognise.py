"""What a checkpoint is, told by the shapes of its tensors: its family and the sizes of its networks.

Sizes are read, never looked up, so a family is recognised at any size. Shapes cannot tell everything: head counts
follow rules (RELEASES), SD 2.x shows in its numbers what it predicts, and a file may state what else differs in
its safetensors metadata, as JSON under `weft.config`:

    {"unet": {"attention_head_dim": 4}, "vae": {"norm_num_groups": 4},
     "text_encoders": {"clip_l": {"num_attention_heads": 1}}, "prediction": "v"}

which is merged over the detected keyword arguments; a key that these do not have is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.errors import CheckpointError, nearest
from weft.nodes.diffusion.families.known import foreign
from weft.nodes.diffusion.families.sd.keymaps import read_clip, read_unet, read_vae
from weft.nodes.diffusion.families.sd.keymaps.unet import PREFIX as UNET
from weft.nodes.diffusion.families.sd.keymaps.vae import PREFIX as VAE
from weft.nodes.diffusion.families.sd.kind import SDKind, SDVaeKind
from weft.nodes.diffusion.families.sd.releases import (
    LATENT_CHANNELS,
    RELEASES,
    V_PREDICTION,
    ZERO_SNR,
    Release,
    TextEncoderSpec,
    completed,
    release_of,
)
from weft.nodes.diffusion.weights.landings import Shapes

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes, Read

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


def recognise(shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None) -> SDKind | None:
    """What a checkpoint is, with the sizes of its networks; None for none of this family.

    Args:
        shapes: every key of the file with its shape.
        metadata: the file's safetensors metadata.
        read: gives the numbers of a tensor, of which one tells what SD 2.x predicts; without it that is the noise.

    Raises:
        CheckpointError: it is of a variant that is not supported, or lacks keys that tell its sizes.
    """
    unet_shapes = Shapes(shapes, UNET)
    if foreign(shapes) or not unet_shapes.any("input_blocks."):
        return None
    unet = read_unet(unet_shapes)
    release = _supported_release(unet, shapes)
    kind = SDKind(
        name=release.name,
        unet=completed(unet, release),
        text_encoders=tuple(read_tower(tower, shapes) for tower in release.text_encoders)
        if _has_text(release, shapes)
        else (),
        vae=_supported_vae(Shapes(shapes, VAE)) if Shapes(shapes, VAE) else None,
        latent_scale=release.latent_scale,
        prediction=_prediction(release, unet["in_channels"], shapes, read),
        # As in ComfyUI, the mark counts beside that of v-prediction alone.
        zero_snr=V_PREDICTION in shapes and ZERO_SNR in shapes,
        inputs=release.inputs[unet["in_channels"]],
        sizes=release.sizes,
    )
    kind = _configured(kind, metadata or {})
    _check_agreement(kind)
    return kind


def recognise_vae(shapes: FileShapes, metadata: Mapping[str, str] | None = None) -> SDVaeKind | None:
    """As `recognise`, for a file that holds an autoencoder or half of one; what it states is merged over the shapes."""
    found = Shapes(shapes)
    if not found.any("encoder.down.") and not found.any("decoder.up."):
        return None
    return SDVaeKind(_supported_vae(found, _stated(metadata or {}).get("vae", {})))


def _supported_vae(found: Shapes, stated: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """Keyword arguments of AutoencoderKL."""
    vae = _merge(read_vae(found), dict(stated), "vae")
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


def _prediction(release: Release, channels: int, shapes: Iterable[str], read: Read | None) -> str:
    if V_PREDICTION in shapes:
        return "v"
    # The inpainting model of SD 2 predicts noise.
    if release.v_sign is None or channels != LATENT_CHANNELS or read is None:
        return "eps"
    name, bound = release.v_sign
    if UNET + name not in shapes:
        return "eps"
    return "v" if read(UNET + name).float().std(correction=0) > bound else "eps"


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
    stated = _stated(metadata or {}).get("text_encoders", {}).get(tower.name, {})
    return replace(tower, prefixes=(prefix,), config=_merge(config, stated, tower.name), projected=projected)


def stated_towers(metadata: Mapping[str, str]) -> list[str]:
    """The text encoders that a file names in its metadata."""
    return list(_stated(metadata).get("text_encoders", {}))


def _stated(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What a file says about itself under `weft.config`."""
    text = metadata.get(CONFIG_KEY)
    if text is None:
        return {}
    try:
        stated = json.loads(text)
    except ValueError as error:
        raise CheckpointError(f"metadata {CONFIG_KEY!r} is no JSON: {error}") from error
    stated = _merge({"unet": {}, "vae": {}, "text_encoders": {}, "prediction": None}, stated, CONFIG_KEY)
    if stated["prediction"] not in (None, *PREDICTIONS):
        near = nearest(stated["prediction"], PREDICTIONS)
        raise CheckpointError(f"metadata {CONFIG_KEY!r}: unknown prediction {stated['prediction']!r}{near}")
    return stated


def _merge(detected: Mapping[str, Any], stated: Any, where: str) -> dict[str, Any]:
    if not isinstance(stated, dict):
        raise CheckpointError(f"metadata {CONFIG_KEY!r}: {where} is {type(stated).__name__}, expected an object")
    for key in stated:
        if key not in detected:
            raise CheckpointError(f"metadata {CONFIG_KEY!r}: unknown key {key!r} in {where}{nearest(key, detected)}")
    return {**detected, **{key: tuple(v) if isinstance(v, list) else v for key, v in stated.items()}}


def _configured(kind: SDKind, metadata: Mapping[str, str]) -> SDKind:
    stated = _stated(metadata)
    if not stated:
        return kind
    towers = _merge({tower.name: {} for tower in kind.text_encoders}, stated["text_encoders"], "text_encoders")
    encoders = tuple(
        replace(tower, config=_merge(tower.config, towers[tower.name], tower.name)) for tower in kind.text_encoders
    )
    vae = kind.vae if kind.vae is None else _merge(kind.vae, stated["vae"], "vae")
    return replace(
        kind,
        unet=_merge(kind.unet, stated["unet"], "unet"),
        text_encoders=encoders,
        vae=vae,
        prediction=stated["prediction"] or kind.prediction,
    )


def _check_agreement(kind: SDKind) -> None:
    """The parts must fit each other and their heads their widths: a merge of two families shows here."""
    widths, heads = kind.unet["block_out_channels"], kind.unet["attention_head_dim"]
    heads = heads if isinstance(heads, tuple) else (heads,) * len(widths)
    if len(heads) != len(widths):
        raise CheckpointError(f"{len(heads)} numbers of attention heads (attention_head_dim) for {len(widths)} levels")
    divided = list(zip(widths, heads, strict=True))
    divided += [(tower.config["hidden_size"], tower.config["num_attention_heads"]) for tower in kind.text_encoders]
    for width, count in divided:
        if not isinstance(count, int) or count < 1 or width % count:
            raise CheckpointError(
                f"{width} channels do not divide into {count} attention heads: state the number in the "
                f"metadata {CONFIG_KEY!r}"
            )
    width = sum(tower.config["hidden_size"] for tower in kind.text_encoders)
    if kind.text_encoders and width != kind.unet["cross_attention_dim"]:
        towers = " + ".join(f"{tower.name} {tower.config['hidden_size']}" for tower in kind.text_encoders)
        raise CheckpointError(f"the UNet reads {kind.unet['cross_attention_dim']}-wide text, the file has {towers}")
