"""What an output slot holds: a value, or a list of them.

Every slot is a list of values, as in ComfyUI; nearly all are of one, and such a slot is that value itself. Any other
number stands in a Values, which nothing else is: who asks `type(slot) is Values` knows. An ExecutionBlocker stands
where a value might: the node that takes it is not called.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any


class Values(tuple[Any, ...]):
    """The values of a slot that has not just one. It never holds another Values."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Values({list(self)})"


class ExecutionBlocker:
    """Stands for an output that is not to be used: what takes it is not called, and its own outputs are blocked.

    `message` says why, of the nodes that are not called; with None they are skipped without a word.
    """

    __slots__ = ("message",)

    def __init__(self, message: str | None = None) -> None:
        self.message = message

    def __repr__(self) -> str:
        return f"ExecutionBlocker({self.message!r})"

    def __eq__(self, other: object) -> bool:
        return type(other) is ExecutionBlocker and other.message == self.message

    def __hash__(self) -> int:
        return hash((ExecutionBlocker, self.message))


BLOCKED = ExecutionBlocker(None)
"""The outputs of a node that was not called: why, was said of it."""


def slot_of(values: Iterable[Any]) -> Any:
    """The slot that holds these values."""
    found = Values(values)
    return found[0] if len(found) == 1 else found


def values_of(slot: Any) -> Sequence[Any]:
    """The values that a slot holds."""
    return slot if type(slot) is Values else (slot,)


_SPECIAL = frozenset((Values, ExecutionBlocker))


def are_plain(slots: Collection[Any]) -> bool:
    """Whether each of these is one value, and none is blocked."""
    return _SPECIAL.isdisjoint(map(type, slots))
