"""Images [B,H,W,C] and their canvas: batched, cut, enlarged, made from nothing.

As ComfyUI 0.3.64 does, held by the goldens img_batch, img_pad*, img_empty, img_total_px and inp_outpaint.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.compositing import with_channels
from weft.nodes.diffusion.values.pixels import check_images, scale_image

MEGAPIXEL = 1024 * 1024
GREY = 0.5  # what stands where there is no picture yet


def empty_image(width: int, height: int, batch: int, colour: int) -> Tensor:
    """[batch,height,width,3] of one colour, 0xRRGGBB."""
    if min(width, height, batch) < 1 or not 0 <= colour <= 0xFFFFFF:
        raise DiffusionError(f"cannot make {batch} images of {width}x{height} pixels in colour {colour:#08x}")
    channels = [(colour >> shift & 0xFF) / 255.0 for shift in (16, 8, 0)]
    return torch.tensor(channels).repeat(batch, height, width, 1)


def join_images(first: Tensor, second: Tensor) -> Tensor:
    """Both batches in one, the second resized (bilinear, cut to the aspect) to the first; a missing alpha is 1."""
    check_images(first, second)
    channels = max(first.shape[-1], second.shape[-1])
    first, second = with_channels(first, channels), with_channels(second, channels).to(first.device)
    if first.shape[1:] != second.shape[1:]:
        second = scale_image(second, first.shape[2], first.shape[1], "bilinear", "center")
    return torch.cat((first, second))


def images_from_batch(image: Tensor, start: int, length: int) -> Tensor:
    """`length` pictures from index `start` on, as many as there are and at least the last one."""
    check_images(image)
    if start < 0 or length < 1:
        raise DiffusionError(f"cannot take {length} pictures from index {start}: both must be positive")
    start = min(len(image) - 1, start)
    return image[start : start + length].clone()


def crop_image(image: Tensor, width: int, height: int, x: int, y: int) -> Tensor:
    """The box, as far as it lies inside; x and y move back so far that a pixel remains."""
    check_images(image)
    if width < 1 or height < 1 or x < 0 or y < 0:
        raise DiffusionError(f"cannot crop an image to {width}x{height} pixels at x={x}, y={y}")
    x, y = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
    return image[:, y : y + height, x : x + width].clone()


def scale_to_megapixels(image: Tensor, megapixels: float, method: str, step: int = 1) -> Tensor:
    """The image resized, proportions kept, to so many times 1024 * 1024 pixels; sides are multiples of `step`."""
    check_images(image)
    rows, columns = image.shape[1:3]
    factor = math.sqrt(int(megapixels * MEGAPIXEL) / (rows * columns))
    width, height = (round(side * factor / step) * step for side in (columns, rows))
    if width < 1 or height < 1:
        raise DiffusionError(f"{columns}x{rows} pixels cannot become {megapixels} megapixels: a side would be 0")
    return scale_image(image, width, height, method)


def pad_for_outpaint(
    image: Tensor, left: int, top: int, right: int, bottom: int, feathering: int
) -> tuple[Tensor, Tensor]:
    """The image on a larger grey canvas, and the mask [1,H,W] of what is new, which fades into the image.

    A pixel at distance d < feathering from a side that grew is masked by (1 - d / feathering)^2. There is no fading
    where it would take half of the image or more.
    """
    check_images(image)
    if min(left, top, right, bottom, feathering) < 0:
        raise DiffusionError(f"cannot pad by {left}, {top}, {right}, {bottom} with feathering {feathering}: negative")
    batch, height, width, channels = image.shape
    canvas = torch.full((batch, top + height + bottom, left + width + right, channels), GREY, dtype=image.dtype)
    canvas[:, top : top + height, left : left + width] = image
    mask = torch.ones(canvas.shape[1:3])
    inside = torch.zeros(height, width)
    if feathering > 0 and 2 * feathering < min(height, width):
        rows = _distance(height, bool(top), bool(bottom))
        columns = _distance(width, bool(left), bool(right))
        distance = torch.minimum(rows[:, None], columns).clamp(max=feathering)
        inside = (((feathering - distance) / feathering) ** 2).float()
    mask[top : top + height, left : left + width] = inside
    return canvas, mask[None]


def _distance(size: int, at_start: bool, at_end: bool) -> Tensor:
    """[size] float64: how far each pixel is from the nearest of the sides that count; `size` where none does.

    The first pixel is at 0 from its side, the last one at 1 from its own.
    """
    at = torch.arange(size, dtype=torch.float64)
    far = torch.full_like(at, size)
    return torch.minimum(at if at_start else far, size - at if at_end else far)
