"""`comfy.ops`: torch's layers by the names that packs build networks with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Layers:
    """Layers whose weights are not initialised twice: a file fills them."""

    Linear = nn.Linear
    Conv1d = nn.Conv1d
    Conv2d = nn.Conv2d
    Conv3d = nn.Conv3d
    GroupNorm = nn.GroupNorm
    LayerNorm = nn.LayerNorm
    RMSNorm = nn.RMSNorm
    ConvTranspose1d = nn.ConvTranspose1d
    ConvTranspose2d = nn.ConvTranspose2d
    Embedding = nn.Embedding

    @classmethod
    def conv_nd(cls, dims: int, *args: Any, **options: Any) -> nn.Module:
        """A convolution of so many dimensions."""
        return {1: cls.Conv1d, 2: cls.Conv2d, 3: cls.Conv3d}[dims](*args, **options)


class disable_weight_init(_Layers):
    """torch's layers."""


class manual_cast(_Layers):
    """torch's layers."""


def cast_to(weight: Tensor, dtype: torch.dtype | None = None, device: Any = None, non_blocking: bool = False) -> Tensor:
    """A tensor in a format, on a device."""
    return weight.to(device=device, dtype=dtype, non_blocking=non_blocking)


def cast_to_input(weight: Tensor, input: Tensor, non_blocking: bool = False, copy: bool = True) -> Tensor:
    """A tensor in the format and on the device of another."""
    return weight.to(device=input.device, dtype=input.dtype, non_blocking=non_blocking, copy=copy)


def cast_bias_weight(s: Any, input: Tensor) -> tuple[Tensor, Tensor | None]:
    """(weight, bias) of a layer as an input needs them."""
    bias = None if s.bias is None else cast_to_input(s.bias, input)
    return cast_to_input(s.weight, input), bias
