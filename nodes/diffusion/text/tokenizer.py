"""CLIP's byte-pair tokenizer: text -> ids, nothing else.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision": 49408 ids, byte-level
BPE over lower-cased words. Equal to transformers 5's CLIPTokenizer, whose normalisation (NFC, not ftfy) is that of
parity/units/tokens.json. The vocabulary is the file of merges that OpenAI published and the package refiners carries.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import DiffusionError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

START, END = 49406, 49407
VOCABULARY = "foundationals/clip/bpe_simple_vocab_16e6.txt.gz"
# CLIP uses this many of the file's merges: with 2 x 256 bytes and 2 marks they make 49408 ids.
MERGES = 49152 - 256 - 2
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def encode(text: str) -> list[int]:
    """The ids of `text`, without start and end marks; `[]` for white space. Any length.

    Raises:
        DiffusionError: the package with the vocabulary is not installed, or half a UTF-16 pair stands in the text.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        got = f"U+{ord(text[error.start]):04X} at position {error.start}"
        raise DiffusionError(f"the prompt holds {got}, half of a surrogate pair: no character") from error
    return tokenizer().encode(text, add_special_tokens=False).ids


@functools.cache
def tokenizer() -> Tokenizer:
    """The tokenizer, built on first use (some 0.1 s) and kept: it is a pure function of the vocabulary file."""
    return build(read_merges(vocabulary_file()))


def vocabulary_file() -> Path:
    """Where the merges lie inside the installed package refiners, which is located and never imported."""
    spec = importlib.util.find_spec("refiners")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / VOCABULARY
        if path.is_file():
            return path
    found = "has no such file" if spec else "is not installed"
    raise DiffusionError(f"CLIP's vocabulary {VOCABULARY} comes with the package refiners 0.4, which {found}")


def read_merges(path: Path) -> list[tuple[str, str]]:
    """The merges that CLIP uses, most frequent first."""
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    # The first line is a version comment.
    merges = [tuple(line.split()) for line in lines[1 : MERGES + 1]]
    if len(merges) != MERGES or any(len(pair) != 2 for pair in merges):
        raise DiffusionError(f"{path} is no vocabulary of CLIP: expected {MERGES} pairs after its first line")
    return merges  # type: ignore[return-value]  # every tuple was just seen to be a pair


def build(merges: list[tuple[str, str]]) -> Tokenizer:
    """A tokenizer over these merges; ids are numbered bytes, bytes that end a word, merges, marks."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

    alphabet = byte_alphabet()
    marks = ["<|startoftext|>", "<|endoftext|>"]
    words = [*alphabet, *(letter + "</w>" for letter in alphabet), *(a + b for a, b in merges), *marks]
    model = models.BPE(
        vocab={word: index for index, word in enumerate(words)},
        merges=merges,
        end_of_word_suffix="</w>",
        unk_token=marks[1],
    )
    result = Tokenizer(model)
    result.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    result.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    # Only their exact spelling is a mark: "<|ENDOFTEXT|>" is normalised, and then a word like any other.
    result.add_special_tokens([AddedToken(mark, normalized=False, special=True) for mark in marks])
    return result


def byte_alphabet() -> list[str]:
    """One printable character for each byte, in GPT-2's order: printable bytes as themselves first, then the others."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = 256 - len(printable)
    return [chr(byte) for byte in printable] + [chr(0x100 + index) for index in range(others)]
