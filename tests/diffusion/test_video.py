"""Videos: every frame at its place, sizes, rates, stretches, texts; files that are none."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy
import pytest
import torch

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.video import (
    VideoCodec,
    VideoComponents,
    VideoContainer,
    VideoFromComponents,
    VideoFromFile,
    VideoInput,
)
from weft.nodes.diffusion.values.videofile import save_webm

FRAMES = torch.arange(6.0).div(6)[:, None, None, None].expand(6, 16, 32, 3).contiguous()
"""Six grey pictures: the brightness tells which one it is."""
SOUND = {"waveform": torch.linspace(-0.5, 0.5, 44100).expand(1, 2, -1), "sample_rate": 44100}
ERROR = 0.02  # two levels of 8 bits, and what colours lose


def made(frames: torch.Tensor = FRAMES, fps: float = 8, audio: Any = None) -> VideoFromComponents:
    return VideoFromComponents(VideoComponents(frames, Fraction(fps), audio))


def numbers(video: VideoInput) -> list[int]:
    """Which of FRAMES it shows, in its order."""
    return video.get_components().images.mean(dim=(1, 2, 3)).mul(6).round().int().tolist()


def file_of(video: VideoInput, **options: Any) -> io.BytesIO:
    stream = io.BytesIO()
    video.save_to(stream, **options)
    stream.seek(0)
    return stream


@pytest.fixture(scope="module")
def film() -> bytes:
    """The frames and the sound as MP4."""
    return file_of(made(audio=SOUND)).getvalue()


def test_every_frame_is_written_and_read(film: bytes) -> None:
    video = VideoFromFile(io.BytesIO(film))
    found = video.get_components()
    assert found.images.dtype == torch.float32
    assert (found.images - FRAMES).abs().max() < ERROR
    assert found.frame_rate == 8
    assert video.get_dimensions() == (32, 16)
    assert (video.get_frame_count(), video.get_frame_rate(), video.get_duration()) == (6, 8, 0.75)
    assert "mp4" in video.get_container_format()


def test_the_sound_is_as_long_as_the_pictures(film: bytes) -> None:
    sound = VideoFromFile(io.BytesIO(film)).get_components().audio
    assert sound is not None
    assert sound["sample_rate"] == 44100
    assert sound["waveform"].shape[:2] == (1, 2)
    assert 0 <= sound["waveform"].shape[-1] - 33075 < 2048, "the codec fills up its last block"


def test_without_a_sound() -> None:
    assert VideoFromFile(file_of(made())).get_components().audio is None


@pytest.mark.parametrize("fps", [1, 23.976, 29.97, 60, 119.5])
def test_frames_a_second(fps: float) -> None:
    video = VideoFromFile(file_of(made(fps=fps)))
    assert float(video.get_frame_rate()) == pytest.approx(fps, abs=1e-3)
    assert numbers(video) == [0, 1, 2, 3, 4, 5]


def test_the_same_content_gives_the_same_bytes(film: bytes) -> None:
    assert file_of(made(audio=SOUND)).getvalue() == film


STRETCHES = [
    ((0.0, 0.0), [0, 1, 2, 3, 4, 5]),
    ((0.25, 0.0), [2, 3, 4, 5]),
    ((0.0, 0.25), [0, 1]),
    ((0.25, 0.25), [2, 3]),
    ((0.249, 0.251), [2, 3]),
    ((-0.25, 0.0), [4, 5]),
    ((-9.0, 0.125), [0]),
    ((0.625, 9.0), [5]),
]


@pytest.mark.parametrize(("stretch", "expected"), STRETCHES)
@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_stretch(kind: str, stretch: tuple[float, float], expected: list[int], film: bytes) -> None:
    whole: VideoInput = VideoFromFile(io.BytesIO(film)) if kind == "file" else made(audio=SOUND)
    cut = whole.as_trimmed(*stretch)
    assert cut is not None
    assert numbers(cut) == expected
    assert cut.get_frame_count() == len(expected)
    sound = cut.get_components().audio
    assert sound is not None
    if len(expected) < 6:
        assert sound["waveform"].shape[-1] == pytest.approx(len(expected) / 8 * 44100, abs=1)
    again = VideoFromFile(cut.get_stream_source())
    assert numbers(again) == expected


def test_a_stretch_of_a_stretch(film: bytes) -> None:
    first = VideoFromFile(io.BytesIO(film)).as_trimmed(0.125, 0.5)
    assert first is not None
    second = first.as_trimmed(0.125, 0.25)
    assert second is not None
    assert numbers(second) == [2, 3]
    last = first.as_trimmed(-0.125)
    assert last is not None
    assert numbers(last) == [4], "counted from the end of the stretch"


@pytest.mark.parametrize("stretch", [(0.75, 0.0, False), (2.0, 0.0, False), (0.5, 0.5, True)])
def test_no_such_stretch(stretch: tuple[float, float, bool], film: bytes) -> None:
    assert VideoFromFile(io.BytesIO(film)).as_trimmed(*stretch) is None
    assert made().as_trimmed(*stretch) is None


def test_a_file_is_copied_and_its_workflow_is_not(film: bytes) -> None:
    first = file_of(made(), metadata={"prompt": {"a": 1}, "workflow": {"b": 2}, "title": "Möwe"})
    second = file_of(VideoFromFile(first), metadata={"prompt": {"c": 3}})
    texts = VideoFromFile(second).get_components().metadata
    assert texts is not None
    assert (texts["prompt"], texts["title"]) == ('{"c": 3}', "Möwe")
    assert "workflow" not in texts
    packets = [[bytes(packet) for packet in av.open(io.BytesIO(each.getvalue())).demux()] for each in (first, second)]
    assert packets[0] == packets[1]
    assert "workflow" in (VideoFromFile(file_of(VideoFromFile(first))).get_components().metadata or {})


@pytest.mark.parametrize("codec", ["vp9", "av1"])
@pytest.mark.parametrize("size", [(16, 32), (17, 33)])
def test_webm(codec: str, size: tuple[int, int]) -> None:
    frames = FRAMES[:, :1, :1].expand(6, *size, 3)
    stream = io.BytesIO()
    if codec == "av1" and size == (17, 33):
        with pytest.raises(DiffusionError, match="pictures of 33x17 cannot be a video in AV1: .* must be even"):
            save_webm(stream, frames, codec, 8.0, 20.0, {})
        return
    save_webm(stream, frames, codec, 8.0, 20.0, {"prompt": {"a": 1}})
    video = VideoFromFile(stream)
    found = video.get_components()
    assert (found.images - frames).abs().max() < ERROR
    assert (found.frame_rate, video.get_frame_count()) == (8, 6)
    assert numbers(VideoFromFile(file_of(video))) == [0, 1, 2, 3, 4, 5], "as MP4, not encoded anew"
    with av.open(file_of(video)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == codec
    if size == (16, 32):
        with av.open(file_of(video, codec="h264")) as container:
            assert container.streams.video[0].codec_context.name == "h264"


def test_colours_and_places_of_pixels() -> None:
    frame = torch.zeros(1, 32, 64, 3)
    frame[0, :, :32, 0] = 1  # red at the left
    frame[0, :16, 32:, 2] = 1  # blue at the right above
    (found,) = VideoFromFile(file_of(made(frame))).get_components().images
    assert found[16, 8].tolist() == pytest.approx([1, 0, 0], abs=0.05)
    assert found[8, 48].tolist() == pytest.approx([0, 0, 1], abs=0.05)
    assert found[24, 48].tolist() == pytest.approx([0, 0, 0], abs=0.05)


def test_alpha_is_left_out() -> None:
    frames = torch.cat((FRAMES, torch.zeros(6, 16, 32, 1)), dim=-1)
    assert numbers(VideoFromFile(file_of(made(frames)))) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("size", [(15, 32), (16, 31)])
def test_odd_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(DiffusionError, match=rf"pictures of {size[1]}x{size[0]} .* must be even"):
        file_of(made(torch.zeros(1, *size, 3)))


def test_a_turned_video_is_upright(film: bytes) -> None:
    """A telephone's video lies on its side, and its file says by how much it is turned."""
    source, target = io.BytesIO(film), io.BytesIO()
    with av.open(source) as read, av.open(target, "w", format="mp4") as write:
        copy = write.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(read.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copy
                write.mux(packet)
    content = target.getvalue()
    at = content.index(b"tkhd") + 4 + 40
    one, zero = (1 << 16).to_bytes(4, "big"), bytes(4)
    turned = zero + one + zero + (-(1 << 16)).to_bytes(4, "big", signed=True)
    video = VideoFromFile(io.BytesIO(content[:at] + turned + content[at + 16 :]))
    assert video.get_dimensions() == (16, 32)
    assert video.get_components().images.shape == (6, 32, 16, 3)


BAD = {
    "empty": (b"", "cannot be read as a video or a sound"),
    "text": (b"hello " * 100, "cannot be read as a video or a sound"),
    "zeros": (bytes(1000), "cannot be read as a video or a sound"),
}


@pytest.mark.parametrize("name", BAD)
def test_no_video(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    (tmp_path / "x.mp4").write_bytes(content)
    with pytest.raises(DiffusionError, match=f"x.mp4 {message}"):
        VideoFromFile(tmp_path / "x.mp4").get_components()


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DiffusionError, match="no such file"):
        VideoFromFile(tmp_path / "x.mp4").get_frame_rate()


def test_a_sound_is_no_video() -> None:
    stream = io.BytesIO()
    with av.open(stream, "w", format="wav") as container:
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(numpy.zeros((1, 100), numpy.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(sound.encode(frame))
    with pytest.raises(DiffusionError, match="has no video in it: it holds audio"):
        VideoFromFile(stream).get_components()


def test_more_pixels_than_are_read(film: bytes) -> None:
    assert len(VideoFromFile(io.BytesIO(film), max_pixels=16 * 32 * 6).get_components().images) == 6
    with pytest.raises(DiffusionError, match=r"more than 3,071 pixels in its frames.*Video Slice.*max_pixels"):
        VideoFromFile(io.BytesIO(film), max_pixels=16 * 32 * 6 - 1).get_components()


@pytest.mark.parametrize("share", range(10))
def test_a_file_that_is_cut_short_is_refused(share: int, film: bytes) -> None:
    with pytest.raises(DiffusionError):
        VideoFromFile(io.BytesIO(film[: len(film) * share // 10])).get_components()


def test_names_that_packs_ask_for() -> None:
    assert VideoContainer.as_input() == ["auto", "mp4"]
    assert VideoCodec.as_input() == ["auto", "h264"]
    assert VideoContainer.get_extension("auto") == VideoContainer.get_extension(VideoContainer.MP4) == "mp4"
    with pytest.raises(ValueError, match="avi"):
        made().save_to(io.BytesIO(), format="avi")


class Broken(io.RawIOBase):
    """A stream that cannot be written to."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def write(self, data: Any) -> int:
        raise self.error


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_a_stream_raises_comes_out(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        made().save_to(Broken(error))
    assert caught.value is error


def test_what_is_told_of_each_picture_may_stop_it(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def each(number: int, count: int) -> None:
        told.append((number, count))
        if number == 3:
            raise KeyboardInterrupt

    with (tmp_path / "x.mp4").open("wb") as stream, pytest.raises(KeyboardInterrupt):
        made().save_to(stream, each=each)
    assert told == [(1, 6), (2, 6), (3, 6)]
    with (tmp_path / "y.mp4").open("wb") as stream:
        made().save_to(stream)
    assert numbers(VideoFromFile(tmp_path / "y.mp4")) == [0, 1, 2, 3, 4, 5]
