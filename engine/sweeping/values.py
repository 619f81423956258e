"""The values of an axis as they are written: `0..20`, `0..1..0.25`, `euler,"a, b"`, `@prompts.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from weft.engine.documents import read_text
from weft.engine.errors import UsageError

MOST = 100_000
"""Values of an axis, and cells of a sweep."""

MAX_FILE = 64 << 20
"""Bytes of a file of values or rows."""

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?:\.\.({_NUMBER}))?")
_ITEM = re.compile(r'\s*(?:"((?:[^"]|"")*)"\s*|([^,]*))(,|$)', re.DOTALL)


class Given(NamedTuple):
    """A value as text, and where it stands if in a file: `prompts.txt:3`."""

    text: str
    place: str = ""


def read_values(text: str) -> list[Given]:
    """The values of a list: each a range, a text, a text in quotes (as CSV has it), or a file with one a line.

    A range has both its ends where the step comes to the last one; its step is 1 towards that, unless it is given.
    Raises UsageError.
    """
    found: list[Given] = []
    for item, quoted in _items(text):
        found += [Given(item)] if quoted else _values(item)
        if len(found) > MOST:
            raise UsageError(f"{text[:60]!r} is more than {MOST:,} values")
    return found


def _items(text: str) -> Iterator[tuple[str, bool]]:
    """The items between commas, and whether they stood in quotes."""
    at = 0
    while True:
        match = _ITEM.match(text, at)
        quoted, plain, end = match.groups() if match else (None, text[at:], "")
        if quoted is None and plain.lstrip().startswith('"'):
            raise UsageError(f"{text!r}: a quote is not closed", hint='"a, b" is one value, "" in it is a quote')
        yield (quoted.replace('""', '"'), True) if quoted is not None else (plain.strip(), False)
        if match is None or not end:
            return
        at = match.end()


def _values(item: str) -> list[Given]:
    if item.startswith("@"):
        return list(_lines(Path(item[1:]).expanduser()))
    match = _RANGE.fullmatch(item)
    return [Given(text) for text in _range(item, *match.groups())] if match else [Given(item)]


def _range(item: str, first: str, last: str, step: str | None) -> Iterator[str]:
    """The numbers of a range as texts: decimal fractions stay what they are."""
    start, end = Decimal(first), Decimal(last)
    by = Decimal(step) if step is not None else Decimal(1 if end >= start else -1)
    if not by or (end - start) * by < 0:
        raise UsageError(f"{item}: steps of {by} never lead from {start} to {end}")
    count = int((end - start) / by) + 1
    if count > MOST:
        raise UsageError(f"{item} is {count:,} values: at most {MOST:,} are taken")
    return (f"{(start + number * by).normalize():f}" for number in range(count))


def _lines(file: Path) -> Iterator[Given]:
    lines = read_text(file, MAX_FILE).splitlines()
    given = [Given(line, f"{file}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not given:
        raise UsageError(f"{file} has no values: one a line is expected")
    return iter(given)
