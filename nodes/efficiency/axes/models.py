"""Axes of checkpoints, and of the layers at which their text encoders stop."""

from __future__ import annotations

from collections.abc import Sequence

from weft.nodes.efficiency.axes.entries import fields, file, whole, whole_number, within
from weft.nodes.efficiency.axes.kind import SDXL, AxisKind, Cell, Files, Grammar, stem

Checkpoint = tuple[str, int | None, str | None]
"""Name, clip skip and VAE; None keeps what the loader has."""


def _label(value: Checkpoint, seed: int) -> str:
    name, clip_skip, vae = value
    parts = [stem(name)]
    if clip_skip is not None:
        parts.append(f"ClipSkip ({clip_skip})")
    if vae is not None:
        parts.append(f"VAE: {stem(vae)}")
    return ", ".join(parts)


def _checkpoints(entries: Sequence[str], files: Files) -> list[Checkpoint]:
    found: list[Checkpoint] = []
    for name, clip_skip in fields(entries, 2):
        skip = None if clip_skip is None else within("clip skip", whole_number(clip_skip), -24, -1)
        found.append((file("checkpoints", name, files), skip, None))
    return found


def _checkpoint(cell: Cell, value: Checkpoint) -> None:
    name, clip_skip, vae = value
    cell.checkpoint = (name, cell.checkpoint[1] if clip_skip is None else clip_skip, vae)


def _clip_skip(cell: Cell, value: int) -> None:
    cell.checkpoint = (cell.checkpoint[0], value, cell.checkpoint[2])


def _refiner(cell: Cell, value: Checkpoint) -> None:
    name, clip_skip, _ = value
    cell.refiner = (name, cell.refiner[1] if clip_skip is None else clip_skip, None)


def _refiner_clip_skip(cell: Cell, value: int) -> None:
    cell.refiner = (cell.refiner[0], value, None)


KINDS = (
    AxisKind(
        "Checkpoint",
        label=_label,
        apply=_checkpoint,
        stale=frozenset({"model", "vae", "prompts"}),
        cost=8,
        grammar=Grammar(_checkpoints, folder="checkpoints"),
        beside={"VAE": lambda value: (*value[:2], None)},
    ),
    AxisKind(
        "Refiner",
        label=lambda value, seed: f"Refiner: {_label(value, seed)}",
        apply=_refiner,
        stale=frozenset({"refiner model", "refiner prompts"}),
        cost=7,
        samplers=(SDXL,),
    ),
    # A checkpoint may bring a clip skip: an axis of clip skips decides in its place, since it is applied after it.
    AxisKind(
        "Clip Skip",
        label=lambda value, seed: f"ClipSkip ({value})",
        apply=_clip_skip,
        stale=frozenset({"clip skip", "prompts"}),
        grammar=Grammar(whole(-24, -1)),
    ),
    AxisKind(
        "Clip Skip (Refiner)",
        label=lambda value, seed: f"RefClipSkip ({value})",
        apply=_refiner_clip_skip,
        stale=frozenset({"refiner clip skip", "refiner prompts"}),
        samplers=(SDXL,),
    ),
)
