"""`comfy.ldm.common_dit`: pieces of transformers over pictures."""

from __future__ import annotations

import torch
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor | None = None, eps: float = 1e-6) -> Tensor:
    """Zhang & Sennrich 2019: x over its root mean square along the last axis, times a weight."""
    scale = None if weight is None else weight.to(device=x.device, dtype=x.dtype)
    return torch.nn.functional.rms_norm(x, x.shape[-1:], weight=scale, eps=eps)


def pad_to_patch_size(img: Tensor, patch_size: tuple[int, ...] = (2, 2), padding_mode: str = "circular") -> Tensor:
    """An image padded at its ends to whole patches."""
    pad: list[int] = []
    for axis, size in enumerate(patch_size):
        pad = [0, -img.shape[axis + 2] % size, *pad]
    return torch.nn.functional.pad(img, pad, mode=padding_mode)
