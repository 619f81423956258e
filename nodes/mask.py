"""Masks."""

from __future__ import annotations

from typing import Annotated

from engine.authoring import node
from engine.context import RunContext
from engine.sockets import Combo
from nodes.image import ImageFile
from nodes.types import Mask


@node(display_name="Load Image (as Mask)", category="mask")
def LoadImageMask(
    *, image: ImageFile, channel: Annotated[str, Combo(("alpha", "red", "green", "blue"))], context: RunContext
) -> Mask:
    """Read one channel of a picture as a mask.

    Args:
        image: A file in the input folder.
        channel: alpha is inverted: what is transparent is masked.
    """
    from nodes.diffusion.imagefile import load_mask

    return load_mask(context.folders.find("input", image), channel)
