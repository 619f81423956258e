"""VIDEO values: a video in a file, read when somebody asks for it, or one of pictures and sound.

Third-party nodes touch them: classes, methods and fields have ComfyUI's names (comfy_api's InputImpl and Types).
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.audio import Audio, checked, read_audio
from weft.nodes.diffusion.values.imagefile import MAX_PIXELS
from weft.nodes.diffusion.values.mediafile import Source, Target, name_of, opened
from weft.nodes.diffusion.values.videofile import COPIED, H264, Each, copy, save_video

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

PIXELS_OF_A_PICTURE = 8
"""How many times as many pixels a video may have as a picture."""

MOST_PIXELS = PIXELS_OF_A_PICTURE * MAX_PIXELS
"""The pixels of all frames that are read of a video, a gigapixel: they take 13 GB."""


class VideoContainer(StrEnum):
    """The formats of files that a video is saved in."""

    AUTO = "auto"
    MP4 = "mp4"

    @classmethod
    def as_input(cls) -> list[str]:
        """The choices of a node's input."""
        return [member.value for member in cls]

    @classmethod
    def get_extension(cls, value: str | VideoContainer) -> str:
        """The ending of a file's name, without a dot; `auto` is MP4."""
        return "mp4" if cls(value) in (cls.AUTO, cls.MP4) else ""


class VideoCodec(StrEnum):
    """The ways in which pictures are written into a video."""

    AUTO = "auto"
    H264 = "h264"

    @classmethod
    def as_input(cls) -> list[str]:
        """The choices of a node's input."""
        return [member.value for member in cls]


@dataclass
class VideoComponents:
    """What a video is made of: float32 [B,H,W,3] in 0..1, frames a second, a sound, texts of the file."""

    images: Tensor
    frame_rate: Fraction
    audio: Audio | None = None
    metadata: dict[str, Any] | None = None


