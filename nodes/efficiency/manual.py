"""The axes that people write by hand: entries between semicolons (efficiency.md section 5.4).

Line breaks mean nothing, and one semicolon at the end is dropped. An entry of Sampler, Checkpoint or LoRA has fields
between commas; a last entry that begins with a comma gives those that the others leave out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.errors import did_you_mean, file_meant
from nodes.diffusion.names import EFFICIENT_SCHEDULER_NAMES, SAMPLER_NAMES
from nodes.diffusion.spellings import sampler_meant, scheduler_meant
from nodes.efficiency.values import NOTHING, XY, Lora

Files = Callable[[str], Sequence[str]]
"""The names of the files of a kind: `checkpoints`, `loras`, `vae`."""

MAX_SEEDS = 50


def parse_axis(kind: str, text: str, files: Files) -> XY:
    """The axis that a Manual XY Entry writes.

    Numbers are brought into the range of their widget; order and repetitions stay.

    Raises:
        ValueError: an empty entry, no number, or a name that is not known; says which, and what is near.
    """
    if kind == NOTHING.kind:
        return NOTHING
    plain = text.replace("\r", "").replace("\n", "").removesuffix(";")
    if kind not in _SPACED:
        plain = plain.replace(" ", "")
    entries = plain.split(";")
    empty = [number for number, entry in enumerate(entries, 1) if not entry]
    if empty:
        raise ValueError(f"entry {empty[0]} of {len(entries)} is empty")
    return XY(kind, tuple(_KINDS[kind](entries, files)))


Values = Sequence[Any]


def _whole(low: int, high: int) -> Callable[[Sequence[str], Files], Values]:
    return lambda entries, files: [min(max(_int(entry), low), high) for entry in entries]


def _real(low: float, high: float) -> Callable[[Sequence[str], Files], Values]:
    return lambda entries, files: [min(max(_float(entry), low), high) for entry in entries]


def _seeds(entries: Sequence[str], files: Files) -> Values:
    count = _int(entries[0])
    if len(entries) > 1 or not 1 <= count <= MAX_SEEDS:
        raise ValueError(f"expected one number of seeds, 1 to {MAX_SEEDS}, got {';'.join(entries)!r}")
    return range(count)


def _schedulers(entries: Sequence[str], files: Files) -> Values:
    return [_known("scheduler", entry, EFFICIENT_SCHEDULER_NAMES, scheduler_meant) for entry in entries]


def _replacements(entries: Sequence[str], files: Files) -> Values:
    search, *replacements = entries
    return [(search, None), *((search, text) for text in replacements)]


def _vaes(entries: Sequence[str], files: Files) -> Values:
    return [_file("vae", entry, files) for entry in entries]


def _samplers(entries: Sequence[str], files: Files) -> Values:
    found = []
    for name, scheduler in _fields(entries, 2):
        if scheduler is not None:
            scheduler = _known("scheduler", scheduler.lower(), EFFICIENT_SCHEDULER_NAMES, scheduler_meant)
        found.append((_known("sampler", name, SAMPLER_NAMES, sampler_meant), scheduler))
    return found


def _checkpoints(entries: Sequence[str], files: Files) -> Values:
    found = []
    for name, clip_skip in _fields(entries, 2):
        skip = None if clip_skip is None else _within("clip skip", _int(clip_skip), -24, -1)
        found.append((_file("checkpoints", name, files), skip, None))
    return found


def _loras(entries: Sequence[str], files: Files) -> Values:
    found = []
    for name, *strengths in _fields(entries, 3):
        model, clip = (1.0 if text is None else _within("strength", _float(text), -10.0, 10.0) for text in strengths)
        found.append((Lora(_file("loras", name, files), model, clip),))
    return found


_KINDS: Mapping[str, Callable[[Sequence[str], Files], Values]] = {
    "Seeds++ Batch": _seeds,
    "Steps": _whole(1, 10_000),
    "StartStep": _whole(0, 10_000),
    "EndStep": _whole(0, 10_000),
    "CFG Scale": _real(0, 100),
    "Sampler": _samplers,
    "Scheduler": _schedulers,
    "Denoise": _real(0, 1),
    "VAE": _vaes,
    "Positive Prompt S/R": _replacements,
    "Negative Prompt S/R": _replacements,
    "Checkpoint": _checkpoints,
    "Clip Skip": _whole(-24, -1),
    "LoRA": _loras,
}
MANUAL_KINDS = (NOTHING.kind, *_KINDS)
FOLDERS = {"VAE": "vae", "Checkpoint": "checkpoints", "LoRA": "loras"}
"""Kinds that name files, and the folders that these lie in."""

_SPACED = frozenset({"Scheduler", "Positive Prompt S/R", "Negative Prompt S/R", *FOLDERS})


def _fields(entries: Sequence[str], count: int) -> list[list[Any]]:
    """The fields of each entry, `count` of them; one that is left out is None, or what the last entry gives."""
    rows = [entry.split(",") for entry in entries]
    defaults: list[str] = []
    if len(rows) > 1 and not rows[-1][0]:
        defaults = rows.pop()
    for entry, row in zip(entries, rows, strict=False):
        if len(row) > count or not all(row):
            raise ValueError(f"{entry!r} has {len(row)} fields, expected 1 to {count}, none of them empty")
    if len(defaults) > count:
        raise ValueError(f"{','.join(defaults)!r} gives {len(defaults)} fields, there are {count}")
    missing = [*(text or None for text in defaults), *[None] * (count - len(defaults))]
    return [[*row, *missing[len(row) :]] for row in rows]


def _int(text: str) -> int:
    value = _float(text)
    if value != int(value):
        raise ValueError(f"{text!r} is no whole number")
    return int(value)


def _float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(f"{text!r} is no number that can be used")
    return value


def _within(what: str, value: Any, low: Any, high: Any) -> Any:
    if not low <= value <= high:
        raise ValueError(f"{what} {value} is not within {low} and {high}")
    return value


def _known(what: str, name: str, choices: Sequence[str], meant: Callable[[str], str]) -> str:
    if name not in choices:
        hint = meant(name) or did_you_mean(name, choices)
        raise ValueError(f"there is no {what} {name!r}{f'; {hint}' if hint else ''}")
    return name


def _file(kind: str, name: str, files: Files) -> str:
    """The name as it is listed: blanks around it and the direction of slashes do not count."""
    listed = files(kind)
    for spelled in (name, name.strip(), name.strip().replace("\\", "/")):
        if spelled in listed:
            return spelled
    near = file_meant(name, listed)
    raise ValueError(f"there is no file {name!r} in {kind}{f'; {near}' if near else ''}")
