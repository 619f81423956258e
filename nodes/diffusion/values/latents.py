"""Latents as values: {"samples": [B,C,h,w], "noise_mask"?, "batch_index"?, ...}. What is given stays as it is.

The samples of videos are [B,C,T,h,w]; all here takes both.

Semantics as measured on ComfyUI 0.3.64 (parity/facts.md sections 1 and 10), held by the goldens lat_* and
kv_seedbehavior_*. A position in pixels is 8 times one in the latent; fractions are cut. Unless said otherwise
everything but the samples is passed on unchanged, the noise mask included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Required, TypedDict

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.values.masks import as_masks
from weft.nodes.diffusion.values.pixels import LATENT_PIXELS, resize, to_batch


class Latent(TypedDict, total=False):
    """A LATENT. Third-party nodes put more into it, which is passed on.

    samples: float32 [B,C,h,w], or [B,C,T,h,w] of videos, unscaled, on the CPU. noise_mask: [b,H,W], 1 where it is
    sampled. batch_index: which item of the noise each item takes. sampler_state: what a stage left for the next one
    (sampling/continuous.py). downscale_ratio_*: of an empty one, how many pixels and frames an element is.
    """

    samples: Required[Tensor]
    noise_mask: Tensor
    batch_index: list[int]
    sampler_state: dict[str, Any]
    downscale_ratio_spacial: int
    downscale_ratio_temporal: int


ROTATIONS: Mapping[str, int] = {"none": 0, "90 degrees": 1, "180 degrees": 2, "270 degrees": 3}  # clockwise
FLIPS: Mapping[str, int] = {"x-axis: vertically": -2, "y-axis: horizontally": -1}  # the axis that is turned round
SMALLEST_CROP = 8  # latent pixels that a crop leaves at the right and lower edge


def samples_of(latent: Latent) -> Tensor:
    """The samples [B,C,h,w] or [B,C,T,h,w] of a latent. Raises DiffusionError where there are none of this form."""
    samples = latent.get("samples") if isinstance(latent, Mapping) else latent
    if not isinstance(samples, Tensor) or samples.dim() not in (4, 5) or 0 in samples.shape:
        got = list(samples.shape) if isinstance(samples, Tensor) else type(samples).__name__
        raise DiffusionError(f'a latent needs "samples" of shape [batch, channels, height, width], got {got}')
    return samples


def fit(samples: Tensor, like: Tensor) -> Tensor:
    """Samples resized (bilinear, cut to the aspect) to the size of `like`, and repeated or cut to its batch.

    Raises:
        DiffusionError: the two have different channels.
    """
    return to_batch(fit_size(samples, like), like.shape[0])


def fit_size(samples: Tensor, like: Tensor, method: str = "bilinear") -> Tensor:
    """Samples resized, cut to the aspect first, to the size of `like`; their batch stays."""
    if samples.shape[1] != like.shape[1]:
        raise DiffusionError(f"cannot combine latents of {like.shape[1]} and {samples.shape[1]} channels")
    if samples.dim() != like.dim() or samples.shape[2:-2] not in (like.shape[2:-2], (1,)):
        raise DiffusionError(f"cannot combine latents {list(like.shape)} and {list(samples.shape)}: other frames")
    samples = samples.expand(*samples.shape[:2], *like.shape[2:-2], *samples.shape[-2:])
    if samples.shape[-2:] == like.shape[-2:]:
        return samples
    return resize(samples, like.shape[-1], like.shape[-2], method, "center")


def join(first: Latent, second: Latent) -> Latent:
    """Both batches in one, the second at the size of the first; each item keeps the index that its noise comes from."""
    a, b = samples_of(first), samples_of(second)
    samples = torch.cat((a, fit_size(b, a)))
    return {**first, "samples": samples, "batch_index": _indices(first) + _indices(second)}


def from_batch(latent: Latent, start: int, length: int) -> Latent:
    """`length` items from index `start` on, as many as there are and at least the last one, with their noise masks."""
    samples = samples_of(latent)
    start = min(samples.shape[0] - 1, start)
    if start < 0 or length < 1:
        raise DiffusionError(f"cannot take {length} items from index {start}: both must be positive")
    chosen = slice(start, start + length)
    result: Latent = {**latent, "samples": samples[chosen].clone(), "batch_index": _indices(latent)[chosen]}
    mask = _mask_by_item(latent)
    if mask is not None:
        result["noise_mask"] = mask[chosen].clone()
    return result


def repeat(latent: Latent, amount: int) -> Latent:
    """The batch `amount` times over. Indices that are given go on counting, so that each copy gets noise of its own."""
    samples = samples_of(latent)
    if amount < 1:
        raise DiffusionError(f"cannot repeat a batch {amount} times, expected at least 1")
    result: Latent = {**latent, "samples": samples.repeat(amount, *[1] * (samples.dim() - 1))}
    mask = _mask_by_item(latent)
    if mask is not None:
        result["noise_mask"] = mask.repeat(amount, *[1] * (mask.dim() - 1))
    if latent.get("batch_index") is not None:
        indices = _indices(latent)
        span = max(indices) - min(indices) + 1
        result["batch_index"] = [index + copy * span for copy in range(amount) for index in indices]
    return result


def seed_behavior(latent: Latent, behavior: str) -> Latent:
    """Which noise the items get: "random" each its own, "fixed" all that of the first one's index."""
    samples = samples_of(latent)
    result: Latent = {**latent}
    if behavior == "random":
        result.pop("batch_index", None)
    elif behavior == "fixed":
        result["batch_index"] = _indices(latent)[:1] * samples.shape[0]
    else:
        known = ("random", "fixed")
        raise DiffusionError(f"unknown seed behavior {behavior!r}{nearest(behavior, known)}: one of {', '.join(known)}")
    return result


