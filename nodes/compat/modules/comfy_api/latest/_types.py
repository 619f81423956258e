"""The types that V3 nodes name: `io.Image`, `io.Int`, ... Those with a widget have classes; the others are a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, ClassVar

from weft.nodes.compat.modules.comfy_api.latest._declared import (
    ComfyTypeIO,
    ControlAfterGenerate,
    FolderType,
    RemoteOptions,
    UploadType,
    WidgetInput,
    comfytype,
    plain,
    said,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import Output as _Output


@comfytype("BOOLEAN")
class Boolean(ComfyTypeIO):
    """True or false."""

    Type = bool

    class Input(WidgetInput):
        """`label_on` and `label_off` are shown for the two values."""

        own: ClassVar[Mapping[str, str]] = {"label_on": "label_on", "label_off": "label_off"}


class _Number(WidgetInput):
    own: ClassVar[Mapping[str, str]] = {"min": "min", "max": "max", "step": "step"}


@comfytype("INT")
class Int(ComfyTypeIO):
    """A whole number."""

    Type = int

    class Input(_Number):
        """`display_mode` is a NumberDisplay, `control_after_generate` True or a ControlAfterGenerate."""

        own: ClassVar[Mapping[str, str]] = {
            **_Number.own,
            "control_after_generate": "control_after_generate",
            "display_mode": "display",
        }


@comfytype("FLOAT")
class Float(ComfyTypeIO):
    """A real number."""

    Type = float

    class Input(_Number):
        """`display_mode` is a NumberDisplay, `round` what the browser rounds to."""

        own: ClassVar[Mapping[str, str]] = {
            **_Number.own,
            "round": "round",
            "display_mode": "display",
            "gradient_stops": "gradient_stops",
        }


@comfytype("STRING")
class String(ComfyTypeIO):
    """Text."""

    Type = str

    class Input(WidgetInput):
        """`multiline` is always said, as ComfyUI does."""

        own: ClassVar[Mapping[str, str]] = {
            "multiline": "multiline",
            "placeholder": "placeholder",
            "dynamic_prompts": "dynamicPrompts",
        }

        def __init__(
            self,
            id: str,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            multiline: bool = False,
            **more: Any,
        ) -> None:
            super().__init__(id, display_name, optional, tooltip, lazy, multiline=multiline, **more)


Choices = Iterable[Any] | type[Enum] | None


def _listed(options: Choices) -> list[Any] | None:
    """The choices as a list. One that holds them as they are stays itself: a list of files knows what it is of."""
    if options is None or (isinstance(options, list) and not any(isinstance(each, Enum) for each in options)):
        return options
    return [plain(each) for each in options]


@comfytype("COMBO")
class Combo(ComfyTypeIO):
    """One of a list of choices: texts, or the values of an Enum."""

    Type = str

    class Input(WidgetInput):
        """`upload` offers to upload a file into `image_folder`; `remote` says where the choices come from."""

        multiselect: ClassVar[bool] = False
        own: ClassVar[Mapping[str, str]] = {"control_after_generate": "control_after_generate"}

        def __init__(
            self,
            id: str,
            options: Choices = None,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            default: Any = None,
            control_after_generate: bool | ControlAfterGenerate | None = None,
            upload: UploadType | None = None,
            image_folder: FolderType | None = None,
            remote: RemoteOptions | None = None,
            **more: Any,
        ) -> None:
            more["control_after_generate"] = control_after_generate
            super().__init__(id, display_name, optional, tooltip, lazy, default, **more)
            self.options = _listed(options)
            self.upload = upload
            self.image_folder = image_folder
            self.remote = remote

        def as_dict(self) -> dict[str, Any]:
            told = {
                "multiselect": self.multiselect,
                "options": self.options,
                **({plain(self.upload): True} if self.upload else {}),
                "image_folder": plain(self.image_folder),
                "remote": self.remote.as_dict() if self.remote else None,
            }
            return said(told) | super().as_dict()

    class Output(_Output):
        """An output that holds a choice."""

        def __init__(
            self,
            id: str | None = None,
            display_name: str | None = None,
            options: Choices = None,
            tooltip: str | None = None,
            is_output_list: bool = False,
        ) -> None:
            super().__init__(id, display_name, tooltip, is_output_list)
            self.options = _listed(options)


@comfytype("COMBO")
class MultiCombo(ComfyTypeIO):
    """Some of a list of choices; the value is a list."""

    Type = list[str]

    class Input(Combo.Input):
        """`placeholder` and `chip` are the browser's."""

        multiselect: ClassVar[bool] = True
        own: ClassVar[Mapping[str, str]] = {**Combo.Input.own, "placeholder": "placeholder", "chip": "chip"}

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | {"multi_select": True}


