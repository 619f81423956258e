"""Patches on weights as packs give them: by the keys of a file, as tuples of tensors, and from other models.

A key is "diffusion_model." and the parameter's name in a single file, or of a text encoder "clip_l.transformer." and
its name. Strength and share of the weight itself are both given: weight * strength_model + change * strength_patch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, PatchError
from weft.nodes.diffusion.weights.lora_formats import build_patch
from weft.nodes.diffusion.weights.patched import MergePatch, Patch, PatchedNetwork

MODEL_PREFIX = "diffusion_model."
LORA_FACTORS = ("up", "down", "alpha", "mid", "dora_scale", "reshape")
"""What stands in the tuple of a patch "lora", in its order."""


@dataclass(frozen=True, eq=False)
class KeyPatch:
    """A parameter of a model with its patches: what get_key_patches gives, and add_patches of another model takes."""

    network: PatchedNetwork
    name: str


@dataclass(frozen=True, eq=False)
class LayerPatch:
    """The tensors of one layer of a LoRA, by role: what load_lora gives."""

    layer: str
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class SetPatch:
    """Another weight in place of a parameter. identity: of its numbers."""

    tensor: Tensor
    identity: Hashable

    @property
    def nbytes(self) -> int:
        """See Patch."""
        return self.tensor.nbytes

    @property
    def networks(self) -> tuple[()]:
        """See Patch."""
        return ()

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """See Patch."""
        return self.tensor.to(weight)


@dataclass(frozen=True, eq=False)
class OnShare:
    """A patch on a share of the weight, as strength_model says."""

    patch: Patch
    keep: float

    @property
    def identity(self) -> Hashable:
        """See Patch."""
        return "share", self.keep, self.patch.identity

    @property
    def nbytes(self) -> int:
        """See Patch."""
        return self.patch.nbytes

    @property
    def networks(self) -> tuple[PatchedNetwork, ...]:
        """See Patch."""
        return self.patch.networks

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """See Patch."""
        return self.patch.apply(weight * self.keep, strength) if strength else weight * self.keep


def digest(tensors: Iterable[Tensor | None]) -> bytes:
    """Equal for equal numbers."""
    made = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        if tensor is None:
            made.update(b"none")
            continue
        plain = tensor.detach().cpu().contiguous()
        made.update(f"{plain.dtype}{list(plain.shape)}".encode())
        made.update(plain.flatten().view(torch.uint8).numpy().tobytes())
    return made.digest()


def patched(
    network: PatchedNetwork,
    patches: Mapping[Any, Any],
    parameter_of: Mapping[str, str],
    strength_patch: float,
    strength_model: float,
) -> tuple[PatchedNetwork, list[Any]]:
    """A network with patches as packs give them, and those keys that it has.

    parameter_of: key -> the network's parameter; a parameter's own name counts, too.

    Raises:
        PatchError: a patch of a form that is not known, or that does not fit its parameter.
    """
    names, applied = set(network.parameter_names), []
    by_strength: dict[float, dict[str, Patch]] = {}
    for key, value in patches.items():
        if isinstance(key, tuple):
            raise PatchError(f"a patch on a part of a weight cannot be carried: {key[0]!r}")
        name = parameter_of.get(key, key)
        if name not in names:
            continue
        strength, patch = _patch(network, name, value, strength_patch, strength_model)
        by_strength.setdefault(strength, {})[name] = patch
        applied.append(key)
    for strength, group in by_strength.items():
        network = network.with_patches(group, strength)
    return network, applied


def _patch(
    network: PatchedNetwork, name: str, value: Any, strength_patch: float, strength_model: float
) -> tuple[float, Patch]:
    """The strength that a patch is applied at, not 0 where it changes anything, and the patch."""
    if isinstance(value, KeyPatch):
        return 1.0, MergePatch(value.name, value.network, strength_model, strength_patch)
    if hasattr(value, "apply") and hasattr(value, "identity"):
        patch: Patch = value
    elif strength_patch == 0.0:  # it is not looked at: packs write (None,) to scale the weight alone
        patch = _Nothing()
    else:
        patch = _made(name, value, network.shape_of(name))
    return (strength_patch, patch) if strength_model == 1.0 else _shared(patch, strength_patch, strength_model)


def _shared(patch: Patch, strength: float, keep: float) -> tuple[float, Patch]:
    # At strength 0 the weight is still scaled, which with_patches would leave out.
    return (strength, OnShare(patch, keep)) if strength else (1.0, OnShare(_Nothing(), keep))


@dataclass(frozen=True, eq=False)
class _Nothing:
    """A patch that changes nothing."""

    identity: Hashable = "nothing"
    nbytes: int = 0
    networks: tuple[()] = ()

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """See Patch."""
        return weight


def _made(name: str, value: Any, shape: torch.Size) -> Patch:
    """The patch that a value of a pack's spells."""
    if isinstance(value, LayerPatch):
        tensors: Mapping[str, Tensor] = value.tensors
        return build_patch(value.layer, tensors, ("given", digest(tensors.values())), shape)
    kind, content = _kind(value)
    if kind == "set":
        return SetPatch(content[0], ("set", digest(content[:1])))
    if kind == "diff":
        return build_patch(name, {"diff": content[0]}, ("given", digest(content[:1])), shape)
    if kind == "lora":
        found = dict(zip(LORA_FACTORS, content, strict=False))
        if found.pop("reshape", None) is not None:
            raise PatchError(f"a LoRA that gives {name!r} another shape cannot be carried")
        factors = {
            role: each if isinstance(each, Tensor) else torch.tensor(float(each))
            for role, each in found.items()
            if each is not None
        }
        return build_patch(name, factors, ("given", digest(factors.values())), shape)
    raise PatchError(f"a patch of the form {kind!r} on {name!r} cannot be carried; diff, set and lora can")


def _kind(value: Any) -> tuple[str, Any]:
    if isinstance(value, tuple | list) and value:
        if isinstance(value[0], str):
            return value[0], value[1]
        if isinstance(value[0], Tensor):
            return "diff", value
    return type(value).__name__, None


def keys_of(names: Mapping[str, str]) -> dict[str, str]:
    """key -> parameter of a diffusion model. names: parameter -> its name in a single file."""
    return {MODEL_PREFIX + stored: parameter for parameter, stored in names.items()}


def model_weights(network: PatchedNetwork, names: Mapping[str, str]) -> Iterator[tuple[str, Tensor]]:
    """(key, weight without patches) of a diffusion model. names: as keys_of's."""
    for key, name in keys_of(names).items():
        yield key, network.base.get_parameter(name)


def not_carried(what: str) -> DiffusionError:
    """The error for something that ComfyUI's models have and Weft's cannot carry."""
    return DiffusionError(f"{what} cannot be carried here: this network is not ComfyUI's")
