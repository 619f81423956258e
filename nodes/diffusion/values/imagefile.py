"""Reading image files: from a path to IMAGE and MASK tensors.

What becomes of orientation, transparency, 16 bits and animation is as measured on ComfyUI 0.3.64 (parity/facts.md
section 10), held by the goldens img_load_* and mask_load_*, and on 0.33 (parity_families/facts_eras.md section 5), held
by era_load_*. Pillow says in both what a file is, and whether it is whole.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy
import torch
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError
from torch import Tensor

from weft.nodes.diffusion.eras import changed
from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.quiet import QUIET
from weft.nodes.diffusion.values import libavfile

MAX_PIXELS = 1 << 27
"""The pixels of all frames of a file, 134 megapixels: as a picture they take 1.6 GB, while it is read twice that."""

# What a frame counts at least, for the time that it takes.
_LEAST = 64 * 64
# What is opened. Of Pillow's others some run programs (EPS), some inflate without bounds (FITS), most are not used.
FORMATS = (
    "AVIF",
    "BMP",
    "DIB",
    "GIF",
    "ICO",
    "JPEG",
    "JPEG2000",
    "MPO",
    "PNG",
    "PPM",
    "PSD",
    "QOI",
    "TGA",
    "TIFF",
    "WEBP",
)
# Their frames have one size, so that these can be counted without being looked at.
_ANIMATED = ("AVIF", "GIF", "PNG", "WEBP")
CHANNELS: Mapping[str, str] = {"alpha": "A", "red": "R", "green": "G", "blue": "B"}
NO_MASK = (64, 64)  # the size of the mask of an image without alpha
# Several pictures that are no animation (a preview, the other eye): only the first counts.
STILLS = ("MPO",)
_ORIENTATION = 0x0112  # EXIF's number of the entry
# What turns a picture [H,W,...] upright, by EXIF's orientation.
_TURNS: Mapping[int, Callable[[Tensor], Tensor]] = {
    1: lambda picture: picture,
    2: lambda picture: picture.flip(1),
    3: lambda picture: picture.flip(0, 1),
    4: lambda picture: picture.flip(0),
    5: lambda picture: picture.transpose(0, 1),
    6: lambda picture: picture.transpose(0, 1).flip(1),
    7: lambda picture: picture.flip(0, 1).transpose(0, 1),
    8: lambda picture: picture.transpose(0, 1).flip(0),
}
# What Pillow's decoders raise on damaged files.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, KeyError, RuntimeError, struct.error)


def load_image(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[Tensor, Tensor]:
    """An image file as (image [B,H,W,3] in 0..1, mask [B,h,w] with 1 where it is transparent), float32.

    B counts the frames of an animation that have the first one's size. Without any alpha the mask is zeros, h = w =
    64. The orientation of EXIF is applied.

    Raises:
        DiffusionError: no file, no image, damaged or cut short; more than max_pixels in all its frames, or in one of
            them than Pillow opens, before memory is taken for them.
    """
    images: list[Tensor] = []
    alphas: list[Tensor | None] = []
    with open_image(path) as opened:
        kind, orientation = opened.format, opened.getexif().get(_ORIENTATION, 1)
        for frame in frames(opened, path, max_pixels):
            upright = _upright(frame)
            rgb = upright.convert("RGB")
            if images and (rgb.height, rgb.width) != images[0].shape[:2]:
                continue
            images.append(_unit(rgb))
            alphas.append(_alpha(upright))
    if kind in libavfile.FORMATS and changed("pictures-by-libav"):
        images, alphas = _by_libav(path, orientation, images) or (images, alphas)
    size = NO_MASK if all(alpha is None for alpha in alphas) else images[0].shape[:2]
    masks = [torch.zeros(size) if alpha is None else 1.0 - alpha for alpha in alphas]
    return _stacked(images), _stacked(masks)


def _by_libav(path: Path, orientation: int, pictures: list[Tensor]) -> tuple[list[Tensor], list[Tensor | None]] | None:
    """The pictures and their opacity as libav gives them; None where it finds others in the file than Pillow does."""
    turn = _TURNS.get(orientation, _TURNS[1])
    found = libavfile.read(path, len(pictures)) or ()
    images = [turn(image).contiguous() for image, _ in found]
    if [image.shape for image in images] != [picture.shape for picture in pictures]:
        return None
    return images, [None if alpha is None else turn(alpha).contiguous() for _, alpha in found]


def load_mask(path: Path, channel: str, max_pixels: int = MAX_PIXELS) -> Tensor:
    """One channel of an image file as a mask [B,h,w], float32: 1 - alpha, or red, green or blue as they are.

    The channels are load_image's. In 0.3.64 only the first frame counts, and an image that is not RGBA is converted
    first: without transparency its alpha is 1, so the mask is zeros.

    Raises:
        DiffusionError: another channel; and as load_image.
    """
    if channel not in CHANNELS:
        known = ", ".join(CHANNELS)
        raise DiffusionError(f"unknown channel {channel!r}{nearest(channel, CHANNELS)}: one of {known}")
    if changed("pictures-by-libav"):
        image, mask = load_image(path, max_pixels)
        return mask if channel == "alpha" else image[..., list(CHANNELS).index(channel) - 1].contiguous()
    with open_image(path) as opened:
        _require(opened.width * opened.height, max_pixels, path)
        picture = _upright(opened)
        picture = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        band = CHANNELS[channel]
        values = _unit(picture.getchannel(band))[None]
    return 1.0 - values if band == "A" else values


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """The file as Pillow opens it; what goes wrong inside, decoding included, becomes one error that names the file."""
    path = Path(path)
    if not path.is_file():
        raise DiffusionError(f"no such image file: {path}")
    try:
        # Pillow warns at half of what it refuses, and of odd metadata in images that it reads well.
        with QUIET, _Reader(path) as stream, Image.open(stream) as image:
            if image.format not in FORMATS:
                raise DiffusionError(f"{path.name} is {image.format}: expected one of {', '.join(FORMATS)}")
            yield image
    except DiffusionError:
        raise
    except Image.DecompressionBombError as error:
        raise DiffusionError(f"{path.name} has more pixels than an image may have: {error}") from error
    except UnidentifiedImageError as error:
        start = path.read_bytes()[:8]
        got = f"{path.stat().st_size} bytes that start with {start!r}" if start else "an empty file"
        raise DiffusionError(f"{path.name} is no image, but {got}") from error
    except _DAMAGED as error:
        raise DiffusionError(f"{path.name} is damaged or cut short: {error or type(error).__name__}") from error


class _Reader(io.BufferedReader):
    """A file that is asked for no more than it has: the memory of what is asked for is taken before it is read, and
    a chunk of a few bytes may say that it has 4 GB."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > io.DEFAULT_BUFFER_SIZE:
            size = min(size, max(os.fstat(self.fileno()).st_size - self.tell(), 0))
        return super().read(size)


