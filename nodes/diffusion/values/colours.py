"""The colours of images [B,H,W,C] of 0..1: noise, a mask of one colour, YUV, palettes.

Nothing is measured here: what each does follows from its definition, and docs/differences.md says what is a guess.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.values.pixels import check_images, to_uint8

DITHERS: Mapping[str, int] = {
    "none": 0,
    "floyd-steinberg": 0,
    "bayer-2": 2,
    "bayer-4": 4,
    "bayer-8": 8,
    "bayer-16": 16,
}
"""How errors of a palette are spread, and the side of the matrix for those that have one."""


def add_noise(image: Tensor, seed: int, strength: float) -> Tensor:
    """The image plus `strength` times normal noise, clamped to 0..1; alpha is left alone."""
    check_images(image)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    noisy = (image + strength * noise.to(image)).clamp(0.0, 1.0)
    return torch.cat((noisy[..., :3], image[..., 3:]), dim=-1)


def mask_of_colour(image: Tensor, colour: int) -> Tensor:
    """[B,H,W]: 1 where the image, rounded to 8 bits a channel, has the colour 0xRRGGBB."""
    check_images(image)
    _three(image)
    wanted = torch.tensor([colour >> shift & 0xFF for shift in (16, 8, 0)], device=image.device)
    found = (image[..., :3].clamp(0.0, 1.0) * 255.0).round().int()
    return (found == wanted).all(dim=-1).float()


def to_yuv(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Y, U and V, each as a grey image [B,H,W,3]: YCbCr of JPEG, the differences around 0.5."""
    from kornia.color import rgb_to_ycbcr

    check_images(image)
    _three(image)
    parts = rgb_to_ycbcr(image[..., :3].movedim(-1, 1)).movedim(1, -1)
    y, u, v = (parts[..., index : index + 1].repeat(1, 1, 1, 3) for index in range(3))
    return y, u, v


def from_yuv(y: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """The inverse of `to_yuv`; each part is the mean of the channels of its image."""
    from kornia.color import ycbcr_to_rgb

    check_images(y, u, v)
    if not y.shape[:3] == u.shape[:3] == v.shape[:3]:
        got = ", ".join(str(list(part.shape[:3])) for part in (y, u, v))
        raise DiffusionError(f"Y, U and V must have one size, got {got} (B,H,W)")
    parts = [part[..., :3].mean(dim=-1) for part in (y, u.to(y), v.to(y))]
    return ycbcr_to_rgb(torch.stack(parts, dim=1)).movedim(1, -1).clamp(0.0, 1.0)


def quantize(image: Tensor, colours: int, dither: str) -> Tensor:
    """The image in as many colours as a palette of its own has (median cut), their errors spread by a key of DITHERS.

    bayer-N: ordered dithering (Bayer 1973), a threshold of +-half the distance of as many even levels.
    """
    import numpy
    from PIL import Image

    check_images(image)
    _three(image)
    if dither not in DITHERS:
        raise DiffusionError(f"unknown dither {dither!r}{nearest(dither, DITHERS)}: one of {', '.join(DITHERS)}")
    done = []
    for item in to_uint8(image[..., :3]).numpy():
        picture = Image.fromarray(item)
        palette = picture.quantize(colours)
        if DITHERS[dither]:
            threshold = _bayer(DITHERS[dither], *item.shape[:2]).numpy()[..., None] * (255.0 / colours ** (1 / 3))
            moved = (item + threshold).round().clip(0, 255).astype(numpy.uint8)
            picture = Image.fromarray(moved)
        spread = Image.Dither.FLOYDSTEINBERG if dither == "floyd-steinberg" else Image.Dither.NONE
        chosen = picture.quantize(colours, palette=palette, dither=spread).convert("RGB")
        done.append(torch.from_numpy(numpy.array(chosen, dtype=numpy.float32) / 255.0))
    return torch.stack(done).to(image)


def _bayer(size: int, rows: int, columns: int) -> Tensor:
    """[rows,columns] of thresholds in -0.5..0.5, the Bayer matrix of a power of 2 repeated."""
    matrix = torch.zeros(1, 1)
    while len(matrix) < size:
        matrix = torch.cat(
            (torch.cat((4 * matrix, 4 * matrix + 2), 1), torch.cat((4 * matrix + 3, 4 * matrix + 1), 1)), 0
        )
    tiles = matrix.repeat(-(-rows // size), -(-columns // size))[:rows, :columns]
    return (tiles + 0.5) / size**2 - 0.5


def _three(image: Tensor) -> None:
    if image.shape[-1] < 3:
        raise DiffusionError(f"expected an image of 3 or 4 channels, got {image.shape[-1]}")
