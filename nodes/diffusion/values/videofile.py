"""Pictures written as videos: encoded, or the streams of a file copied into another one."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import IO, TYPE_CHECKING, Any

import numpy
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.audio import Audio, add_audio, checked
from weft.nodes.diffusion.values.mediafile import Target, written
from weft.nodes.diffusion.values.pixels import to_uint8

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

COPIED = {
    *("h264", "hevc", "libdav1d", "av1", "vp9", "libvpx-vp9", "mpeg4"),
    *("aac", "mp3", "mp3float", "opus", "libopus", "flac", "ac3", "eac3", "alac"),
}
"""What an MP4 may hold, and players know in it, by the names of the decoders: such streams are copied as they are."""

_WORKFLOW = ("prompt", "workflow", "weft")


@dataclass(frozen=True)
class Encoding:
    """How pictures are written: FFmpeg's name of the encoder and of the form of pixels, and the encoder's options."""

    codec: str
    pixel_format: str
    options: Mapping[str, str] = field(default_factory=dict)


# The encoder of AV1 takes others, and then writes borders at random.
_EVEN = {"libx264": "H.264", "libx265": "H.265", "libsvtav1": "AV1"}
H264 = Encoding("libx264", "yuv420p")


Each = Callable[[int, int], None]
"""Is told of each picture that is written: how many there are so far, and in all. What it raises stops the writing."""


def add_pictures(
    container: OutputContainer, images: Tensor, how: Encoding, rate: Fraction, each: Each | None = None
) -> Callable[[], None]:
    """Add a stream to a container for pictures [B,H,W,C], in their order; alpha is left out.

    What is returned writes them, as in `add_audio`. Raises DiffusionError: sides that are not even, where they must be.
    """
    import av

    _, height, width, _ = images.shape
    if how.codec in _EVEN and (width % 2 or height % 2):
        raise DiffusionError(
            f"pictures of {width}x{height} cannot be a video in {_EVEN[how.codec]}: width and height must be even; "
            "crop or scale them first"
        )
    os.environ.setdefault("SVT_LOG", "1")  # errors alone: the encoder of AV1 writes to stderr itself
    stream: Any = container.add_stream(how.codec, rate=rate, options=dict(how.options))
    stream.width, stream.height = width, height
    stream.pix_fmt = how.pixel_format

    def write() -> None:
        for number, image in enumerate(images):
            pixels = numpy.ascontiguousarray(to_uint8(image[..., :3]).numpy())
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
            if each is not None:
                each(number + 1, len(images))
        container.mux(stream.encode(None))

    return write


def save_video(
    target: Target,
    kind: str,
    images: Tensor,
    how: Encoding,
    rate: Fraction,
    metadata: Mapping[str, Any],
    audio: Audio | None = None,
    each: Each | None = None,
) -> None:
    """Write pictures [B,H,W,C] and a sound, as far as the pictures last, as an MP4 (`mp4`) or a WebM (`webm`).

    Raises DiffusionError.
    """
    with written(target, kind, texts_of(metadata)) as container:
        writes = [add_pictures(container, images, how, rate, each)]
        if audio is not None:
            waveform, samples = checked(audio)
            longest = math.ceil(len(images) * samples / rate)
            sound: Audio = {"waveform": waveform[..., :longest], "sample_rate": samples}
            writes.append(add_audio(container, sound, "aac" if kind == "mp4" else "opus"))
        for write in writes:
            write()


def save_webm(
    stream: IO[bytes],
    images: Tensor,
    codec: str,
    fps: float,
    crf: float,
    metadata: Mapping[str, Any],
    each: Each | None = None,
) -> None:
    """Write pictures [B,H,W,C] as a WebM in VP9 (`vp9`) or AV1 (`av1`); alpha is left out.

    `crf` is 0 to 63; a higher one makes a smaller and a worse file. Raises DiffusionError.
    """
    save_video(
        stream, "webm", images, webm_encoding(codec, crf), Fraction(round(fps * 1000), 1000), metadata, each=each
    )


def webm_encoding(codec: str, crf: float) -> Encoding:
    """That of WebM in VP9 (`vp9`) or AV1 (`av1`)."""
    quality = {"crf": str(int(crf)), "b": "0"}
    if codec == "av1":
        return Encoding("libsvtav1", "yuv420p10le", {**quality, "preset": "6"})
    return Encoding("libvpx-vp9", "yuv420p", quality)


def copy(container: InputContainer, streams: Sequence[Any], path: Target, metadata: Mapping[str, Any] | None) -> None:
    """Write the streams of a file into an MP4 as they are, not encoded anew."""
    dropped = () if metadata is None else _WORKFLOW
    texts = {name: text for name, text in container.metadata.items() if name.lower() not in (*dropped, *_BRANDS)}
    with written(path, "mp4", {**texts, **texts_of(metadata or {})}) as made:
        copies = {stream.index: made.add_stream_from_template(stream, opaque=True) for stream in streams}
        for packet in container.demux(streams):
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                made.mux(packet)


# What the writer says of its own.
_BRANDS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")


def texts_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """What goes into a file: texts as they are, everything else as JSON."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in metadata.items()}
