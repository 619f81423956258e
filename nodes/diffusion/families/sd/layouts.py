"""Files of weights under other names than a checkpoint's: with another prefix, or in diffusers' layout.

The numbers are the same in every layout, so such a file is read through a table of names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.sd.keymaps import structure_of_unet, structure_of_vae, unet_keymap, vae_keymap
from weft.nodes.diffusion.families.sd.keymaps.controlnet import DIFFERENCE
from weft.nodes.diffusion.families.sd.keymaps.unet import PREFIX as UNET
from weft.nodes.diffusion.weights.landings import Shapes

if TYPE_CHECKING:
    from torch import Tensor

# What diffusers called the layers of a VAE's attention before its version 0.16.
_OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


class Weights(Protocol):
    """An opened file of weights: see weightfile.WeightFile."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says about itself."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Every tensor's shape by its key."""

    def tensors(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, Tensor]]:
        """The named tensors, or all."""

    def tensor(self, name: str) -> Tensor:
        """One tensor."""


class Renamed:
    """A file of weights under other names, or a part of one.

    Args:
        names: the new name by the file's own, for every key to be seen.
    """

    def __init__(self, file: Weights, names: Mapping[str, str]) -> None:
        self._file = file
        self._new = {key: names[key] for key in file.shapes if key in names}
        self._own = {name: key for key, name in self._new.items()}
        self.metadata = file.metadata
        self.shapes = {name: file.shapes[key] for key, name in self._new.items()}

    def tensors(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, Tensor]]:
        """As WeightFile.tensors, under the new names."""
        wanted = [self._own[name] for name in (self._own if names is None else names)]
        return ((self._new[key], tensor) for key, tensor in self._file.tensors(wanted))

    def tensor(self, name: str) -> Tensor:
        """As WeightFile.tensor, by the new name."""
        return self._file.tensor(self._own[name])


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
    if prefix is None:
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
    marks = {key: key for key in file.shapes if key == DIFFERENCE}
    return _behind(prefix, file, marks=marks)


def _behind(prefix: str, file: Weights, to: str = "", marks: Mapping[str, str] = MappingProxyType({})) -> Weights:
    """The part of a file whose keys have this prefix, with another one; and the keys among `marks`."""
    if prefix == to:
        return file
    return Renamed(
        file, {**{key: to + key.removeprefix(prefix) for key in file.shapes if key.startswith(prefix)}, **marks}
    )
