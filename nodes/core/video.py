"""Videos: read, taken apart, put together, cut, written."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import UI, ExtraPnginfo, Output, PromptJson, node
from weft.engine.schema.sockets import Boolean, Combo, Files, Float, String
from weft.nodes.core.types import Audio, Image, Video

LIBRARIES = ("torch", "av")

_MODULE = "comfy_extras.nodes_video"
_CATEGORY = "image/video"
_STRETCH = 1e5

VideoFile = Annotated[str, Files("input", multiselect=False, video_upload=True)]


@node(display_name="Load Video", category=_CATEGORY, python_module=_MODULE)
def LoadVideo(*, file: VideoFile, context: RunContext) -> Video:
    """Take a video from the input folder; its frames are decoded when a node asks for them.

    Args:
        file: A file in the input folder; `name [output]` takes it from the output folder.
    """
    from weft.nodes.diffusion.values.video import PIXELS_OF_A_PICTURE, VideoFromFile

    most = PIXELS_OF_A_PICTURE * context.settings.max_pixels
    video = VideoFromFile(context.folders.find("input", file), max_pixels=most)
    video.get_frame_rate()  # what is no video is said here
    return video


@node(display_name="Get Video Components", category=_CATEGORY, python_module=_MODULE)
def GetVideoComponents(
    *, video: Video
) -> tuple[
    Annotated[Image, Output("images")],
    Annotated[Audio, Output("audio")] | None,
    Annotated[float, Float(), Output("fps")],
]:
    """The pictures of a video, its sound, and how many pictures a second it has.

    Args:
        video: The video. One without a sound track gives no sound: a node that needs one then says so.
    """
    found = video.get_components()
    return found.images, found.audio, float(found.frame_rate)


@node(display_name="Create Video", category=_CATEGORY, python_module=_MODULE)
def CreateVideo(
    *,
    images: Image,
    fps: Annotated[float, Float(default=30.0, min=1.0, max=120.0, step=1.0)],
    audio: Audio | None = None,
    context: RunContext,
    **newer: Any,
) -> Video:
    """Make a video of pictures and a sound, 8 bits a colour. Save Video writes it.

    Args:
        images: The pictures, each for one frame.
        fps: Frames a second.
        audio: The sound; what is longer than the pictures is left out of the file.
    """
    from weft.nodes.diffusion.values.video import VideoComponents, VideoFromComponents

    _say_of_alpha(images, context)
    return VideoFromComponents(VideoComponents(images, Fraction(fps), audio))


@node(class_type="Video Slice", display_name="Video Slice", category=_CATEGORY, python_module=_MODULE)
def VideoSlice(
    *,
    video: Video,
    start_time: Annotated[float, Float(default=0.0, min=-_STRETCH, max=_STRETCH, step=0.001)],
    duration: Annotated[float, Float(default=0.0, min=0.0, step=0.001)],
    strict_duration: Annotated[bool, Boolean(default=False)],
) -> Video:
    """A stretch of a video, with its sound.

    Args:
        video: The video.
        start_time: Where it starts, in seconds; a negative one counts from the end.
        duration: How long it is, in seconds; 0 for all that follows.
        strict_duration: Refuse a stretch that goes beyond the end, in place of taking what there is.
    """
    from weft.nodes.diffusion.errors import DiffusionError

    cut = video.as_trimmed(start_time, duration, strict_duration)
    if cut is None:
        raise DiffusionError(
            f"a video of {video.get_duration():.3f} s has no stretch of {duration} s from {start_time} s on: it must "
            "start inside" + (", and end there, since strict_duration is on" if strict_duration else "")
        )
    return cut


@node(display_name="Save Video", category=_CATEGORY, python_module=_MODULE, output_node=True)
def SaveVideo(
    *,
    video: Video,
    filename_prefix: Annotated[str, String(default="video/ComfyUI", multiline=False)],
    format: Annotated[str, Combo(("auto", "mp4"), default="auto", multiselect=False)],
    codec: Annotated[str, Combo(("auto", "h264"), default="auto", multiselect=False)],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> tuple[Annotated[Video, Output("video")]]:
    """Write a video to the output folder as MP4, with the workflow that made it, and pass it on.

    Args:
        video: The video; one from a file whose streams an MP4 may hold is copied, not encoded anew.
        filename_prefix: Subfolder and beginning of the name, as in Save Image.
        format: The format of the file; auto is MP4.
        codec: How pictures are written; auto is H.264, or what the video has already.
    """
    from weft.nodes.diffusion.values.video import VideoFromComponents, VideoFromFile

    width, height = video.get_dimensions()
    metadata = {"prompt": prompt, **extra_pnginfo, "weft": context.provenance}
    series = context.folders.numbered(filename_prefix, "output", {"width": width, "height": height})
    context.checkpoint()
    with series.create(".mp4") as (stream, path):
        # A pack's own kind of video tells of nothing.
        told = {"each": context.progress} if isinstance(video, VideoFromComponents | VideoFromFile) else {}
        video.save_to(stream, format=format, codec=codec, metadata=metadata, **told)
        context.wrote(path)
    return _passed_on(_shown(path.name, series.subfolder), video)


@node(category=_CATEGORY, python_module=_MODULE, output_node=True, experimental=True)
def SaveWEBM(
    *,
    images: Image,
    filename_prefix: Annotated[str, String(default="ComfyUI", multiline=False)],
    codec: Annotated[str, Combo(("vp9", "av1"), multiselect=False)],
    fps: Annotated[float, Float(default=24.0, min=0.01, max=1000.0, step=0.01)],
    crf: Annotated[float, Float(default=32.0, min=0.0, max=63.0, step=1)],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> UI:
    """Write a batch of pictures to the output folder as a WebM, with the workflow that made it.

    Args:
        images: The pictures, each for one frame.
        filename_prefix: Subfolder and beginning of the name, as in Save Image.
        codec: How pictures are written: av1 makes smaller files, vp9 is quicker.
        fps: Frames a second.
        crf: Of the quality: higher for smaller and worse files.
    """
    from weft.nodes.diffusion.values.videofile import save_webm

    _say_of_alpha(images, context)
    _, height, width, _ = images.shape
    metadata = {"prompt": prompt, **extra_pnginfo, "weft": context.provenance}
    series = context.folders.numbered(filename_prefix, "output", {"width": width, "height": height})
    context.checkpoint()
    with series.create(".webm") as (stream, path):
        save_webm(stream, images, codec, fps, crf, metadata, context.progress)
        context.wrote(path)
    return _shown(path.name, series.subfolder)


def _passed_on(shown: UI, *outputs: Any) -> Any:
    """What a node returns that shows something and has outputs, too."""
    return {"ui": shown, "result": outputs}


def _say_of_alpha(images: Any, context: RunContext) -> None:
    if images.shape[-1] == 4:
        context.warn("the pictures are transparent, and the video is not: their alpha channel is left out")


def _shown(name: str, subfolder: str) -> UI:
    return UI(images=[{"filename": name, "subfolder": subfolder, "type": "output"}], animated=[True])
