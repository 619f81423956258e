"""Textual inversion: learned vectors that a prompt names as `embedding:NAME`.

Gal et al. 2022, "An Image is Worth One Word". How a prompt names them, and which tensor of a file is meant, as
measured on ComfyUI 0.3.64 (parity/facts.md section 7).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nodes.diffusion.errors import CheckpointError, DiffusionError
from nodes.diffusion.weightfile import read_tensors

# The name of an embedding, as a prompt writes it -> its file.
EmbeddingLookup = Callable[[str], Path | None]

MARK = "embedding:"
SUFFIXES = ("", ".safetensors", ".pt", ".bin")
LONGEST = 240  # bytes of a file name, with room for a suffix: longer ones are an error to ask for
LEARNED = "string_to_param."  # where automatic1111's files keep the vectors, beside bookkeeping


class EmbeddingWidth(CheckpointError):
    """An embedding made for a text encoder of another width."""


@dataclass(frozen=True)
class Mention:
    """One `embedding:NAME` of a prompt; `file` is None where there is no such embedding."""

    name: str
    file: Path | None


def split_mentions(segment: str, lookup: EmbeddingLookup | None) -> Iterator[str | Mention]:
    """The plain texts and the embeddings of one weight segment, in order.

    A mention stands at the start of the segment or behind a space or a newline, and ends at white space. Commas behind
    it belong to the name where a file is called so, else to the text that follows. Without a lookup all is text.
    """
    for piece in re.split(rf"[ \n](?={MARK})", segment):
        if lookup is None or not piece.startswith(MARK):
            yield piece
            continue
        name, _, rest = re.sub(r"\s+", " ", piece.removeprefix(MARK).strip()).partition(" ")
        file, commas = lookup(name) if name else None, ""
        if file is None and name.endswith(","):
            bare = name.rstrip(",")
            name, commas = bare, name.removeprefix(bare)
            file = lookup(name) if name else None
        yield Mention(name, file)
        if commas or rest:
            yield f"{commas} {rest}"


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

    return find


def load_embedding(path: Path, key: str, width: int) -> Tensor:
    """The vectors of an embedding file, [tokens, width] float32.

    Args:
        path: .safetensors (any tensor names), .pt (automatic1111's `string_to_param`) or .bin (diffusers).
        key: the text encoder, "clip_l" or "clip_g"; a file without this name gives its first tensor.
        width: what the text encoder takes.

    Raises:
        CheckpointError: the file cannot be read or has no tensor.
        EmbeddingWidth: its vectors have another width.
    """
    tensors = read_tensors(path)
    learned = {name: tensor for name, tensor in tensors.items() if name.startswith(LEARNED)} or tensors
    if not learned:
        raise CheckpointError(f"embedding {path.name!r} holds no tensor")
    vectors = learned[key] if key in learned else next(iter(learned.values()))
    vectors = vectors.detach().to(device="cpu", dtype=torch.float32)
    vectors = vectors[None] if vectors.ndim == 1 else vectors
    if vectors.ndim != 2 or vectors.shape[1] != width:
        got = "x".join(map(str, vectors.shape)) or "a single number"
        raise EmbeddingWidth(f"embedding {path.name!r} holds {got} for {key}, expected vectors of width {width}")
    return vectors
