"""Link: where an input's value comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple


class Link(NamedTuple):
    """An input that takes output `slot` of node `node_id`."""

    node_id: str
    slot: int


def as_link(value: Any) -> Link | None:
    """The link that `["4", 0]` is, or None where the value is none; as in ComfyUI, 0.0 is a slot too."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    node_id, slot = value
    if not isinstance(node_id, str) or type(slot) not in (int, float):
        return None
    return Link(node_id, int(slot)) if slot == slot and abs(slot) != math.inf and slot == int(slot) else None


def links_of(values: Iterable[Any]) -> list[str]:
    """The nodes that the links among the values lead to, one entry a link."""
    return [value.node_id for value in values if type(value) is Link]


class Linked(NamedTuple):
    """A value and the link that it came by, for a node that asked for both."""

    value: Any
    link: Link


LINK, LINK_FIRST, LINKED = "link", "link when run", "value and link"
"""How an input gets its Link: as it is, its source running only when something takes the value; or when the source has
run (ComfyUI's rawLink); or together with the value, as a Linked."""
