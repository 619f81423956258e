"""Qwen-Image 2.1's text encoder: Qwen3-VL, its last layer's states before the norm, and the pictures that it sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from weft.nodes.diffusion.errors import Warn, python_warning
from weft.nodes.diffusion.families.qwen.text import RowsClip, open_qwen
from weft.nodes.diffusion.families.qwen21.denoiser import PICTURE_ROWS
from weft.nodes.diffusion.families.text_files import QWEN3VL
from weft.nodes.diffusion.text.clip import Chunk, Clip, Conditioning
from weft.nodes.diffusion.text.qwen import QwenTextEncoder, QwenUse
from weft.nodes.diffusion.weights.memory import DeviceMemory

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.text.mentions import EmbeddingLookup

# As diffusers' QwenImage21Pipeline.
USE = QwenUse(
    template="<|im_start|>system\nComprehend and analyze the provided prompt.<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    last=True,
    without_system=True,
    with_role=True,
    normed=False,
    vl3=True,
)


class QwenImage21Clip(RowsClip):
    """See Clip: Qwen3-VL, which sees pictures."""

    def chunks(self, text: str, warn: Warn = python_warning) -> list[list[Chunk]]:
        """See Clip: no words are a space."""
        return super().chunks(text or " ", warn)

    def encode_shown(self, text: str, pictures: Sequence[Tensor], warn: Warn = python_warning) -> Conditioning:
        """See Clip: a conditioning says which of its rows are of pictures."""

        def read(clip: Clip) -> Conditioning:
            (encoder,) = clip.encoders
            found: QwenTextEncoder = encoder
            chunks = found.read(text, clip.embeddings, warn)
            ((rows, options),) = clip.joined([found.encode_shown(chunks, pictures)])
            return [[rows, {**options, PICTURE_ROWS: found.rows_of_pictures(chunks, pictures)}]]

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
    return QwenImage21Clip((open_qwen(paths, QWEN3VL, USE, memory, dtype, warn, sees=True),), embeddings)
