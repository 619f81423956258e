"""Masks [m,H,W] of 0..1: combined, grown, feathered, cut. What is given stays as it is.

As ComfyUI 0.3.64 does, held by the goldens mask_*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from weft.nodes.diffusion.eras import changed
from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.values.pixels import as_pictures, as_videos, to_batch

CHANNELS = ("red", "green", "blue", "alpha")


def as_masks(mask: Tensor) -> Tensor:
    """A mask [H,W], [m,H,W] or [m,1,H,W] as [m,H,W]. Raises DiffusionError for anything else."""
    if not isinstance(mask, Tensor):
        raise DiffusionError(f"a mask must be a tensor, got {type(mask).__name__}")
    if mask.dim() not in (2, 3, 4) or (mask.dim() == 4 and mask.shape[1] != 1) or 0 in mask.shape:
        raise DiffusionError(f"a mask must be [height, width] or [batch, height, width], got {list(mask.shape)}")
    return mask.reshape(-1, *mask.shape[-2:])


def solid(value: float, width: int, height: int) -> Tensor:
    """[1,height,width] of one value."""
    if width < 1 or height < 1:
        raise DiffusionError(f"cannot make a mask of {width}x{height} pixels")
    return torch.full((1, height, width), value)


def invert(mask: Tensor) -> Tensor:
    """1 less the mask, of the same shape."""
    return 1.0 - as_masks(mask).float().reshape(mask.shape)


def crop(mask: Tensor, x: int, y: int, width: int, height: int) -> Tensor:
    """The box, as far as it lies inside.

    Raises:
        DiffusionError: a box without a pixel of the mask in it.
    """
    masks = as_masks(mask)
    rows, columns = masks.shape[1:]
    if not (0 <= x < columns and 0 <= y < rows and width > 0 and height > 0):
        box = f"{width}x{height} at x={x}, y={y}"
        raise DiffusionError(f"a box of {box} holds nothing of a mask of {columns}x{rows} pixels")
    return masks[:, y : y + height, x : x + width].clone()


def composite(destination: Tensor, source: Tensor, x: int, y: int, operation: str) -> Tensor:
    """The source put onto the destination by a key of OPERATIONS, its upper left corner at x, y; clamped to 0..1.

    Raises:
        DiffusionError: another operation, or a batch of sources that is neither 1 nor the destination's.
    """
    if operation not in OPERATIONS:
        known = ", ".join(OPERATIONS)
        raise DiffusionError(f"unknown mask operation {operation!r}{nearest(operation, OPERATIONS)}: one of {known}")
    if x < 0 or y < 0:
        raise DiffusionError(f"x and y must not be negative, got {x} and {y}")
    result, source = as_masks(destination).clone(), as_masks(source)
    if source.shape[0] not in (1, result.shape[0]):
        got, expected = source.shape[0], result.shape[0]
        raise DiffusionError(f"cannot put {got} masks onto {expected}: expected 1 or {expected}")
    rows, columns = result.shape[1:]
    source = source[:, : max(0, rows - y), : max(0, columns - x)].to(result)
    here = (slice(None), slice(y, y + source.shape[1]), slice(x, x + source.shape[2]))
    result[here] = OPERATIONS[operation](result[here], source)
    return result.clamp(0.0, 1.0)


def feather(mask: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    """The mask fading out towards its sides, over so many pixels each."""
    if min(left, top, right, bottom) < 0:
        raise DiffusionError(f"cannot feather by {left}, {top}, {right} and {bottom}: none may be negative")
    masks = as_masks(mask)
    rows, columns = masks.shape[1:]
    return masks * (_edges(rows, top, bottom)[:, None] * _edges(columns, left, right)).to(masks)


def grow(mask: Tensor, pixels: int, tapered_corners: bool) -> Tensor:
    """The mask grown, or shrunk where `pixels` is negative: maxima, or minima, over a diamond or a square around."""
    masks = as_masks(mask)
    # Beyond the sum of its sides nothing changes any more.
    reach = min(abs(pixels), sum(masks.shape[1:]))
    sign = 1.0 if pixels >= 0 else -1.0
    grown = masks[:, None] * sign
    if tapered_corners:
        for _ in range(reach):
            grown = torch.maximum(max_pool2d(grown, (3, 1), 1, (1, 0)), max_pool2d(grown, (1, 3), 1, (0, 1)))
    else:
        grown = max_pool2d(max_pool2d(grown, (2 * reach + 1, 1), 1, (reach, 0)), (1, 2 * reach + 1), 1, (0, reach))
    return grown[:, 0] * sign if reach else masks.clone()


def from_image(image: Tensor, channel: str) -> Tensor:
    """One channel of an image [B,H,W,C] as masks [B,H,W].

    Raises:
        DiffusionError: another channel, or alpha of an image that has none.
    """
    if channel not in CHANNELS:
        raise DiffusionError(f"unknown channel {channel!r}{nearest(channel, CHANNELS)}: one of {', '.join(CHANNELS)}")
    index = CHANNELS.index(channel)
    if image.dim() != 4 or index >= image.shape[-1]:
        raise DiffusionError(f"an image of shape {list(image.shape)} (B,H,W,C) has no channel {channel}")
    return image[..., index].clone()


def to_image(mask: Tensor) -> Tensor:
    """Masks as grey images [m,H,W,3]."""
    return as_masks(mask)[..., None].repeat(1, 1, 1, 3)


def _edges(size: int, before: int, after: int) -> Tensor:
    """[size] weights of feather along one axis.

    Until the change `feather-far-edges` the far end is counted from -0, as in ComfyUI: its ramp is one pixel out, and
    the first pixel of the mask gets its first value.
    """
    first = 1 if changed("feather-far-edges") else 0
    weight = torch.ones(size)
    before, after = min(before, size), min(after, size)
    for t in range(before):
        weight[t] *= (t + 1) / before
    for t in range(after):
        weight[-t - first] *= (t + 1) / after
    return weight


def _logical(operation: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """On masks rounded to 0 and 1; 0.5 is 0."""
    return lambda a, b: operation(a.round().bool(), b.round().bool()).float()


OPERATIONS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "multiply": torch.mul,
    "add": torch.add,
    "subtract": torch.sub,
    "and": _logical(torch.logical_and),
    "or": _logical(torch.logical_or),
    "xor": _logical(torch.logical_xor),
}


def resize_mask(mask: Tensor, height: int, width: int) -> Tensor:
    """A mask [h,w], [m,h,w] or [m,1,h,w] as [m,height,width] float32, bilinear, not rounded."""
    mask = as_masks(mask).float()[:, None]
    if mask.shape[-2:] != (height, width):
        mask = torch.nn.functional.interpolate(mask, size=(height, width), mode="bilinear")
    return mask[:, 0]


def noise_mask_for(mask: Tensor, latent: Tensor) -> Tensor:
    """A noise mask at the size of a latent and with its batch, on its device: [B,1,h,w].

    Args:
        mask: as resize_mask's; for the latent of a video [B,C,T,h,w], where it counts for all frames, also
            [m,1,T,H,W], one for each.

    Returns:
        For a video [B,1,T,h,w] or [B,1,1,h,w].

    Raises:
        DiffusionError: no mask of this form, or one of other frames.
    """
    height, width = latent.shape[-2:]
    if isinstance(mask, Tensor) and mask.dim() == 5:
        frames = latent.shape[2] if latent.dim() == 5 else 0
        if mask.shape[1] != 1 or mask.shape[2] not in (1, frames):
            raise DiffusionError(f"the noise mask is {list(mask.shape)}, the latent {list(latent.shape)}: other frames")
        resized = as_videos(resize_mask(as_pictures(mask), height, width)[:, None], mask)
    else:
        resized = resize_mask(mask, height, width).reshape(-1, *[1] * (latent.dim() - 3), height, width)
    return to_batch(resized, latent.shape[0]).to(latent.device)
