"""ComfyUI-GGUF's loaders: diffusion models and text encoders in GGUF files, whose weights stay packed in memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.folders import MODEL_SUFFIXES, Folders
from weft.engine.schema.sockets import Boolean, Combo
from weft.nodes.core import clip_types
from weft.nodes.core.loaders import LIBRARIES, open_text_encoders, place
from weft.nodes.core.sd3 import HIDREAM
from weft.nodes.core.types import Clip, Model, another_family, weights
from weft.nodes.thirdparty.face import marker

__all__ = [
    "LIBRARIES",
    "CLIPLoaderGGUF",
    "DualCLIPLoaderGGUF",
    "QuadrupleCLIPLoaderGGUF",
    "TripleCLIPLoaderGGUF",
    "UnetLoaderGGUF",
    "UnetLoaderGGUFAdvanced",
]

node = marker("comfyui-gguf", "bootleg")

_SUFFIX = ".gguf"
_ENDINGS = (*MODEL_SUFFIXES, _SUFFIX)


def _unusable(path: Path) -> str:
    """Why a file cannot be used, by its header: damaged, quantised in a way that is not read, of another family."""
    from weft.nodes.diffusion.errors import CheckpointError
    from weft.nodes.diffusion.weights.header import described

    try:
        described(path)
    except CheckpointError as error:
        return str(error)
    return another_family(path)


def _no_model(path: Path) -> str:
    """As _unusable, of diffusion models: a text encoder is none, nor is what has the keys of nothing that is known."""
    return _unusable(path) or _of_no_model(path, path.stat().st_mtime_ns, path.stat().st_size)


@lru_cache(maxsize=64)
def _of_no_model(path: Path, mtime_ns: int, size: int) -> str:
    from weft.nodes.diffusion.families.known import recognised
    from weft.nodes.diffusion.weights.gguf_header import MAGIC, is_text, read_gguf
    from weft.nodes.diffusion.weights.header import first_bytes

    if not first_bytes(path)[0].startswith(MAGIC):
        return ""  # what it is, its loader says: a stand-in may be called so
    header = read_gguf(path)
    architecture = header.architecture or "not said"
    if is_text(architecture):
        return f"it is a text encoder ({architecture}), and no diffusion model: CLIPLoaderGGUF opens it"
    if recognised(header.tensors):
        return ""
    names = ", ".join(map(repr, list(header.tensors)[:3]))
    what = f"its architecture is {architecture:.80}, and its tensors are those of no model that Weft knows"
    return f"{what}: {names:.200}, ..."


UnetFile = Annotated[str, weights("diffusion_models", suffixes=(_SUFFIX,), refuses=_no_model)]
ClipFile = Annotated[str, weights("text_encoders", suffixes=_ENDINGS, refuses=_unusable)]


def _eyes(folders: Folders, constants: Mapping[str, Any]) -> list[Path]:
    """What lies beside the text encoders, and is read with them."""
    from weft.nodes.diffusion.weights.gguf_header import eyes_beside

    names = [name for key, name in constants.items() if key.startswith("clip_name")]
    found = [eyes_beside(folders.find("text_encoders", name, _ENDINGS)) for name in names]
    return [path for path in found if path is not None]


_FORMATS = ("default", "target", "float32", "float16", "bfloat16")


@node(display_name="Unet Loader (GGUF)")
def UnetLoaderGGUF(*, unet_name: UnetFile, context: RunContext) -> Model:
    """Open a diffusion model in a GGUF file. Its weights stay in their blocks, and are widened where they are used.

    Args:
        unet_name: A .gguf file below the diffusion_models or unet folders.
    """
    from weft.nodes.diffusion.weights.checkpoint import load_unet

    where = place(context)
    path = context.folders.find("diffusion_models", unet_name, (_SUFFIX,))
    return load_unet(path, device=where.memory, dtype=where.unet, warn=context.warn)


@node(display_name="Unet Loader (GGUF/Advanced)")
def UnetLoaderGGUFAdvanced(
    *,
    unet_name: UnetFile,
    dequant_dtype: Annotated[str, Combo(_FORMATS)] = "default",
    patch_dtype: Annotated[str, Combo(_FORMATS)] = "default",
    patch_on_device: Annotated[bool, Boolean(default=False)] = False,
    context: RunContext,
) -> Model:
    """Open a diffusion model in a GGUF file, as UnetLoaderGGUF does.

    Args:
        unet_name: A .gguf file below the diffusion_models or unet folders.
        dequant_dtype: Not carried out: weights are widened to the run's number format.
        patch_dtype: Not carried out: patches are merged in float32.
        patch_on_device: Not carried out: patches are merged where the model computes.
    """
    for name, value in (("dequant_dtype", dequant_dtype), ("patch_dtype", patch_dtype)):
        if value not in ("default", "target"):
            context.warn(f"{name} {value} is left out: weights have the run's number format (--dtype)")
    return UnetLoaderGGUF(unet_name=unet_name, context=context)


@node(display_name="CLIPLoader (GGUF)", fingerprint=_eyes)
def CLIPLoaderGGUF(
    *,
    clip_name: ClipFile,
    type: Annotated[str, Combo(clip_types.SINGLE, unsupported=clip_types.unsupported(clip_types.SINGLE))],
    context: RunContext,
) -> Clip:
    """Open a text encoder in a GGUF file, or in any other. A Qwen2.5-VL sees pictures by the mmproj file beside it.

    Args:
        clip_name: A file below the text_encoders or clip folders.
        type: The models that it is for.
    """
    return open_text_encoders([clip_name], type, "default", context)


@node(display_name="DualCLIPLoader (GGUF)", fingerprint=_eyes)
def DualCLIPLoaderGGUF(
    *,
    clip_name1: ClipFile,
    clip_name2: ClipFile,
    type: Annotated[str, Combo(clip_types.DUAL, unsupported=clip_types.unsupported(clip_types.DUAL))],
    context: RunContext,
) -> Clip:
    """Open two text encoders, each in a GGUF file or in any other.

    Args:
        clip_name1: A file below the text_encoders or clip folders.
        clip_name2: The other; the order does not matter.
        type: The models that they are for.
    """
    return open_text_encoders([clip_name1, clip_name2], type, "default", context)


@node(display_name="TripleCLIPLoader (GGUF)")
def TripleCLIPLoaderGGUF(
    *, clip_name1: ClipFile, clip_name2: ClipFile, clip_name3: ClipFile, context: RunContext
) -> Clip:
    """Open the three text encoders of Stable Diffusion 3, each in a GGUF file or in any other.

    Args:
        clip_name1: A file below the text_encoders or clip folders.
        clip_name2: The second; the order does not matter.
        clip_name3: The third.
    """
    return open_text_encoders([clip_name1, clip_name2, clip_name3], "sd3", "default", context)


@node(display_name="QuadrupleCLIPLoader (GGUF)")
def QuadrupleCLIPLoaderGGUF(
    *, clip_name1: ClipFile, clip_name2: ClipFile, clip_name3: ClipFile, clip_name4: ClipFile
) -> Clip:
    """Open the four text encoders of HiDream, in GGUF files or others. Weft does not run HiDream yet, and says so.

    Args:
        clip_name1: A file below the text_encoders or clip folders.
        clip_name2: The second; the order does not matter.
        clip_name3: The third.
        clip_name4: The fourth.
    """
    from weft.nodes.diffusion.errors import DiffusionError

    raise DiffusionError(HIDREAM)
