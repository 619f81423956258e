"""What the entries of a Manual XY Entry are made of: numbers, names, files, and fields between commas.

Each raises ValueError that says what makes no sense, and what is near.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weft.engine.errors import did_you_mean, file_meant
from weft.nodes.efficiency.axes.kind import Files

Parse = Callable[[Sequence[str], Files], Sequence[Any]]


def whole(low: int, high: int) -> Parse:
    """Entries that are whole numbers, brought into the range."""
    return lambda entries, files: [min(max(whole_number(entry), low), high) for entry in entries]


def real(low: float, high: float) -> Parse:
    """Entries that are numbers, brought into the range."""
    return lambda entries, files: [min(max(real_number(entry), low), high) for entry in entries]


def fields(entries: Sequence[str], count: int) -> list[list[Any]]:
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


def whole_number(text: str) -> int:
    """The number that the text is, which may be written 7.0."""
    value = real_number(text)
    if value != int(value):
        raise ValueError(f"{text!r} is no whole number")
    return int(value)


def real_number(text: str) -> float:
    """The finite number that the text is."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(f"{text!r} is no number that can be used")
    return value


def within(what: str, value: Any, low: Any, high: Any) -> Any:
    """The value, which is refused outside of the range."""
    if not low <= value <= high:
        raise ValueError(f"{what} {value} is not within {low} and {high}")
    return value


def known(what: str, name: str, choices: Sequence[str], meant: Callable[[str], str]) -> str:
    """The name, which is one of the choices; `meant` knows other spellings."""
    if name not in choices:
        hint = meant(name) or did_you_mean(name, choices)
        raise ValueError(f"there is no {what} {name!r}{f'; {hint}' if hint else ''}")
    return name


def file(folder: str, name: str, files: Files) -> str:
    """The name as it is listed: blanks around it and the direction of slashes do not count."""
    listed = files(folder)
    for spelled in (name, name.strip(), name.strip().replace("\\", "/")):
        if spelled in listed:
            return spelled
    near = file_meant(name, listed)
    raise ValueError(f"there is no file {name!r} in {folder}{f'; {near}' if near else ''}")
