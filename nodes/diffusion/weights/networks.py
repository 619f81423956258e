"""From shapes to networks without memory, and from a file of weights to networks that compute.

Networks are built on torch's meta device and given the file's tensors. A tensor that already has the wanted number
format, or stays in fewer bits (packed), is a view into the mapped file; another is converted on its own, so that the
peak is the result and little more. Every key of the file is accounted for: it lands in a network, is ignored for a
reason, or is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from weft.nodes.diffusion.errors import CheckpointError, Warn, python_warning
from weft.nodes.diffusion.weights.convolution import fast
from weft.nodes.diffusion.weights.landings import Landing
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.packed import kept_as
from weft.nodes.diffusion.weights.weightfile import Weights

# Keys that no network needs, and why: patterns of whole keys.
IGNORED: Mapping[str, str] = {
    r"(.*\.)?position_ids": "0, 1, 2, ...: computed",
    r"(.*\.)?logit_scale": "used only to train CLIP",
    r"(.*\.)?attn_mask": "a causal mask: computed",
    r"(alphas|betas|(sqrt_|log_)?(one_minus_)?alphas_cumprod(_prev)?|sqrt_recip(m1)?_alphas_cumprod)": "the schedule",
    r"posterior_(variance|log_variance_clipped|mean_coef[12])|lvlb_weights|logvar|denoiser\.sigmas": "the schedule",
    r"(.*\.)?num_batches_tracked": "counts batches of training",
    r"model_ema\..*": "the running average of training beside the weights",
    r"(first_stage_model\.)?(loss|model_ema)\..*": "the loss that trained the VAE",
}


@dataclass(frozen=True, eq=False)
class Part:
    """One network of a file: `module` without memory, and where the keys behind `prefix` land in it.

    large: whether its matrices stay in the file's number format where that has fewer bits than the run's: what a
    network of a billion weights needs, while a small one is faster with all of them widened.
    """

    name: str
    prefix: str
    module: nn.Module
    landings: Mapping[str, tuple[Landing, ...]]
    large: bool = False


_INITS = ("normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_")


class _Unfilled(TorchFunctionMode):
    """Networks on the meta device without what torch computes there in Python: draws, and counting up, of no numbers.

    That takes longer than building all else, and imports sympy.
    """

    _DRAW = (Tensor.normal_, Tensor.uniform_, *(getattr(nn.init, name) for name in _INITS))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func in self._DRAW:
            tensor = args[0] if args else given["tensor"]
            if tensor.is_meta:
                return tensor
        if func is torch.arange and given.get("device") is None:
            return func(*args, **{**given, "device": "cpu"}).to("meta")
        return func(*args, **given)


def build(title: str, make: Any, config: Any) -> nn.Module:
    """A network on the meta device; a configuration that it refuses is an error of the file."""
    try:
        with torch.device("meta"), _Unfilled():
            module: nn.Module = make(config)
    except (ValueError, TypeError, KeyError, RuntimeError, ZeroDivisionError) as error:
        raise CheckpointError(f"no {title} can be built from {config}: {error}") from error
    return fast(module.eval().requires_grad_(False))


def check(
    parts: Iterable[Part],
    shapes: Mapping[str, tuple[int, ...]],
    warn: Warn | None = None,
    ignored: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Every parameter is landed on, and with its shape.

    warn: is told of the keys that land nowhere, as ComfyUI tells; without it they are an error.
    ignored: as IGNORED, and beside it.
    """
    expected = {part.prefix + key for part in parts for key in part.landings}
    unknown = sorted(key for key in shapes.keys() - expected if not _matched(key, (*IGNORED, *ignored)))
    wrong = {"missing": sorted(expected - shapes.keys()), "unexpected": [] if warn else unknown}
    problems = [_listed(what, keys) for what, keys in wrong.items() if keys]
    if problems:
        raise CheckpointError("; ".join(problems))
    if unknown and warn:
        warn(f"{_listed('ignored', unknown)}, of no network here")
    for part in parts:
        for key, landings in part.landings.items():
            stored = torch.empty(shapes[part.prefix + key], device="meta")
            for landing in landings:
                _check_shape(part, key, landing, stored)


def _check_shape(part: Part, key: str, landing: Landing, stored: Tensor) -> None:
    expected = part.module.get_parameter(landing.target).shape
    # A change of form is of a tensor that has one.
    if (not stored.dim() and expected) or landing.change(stored).shape != expected:
        raise CheckpointError(
            f"key {part.prefix + key!r} has shape {list(stored.shape)}, which does not fit "
            f"{landing.target!r} {list(expected)} of the {part.name}"
        )


def _matched(key: str, patterns: Iterable[str]) -> bool:
    return any(re.fullmatch(pattern, key) for pattern in patterns)


def _listed(what: str, keys: list[str]) -> str:
    shown = ", ".join(map(repr, keys[:5]))
    return f"{len(keys)} {what} key{'s' if len(keys) > 1 else ''}: {shown}{', ...' if len(keys) > 5 else ''}"


def fill(
    file: Weights,
    parts: Iterable[Part],
    formats: Mapping[str, torch.dtype],
    change: Callable[[str, Tensor], Tensor] = lambda name, tensor: tensor,
) -> None:
    """Give the networks their weights, in one pass over the file.

    formats: the number format of each part's weights, by its name. change: (parameter's name, the file's tensor in the
    network's form) -> what is kept.
    """
    owners = {part.prefix + key: (part, landings) for part in parts for key, landings in part.landings.items()}
    states: dict[str, dict[str, Tensor]] = {part.name: {} for part in parts}
    # Plain tensors also when called under inference_mode: weights outlive that block.
    with torch.inference_mode(False), torch.no_grad():
        for key, tensor in file.tensors(owners):
            part, landings = owners[key]
            if not tensor.is_floating_point():
                raise CheckpointError(f"key {key!r} holds {tensor.dtype}, expected floating-point numbers")
            for landing in landings:
                kept = change(landing.target, landing.change(tensor))
                states[part.name][landing.target] = kept_as(kept, formats[part.name], packs=part.large)
        for part in parts:
            part.module.load_state_dict(states[part.name], strict=True, assign=True)
            _materialise(part.module)


def _materialise(module: nn.Module) -> None:
    """Give the buffers that no file holds their values: CLIP's position_ids."""
    for name, buffer in list(module.named_buffers()):
        if not buffer.is_meta:
            continue
        path, _, leaf = name.rpartition(".")
        if leaf != "position_ids":
            raise CheckpointError(f"the network has a buffer {name!r} that nothing fills")
        setattr(module.get_submodule(path), leaf, torch.arange(buffer.shape[-1]).expand(buffer.shape))


def memory_of(device: torch.device | DeviceMemory) -> DeviceMemory:
    """The memory given, or a new one of the device given."""
    return device if isinstance(device, DeviceMemory) else DeviceMemory(device)


@contextmanager
def in_file(path: Path | Weights, warn: Warn = python_warning) -> Iterator[Warn]:
    """Errors say which file they are about, and so do the warnings that are given to what this gives."""
    name = path.name if isinstance(path, Path) else "the state dict"
    try:
        yield lambda message: warn(f"{name}: {message}")
    except CheckpointError as error:
        if name in str(error):
            raise
        raise CheckpointError(f"{name}: {error}") from error
