"""Wan's text encoder: umT5, which brings its tokenizer in its own file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from weft.nodes.diffusion.errors import CheckpointError, Warn
from weft.nodes.diffusion.text.clip import Clip, Conditioning
from weft.nodes.diffusion.text.t5 import IGNORED, PIECES, TOKENIZER, T5TextEncoder, T5Use, t5_part
from weft.nodes.diffusion.text.t5_tokenizer import ids_inside, sentencepiece_ids
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.networks import check, fill, in_file
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.quantised import widened
from weft.nodes.diffusion.weights.weightfile import WeightFile, Weights

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.text.mentions import EmbeddingLookup

NAME = "umt5xxl"
USE = T5Use(least=512, masked=True)


class WanClip(Clip):
    """See Clip: umT5's rows, and no pooled output."""

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
    (path,) = paths
    with in_file(path, warn) as tell:
        file = widened(WeightFile(path))
        part = t5_part(NAME, "", file.shapes)
        check([part], file.shapes, tell, IGNORED)
        fill(file, [part], {part.name: dtype})
        ids = _ids(file)
        kept = {key: file.tensor(key) for key in (PIECES, TOKENIZER) if key in file.shapes}
    return WanClip((T5TextEncoder(NAME, PatchedNetwork(part.module, memory), USE, ids, kept),), embeddings)


def _ids(file: Weights) -> Callable[[str], list[int]]:
    if PIECES in file.shapes:
        return sentencepiece_ids(file.tensor(PIECES).numpy().tobytes(), PIECES)
    if TOKENIZER in file.shapes:
        return ids_inside(file.tensor(TOKENIZER))
    raise CheckpointError(f"it has no {PIECES}, the tokenizer: take the umT5 that ComfyUI publishes for Wan")
