"""Hypernetworks of the web UI (AUTOMATIC1111): small networks before the keys and values of every attention.

A file has for each width of attention's context [N,T,C] two networks, keys' and values', under the number C. What one
gives is added to its input, times the strength. Their layers are told by the numbers of their keys: matrices are
linear layers, vectors norms; activations have no weights, and dropouts do nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.weights.weightfile import read_object

if TYPE_CHECKING:
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "relu": functional.relu,
    "relu6": functional.relu6,
    "leakyrelu": functional.leaky_relu,
    "elu": functional.elu,
    "celu": functional.celu,
    "selu": functional.selu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "mish": functional.mish,
    "swish": functional.hardswish,  # as the web UI has it
    "hardswish": functional.hardswish,
    "hardsigmoid": functional.hardsigmoid,
    "hardtanh": functional.hardtanh,
    "sigmoid": torch.sigmoid,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "tanh": torch.tanh,
}
# How the first files called the layers.
_OLD = {"linear1.": "linear.0.", "linear2.": "linear.1."}
_PREFIX = "linear."


@dataclass(frozen=True, eq=False)
class Layer:
    """A linear layer, or a norm where the weight is a vector, and what follows it."""

    weight: Tensor
    bias: Tensor
    activation: str = "linear"

    def __call__(self, x: Tensor) -> Tensor:
        """[N,T,C] -> [N,T,C']."""
        weight, bias = (part.to(x.device, x.dtype, non_blocking=True) for part in (self.weight, self.bias))
        if weight.dim() == 1:
            return functional.layer_norm(x, weight.shape, weight, bias)
        return ACTIVATIONS[self.activation](functional.linear(x, weight, bias))


Network = tuple[Layer, ...]


@dataclass(frozen=True, eq=False)
class Hypernetwork:
    """A hypernetwork as loaded: (keys', values') networks by the width that they read, on the CPU."""

    networks: Mapping[int, tuple[Network, Network]]


def load_hypernetwork(path: Path) -> Hypernetwork:
    """Open the web UI's file, without running anything in it.

    Raises:
        CheckpointError: it cannot be read, is no hypernetwork, or has an activation that is not known.
    """
    loaded = read_object(path)
    widths = [key for key in loaded if isinstance(key, int)] if isinstance(loaded, Mapping) else []
    if not widths:
        raise CheckpointError(f"{path.name} is no hypernetwork: it has no networks under the width that they read")
    activation = str(loaded.get("activation_func") or "linear").lower()
    if activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise CheckpointError(f"{path.name}: its activation_func is {activation!r}; known are {known}")
    last = bool(loaded.get("activate_output", True))  # files that do not say it were trained so
    networks = {width: _pair(path, width, loaded[width], activation, last) for width in widths}
    return Hypernetwork(networks)


def _pair(path: Path, width: int, stored: Any, activation: str, last: bool) -> tuple[Network, Network]:
    if not isinstance(stored, list | tuple) or len(stored) != 2:
        raise CheckpointError(f"{path.name}: expected two networks for the width {width}, keys' and values'")
    keys, values = (_network(path, width, weights, activation, last) for weights in stored)
    return keys, values


def _network(path: Path, width: int, stored: Any, activation: str, last: bool) -> Network:
    """The layers of one network, checked to fit each other and the width."""
    wrong = f"{path.name}: the networks of width {width} are not those of a hypernetwork"
    if not isinstance(stored, Mapping) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise CheckpointError(wrong)
    weights = {_renamed(str(key)): value.float() for key, value in stored.items()}
    numbers = sorted({int(part) for key in weights if (part := key.removeprefix(_PREFIX).split(".")[0]).isdecimal()})
    names = {f"{_PREFIX}{number}.{part}" for number in numbers for part in ("weight", "bias")}
    if not numbers or names != weights.keys():
        raise CheckpointError(f"{wrong}: expected {_PREFIX}N.weight and {_PREFIX}N.bias")
    matrices = [number for number in numbers if weights[f"{_PREFIX}{number}.weight"].dim() == 2]
    layers, reads = [], width
    for number in numbers:
        weight, bias = (weights[f"{_PREFIX}{number}.{part}"] for part in ("weight", "bias"))
        if weight.dim() not in (1, 2) or weight.shape[-1] != reads or bias.shape != weight.shape[:1]:
            got = f"{list(weight.shape)} and {list(bias.shape)}"
            raise CheckpointError(f"{wrong}: layer {number} reads {reads} numbers, and its tensors are {got}")
        active = number in matrices and (last or number != matrices[-1])
        layers.append(Layer(weight, bias, activation if active else "linear"))
        reads = weight.shape[0]
    if reads != width:
        raise CheckpointError(f"{wrong}: they give {reads} numbers")
    return tuple(layers)


def _renamed(key: str) -> str:
    for old, new in _OLD.items():
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


@dataclass(frozen=True, eq=False)
class Hypernetworked:
    """An attn1_patch and attn2_patch: keys and values of the widths that the hypernetwork knows, changed."""

    hypernetwork: Hypernetwork
    strength: float

    def __call__(
        self, x: Tensor, keys: Tensor, values: Tensor, options: Mapping[str, Any]
    ) -> tuple[Tensor, Tensor, Tensor]:
        pair = self.hypernetwork.networks.get(keys.shape[-1])
        if pair is None:
            return x, keys, values
        of_keys, of_values = pair
        return x, self._changed(of_keys, keys), self._changed(of_values, values)

    def _changed(self, network: Network, given: Tensor) -> Tensor:
        made = given
        for layer in network:
            made = layer(made)
        return given + made * self.strength


def with_hypernetwork(model: ModelPatcher, hypernetwork: Hypernetwork, strength: float) -> ModelPatcher:
    """A clone of the model with a hypernetwork before its attention.

    Raises:
        DiffusionError: no attention of the model has one of the hypernetwork's widths.
    """
    parameters = model.network.base.named_parameters()
    widths = {weight.shape[1] for name, weight in parameters if name.endswith(".to_k.weight")}
    if widths.isdisjoint(hypernetwork.networks):
        got, wanted = (", ".join(map(str, sorted(some))) for some in (hypernetwork.networks, widths))
        raise DiffusionError(f"the hypernetwork is for another model: its widths are {got}, the model's {wanted}")
    clone, patch = model.clone(), Hypernetworked(hypernetwork, strength)
    clone.set_model_attn1_patch(patch)
    clone.set_model_attn2_patch(patch)
    return clone