def _value(io_type: str, python: Any = Any, doc: str = "") -> Any:
    """A type whose values come by links alone."""
    return comfytype(io_type)(type(io_type, (ComfyTypeIO,), {"Type": python, "__doc__": doc}))


def _shown(io_type: str, python: Any = Any) -> Any:
    """A type for which the browser has a widget of its own."""
    cls = type(io_type, (ComfyTypeIO,), {"Type": python, "Input": type("Input", (WidgetInput,), {})})
    return comfytype(io_type)(cls)


# Tensors are spelled Any: nothing here imports torch.
Image = _value("IMAGE", doc="float32 [B,H,W,C], 0..1.")
Mask = _value("MASK", doc="float32 [B,H,W], 0..1.")
Latent = _value("LATENT", dict, '{"samples": float32 [B,C,h,w], ...}.')
Conditioning = _value("CONDITIONING", list, "[[tensor [B,T,C], {...}], ...].")
Sampler = _value("SAMPLER")
Sigmas = _value("SIGMAS", doc="float32 [n+1], highest first.")
Noise = _value("NOISE")
Guider = _value("GUIDER")
Clip = _value("CLIP")
Vae = _value("VAE")
Model = _value("MODEL")
ControlNet = _value("CONTROL_NET")
ClipVision = _value("CLIP_VISION")
ClipVisionOutput = _value("CLIP_VISION_OUTPUT")
AudioEncoder = _value("AUDIO_ENCODER")
AudioEncoderOutput = _value("AUDIO_ENCODER_OUTPUT")
StyleModel = _value("STYLE_MODEL")
Gligen = _value("GLIGEN")
UpscaleModel = _value("UPSCALE_MODEL")
LatentUpscaleModel = _value("LATENT_UPSCALE_MODEL")
ModelPatch = _value("MODEL_PATCH")
Audio = _value("AUDIO", dict, '{"waveform": float32 [B,C,T], "sample_rate": int}.')
Video = _value("VIDEO")
SVG = _value("SVG")
LoraModel = _value("LORA_MODEL", dict)
LossMap = _value("LOSS_MAP", dict)
Voxel = _value("VOXEL")
Mesh = _value("MESH")
Hooks = _value("HOOKS")
HookKeyframes = _value("HOOK_KEYFRAMES")
TimestepsRange = _value("TIMESTEPS_RANGE", tuple, "(start, end), 0..1.")
LatentOperation = _value("LATENT_OPERATION")
FlowControl = _value("FLOW_CONTROL", tuple)
Accumulation = _value("ACCUMULATION", dict)
WanCameraEmbedding = _value("WAN_CAMERA_EMBEDDING")
Photomaker = _value("PHOTOMAKER")
Point = _value("POINT")
FaceAnalysis = _value("FACE_ANALYSIS")
BBOX = _value("BBOX")
SEGS = _value("SEGS")
Tracks = _value("TRACKS", dict)
Histogram = _value("HISTOGRAM", list)
Load3DCamera = _value("LOAD3D_CAMERA", dict)
Load3D = _value("LOAD_3D", dict)
Load3DAnimation = _value("LOAD_3D_ANIMATION", dict)
File3DAny = _value("FILE_3D")
File3DGLB = _value("FILE_3D_GLB")
File3DGLTF = _value("FILE_3D_GLTF")
File3DFBX = _value("FILE_3D_FBX")
File3DOBJ = _value("FILE_3D_OBJ")
File3DSTL = _value("FILE_3D_STL")
File3DUSDZ = _value("FILE_3D_USDZ")
AnyType = _value("*", doc="Whatever another node gives.")

Webcam = _shown("WEBCAM", str)
Color = _shown("COLOR", str)
BoundingBox = _shown("BOUNDING_BOX", dict)
Curve = _shown("CURVE", list)
ImageCompare = _shown("IMAGECOMPARE", dict)

VAE, CLIP = Vae, Clip
"""The names that the migration guide writes."""

__all__ = [name for name, each in globals().items() if isinstance(getattr(each, "io_type", None), str) and each.io_type]
