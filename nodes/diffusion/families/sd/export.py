"""Models of Stable Diffusion to files: the keymaps backwards, into the layout that every program reads.

What is written loads again to the same numbers, in the number format that the model has here. Where shapes do not say
how a network is built, the metadata does, under `weft.config` (see sizes).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.sd.keymaps import read_vae, vae_landings
from weft.nodes.diffusion.families.sd.keymaps.unet import PREFIX as UNET
from weft.nodes.diffusion.families.sd.keymaps.vae import PREFIX as VAE
from weft.nodes.diffusion.families.sd.networks import text_landings, unet_landings
from weft.nodes.diffusion.families.sd.releases import EDIT, RELEASES, V_PREDICTION, ZERO_SNR, Release, TextEncoderSpec
from weft.nodes.diffusion.families.sd.sizes import CONFIG_KEY, check_agreement, read_sizes, read_tower
from weft.nodes.diffusion.weights.landings import Shapes
from weft.nodes.diffusion.weights.stored import stored
from weft.nodes.diffusion.weights.weightfile import Exported, Stored

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.clip import Clip, TextEncoder
    from weft.nodes.diffusion.values.vae import Vae

# Stability AI's model metadata standard (ModelSpec 1.0.0), as far as ComfyUI writes it: for the XL families.
SPEC = {"modelspec.sai_model_spec": "1.0.0", "modelspec.implementation": "sgm"}
_ARCHITECTURES = {"sdxl": "stable-diffusion-xl-v1-base", "sdxl_refiner": "stable-diffusion-xl-v1-refiner"}
_EDIT_ARCHITECTURES = {"sdxl": "stable-diffusion-xl-v1-edit"}
_PREDICTIONS = {"eps": "epsilon", "v": "v"}


class Built(Protocol):
    """How a model was built that is to be written; an SDKind is one, and says what each means."""

    @property
    def name(self) -> str: ...
    @property
    def unet(self) -> Mapping[str, Any]: ...
    @property
    def prediction(self) -> str: ...
    @property
    def zero_snr(self) -> bool: ...
    @property
    def inputs(self) -> str: ...


def stored_model(kind: Built, module: nn.Module, clip: Clip | None, vae: Vae | None, title: str) -> Exported:
    """See Kind.exported."""
    release = next(release for release in RELEASES if release.name == kind.name)
    tensors = stored(UNET, unet_landings(kind.unet), module)
    if clip is not None:
        tensors |= _stored_towers(clip, release)
    if vae is not None:
        tensors |= stored(VAE, vae_landings(_config(vae)), vae.network.module())
    if kind.prediction == "v":
        # Marks without numbers, which tell programs that cannot know otherwise.
        marks = [V_PREDICTION, *([ZERO_SNR] if kind.zero_snr else [])]
        tensors |= {mark: Stored((0,), torch.float32, lambda: torch.empty(0)) for mark in marks}
    return Exported(tensors, {**_spec(kind, title), **_stated(tensors, release, kind, clip, vae)})


def stored_tower(encoder: TextEncoder) -> Exported:
    """One text encoder, in the layout of transformers."""
    spec, module = _spec_of(encoder), encoder.network.module()
    config = dict(spec.config)
    tensors = stored("", text_landings(module, config, "hf_whole"), module)
    tower = replace(spec, prefixes=("",), layout="hf_whole", config={})
    other = _different(config, read_tower(tower, _shapes(tensors)).config)
    # The name too: layers tell the released towers apart, but no others.
    return Exported(tensors, {"format": "pt", CONFIG_KEY: json.dumps({"text_encoders": {encoder.name: other}})})


def stored_vae(vae: Vae) -> Exported:
    """A VAE, in the layout of a file of its own."""
    config = _config(vae)
    tensors = stored("", vae_landings(config), vae.network.module())
    other = _different(config, read_vae(Shapes(_shapes(tensors))))
    return Exported(tensors, {CONFIG_KEY: json.dumps({"vae": other})} if other else {})


def _stored_towers(clip: Clip, release: Release) -> dict[str, Stored]:
    got, wanted = ([each.name for each in group] for group in (clip.encoders, release.text_encoders))
    if got != wanted:
        raise DiffusionError(
            f"the text encoders are {' + '.join(got)}, a {release.title} checkpoint holds {' + '.join(wanted)}"
        )
    tensors: dict[str, Stored] = {}
    for encoder, place in zip(clip.encoders, release.text_encoders, strict=True):
        module = encoder.network.module()
        tensors |= stored(place.prefix, text_landings(module, _spec_of(encoder).config, place.layout), module)
    return tensors


def _stated(
    tensors: Mapping[str, Stored], release: Release, kind: Built, clip: Clip | None, vae: Vae | None
) -> dict[str, str]:
    """What a file must say so that it loads as these networks; empty where its shapes say it all."""
    read = read_sizes(_shapes(tensors))
    check_agreement(read.unet, read.text_encoders)
    towers = {} if clip is None else {encoder.name: _spec_of(encoder).config for encoder in clip.encoders}
    stated: dict[str, Any] = {
        "unet": _different(kind.unet, read.unet),
        "vae": {} if vae is None or read.vae is None else _different(_config(vae), read.vae),
        "text_encoders": {
            tower.name: other for tower in read.text_encoders if (other := _different(towers[tower.name], tower.config))
        },
        # Told by numbers, which a merge can carry to the other side.
        "prediction": kind.prediction if release.v_sign else None,
    }
    stated = {name: value for name, value in stated.items() if value}
    return {CONFIG_KEY: json.dumps(stated)} if stated else {}


def _spec(kind: Built, title: str) -> dict[str, str]:
    told = _PREDICTIONS.get(kind.prediction)
    spec = {} if told is None else {"modelspec.predict_key": told}
    architectures = _EDIT_ARCHITECTURES if kind.inputs == EDIT else _ARCHITECTURES
    if kind.name in architectures:
        spec |= {**SPEC, "modelspec.architecture": architectures[kind.name], "modelspec.title": title}
    return spec


def _shapes(tensors: Mapping[str, Stored]) -> dict[str, tuple[int, ...]]:
    return {key: stored.shape for key, stored in tensors.items()}


def _spec_of(encoder: TextEncoder) -> TextEncoderSpec:
    if not isinstance(encoder.spec, TextEncoderSpec):
        raise DiffusionError(f"how the text encoder {encoder.name!r} was built is not known: {encoder.spec!r}")
    return encoder.spec


def _config(vae: Vae) -> dict[str, Any]:
    """The keyword arguments that the VAE was built with, of those that its file could tell."""
    vae.check_whole()
    config: Any = vae.network.base.config
    names: Iterable[str] = (
        "in_channels",
        "out_channels",
        "latent_channels",
        "block_out_channels",
        "layers_per_block",
        "down_block_types",
        "up_block_types",
        "norm_num_groups",
    )
    return {name: config[name] for name in names}


def _different(built: Mapping[str, Any], read: Mapping[str, Any]) -> dict[str, Any]:
    """What was built otherwise than a file's shapes say."""

    def plain(value: Any) -> Any:
        return list(value) if isinstance(value, tuple | list) else value

    return {name: built[name] for name in read if plain(built[name]) != plain(read[name])}
