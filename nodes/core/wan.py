"""What Wan is told beside the prompt: pictures and videos that a video begins with, ends with, or follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Output, Tooltip, node
from weft.engine.schema.sockets import Combo, Float, Int, Socket
from weft.engine.settings import Settings
from weft.engine.trajectory import ForetoldInputs
from weft.nodes.core.cells import LatentCell
from weft.nodes.core.conditioning import require
from weft.nodes.core.empty_latents import FRAMES, HEIGHT, WIDTH, BatchSize
from weft.nodes.core.types import ClipVisionOutput, Conditioning, Image, Latent, Mask, Negative, Positive, Vae

if TYPE_CHECKING:
    from torch import Tensor
else:
    Tensor = Any

CATEGORY = "conditioning/video_models"
MODULE = "comfy_extras.nodes_wan"
_CAMERA_MODULE = "comfy_extras.nodes_camera_trajectory"

Width = Annotated[int, Int(default=832, min=16, max=16384, step=16), WIDTH]
Height = Annotated[int, Int(default=480, min=16, max=16384, step=16), HEIGHT]
Length = Annotated[int, Int(default=81, min=1, max=16384, step=4), FRAMES]
VideoVae = Annotated[Vae, Tooltip("The VAE of the model, which makes latents of videos.")]
Seen = Annotated[ClipVisionOutput, Tooltip("What CLIP vision sees in the picture, which the models of Wan 2.1 read.")]
_WAYS = (
    *("Static", "Pan Up", "Pan Down", "Pan Left", "Pan Right", "Zoom In", "Zoom Out"),
    *("Anti Clockwise (ACW)", "ClockWise (CW)"),
)
Camera = Annotated[Tensor, Socket("WAN_CAMERA_EMBEDDING")]
"""[1,24,T,H,W]: of each pixel the ray that it lies on, six numbers in each of four frames."""

Begun = tuple[
    Annotated[Conditioning, Output("positive")],
    Annotated[Conditioning, Output("negative")],
    Annotated[Latent, Output("latent")],
]


@node(category=CATEGORY, python_module=MODULE)
def WanImageToVideo(
    *,
    positive: Positive,
    negative: Negative,
    vae: VideoVae,
    width: Width,
    height: Height,
    length: Length,
    batch_size: BatchSize,
    clip_vision_output: Seen | None = None,
    start_image: Image | None = None,
    context: RunContext,
) -> Begun:
    """Begin a video of Wan with pictures, for its models of image-to-video.

    Args:
        start_image: The first frames: one picture, or several.
    """
    clip = VideoClip(vae, width, height, length, batch_size, context)
    return both_told(positive, negative, clip, {**clip.begun(start_image), VISION: clip_vision_output})


@node(category=CATEGORY, python_module=MODULE)
def WanFirstLastFrameToVideo(
    *,
    positive: Positive,
    negative: Negative,
    vae: VideoVae,
    width: Width,
    height: Height,
    length: Length,
    batch_size: BatchSize,
    clip_vision_start_image: ClipVisionOutput | None = None,
    clip_vision_end_image: ClipVisionOutput | None = None,
    start_image: Image | None = None,
    end_image: Image | None = None,
    context: RunContext,
) -> Begun:
    """Begin and end a video of Wan with pictures, for its models of image-to-video.

    Args:
        clip_vision_start_image: What CLIP vision sees in the first picture, which models of Wan 2.1 read.
        clip_vision_end_image: What it sees in the last one.
        start_image: The first frames: one picture, or several.
        end_image: The last frames.
    """
    clip = VideoClip(vae, width, height, length, batch_size, context)
    seen = [each for each in (clip_vision_start_image, clip_vision_end_image) if each is not None]
    return both_told(positive, negative, clip, {**clip.framed(start_image, end_image), VISION: _joined(seen)})


@node(category="conditioning/inpaint", python_module=MODULE)
def Wan22ImageToVideoLatent(
    *,
    vae: VideoVae,
    width: Annotated[int, Int(default=1280, min=32, max=16384, step=32), WIDTH],
    height: Annotated[int, Int(default=704, min=32, max=16384, step=32), HEIGHT],
    length: Annotated[int, Int(default=49, min=1, max=16384, step=4), FRAMES],
    batch_size: BatchSize,
    start_image: Image | None = None,
    context: RunContext,
) -> Latent:
    """Latents of a video for Wan 2.2 5B; with pictures, these are its first frames, and the rest is made.

    Args:
        start_image: The first frames: one picture, or several.
    """
    from weft.nodes.diffusion.families.wan.clips import begun_latent

    clip = VideoClip(vae, width, height, length, batch_size, context)
    return (
        begun_latent(vae, width, height, length, start_image, batch_size) if start_image is not None else clip.empty()
    )


@node(category=CATEGORY, python_module=MODULE)
def WanFunInpaintToVideo(
    *,
    positive: Positive,
    negative: Negative,
    vae: VideoVae,
    width: Width,
    height: Height,
    length: Length,
    batch_size: BatchSize,
    clip_vision_output: Seen | None = None,
    start_image: Image | None = None,
    end_image: Image | None = None,
    context: RunContext,
) -> Begun:
    """Begin and end a video with pictures, for the models of Wan Fun inpaint.

    Args:
        start_image: The first frames: one picture, or several.
        end_image: The last frames.
    """
    clip = VideoClip(vae, width, height, length, batch_size, context)
    known = {} if start_image is None and end_image is None else clip.framed(start_image, end_image)
    return both_told(positive, negative, clip, {**known, VISION: clip_vision_output})


@node(category=CATEGORY, python_module=MODULE)
def WanFunControlToVideo(
    *,
    positive: Positive,
    negative: Negative,
    vae: VideoVae,
    width: Width,
    height: Height,
    length: Length,
    batch_size: BatchSize,
    clip_vision_output: Seen | None = None,
    start_image: Image | None = None,
    control_video: Image | None = None,
    context: RunContext,
) -> Begun:
    """Have a video follow another one, of edges, depths or poses: for the models of Wan 2.1 Fun control.

    Args:
        start_image: The first frames: one picture, or several.
        control_video: The frames to follow.
    """
    clip = VideoClip(vae, width, height, length, batch_size, context)
    told = {**clip.begun(start_image), **clip.followed(control_video), VISION: clip_vision_output}
    return both_told(positive, negative, clip, told)


@node(category=CATEGORY, python_module=MODULE)
def Wan22FunControlToVideo(
    *,
    positive: Positive,
    negative: Negative,
    vae: VideoVae,
    width: Width,
    height: Height,
    length: Length,
    batch_size: BatchSize,
    ref_image: Image | None = None,
    control_video: Image | None = None,
    context: RunContext,
) -> Begun:
    """Have a video follow another one, of edges, depths or poses: for the models of Wan 2.2 Fun control.

    Args:
        ref_image: A picture of what the video shows; of a batch the first.
        control_video: The frames to follow.
    """
    clip = VideoClip(vae, width, height, length, batch_size, context)
    return both_told(positive, negative, clip, {**clip.followed(control_video), **clip.shown(ref_image)})


@node(category=CATEGORY, python_module=MODULE)
def WanCameraImageToVideo(
    *,
    positive: Positive,
    negative: Negative,
    vae: VideoVae,
    width: Width,
    height: Height,
    length: Length,
    batch_size: BatchSize,
    clip_vision_output: Seen | None = None,
    start_image: Image | None = None,
    camera_conditions: Camera | None = None,
    context: RunContext,
) -> Begun:
    """Begin a video with pictures and move the camera, for the models of Wan Fun camera.

    Args:
        start_image: The first frames: one picture, or several.
        camera_conditions: The way of the camera, of the same size and length.
    """
    clip = VideoClip(vae, width, height, length, batch_size, context)
    told = {**clip.begun(start_image), VISION: clip_vision_output, "camera_conditions": camera_conditions}
    return both_told(positive, negative, clip, told)


def _sizes(given: ForetoldInputs, settings: Settings) -> list[Any]:
    """What is known of the outputs of WanCameraEmbedding: the numbers that it passes on."""
    known = (given.get(name) for name in ("width", "height", "length"))
    return [None, *(value if type(value) is int else None for value in known)]


@node(category="camera", python_module=_CAMERA_MODULE, foretells=_sizes)
def WanCameraEmbedding(
    *,
    camera_pose: Annotated[str, Combo(_WAYS, default="Static", multiselect=False)],
    width: Width,
    height: Height,
    length: Length,
    speed: Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.1)] = 1.0,
    fx: Annotated[float, Float(default=0.5, min=0.0, max=1.0, step=1e-9)] = 0.5,
    fy: Annotated[float, Float(default=0.5, min=0.0, max=1.0, step=1e-9)] = 0.5,
    cx: Annotated[float, Float(default=0.5, min=0.0, max=1.0, step=0.01)] = 0.5,
    cy: Annotated[float, Float(default=0.5, min=0.0, max=1.0, step=0.01)] = 0.5,
) -> tuple[
    Annotated[Camera, Output("camera_embedding")],
    Annotated[int, Int(), Output("width")],
    Annotated[int, Int(), Output("height")],
    Annotated[int, Int(), Output("length")],
]:
    """Say how the camera of a video moves, for WanCameraImageToVideo.

    Args:
        camera_pose: Where it goes, or how it turns, at one pace from the first frame on.
        speed: How far it comes; 0 stands still.
        fx: Focal length, as a share of the width of a picture of 16 to 9.
        fy: Focal length, as a share of its height.
        cx: Middle of the picture, as a share of its width.
        cy: Middle of the picture, as a share of its height.
    """
    from weft.nodes.diffusion.errors import DiffusionError
    from weft.nodes.diffusion.families.wan.camera import embedding

    if not fx or not fy:
        raise DiffusionError(f"a lens of focal lengths {fx} and {fy} shows nothing: expected more than 0")
    return embedding(camera_pose, width, height, length, speed, (fx, fy, cx, cy)), width, height, length


@node(category=CATEGORY, python_module=MODULE)
def WanVaceToVideo(
    *,
    positive: Positive,
    negative: Negative,
    vae: VideoVae,
    width: Width,
    height: Height,
    length: Length,
    batch_size: BatchSize,
    strength: Annotated[float, Float(default=1.0, min=0.0, max=1000.0, step=0.01)],
    control_video: Image | None = None,
    control_masks: Mask | None = None,
    reference_image: Image | None = None,
    context: RunContext,
) -> tuple[
    Annotated[Conditioning, Output("positive")],
    Annotated[Conditioning, Output("negative")],
    Annotated[Latent, Output("latent")],
    Annotated[int, Int(), Output("trim_latent")],
]:
    """Have a video keep, change or follow another one, and show what pictures show: for the models of Wan VACE.

    Args:
        strength: How much it counts. Of several of these nodes in a row all count.
        control_video: The frames: to be kept where the mask is 0, to be changed or followed where it is 1.
        control_masks: Where the frames may change: one mask for all, or one for each; all of them without one.
        reference_image: Pictures of what the video shows, each put whole onto white.
    """
    from weft.nodes.diffusion.families.wan.vace import control

    clip = VideoClip(vae, width, height, length, batch_size, context)
    if control_video is not None:
        clip.compare("control_video", control_video)
    if control_masks is not None and len(control_masks) > 1:
        clip.compare("control_masks", control_masks)
    made = control(vae, width, height, length, strength, control_video, control_masks, reference_image)
    before = 0 if reference_image is None else len(reference_image)
    sides = [
        [[tokens, {**old, "vace": [*old.get("vace", ()), made]}] for tokens, old in side]
        for side in (positive, negative)
    ]
    return sides[0], sides[1], clip.empty(before), before


VISION = "clip_vision_output"


class VideoClip:
    """The clip that is to be made; each method gives options of its conditionings.

    What cannot be as it was asked for is warned about: a length that no latent has, a side that is cut.
    """

    def __init__(self, vae: Vae, width: int, height: int, length: int, batch: int, context: RunContext) -> None:
        from weft.nodes.diffusion.families.wan.clips import video_vae

        self.vae, self.sizes, self._batch = require(vae, "VAE"), (width, height, length), batch
        self.warn = context.warn
        LatentCell(video_vae(vae).downscale, vae.frames).tell(self.warn, width, height, length)

    def compare(self, name: str, frames: Tensor) -> None:
        """Warn of a video that is shorter than the clip."""
        length = self.sizes[2]
        if len(frames) < length:
            self.warn(f"{name} has {len(frames)} frames, the video {length}: the others follow nothing")

    def empty(self, before: int = 0) -> Latent:
        """Its latent, all zeros."""
        from weft.nodes.diffusion.families.wan.clips import empty

        return empty(self.vae, *self.sizes, self._batch, before)

    def begun(self, start: Image | None) -> dict[str, Any]:
        """With its first frames."""
        from weft.nodes.diffusion.families.wan.clips import begun

        return {} if start is None else known_frames(begun(self.vae, *self.sizes, start))

    def framed(self, start: Image | None, end: Image | None) -> dict[str, Any]:
        """With its first frames and its last ones."""
        from weft.nodes.diffusion.families.wan.clips import framed

        return known_frames(framed(self.vae, *self.sizes, start, end))

    def followed(self, video: Image | None) -> dict[str, Any]:
        """With a video that it follows."""
        from weft.nodes.diffusion.families.wan.clips import followed

        if video is None:
            return {}
        self.compare("control_video", video)
        return {"control_latent": followed(self.vae, *self.sizes, video)}

    def shown(self, picture: Image | None) -> dict[str, Any]:
        """With a picture of what it shows."""
        from weft.nodes.diffusion.families.wan.clips import followed

        if picture is None:
            return {}
        if len(picture) > 1:
            self.warn(f"ref_image has {len(picture)} pictures; the first alone is shown")
        return {"reference_latents": [followed(self.vae, *self.sizes, picture[:1])]}


def known_frames(frames: Any) -> dict[str, Any]:
    return {"concat_latent_image": frames.image, "concat_mask": frames.mask}


def both_told(positive: Conditioning, negative: Conditioning, clip: VideoClip, told: dict[str, Any]) -> Begun:
    from weft.nodes.diffusion.text.prompt_mix import with_options

    given = {name: value for name, value in told.items() if value is not None}
    return with_options(positive, **given), with_options(negative, **given), clip.empty()


def _joined(seen: list[ClipVisionOutput]) -> ClipVisionOutput | None:
    """What is seen in both pictures, one behind the other."""
    if len(seen) < 2:
        return seen[0] if seen else None
    from dataclasses import replace

    import torch

    return replace(seen[0], penultimate_hidden_states=torch.cat([each.penultimate_hidden_states for each in seen], 1))
