"""Conditionings as values: averaged, joined, emptied, given options. What the options do stands in conditions.

Numbers as measured on ComfyUI 0.3.64 (parity/facts.md section 6), held by the goldens cond_avg*, cond_concat* and
cond_zero*.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError

Entries = Sequence[Any]  # of [tensor [b,T,C], options]


def with_options(conditioning: Entries, **options: Any) -> list[Any]:
    """The same prompts, each entry with these options over its own."""
    return [[context, {**old, **options}] for context, old in conditioning]


def average(to: Entries, source: Entries, strength: float) -> list[Any]:
    """Each entry of `to` mixed with the first of `source`: to * strength + source * (1 - strength).

    The source is cut, or filled up with zeros, to the number of tokens of the entry. Pooled outputs are mixed alike;
    where only one side has one, it is kept.

    Raises:
        DiffusionError: an empty source, or one of another model family.
    """
    other, other_options = _first(source)
    other_pooled = other_options.get("pooled_output")
    mixed = []
    for context, options in to:
        _check_width("conditioning", context, other)
        tokens = context.shape[1]
        fitted = torch.nn.functional.pad(other[:, :tokens], (0, 0, 0, max(0, tokens - other.shape[1])))
        changed = dict(options)
        pooled = options.get("pooled_output")
        if pooled is not None and other_pooled is not None:
            _check_width("pooled output", pooled, other_pooled)
            changed["pooled_output"] = pooled * strength + other_pooled * (1.0 - strength)
        elif other_pooled is not None:
            changed["pooled_output"] = other_pooled
        mixed.append([context * strength + fitted * (1.0 - strength), changed])
    return mixed


def concat(to: Entries, source: Entries) -> list[Any]:
    """Each entry of `to` with the tokens of the first of `source` behind its own; options are those of `to`.

    Raises:
        DiffusionError: an empty source, one of another model family, or of another batch.
    """
    other, _ = _first(source)
    joined = []
    for context, options in to:
        _check_width("conditioning", context, other)
        if context.shape[0] != other.shape[0]:
            raise DiffusionError(f"cannot join conditionings of batches {context.shape[0]} and {other.shape[0]}")
        joined.append([torch.cat((context, other), dim=1), dict(options)])
    return joined


def zero_out(conditioning: Entries) -> list[Any]:
    """The conditioning with zeros in place of its tokens and its pooled output."""
    emptied = []
    for context, options in conditioning:
        changed = dict(options)
        if options.get("pooled_output") is not None:
            changed["pooled_output"] = torch.zeros_like(options["pooled_output"])
        emptied.append([torch.zeros_like(context), changed])
    return emptied


def _first(source: Entries) -> tuple[Tensor, dict[str, Any]]:
    if not source:
        raise DiffusionError("conditioning_from is empty: it has no entry to take the prompt from")
    context, options = source[0]
    return context, options


def _check_width(what: str, to: Tensor, source: Tensor) -> None:
    if to.shape[-1] != source.shape[-1]:
        raise DiffusionError(
            f"cannot mix a {what} of width {source.shape[-1]} into one of width {to.shape[-1]}: "
            "they were encoded by text encoders of different model families"
        )
