"""Sizes in pixels that models were trained at, (width, height)."""

from __future__ import annotations

import math

from torch import Tensor

from weft.nodes.diffusion.values.pixels import check_images

# Black Forest Labs' FLUX.1 Kontext: about a million pixels in 17 proportions.
KONTEXT = (
    *((672, 1568), (688, 1504), (720, 1456), (752, 1392), (800, 1328), (832, 1248), (880, 1184), (944, 1104)),
    (1024, 1024),
    *((1104, 944), (1184, 880), (1248, 832), (1328, 800), (1392, 752), (1456, 720), (1504, 688), (1568, 672)),
)


def kontext_size(image: Tensor) -> tuple[int, int]:
    """The size of KONTEXT whose proportions are nearest to those of pictures [B,H,W,C]."""
    check_images(image)
    height, width = image.shape[1:3]
    return min(KONTEXT, key=lambda size: abs(width / height - size[0] / size[1]))


def size_of_area(image: Tensor, area: int, multiple: int = 32) -> tuple[int, int]:
    """The size of about so many pixels in the proportions of pictures [B,H,W,C], in multiples: Qwen-Image Edit's."""
    check_images(image)
    height, width = image.shape[1:3]
    wide = math.sqrt(area * width / height)
    return max(multiple, round(wide / multiple) * multiple), max(
        multiple, round(wide * height / width / multiple) * multiple
    )
