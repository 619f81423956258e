"""Pictures turned, mirrored, repeated, put beside each other; pictures, masks and latents put into one batch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Annotated, Any

from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Autogrow, Boolean, Combo, Int
from weft.nodes.core.types import NEWER, Image, Latent, Mask

IMAGES = "comfy_extras.nodes_images"
TRANSFORM = "image/transform"
MOST = 50
"""The most inputs of a node that puts them into one batch."""


def _row(name: str, io_type: str) -> Autogrow:
    """Inputs `name0`, `name1`, ... of a type, of which the first must be there."""
    return Autogrow(template={"input": {"required": {name: [io_type, {}]}}, "prefix": name, "min": 1, "max": MOST})


@node(category=TRANSFORM, python_module=IMAGES)
def ImageRotate(
    *, image: Image, rotation: Annotated[str, Combo(("none", "90 degrees", "180 degrees", "270 degrees"))]
) -> Image:
    """Turn pictures.

    Args:
        image: The pictures.
        rotation: How far, clockwise.
    """
    from weft.nodes.diffusion.values.arranging import rotate

    return rotate(image, rotation)


@node(category=TRANSFORM, python_module=IMAGES)
def ImageFlip(
    *, image: Image, flip_method: Annotated[str, Combo(("x-axis: vertically", "y-axis: horizontally"))]
) -> Image:
    """Mirror pictures.

    Args:
        image: The pictures.
        flip_method: Up to down, or left to right.
    """
    from weft.nodes.diffusion.values.arranging import flip

    return flip(image, flip_method)


@node(category="image/batch", python_module=IMAGES)
def RepeatImageBatch(*, image: Image, amount: Annotated[int, Int(default=1, min=1, max=4096)]) -> Image:
    """Repeat a batch of pictures.

    Args:
        image: The batch.
        amount: How many times it is there then.
    """
    from weft.nodes.diffusion.values.arranging import repeat

    return repeat(image, amount)


@node(display_name="Image Stitch", category=TRANSFORM, python_module=IMAGES)
def ImageStitch(
    *,
    image1: Image,
    direction: Annotated[str, Combo(("right", "down", "left", "up"), default="right")],
    match_image_size: Annotated[bool, Boolean(default=True)],
    spacing_width: Annotated[int, Int(default=0, min=0, max=1024, step=2)],
    spacing_color: Annotated[str, Combo(("white", "black", "red", "green", "blue"), default="white")],
    image2: Image | None = None,
) -> Image:
    """Put a picture beside another.

    Args:
        image1: The first picture; it stays as it is where there is no second.
        direction: Where the second picture is, seen from the first.
        match_image_size: Resize the second to the side that they share; otherwise the smaller one is centred.
        spacing_width: Pixels between them.
        spacing_color: What lies between them.
        image2: The second picture.
    """
    from weft.nodes.diffusion.values.arranging import stitch

    if image2 is None:
        return image1
    return stitch(image1, image2, direction, match_image_size, spacing_width, spacing_color)


@node(display_name="Batch Images", category="image/batch", python_module=NEWER)
def BatchImagesNode(*, images: Annotated[Mapping[str, Any], _row("image", "IMAGE")]) -> Image:
    """Put pictures into one batch.

    Args:
        images: The pictures, or batches of them, in their order; all are resized to the first.
    """
    from weft.nodes.diffusion.values.arranging import join_all

    return join_all([*images.values()])


@node(display_name="Batch Masks", category="mask", python_module=NEWER)
def BatchMasksNode(*, masks: Annotated[Mapping[str, Any], _row("mask", "MASK")]) -> Mask:
    """Put masks into one batch.

    Args:
        masks: The masks, in their order; all are resized to the first.
    """
    from weft.nodes.diffusion.values.arranging import join_masks

    return join_masks([*masks.values()])


@node(display_name="Batch Latents", category="latent", python_module=NEWER)
def BatchLatentsNode(*, latents: Annotated[Mapping[str, Any], _row("latent", "LATENT")]) -> Latent:
    """Put latents into one batch.

    Args:
        latents: The latents, in their order; all are resized to the first.
    """
    from weft.nodes.diffusion.values.latents import join

    return reduce(join, latents.values())
