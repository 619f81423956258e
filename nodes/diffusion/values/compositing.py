"""Compositing: one latent or image over another, and blending two.

Semantics as measured on ComfyUI 0.3.64 (parity/facts.md section 10), held by the goldens lat_comp*, lat_blend* and
img_blend*. What is given stays as it is. Tensors are [B,C,H,W], or
[B,C,T,H,W] of videos, where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.values.masks import resize_mask
from weft.nodes.diffusion.values.pixels import check_images, resize, scale_image, to_batch

Blend = Callable[[Tensor, Tensor], Tensor]


def paste(
    destination: Tensor, source: Tensor, x: int, y: int, mask: Tensor | None = None, resize_source: bool = False
) -> Tensor:
    """The source over the destination, its upper left corner at x, y in elements; what lies outside is left out.

    Args:
        source: repeated, or cut, to the batch of the destination.
        mask: [m,h,w], 1 where the source counts; resized (bilinear) to the source. None for everywhere.
        resize_source: resize the source (bilinear) to the size of the destination first.

    Raises:
        DiffusionError: another number of channels, or no mask of this form.
    """
    _check_channels(destination, source)
    batch, (height, width) = destination.shape[0], destination.shape[-2:]
    if resize_source:
        source = resize(source, width, height, "bilinear")
    source = to_batch(source.to(destination), batch)
    rows, columns = source.shape[-2:]
    weight = torch.ones(1, rows, columns) if mask is None else resize_mask(mask, rows, columns)
    # One for all channels and frames.
    weight = to_batch(weight.reshape(-1, *[1] * (destination.dim() - 3), rows, columns).to(destination), batch)

    here, there = _overlap(x, columns, width), _overlap(y, rows, height)
    if here is None or there is None:
        return destination.clone()
    (from_x, to_x), (from_y, to_y) = here, there
    seen = weight[..., from_y, from_x]
    result = destination.clone()
    below = destination[..., to_y, to_x]
    result[..., to_y, to_x] = source[..., from_y, from_x] * seen + below * (1.0 - seen)
    return result


def paste_feathered(destination: Tensor, source: Tensor, x: int, y: int, feather: int) -> Tensor:
    """The source over the destination at x, y >= 0, fading in over `feather` elements at sides inside the destination.

    Raises:
        DiffusionError: other channels, or a batch that is neither 1 nor the destination's.
    """
    _check_channels(destination, source)
    if source.shape[0] not in (1, destination.shape[0]):
        got, expected = source.shape[0], destination.shape[0]
        raise DiffusionError(f"cannot put a batch of {got} onto one of {expected}: expected 1 or {expected}")
    if x < 0 or y < 0 or feather < 0:
        raise DiffusionError(f"x, y and feather must not be negative, got {x}, {y} and {feather}")
    height, width = destination.shape[-2:]
    source = source[..., : max(0, height - y), : max(0, width - x)].to(destination)
    rows, columns = source.shape[-2:]
    ramps = _ramp(rows, y, height, feather)[:, None] * _ramp(columns, x, width, feather)
    weight = ramps.to(destination)
    result = destination.clone()
    below = destination[..., y : y + rows, x : x + columns]
    result[..., y : y + rows, x : x + columns] = source * weight + below * (1.0 - weight)
    return result


def blend_images(first: Tensor, second: Tensor, factor: float, mode: str) -> Tensor:
    """Images [B,H,W,C] of 0..1: first * (1 - factor) + blend(first, second) * factor, clamped to 0..1.

    Args:
        second: brought to the channels, and resized (bicubic, cut to the aspect) to the size of the first.
        mode: a key of BLENDS.

    Raises:
        DiffusionError: another mode, or batches of which neither is 1 that differ.
    """
    if mode not in BLENDS:
        raise DiffusionError(f"unknown blend mode {mode!r}{nearest(mode, BLENDS)}: one of {', '.join(BLENDS)}")
    check_images(first, second)
    second = with_channels(second.to(first.device), first.shape[-1])
    _check_batches(first, second)
    if second.shape[1:3] != first.shape[1:3]:
        second = scale_image(second, first.shape[2], first.shape[1], "bicubic", "center")
    return (first * (1.0 - factor) + BLENDS[mode](first, second) * factor).clamp(0.0, 1.0)


def blend_latents(first: Tensor, second: Tensor, factor: float) -> Tensor:
    """first * factor + second * (1 - factor), the second resized (bicubic, cut to the aspect) to the first."""
    _check_channels(first, second)
    _check_batches(first, second)
    if second.shape[-2:] != first.shape[-2:]:
        second = resize(second, first.shape[-1], first.shape[-2], "bicubic", "center")
    return first * factor + second * (1.0 - factor)


def with_channels(image: Tensor, channels: int) -> Tensor:
    """An image [B,H,W,C] with this many channels: further ones are left out, a missing alpha is 1."""
    if image.shape[-1] >= channels:
        return image[..., :channels]
    return torch.nn.functional.pad(image, (0, channels - image.shape[-1]), value=1.0)


def _overlap(offset: int, size: int, total: int) -> tuple[slice, slice] | None:
    """Along one axis, which part of a source of `size` is seen, and where in the destination; None for nothing."""
    start, stop = max(0, offset), min(total, offset + size)
    if start >= stop:
        return None
    return slice(start - offset, stop - offset), slice(start, stop)


def _ramp(size: int, offset: int, total: int, feather: int) -> Tensor:
    """[size] weights along one axis: a ramp at each end that lies inside the destination, 1 elsewhere.

    A ramp longer than the source goes on, at the far end, from the source's last element but one downwards: ComfyUI
    counts past 0 there, and so its numbers have it.
    """
    weight = torch.ones(size)
    for t in range(feather):
        if offset != 0:
            weight[t : t + 1] *= (t + 1) / feather
        if offset + size < total:
            weight[size - 1 - t : size - t] *= (t + 1) / feather
    return weight


def _check_channels(destination: Tensor, source: Tensor) -> None:
    got = f"{list(destination.shape)} and {list(source.shape)}"
    if destination.dim() not in (4, 5) or source.dim() != destination.dim():
        raise DiffusionError(f"cannot combine {got}: expected two of 4 axes, or of 5")
    if source.shape[2:-2] not in (destination.shape[2:-2], (1,)):
        raise DiffusionError(f"cannot combine {got}: other frames")
    if destination.shape[1] != source.shape[1]:
        raise DiffusionError(f"cannot combine {destination.shape[1]} and {source.shape[1]} channels")


def _check_batches(first: Tensor, second: Tensor) -> None:
    if first.shape[0] != second.shape[0] and 1 not in (first.shape[0], second.shape[0]):
        got = f"{first.shape[0]} and {second.shape[0]}"
        raise DiffusionError(f"cannot blend batches of {got}: expected equal ones, or one of 1")


def _overlay(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a <= 0.5, 2.0 * a * b, 1.0 - 2.0 * (1.0 - a) * (1.0 - b))


def _soft_light(a: Tensor, b: Tensor) -> Tensor:
    """W3C, "Compositing and Blending Level 1", section 10.1.9."""
    raised = torch.where(a <= 0.25, ((16.0 * a - 12.0) * a + 4.0) * a, a.sqrt())
    return torch.where(b <= 0.5, a - (1.0 - 2.0 * b) * a * (1.0 - a), a + (2.0 * b - 1.0) * (raised - a))


# difference keeps its sign: where the second is brighter, the mix gets darker. So does ComfyUI's.
BLENDS: Mapping[str, Blend] = {
    "normal": lambda a, b: b,
    "multiply": lambda a, b: a * b,
    "screen": lambda a, b: 1.0 - (1.0 - a) * (1.0 - b),
    "overlay": _overlay,
    "soft_light": _soft_light,
    "difference": lambda a, b: a - b,
}
