"""Sound: files of it, read and written by PyAV, and what is done to waveforms.

A sound is `{"waveform": float32 [B,C,T] on the CPU, 1 is full scale; "sample_rate": in Hz}`. PyAV is imported when a
file is read or written, not before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypedDict

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.values.mediafile import opened, written

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

MAX_SAMPLES = 1 << 29
"""The most values that are read from one file, 2 GB: an hour and a half of stereo at 48 kHz."""


class Audio(TypedDict):
    """A batch of sounds: float32 [B,C,T], and how many of T are a second."""

    waveform: Tensor
    sample_rate: int


@dataclass(frozen=True)
class AudioFormat:
    """How sounds are kept in files: container, codec, what a quality means, and the rates that the codec knows.

    A quality is bits a second, of which a channel can have `most`; 0 is the best bit rate that varies.
    """

    suffix: str
    container: str
    codec: str
    qualities: Mapping[str, int]
    rates: tuple[int, ...] = ()
    most: int = 320_000


AUDIO_FORMATS: Mapping[str, AudioFormat] = {
    "flac": AudioFormat(".flac", "flac", "flac", {}),
    "mp3": AudioFormat(
        ".mp3",
        "mp3",
        "libmp3lame",
        {"V0": 0, "128k": 128_000, "320k": 320_000},
        (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    ),
    "opus": AudioFormat(
        ".opus",
        "ogg",
        "libopus",
        {"64k": 64_000, "96k": 96_000, "128k": 128_000, "192k": 192_000, "320k": 320_000},
        (8000, 12000, 16000, 24000, 48000),
        256_000,
    ),
    "aac": AudioFormat(
        ".m4a", "mp4", "aac", {}, (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
    ),
}
_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def load_audio(path: Path) -> Audio:
    """The first sound of a file, [1,C,T], at its own rate. Raises DiffusionError: none in it, or it cannot be read."""
    with opened(path) as container:
        audio = read_audio(container, path.name)
    if audio is None:
        raise DiffusionError(f"{path.name} has no sound in it")
    return audio


def read_audio(container: InputContainer, name: str, start: float = 0.0, duration: float = 0.0) -> Audio | None:
    """The first sound of an opened file from `start`, for `duration` seconds, 0 for all of it; None where it has none.

    Raises DiffusionError for more than MAX_SAMPLES values, or where nothing of it can be decoded.
    """
    import av

    if not container.streams.audio:
        return None
    stream = container.streams.audio[0]
    resampler = av.AudioResampler(format="fltp")
    parts: list[Tensor] = []
    rate = length = 0
    for frame in container.decode(stream):
        for made in resampler.resample(frame):
            parts.append(torch.from_numpy(made.to_ndarray()))
            rate, length = made.sample_rate, length + made.samples
        if parts and length * parts[0].shape[0] > MAX_SAMPLES:
            raise DiffusionError(f"{name} has more than {MAX_SAMPLES:,} samples of sound, the most that are read")
        if duration and rate and length >= math.ceil((start + duration) * rate):
            break
    if not parts:
        raise DiffusionError(f"{name} has a stream of sound in which there is nothing")
    first = round(start * rate)
    last = first + round(duration * rate) if duration else length
    return {"waveform": torch.cat(parts, dim=1)[None, :, first:last].contiguous(), "sample_rate": rate}


def write_audio(
    stream: IO[bytes], audio: Audio, kind: str, quality: str = "", metadata: Mapping[str, str] | None = None
) -> None:
    """Write the first sound of a batch to a stream as one of AUDIO_FORMATS. Raises DiffusionError."""
    how = AUDIO_FORMATS[kind]
    if how.qualities and quality not in how.qualities:
        known = ", ".join(how.qualities)
        raise DiffusionError(f"{quality!r} is no quality of {kind}{nearest(quality, how.qualities)}: one of {known}")
    with written(stream, how.container, metadata or {}) as container:
        add_audio(container, audio, kind, quality)()


def add_audio(container: OutputContainer, audio: Audio, kind: str, quality: str = "") -> Callable[[], None]:
    """Add a stream to a container for the first sound of a batch, resampled where the codec asks for it.

    What is returned writes it: the streams of a container are all there before anything is in them.

    Raises DiffusionError: nothing in it, NaN, more channels than there are names for.
    """
    import av

    how = AUDIO_FORMATS[kind]
    waveform, rate = checked(audio)
    samples = waveform[0].detach().float().cpu()
    if samples.shape[-1] == 0:
        raise DiffusionError("the sound is empty: there is nothing to write")
    if samples.isnan().any():
        raise DiffusionError("the sound has NaN in it, which is no loudness")
    layout = _LAYOUTS.get(samples.shape[0])
    if layout is None:
        raise DiffusionError(f"the sound has {samples.shape[0]} channels: expected 1 to {max(_LAYOUTS)}")
    target = rate if not how.rates or rate in how.rates else nearest_rate(rate, how.rates)
    samples = resample(samples, rate, target).clamp(-1, 1)
    stream: Any = container.add_stream(how.codec, rate=target, layout=layout)
    if how.qualities.get(quality):
        stream.bit_rate = min(how.qualities[quality], how.most * samples.shape[0])
    elif quality in how.qualities:
        stream.codec_context.qscale = True
    packed = samples.T.contiguous().reshape(1, -1).numpy()
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = target, 0, Fraction(1, target)

    def write() -> None:
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    return write


def nearest_rate(rate: int, rates: tuple[int, ...]) -> int:
    """The next rate above that a codec knows, so that nothing is lost; its highest where there is none."""
    return next((known for known in rates if known >= rate), rates[-1])


def checked(audio: Any) -> tuple[Tensor, int]:
    """Waveform and rate of what an input was given. Raises DiffusionError where it is no sound, or there is none."""
    if audio is None:
        raise DiffusionError("there is no sound: what was linked has none, such as a video without a sound track")
    waveform = audio.get("waveform") if isinstance(audio, Mapping) else None
    if not isinstance(waveform, Tensor) or waveform.ndim != 3:
        raise DiffusionError(f"expected a sound, a waveform [B,C,T] and a sample_rate, got {type(audio).__name__}")
    return waveform, int(audio["sample_rate"])


def resample(waveform: Tensor, rate: int, target: int, taps: int = 6, rolloff: float = 0.99) -> Tensor:
    """A waveform [...,T] at another rate, [..., ceil(T * target / rate)]: band-limited interpolation with a Hann
    window over `taps` zero crossings, of the frequencies up to `rolloff` of the lower Nyquist frequency.

    J. O. Smith, Digital Audio Resampling (2002); the parameters are torchaudio's.
    """
    if rate == target:
        return waveform
    common = math.gcd(rate, target)
    old, new = rate // common, target // common
    cutoff = min(old, new) * rolloff
    width = math.ceil(taps * old / cutoff)
    times = torch.arange(-width, width + old, dtype=torch.float64)[None] / old
    times = (times - torch.arange(new, dtype=torch.float64)[:, None] / new) * cutoff
    times = times.clamp(-taps, taps)
    kernel = torch.sinc(times) * torch.cos(times * math.pi / taps / 2) ** 2 * (cutoff / old)
    shape, length = waveform.shape, waveform.shape[-1]
    padded = torch.nn.functional.pad(waveform.reshape(-1, length), (width, width + old))
    made = torch.nn.functional.conv1d(padded[:, None], kernel.to(waveform.dtype)[:, None], stride=old)
    made = made.transpose(1, 2).reshape(padded.shape[0], -1)[:, : math.ceil(new * length / old)]
    return made.reshape(*shape[:-1], -1)


def empty(duration: float, sample_rate: int, channels: int) -> Audio:
    """Silence [1,C,T]."""
    return {"waveform": torch.zeros(1, channels, round(duration * sample_rate)), "sample_rate": sample_rate}


def trim(audio: Audio, start: float, duration: float) -> Audio:
    """A stretch of a sound, in seconds; a negative start counts from the end. Raises DiffusionError: it is empty."""
    waveform, rate = checked(audio)
    length = waveform.shape[-1]
    first = round(start * rate) + (length if start < 0 else 0)
    first = min(max(first, 0), max(length - 1, 0))
    last = min(first + round(duration * rate), length)
    if first >= last:
        raise DiffusionError(
            f"nothing of the sound of {length / rate:.2f} s is left from {start} s on for {duration} s: expected a "
            "duration above 0"
        )
    return {"waveform": waveform[..., first:last], "sample_rate": rate}


def split(audio: Audio) -> tuple[Audio, Audio]:
    """The left and the right channel of a stereo sound, [B,1,T] each. Raises DiffusionError: other channels."""
    waveform, rate = checked(audio)
    if waveform.shape[1] != 2:
        raise DiffusionError(f"the sound has {waveform.shape[1]} channels: expected 2, left and right")
    return {"waveform": waveform[:, :1], "sample_rate": rate}, {"waveform": waveform[:, 1:], "sample_rate": rate}


def concatenate(first: Audio, second: Audio) -> Audio:
    """One sound after the other, at the higher of both rates, in stereo where they are mono."""
    one, two, rate = _matched(first, second)
    one, two = (each.repeat(1, 2, 1) if each.shape[1] == 1 else each for each in (one, two))
    if one.shape[:2] != two.shape[:2]:
        raise DiffusionError(f"sounds of shapes {list(one.shape)} and {list(two.shape)} cannot follow each other")
    return {"waveform": torch.cat((one, two), dim=2), "sample_rate": rate}


MERGES = ("add", "mean", "subtract", "multiply")


def merge(first: Audio, second: Audio, method: str) -> Audio:
    """Two sounds at once, as long as the first; made quieter where they are louder than full scale together."""
    one, two, rate = _matched(first, second)
    length = one.shape[-1]
    two = torch.nn.functional.pad(two[..., :length], (0, max(length - two.shape[-1], 0)))
    if method == "add":
        mixed = one + two
    elif method == "mean":
        mixed = (one + two) / 2
    elif method == "subtract":
        mixed = one - two
    else:
        mixed = one * two
    peak = mixed.abs().max().item() if mixed.numel() else 0.0
    return {"waveform": mixed / peak if peak > 1 else mixed, "sample_rate": rate}


def adjust_volume(audio: Audio, decibels: float) -> Audio:
    """A sound made louder, or quieter for less than 0."""
    waveform, rate = checked(audio)
    return {"waveform": waveform * 10 ** (decibels / 20) if decibels else waveform, "sample_rate": rate}


def _matched(first: Audio, second: Audio) -> tuple[Tensor, Tensor, int]:
    """Both waveforms at the higher of their rates."""
    (one, rate), (two, other) = checked(first), checked(second)
    highest = max(rate, other)
    return resample(one, rate, highest), resample(two, other, highest), highest
