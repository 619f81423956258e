"""Text that a text encoder writes which is a language model: a chat to be answered, one token after the other.

The chat is the model's own template (Qwen's, as published with the models). Draws are made on the CPU from their own
generator: a seed writes the same text on every device that computes the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError, Warn, python_warning
from weft.nodes.diffusion.text.qwen import OPENING, QwenTextEncoder
from weft.nodes.diffusion.text.qwen_tokenizer import FIRST_MARK, MARKS, tokenizer

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.clip import Clip

SHOWN = "<|vision_start|><|image_pad|><|vision_end|>"
_END = {FIRST_MARK + MARKS.index(mark) for mark in ("<|im_end|>", "<|endoftext|>")}
_THOUGHT = FIRST_MARK + MARKS.index("</think>")


@dataclass(frozen=True)
class Draw:
    """How the next token is drawn.

    temperature: what the logits are divided by. top_k: among so many, 0 among all. top_p: among the likeliest that
    together have this probability. min_p: among those that have this share of the likeliest one's.
    repetition_penalty: what the logits of all tokens so far are divided by (multiplied with, below 0).
    presence_penalty: what is taken from the logits of the tokens that were written.
    """

    temperature: float = 0.7
    top_k: int = 64
    top_p: float = 0.95
    min_p: float = 0.05
    repetition_penalty: float = 1.05
    presence_penalty: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Written:
    """What was written, and what was thought before, if the model said so."""

    text: str
    thinking: str = ""


def write(
    clip: Clip,
    prompt: str,
    pictures: Sequence[Tensor] = (),
    *,
    system: str = "",
    length: int,
    draw: Draw | None,
    thinks: bool = False,
    chat: bool = True,
    report: Callable[[int, int], None] | None = None,
    warn: Warn = python_warning,
) -> Written:
    """The answer to a prompt about pictures [1,H,W,C] of 0..1.

    Args:
        system: what the model is told before.
        length: tokens at most.
        draw: how each is drawn; None takes the likeliest.
        thinks: whether it thinks before it answers, where it can.
        chat: whether the prompt stands in the model's chat, else the text goes on from it; a prompt that begins one
            itself is taken as it is, with a mark for each picture in it.
        report: is told how many tokens there are, and `length`.

    Raises:
        DiffusionError: no language model, or pictures that it cannot see.
    """
    encoder = clip.encoders[-1]
    if not isinstance(encoder, QwenTextEncoder):
        raise DiffusionError(f"the text encoder {encoder.name!r} writes no text: load a Qwen, as Z-Image's qwen_3_4b")
    text = prompt
    if not prompt.startswith(OPENING):
        text = SHOWN * len(pictures) + prompt
        text = _chat(text, system, encoder, thinks=thinks) if chat else text
    ids = []
    with torch.inference_mode():
        for token in _tokens(encoder, text, pictures, length, draw):
            ids.append(token)
            if report is not None:
                report(len(ids), length)
    if len(ids) == length:
        warn(f"the text was cut at max_length, {length} tokens")
    cut = ids.index(_THOUGHT) if _THOUGHT in ids else -1
    said, thought = tokenizer().decode(ids[cut + 1 :]), tokenizer().decode(ids[: max(cut, 0)])
    return Written(said.strip(), thought.strip())


def _chat(prompt: str, system: str, encoder: QwenTextEncoder, *, thinks: bool) -> str:
    told = system or ("" if encoder.is_qwen3 else "You are a helpful assistant.")
    begin = f"{OPENING}system\n{told}<|im_end|>\n" if told else ""
    # So the model is told that it has thought.
    thought = "<think>\n\n</think>\n\n" if encoder.is_qwen3 and encoder.vision is None and not thinks else ""
    return f"{begin}{OPENING}user\n{prompt}<|im_end|>\n{OPENING}assistant\n{thought}"


def _tokens(
    encoder: QwenTextEncoder, text: str, pictures: Sequence[Tensor], length: int, draw: Draw | None
) -> Iterator[int]:
    """Each token that is written, until the model ends."""
    from transformers.cache_utils import DynamicCache

    (tokens,) = encoder.read_as_it_is(text, None)
    embedded, beside = encoder.embedded(tokens, pictures)
    network: Any = encoder.network.module()
    words, known = encoder.words(), tokenizer().get_vocab_size()
    cache = DynamicCache(config=network.config)
    places = beside.get("position_ids")
    # Behind a picture places go on from its longer side.
    behind = 0 if places is None else int(places.max()) + 1
    generator = torch.Generator().manual_seed(0 if draw is None else draw.seed % 2**64)
    ids = [token for token, _ in tokens if isinstance(token, int)]
    begin = len(ids)
    while len(ids) < begin + length:
        states = network(inputs_embeds=embedded, past_key_values=cache, use_cache=True, **beside).last_hidden_state
        logits = nn.functional.linear(states[:, -1], words)[:, :known].float().cpu()
        token = int(logits.argmax()) if draw is None else _drawn(logits, ids, begin, draw, generator)
        if token in _END:
            return
        yield token
        ids.append(token)
        embedded = network.embed_tokens(torch.tensor([[token]], device=embedded.device))
        if places is not None:
            kept = {key: value for key, value in beside.items() if key == "attention_mask"}
            beside = {**kept, "position_ids": torch.full((3, 1, 1), behind, device=embedded.device)}
            behind += 1


def _drawn(logits: Tensor, ids: Sequence[int], begin: int, draw: Draw, generator: torch.Generator) -> int:
    from transformers.generation import logits_process as rules

    before: Any = torch.tensor([ids])
    if draw.repetition_penalty not in (0, 1):
        logits = rules.RepetitionPenaltyLogitsProcessor(draw.repetition_penalty)(before, logits)
    logits = logits.clone()
    logits[:, list(set(ids[begin:]))] -= draw.presence_penalty
    logits = rules.TemperatureLogitsWarper(draw.temperature)(before, logits)
    if draw.top_k:
        logits = rules.TopKLogitsWarper(draw.top_k)(before, logits)
    if draw.top_p < 1:
        logits = rules.TopPLogitsWarper(draw.top_p)(before, logits)
    if draw.min_p:
        logits = rules.MinPLogitsWarper(draw.min_p)(before, logits)
    return int(torch.multinomial(logits.softmax(-1), 1, generator=generator))
