"""Latents cut and joined along one axis: x is the last, y the one before it, t the one before that.

Of pictures [B,C,h,w], which have no axis of time, t is the channels, as in ComfyUI.
"""

from __future__ import annotations

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.values.pixels import to_batch

AXES = {"x": -1, "y": -2, "t": -3}


def cut(samples: Tensor, dim: str, index: int, amount: int) -> Tensor:
    """At most `amount` elements from `index` on, counted from the end where it is negative; at least one."""
    axis = _axis(dim)
    size = samples.shape[axis]
    start = min(index, size - 1) if index >= 0 else max(index, -size) + size
    return samples.narrow(axis, start, min(amount, size - start)).clone()


def cut_to_batch(samples: Tensor, dim: str, size: int) -> Tensor:
    """Slices of `size` elements as a batch, item by item in their order; a rest at the end is dropped."""
    axis = _axis(dim)
    size = min(size, samples.shape[axis])
    slices = samples.movedim(axis, 1)
    slices = slices[:, : slices.shape[1] // size * size]
    return slices.reshape(-1, size, *slices.shape[2:]).movedim(1, axis).contiguous()


def concatenate(first: Tensor, second: Tensor, dim: str) -> Tensor:
    """Both along an axis; the second, brought to the first one's batch, comes first where `dim` has a minus.

    Raises:
        DiffusionError: their other axes differ.
    """
    axis, second = _axis(dim.removeprefix("-")), to_batch(second, first.shape[0])
    others = [[side for place, side in enumerate(each.shape) if place != each.dim() + axis] for each in (first, second)]
    if others[0] != others[1]:
        raise DiffusionError(f"cannot join latents {list(first.shape)} and {list(second.shape)} along {dim!r}")
    return torch.cat((second, first) if dim.startswith("-") else (first, second), dim=axis)


def trim(samples: Tensor, amount: int) -> Tensor:
    """The samples [B,C,T,h,w] of a video without their first elements in time.

    Raises:
        DiffusionError: no video, or nothing would be left.
    """
    if samples.dim() != 5:
        raise DiffusionError(f"only a video [B,C,T,h,w] can be trimmed in time, the latent is {list(samples.shape)}")
    if amount >= samples.shape[2]:
        raise DiffusionError(f"cannot trim {amount} elements in time: the latent has {samples.shape[2]}")
    return samples[:, :, amount:].clone()


def _axis(dim: str) -> int:
    if dim not in AXES:
        raise DiffusionError(f"unknown axis {dim!r}{nearest(dim, AXES)}: one of {', '.join(AXES)}")
    return AXES[dim]
