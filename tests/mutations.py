"""Good content made bad: bytes, texts and JSON data, by a generator whose seed repeats everything."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 255, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30, 10**400),
    *(0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf"), float("-inf")),
)
TEXTS = (
    *("", "\0", "..", "../../x", "/", "a" * 5000, "\ud800", "\x1b[31m", "\u202e", "é", "%date:yyyy%", "{a|b}"),
    *("embedding:", "[[[[", "1e999", "null", "-1", "0x", "int", "C:\\x", "~", "$HOME", "-", "*", "prompt", "workflow"),
)  # fmt: skip
_WORDS = re.compile(rb"[A-Za-z_]\w*|-?\d+(?:\.\d+)?|\s+|.", re.DOTALL)


def mutated(data: Any, random: Random) -> Any:
    """A copy of JSON data with one to four changes; bytes and texts in it are content of their own."""
    data = copy.deepcopy(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        data = _changed(data, random)
    return data


def mutated_bytes(content: bytes, random: Random) -> bytes:
    """The content with one to eight changes."""
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        content = random.choice(_CHANGES)(content, random)
    return content


def _changed(data: Any, random: Random) -> Any:
    """One change at one place; large contents are as likely to be met as small ones."""
    places = [((), data), *_places(data)]
    path, value = random.choice(places)
    if isinstance(value, bytes) and random.random() < 0.9:
        return _put(data, path, mutated_bytes(value, random))
    if not path and isinstance(value, str):
        return mutated_bytes(value.encode(errors="replace"), random).decode(errors="ignore")
    if path and random.random() < 0.15:
        return _without(data, path)
    return _put(data, path, _other(value, places, random))


def _other(value: Any, places: list[tuple[tuple[Any, ...], Any]], random: Random) -> Any:
    """What stands in a value's place: a value from elsewhere, one of another kind, an extreme, the same too deep."""
    pick = random.random()
    if pick < 0.25:
        return copy.deepcopy(random.choice(places)[1])
    if pick < 0.5:
        return random.choice(NUMBERS)
    if pick < 0.65:
        return random.choice(TEXTS)
    if pick < 0.8:
        return random.choice((None, True, False, [], {}, [[]], [None], {"": None}, b""))
    if pick < 0.83:
        for _ in range(random.choice((3, 150, 2000))):
            value = [value]
        return value
    if isinstance(value, list) and value:
        value = [*value, *value] if pick < 0.9 else random.sample(value, len(value))
        return value * random.choice((1, 1, 1, 50)) if len(value) < 50 else value
    if isinstance(value, dict) and value:
        names = list(value)
        return {**value, random.choice((*names, *TEXTS)): copy.deepcopy(value[random.choice(names)])}
    if isinstance(value, str) and value:
        return mutated_bytes(value.encode(errors="replace"), random).decode(errors="replace")
    return [value, value]


def _places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    stack = [(path, data)]
    while stack:
        path, value = stack.pop()
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, part in items:
            yield (*path, key), part
            if len(path) < 40:
                stack.append(((*path, key), part))


def _put(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    holder = data
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return data


def _without(data: Any, path: tuple[Any, ...]) -> Any:
    holder = data
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return data


def _span(content: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(content) + 1)
    return start, min(len(content), start + random.choice((1, 2, 4, 16, 200, 5000)))


def _flipped(content: bytes, random: Random) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 4, 32))):
        # What a file says of itself stands in front more often than not.
        place = random.randrange(min(len(changed), random.choice((64, 64, 1024, len(changed)))))
        changed[place] = random.choice((changed[place] ^ 1 << random.randrange(8), 0, 0x7F, 0x80, 0xFF))
    return bytes(changed)


def _numbered(content: bytes, random: Random) -> bytes:
    """A whole number of two, four or eight bytes at its extremes, in either order."""
    size = random.choice((2, 4, 8))
    if len(content) < size:
        return content
    place = random.randrange(min(len(content), random.choice((64, 512, len(content)))) - size + 1 or 1)
    most = 1 << 8 * size
    value = random.choice((0, 1, most - 1, most // 2, most // 2 - 1, 1 << random.randrange(8 * size), len(content)))
    number = min(value, most - 1).to_bytes(size, random.choice(("big", "little")))
    return content[:place] + number + content[place + size :]


def _digits(content: bytes, random: Random) -> bytes:
    found = list(re.finditer(rb"\d+", content[:20_000]))
    if not found:
        return content
    place = random.choice(found)
    return content[: place.start()] + str(random.choice(NUMBERS)).encode() + content[place.end() :]


def _cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _removed(content: bytes, random: Random) -> bytes:
    start, end = _span(content, random)
    return content[:start] + content[end:]


def _doubled(content: bytes, random: Random) -> bytes:
    start, end = _span(content, random)
    return content[:end] + content[start:end] * random.choice((1, 1, 3, 100)) + content[end:]


def _spliced(content: bytes, random: Random) -> bytes:
    """A piece of it somewhere else, over what stands there."""
    start, end = _span(content, random)
    place = random.randrange(len(content) + 1)
    return content[:place] + content[start:end] + content[place + end - start :]


def _inserted(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content) + 1)
    what = random.choice((random.randbytes(random.choice((1, 4, 64))), random.choice(TEXTS).encode(errors="replace")))
    return content[:place] + what + content[place:]


def _swapped(content: bytes, random: Random) -> bytes:
    """Two words, numbers or signs of a text in each other's place."""
    parts = _WORDS.findall(content[:20_000])
    if len(parts) < 2:
        return content
    one, other = random.randrange(len(parts)), random.randrange(len(parts))
    parts[one], parts[other] = parts[other], parts[one]
    return b"".join(parts) + content[20_000:]


_CHANGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(_flipped, _flipped, _numbered, _numbered, _digits, _cut, _removed, _doubled, _spliced, _inserted, _swapped),
)
