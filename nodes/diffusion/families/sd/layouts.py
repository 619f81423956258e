"""Files of weights under other names than a checkpoint's: with another prefix, or in diffusers' layout.

The numbers are the same in every layout, so such a file is read through a table of names.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.sd.keymaps import structure_of_unet, structure_of_vae, unet_keymap, vae_keymap
from weft.nodes.diffusion.families.sd.keymaps.controlnet import DIFFERENCE, LOW_RANK
from weft.nodes.diffusion.families.sd.keymaps.unet import PREFIX as UNET
from weft.nodes.diffusion.weights.landings import Shapes
from weft.nodes.diffusion.weights.weightfile import Renamed, Weights

# What diffusers called the layers of a VAE's attention before its version 0.16.
_OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def with_unet_of_checkpoint(file: Weights) -> Weights:
    """The file with its UNet's keys as in a checkpoint, `model.diffusion_model.input_blocks...`, beside its others."""
    prefix = known.prefix_before(file.shapes, known.UNET)
    if prefix == UNET:
        return file
    if prefix is not None:
        names = {key: UNET + key.removeprefix(prefix) for key in file.shapes if key.startswith(prefix)}
    else:
        prefix = known.prefix_before(file.shapes, known.UNET_OF_DIFFUSERS)
        if prefix is None:
            return file
        old = {new: old for old, new in unet_keymap(structure_of_unet(Shapes(file.shapes, prefix))).items()}
        names = {key: UNET + old.get(key.removeprefix(prefix), key.removeprefix(prefix)) for key in file.shapes}
    return Renamed(file, {key: names.get(key, key) for key in file.shapes})


def with_vae_of_its_own(file: Weights) -> Weights:
    """The VAE in the file, with its keys as in a file of their own, `encoder.down...`; the file itself without one."""
    prefix = known.prefix_before(file.shapes, *known.VAE)
    if prefix is not None:
        return _behind(prefix, file)
    prefix = known.prefix_before(file.shapes, *known.VAE_OF_DIFFUSERS)
    # Those like Wan's have other norms, and are no VAE of Stable Diffusion.
    if prefix is None or f"{prefix}decoder.mid_block.resnets.0.norm1.gamma" in file.shapes:
        return file
    file = _behind(prefix, file)
    names = {new: old for old, new in vae_keymap(structure_of_vae(Shapes(file.shapes))).items()}
    for new, old in list(names.items()):
        for today, before in _OLD_ATTENTION.items():
            if f".attentions.0.{today}." in new:
                names[new.replace(today, before)] = old
    return Renamed(file, {key: names.get(key, key) for key in file.shapes})


def with_text_of_its_own(file: Weights) -> Weights:
    """The text encoder in the file, named as transformers or open_clip do; the file itself without one."""
    for end in known.TEXT:
        prefix = known.prefix_before(file.shapes, end)
        if prefix is not None:
            return _behind(prefix, file, "text_model." if end == known.TEXT[1] else "")
    return file


def with_control_of_its_own(file: Weights) -> Weights:
    """The ControlNet in the file, without a prefix; the file itself without one."""
    prefix = known.prefix_before(file.shapes, known.CONTROL, known.CONTROL_OF_DIFFUSERS)
    if not prefix:
        return file
    marks = {key: key for key in file.shapes if key in (DIFFERENCE, LOW_RANK)}
    return _behind(prefix, file, marks=marks)


def _behind(prefix: str, file: Weights, to: str = "", marks: Mapping[str, str] = MappingProxyType({})) -> Weights:
    """The part of a file whose keys have this prefix, with another one; and the keys among `marks`."""
    if prefix == to:
        return file
    return Renamed(
        file, {**{key: to + key.removeprefix(prefix) for key in file.shapes if key.startswith(prefix)}, **marks}
    )
