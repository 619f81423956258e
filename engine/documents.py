"""Documents as data: TOML files, pointers into JSON, what a value is called in a message, how deeply it is nested."""

from __future__ import annotations

import math
import os
import re
import tomllib
from pathlib import Path
from typing import Any

from weft.engine.errors import UsageError

MAX_TOML = 1 << 20
"""Bytes of a TOML file that is read; a pyproject.toml has some thousands."""

_MAX_LEVELS = 100
# The parser takes the square of their number: a dotted key as long as a file would take it an hour.
_NAME = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DOTTED = re.compile(rf"(?<![\w-]){_NAME}(?:[ \t]*+\.[ \t]*+{_NAME}){{{_MAX_LEVELS}}}")
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}


def kind_of(value: Any) -> str:
    """What a JSON value is, for a message: `text`, `a list`, `null`."""
    return "null" if value is None else _KINDS.get(type(value), type(value).__name__)


def pointer(*parts: Any) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def value_at(document: Any, place: str) -> Any:
    """The value that a pointer leads to. Raises LookupError where it leads nowhere."""
    for part in _parts(place):
        document = document[_key(document, part, place)]
    return document


def set_at(document: Any, place: str, value: Any) -> None:
    """Replace the value that a pointer leads to, in the document itself. Raises LookupError where it leads nowhere."""
    *above, last = _parts(place)
    holder = value_at(document, pointer(*above))
    holder[_key(holder, last, place)] = value


def _parts(place: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in place.split("/")[1:]]


def _key(holder: Any, part: str, place: str) -> Any:
    if isinstance(holder, dict) and part in holder:
        return part
    if isinstance(holder, list) and part.isdecimal() and int(part) < len(holder):
        return int(part)
    raise LookupError(f"{place} leads nowhere")


def finite(document: Any) -> tuple[Any, list[str]]:
    """The document with null for NaN and infinity, for which JSON has no words, and pointers to where they stood.

    Where there are none, it is the document itself. As JavaScript writes them.
    """
    found: list[str] = []

    def walk(value: Any, place: str) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            found.append(place)
            return None
        if isinstance(value, dict):
            return {key: walk(item, place + pointer(key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [walk(item, f"{place}/{number}") for number, item in enumerate(value)]
        return value

    copy = walk(document, "")
    return (copy if found else document), found


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested more than `levels` deep; so is a value that holds itself."""
    level = [value]
    for _ in range(levels):
        inner = {id(item): item for item in level if type(item) in (dict, list, tuple)}.values()
        level = [part for item in inner for part in (item.values() if type(item) is dict else item)]
        if not level:
            return False
    return True


def read_toml(file: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises UsageError that names the file, whatever is wrong with it."""
    text = read_text(file, MAX_TOML)
    try:
        found = None if _DOTTED.search(text) else tomllib.loads(text)
    except ValueError as error:  # also for what Python cannot hold: a number of 5,000 digits
        raise UsageError(f"{file}: {error}") from error
    except RecursionError:
        found = None
    if found is None or is_deeper(found, _MAX_LEVELS):
        raise UsageError(f"{file}: it is nested more than {_MAX_LEVELS} levels deep")
    return found


def read_text(file: Path, most: int) -> str:
    """The text of a file that people write by hand, of at most so many bytes. Raises UsageError that names it."""
    try:
        with file.open("rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    if len(content) > most:
        raise UsageError(f"{file} is larger than {most:,} bytes, the most that is read")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no text in UTF-8: {error.reason} at byte {error.start:,}") from error


def names_a_place(text: str) -> bool:
    """Whether a text can be the path of a file: some characters no file system takes."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
