"""JSON documents as data: pointers into them, what a value is called in a message, how deeply it is nested."""

from __future__ import annotations

from typing import Any

_KINDS = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}


def kind_of(value: Any) -> str:
    """What a JSON value is, for a message: `text`, `a list`, `null`."""
    return "null" if value is None else _KINDS.get(type(value), type(value).__name__)


def pointer(*parts: Any) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def with_value(document: Any, place: str, value: Any) -> Any:
    """The document with the value that a pointer leads to replaced; a copy that shares everything else.

    Raises LookupError where the pointer leads nowhere.
    """
    parts = [part.replace("~1", "/").replace("~0", "~") for part in place.split("/")[1:]]
    result = [document]  # in a list, so that the document itself has a place to stand
    holder: Any = result
    key: Any = 0
    for part in parts:
        inner = holder[key]
        if not isinstance(inner, dict | list):
            raise LookupError(f"{place} leads nowhere")
        inner = holder[key] = inner.copy()
        holder, key = inner, _key(inner, part, place)
    holder[key] = value
    return result[0]


def _key(holder: dict[str, Any] | list[Any], part: str, place: str) -> Any:
    if isinstance(holder, dict) and part in holder:
        return part
    if isinstance(holder, list) and part.isdecimal() and int(part) < len(holder):
        return int(part)
    raise LookupError(f"{place} leads nowhere")


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested more than `levels` deep; so is a value that holds itself."""
    level = [value]
    for _ in range(levels):
        inner = {id(item): item for item in level if type(item) in (dict, list, tuple)}.values()
        level = [part for item in inner for part in (item.values() if type(item) is dict else item)]
        if not level:
            return False
    return True
