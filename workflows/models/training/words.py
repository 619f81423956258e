"""Captions as the text encoder reads them in training: CLIP's own tokens, numbered compactly.

Of CLIP's 49408 tokens the drawings use some thirty. In training only these have a row in the table; row 0 stands for
every other token and stays zero, as all their rows are in the file.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from drawings import vocabulary
from torch import Tensor, nn

from weft.nodes.diffusion.text.clip import CHUNK
from weft.nodes.diffusion.text.tokenizer import END, START, encode

TOKENS = 49408
UNKNOWN = 0


def known_tokens() -> tuple[int, ...]:
    """CLIP's ids of the rows 1, 2, ... of the compact table."""
    words = {token for word in vocabulary() for token in encode(word)}
    return (START, END, *sorted(words))


class Words:
    """Captions to rows of ids [B, 77] in the compact table."""

    def __init__(self) -> None:
        self._rows = {token: row for row, token in enumerate(known_tokens(), start=1)}

    def __len__(self) -> int:
        return len(self._rows) + 1

    def rows(self, caption: str) -> list[int]:
        """A caption without its marks."""
        return [self._rows.get(token, UNKNOWN) for token in encode(caption)]

    def batch(self, captions: Sequence[list[int]]) -> Tensor:
        """Captions between their marks, filled up with the end mark."""
        start, end = self._rows[START], self._rows[END]
        return torch.tensor([[start, *rows, end] + [end] * (CHUNK - 2 - len(rows)) for rows in captions])


def with_strangers(rows: list[int], rng: random.Random) -> list[int]:
    """A caption with up to four unknown tokens put in: the model learns to draw on regardless."""
    for _ in range(rng.randint(1, 4)):
        rows = rows.copy()
        rows.insert(rng.randint(0, len(rows)), UNKNOWN)
    return rows


def whole_table(text: nn.Module, known: Sequence[int]) -> Tensor:
    """The table of CLIP's 49408 tokens from a trained compact one."""
    compact = text.get_input_embeddings().weight.detach()
    table = compact.new_zeros(TOKENS, compact.shape[1])
    table[list(known)] = compact[1:]
    return table
