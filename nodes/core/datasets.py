"""Folders of pictures, with or without captions, as they are kept for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from weft.engine.context import RunContext
from weft.engine.errors import MissingFile
from weft.engine.folders import INPUT, Folders
from weft.engine.schema.authoring import Output, Tooltip, node
from weft.engine.schema.sockets import Combo, Int, Socket, Subfolders
from weft.nodes.core.conditioning import require
from weft.nodes.core.types import NEWER, Clip, Conditioning, Image
from weft.nodes.diffusion.eras import numbers_of

if TYPE_CHECKING:
    from torch import Tensor

_MODULE = "comfy_extras.nodes_train"
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
# ComfyUI's ways to one size, as values/fitting.py calls them.
_METHODS = {"Stretch": "stretch", "Crop": "fill / crop", "Pad": "pad"}

Folder = Annotated[str, Subfolders(INPUT, tooltip="The folder to load images from.")]
Method = Annotated[
    str,
    Combo(("None", *_METHODS), default="None"),
    Tooltip("How pictures get one size. None: they have it already."),
]
Side = Int(default=-1, min=-1, max=10000, step=1)
Text = Annotated[str, Socket("STRING")]


def _files(folders: Folders, constants: Mapping[str, Any]) -> list[Any]:
    """For the cache: all that stands in the folder and may count, by name and content."""
    folder = folders.find_subfolder(INPUT, constants["folder"])
    pictures = _pictures(folder)
    captions = (path.with_suffix(".txt") for path in pictures)
    return [
        part
        for path in (*pictures, *dict.fromkeys(captions))
        if path.is_file()
        for part in (path.relative_to(folder).as_posix(), path)
    ]


@node(
    display_name="Load Image Dataset from Folder",
    category="loaders",
    python_module=_MODULE,
    experimental=True,
    fingerprint=_files,
)
def LoadImageSetFromFolderNode(*, folder: Folder, resize_method: Method = "None", context: RunContext) -> Image:
    """Read all pictures of a folder in the input folder as one batch, sorted by their names.

    Pictures of another size than the first one's are resized, or refused.
    """
    return _batch(_read(_found(folder, context), context), resize_method, -1, -1)


@node(
    display_name="Load Image and Text Dataset from Folder",
    category="loaders",
    python_module=_MODULE,
    experimental=True,
    fingerprint=_files,
)
def LoadImageTextSetFromFolderNode(
    *,
    folder: Folder,
    clip: Annotated[Clip, Tooltip("The text encoders that read the captions.")],
    resize_method: Method = "None",
    width: Annotated[int, Side, Tooltip("The width of all pictures; -1 for the first one's.")] = -1,
    height: Annotated[int, Side, Tooltip("The height of all pictures; -1 for the first one's.")] = -1,
    context: RunContext,
) -> tuple[Image, Conditioning]:
    """Read all pictures of a folder in the input folder as one batch, and their captions as prompts.

    The caption of a.png is a.txt, or nothing. Pictures in a folder `5_name` inside of it count five times.
    """
    encoder, paths = require(clip, "text encoder"), _found(folder, context)
    prompts: Conditioning = [entry for text in _captions(paths) for entry in encoder.encode(text, context.warn)]
    return _batch(_read(paths, context), resize_method, width, height), prompts


@node(
    display_name="Load Image Dataset from Folder",
    category="dataset/image",
    python_module=NEWER,
    experimental=True,
    fingerprint=_files,
)
def LoadImageDataSetFromFolder(*, folder: Folder, context: RunContext) -> list[Annotated[Image, Output("images")]]:
    """Read all pictures of a folder in the input folder as a list, each in its own size, sorted by their names."""
    return _read(_found(folder, context), context)


@node(
    display_name="Load Image and Text Dataset from Folder",
    category="dataset/image",
    python_module=NEWER,
    experimental=True,
    fingerprint=_files,
)
def LoadImageTextDataSetFromFolder(
    *, folder: Folder, context: RunContext
) -> tuple[list[Annotated[Image, Output("images")]], list[Annotated[Text, Output("texts")]]]:
    """Read all pictures of a folder in the input folder as a list, and their captions as another.

    The caption of a.png is a.txt, or nothing. Pictures in a folder `5_name` inside of it count five times.
    """
    paths = _found(folder, context)
    return _read(paths, context), _captions(paths)


def _pictures(folder: Path) -> list[Path]:
    """The pictures in a folder, then those in folders in it, N times where the folder's name is `N_...`."""
    found: list[Path] = []
    entries = sorted(folder.iterdir())
    found += [path for path in entries if path.is_file() and path.suffix.lower() in _SUFFIXES]
    for inner in (path for path in entries if path.is_dir()):
        number, underscore, _ = inner.name.partition("_")
        times = int(number) if underscore and number.isdecimal() else 1
        found += [path for path in sorted(inner.iterdir()) if path.suffix.lower() in _SUFFIXES] * times
    return found


def _found(folder: str, context: RunContext) -> list[Path]:
    place = context.folders.find_subfolder(INPUT, folder)
    paths = _pictures(place)
    if not paths:
        raise MissingFile(f"no picture is in {place}", hint=f"read are {', '.join(_SUFFIXES)}")
    return paths


def _captions(paths: Sequence[Path]) -> list[str]:
    files = [path.with_suffix(".txt") for path in paths]
    return [file.read_text(encoding="utf-8").strip() if file.is_file() else "" for file in files]


def _read(paths: Sequence[Path], context: RunContext) -> list[Tensor]:
    """The first frame of each, [1,H,W,3]; a file that counts several times is read once."""
    from weft.nodes.diffusion.values.imagefile import load_image

    read: dict[Path, Tensor] = {}
    for number, path in enumerate(paths):
        context.progress(number, len(paths))
        if path not in read:
            with numbers_of(context.settings.numbers):
                read[path] = load_image(path, context.settings.max_pixels)[0][:1]
    return [read[path] for path in paths]


def _batch(images: Sequence[Tensor], method: str, width: int, height: int) -> Tensor:
    """One batch of the size that is given, or the first one's. Raises DiffusionError where a size has no method."""
    import torch

    from weft.nodes.diffusion.errors import DiffusionError
    from weft.nodes.diffusion.values.fitting import resized

    height = height if height > 0 else images[0].shape[1]
    width = width if width > 0 else images[0].shape[2]
    made = []
    for image in images:
        got = f"{image.shape[2]}x{image.shape[1]}"
        if got == f"{width}x{height}":
            made.append(image)
        elif method in _METHODS:
            made.append(resized(image, width, height, "bicubic", _METHODS[method], "always", 0))
        else:
            choices = ", ".join(_METHODS)
            raise DiffusionError(f"a picture is {got}, expected {width}x{height}: choose a resize_method ({choices})")
    return torch.cat(made)
