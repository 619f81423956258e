"""Sounds: read, made, cut, put together, written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import UI, ExtraPnginfo, Output, PromptJson, node
from weft.engine.schema.sockets import Combo, DynamicCombo, Files, Float, Int, Opaque, String
from weft.nodes.core.image import preview_prefix
from weft.nodes.core.types import Audio

LIBRARIES = ("torch", "av")

_MODULE = "comfy_extras.nodes_audio"
_LONGEST = 2**64 - 1

AudioFile = Annotated[str, Files("input", audio_upload=True)]
Prefix = Annotated[str, String(default="audio/ComfyUI")]
_MP3 = ("V0", "128k", "320k")
_OPUS = ("64k", "96k", "128k", "192k", "320k")


@node(display_name="Load Audio", category="audio", python_module=_MODULE)
def LoadAudio(*, audio: AudioFile, context: RunContext) -> Audio:
    """Read a sound, or the sound of a video, from the input folder.

    Args:
        audio: A file in the input folder; `name [output]` takes it from the output folder.
    """
    from weft.nodes.diffusion.values.audio import load_audio

    return load_audio(context.folders.find("input", audio))


@node(display_name="Record Audio", category="audio", python_module=_MODULE)
def RecordAudio(*, audio: Annotated[str, Opaque("AUDIO_RECORD")], context: RunContext) -> Audio:
    """A sound that the editor recorded with a microphone. There is none here: what it recorded earlier is read.

    Args:
        audio: The recording, a file in the input folder.
    """
    from weft.nodes.diffusion.errors import DiffusionError
    from weft.nodes.diffusion.values.audio import load_audio

    if not audio:
        raise DiffusionError("there is no microphone here, and nothing was recorded before: use Load Audio")
    return load_audio(context.folders.find("input", audio))


@node(display_name="Save Audio (FLAC)", category="audio", python_module=_MODULE, output_node=True)
def SaveAudio(
    *, audio: Audio, filename_prefix: Prefix, prompt: PromptJson, extra_pnginfo: ExtraPnginfo, context: RunContext
) -> UI:
    """Write sounds to the output folder as FLAC, 16 bits a sample, with the workflow that made them.

    Args:
        audio: The sounds.
        filename_prefix: Subfolder and beginning of the names, as in Save Image.
    """
    return save_audio(audio, filename_prefix, "output", "flac", "", {"prompt": prompt, **extra_pnginfo}, context)


@node(display_name="Save Audio (MP3)", category="audio", python_module=_MODULE, output_node=True)
def SaveAudioMP3(
    *,
    audio: Audio,
    filename_prefix: Prefix,
    quality: Annotated[str, Combo(_MP3, default="V0")],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> UI:
    """Write sounds to the output folder as MP3, with the workflow that made them.

    Args:
        audio: The sounds.
        filename_prefix: Subfolder and beginning of the names, as in Save Image.
        quality: Bits a second; V0 is the best bit rate that varies.
    """
    return save_audio(audio, filename_prefix, "output", "mp3", quality, {"prompt": prompt, **extra_pnginfo}, context)


@node(display_name="Save Audio (Opus)", category="audio", python_module=_MODULE, output_node=True)
def SaveAudioOpus(
    *,
    audio: Audio,
    filename_prefix: Prefix,
    quality: Annotated[str, Combo(_OPUS, default="128k")],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> UI:
    """Write sounds to the output folder as Opus, with the workflow that made them.

    Args:
        audio: The sounds.
        filename_prefix: Subfolder and beginning of the names, as in Save Image.
        quality: Bits a second.
    """
    return save_audio(audio, filename_prefix, "output", "opus", quality, {"prompt": prompt, **extra_pnginfo}, context)


AudioKind = Annotated[
    dict[str, Any],
    DynamicCombo(
        options=[
            {"key": "flac", "inputs": {"required": {}}},
            {"key": "mp3", "inputs": {"required": {"quality": ["COMBO", {"options": list(_MP3), "default": "V0"}]}}},
            {
                "key": "opus",
                "inputs": {"required": {"quality": ["COMBO", {"options": list(_OPUS), "default": "128k"}]}},
            },
        ]
    ),
]


@node(display_name="Save Audio (Advanced)", category="audio", python_module=_MODULE, output_node=True)
def SaveAudioAdvanced(
    *,
    audio: Audio,
    filename_prefix: Prefix,
    format: AudioKind,
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> tuple[Annotated[Audio, Output("audio")]]:
    """Write sounds to the output folder as FLAC, MP3 or Opus, with the workflow that made them, and pass them on.

    Args:
        audio: The sounds.
        filename_prefix: Subfolder and beginning of the names, as in Save Image.
        format: The format of the files; MP3 and Opus have a quality.
    """
    metadata = {"prompt": prompt, **extra_pnginfo}
    shown = save_audio(audio, filename_prefix, "output", format["format"], format.get("quality", ""), metadata, context)
    return _passed_on(shown, audio)


@node(display_name="Preview Audio", category="audio", python_module=_MODULE, output_node=True)
def PreviewAudio(*, audio: Audio, prompt: PromptJson, extra_pnginfo: ExtraPnginfo, context: RunContext) -> UI:
    """Write sounds to the folder for temporary files, as FLAC.

    Args:
        audio: The sounds.
    """
    return save_audio(audio, preview_prefix(), "temp", "flac", "", {"prompt": prompt, **extra_pnginfo}, context)


def _passed_on(shown: UI, *outputs: Any) -> Any:
    """What a node returns that shows something and has outputs, too."""
    return {"ui": shown, "result": outputs}


def save_audio(
    audio: Mapping[str, Any],
    prefix: str,
    kind: str,
    format: str,
    quality: str,
    metadata: Mapping[str, Any],
    context: RunContext,
) -> UI:
    """Write each sound of a batch to a folder of the run as a file that carries `metadata`.

    `format` is flac, mp3 or opus; a quality that it does not have counts for nothing. Raises DiffusionError.
    """
    from weft.nodes.diffusion.values.audio import AUDIO_FORMATS, checked, write_audio

    waveform, rate = checked(audio)
    texts = {name: json.dumps(value) for name, value in {**metadata, "weft": context.provenance}.items()}
    series = context.folders.numbered(prefix, kind, {})
    shown = []
    for index, each in enumerate(waveform):
        context.checkpoint()
        with series.create(AUDIO_FORMATS[format].suffix, index) as (stream, path):
            write_audio(stream, {"waveform": each[None], "sample_rate": rate}, format, quality, texts)
            context.wrote(path)
        shown.append({"filename": path.name, "subfolder": series.subfolder, "type": kind})
    return UI(audio=shown)


@node(display_name="Trim Audio Duration", category="audio", python_module=_MODULE)
def TrimAudioDuration(
    *,
    audio: Audio,
    start_index: Annotated[float, Float(default=0.0, min=-_LONGEST, max=_LONGEST, step=0.01)],
    duration: Annotated[float, Float(default=60.0, min=0.0, step=0.01)],
) -> Audio:
    """A stretch of a sound.

    Args:
        audio: The sound.
        start_index: Where it starts, in seconds; a negative one counts from the end.
        duration: How long it is, in seconds, as far as there is sound.
    """
    from weft.nodes.diffusion.values.audio import trim

    return trim(audio, start_index, duration)


@node(display_name="Split Audio Channels", category="audio", python_module=_MODULE)
def SplitAudioChannels(*, audio: Audio) -> tuple[Annotated[Audio, Output("left")], Annotated[Audio, Output("right")]]:
    """The left and the right channel of a stereo sound, each by itself.

    Args:
        audio: The sound, with two channels.
    """
    from weft.nodes.diffusion.values.audio import split

    return split(audio)


@node(display_name="Audio Concat", category="audio", python_module=_MODULE)
def AudioConcat(
    *, audio1: Audio, audio2: Audio, direction: Annotated[str, Combo(("after", "before"), default="after")]
) -> Audio:
    """One sound and then another one, at the higher of their rates, in stereo.

    Args:
        audio1: The one.
        audio2: The other.
        direction: Whether the second comes after the first, or before it.
    """
    from weft.nodes.diffusion.values.audio import concatenate

    return concatenate(audio1, audio2) if direction == "after" else concatenate(audio2, audio1)


@node(display_name="Audio Merge", category="audio", python_module=_MODULE)
def AudioMerge(
    *, audio1: Audio, audio2: Audio, merge_method: Annotated[str, Combo(("add", "mean", "subtract", "multiply"))]
) -> Audio:
    """Two sounds at once, as long as the first; made quieter where they are louder than full scale together.

    Args:
        audio1: The first, which says how long the result is.
        audio2: The second, cut or followed by silence.
        merge_method: What becomes of two samples at one time.
    """
    from weft.nodes.diffusion.values.audio import merge

    return merge(audio1, audio2, merge_method)


@node(display_name="Audio Adjust Volume", category="audio", python_module=_MODULE)
def AudioAdjustVolume(*, audio: Audio, volume: Annotated[int, Int(default=1.0, min=-100, max=100)]) -> Audio:
    """Make a sound louder or quieter.

    Args:
        audio: The sound.
        volume: Decibels: 6 is about twice as loud, -6 half, 0 changes nothing.
    """
    from weft.nodes.diffusion.values.audio import adjust_volume

    return adjust_volume(audio, volume)


@node(display_name="Empty Audio", category="audio", python_module=_MODULE)
def EmptyAudio(
    *,
    duration: Annotated[float, Float(default=60.0, min=0.0, max=_LONGEST, step=0.01)],
    sample_rate: Annotated[int, Int(default=44100)],
    channels: Annotated[int, Int(default=2, min=1, max=2)],
) -> Audio:
    """Silence.

    Args:
        duration: How long it is, in seconds.
        sample_rate: Samples a second.
        channels: 1 for mono, 2 for stereo.
    """
    from weft.nodes.diffusion.values.audio import empty

    return empty(duration, sample_rate, channels)
