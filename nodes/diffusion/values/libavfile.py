"""The pixels of an image file as libav decodes and converts them: ComfyUI's way of reading pictures since 0.33.

Which form of pixels is converted how is as measured on it with this build of libav (goldens era_load_*); another build
rounds colours otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy
import torch
from torch import Tensor

from weft.nodes.diffusion.quiet import QUIET

FORMATS: Final = ("BMP", "GIF", "JPEG", "MPO", "PNG", "TIFF", "WEBP")
"""What is read so, by Pillow's names; the rest Pillow reads alone."""

# Forms that become 8 bits a channel; those of JPEG begin with yuvj. All others become numbers of 32 bits.
_BYTES: Final = ("rgb24", "rgba", "pal8")
# Forms that are brought to another one first.
_BEFORE: Final = {**dict.fromkeys(("ya8", "argb", "abgr", "bgra"), "gbrap"), "monob": "gray", "monow": "gray"}


def read(path: Path, most: int) -> Sequence[tuple[Tensor, Tensor | None]] | None:
    """Up to `most` frames as (picture [H,W,3] in 0..1, opacity [H,W] or None), as they lie in the file, or None.

    None: libav cannot read it.
    """
    import av

    try:
        # As a stream: no name is taken for a pattern of names.
        with QUIET, Path(path).open("rb") as stream, av.open(stream, "r") as container:
            found = []
            for frame in container.decode(video=0):
                found.append(_pixels(frame))
                if len(found) == most:
                    break
            return found
    except (av.FFmpegError, OSError, ValueError, IndexError):
        return None


def _pixels(frame: Any) -> tuple[Tensor, Tensor | None]:
    form = frame.format
    alpha = form.has_palette or any(each.is_alpha for each in form.components)
    if form.name in _BYTES or form.name.startswith("yuvj"):
        values = frame.to_ndarray(format="rgba" if alpha else "rgb24").astype(numpy.float32) / 255.0
    else:
        frame = frame.reformat(format=_BEFORE[form.name]) if form.name in _BEFORE else frame
        values = frame.to_ndarray(format="gbrapf32le" if alpha else "gbrpf32le")
    pixels = torch.from_numpy(numpy.ascontiguousarray(values, dtype=numpy.float32))
    return pixels[..., :3].contiguous(), pixels[..., 3].contiguous() if alpha else None
