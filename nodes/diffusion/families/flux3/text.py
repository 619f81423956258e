"""FLUX.3's text encoder: Qwen3-VL, read at eight of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from weft.nodes.diffusion.errors import Warn
from weft.nodes.diffusion.families.qwen.text import RowsClip, open_qwen
from weft.nodes.diffusion.families.text_files import QWEN3VL
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.text.qwen import QwenUse
from weft.nodes.diffusion.weights.memory import DeviceMemory

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup

# As diffusers' Flux3TextEncoderStep: the network reads the tokens that fill up, too, all at place 1.
USE = QwenUse(
    template="<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    last=False,
    without_system=False,
    layers=(4, 8, 12, 16, 20, 24, 28, 32),
    window=80,
    vl3=True,
)


def load_clip(
    paths: Sequence[Path],
    *,
    memory: DeviceMemory,
    dtype: torch.dtype,
    embeddings: EmbeddingLookup | None,
    warn: Warn,
) -> Clip:
    """See Family."""
    return RowsClip((open_qwen(paths, QWEN3VL, USE, memory, dtype, warn, sees=True),), embeddings)
