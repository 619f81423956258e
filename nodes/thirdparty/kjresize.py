"""KJNodes' Resize Image v2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.errors import WeftError
from weft.engine.schema.authoring import Output
from weft.engine.schema.sockets import Combo, Int, String
from weft.nodes.core.types import Image, Mask
from weft.nodes.thirdparty.face import marker

node = marker("comfyui-kjnodes", "KJNodes")

_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
_FITS = ("stretch", "resize", "pad", "pad_edge", "crop")
_OTHER_FITS = ("pad_edge_pixel", "pillarbox_blur", "total_pixels")
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
        keep_proportion: Stretch; resize within the size; pad with a colour or with the edges up to it; crop to it.
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
    wanted = _size(columns, rows, width, height, keep_proportion, divisible_by)
    inner = wanted
    if keep_proportion in ("pad", "pad_edge"):
        ratio = min(wanted[0] / columns, wanted[1] / rows)
        inner = max(1, round(columns * ratio)), max(1, round(rows * ratio))
    elif keep_proportion == "crop":
        both = _cropped(both, wanted[0] / wanted[1], crop_position)
    # Apart: a picture may have an alpha channel.
    parts = (both[..., :channels], both[..., channels:].expand(-1, -1, -1, 3))
    made, masked = (scale_image(part, *inner, upscale_method) for part in parts)
    masked = masked[..., 0]
    if inner != wanted:
        made, masked = _padded(made, masked, wanted, keep_proportion, pad_color, crop_position)
    return made, made.shape[2], made.shape[1], masked


def _size(columns: int, rows: int, width: int, height: int, fit: str, multiple: int) -> tuple[int, int]:
    """The size of what is given out."""
    if fit == "resize":
        if width and height:
            ratio = min(width / columns, height / rows)
        else:
            ratio = width / columns if width else height / rows if height else 1.0
        width, height = round(columns * ratio), round(rows * ratio)
    width, height = width or columns, height or rows
    if multiple > 1:
        width, height = max(width - width % multiple, multiple), max(height - height % multiple, multiple)
    return width, height


def _cropped(image: Any, aspect: float, place: str) -> Any:
    """As much of pictures as has these proportions."""
    _, rows, columns, _ = image.shape
    across = min(columns, max(1, round(rows * aspect)))
    down = min(rows, max(1, round(columns / aspect)))
    x, y = _SHARES[place]
    left, top = int((columns - across) * x), int((rows - down) * y)
    return image[:, top : top + down, left : left + across]


def _padded(image: Any, mask: Any, size: tuple[int, int], fit: str, color: str, place: str) -> tuple[Any, Any]:
    """Pictures on a canvas; what is added is masked."""
    import torch

    count, rows, columns, channels = image.shape
    width, height = size
    x, y = _SHARES[place]
    left, top = int((width - columns) * x), int((height - rows) * y)
    if fit == "pad_edge":
        down = torch.arange(height).sub(top).clamp(0, rows - 1)
        across = torch.arange(width).sub(left).clamp(0, columns - 1)
        made = image[:, down][:, :, across].clone()
    else:
        made = torch.empty(count, height, width, channels)
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
