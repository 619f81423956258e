"""`ui`: what a node shows, and how it saves. Files are written as Weft's own nodes write them.

What a helper writes carries the workflow where it is given the class of the call, `cls=cls`: its hidden values hold it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weft.nodes.compat.host import context
from weft.nodes.compat.modules.comfy_api.latest._declared import FolderType, plain
from weft.nodes.compat.progress import picture

__all__ = [
    *("AudioSaveHelper", "FolderType", "ImageSaveHelper", "PreviewAudio", "PreviewImage", "PreviewMask", "PreviewText"),
    *("PreviewUI3D", "PreviewVideo", "SavedAudios", "SavedImages", "SavedResult"),
]


class SavedResult(dict[str, Any]):
    """A file that a browser can show: its name, the folder below the output folder, and which folder that is."""

    def __init__(self, filename: str, subfolder: str, type: FolderType | str) -> None:
        super().__init__(filename=filename, subfolder=subfolder, type=plain(type))

    @property
    def filename(self) -> str:
        """The file's name."""
        return str(self["filename"])

    @property
    def subfolder(self) -> str:
        """The folder below the output folder."""
        return str(self["subfolder"])

    @property
    def type(self) -> FolderType:
        """Which folder it is."""
        return FolderType(self["type"])


class _UIOutput:
    def as_dict(self) -> dict[str, Any]:
        """The form of `ui`: lists by kind."""
        raise NotImplementedError


class SavedImages(_UIOutput):
    """Pictures that were saved."""

    def __init__(self, results: Sequence[SavedResult], is_animated: bool = False) -> None:
        self.results = list(results)
        self.is_animated = is_animated

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.results, **({"animated": [True]} if self.is_animated else {})}


class SavedAudios(_UIOutput):
    """Sounds that were saved."""

    def __init__(self, results: Sequence[SavedResult]) -> None:
        self.results = list(results)

    def as_dict(self) -> dict[str, Any]:
        return {"audio": self.results}


def _metadata(cls: Any) -> dict[str, Any]:
    """What goes into a file: the hidden values of a call, as far as it was given them."""
    hidden = getattr(cls, "hidden", None)
    prompt, extra = getattr(hidden, "prompt", None), getattr(hidden, "extra_pnginfo", None)
    return {**({} if prompt is None else {"prompt": prompt}), **(extra or {})}


def _batch(images: Any) -> Any:
    return images if images.ndim == 4 else images[None]


def _results(ui: Mapping[str, Any], kind: str) -> list[SavedResult]:
    return [SavedResult(**shown) for shown in ui[kind]]


class ImageSaveHelper:
    """Saves pictures [B,H,W,C] in 0..1."""

    @staticmethod
    def save_images(
        images: Any, filename_prefix: str, folder_type: FolderType, cls: Any = None, compress_level: int = 4
    ) -> list[SavedResult]:
        """Write each as a PNG."""
        from weft.nodes.core.image import save_images

        kind = plain(folder_type)
        ui = save_images(_batch(images), filename_prefix, kind, _metadata(cls), compress_level, context())
        return _results(ui, "images")

    @staticmethod
    def get_save_images_ui(images: Any, filename_prefix: str, cls: Any = None, compress_level: int = 4) -> SavedImages:
        """Write each as a PNG into the output folder, to be shown."""
        folder = FolderType.output
        return SavedImages(ImageSaveHelper.save_images(images, filename_prefix, folder, cls, compress_level))

    @staticmethod
    def save_animated_png(
        images: Any, filename_prefix: str, folder_type: FolderType, cls: Any, fps: float, compress_level: int
    ) -> SavedResult:
        """Write all as one PNG that moves."""
        from weft.nodes.core.animation import save_png

        kind = plain(folder_type)
        ui = save_png(_batch(images), filename_prefix, kind, fps, compress_level, _metadata(cls), context())
        return _results(ui, "images")[0]

    @staticmethod
    def get_save_animated_png_ui(
        images: Any, filename_prefix: str, cls: Any, fps: float, compress_level: int
    ) -> SavedImages:
        """The same into the output folder, to be shown."""
        folder = FolderType.output
        saved = ImageSaveHelper.save_animated_png(images, filename_prefix, folder, cls, fps, compress_level)
        return SavedImages([saved], is_animated=len(_batch(images)) > 1)

    @staticmethod
    def save_animated_webp(
        images: Any,
        filename_prefix: str,
        folder_type: FolderType,
        cls: Any,
        fps: float,
        lossless: bool,
        quality: int,
        method: int,
    ) -> SavedResult:
        """Write all as one WebP that moves."""
        from weft.nodes.core.animation import save_webp

        kind, options = plain(folder_type), {"lossless": lossless, "quality": quality, "method": method}
        ui = save_webp(_batch(images), filename_prefix, kind, fps, options, _metadata(cls), context())
        return _results(ui, "images")[0]

    @staticmethod
    def get_save_animated_webp_ui(
        images: Any, filename_prefix: str, cls: Any, fps: float, lossless: bool, quality: int, method: int
    ) -> SavedImages:
        """The same into the output folder, to be shown."""
        folder = FolderType.output
        saved = ImageSaveHelper.save_animated_webp(images, filename_prefix, folder, cls, fps, lossless, quality, method)
        return SavedImages([saved], is_animated=len(_batch(images)) > 1)

    @staticmethod
    def _convert_tensor_to_pil(image_tensor: Any) -> Any:
        return picture(image_tensor)


