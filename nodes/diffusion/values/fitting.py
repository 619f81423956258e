"""Pictures made to fit a size, as ImageResize+ of ComfyUI_essentials does: derived from what is said of its options."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import pad

from weft.nodes.diffusion.values.pixels import scale_image

_LARGEST = 16384


def resized(
    image: Tensor, width: int, height: int, interpolation: str, method: str, condition: str, multiple_of: int
) -> Tensor:
    """Pictures [B,H,W,C] resized as the options say; a side of 0 is that of the pictures, or any where one follows."""
    _, rows, columns, _ = image.shape
    if multiple_of > 1:
        width, height = width - width % multiple_of, height - height % multiple_of
    if method in ("keep proportion", "pad"):
        made = _kept(image, width, height, interpolation, condition, method == "pad")
    else:
        width, height = width or columns, height or rows
        if not _applies(condition, columns, rows, width, height):
            made = image
        elif method == "stretch":
            made = scale_image(image, width, height, _method(interpolation))
        else:
            made = _filled(image, width, height, interpolation)
    if multiple_of > 1:
        _, rows, columns, _ = made.shape
        across, down = columns % multiple_of, rows % multiple_of
        left, top = across // 2, down // 2
        made = made[:, top : top + rows - down, left : left + columns - across]
    return made


def _kept(image: Tensor, width: int, height: int, interpolation: str, condition: str, padded: bool) -> Tensor:
    """As large as fits into the size; with black borders up to it where it is `padded`."""
    _, rows, columns, _ = image.shape
    if not width:
        width = _LARGEST if rows < height else columns
    if not height:
        height = _LARGEST if columns < width else rows
    if not _applies(condition, columns, rows, width, height):
        return image
    ratio = min(width / columns, height / rows)
    across, down = max(1, round(columns * ratio)), max(1, round(rows * ratio))
    made = scale_image(image, across, down, _method(interpolation))
    if not padded:
        return made
    left, top = (width - across) // 2, (height - down) // 2
    return pad(made, (0, 0, left, width - across - left, top, height - down - top))


def _filled(image: Tensor, width: int, height: int, interpolation: str) -> Tensor:
    """As small as covers the size, and cut to it, around the middle."""
    _, rows, columns, _ = image.shape
    ratio = max(width / columns, height / rows)
    across, down = max(width, round(columns * ratio)), max(height, round(rows * ratio))
    made = scale_image(image, across, down, _method(interpolation))
    left, top = (across - width) // 2, (down - height) // 2
    return made[:, top : top + height, left : left + width]


def _applies(condition: str, columns: int, rows: int, width: int, height: int) -> bool:
    return {
        "always": True,
        "downscale if bigger": columns > width or rows > height,
        "upscale if smaller": columns < width or rows < height,
        "if bigger area": columns * rows > width * height,
        "if smaller area": columns * rows < width * height,
    }[condition]


def _method(interpolation: str) -> str:
    return "nearest-exact" if interpolation == "nearest" else interpolation
