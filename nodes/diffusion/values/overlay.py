"""One picture pasted onto others, resized, rotated and more or less transparent: Image Overlay.

In 8 bits a channel, as Pillow works. Semantics: efficiency.md section 1.10, efficiency/notes.md B.17; numbers: goldens
overlay_*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.values.masks import as_masks
from weft.nodes.diffusion.values.pixels import scale_image, to_uint8

if TYPE_CHECKING:
    from PIL.Image import Image

Size = tuple[int, int]  # width, height


def overlay(
    base: Tensor,
    picture: Tensor,
    *,
    resize: str = "None",
    method: str = "nearest-exact",
    factor: float = 1.0,
    size: Size = (512, 512),
    offset: tuple[int, int] = (0, 0),
    rotation: float = 0.0,
    opacity: float = 0.0,
    mask: Tensor | None = None,
) -> Tensor:
    """Paste a picture onto every image of a batch.

    Args:
        base: [B,H,W,3] in 0..1.
        picture: [b,h,w,3 or 4] in 0..1; of a batch the first.
        resize: a key of RESIZES. method: how, see pixels.METHODS. factor, size: what some of them are told.
        offset: x and y of its upper left corner; of one that is rotated, of the box around it.
        rotation: degrees, counterclockwise.
        opacity: 0 covers what is below, 100 shows nothing of the picture.
        mask: [m,h,w], 1 where the picture is not seen; of a batch the first, resized to it.

    Returns:
        [B,H,W,3] float32, every value a 255th.

    Raises:
        DiffusionError: no images of these forms, or a picture that is resized to nothing.
    """
    from PIL import Image, ImageChops

    for name, image in (("base", base), ("overlay", picture)):
        if image.dim() != 4 or image.shape[-1] not in (3, 4) or 0 in image.shape:
            raise DiffusionError(f"the {name} image is {list(image.shape)}, expected [batch, height, width, 3]")
    if resize not in RESIZES:
        raise DiffusionError(f"unknown way to resize {resize!r}{nearest(resize, RESIZES)}: one of {', '.join(RESIZES)}")
    above = picture[:1]
    wanted = RESIZES[resize]((above.shape[2], above.shape[1]), (base.shape[2], base.shape[1]), factor, size)
    if min(wanted) < 1:
        raise DiffusionError(f"the overlay would be {wanted[0]}x{wanted[1]} pixels")
    if wanted != (above.shape[2], above.shape[1]):
        above = scale_image(above, *wanted, method)
    pasted = Image.fromarray(to_uint8(above[0]).numpy()).convert("RGBA")
    if mask is not None:
        seen = ImageChops.invert(Image.fromarray(to_uint8(as_masks(mask)[0]).numpy()))
        pasted.putalpha(seen.resize(pasted.size))
    pasted = pasted.rotate(rotation, Image.Resampling.BICUBIC, expand=True)
    if opacity:
        alpha = pasted.getchannel("A").point(lambda level: int(level * (1.0 - opacity / 100.0)))
        pasted.putalpha(alpha)
    return torch.stack([_pasted(image, pasted, offset) for image in base])


def _pasted(image: Tensor, picture: Image, offset: tuple[int, int]) -> Tensor:
    from PIL import Image

    below = Image.fromarray(to_uint8(image).numpy()).convert("RGB")
    below.paste(picture, offset, picture)
    pixels = torch.frombuffer(bytearray(below.tobytes()), dtype=torch.uint8)
    return pixels.reshape(below.height, below.width, 3).float() / 255.0


def _fit(picture: Size, base: Size, factor: float, size: Size) -> Size:
    """As large as it fits into the base, proportions kept."""
    ratio = min(base[0] / picture[0], base[1] / picture[1])
    return round(picture[0] * ratio), round(picture[1] * ratio)


# (the picture's size, the base's, factor, size) -> the picture's new size.
RESIZES: Mapping[str, Callable[[Size, Size, float, Size], Size]] = {
    "None": lambda picture, base, factor, size: picture,
    "Fit": _fit,
    "Resize by rescale_factor": lambda picture, base, factor, size: (
        int(picture[0] * factor),
        int(picture[1] * factor),
    ),
    "Resize to width & heigth": lambda picture, base, factor, size: size,
}
