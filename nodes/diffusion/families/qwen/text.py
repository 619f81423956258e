"""Qwen-Image's text encoder: Qwen2.5-VL, of which the language model reads the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from weft.nodes.diffusion.errors import Warn
from weft.nodes.diffusion.text.clip import Clip, Conditioning
from weft.nodes.diffusion.text.qwen import IGNORED, QwenTextEncoder, QwenUse, qwen_part
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.networks import check, fill, in_file
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.quantised import widened
from weft.nodes.diffusion.weights.weightfile import WeightFile

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


class RowsClip(Clip):
    """See Clip: the rows of one encoder, and no pooled output."""

    def joined(self, results: Sequence[tuple[Tensor, Tensor | None]]) -> Conditioning:
        """See Clip."""
        ((rows, _),) = results
        return [[rows, {}]]


def load_clip(
    paths: Sequence[Path],
    *,
    memory: DeviceMemory,
    dtype: torch.dtype,
    embeddings: EmbeddingLookup | None,
    warn: Warn,
) -> Clip:
    """See Family."""
    encoder = open_qwen(paths, NAME, USE, memory, dtype, warn)
    return RowsClip((encoder,), embeddings)


def open_qwen(
    paths: Sequence[Path],
    name: str,
    use: QwenUse,
    memory: DeviceMemory,
    dtype: torch.dtype,
    warn: Warn,
) -> QwenTextEncoder:
    """The text encoder in a file of its own."""
    (path,) = paths
    with in_file(path, warn) as tell:
        file = widened(WeightFile(path))
        part = qwen_part(name, file.shapes)
        check([part], file.shapes, tell, IGNORED)
        fill(file, [part], {part.name: dtype})
    return QwenTextEncoder(name, PatchedNetwork(part.module, memory), use)
