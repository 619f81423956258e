"""Axes of LoRAs: which there are, and the halves of a LoRA plot, of which each decides a part of the first LoRA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weft.nodes.efficiency.axes.entries import fields, file, real_number, within
from weft.nodes.efficiency.axes.kind import AxisKind, Cell, Files, Grammar, Share, Stale, number, stem
from weft.nodes.efficiency.values import LoraStack, LoraUse


def merge_loras(x: LoraStack, y: LoraStack) -> LoraStack:
    """The LoRAs of a cell whose axes each decide a part of the first one; what neither decides is 1."""
    (name, model_strength, clip_strength), other = x[0], y[0]
    model_strength = other.model_strength if model_strength is None else model_strength
    clip_strength = other.clip_strength if clip_strength is None else clip_strength
    head = LoraUse(
        other.name if name is None else name,
        1.0 if model_strength is None else model_strength,
        1.0 if clip_strength is None else clip_strength,
    )
    return (head, *x[1:])


def _loras(cell: Cell, value: LoraStack) -> None:
    cell.loras = value


def _label(value: LoraStack, seed: int) -> str:
    return ", ".join(f"LoRA: {stem(name)}({number(model)},{number(clip)})" for name, model, clip in value) or "no LoRA"


def _entries(entries: Sequence[str], files: Files) -> list[LoraStack]:
    found: list[LoraStack] = []
    for name, *strengths in fields(entries, 3):
        model, clip = (
            1.0 if text is None else within("strength", real_number(text), -10.0, 10.0) for text in strengths
        )
        found.append((LoraUse(file("loras", name, files), model, clip),))
    return found


_STALE: frozenset[Stale] = frozenset({"model", "prompts"})
_PLOT = Share(
    of="LoRA",
    merged=merge_loras,
    halved="one half of a LoRA plot: connect X and Y of XY Input: LoRA Plot",
)


def _half(name: str, label: Callable[[LoraUse], Any], cost: int, *decides: str) -> AxisKind:
    return AxisKind(
        name,
        label=lambda value, seed: f"{name.removesuffix(' Batch')}: {label(value[0])}",
        apply=_loras,
        stale=_STALE,
        cost=cost,
        decides=frozenset(decides),
        share=_PLOT,
    )


KINDS = (
    AxisKind(
        "LoRA",
        label=_label,
        apply=_loras,
        stale=_STALE,
        cost=6,
        grammar=Grammar(_entries, folder="loras"),
        decides=frozenset({"LoRAs"}),
    ),
    AxisKind("LoRA Stacks", _label, _loras, stale=_STALE, cost=2, decides=frozenset({"LoRAs"})),
    # In this order: one file after the other, for all its strengths.
    _half("LoRA Batch", lambda lora: stem(lora.name), 5, "file"),
    _half("LoRA CStr", lambda lora: number(lora.clip_strength), 4, "clip strength"),
    _half("LoRA MStr", lambda lora: number(lora.model_strength), 3, "model strength"),
    _half("LoRA Wt", lambda lora: number(lora.model_strength), 3, "model strength", "clip strength"),
)
