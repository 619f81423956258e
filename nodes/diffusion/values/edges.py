"""Edges and shapes in images [B,H,W,C] of 0..1: Canny's detector, as kornia has it, and morphology of grey values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.values.pixels import check_images


def canny(image: Tensor, low: float, high: float) -> Tensor:
    """White edges on black [B,H,W,3] (Canny 1986): a Gaussian blur of 5x5 and sigma 1, Sobel gradients, thinned.

    Args:
        low: a gradient above it is an edge where it touches one that is.
        high: a gradient above it is an edge.

    Raises:
        DiffusionError: no image of 3 or 4 channels, or not 0 < low <= high < 1.
    """
    from kornia.filters import canny as detect

    check_images(image)
    if not 0.0 < low <= high < 1.0:
        raise DiffusionError(f"expected thresholds 0 < low <= high < 1, got {low} and {high}")
    if image.shape[-1] < 3:
        raise DiffusionError(f"expected an image of 3 or 4 channels, got {image.shape[-1]}")
    _, edges = detect(image[..., :3].movedim(-1, 1), low, high)
    return edges.movedim(1, -1).repeat(1, 1, 1, 3)


def morph(image: Tensor, operation: str, size: int) -> Tensor:
    """A key of OPERATIONS on each channel, over squares of `size` pixels a side; nothing outside counts."""
    check_images(image)
    if operation not in OPERATIONS:
        known = ", ".join(OPERATIONS)
        raise DiffusionError(f"unknown operation {operation!r}{nearest(operation, OPERATIONS)}: one of {known}")
    if size < 1:
        raise DiffusionError(f"expected squares of 1 pixel at least, got {size}")
    return OPERATIONS[operation](image.movedim(-1, 1), size).movedim(1, -1)


def _maxima(image: Tensor, before: int, after: int) -> Tensor:
    """Of [B,C,H,W] over squares that reach so far up and left, and down and right: of rows first, so that the cost
    grows with the side, not with the square."""
    size = before + after + 1
    wide = max_pool2d(pad(image, (before, after, 0, 0), value=-float("inf")), (1, size), 1)
    return max_pool2d(pad(wide, (0, 0, before, after), value=-float("inf")), (size, 1), 1)


def _dilated(image: Tensor, size: int) -> Tensor:
    return _maxima(image, (size - 1) // 2, size // 2)


def _eroded(image: Tensor, size: int) -> Tensor:
    """With the mirrored square, so that opening and closing move nothing."""
    return -_maxima(-image, size // 2, (size - 1) // 2)


def _opened(image: Tensor, size: int) -> Tensor:
    return _dilated(_eroded(image, size), size)


def _closed(image: Tensor, size: int) -> Tensor:
    return _eroded(_dilated(image, size), size)


OPERATIONS: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "erode": _eroded,
    "dilate": _dilated,
    "open": _opened,
    "close": _closed,
    "gradient": lambda image, size: _dilated(image, size) - _eroded(image, size),
    "bottom_hat": lambda image, size: _closed(image, size) - image,
    "top_hat": lambda image, size: image - _opened(image, size),
}
