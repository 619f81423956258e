"""Textual inversion: the files of learned vectors that a prompt names as `embedding:NAME`.

Gal et al. 2022, "An Image is Worth One Word". Which tensor of a file is meant, as measured on ComfyUI 0.3.64
(parity/facts.md section 7). How prompts name them stands in mentions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.text.mentions import EmbeddingLookup
from weft.nodes.diffusion.weights.weightfile import read_tensors

SUFFIXES = ("", ".safetensors", ".pt", ".bin")
LONGEST = 240  # bytes of a file name, with room for a suffix: longer ones are an error to ask for
LEARNED = "string_to_param."  # where automatic1111's files keep the vectors, beside bookkeeping
BUNDLED = "bundle_emb."  # where LoRA files keep embeddings, by their words


def lookup_in(folders: Sequence[Path]) -> EmbeddingLookup:
    """A lookup in these folders, the first first, by file name with or without its suffix; subfolders as `a/b`.

    A name that leads out of its folder is an error.
    """

    def find(name: str) -> Path | None:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DiffusionError(f"embedding {name!r} leads out of the folder of embeddings")
        if "\0" in name or max(map(len, name.encode().split(b"/"))) > LONGEST:
            return None
        paths = (Path(f"{folder / name}{suffix}") for folder in folders for suffix in SUFFIXES)
        return next((path for path in paths if path.is_file()), None)

    return EmbeddingLookup(find)


def load_embedding(path: Path, key: str, width: int) -> Tensor:
    """The vectors of an embedding file, [tokens, C] float32; C is another one where it was made for another encoder.

    Args:
        path: .safetensors (any tensor names), .pt (automatic1111's `string_to_param`, or a list of dictionaries), .bin
            (diffusers), or a LoRA with embeddings in it (`bundle_emb.WORD.*`), of which all words are meant.
        key: the text encoder, "clip_l" or "clip_g"; a file without this name gives its first tensor.
        width: what the text encoder takes; a list holds tensors for several, and those of this width are taken.

    Raises:
        CheckpointError: the file cannot be read, has no tensor, or one of another form.
    """
    tensors = read_tensors(path)
    if not tensors:
        raise CheckpointError(f"embedding {path.name!r} holds no tensor")
    meant = [_vectors(path, tensor) for tensor in _meant(tensors, key) or tensors.values()]
    if all(_LISTED.match(name) for name in tensors):
        meant = [vectors for vectors in meant if vectors.shape[1] == width] or meant[:1]
    widths = sorted({vectors.shape[1] for vectors in meant})
    if len(widths) > 1:
        raise CheckpointError(f"embedding {path.name!r} holds vectors of widths {widths} for {key}")
    return torch.cat(meant)


# The tensors of a list of dictionaries, as read_tensors names them.
_LISTED = re.compile(r"\d+\.")


def _meant(tensors: Mapping[str, Tensor], key: str) -> list[Tensor]:
    """The tensors of a file that are for one text encoder."""
    learned = [tensor for name, tensor in tensors.items() if name.startswith(LEARNED)]
    if learned:
        return learned[:1]
    if all(_LISTED.match(name) for name in tensors):
        return [tensor.flatten(0, -2) if tensor.ndim > 1 else tensor for tensor in tensors.values() if tensor.ndim]
    if key in tensors:
        return [tensors[key]]
    bundled = sorted(name for name in tensors if name.startswith(BUNDLED))
    for suffix in (f".{LEARNED}*", f".{key}"):
        words = [tensors[name] for name in bundled if name.endswith(suffix)]
        if words:
            return words
    return [next(iter(tensors.values()))]


def _vectors(path: Path, tensor: Tensor) -> Tensor:
    """A tensor of a file as [tokens, C] float32."""
    vectors = tensor.detach().to(device="cpu", dtype=torch.float32)
    vectors = vectors[None] if vectors.ndim == 1 else vectors
    if vectors.ndim != 2 or not vectors.numel():
        got = "x".join(map(str, tensor.shape)) or "a single number"
        raise CheckpointError(f"embedding {path.name!r} holds {got}, expected vectors: [tokens, width]")
    return vectors
