"""JSON Schema of one declared input: what may stand in its place in a prompt, a value or a link.

A value is asked for as it is meant. A server also takes "20" for a whole number, since Python's int() does, and 20.7,
of which it drops a part: who writes a graph by hand should be told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from weft.engine.folders import Folders
from weft.engine.schema.node import InputSpec
from weft.engine.schema.sockets import Boolean, Combo, Float, Int, Listed, Socket, String, Unread, type_name

Json = dict[str, Any]

LINK: Mapping[str, Any] = {"$ref": "#/$defs/link"}
_IS_LINK: Mapping[str, Any] = {"if": {"type": "array"}, "then": LINK}


def input_schema(spec: InputSpec, folders: Folders | None = None, *, free: bool = False) -> Json:
    """What an input takes, with its description and default.

    With `folders`, the files that are there are choices. Of one that is `free`, the class itself says what it takes.
    """
    socket = spec.socket
    said: Json = {"description": text} if (text := described(socket)) else {}
    if isinstance(socket, Unread):
        return said
    if not socket.takes_values:
        return {**said, **LINK}
    default = socket.options.get("default")
    if default is not None and type(default) is not list and is_plain(default):
        said["default"] = default
    constant = _constant(socket, folders, free)
    # Editors offer what stands here, and look into no `else`.
    if "enum" in constant:
        said["examples"] = constant["enum"]
    elif isinstance(socket, Boolean):
        said["examples"] = [True, False]
    return {**said, **_IS_LINK, **({"else": constant} if constant else {})}


def described(socket: Socket) -> str:
    """What a person should know of an input: what it takes, where that is no plain value, and its tooltip."""
    facts = ""
    if isinstance(socket, Listed):
        facts = f"The name of a {socket.noun} in {socket.folder}/."
    elif not socket.takes_values:
        facts = f"A link to a node that gives {type_name(socket.accepts)}."
    elif isinstance(socket, Int) and (step := steps(socket)) > 1:
        facts = f"In steps of {step}" + (f" from {low}." if (low := _least(socket)) % step else ".")
    return " ".join(filter(None, (facts, str(socket.options.get("tooltip") or ""))))


def steps(socket: Int) -> int:
    """How far apart the values are that the editor's widget takes; 1 where it says nothing of use."""
    step = socket.options.get("step")
    return step if type(step) is int and step > 0 else 1


def _least(socket: Int) -> int:
    low = socket.options.get("min")
    return low if type(low) is int else 0


def is_plain(value: Any) -> bool:
    """Whether JSON has a word for the value: NaN and infinity have none."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _constant(socket: Socket, folders: Folders | None, free: bool) -> Json:
    """What a value must be; empty where anything goes."""
    if isinstance(socket, Listed):
        names = socket.names(folders) if folders is not None else []
        return {"enum": names} if names and not free else {"type": "string"}
    if isinstance(socket, Combo):
        return _choice(socket, free)
    if isinstance(socket, Int | Float):
        return {"type": "integer" if isinstance(socket, Int) else "number", **({} if free else _range(socket))}
    if isinstance(socket, String):
        return {"type": "string"}
    return {"type": "boolean"} if isinstance(socket, Boolean) else {}


def _range(socket: Int | Float) -> Json:
    found: Json = {}
    for option, keyword in (("min", "minimum"), ("max", "maximum")):
        value = socket.options.get(option)
        if isinstance(value, int | float) and type(value) is not bool and math.isfinite(value):
            found[keyword] = value
    if isinstance(socket, Int) and (step := steps(socket)) > 1 and _least(socket) % step == 0:
        found["multipleOf"] = step
    return found


def _choice(socket: Combo, free: bool) -> Json:
    choices = [choice for choice in socket.choices or () if is_plain(choice)]
    if not choices or free:
        return {}
    one = {"enum": _distinct(choices)}
    if socket.unsupported:
        one["enumDescriptions"] = [
            f"not here: {socket.unsupported[each]}" if each in socket.unsupported else "" for each in one["enum"]
        ]
    if socket.options.get("multiselect") is not True:
        return one
    several = {"type": "array", "items": one}
    return {
        "if": {"type": "object"},
        "then": {"properties": {"__value__": several}, "required": ["__value__"], "additionalProperties": False},
        "else": one,
    }


def _distinct(choices: Iterable[Any]) -> list[Any]:
    """JSON Schema asks that no choice stands twice."""
    return list({json.dumps(choice): choice for choice in choices}.values())