class VideoInput(ABC):
    """A VIDEO, wherever it is kept. Whatever reads or writes raises DiffusionError."""

    @abstractmethod
    def get_components(self) -> VideoComponents:
        """All of its pictures and its sound, decoded."""

    @abstractmethod
    def save_to(
        self,
        path: Target,
        format: VideoContainer | str = VideoContainer.AUTO,
        codec: VideoCodec | str = VideoCodec.AUTO,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Write it to a path or a stream, as MP4 with the texts of `metadata`, as JSON where they are none yet."""

    @abstractmethod
    def as_trimmed(
        self, start_time: float = 0.0, duration: float = 0.0, strict_duration: bool = False
    ) -> VideoInput | None:
        """The stretch from `start_time`, in seconds, counted from the end where it is negative; `duration` 0 for all
        that follows. None where nothing is left, or less than was asked for and `strict_duration` says so."""

    @abstractmethod
    def get_frame_count(self) -> int:
        """How many pictures it has."""

    @abstractmethod
    def get_frame_rate(self) -> Fraction:
        """Frames a second, on the average."""

    @abstractmethod
    def get_dimensions(self) -> tuple[int, int]:
        """Width and height in pixels, as it is shown."""

    @abstractmethod
    def get_duration(self) -> float:
        """Seconds."""

    def get_stream_source(self) -> str | io.BytesIO:
        """Where it can be read as a file: a path, or its content."""
        stream = io.BytesIO()
        self.save_to(stream)
        stream.seek(0)
        return stream

    def get_container_format(self) -> str:
        """The names that FFmpeg has for the format of its file."""
        with opened(self.get_stream_source()) as container:
            return container.format.name


class VideoFromFile(VideoInput):
    """A video in a file, or in the content of one; of it, `duration` seconds (0 for all) from `start_time` on.

    Nothing is read before it is asked for. `max_pixels` bounds what is decoded.
    """

    def __init__(
        self,
        file: Source,
        *,
        start_time: float = 0.0,
        duration: float = 0.0,
        max_pixels: int = MOST_PIXELS,
    ) -> None:
        self._file = str(file) if isinstance(file, Path) else file
        self._start, self._duration, self._max_pixels = start_time, duration, max_pixels

    @property
    def _whole(self) -> bool:
        return not self._start and not self._duration

    def get_components(self) -> VideoComponents:
        name = name_of(self._file)
        with opened(self._file) as container:
            images = _stacked([_rgb(frame) for frame in self._frames(container)], name)
            rate, texts = _rate(container), dict(container.metadata)
        with opened(self._file) as container:
            # What is cut is as long as its pictures.
            duration = 0.0 if self._whole else float(len(images) / rate)
            audio = read_audio(container, name, self._start, duration)
        return VideoComponents(images, rate, audio, texts)

    def _frames(self, container: InputContainer) -> Iterator[VideoFrame]:
        """The decoded frames of its stretch. Raises DiffusionError for more pixels than are read."""
        stream = _stream(container, name_of(self._file))
        stream.thread_type = "AUTO"
        period = 1 / _rate(container)
        # A frame is of the stretch in which it begins, give or take what a time base rounds.
        first = Fraction(self._start) - period / 2
        last = first + Fraction(self._duration)
        pixels, zero = 0, None
        for number, frame in enumerate(container.decode(stream)):
            zero = frame.time or 0.0 if zero is None else zero
            time = Fraction(frame.time - zero) if frame.time is not None else number * period
            if time < first:
                continue
            if self._duration and time >= last:
                return
            pixels += frame.width * frame.height
            if pixels > self._max_pixels:
                raise DiffusionError(
                    f"{name_of(self._file)} has more than {self._max_pixels:,} pixels in its frames, the most that are "
                    "read: take a stretch of it (Video Slice), or set max_pixels (WEFT_MAX_PIXELS)"
                )
            yield frame

    def save_to(
        self,
        path: Target,
        format: VideoContainer | str = VideoContainer.AUTO,
        codec: VideoCodec | str = VideoCodec.AUTO,
        metadata: Mapping[str, Any] | None = None,
        each: Each | None = None,
    ) -> None:
        wanted = {"h264"} if VideoCodec(codec) is VideoCodec.H264 else COPIED
        with opened(self._file) as container:
            stream = _stream(container, name_of(self._file))
            streams = [stream, *container.streams.audio[:1]]
            codecs = [each.codec_context.name for each in streams]
            if self._whole and codecs[0] in wanted and COPIED.issuperset(codecs):
                copy(container, streams, path, metadata)
                return
        self._decoded().save_to(path, format, codec, metadata, each)

    def _decoded(self) -> VideoFromComponents:
        return VideoFromComponents(self.get_components())

    def as_trimmed(
        self, start_time: float = 0.0, duration: float = 0.0, strict_duration: bool = False
    ) -> VideoInput | None:
        found = _stretch(self.get_duration(), start_time, duration, strict_duration)
        if found is None:
            return None
        start, length = found
        if self._duration:
            left = self._duration - start
            length = min(length or left, left)
        return VideoFromFile(self._file, start_time=self._start + start, duration=length, max_pixels=self._max_pixels)

    def get_frame_count(self) -> int:
        with opened(self._file) as container:
            stream = _stream(container, name_of(self._file))
            if not self._whole:
                return sum(1 for _ in self._frames(container))
            return stream.frames or sum(1 for packet in container.demux(stream) if packet.size)

    def get_frame_rate(self) -> Fraction:
        with opened(self._file) as container:
            _stream(container, name_of(self._file))
            return _rate(container)

    def get_dimensions(self) -> tuple[int, int]:
        with opened(self._file) as container:
            stream = _stream(container, name_of(self._file))
            width, height = stream.codec_context.width, stream.codec_context.height
            # How it is turned is said with a frame.
            frame = next(container.decode(stream), None)
        return (height, width) if frame is not None and frame.rotation % 180 else (width, height)

    def get_duration(self) -> float:
        return min(self._duration, self._remaining()) if self._duration else self._remaining()

    def _remaining(self) -> float:
        """Seconds from the start of its stretch to the end of the file."""
        with opened(self._file) as container:
            stream = _stream(container, name_of(self._file))
            if stream.duration and stream.time_base:
                whole = float(stream.duration * stream.time_base)
            elif container.duration:
                whole = container.duration / 1_000_000
            else:
                frames = sum(1 for packet in container.demux(stream) if packet.size)
                whole = float(frames / _rate(container))
        return max(whole - self._start, 0.0)

    def get_stream_source(self) -> str | io.BytesIO:
        if not self._whole:
            return super().get_stream_source()
        if isinstance(self._file, io.BytesIO):
            self._file.seek(0)
        return self._file

    def get_container_format(self) -> str:
        with opened(self._file) as container:
            return container.format.name


class VideoFromComponents(VideoInput):
    """A video of pictures and, if it has one, a sound, in memory."""

    def __init__(self, components: VideoComponents) -> None:
        self._components = components

    def get_components(self) -> VideoComponents:
        return self._components

    def save_to(
        self,
        path: Target,
        format: VideoContainer | str = VideoContainer.AUTO,
        codec: VideoCodec | str = VideoCodec.AUTO,
        metadata: Mapping[str, Any] | None = None,
        each: Each | None = None,
    ) -> None:
        VideoContainer(format), VideoCodec(codec)
        made = self._components
        rate = Fraction(round(made.frame_rate * 1000), 1000)
        save_video(path, "mp4", made.images, H264, rate, metadata or {}, made.audio, each)

    def as_trimmed(
        self, start_time: float = 0.0, duration: float = 0.0, strict_duration: bool = False
    ) -> VideoInput | None:
        found = _stretch(self.get_duration(), start_time, duration, strict_duration)
        if found is None:
            return None
        start, length = found
        made = self._components
        images = _cut(made.images, start, length, float(made.frame_rate))
        if not len(images):
            return None
        audio = made.audio
        if audio is not None:
            waveform, rate = checked(audio)
            cut = _cut(waveform.movedim(-1, 0), start, len(images) / float(made.frame_rate), rate).movedim(0, -1)
            audio = {"waveform": cut, "sample_rate": rate}
        return VideoFromComponents(VideoComponents(images, made.frame_rate, audio, made.metadata))

    def get_frame_count(self) -> int:
        return len(self._components.images)

    def get_frame_rate(self) -> Fraction:
        return self._components.frame_rate

    def get_dimensions(self) -> tuple[int, int]:
        _, height, width, _ = self._components.images.shape
        return width, height

    def get_duration(self) -> float:
        return float(len(self._components.images) / self._components.frame_rate)


def _stream(container: InputContainer, name: str) -> Any:
    """Its video. Raises DiffusionError where there is none."""
    if not container.streams.video:
        held = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise DiffusionError(f"{name} has no video in it: it holds {held}")
    return container.streams.video[0]


def _rate(container: InputContainer) -> Fraction:
    stream = container.streams.video[0]
    return Fraction(stream.average_rate or stream.base_rate or 1)


def _rgb(frame: VideoFrame) -> numpy.ndarray[Any, Any]:
    """The pixels [H,W,3] of a frame, turned as its file says."""
    pixels = frame.to_ndarray(format="rgb24")
    return numpy.rot90(pixels, k=frame.rotation // 90 % 4) if frame.rotation % 90 == 0 else pixels


def _stacked(frames: list[numpy.ndarray[Any, Any]], name: str) -> Tensor:
    """Frames of 8 bits as one tensor in 0..1; they go as they are taken, so that both are not there at once."""
    if not frames:
        raise DiffusionError(f"{name} has no frame that could be read in this stretch of it")
    height, width, _ = frames[0].shape
    images = torch.empty(len(frames), height, width, 3)
    for number in range(len(frames)):
        pixels = frames[number]
        frames[number] = numpy.empty(0)
        if pixels.shape != (height, width, 3):
            raise DiffusionError(
                f"frame {number} of {name} is {pixels.shape[1]}x{pixels.shape[0]}, those before are {width}x{height}"
            )
        images[number] = torch.from_numpy(numpy.ascontiguousarray(pixels))
    return images.div_(255.0)


def _stretch(whole: float, start: float, duration: float, strict: bool) -> tuple[float, float] | None:
    """Where a stretch starts, and its length, 0 for all; None where it is empty, or shorter than it must be."""
    first = max(whole + start, 0.0) if start < 0 else start
    if first >= whole or (strict and first + duration > whole + 1e-6):
        return None
    return first, duration


def _cut(values: Tensor, start: float, duration: float, rate: float) -> Tensor:
    """From the first dimension: what begins in a stretch; `duration` 0 for all that follows."""
    first = round(start * rate)
    return values[first : first + max(round(duration * rate), 1)] if duration else values[first:]
