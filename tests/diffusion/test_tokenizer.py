"""The tokenizer: against transformers' CLIPTokenizer over the same vocabulary, and at its limits."""

from __future__ import annotations

import gzip
import importlib.util
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.text import tokenizer

PHOTO = [320, 1125, 539, 320, 2368]


@pytest.fixture(scope="module")
def oracle():
    from transformers import CLIPTokenizer

    merges = tokenizer.read_merges(tokenizer.vocabulary_file())
    return CLIPTokenizer(vocab=tokenizer.build(merges).get_vocab(), merges=merges)


def test_known_ids() -> None:
    assert tokenizer.encode("a photo of a cat") == PHOTO
    assert tokenizer.tokenizer().get_vocab_size() == 49408
    assert tokenizer.tokenizer().token_to_id("<|startoftext|>") == tokenizer.START
    assert tokenizer.tokenizer().token_to_id("<|endoftext|>") == tokenizer.END


@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000"])
def test_nothing_to_read(text: str) -> None:
    assert tokenizer.encode(text) == []


@pytest.mark.parametrize("text", ["A PHOTO  of\na\tcat", " a photo of a cat ", "a\u00a0photo of a cat"])
def test_case_and_white_space_do_not_count(text: str) -> None:
    assert tokenizer.encode(text) == PHOTO


def test_composed_and_combining_accents_are_one() -> None:
    assert tokenizer.encode("cafe\u0301") == tokenizer.encode("caf\u00e9") == [15304]


def test_marks_in_a_prompt_are_marks_only_as_spelt() -> None:
    assert tokenizer.encode("cat<|endoftext|>dog") == [2368, tokenizer.END, 1929]
    assert tokenizer.encode("<|startoftext|>") == [tokenizer.START]
    # Lower-cased it looks like one again, but is a word by then: only its split is that of a mark.
    assert tokenizer.encode("<|ENDOFTEXT|>") != [tokenizer.END]


@settings(max_examples=300)
@given(st.text(max_size=40) | st.lists(st.sampled_from(["'s", "<|endoftext|>", "İ", "ﬁ", "ς", "1", " ", "\U0001f600"])))
def test_equal_to_transformers(oracle, text) -> None:
    text = "".join(text)
    assert tokenizer.encode(text) == oracle(text)["input_ids"][1:-1]


def test_half_a_surrogate_pair_is_an_error() -> None:
    with pytest.raises(DiffusionError, match=r"U\+D800 at position 2"):
        tokenizer.encode("a \ud800 b")


def test_a_megabyte_in_one_word_is_read_in_linear_time() -> None:
    started = time.process_time()
    assert len(tokenizer.encode("x" * 1_000_000)) == 250_000
    assert time.process_time() - started < 30


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DiffusionError, match=r"refiners 0\.4, which is not installed"):
        tokenizer.vocabulary_file()


@pytest.mark.parametrize("lines", [["a b"], ["a b c"] * tokenizer.MERGES])
def test_another_vocabulary(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "merges.gz"
    path.write_bytes(gzip.compress("\n".join(["version", *lines]).encode()))
    with pytest.raises(DiffusionError, match="no vocabulary of CLIP"):
        tokenizer.read_merges(path)
