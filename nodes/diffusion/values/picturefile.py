"""Pictures of more than 8 bits, written as PNG and OpenEXR."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import IO

import numpy
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest

# x and y of red, green, blue and white.
_REC_709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
_REC_2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)


def write_png16(stream: IO[bytes], image: Tensor, texts: Mapping[str, str], compress_level: int = 4) -> None:
    """A picture [H,W,3] or [H,W,4] in 0..1 as a PNG of 16 bits a channel; fractions are cut, as they are of 8 bits.

    Raises DiffusionError: NaN.
    """
    values = _finite(image) * 65535.0
    pixels = values.clamp(0, 65535).to(torch.int32).numpy().astype(">u2")
    height, width, channels = pixels.shape
    rows = numpy.zeros((height, 1 + width * channels * 2), numpy.uint8)  # each begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1).view(numpy.uint8)
    header = struct.pack(">IIBBBBB", width, height, 16, 6 if channels == 4 else 2, 0, 0, 0)
    stream.write(b"\x89PNG\r\n\x1a\n")
    _chunk(stream, b"IHDR", header)
    for name, text in texts.items():
        # Latin-1 is all that a tEXt may hold: JSON escapes the rest.
        _chunk(stream, b"tEXt", name.encode("latin-1") + b"\0" + text.encode("latin-1", "backslashreplace"))
    _chunk(stream, b"IDAT", zlib.compress(rows.tobytes(), compress_level))
    _chunk(stream, b"IEND", b"")


def _chunk(stream: IO[bytes], kind: bytes, data: bytes) -> None:
    stream.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


def write_exr(stream: IO[bytes], image: Tensor, color_space: str, texts: Mapping[str, str]) -> None:
    """A picture [H,W,3] or [H,W,4] as an OpenEXR of 32 bit floats, in light, not compressed; alpha stays as it is.

    `color_space` says what its values are, sRGB, HDR or linear. Raises DiffusionError: NaN, another space.
    """
    if color_space not in _LIGHT:
        raise DiffusionError(
            f"{color_space!r} is no color space{nearest(color_space, _LIGHT)}: one of {', '.join(_LIGHT)}"
        )
    values = _finite(image)
    light = _LIGHT[color_space](values[..., :3])
    height, width, channels = values.shape
    planes = {"R": light[..., 0], "G": light[..., 1], "B": light[..., 2]}
    if channels == 4:
        planes["A"] = values[..., 3]
    names = sorted(planes)
    listed = b"".join(name.encode() + b"\0" + struct.pack("<iB3xii", 2, 0, 1, 1) for name in names) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    chromaticities = struct.pack("<8f", *(_REC_2020 if color_space == "HDR" else _REC_709))
    attributes = [
        ("channels", "chlist", listed),
        ("chromaticities", "chromaticities", chromaticities),
        ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
        *((name, "string", text.encode()) for name, text in texts.items()),
    ]
    head = struct.pack("<II", 20000630, 2) + b"".join(_attribute(*each) for each in attributes) + b"\0"
    size = 4 * width * len(names)
    first = len(head) + 8 * height
    stream.write(head)
    stream.write(numpy.arange(first, first + (8 + size) * height, 8 + size, dtype="<u8").tobytes())
    rows = torch.stack([planes[name] for name in names], dim=1).contiguous().numpy().astype("<f4")
    for number, row in enumerate(rows):
        stream.write(struct.pack("<iI", number, size) + row.tobytes())


def _attribute(name: str, kind: str, value: bytes) -> bytes:
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<I", len(value)) + value


def _finite(image: Tensor) -> Tensor:
    values = image.detach().float().cpu()
    if values.isnan().any():
        raise DiffusionError(f"the image {list(image.shape)} has NaN in it, which is no colour")
    return values


def _from_srgb(values: Tensor) -> Tensor:
    """Light from values of sRGB (IEC 61966-2-1)."""
    return torch.where(values <= 0.04045, values / 12.92, ((values.clamp(min=0) + 0.055) / 1.055) ** 2.4)


def _from_hlg(values: Tensor) -> Tensor:
    """Scene light from values of HLG (BT.2100, the inverse of its OETF)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return torch.where(values <= 0.5, values**2 / 3, (torch.exp((values - c) / a) + b) / 12)


_LIGHT: Mapping[str, Callable[[Tensor], Tensor]] = {
    "sRGB": _from_srgb,
    "HDR": _from_hlg,
    "linear": lambda values: values,
}
"""How light is had from what a picture's values mean: sRGB's curve, HLG (BT.2100) in Rec. 2020, or light itself."""
