"""KJNodes' Resize Image v2."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.errors import WeftError
from weft.engine.schema.authoring import Output
from weft.engine.schema.sockets import Combo, Int, String
from weft.nodes.core.types import Image, Mask
from weft.nodes.thirdparty.face import marker

node = marker("comfyui-kjnodes", "KJNodes")

Size = tuple[int, int]

_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
_PADS = ("pad", "pad_edge", "pad_edge_pixel")
_FITS = ("stretch", "resize", *_PADS, "crop")
_OTHER_FITS = ("pillarbox_blur", "total_pixels")
_PLACES = ("center", "top", "bottom", "left", "right")
_NO_FIT = f"one of {', '.join(_FITS)} is carried out here"

# Where the picture stands of what is free beside it, from the left and from above.
_SHARES: Mapping[str, tuple[float, float]] = {
    "center": (0.5, 0.5),
    "top": (0.5, 0.0),
    "bottom": (0.5, 1.0),
    "left": (0.0, 0.5),
    "right": (1.0, 0.5),
}


@node(class_type="ImageResizeKJv2", display_name="Resize Image v2")
def ImageResizeKJv2(
    *,
    image: Image,
    width: Annotated[int, Int(default=512, min=0, max=16384, step=1)],
    height: Annotated[int, Int(default=512, min=0, max=16384, step=1)],
    upscale_method: Annotated[str, Combo(_METHODS)],
    keep_proportion: Annotated[
        str, Combo((*_FITS, *_OTHER_FITS), default="stretch", unsupported=dict.fromkeys(_OTHER_FITS, _NO_FIT))
    ],
    pad_color: Annotated[str, String(default="0, 0, 0")],
    crop_position: Annotated[str, Combo(_PLACES, default="center")],
    divisible_by: Annotated[int, Int(default=2, min=0, max=512, step=1)],
    mask: Mask | None = None,
    device: Annotated[str, Combo(("cpu", "gpu"))] = "cpu",
) -> tuple[
    Annotated[Image, Output("IMAGE")],
    Annotated[int, Int(), Output("width")],
    Annotated[int, Int(), Output("height")],
    Annotated[Mask, Output("mask")],
]:
    """Resize pictures, and a mask with them.

    Args:
        image: The pictures.
        width: Width in pixels; 0 for that of the pictures or, where proportions are kept and height is given, for any.
        height: Height in pixels; 0 likewise.
        upscale_method: How to interpolate.
        keep_proportion: Stretch; resize within the size; pad up to it, with a colour, with each edge's mean, or with
            the edges' pixels; crop to it.
        pad_color: Red, green and blue, 0 to 255 each.
        crop_position: Where the picture stands, or what is kept of it.
        divisible_by: What both sides are made multiples of, by making them smaller; 0 or 1 for any.
        mask: Masks of the pictures' size; without any, the mask is empty, or what was padded.
        device: Where it is computed. Here it is the CPU.
    """
    import torch

    from weft.nodes.diffusion.values.pixels import scale_image

    count, rows, columns, channels = image.shape
    masks = torch.zeros(count, rows, columns) if mask is None else mask.expand(count, -1, -1)
    if masks.shape[1:] != image.shape[1:3]:
        raise WeftError(f"the mask is {masks.shape[2]}x{masks.shape[1]}, the pictures are {columns}x{rows}")
    both = torch.cat((image, masks[..., None]), dim=-1)
    inner, canvas, corner = _sizes(columns, rows, width, height, keep_proportion, divisible_by, crop_position)
    if keep_proportion == "crop":
        both = _cropped(both, inner[0] / inner[1], crop_position)
    # Apart: a picture may have an alpha channel.
    parts = (both[..., :channels], both[..., channels:].expand(-1, -1, -1, 3))
    made, masked = (scale_image(part, *inner, upscale_method) for part in parts)
    masked = masked[..., 0]
    if inner != canvas:
        made, masked = _padded(made, masked, canvas, corner, keep_proportion, pad_color)
    return made, made.shape[2], made.shape[1], masked


def _sizes(columns: int, rows: int, width: int, height: int, fit: str, multiple: int, place: str) -> tuple[Size, ...]:
    """What pictures are interpolated to, the canvas, and the corner of the pictures on it.

    As in the pack, the interpolated size is cut to a multiple, and what is free was reckoned before: so a canvas that
    is no multiple then grows at the right and at the bottom.
    """
    fitted = width or columns, height or rows
    if fit == "resize" or fit in _PADS:
        ratio = min(width / columns or math.inf, height / rows or math.inf)
        fitted = (columns, rows) if ratio == math.inf else (round(columns * ratio), round(rows * ratio))
    step = max(multiple, 1)
    inner = max(fitted[0] - fitted[0] % step, step), max(fitted[1] - fitted[1] % step, step)
    free = max(width - fitted[0], 0), max(height - fitted[1], 0)
    if fit not in _PADS or not any(free):
        return inner, inner, (0, 0)
    canvas = -(-(inner[0] + free[0]) // step) * step, -(-(inner[1] + free[1]) // step) * step
    x, y = _SHARES[place]
    return inner, canvas, (int(free[0] * x), int(free[1] * y))


def _cropped(image: Any, aspect: float, place: str) -> Any:
    """As much of pictures as has these proportions."""
    _, rows, columns, _ = image.shape
    across = min(columns, max(1, round(rows * aspect)))
    down = min(rows, max(1, round(columns / aspect)))
    x, y = _SHARES[place]
    left, top = int((columns - across) * x), int((rows - down) * y)
    return image[:, top : top + down, left : left + across]


def _padded(image: Any, mask: Any, canvas: Size, corner: Size, fit: str, color: str) -> tuple[Any, Any]:
    """Pictures on a canvas; what is added is masked."""
    import torch

    count, rows, columns, channels = image.shape
    width, height = canvas
    left, top = corner
    if fit == "pad_edge_pixel":
        down = torch.arange(height).sub(top).clamp(0, rows - 1)
        across = torch.arange(width).sub(left).clamp(0, columns - 1)
        made = image[:, down][:, :, across].clone()
    else:
        made = torch.empty(count, height, width, channels)
        if fit == "pad_edge":
            made[:, :top] = image[:, :1].mean(dim=2, keepdim=True)
            made[:, top + rows :] = image[:, -1:].mean(dim=2, keepdim=True)
            made[:, :, :left] = image[:, :, :1].mean(dim=1, keepdim=True)
            made[:, :, left + columns :] = image[:, :, -1:].mean(dim=1, keepdim=True)
        else:
            made[:] = torch.tensor([*_color(color), 1.0][:channels])
        made[:, top : top + rows, left : left + columns] = image
    masked = torch.ones(count, height, width)
    masked[:, top : top + rows, left : left + columns] = mask
    return made, masked


def _color(text: str) -> list[float]:
    try:
        parts = [float(part) / 255 for part in text.split(",")]
    except ValueError:
        parts = []
    if len(parts) == 1:
        parts = parts * 3
    if len(parts) != 3 or not all(0 <= part <= 1 for part in parts):
        raise WeftError(f"pad_color is {text!r:.40}: expected red, green and blue, 0 to 255 each, such as '0, 0, 0'")
    return parts
