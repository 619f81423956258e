"""What an import of a pack must not change in the libraries that Weft computes with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

WATCHED = (
    *("torch", "torch.nn", "torch.nn.functional", "torch.cuda", "torch.linalg", "torch.fft", "torch.random"),
    *("torch.Tensor", "torch.nn.Module", "torch.nn.Linear", "torch.nn.Conv2d", "torch.nn.LayerNorm"),
    *("torch.nn.GroupNorm", "torch.nn.Embedding", "torch.Generator", "torch.serialization"),
    *("numpy", "numpy.random", "PIL.Image", "PIL.Image.Image", "safetensors", "safetensors.torch", "yaml"),
    *("diffusers", "transformers", "huggingface_hub", "tqdm"),
)
"""Modules whose functions and classes a pack may not replace, and classes whose methods."""

_Read = Callable[[Any], Any]
_Write = Callable[[Any, Any], Any]


def _attribute(*path: str) -> tuple[_Read, _Write]:
    """How a value that is an attribute below torch is read and written."""
    *above, name = path

    def owner(torch: Any) -> Any:
        for each in above:
            torch = getattr(torch, each)
        return torch

    return lambda torch: getattr(owner(torch), name), lambda torch, value: setattr(owner(torch), name, value)


_STATES: Mapping[str, tuple[_Read, _Write]] = {
    "torch's default dtype": (lambda torch: torch.get_default_dtype(), lambda torch, v: torch.set_default_dtype(v)),
    "whether gradients are computed": (
        lambda torch: torch.is_grad_enabled(),
        lambda torch, v: torch.set_grad_enabled(v),
    ),
    "the precision of float32 products": (
        lambda torch: torch.get_float32_matmul_precision(),
        lambda torch, v: torch.set_float32_matmul_precision(v),
    ),
    "whether torch is deterministic": (
        lambda torch: torch.are_deterministic_algorithms_enabled(),
        lambda torch, v: torch.use_deterministic_algorithms(v),
    ),
    "the number of torch's threads": (lambda torch: torch.get_num_threads(), lambda torch, v: torch.set_num_threads(v)),
    "torch.backends.cudnn.benchmark": _attribute("backends", "cudnn", "benchmark"),
    "torch.backends.cudnn.deterministic": _attribute("backends", "cudnn", "deterministic"),
    "torch.backends.cudnn.enabled": _attribute("backends", "cudnn", "enabled"),
    "torch.backends.cudnn.allow_tf32": _attribute("backends", "cudnn", "allow_tf32"),
}


def state() -> dict[str, Any]:
    """The states by what they are called; none where torch is not loaded."""
    torch = _torch()
    return {} if torch is None else {name: read(torch) for name, (read, _) in _STATES.items()}


def restore(state: Mapping[str, Any]) -> list[str]:
    """Put back what is not so any more; returns what that was."""
    torch, changed = _torch(), []
    for name, before in state.items() if torch is not None else ():
        read, write = _STATES[name]
        if read(torch) != before:
            write(torch, before)
            changed.append(name)
    return changed


def _torch() -> ModuleType | None:
    """torch, if it is there as a whole."""
    found = sys.modules.get("torch")
    return found if found is not None and hasattr(found, "backends") and hasattr(found, "get_num_threads") else None
