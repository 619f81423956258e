"""LoRAs from state dicts, and the names of their layers by the keys of the weights that they change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.interop.base_model import ModelLike
from weft.nodes.diffusion.interop.clip import ClipNames
from weft.nodes.diffusion.interop.weights import MODEL_PREFIX, digest
from weft.nodes.diffusion.weights.lora import Lora
from weft.nodes.diffusion.weights.lora_names import split_key, text_names


def layers_of(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The tensors of a LoRA by layer and role; what no format knows is left out."""
    layers: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        found = split_key(key)
        if found is not None:
            layers.setdefault(found[0], {})[found[1]] = tensor
    return layers


def lora_of(tensors: Mapping[str, Tensor]) -> Lora:
    """A LoRA's state dict as load_lora gives the file of one. Equal numbers have one source.

    Raises:
        CheckpointError: no key of it is a LoRA's.
    """
    layers = layers_of(tensors)
    if not layers:
        raise CheckpointError(f"this state dict is no LoRA: of its {len(tensors)} keys none is a LoRA's")
    unknown = tuple(key for key in tensors if split_key(key) is None)
    return Lora(Path("a state dict"), ("given", digest(tensors[key] for key in sorted(tensors))), layers, unknown)


def model_layers(model: ModelLike) -> Iterator[tuple[str, str]]:
    """(a layer's name in a LoRA, the key of its weight), of a MODEL."""
    names = model.kind.names()
    modules = [name.removesuffix(".weight") for name in names if name.endswith(".weight")]
    for place in model.kind.lora_names(modules):
        if not place.landings:
            yield place.name, MODEL_PREFIX + names[f"{place.module}.weight"]


def clip_layers(clip: ClipNames) -> Iterator[tuple[str, str]]:
    """The same of a CLIP."""
    for index, encoder in enumerate(clip.encoders):
        for name, module in _modules(encoder):
            for layer in text_names(module, encoder.name, index):
                yield layer, f"{encoder.name}.transformer.{name}"


def _modules(encoder: Any) -> Iterator[tuple[str, str]]:
    for name in encoder.network.parameter_names:
        if name.endswith(".weight"):
            yield name, name.removesuffix(".weight")
