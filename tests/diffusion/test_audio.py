"""Sounds: read back as they were written, cut, put together, resampled."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values import audio as sounds
from weft.nodes.diffusion.values.audio import Audio

RATE = 8000


def tone(hertz: float = 200.0, seconds: float = 0.5, rate: int = RATE, channels: int = 1) -> Audio:
    wave = torch.sin(torch.arange(round(seconds * rate)) / rate * 2 * math.pi * hertz) / 2
    return {"waveform": wave.expand(1, channels, -1).contiguous(), "sample_rate": rate}


def steps(*values: float, rate: int = 1, channels: int = 1) -> Audio:
    return {"waveform": torch.tensor(values).expand(1, channels, -1).contiguous(), "sample_rate": rate}


def saved(audio: Any, kind: str, quality: str, folder: Path) -> Path:
    stream = io.BytesIO()
    sounds.write_audio(stream, audio, kind, quality, {"prompt": '{"1": {}}'})
    (folder / "sound").write_bytes(stream.getvalue())
    return folder / "sound"


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_flac_keeps_16_bits(channels: int, tmp_path: Path) -> None:
    noise = torch.rand(1, channels, 4000, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = sounds.load_audio(saved({"waveform": noise, "sample_rate": 12345}, "flac", "", tmp_path))
    assert found["sample_rate"] == 12345
    assert found["waveform"].dtype == torch.float32
    assert (found["waveform"] - noise).abs().max() <= 2**-16


@pytest.mark.parametrize(
    ("kind", "quality"),
    [("mp3", "V0"), ("mp3", "128k"), ("mp3", "320k"), ("opus", "64k"), ("opus", "320k"), ("aac", "")],
)
@pytest.mark.parametrize(("rate", "channels"), [(48000, 2), (23000, 1)])
def test_others_keep_the_sound(kind: str, quality: str, rate: int, channels: int, tmp_path: Path) -> None:
    original = tone(rate=rate, channels=channels, seconds=0.25)
    found = sounds.load_audio(saved(original, kind, quality, tmp_path))
    assert found["waveform"].shape[1] == channels
    expected = tone(rate=found["sample_rate"], channels=channels, seconds=0.25)["waveform"]
    inner = slice(found["sample_rate"] // 20, found["sample_rate"] // 5)  # without the ends, where codecs start
    assert (found["waveform"][..., inner] - expected[..., inner]).abs().max() < 0.05


@pytest.mark.parametrize("kind", ["flac", "mp3", "opus"])
def test_the_same_sound_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    quality = next(iter(sounds.AUDIO_FORMATS[kind].qualities), "")
    first = saved(tone(), kind, quality, tmp_path).read_bytes()
    assert saved(tone(), kind, quality, tmp_path).read_bytes() == first


def test_what_is_louder_than_full_scale_is_clipped(tmp_path: Path) -> None:
    found = sounds.load_audio(saved(steps(*[2.0, -3.0] * 50, rate=8000), "flac", "", tmp_path))
    assert found["waveform"][0, 0, :2].tolist() == pytest.approx([1, -1], abs=1e-4)


REFUSED = {
    "nothing": (None, "there is no sound"),
    "an image": (torch.zeros(1, 8, 8, 3), "expected a sound"),
    "two dimensions": ({"waveform": torch.zeros(2, 8), "sample_rate": 8000}, "expected a sound"),
    "empty": (steps(rate=8000), "the sound is empty"),
    "NaN": (steps(0.0, math.nan, rate=8000), "NaN"),
    "channels": ({"waveform": torch.zeros(1, 9, 10), "sample_rate": 8000}, "9 channels: expected 1 to 8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_no_sound(name: str) -> None:
    audio, message = REFUSED[name]
    with pytest.raises(DiffusionError, match=message):
        sounds.write_audio(io.BytesIO(), audio, "flac")


def test_no_quality() -> None:
    with pytest.raises(DiffusionError, match="'V1' is no quality of mp3: one of V0, 128k, 320k"):
        sounds.write_audio(io.BytesIO(), tone(), "mp3", "V1")


def test_more_than_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tone(seconds=1), "flac", "", tmp_path)
    monkeypatch.setattr(sounds, "MAX_SAMPLES", 5000)
    with pytest.raises(DiffusionError, match="more than 5,000 samples"):
        sounds.load_audio(path)


@pytest.mark.parametrize(("rate", "target"), [(44100, 48000), (48000, 44100), (8000, 24000), (32000, 16000), (7, 5)])
def test_resampled_as_the_formula_says(rate: int, target: int) -> None:
    """Against the sum itself, sample by sample: a Hann window over six zero crossings of a sinc."""
    wave = torch.rand(64, generator=torch.Generator().manual_seed(rate)).double()
    found = sounds.resample(wave.float()[None], rate, target)[0]
    cutoff = min(rate, target) * 0.99
    assert len(found) == math.ceil(64 * target / rate)
    for place in (0, 1, len(found) // 2, len(found) - 1):
        expected = 0.0
        for number, value in enumerate(wave.tolist()):
            x = (number / rate - place / target) * cutoff
            if abs(x) < 6:
                sinc = 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)
                expected += value * sinc * math.cos(math.pi * x / 12) ** 2 * cutoff / rate
        assert found[place].item() == pytest.approx(expected, abs=1e-5)


def test_trimmed() -> None:
    sound = steps(0, 1, 2, 3, 4, 5, rate=2)
    cases = [(0, 1, [0, 1]), (1, 1, [2, 3]), (-1, 9, [4, 5]), (-9, 0.5, [0]), (9, 1, [5]), (0.25, 0.5, [0])]
    for start, duration, expected in cases:
        assert sounds.trim(sound, start, duration)["waveform"][0, 0].tolist() == expected, (start, duration)
    with pytest.raises(DiffusionError, match=r"nothing of the sound of 3.00 s is left from 1 s on for 0 s"):
        sounds.trim(sound, 1, 0)


def test_split() -> None:
    stereo: Audio = {"waveform": torch.tensor([[[1.0, 2], [3, 4]]]), "sample_rate": 2}
    left, right = sounds.split(stereo)
    assert (left["waveform"].tolist(), right["waveform"].tolist()) == ([[[1, 2]]], [[[3, 4]]])
    with pytest.raises(DiffusionError, match="1 channels: expected 2"):
        sounds.split(steps(1))


def test_concatenated() -> None:
    found = sounds.concatenate(steps(1, 2), steps(3, channels=2))
    assert found["waveform"].tolist() == [[[1, 2, 3], [1, 2, 3]]]
    assert sounds.concatenate(tone(rate=8000), tone(rate=16000))["waveform"].shape == (1, 2, 16000)
    with pytest.raises(DiffusionError, match="cannot follow each other"):
        sounds.concatenate(steps(1), steps(1, channels=6))


def test_merged() -> None:
    cases = {"add": [0.5, 0.75], "mean": [0.25, 0.375], "subtract": [0.0, 0.25], "multiply": [0.0625, 0.125]}
    for method, expected in cases.items():
        found = sounds.merge(steps(0.25, 0.5), steps(0.25, 0.25, 9), method)
        assert found["waveform"][0, 0].tolist() == expected, method
    assert sounds.merge(steps(0.5, 0.5), steps(0.25), "add")["waveform"][0, 0].tolist() == [0.75, 0.5]
    assert sounds.merge(steps(1, -2), steps(1, 0), "add")["waveform"][0, 0].tolist() == [1, -1], "made quieter"


def test_volume_and_silence() -> None:
    assert sounds.adjust_volume(steps(0.1), 20)["waveform"].item() == pytest.approx(1.0)
    assert sounds.adjust_volume(steps(0.1), -20)["waveform"].item() == pytest.approx(0.01)
    silence = sounds.empty(0.5, 100, 2)
    assert silence["waveform"].shape == (1, 2, 50)
    assert not silence["waveform"].any()
