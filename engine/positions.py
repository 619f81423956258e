"""Where in a JSON text the values stand that JSON pointers lead to."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator

from weft.engine.documents import pointer

_TOKEN = re.compile(r'("(?:[^"\\]++|\\.)*+")(\s*+:)?|[{}\[\],]|[^\s{}\[\]:,"]++')

_KEY = re.compile(r'"(?:[^"\\]++|\\.)*+"\s*+:\s*+')


def positions(text: str, pointers: Collection[str]) -> dict[str, tuple[int, int]]:
    """Line and column, from 1 on, of what each pointer leads to: of a member its key, of an item its beginning.

    What is not there stands where what is nearest above it does. `text` is JSON.
    """
    found = dict(_starts(text, {each for place in pointers for each in (place, *_above(place))}))

    def position(place: str) -> tuple[int, int]:
        start = next((found[each] for each in (place, *_above(place)) if each in found), 0)
        return text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)

    return {place: position(place) for place in pointers}


def spans(text: str, pointers: Collection[str]) -> dict[str, tuple[int, int]]:
    """The first character of the value that each pointer leads to, and the one after its last.

    What is not there is left out. `text` is JSON.
    """
    read = json.JSONDecoder(strict=False).raw_decode
    found: dict[str, tuple[int, int]] = {}
    starts = _starts(text, {each for place in pointers for each in (place, *_above(place))})
    for place, start in ((place, start) for place, start in starts if place in pointers):
        key = _KEY.match(text, start)  # of an item, even of a text, no colon follows
        begin = key.end() if key is not None else start
        found[place] = begin, read(text, begin)[1]
    return found


def repeated(text: str, key: str) -> tuple[int, int]:
    """Line and column of the key where an object of a JSON text has it for the second time."""
    open_ones: list[int] = []
    for token in _TOKEN.finditer(text):
        if token[2] and json.loads(token[1], strict=False) == key:
            if open_ones[-1]:
                break
            open_ones[-1] = 1
        elif token[0] in "{[":
            open_ones.append(0)
        elif token[0] in "}]":
            open_ones.pop()
    return text.count("\n", 0, token.start()) + 1, token.start() - text.rfind("\n", 0, token.start())


def _above(place: str) -> Iterator[str]:
    """The pointers to what holds it, the nearest first."""
    while place:
        place = place.rpartition("/")[0]
        yield place


def _starts(text: str, wanted: Collection[str]) -> Iterator[tuple[str, int]]:
    """The wanted pointers that lead somewhere, and at which character.

    Of each open object or list are kept: its pointer, None where nothing in it is wanted, and the number of the item
    that comes next, None in an object.
    """
    open_ones: list[tuple[str | None, int | None]] = []
    key, start = "", 0
    for token in _TOKEN.finditer(text):
        if token[2]:
            key, start = token[1], token.start()
            continue
        if token[0] in "}]":
            open_ones.pop()
            continue
        if token[0] == ",":
            continue
        place: str | None = ""
        if open_ones:
            holder, number = open_ones[-1]
            if number is not None:
                start = token.start()
                open_ones[-1] = holder, number + 1
            place = None
            if holder is not None:
                place = holder + pointer(json.loads(key, strict=False) if number is None else number)
        if place not in wanted:
            place = None
        elif place is not None:
            yield place, start
        if token[0] in "{[":
            open_ones.append((place, None if token[0] == "{" else 0))