def frames(opened: Image.Image, path: Path, max_pixels: int) -> Iterator[Image.Image]:
    """The frames of an opened file that count, in order. Raises DiffusionError before they come to more pixels."""
    _require(_claimed(opened, path), max_pixels, path)
    pixels = 0
    for frame in ImageSequence.Iterator(opened):
        pixels += max(frame.width * frame.height, _LEAST)
        _require(pixels, max_pixels, path)
        yield frame
        if opened.format in STILLS:
            return


def _claimed(opened: Image.Image, path: Path) -> int:
    """The pixels of all frames, as far as the file says without being decoded."""
    pixels = max(opened.width * opened.height, _LEAST)
    if opened.format in _ANIMATED:
        return pixels * int(getattr(opened, "n_frames", 1))
    if opened.format in STILLS or not getattr(opened, "is_animated", False):
        return pixels
    # Apart: pages are sought one after the other, and some formats cannot go back.
    with _Reader(path) as stream, Image.open(stream) as pages:
        return sum(max(page.width * page.height, _LEAST) for page in ImageSequence.Iterator(pages))


def _require(pixels: int, most: int, path: Path) -> None:
    if pixels > most:
        raise DiffusionError(
            f"{Path(path).name} has {pixels:,} pixels in all its frames, more than the {most:,} that are read: make it "
            "smaller, or set max_pixels (WEFT_MAX_PIXELS)"
        )


def _upright(frame: Image.Image) -> Image.Image:
    """The frame turned as its EXIF says, and of more than 8 bits grey brought to 8."""
    turned = ImageOps.exif_transpose(frame)
    if turned.mode.startswith("I"):
        return turned.convert("I").point(lambda value: value * (1 / 255))
    return turned


def _alpha(frame: Image.Image) -> Tensor | None:
    """Opacity [H,W] in 0..1, from an alpha band or a palette's transparent entries."""
    if "A" in frame.getbands():
        return _unit(frame.getchannel("A"))
    if frame.mode == "P" and "transparency" in frame.info:
        return _unit(frame.convert("RGBA").getchannel("A"))
    return None


def _unit(image: Image.Image) -> Tensor:
    """8 bits a channel -> float32 in 0..1, [H,W] or [H,W,3]."""
    values = numpy.array(image).astype(numpy.float32)
    values /= 255.0
    return torch.from_numpy(values)


def _stacked(parts: list[Tensor]) -> Tensor:
    """[B, ...]; a single one is not copied."""
    return parts[0][None] if len(parts) == 1 else torch.stack(parts)
