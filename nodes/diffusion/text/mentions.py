"""How a prompt names embeddings: `embedding:NAME`. Text alone, without torch: a validation asks here too.

As measured on ComfyUI 0.3.64 (parity/facts.md section 7).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from weft.nodes.diffusion.errors import Warn
from weft.nodes.diffusion.text.prompt_weights import parse_weights

MARK = "embedding:"


@dataclass(frozen=True)
class EmbeddingLookup:
    """Where the files are that prompts need: embeddings, and tokenizers that no package brings.

    find: the name of an embedding, as a prompt writes it -> its file, or None.
    refusal: the error for a name that has no file; None where a prompt is read without it, and warned about.
    tokenizers: folders, see t5_tokenizer.
    """

    find: Callable[[str], Path | None]
    refusal: Callable[[str], Exception] | None = None
    tokenizers: tuple[Path, ...] = ()

    def __call__(self, name: str) -> Path | None:
        return self.find(name)

    def missing(self, name: str, warn: Warn) -> None:
        """Raise for a name without a file, or warn of it, as ComfyUI does; an empty name is never more than that."""
        if name and self.refusal is not None:
            raise self.refusal(name)
        warn(f"no embedding {name!r}: ignored" if name else f"{MARK!r} without a name: ignored")


@dataclass(frozen=True)
class Mention:
    """One `embedding:NAME` of a prompt; `file` is None where there is no such embedding, or no name."""

    name: str
    file: Path | None


def mentions(text: str, lookup: Callable[[str], Path | None]) -> Iterator[Mention]:
    """The embeddings that a whole prompt names, in order, as an encoder reads it; a mark without a name names none."""
    for segment, _ in parse_weights(text) if MARK in text else ():
        for piece in split_mentions(segment, lookup):
            if isinstance(piece, Mention) and piece.name:
                yield piece


def split_mentions(segment: str, lookup: Callable[[str], Path | None] | None) -> Iterator[str | Mention]:
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
