"""Prompts whose weights are normalised and read in other ways than ComfyUI's: the encoder of the Efficiency loaders.

The unit is the word: a maximal run of text of one weight, or one embedding. Rules and numbers as measured on the pack
(efficiency.md section 4 with parity/efficiency/notes.md, B1 and B15), held by the goldens load_*, opt_* and xl_load_*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, Warn, nearest, python_warning
from weft.nodes.diffusion.text.clip import CHUNK, Chunk, TextEncoder, Token, chunk, encode_chunks, lay, read_groups
from weft.nodes.diffusion.text.names import TOKEN_NORMALIZATIONS, WEIGHT_INTERPRETATIONS

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.clip import Clip, Conditioning
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup

MASK_TOKEN = 266  # what stands in the place of a word that is taken out
POOLING = "clip_g"  # the only encoder whose pooled output a model is given


@dataclass(frozen=True, eq=False)
class Word:
    """Tokens (ids or embedding vectors) that share a weight."""

    tokens: tuple[int | Tensor, ...]
    weight: float


def encode_prompt(
    clip: Clip, text: str, normalization: str, interpretation: str, warn: Warn = python_warning
) -> Conditioning:
    """One prompt: `[[cond [1,T,C], {"pooled_output": [1,P] or None}]]`, float32 on the CPU, T as in `Clip.encode`.

    With `none` and `comfy`, cond equals that of `Clip.encode`. The pooled output is clip_g's and knows no weights;
    where there is no such encoder it is None, as in the pack. `warn` as in `Clip.encode`.

    Raises:
        DiffusionError: an unknown normalisation or interpretation, or a weight that is no number where one is needed.
    """
    _check("token normalization", normalization, TOKEN_NORMALIZATIONS)
    _check("weight interpretation", interpretation, WEIGHT_INTERPRETATIONS)
    return clip.hooked(lambda changed: _encoded(changed, text, normalization, interpretation, warn))


def _encoded(clip: Clip, text: str, normalization: str, interpretation: str, warn: Warn) -> Conditioning:
    plain = (normalization, interpretation) == ("none", "comfy")
    parts, pooled = [], None
    with torch.inference_mode():
        for encoder in clip.encoders:
            if not isinstance(encoder, TextEncoder):
                raise DiffusionError(f"prompts of weights read so are for CLIP; {encoder.name} is another encoder")
            words = read_words(text, encoder, clip.embeddings, warn)
            if not plain:
                _check_weights(words)
            reading = _Reading(encoder, clip.layer, normalise(words, normalization))
            cond, pool = _INTERPRETATIONS[interpretation](reading)
            parts.append(cond)
            pooled = pool if encoder.name == POOLING else pooled
    return clip.joined([(cond, pooled) for cond in parts])


def read_words(
    text: str, encoder: TextEncoder, embeddings: EmbeddingLookup | None, warn: Warn = python_warning
) -> list[Word]:
    """The words of a prompt as one encoder reads them; none is without tokens."""
    groups = read_groups(text, encoder, embeddings, warn)
    return [Word(tuple(token for token, _ in group), group[0][1]) for group in groups if group]


def normalise(words: Sequence[Word], normalization: str) -> list[Word]:
    """The words with new weights.

    `length` divides a word's deviation from 1 by the square root of the number of its tokens; `mean` then shifts all
    weights so that their mean over all tokens is 1; `length+mean` is both.
    """
    weights = [word.weight for word in words]
    if "length" in normalization:
        weights = [1.0 + (word.weight - 1.0) / math.sqrt(len(word.tokens)) for word in words]
    if "mean" in normalization and words:
        tokens = sum(len(word.tokens) for word in words)
        total = math.fsum(weight * len(word.tokens) for weight, word in zip(weights, words, strict=True))
        weights = [weight + 1.0 - total / tokens for weight in weights]
    return [Word(word.tokens, weight) for word, weight in zip(words, weights, strict=True)]


Encoded = tuple[Tensor, Tensor]
"""cond [1, 77 * chunks, C] and pooled [1, P] of one encoder."""


@dataclass(frozen=True, eq=False)
class _Reading:
    """A prompt before one encoder: words, and ways to encode them with other weights or without some tokens."""

    encoder: TextEncoder
    layer: int | None
    words: Sequence[Word]

    @property
    def weights(self) -> list[float]:
        return [word.weight for word in self.words]

    def encode(self, weights: Iterable[float] | None = None) -> Encoded:
        """With ComfyUI's reading of these weights, one a word; without weights if None."""
        return encode_chunks(self.encoder, self._chunks(weights), self.layer)

    def without(self, mask: Tensor, cond: Tensor, weights: Iterable[float] | None = None) -> Tensor:
        """What `cond`, the encoding with these weights, is with the mask token where `mask` [chunks, 77] is true."""
        chunks = self._chunks(weights)
        rows = torch.nonzero(mask.any(1)).flatten().tolist()
        masked = [_masked(chunks[row], mask[row].tolist()) for row in rows]
        encoded, _ = encode_chunks(self.encoder, masked, self.layer)
        result = cond.clone().reshape(len(chunks), CHUNK, -1)
        result[rows] = encoded.reshape(len(rows), CHUNK, -1)
        return result.reshape(cond.shape)

    def places(self) -> Tensor:
        """[chunks, 77]: the number of the word at each position, -1 for marks and filling."""
        rows = lay([number] * len(word.tokens) for number, word in enumerate(self.words))
        return torch.tensor([[-1, *row, *[-1] * (CHUNK - 1 - len(row))] for row in rows])

    def spread(self, values: Sequence[float]) -> Tensor:
        """[1, 77 * chunks, 1]: one value a word, at the word's positions; 1 for marks and filling."""
        return torch.tensor([*values, 1.0])[self.places()].reshape(1, -1, 1)

    def _chunks(self, weights: Iterable[float] | None) -> list[Chunk]:
        each = [1.0] * len(self.words) if weights is None else weights
        groups: list[list[Token]] = [
            [(token, weight) for token in word.tokens] for word, weight in zip(self.words, each, strict=True)
        ]
        return chunk(groups, self.encoder.spec.pad_token)


