"""Text that a Qwen writes: transformers' own greedy text, draws that a seed repeats, pictures, chats, ends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.text_tiny import clip_l, qwen
from weft.nodes.diffusion.text import writing
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.text.qwen import HEAD_KEY
from weft.nodes.diffusion.text.qwen_tokenizer import encode, tokenizer
from weft.nodes.diffusion.text.writing import Draw, write
from weft.nodes.diffusion.weights.checkpoint import load_clip

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
LIKELIEST = Draw(temperature=0.5, top_k=1, top_p=1.0, min_p=0.0, repetition_penalty=1.0)


def opened(folder: Path, kind: str, **changes: torch.Tensor) -> Clip:
    """A small text encoder whose tokens are told apart: its norm is wide."""
    tensors = qwen(8, sees=kind == "qwen_image", normed=kind != "qwen_image")
    tensors["model.norm.weight"] = torch.full((8,), 40.0)
    save_file({**tensors, **changes}, folder / "qwen.safetensors")
    return load_clip([folder / "qwen.safetensors"], kind, **ON_CPU)


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return opened(tmp_path_factory.mktemp("qwen3"), "lumina2")


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return opened(tmp_path_factory.mktemp("seeing"), "qwen_image")


def said(clip: Clip, prompt: str, **options: Any) -> tuple[str, list[str]]:
    heard: list[str] = []
    written = write(clip, prompt, **{"length": 8, "draw": None, "warn": heard.append, **options})
    return written.text, heard


def test_the_likeliest_text_is_that_of_transformers(qwen3: Clip) -> None:
    from transformers.models.qwen3.modeling_qwen3 import Qwen3ForCausalLM

    network: Any = qwen3.encoders[0].network.module()
    with torch.device("meta"):
        whole: Any = Qwen3ForCausalLM(network.config)
    whole.model = network
    whole.lm_head.weight = network.embed_tokens.weight
    chat = "<|im_start|>user\na red apple<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    ids = torch.tensor([encode(chat)])
    expected = whole.generate(ids, max_new_tokens=8, do_sample=False, pad_token_id=0)[0, ids.shape[1] :]
    assert len(set(expected.tolist())) > 1
    text, _ = said(qwen3, "a red apple")
    assert text == tokenizer().decode(expected.tolist()).strip()
    assert said(qwen3, chat)[0] == said(qwen3, chat, chat=False)[0] == text
    assert said(qwen3, "a red apple", thinks=True)[0] != text
    assert said(qwen3, "a red apple", system="You are brief.")[0] != text
    assert said(qwen3, "a red apple", chat=False)[0] != text


def test_a_seed_draws_the_same_text_again(qwen3: Clip) -> None:
    texts = [said(qwen3, "a red apple", draw=Draw(100.0, 0, 1.0, 0.0, 1.0, seed=seed))[0] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    greedy = said(qwen3, "a red apple")[0]
    assert said(qwen3, "a red apple", draw=LIKELIEST)[0] == greedy
    narrow = Draw(temperature=0.01, top_k=0, top_p=0.01, min_p=0.9, repetition_penalty=1.0)
    assert said(qwen3, "a red apple", draw=narrow)[0] == greedy


def test_what_is_penalised_comes_once() -> None:
    words = torch.zeros(1, 8, 151_936)
    words[..., 10], words[..., 11] = 3.0, 2.0
    logits = words[:, 0, :151_669]
    generator = torch.Generator()
    assert writing._drawn(logits, [10], 1, LIKELIEST, generator) == 10
    once = Draw(temperature=1.0, top_k=1, top_p=1.0, min_p=0.0, repetition_penalty=1.0, presence_penalty=1.5)
    assert writing._drawn(logits, [5, 10], 1, once, generator) == 11
    assert writing._drawn(logits, [10, 5], 1, once, generator) == 10  # it stands in the prompt alone
    twice = Draw(temperature=1.0, top_k=1, top_p=1.0, min_p=0.0, repetition_penalty=2.0)
    assert writing._drawn(logits, [10], 1, twice, generator) == 11
    assert float(logits[0, 10]) == 3.0


def headed(folder: Path, first: int, second: int) -> Clip:
    """A text encoder that says one of two words, by the sign of its states."""
    head = torch.zeros(151_936, 8)
    head[first], head[second] = torch.full((8,), 5.0), torch.full((8,), -5.0)
    return opened(folder, "lumina2", **{HEAD_KEY: head})


def test_a_head_of_its_own_writes(tmp_path: Path) -> None:
    assert said(headed(tmp_path, *encode("yes no")), "a", length=1)[0] in ("yes", "no")


def test_a_model_that_ends_ends_the_text(tmp_path: Path) -> None:
    assert said(headed(tmp_path, 151_645, 151_643), "a") == ("", [])


def test_thoughts_are_no_answer(qwen3: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    told = encode("so it is</think>\n\nyes ")
    monkeypatch.setattr(writing, "_tokens", lambda *_: iter(told))
    written = write(qwen3, "a", length=99, draw=None)
    assert (written.text, written.thinking) == ("yes", "so it is")


def test_a_text_that_is_cut_is_said(qwen3: Clip) -> None:
    steps: list[tuple[int, int]] = []
    _, heard = said(qwen3, "a", length=2, report=lambda *at: steps.append(at))
    assert (heard, steps) == (["the text was cut at max_length, 2 tokens"], [(1, 2), (2, 2)])


def test_pictures_stand_before_the_prompt(seeing: Clip) -> None:
    picture = torch.rand(1, 56, 84, 3, generator=torch.Generator().manual_seed(1))
    text, _ = said(seeing, "what is it", pictures=[picture])
    assert text != said(seeing, "what is it")[0]
    # The same, computed anew for each token, without what is kept of the tokens before.
    encoder: Any = seeing.encoders[0]
    chat = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        f"{writing.SHOWN}what is it<|im_end|>\n<|im_start|>assistant\n"
    )
    (tokens,) = encoder.read(chat, None)
    ids: list[int] = []
    with torch.inference_mode():
        for _ in range(8):
            embedded, beside = encoder.embedded([*tokens, *((token, 1.0) for token in ids)], [picture])
            states = encoder.network.module()(inputs_embeds=embedded, use_cache=False, **beside).last_hidden_state
            ids.append(int((states[:, -1] @ encoder.words().T)[:, : tokenizer().get_vocab_size()].argmax()))
    assert text == tokenizer().decode(ids).strip()


def test_a_prompt_without_a_chat_is_read_as_it_is(qwen3: Clip, seeing: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def encoded(text: str) -> list[int]:
        read.append(text)
        return encode(text)

    monkeypatch.setattr("weft.nodes.diffusion.text.qwen.encode", encoded)
    picture = torch.zeros(1, 56, 56, 3)
    said(qwen3, "once upon", chat=False, length=1)
    said(seeing, "once upon", pictures=[picture], chat=False, length=1)
    chat = f"<|im_start|>user\nwhat is {writing.SHOWN}<|im_end|>\n"
    said(seeing, chat, pictures=[picture], length=1)
    assert read == ["once upon", f"{writing.SHOWN}once upon", chat]
    with pytest.raises(DiffusionError, match="0 marks for 1 pictures"):
        said(seeing, "<|im_start|>user\n", pictures=[picture])


def test_who_cannot_write_or_see_is_named(tmp_path: Path, qwen3: Clip) -> None:
    save_file(clip_l(8), tmp_path / "clip_l.safetensors")
    clip = load_clip([tmp_path / "clip_l.safetensors"], "stable_diffusion", **ON_CPU)
    with pytest.raises(DiffusionError, match=re.escape("writes no text: load a Qwen")):
        said(clip, "a")
    with pytest.raises(DiffusionError, match="nothing that sees pictures"):
        said(qwen3, "a", pictures=[torch.zeros(1, 28, 28, 3)])
