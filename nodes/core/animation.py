"""Batches of pictures, written as one that moves.

The workflow stands where ComfyUI's editor looks for it: in `comf` chunks of a PNG, in the EXIF of a WebP.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import UI, ExtraPnginfo, PromptJson, node
from weft.engine.schema.node import Seen
from weft.engine.schema.sockets import Boolean, Combo, Float, Int, String
from weft.nodes.core.types import Image

_MODULE = "comfy_extras.nodes_images"
_CATEGORY = "image/animation"
_METHODS = {"default": 4, "fastest": 0, "slowest": 6}
_PNG_SLOWEST = 65_535  # milliseconds a frame: a PNG counts them in 16 bits
_WEBP_SLOWEST = 2**24 - 1  # a WebP in 24
_EXIF_MODEL, _EXIF_MAKE = 0x0110, 0x010F

Prefix = Annotated[str, String(default="ComfyUI")]
Fps = Annotated[float, Float(default=6.0, min=0.01, max=1000.0, step=0.01)]
Write = Callable[[IO[bytes], list[Any]], None]


@node(category=_CATEGORY, python_module=_MODULE, output_node=True)
def SaveAnimatedWEBP(
    *,
    images: Image,
    filename_prefix: Prefix,
    fps: Fps,
    lossless: Annotated[bool, Boolean(default=True)],
    quality: Annotated[int, Int(default=80, min=0, max=100)],
    method: Annotated[str, Combo(tuple(_METHODS))],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> UI:
    """Write a batch of pictures to the output folder as one animated WebP, with the workflow that made it.

    Args:
        images: The pictures, each for one frame.
        filename_prefix: Subfolder and beginning of the name, as in Save Image.
        fps: Frames a second.
        lossless: Keep every pixel as it is.
        quality: Of the colours, 0 to 100; where lossless, how hard to try for a small file.
        method: How long to look for a small file.
    """
    options = {"lossless": lossless, "quality": quality, "method": _METHODS[method]}
    return save_webp(images, filename_prefix, "output", fps, options, {"prompt": prompt, **extra_pnginfo}, context)


def save_webp(
    images: Image,
    prefix: str,
    kind: str,
    fps: float,
    options: Mapping[str, Any],
    metadata: Mapping[str, Any],
    context: RunContext,
) -> UI:
    """Write pictures [B,H,W,C] to a folder of the run as one animated WebP that carries `metadata`.

    `options` are Pillow's: lossless, quality (0 to 100), method (0 to 6). Raises DiffusionError: too few fps for it.
    """
    milliseconds = _duration(fps, _WEBP_SLOWEST)
    extra = {**metadata, "weft": context.provenance}

    def write(stream: IO[bytes], frames: list[Any]) -> None:
        exif = frames[0].getexif()
        if "prompt" in extra:
            exif[_EXIF_MODEL] = f"prompt:{json.dumps(extra['prompt'])}"
        others = (name for name in extra if name != "prompt")
        for number, name in enumerate(others):
            exif[_EXIF_MAKE - number] = f"{name}:{json.dumps(extra[name])}"
        frames[0].save(
            stream, "WEBP", save_all=True, append_images=frames[1:], duration=milliseconds, exif=exif, **options
        )

    return _save(images, prefix, kind, ".webp", write, context)


def _check_png(seen: Seen) -> Iterator[tuple[str, str]]:
    fps = seen.constants.get("fps")
    if fps and int(1000 / fps) > _PNG_SLOWEST:
        yield "fps", _too_slow(fps, _PNG_SLOWEST)


@node(category=_CATEGORY, python_module=_MODULE, output_node=True, check=_check_png)
def SaveAnimatedPNG(
    *,
    images: Image,
    filename_prefix: Prefix,
    fps: Fps,
    compress_level: Annotated[int, Int(default=4, min=0, max=9)],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> UI:
    """Write a batch of pictures to the output folder as one animated PNG, with the workflow that made it.

    Args:
        images: The pictures, each for one frame.
        filename_prefix: Subfolder and beginning of the name, as in Save Image.
        fps: Frames a second.
        compress_level: 0 is fastest, 9 gives the smallest file; the pixels are the same.
    """
    metadata = {"prompt": prompt, **extra_pnginfo}
    return save_png(images, filename_prefix, "output", fps, compress_level, metadata, context)


def save_png(
    images: Image,
    prefix: str,
    kind: str,
    fps: float,
    compress_level: int,
    metadata: Mapping[str, Any],
    context: RunContext,
) -> UI:
    """Write pictures [B,H,W,C] to a folder of the run as one animated PNG that carries `metadata`.

    Raises DiffusionError: too few fps for it.
    """
    milliseconds = _duration(fps, _PNG_SLOWEST)

    def write(stream: IO[bytes], frames: list[Any]) -> None:
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        for name, value in {**metadata, "weft": context.provenance}.items():
            info.add(b"comf", name.encode() + b"\0" + json.dumps(value).encode(), after_idat=True)
        options = {"pnginfo": info, "compress_level": compress_level}
        frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:], duration=milliseconds, **options)

    return _save(images, prefix, kind, ".png", write, context)


def _duration(fps: float, most: int) -> int:
    """Milliseconds that a frame is shown. Raises DiffusionError for more than the format can say."""
    from weft.nodes.diffusion.errors import DiffusionError

    milliseconds = int(1000 / fps)
    if milliseconds > most:
        raise DiffusionError(_too_slow(fps, most))
    return milliseconds


def _too_slow(fps: float, most: int) -> str:
    return f"fps is {fps}: expected at least {1000 / most:.4f}, since a frame is shown {most} ms at most"


def _save(images: Image, prefix: str, kind: str, suffix: str, write: Write, context: RunContext) -> UI:
    """One file of all the pictures of a batch, numbered on from what is there."""
    from PIL import Image as PILImage

    from weft.nodes.diffusion.values.pixels import to_uint8

    _, height, width, _ = images.shape
    frames = [PILImage.fromarray(frame.numpy()) for frame in to_uint8(images)]
    series = context.folders.numbered(prefix, kind, {"width": width, "height": height})
    context.checkpoint()
    with series.create(suffix) as (stream, path):
        write(stream, frames)
        context.wrote(path)
    shown = {"filename": path.name, "subfolder": series.subfolder, "type": kind}
    return UI(images=[shown], animated=[True])
