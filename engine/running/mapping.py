"""Calls of a node that takes or gives lists: what each of them gets, and how what they return becomes one.

As in ComfyUI: a node is called once for each place of the longest list among its inputs; of a shorter one the last
value stays. Over an empty list it is not called at all. A node whose `input_is_list` is called once, with lists. A call
that would get a blocked value is not made, and what it would have returned is blocked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from weft.engine.links import Link, as_link
from weft.engine.schema.node import OutputSpec, RunnableNode
from weft.engine.values import BLOCKED, ExecutionBlocker, Values, slot_of, values_of

Part = Link | Values
"""A piece of an output of a node that expanded: what a link leads to, or values."""


class Returned(NamedTuple):
    """What one call returned: its slots, what it shows, and the graph that it expands into, if it does."""

    slots: Sequence[Any]
    ui: Mapping[str, Any] = {}
    graph: Mapping[str, Any] | None = None


class Calls:
    """The calls of a node with these inputs, slots by name: `len` of them, each the inputs by name, or a blocker."""

    def __init__(self, node: RunnableNode, inputs: Mapping[str, Any]) -> None:
        self._columns = {name: values_of(slot) for name, slot in inputs.items()}
        self._node = node
        self._whole = node.schema.input_is_list
        lengths = [len(column) for column in self._columns.values()]
        self._count = 1 if self._whole or not lengths else 0 if 0 in lengths else max(lengths)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any] | ExecutionBlocker]:
        columns = self._columns
        if self._whole:
            blocked = (value for column in columns.values() for value in column if type(value) is ExecutionBlocker)
            yield next(blocked, None) or {name: self._listed(name, column) for name, column in columns.items()}
            return
        for place in range(self._count):
            given = {name: column[place if place < len(column) else -1] for name, column in columns.items()}
            yield next((value for value in given.values() if type(value) is ExecutionBlocker), None) or given

    def _listed(self, name: str, column: Sequence[Any]) -> Any:
        if not self._node.takes_one(name):
            return list(column)
        if not column:
            raise ValueError(f"input {name!r} takes one value, got an empty list")
        return column[0]

    @property
    def empty(self) -> list[str]:
        """The inputs that are empty lists, for which no call takes place."""
        return [name for name, column in self._columns.items() if not column] if not self._count else []

    @property
    def cut(self) -> list[str]:
        """The inputs of which a node that takes lists gets the first value alone."""
        longer = (name for name, column in self._columns.items() if self._whole and len(column) > 1)
        return [name for name in longer if self._node.takes_one(name)]


def merged(node: RunnableNode, returned: Sequence[Returned]) -> tuple[Any, ...]:
    """The slots of a node, none of whose calls expanded. Raises TypeError where a list is none."""
    return tuple(
        slot_of(value for each in returned for value in _values(each, slot, spec))
        for slot, spec in enumerate(node.schema.outputs)
    )


def parts_of(node: RunnableNode, returned: Sequence[Returned]) -> tuple[tuple[Part, ...], ...]:
    """The slots of a node that expanded, in parts. Of a call that did, `["4", 0]` is a link. Raises TypeError."""
    return tuple(tuple(_part(each, slot, spec) for each in returned) for slot, spec in enumerate(node.schema.outputs))


def joined(parts: Sequence[Part], outputs: Mapping[str, Sequence[Any]]) -> Any:
    """The slot that its parts make, now that what they lead to is there."""
    if len(parts) == 1 and type(part := parts[0]) is Link:
        return outputs[part.node_id][part.slot]
    found: list[Any] = []
    for part in parts:
        found.extend(values_of(outputs[part.node_id][part.slot]) if type(part) is Link else part)
    return slot_of(found)


def linked(value: Any) -> Any:
    """The Link that `["4", 0]` is; all else as it is. A tuple is a value, not a link."""
    return as_link(value) or value if type(value) is list else value


def blocked(node: RunnableNode) -> Returned:
    """What a call that did not take place stands for."""
    return Returned((BLOCKED,) * len(node.schema.outputs))


def _part(each: Returned, slot: int, spec: OutputSpec) -> Part:
    if each.graph is not None and slot < len(each.slots):
        link = linked(each.slots[slot])
        if type(link) is Link:
            return link
    return Values(_values(each, slot, spec))


def _values(each: Returned, slot: int, spec: OutputSpec) -> Sequence[Any]:
    """What a call adds to a slot: its list, or the one value that it returned; None where it returned too few."""
    if slot >= len(each.slots):
        return (None,)
    value = each.slots[slot]
    if not spec.is_list or type(value) is ExecutionBlocker:
        return (value,)
    try:
        return list(value)
    except TypeError:
        what = f"output {slot} ({spec.name}) is declared as a list"
        raise TypeError(f"{what}, the node returned a {type(value).__name__}") from None
