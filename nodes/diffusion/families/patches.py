"""Latents as rows of patches of 2x2 elements, as several transformers read them."""

from __future__ import annotations

import torch
from torch import Tensor


def packed(x: Tensor, patch: int = 2) -> Tensor:
    """[N,C,h,w] -> [N, h/patch * w/patch, C * patch * patch], rows of patches one behind the other."""
    count, channels, height, width = x.shape
    h, w = height // patch, width // patch
    return x.reshape(count, channels, h, patch, w, patch).permute(0, 2, 4, 1, 3, 5).reshape(count, h * w, -1)


def unpacked(rows: Tensor, height: int, width: int, patch: int = 2) -> Tensor:
    """The inverse of `packed`, for a latent of these sides."""
    h, w = height // patch, width // patch
    of_patches = rows.reshape(len(rows), h, w, -1, patch, patch).permute(0, 3, 1, 4, 2, 5)
    return of_patches.reshape(len(rows), -1, height, width)


def wrapped(x: Tensor, patch: int) -> Tensor:
    """x with its last two sides brought to multiples of a patch by what stands at their beginning, as ComfyUI does."""
    height, width = x.shape[-2:]
    below, beside = -height % patch, -width % patch
    if below:
        x = torch.cat([x, x[..., :below, :]], dim=-2)
    return torch.cat([x, x[..., :beside]], dim=-1) if beside else x