def _masked(tokens: Chunk, mask: Sequence[bool]) -> Chunk:
    """The tokens with the mask token, which weighs 1, in the place of some."""
    return [(MASK_TOKEN, 1.0) if hidden else token for token, hidden in zip(tokens, mask, strict=True)]


# The interpretations


def _comfy(reading: _Reading) -> Encoded:
    """The core encoder's: a weight moves a token away from the empty prompt."""
    return reading.encode(reading.weights)


def _a1111(reading: _Reading) -> Encoded:
    """Tokens times their weights, then all of it scaled so that its mean is what it was."""
    plain, pooled = reading.encode()
    weighted = plain * reading.spread(reading.weights)
    return weighted * (plain.mean() / weighted.mean()), pooled


def _compel(reading: _Reading) -> Encoded:
    """Weights above 1 as in `comfy`, those below by mixing in encodings with a mask."""
    raised = [max(weight, 1.0) for weight in reading.weights]
    cond, pooled = reading.encode(raised)
    return _lower(reading, cond, reading.weights, raised), pooled


def _comfy_plus_plus(reading: _Reading) -> Encoded:
    """Weights below 1 as in `compel`; a word above 1 moves away from the prompt that lacks it, at its own positions."""
    plain, pooled = reading.encode()
    cond = _lower(reading, plain, reading.weights)
    places = reading.places()
    for number, weight in enumerate(reading.weights):
        if weight > 1.0:
            here = places == number
            cond += (weight - 1.0) * here.reshape(1, -1, 1) * (plain - reading.without(here, plain))
    return cond, pooled


def _down_weight(reading: _Reading) -> Encoded:
    """All weights scaled so that the largest, or the 1 of the marks, is 1; then as `compel`."""
    plain, pooled = reading.encode()
    largest = max([1.0, *reading.weights])
    return _lower(reading, plain, [weight / largest for weight in reading.weights]), pooled


def _lower(
    reading: _Reading, cond: Tensor, word_weights: Sequence[float], weights: Sequence[float] | None = None
) -> Tensor:
    """`cond`, the encoding with `weights`, mixed with encodings in which more and more is masked; weights stop at 1.

    With levels w_0 < w_1 < ... < w_n = 1: w_0 * cond + sum of (w_(k+1) - w_k) * (encoding masked for w_k).

    What is masked for a level are not the words of at most that weight but the positions whose numbers are those of
    the chunks that hold them: in a prompt of one chunk, the start mark. So the pack computes, and its pictures depend
    on it.
    """
    levels = sorted({1.0, *(weight for weight in word_weights if weight < 1.0)})
    places = reading.places()
    mixed = levels[0] * cond
    for level, following in pairwise(levels):
        low = torch.tensor([number for number, weight in enumerate(word_weights) if weight <= level])
        holding = torch.nonzero(torch.isin(places, low).any(1)).flatten()
        mask = torch.zeros(places.numel(), dtype=torch.bool)
        mask[holding] = True
        mixed += (following - level) * reading.without(mask.reshape(places.shape), cond, weights)
    return mixed


_INTERPRETATIONS: Mapping[str, Callable[[_Reading], Encoded]] = {
    "comfy": _comfy,
    "A1111": _a1111,
    "compel": _compel,
    "comfy++": _comfy_plus_plus,
    "down_weight": _down_weight,
}


def _check(what: str, got: str, choices: Sequence[str]) -> None:
    if got not in choices:
        raise DiffusionError(f"unknown {what} {got!r}, expected one of {list(choices)}{nearest(got, list(choices))}")


def _check_weights(words: Sequence[Word]) -> None:
    bad = next((word.weight for word in words if not math.isfinite(word.weight)), None)
    if bad is not None:
        raise DiffusionError(f"a weight of the prompt is {bad}: only comfy without normalisation takes that")
