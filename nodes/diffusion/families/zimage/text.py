"""Z-Image's text encoder: Qwen3, read one layer before its last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from weft.nodes.diffusion.errors import Warn
from weft.nodes.diffusion.families.qwen.text import open_qwen
from weft.nodes.diffusion.text.clip import Clip, Conditioning
from weft.nodes.diffusion.text.qwen import QwenUse
from weft.nodes.diffusion.weights.memory import DeviceMemory

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.text.mentions import EmbeddingLookup

NAME = "qwen3_4b"
USE = QwenUse(template="<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n", last=False, without_system=False)


class ZImageClip(Clip):
    """See Clip: the rows of one encoder, all of them words."""

    def joined(self, results: Sequence[tuple[Tensor, Tensor | None]]) -> Conditioning:
        """See Clip."""
        ((rows, _),) = results
        return [[rows, {"attention_mask": torch.ones(1, rows.shape[1], dtype=torch.long)}]]


def load_clip(
    paths: Sequence[Path],
    *,
    memory: DeviceMemory,
    dtype: torch.dtype,
    embeddings: EmbeddingLookup | None,
    warn: Warn,
) -> Clip:
    """See Family."""
    return ZImageClip((open_qwen(paths, NAME, USE, memory, dtype, warn),), embeddings)
