"""A node of a class as it may stand in a prompt: its required inputs, with defaults and links."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from weft.engine.describing.constants import is_plain
from weft.engine.schema.node import InputSpec, NodeSchema
from weft.engine.schema.sockets import (
    Boolean,
    Combo,
    DynamicCombo,
    Listed,
    Number,
    Socket,
    String,
    type_name,
)
from weft.engine.workflow.prompt import wrapped

Feeds = Callable[[InputSpec], tuple[str, int]]
"""Which node is linked to an input, and by which output."""


def example(schema: NodeSchema, feeds: Feeds | None = None) -> dict[str, Any]:
    """The node, as it stands in a prompt under its id."""
    return {"class_type": schema.class_type, "inputs": example_inputs(schema, feeds)}


def example_text(schema: NodeSchema, feeds: Feeds) -> str:
    """A prompt of the node alone, as JSON for people: each link on one line."""
    text = json.dumps({"1": example(schema, feeds)}, indent=2, ensure_ascii=False, default=str)
    return re.sub(r'\[\s+("[^"\n]*"),\s+([0-9]+)\s+\]', r"[\1, \2]", text)


def example_inputs(schema: NodeSchema, feeds: Feeds | None = None) -> dict[str, Any]:
    """The required inputs, those too that the values among them bring.

    Values are defaults, first choices, least numbers. A link leads to what `feeds` says, else to a node that is called
    after the type, `MODEL`; the name of a file that is asked for is `a file in loras/`, in <>.
    """
    found: dict[str, Any] = {}
    # What a value brings may bring more.
    while new := [spec for spec in _needed(schema, found) if spec.name not in found]:
        for spec in new:
            found[spec.name] = _value(spec, feeds)
    return found


def _needed(schema: NodeSchema, given: Mapping[str, Any]) -> list[InputSpec]:
    return [spec for spec in schema.given(given).values() if spec.section == "required"]


def _value(spec: InputSpec, feeds: Feeds | None) -> Any:
    socket = spec.socket
    if not socket.is_widget or socket.options.get("forceInput"):
        node_id, slot = feeds(spec) if feeds is not None else (type_name(socket.accepts), 0)
        return [node_id, slot]
    default = socket.options.get("default")
    if isinstance(socket, Listed):
        return f"<a {socket.noun} in {socket.folder}/>"
    if isinstance(socket, Combo) and socket.choices and default not in socket.choices:
        return socket.choices[0]
    if default is not None and is_plain(default):
        return wrapped(default)
    return _least(socket)


def _least(socket: Socket) -> Any:
    if isinstance(socket, Number):
        low = socket.options.get("min")
        return low if type(low) in (int, float) else 0
    return False if isinstance(socket, Boolean) else "" if isinstance(socket, String | DynamicCombo) else None
