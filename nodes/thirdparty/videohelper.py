"""ComfyUI-VideoHelperSuite's two nodes that most of its workflows have: a video in, a video out."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import IO, Annotated, Any

from weft.engine.context import RunContext
from weft.engine.errors import WeftError
from weft.engine.schema.authoring import UI, Output, Tooltip
from weft.engine.schema.sockets import Boolean, Combo, Files, Float, Int, Socket, String
from weft.nodes.core.types import Audio, Image, Vae
from weft.nodes.thirdparty.face import marker, passed_on
from weft.nodes.thirdparty.saves import OF_FORMATS

LIBRARIES = ("torch", "av")

node = marker("comfyui-videohelpersuite", "Video Helper Suite")

_SUFFIXES = {
    "image/gif": ".gif",
    "image/webp": ".webp",
    "video/h264-mp4": ".mp4",
    "video/h265-mp4": ".mp4",
    "video/webm": ".webm",
    "video/av1-webm": ".webm",
}
_NO_FORMAT = f"one of {', '.join(_SUFFIXES)} is written here"
_OTHERS = (
    *("video/8bit-png", "video/16bit-png", "video/ProRes", "video/ffv1-mkv", "video/ffmpeg-gif"),
    *("video/nvenc_h264-mp4", "video/nvenc_hevc-mp4", "video/nvenc_av1-mp4"),
)
_QUALITY = {"video/h264-mp4": 19, "video/h265-mp4": 22, "video/webm": 20, "video/av1-webm": 23}
_CODECS = {"video/h264-mp4": "libx264", "video/h265-mp4": "libx265"}
BatchManager = Annotated[
    Any, Socket("VHS_BatchManager"), Tooltip("Not carried out here: all frames are taken at once.")
]


@node(
    class_type="VHS_VideoCombine",
    display_name="Video Combine",
    output_node=True,
    claims=lambda name: name in OF_FORMATS or name == "videopreview",
)
def VideoCombine(
    *,
    images: Image,
    frame_rate: Annotated[float, Float(default=8.0, min=1.0, step=1.0)],
    loop_count: Annotated[int, Int(default=0, min=0, max=100, step=1)],
    filename_prefix: Annotated[str, String(default="AnimateDiff")],
    format: Annotated[str, Combo((*_SUFFIXES, *_OTHERS), unsupported=dict.fromkeys(_OTHERS, _NO_FORMAT))],
    pingpong: Annotated[bool, Boolean(default=False)],
    save_output: Annotated[bool, Boolean(default=True)],
    audio: Audio | None = None,
    meta_batch: BatchManager | None = None,
    vae: Vae | None = None,
    context: RunContext,
    **rest: Any,
) -> tuple[Annotated[Any, Socket("VHS_FILENAMES"), Output("Filenames")]]:
    """Write a batch of pictures, and a sound, as one file that moves, with the workflow that made it.

    Args:
        images: The pictures, each for one frame.
        frame_rate: Frames a second.
        loop_count: How often a GIF or WebP is shown again, 0 for ever; how often a video is repeated within its file.
        filename_prefix: Subfolder and beginning of the name, as in Save Image.
        format: What is written. Of a video, `crf` and `pix_fmt` may be given, too.
        pingpong: Show the pictures forwards and then backwards.
        save_output: Write to the output folder, not to that for temporary files.
        audio: The sound; `trim_to_audio` ends the video with it.
        vae: Not used: latents are to be decoded before.
    """
    import torch

    if isinstance(images, Mapping):
        raise WeftError("images is a latent: decode it with VAE Decode first")
    if pingpong and len(images) > 2:
        images = torch.cat((images, images[1:-1].flip(0)))
    if format.startswith("video/"):
        images = _even(images.repeat(loop_count + 1, 1, 1, 1) if loop_count else images, context)
        if rest.get("trim_to_audio") and audio is not None:
            seconds = audio["waveform"].shape[-1] / audio["sample_rate"]
            images = images[: max(1, round(seconds * frame_rate))]
    kind = "output" if save_output else "temp"
    _, height, width, _ = images.shape
    series = context.folders.numbered(filename_prefix, kind, {"width": width, "height": height})
    context.checkpoint()
    with series.create(_SUFFIXES[format]) as (stream, path):
        _write(stream, images, format, frame_rate, loop_count, audio, rest, context)
        context.wrote(path)
    shown = {"filename": path.name, "subfolder": series.subfolder, "type": kind, "format": format}
    return passed_on(UI(gifs=[{**shown, "frame_rate": frame_rate}]), (save_output, [str(path)]))


def _even(images: Any, context: RunContext) -> Any:
    """Pictures with even sides, by repeating their borders."""
    from torch.nn.functional import pad

    _, height, width, _ = images.shape
    if height % 2 == width % 2 == 0:
        return images
    context.warn(f"pictures of {width}x{height} are made even for the video, by repeating their last row or column")
    return pad(images.movedim(-1, 1), (0, width % 2, 0, height % 2), mode="replicate").movedim(1, -1)


def _write(
    stream: IO[bytes],
    images: Any,
    format: str,
    fps: float,
    loops: int,
    audio: Any,
    options: Mapping[str, Any],
    context: RunContext,
) -> None:
    from weft.nodes.diffusion.values.videofile import Encoding, save_video, webm_encoding

    if images.shape[-1] == 4:
        context.warn("the pictures are transparent, and what is written is not: their alpha channel is left out")
    if format.startswith("image/"):
        _write_moving(stream, images[..., :3], format, fps, loops)
        return
    crf = options.get("crf", _QUALITY[format])
    pixels = options.get("pix_fmt", "yuv420p")
    if format in _CODECS:
        if pixels not in ("yuv420p", "yuv420p10le"):
            raise WeftError(f"pix_fmt is {pixels!r}: expected yuv420p or yuv420p10le")
        tags = {"x265-params": "log-level=none"} if format == "video/h265-mp4" else {}
        how, container = Encoding(_CODECS[format], pixels, {"crf": str(crf), **tags}), "mp4"
    else:
        how, container = webm_encoding("av1" if "av1" in format else "vp9", crf), "webm"
    metadata = {}
    if options.get("save_metadata", True):
        metadata = {"prompt": context.prompt, **context.extra_pnginfo, "weft": context.provenance}
    save_video(stream, container, images, how, Fraction(round(fps * 1000), 1000), metadata, audio, context.progress)


def _write_moving(stream: IO[bytes], images: Any, format: str, fps: float, loops: int) -> None:
    from PIL import Image as PILImage

    from weft.nodes.diffusion.values.pixels import to_uint8

    frames = [PILImage.fromarray(frame.numpy()) for frame in to_uint8(images)]
    given = {"save_all": True, "append_images": frames[1:], "duration": round(1000 / fps), "loop": loops}
    frames[0].save(stream, "GIF" if format == "image/gif" else "WEBP", **given)


Info = Annotated[dict[str, Any], Socket("VHS_VIDEOINFO"), Output("video_info")]


@node(
    class_type="VHS_LoadVideo",
    display_name="Load Video (Upload)",
    claims=("force_size", "format", "videopreview").__contains__,
)
def LoadVideoUpload(
    *,
    video: Annotated[str, Files("input")],
    force_rate: Annotated[float, Float(default=0.0, min=0.0, max=60.0, step=1.0)],
    custom_width: Annotated[int, Int(default=0, min=0, max=8192)],
    custom_height: Annotated[int, Int(default=0, min=0, max=8192)],
    frame_load_cap: Annotated[int, Int(default=0, min=0, step=1)],
    skip_first_frames: Annotated[int, Int(default=0, min=0, step=1)],
    select_every_nth: Annotated[int, Int(default=1, min=1, step=1)],
    meta_batch: BatchManager | None = None,
    vae: Vae | None = None,
    context: RunContext,
    **rest: Any,
) -> tuple[
    Annotated[Image, Output("IMAGE")],
    Annotated[int, Int(), Output("frame_count")],
    Annotated[Audio, Output("audio")] | None,
    Info,
]:
    """The frames of a video in the input folder, and its sound.

    Args:
        video: A file in the input folder.
        force_rate: Frames a second; those of another rate are left out or repeated. 0 for the video's own.
        custom_width: Width in pixels; 0 keeps the proportions.
        custom_height: Height in pixels; 0 keeps the proportions.
        frame_load_cap: How many frames at most; 0 for all.
        skip_first_frames: How many frames are left out before the first one.
        select_every_nth: Take one of so many frames.
        vae: Not carried out: encode the pictures with VAE Encode.
    """
    from weft.nodes.diffusion.values.pixels import scale_image
    from weft.nodes.diffusion.values.video import PIXELS_OF_A_PICTURE, VideoFromFile

    if vae is not None:
        raise WeftError("a VAE is linked: here the node gives pictures, encode them with VAE Encode")
    most = PIXELS_OF_A_PICTURE * context.settings.max_pixels
    source = VideoFromFile(context.folders.find("input", video), max_pixels=most)
    own = source.get_frame_rate()
    rate = Fraction(force_rate).limit_denominator(1000) if force_rate else own
    wanted = skip_first_frames + frame_load_cap * select_every_nth
    whole = source.as_trimmed(0.0, float(wanted / rate) + 1.0) if frame_load_cap else source
    found = (whole or source).get_components()
    total = int(len(found.images) * rate / own)
    # The frame that is shown at the time of each one that is taken.
    chosen = range(skip_first_frames, total, select_every_nth)
    chosen = chosen[:frame_load_cap] if frame_load_cap else chosen
    if not chosen:
        raise WeftError(f"{video} has no frame left: of {total}, {skip_first_frames} are skipped")
    images = found.images[[min(int(number * own / rate), len(found.images) - 1) for number in chosen]]
    if (custom_width or custom_height) and rest.get("force_size") != "Disabled":
        images = scale_image(images, custom_width, custom_height, "lanczos", "center")
    shown = rate / select_every_nth
    return (
        images,
        len(images),
        _cut(found.audio, skip_first_frames / rate, len(images) / shown),
        _info(source, images, shown),
    )


def _cut(audio: Any, start: Fraction, duration: Fraction) -> Any:
    if audio is None:
        return None
    rate = audio["sample_rate"]
    first = round(start * rate)
    return {"waveform": audio["waveform"][..., first : first + round(duration * rate)], "sample_rate": rate}


def _info(source: Any, images: Any, rate: Fraction) -> dict[str, Any]:
    width, height = source.get_dimensions()
    return {
        "source_fps": float(source.get_frame_rate()),
        "source_frame_count": source.get_frame_count(),
        "source_duration": source.get_duration(),
        "source_width": width,
        "source_height": height,
        "loaded_fps": float(rate),
        "loaded_frame_count": len(images),
        "loaded_duration": float(len(images) / rate),
        "loaded_width": images.shape[2],
        "loaded_height": images.shape[1],
    }
