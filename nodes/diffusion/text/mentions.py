"""How a prompt names embeddings: `embedding:NAME`. Text alone, without torch: a validation asks here too.

As measured on ComfyUI 0.3.64 (parity/facts.md section 7), and on 0.33 (parity_families/facts_eras.md section 4).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from weft.nodes.diffusion.eras import ERAS, NEWEST, changed
from weft.nodes.diffusion.errors import Warn
from weft.nodes.diffusion.text.prompt_weights import parse_weights

MARK = "embedding:"


@dataclass(frozen=True)
class EmbeddingLookup:
    """Where the files are that prompts need: embeddings, and tokenizers that no package brings.

    find: the name of an embedding, as a prompt writes it -> its file, or None.
    refusal: the error for a name that has no file; None where a prompt is read without it, and warned about.
    tokenizers: folders, see t5_tokenizer. era: by whose rules prompts are read, one of ERAS.
    """

    find: Callable[[str], Path | None]
    refusal: Callable[[str], Exception] | None = None
    tokenizers: tuple[Path, ...] = ()
    era: str = NEWEST

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


def mentions(text: str, lookup: Callable[[str], Path | None], era: str = NEWEST) -> Iterator[Mention]:
    """The embeddings that a whole prompt names, in order, as an encoder reads it; a mark without a name names none."""
    for segment, _ in parse_weights(text) if MARK in text else ():
        for piece in split_mentions(segment, lookup, era):
            if isinstance(piece, Mention) and piece.name:
                yield piece


def split_mentions(segment: str, lookup: Callable[[str], Path | None], era: str = NEWEST) -> Iterator[str | Mention]:
    """The plain texts and the embeddings of one weight segment, in order.

    A mention stands at the start of the segment or behind white space, and ends at white space, `<` or `[`; in 0.3.64
    behind a space or a newline, and at white space alone. Commas behind it belong to the name where a file is called
    so, else to the text that follows.
    """
    newer = changed("embedding-marks", era)
    for piece in re.split(rf"(?<=\s)(?={MARK})" if newer else rf"[ \n](?={MARK})", segment):
        if not piece.startswith(MARK):
            yield piece
            continue
        name, _, rest = re.sub(r"\s+", " ", piece.removeprefix(MARK).strip()).partition(" ")
        behind = f" {rest}"
        if newer and (end := re.search(r"[<\[]", name)):
            name, rest = name[: end.start()], name[end.start() :] + (behind if rest else "")
            behind = rest
        file, commas = lookup(name) if name else None, ""
        if file is None and name.endswith(","):
            bare = name.rstrip(",")
            name, commas = bare, name.removeprefix(bare)
            file = lookup(name) if name else None
        yield Mention(name, file)
        if commas or rest:
            yield f"{commas}{behind}"


def pieces(segment: str, embeddings: EmbeddingLookup | None) -> Iterator[str | Mention]:
    """As split_mentions, by the rules of the lookup; without one all is text."""
    return iter([segment]) if embeddings is None else split_mentions(segment, embeddings.find, embeddings.era)


def missing_in(text: str, lookup: Callable[[str], Path | None]) -> Iterator[Mention]:
    """The embeddings without a file that a prompt names, whichever the rules that it is read by."""
    found = [dict.fromkeys(each for each in mentions(text, lookup, era) if each.file is None) for era in ERAS]
    if all(found):
        yield from found[-1]