class AudioSaveHelper:
    """Saves sounds, `{"waveform": [B,C,T], "sample_rate": int}`."""

    @staticmethod
    def save_audio(
        audio: Mapping[str, Any],
        filename_prefix: str,
        folder_type: FolderType,
        cls: Any = None,
        format: str = "flac",
        quality: str = "128k",
    ) -> list[SavedResult]:
        """Write each as a file of the format: flac, mp3, opus."""
        from weft.nodes.core.audio import save_audio

        ui = save_audio(audio, filename_prefix, plain(folder_type), format, quality, _metadata(cls), context())
        return _results(ui, "audio")

    @staticmethod
    def get_save_audio_ui(
        audio: Mapping[str, Any], filename_prefix: str, cls: Any = None, format: str = "flac", quality: str = "128k"
    ) -> SavedAudios:
        """The same into the output folder, to be shown."""
        folder = FolderType.output
        return SavedAudios(AudioSaveHelper.save_audio(audio, filename_prefix, folder, cls, format, quality))


class PreviewImage(_UIOutput):
    """Pictures [B,H,W,C], or one of them, written to the folder for temporary files."""

    def __init__(self, image: Any, animated: bool = False, cls: Any = None, **kwargs: Any) -> None:
        from weft.nodes.core.image import preview

        self.values = _results(preview(_batch(image), _metadata(cls), context()), "images")
        self.animated = animated

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.values, "animated": [self.animated]}


class PreviewMask(PreviewImage):
    """Masks [B,H,W], or one of them, as grey pictures."""

    def __init__(self, mask: Any, animated: bool = False, cls: Any = None, **kwargs: Any) -> None:
        height, width = mask.shape[-2:]
        super().__init__(mask.reshape(-1, height, width, 1).expand(-1, -1, -1, 3), animated, cls, **kwargs)


class PreviewAudio(_UIOutput):
    """Sounds, written to the folder for temporary files."""

    def __init__(self, audio: Mapping[str, Any], cls: Any = None, **kwargs: Any) -> None:
        from weft.nodes.core.image import preview_prefix

        self.values = AudioSaveHelper.save_audio(audio, preview_prefix(), FolderType.temp, cls)

    def as_dict(self) -> dict[str, Any]:
        return {"audio": self.values}


class PreviewVideo(_UIOutput):
    """Videos that were written before."""

    def __init__(self, values: Sequence[SavedResult | dict[str, Any]], **kwargs: Any) -> None:
        self.values = list(values)

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.values, "animated": [True]}


class PreviewUI3D(_UIOutput):
    """A model in three dimensions, in a file, and how it is looked at."""

    def __init__(self, model_file: Any, camera_info: Any, bg_image: Any = None, **kwargs: Any) -> None:
        self.model_file = model_file
        self.camera_info = camera_info
        self.background = None
        if bg_image is not None:
            from weft.nodes.core.image import preview

            shown = preview(_batch(bg_image), {}, context())["images"][0]
            self.background = f"{shown['type']}/{shown['filename']}"

    def as_dict(self) -> dict[str, Any]:
        return {"result": [self.model_file, self.camera_info, self.background]}


class PreviewText(_UIOutput):
    """A text."""

    def __init__(self, value: str, **kwargs: Any) -> None:
        self.value = value

    def as_dict(self) -> dict[str, Any]:
        return {"text": [self.value]}
