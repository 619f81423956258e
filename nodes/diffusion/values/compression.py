"""What compression leaves of images [B,H,W,C] of 0..1."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import numpy
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.pixels import check_images, to_uint8

Frame = numpy.ndarray[Any, numpy.dtype[numpy.uint8]]


def compressed(image: Tensor, crf: int) -> Tensor:
    """Each image as the only frame of an H.264 video shows it, [B,H,W,3] of even sides; a crf of 0 leaves it alone.

    The last row or column of an odd side is cut off. In 4:2:0; one thread, so that every run gives the same.

    Raises:
        DiffusionError: no image of 3 or 4 channels and 2x2 pixels at least.
    """
    check_images(image)
    if crf == 0:
        return image
    height, width = (side - side % 2 for side in image.shape[1:3])
    if min(height, width) < 2 or image.shape[-1] < 3:
        raise DiffusionError(f"expected images of 3 or 4 channels and 2x2 pixels at least, got {list(image.shape[1:])}")
    frames = to_uint8(image[:, :height, :width, :3]).numpy()
    shown = numpy.stack([_decoded(_encoded(numpy.ascontiguousarray(frame), crf)) for frame in frames])
    return torch.from_numpy(shown.astype(numpy.float32) / 255.0).to(image)


def _encoded(frame: Frame, crf: int) -> io.BytesIO:
    import av

    written = io.BytesIO()
    with av.open(written, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=1, options={"crf": str(crf)})
        stream.height, stream.width = frame.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1)
        stream.thread_count = 1
        for packet in (*stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")), *stream.encode(None)):
            container.mux(packet)
    written.seek(0)
    return written


def _decoded(written: io.BytesIO) -> Frame:
    import av

    with av.open(written, "r") as container:
        return numpy.asarray(next(container.decode(video=0)).to_ndarray(format="rgb24"), dtype=numpy.uint8)
