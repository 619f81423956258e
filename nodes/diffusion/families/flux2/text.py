"""FLUX.2 klein's text encoder: Qwen3, read at three of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from weft.nodes.diffusion.errors import Warn
from weft.nodes.diffusion.families.qwen.text import RowsClip, open_qwen
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.text.qwen import QwenUse
from weft.nodes.diffusion.weights.memory import DeviceMemory

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup

NAME = "qwen3_4b"
LAYERS = (9, 18, 27)
# As diffusers' Flux2KleinPipeline: a chat in which nothing is thought, of at least so many tokens.
USE = QwenUse(
    template="<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    last=False,
    without_system=False,
    layers=LAYERS,
    least=512,
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
    return RowsClip((open_qwen(paths, NAME, USE, memory, dtype, warn),), embeddings)
