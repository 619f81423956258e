"""What changed about one node itself, its partner in the other graph being known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol


class Compared(Protocol):
    """A node as it is compared: `inputs` are its constants, `links` where the others come from, (node id, slot)."""

    @property
    def class_type(self) -> str:
        """The name of its class."""

    @property
    def title(self) -> str:
        """What the editor shows above it."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Its constants, coerced where the class is known."""

    @property
    def links(self) -> Mapping[str, tuple[str, int]]:
        """Where its other inputs come from."""


class Change(NamedTuple):
    """One thing that a node is computed from and that changed: `kind` is class, input, file or link.

    `input` is the name of the input that it is about, if any.
    """

    kind: str
    text: str
    input: str = ""


class Sources(Protocol):
    """What is known of the nodes that others take from."""

    def same_source(self, old: str, new: str) -> bool:
        """Whether a node of before and one of now are the same."""


def class_changes(before: Compared, now: Compared) -> Iterator[Change]:
    """The change of a node's class, if it has another one."""
    if before.class_type != now.class_type:
        yield Change("class", f"the node was a {before.class_type}, it is a {now.class_type}")


def input_changes(before: Compared, now: Compared, sources: Sources) -> Iterator[Change]:
    """The inputs that changed at a node: their constants, and where they come from."""
    for name in dict.fromkeys([*before.inputs, *before.links, *now.inputs, *now.links]):
        yield from _changes_of(name, before, now, sources)


def _changes_of(name: str, before: Compared, now: Compared, sources: Sources) -> Iterator[Change]:
    old, new = before.links.get(name), now.links.get(name)
    if old is not None and new is not None:
        if old[1] != new[1] or not sources.same_source(old[0], new[0]):
            was = f"node {old[0]} slot {old[1]}"
            yield Change("link", f"input {name!r} comes from node {new[0]} slot {new[1]}, it came from {was}", name)
    elif old is not None or new is not None or (name in before.inputs) != (name in now.inputs):
        was, here = (_source(side, name) for side in (before, now))
        yield Change("input", f"input {name!r}: {was} -> {here}", name)
    elif not _equal(before.inputs[name], now.inputs[name], typed=before.class_type == now.class_type):
        told = f"input {name!r}: {short(before.inputs[name])} -> {short(now.inputs[name])}"
        yield Change("input", told, name)


def _equal(old: Any, new: Any, *, typed: bool) -> bool:
    """Whether two values are one; of one class each has its type, of two 7 may be 7.0."""
    same = old == new or repr(old) == repr(new)  # NaN is itself
    return same and isinstance(old, bool) is isinstance(new, bool) and (type(old) is type(new) or not typed)


def _source(node: Compared, name: str) -> str:
    if name in node.links:
        return f"node {node.links[name][0]} slot {node.links[name][1]}"
    return short(node.inputs[name]) if name in node.inputs else "not given"


def short(value: Any, limit: int = 60) -> str:
    """A plain value in a message."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


_AROUND, _MIDDLE = 24, 60
"""Characters of a text that are shown before and after a difference, and of the difference itself."""


def excerpts(was: str, is_: str) -> tuple[str, str]:
    """Two texts where they begin to differ: `... a red apple on ...`, `... a red pear on ...`."""
    start = _shared(was, is_)
    end = _shared(was[start:][::-1], is_[start:][::-1])

    def cut(text: str) -> str:
        first, last = max(start - _AROUND, 0), min(len(text) - end, start + _MIDDLE) + _AROUND
        return ("..." if first else "") + text[first:last] + ("..." if last < len(text) else "")

    return cut(was), cut(is_)


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
