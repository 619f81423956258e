"""Qwen-Image's text encoder: Qwen2.5-VL, whose language model reads the prompt, and the pictures that it sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from weft.nodes.diffusion.errors import Warn, python_warning
from weft.nodes.diffusion.text.clip import Clip, Conditioning
from weft.nodes.diffusion.text.qwen import IGNORED, OPENING, QwenTextEncoder, QwenUse, qwen_part
from weft.nodes.diffusion.text.qwen_vision import vision_part
from weft.nodes.diffusion.weights.gguf_file import load_eyes
from weft.nodes.diffusion.weights.gguf_header import eyes_beside
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.networks import check, fill, in_file
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.quantised import widened
from weft.nodes.diffusion.weights.weightfile import HeldWeights, Renamed, WeightFile, Weights

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.text.mentions import EmbeddingLookup

NAME = "qwen25_7b"
USE = QwenUse(
    template="<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, "
    "spatial relationships of the objects and background:<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    last=True,
    without_system=True,
)

# Of the models that edit; a picture's mark stands in front of the words.
EDIT = (
    "<|im_start|>system\nDescribe the key features of the input image (color, shape, size, texture, objects, "
    "background), then explain how the user's text instruction should alter or modify the image. Generate a new image "
    "that meets the user's requirements while maintaining consistency with the original input where appropriate."
    "<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)


class RowsClip(Clip):
    """See Clip: the rows of one encoder, and no pooled output."""

    def joined(self, results: Sequence[tuple[Tensor, Tensor | None]]) -> Conditioning:
        """See Clip."""
        ((rows, _),) = results
        return [[rows, {}]]


class QwenImageClip(RowsClip):
    """See Clip: Qwen2.5-VL, which sees pictures."""

    def encode_shown(self, text: str, pictures: Sequence[Tensor], warn: Warn = python_warning) -> Conditioning:
        """See Clip."""
        chat = text if text.startswith(OPENING) else EDIT.replace("{}", text)

        def read(clip: Clip) -> Conditioning:
            (encoder,) = clip.encoders
            found: QwenTextEncoder = encoder
            return clip.joined([found.encode_shown(found.read(chat, clip.embeddings, warn), pictures)])

        return self.hooked(read)


def load_clip(
    paths: Sequence[Path],
    *,
    memory: DeviceMemory,
    dtype: torch.dtype,
    embeddings: EmbeddingLookup | None,
    warn: Warn,
) -> Clip:
    """See Family."""
    encoder = open_qwen(paths, NAME, USE, memory, dtype, warn, sees=True)
    return QwenImageClip((encoder,), embeddings)


# Qwen3-VL's makers' names, and those before.
_PREFIXES = {"model.language_model.": "model.", "model.visual.": "visual."}


def open_qwen(
    paths: Sequence[Path],
    name: str,
    use: QwenUse,
    memory: DeviceMemory,
    dtype: torch.dtype,
    warn: Warn,
    *,
    sees: bool = False,
) -> QwenTextEncoder:
    """The text encoder in a file of its own. sees: with what sees pictures, if the file has it."""
    (path,) = paths
    with in_file(path, warn) as tell:
        file = _spelled(widened(_with_eyes(path) if sees else WeightFile(path)))
        part = qwen_part(name, file.shapes, vl3=use.vl3)
        eyes = vision_part(f"{name}_visual", file.shapes) if sees else None
        parts = [part] if eyes is None else [part, eyes]
        check(parts, file.shapes, tell, IGNORED)
        fill(file, parts, {each.name: dtype for each in parts})
    vision = None if eyes is None else PatchedNetwork(eyes.module, memory)
    return QwenTextEncoder(name, PatchedNetwork(part.module, memory), use, vision, path)


def _with_eyes(path: Path) -> Weights:
    """The file; of one in GGUF, what lies beside it and sees pictures is in it."""
    file = WeightFile(path)
    beside = eyes_beside(path)
    return file if beside is None else HeldWeights({**dict(file.tensors()), **load_eyes(beside)}, file.metadata)


def _spelled(file: Weights) -> Weights:
    """The file by the names of Qwen2.5-VL."""
    if not any(key.startswith(tuple(_PREFIXES)) for key in file.shapes):
        return file
    names = {}
    for key in file.shapes:
        prefix = next((prefix for prefix in _PREFIXES if key.startswith(prefix)), "")
        names[key] = _PREFIXES.get(prefix, "") + key.removeprefix(prefix)
    return Renamed(file, names)
