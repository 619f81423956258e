"""What the editor does to text while it makes a prompt: comments, dynamic prompts, tokens in file names."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

Choose = Callable[[int], int]
"""Given how many options there are, the index of the one to take."""

Lookup = Callable[[str, str], Any]
"""The value of a node's widget, by the node's name and the widget's; None where there is none."""

MAX_BLOCKS = 100_000
"""The most `{` that a dynamic prompt may have."""

_COMMENT = re.compile(r"/\*[\s\S]*?\*/|//[^\n\r\u2028\u2029]*")
_ESCAPE = re.compile(r"\\([{}|])")
_SPECIAL = re.compile(r"\\[\s\S]?|[{}|]")
_TOKEN = re.compile(r"%([^%]+)%")
_DATE_PART = re.compile(r"dd?|MM?|hh?|mm?|ss?|yyyy|yy")
_UNSAFE = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')

_Rope = list[Any]
"""Text in pieces: strings and ropes. Pieces are shared, not copied: deep nesting costs no more than its length."""


def first_option(count: int) -> int:
    """The first option of every dynamic prompt, so that a conversion gives the same prompt every time."""
    return 0


def expand(text: str, choose: Choose = first_option) -> str:
    r"""A dynamic prompt made plain: comments removed, `{a|b}` replaced by one option, `\{` by `{`.

    Blocks nest; one that is not closed ends with the text. `choose` is asked once a block, inner blocks first.
    Raises ValueError where there are more than MAX_BLOCKS.
    """
    text = _COMMENT.sub("", text)
    if text.count("{") > MAX_BLOCKS:
        raise ValueError(f"a dynamic prompt with over {MAX_BLOCKS:,} choices")
    open_blocks: list[list[_Rope]] = [[[]]]  # per open block its options so far; the first is the text itself
    end = 0
    for match in _SPECIAL.finditer(text):
        piece, mark = text[end : match.start()], match[0]
        end = match.end()
        option = open_blocks[-1][-1]
        option.append(piece)
        if mark == "{":
            open_blocks.append([[]])
        elif mark == "|" and len(open_blocks) > 1:
            open_blocks[-1].append([])
        elif mark == "}" and len(open_blocks) > 1:
            _close(open_blocks, choose)
        else:
            option.append(mark)
    open_blocks[-1][-1].append(text[end:])
    while len(open_blocks) > 1:
        _close(open_blocks, choose)
    return _ESCAPE.sub(r"\1", _join(open_blocks[0][0]))


def has_choices(text: str) -> bool:
    """Whether a dynamic prompt can come out in more than one way."""
    counts: list[int] = []

    def note(count: int) -> int:
        counts.append(count)
        return 0

    expand(text, note)
    return any(count > 1 for count in counts)


def _close(open_blocks: list[list[_Rope]], choose: Choose) -> None:
    options = open_blocks.pop()
    open_blocks[-1][-1].append(options[choose(len(options))])


def _join(rope: _Rope) -> str:
    pieces: list[str] = []
    todo: list[Any] = [rope]
    while todo:
        part = todo.pop()
        if isinstance(part, str):
            pieces.append(part)
        else:
            todo += reversed(part)
    return "".join(pieces)


def fill_in(text: str, now: datetime, lookup: Lookup) -> str:
    """Text with its tokens replaced: `%date:yyyy-MM-dd%`, and `%NODE.WIDGET%` by what that widget holds.

    Other tokens stay: the server knows `%width%` and such. What no file name may have becomes `_`.
    """

    def replace(match: re.Match[str]) -> str:
        token = match[1]
        if token.startswith("date:"):
            return _DATE_PART.sub(lambda part: _date_part(part[0], now), token[5:])
        node, dot, widget = token.partition(".")
        found = lookup(node, widget) if dot and "." not in widget else None
        return match[0] if found is None else _UNSAFE.sub("_", as_text(found))

    return _TOKEN.sub(replace, text)


def _date_part(part: str, now: datetime) -> str:
    if part[0] == "y":
        return f"{now.year:04d}"[-len(part) :]
    value = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}[part[0]]
    return str(value).zfill(len(part))


def as_text(value: Any) -> str:
    """A JSON value as JavaScript writes it into a text: 8.0 is `8`, true is `true`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number_text(value)
    return ",".join(map(as_text, value)) if isinstance(value, list) else str(value)


def _number_text(value: float) -> str:
    size = abs(value)
    if not math.isfinite(value):
        return "NaN" if value != value else f"{'-' if value < 0 else ''}Infinity"
    if size == 0:
        return "0"
    if 1e-6 <= size < 1e21:
        plain = f"{Decimal(repr(value)):f}"
        return plain.removesuffix(".0")
    digits, _, exponent = repr(value).partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent):+d}"
