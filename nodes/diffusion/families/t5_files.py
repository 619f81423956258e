"""T5 in files: of its own, with or without its tokenizer; several families read prompts with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from weft.nodes.diffusion.errors import Warn
from weft.nodes.diffusion.text.t5 import IGNORED, PIECES, TOKENIZER, T5TextEncoder, T5Use, t5_part
from weft.nodes.diffusion.text.t5_tokenizer import ids_inside, ids_of, sentencepiece_ids
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.networks import check, fill, in_file
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import Weights

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup

T5_NAME = "t5xxl"


def t5_encoder(
    network: PatchedNetwork, use: T5Use, embeddings: EmbeddingLookup | None, file: Weights, prefix: str = ""
) -> T5TextEncoder:
    """T5 as a text encoder, with the tokenizer of its file or, where that has none, the one that lies in a folder.

    prefix: where its keys start in the file.
    """
    if prefix + TOKENIZER in file.shapes:
        inside = file.tensor(prefix + TOKENIZER)
        return T5TextEncoder(T5_NAME, network, use, ids_inside(inside), {TOKENIZER: inside})
    if prefix + PIECES in file.shapes:
        inside = file.tensor(prefix + PIECES)
        ids = sentencepiece_ids(inside.numpy().tobytes(), PIECES)
        return T5TextEncoder(T5_NAME, network, use, ids, {PIECES: inside})
    return T5TextEncoder(T5_NAME, network, use, ids_of(() if embeddings is None else embeddings.tokenizers))


def open_t5(
    path: Path,
    file: Weights,
    use: T5Use,
    memory: DeviceMemory,
    dtype: torch.dtype,
    embeddings: EmbeddingLookup | None,
    warn: Warn,
) -> T5TextEncoder:
    """T5 in a file of its own."""
    with in_file(path, warn) as tell:
        part = t5_part(T5_NAME, "", file.shapes)
        check([part], file.shapes, tell, IGNORED)
        fill(file, [part], {part.name: dtype})
    return t5_encoder(PatchedNetwork(part.module, memory), use, embeddings, file)
