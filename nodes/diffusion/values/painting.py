"""What was painted by hand, over images [B,H,W,C] of 0..1."""

from __future__ import annotations

import torch
from torch import Tensor

from weft.nodes.diffusion.values.pixels import check_images
from weft.nodes.diffusion.values.sizes import resized


def painted(image: Tensor, strokes: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """The images with the strokes over each, and where they are: [B,H,W,3] and [1,H,W], 1 where they cover all.

    Args:
        strokes: their colours [1,h,w,3] and where they are transparent [1,h,w], as `load_image` gives them; resized
            (bilinear) to the images. None where there are none.
    """
    check_images(image)
    height, width = image.shape[1:3]
    ground = image[..., :3]
    if strokes is None:
        return ground, torch.zeros(1, height, width)
    colours, transparent = (resized(part[:1].to(image), (width, height), "bilinear") for part in strokes)
    covered = 1.0 - transparent
    return ground * transparent[..., None] + colours * covered[..., None], covered
