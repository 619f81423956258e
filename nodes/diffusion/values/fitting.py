"""Pictures made to fit a size, as ImageResize+ of ComfyUI_essentials does: equal to its own, number for number."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate, pad

from weft.nodes.diffusion.values.pixels import scale_image

_LARGEST = 16384


def resized(
    image: Tensor, width: int, height: int, interpolation: str, method: str, condition: str, multiple_of: int
) -> Tensor:
    """Pictures [B,H,W,C] in 0..1 resized as the options say; a side of 0 is theirs, or any where proportions are kept.

    The condition compares the pictures with what they would be made by interpolating: before borders, before the cut.
    """
    _, rows, columns, _ = image.shape
    if multiple_of > 1:
        width, height = width - width % multiple_of, height - height % multiple_of
    if method in ("keep proportion", "pad"):
        made = _kept(image, width, height, interpolation, condition, method == "pad")
    else:
        width, height = width or columns, height or rows
        if method == "stretch":
            made = _scaled(image, width, height, interpolation, condition)
        else:
            made = _filled(image, width, height, interpolation, condition)
    if multiple_of > 1:
        _, rows, columns, _ = made.shape
        across, down = columns % multiple_of, rows % multiple_of
        left, top = across // 2, down // 2
        made = made[:, top : top + rows - down, left : left + columns - across]
    return made.clamp(0, 1)


def _kept(image: Tensor, width: int, height: int, interpolation: str, condition: str, padded: bool) -> Tensor:
    """As large as fits into the size; with black borders up to it where it is `padded`."""
    _, rows, columns, _ = image.shape
    if not width:
        width = _LARGEST if rows < height else columns
    if not height:
        height = _LARGEST if columns < width else rows
    ratio = min(width / columns, height / rows)
    across, down = max(1, round(columns * ratio)), max(1, round(rows * ratio))
    made = _scaled(image, across, down, interpolation, condition)
    if not padded or made is image:
        return made
    left, top = (width - across) // 2, (height - down) // 2
    return pad(made, (0, 0, left, width - across - left, top, height - down - top))


def _filled(image: Tensor, width: int, height: int, interpolation: str, condition: str) -> Tensor:
    """As small as covers the size, and cut to it, around the middle."""
    _, rows, columns, _ = image.shape
    ratio = max(width / columns, height / rows)
    across, down = max(width, round(columns * ratio)), max(height, round(rows * ratio))
    made = _scaled(image, across, down, interpolation, condition)
    if made is image:
        return image
    left, top = (across - width) // 2, (down - height) // 2
    return made[:, top : top + height, left : left + width]


def _scaled(image: Tensor, width: int, height: int, interpolation: str, condition: str) -> Tensor:
    """Pictures of this size; the pictures themselves where the condition is not met."""
    _, rows, columns, _ = image.shape
    if not _applies(condition, columns, rows, width, height):
        return image
    if interpolation == "nearest":  # torch's, which is not nearest-exact
        return interpolate(image.movedim(-1, 1), (height, width), mode="nearest").movedim(1, -1)
    return scale_image(image, width, height, interpolation)


def _applies(condition: str, columns: int, rows: int, width: int, height: int) -> bool:
    return {
        "always": True,
        "downscale if bigger": columns > width or rows > height,
        "upscale if smaller": columns < width or rows < height,
        "if bigger area": columns * rows > width * height,
        "if smaller area": columns * rows < width * height,
    }[condition]