def rotate(samples: Tensor, rotation: str) -> Tensor:
    """Samples turned clockwise by a key of ROTATIONS."""
    return torch.rot90(samples, _choice(ROTATIONS, rotation, "rotation"), (-1, -2))


def flip(samples: Tensor, method: str) -> Tensor:
    """Samples mirrored by a key of FLIPS."""
    return samples.flip(_choice(FLIPS, method, "flip method"))


def crop(samples: Tensor, width: int, height: int, x: int, y: int) -> Tensor:
    """A box given in pixels. x and y move back so far that 8 latent pixels remain; what lies outside is cut off."""
    rows, columns = samples.shape[-2:]
    cells_wide, cells_high, x, y = (value // LATENT_PIXELS for value in (width, height, x, y))
    if cells_wide < 1 or cells_high < 1 or x < 0 or y < 0:
        raise DiffusionError(f"cannot crop a latent to {width}x{height} pixels at x={x * 8}, y={y * 8}")
    x, y = min(x, max(0, columns - SMALLEST_CROP)), min(y, max(0, rows - SMALLEST_CROP))
    return samples[..., y : y + cells_high, x : x + cells_wide].clone()


def interpolate(a: Tensor, b: Tensor, ratio: float) -> Tensor:
    """Between b (ratio 0) and a (1): length and direction of the channel vectors are mixed apart."""
    a_length: Tensor = a.norm(dim=1, keepdim=True)
    b_length: Tensor = b.norm(dim=1, keepdim=True)
    # A vector of length 0 has no direction: 0 / 0 counts as 0.
    way = torch.nan_to_num(a / a_length) * ratio + torch.nan_to_num(b / b_length) * (1.0 - ratio)
    way = torch.nan_to_num(way / way.norm(dim=1, keepdim=True))
    return way * (a_length * ratio + b_length * (1.0 - ratio))


def _indices(latent: Latent) -> list[int]:
    """Which item of the noise each item of the batch takes; counted from 0 where nothing is said."""
    count = samples_of(latent).shape[0]
    given = latent.get("batch_index")
    if given is None:
        return list(range(count))
    if len(given) != count:
        raise DiffusionError(f"the latent has a batch_index of {len(given)} for {count} samples")
    return list(given)


def _mask_by_item(latent: Latent) -> Tensor | None:
    """The noise mask, one for each item; None where there is none, or one for all."""
    mask: Tensor | None = latent.get("noise_mask")
    if mask is None or _items(mask) == 1:
        return None
    return to_batch(mask, samples_of(latent).shape[0])


def _items(mask: Tensor) -> int:
    """How many items of a batch a noise mask is for: [H,W], [m,H,W], [m,1,H,W], or [m,1,T,H,W] of videos."""
    return mask.shape[0] if isinstance(mask, Tensor) and mask.dim() == 5 else len(as_masks(mask))


def _choice(table: Mapping[str, int], name: str, what: str) -> int:
    if name not in table:
        raise DiffusionError(f"unknown {what} {name!r}{nearest(name, table)}: one of {', '.join(table)}")
    return table[name]
