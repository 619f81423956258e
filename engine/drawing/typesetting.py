"""How long texts are, and what is shown of one that is too long.

Widths are those of Helvetica, which the fonts of most systems have or stay below; a drawing names such fonts.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

ELLIPSIS = "…"
MOST_TOLD = 2000
"""Characters of a value that a tooltip has: some saves hold whole files in one."""

_NARROW = {" !,./:;I[\\]ft": 278, "'ijl": 222, '"': 355, "()-`r": 333, "*": 389, "^": 469, "{}": 334, "|": 260}
_WIDE = {
    "cksvxyzJ": 500, "+<=>~": 584, "&ABEKPSVXY": 667, "CDHNRUw": 722, "FTZ": 611, "GOQ": 778, "Mm": 833, "W": 944,
    "%": 889, "@": 1015, "…": 1000,
}  # fmt: skip
_WIDTHS = {letter: width / 1000 for table in (_NARROW, _WIDE) for letters, width in table.items() for letter in letters}
_USUAL, _FULL = 0.556, 1.0
_ODD = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BLANK = re.compile(r"\s+")


def clean(text: str) -> str:
    """The text without what no XML and no UTF-8 file may hold: control characters, halves of surrogate pairs."""
    return _ODD.sub("\ufffd", text)


def on_one_line(text: str) -> str:
    """The text with every run of blanks and line ends as one space."""
    return _BLANK.sub(" ", text).strip()


def told(text: str) -> str:
    """As much of a value as a tooltip has."""
    return text if len(text) <= MOST_TOLD else f"{text[:MOST_TOLD]}{ELLIPSIS} ({len(text):,} characters)"


@lru_cache(maxsize=4096)
def _letter(letter: str) -> float:
    if letter in _WIDTHS:
        return _WIDTHS[letter]
    if unicodedata.combining(letter) or unicodedata.category(letter) == "Cf":
        return 0.0
    return _FULL if unicodedata.east_asian_width(letter) in "WF" else _USUAL if letter.islower() else 0.7


def width_of(text: str, size: float) -> float:
    """How wide the text is in a font of this size."""
    return size * sum(map(_letter, text))


def shortened(text: str, size: float, room: float) -> str:
    """The beginning of a text that fits into the room, with an ellipsis where it is not all of it."""
    if len(text) * size * 0.2 < room and width_of(text, size) <= room:
        return text
    left = room - size * _letter(ELLIPSIS)
    for place, letter in enumerate(text):
        left -= size * _letter(letter)
        if left < 0:
            return text[:place].rstrip() + ELLIPSIS
    return text


def wrapped(text: str, size: float, room: float, most: int) -> list[str]:
    """The text in at most so many lines that fit into the room, broken at blanks where it can be."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        rest = paragraph.expandtabs(4).rstrip()
        while len(lines) <= most:
            end = _fitting(rest, size, room)
            if end >= len(rest):
                lines.append(rest)
                break
            blank = rest.rfind(" ", 1, end + 1)
            end = blank if blank > end // 3 else max(end, 1)
            lines.append(rest[:end])
            rest = rest[end:].lstrip(" ")
        if len(lines) > most:
            break
    if len(lines) > most:
        lines = lines[:most]
        if lines:
            lines[-1] = shortened(lines[-1] + ELLIPSIS, size, room)
    return lines


def _fitting(text: str, size: float, room: float) -> int:
    """How many of its letters fit."""
    for place, letter in enumerate(text):
        room -= size * _letter(letter)
        if room < 0:
            return place
    return len(text)
