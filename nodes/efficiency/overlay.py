"""Laying a picture over others."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.sockets import Combo, Float, Int
from weft.nodes.core.types import Image, Mask
from weft.nodes.efficiency.face import node

RESIZES = ("None", "Fit", "Resize by rescale_factor", "Resize to width & heigth")
Side = Annotated[int, Int(default=512, min=0, max=16384, step=64)]
Offset = Annotated[int, Int(default=0, min=-48_000, max=48_000, step=10)]


@node(class_type="Image Overlay", category="Efficiency Nodes/Image")
def ImageOverlay(
    *,
    base_image: Image,
    overlay_image: Image,
    overlay_resize: Annotated[str, Combo(RESIZES)],
    resize_method: Annotated[str, Combo(("nearest-exact", "bilinear", "area"))],
    rescale_factor: Annotated[float, Float(default=1.0, min=0.01, max=16.0, step=0.1)],
    width: Side,
    height: Side,
    x_offset: Offset,
    y_offset: Offset,
    rotation: Annotated[int, Int(default=0, min=-180, max=180, step=5)],
    opacity: Annotated[float, Float(default=0.0, min=0.0, max=100.0, step=5.0)],
    optional_mask: Mask | None = None,
) -> Image:
    """Lay a picture over every picture of a batch: resized, turned, and more or less transparent.

    Args:
        base_image: The pictures below.
        overlay_image: The picture above; of a batch the first.
        overlay_resize: Keep its size, fit it into the pictures below, or resize it by the widgets below.
        resize_method: How to interpolate.
        rescale_factor: The factor for both sides.
        width: Its width in pixels.
        height: Its height in pixels.
        x_offset: Where its left edge lies, in pixels.
        y_offset: Where its upper edge lies.
        rotation: Degrees, counterclockwise, about its middle.
        opacity: How transparent it is, in spite of the name: 0 covers what is below, 100 cannot be seen.
        optional_mask: Where it is not seen; resized to it.
    """
    from weft.nodes.diffusion.values.overlay import overlay

    return overlay(
        base_image,
        overlay_image,
        resize=overlay_resize,
        method=resize_method,
        factor=rescale_factor,
        size=(width, height),
        offset=(x_offset, y_offset),
        rotation=rotation,
        opacity=opacity,
        mask=optional_mask,
    )
