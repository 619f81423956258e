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


def input_changes(before: Compared, now: Compared, pairs: Mapping[str, str]) -> Iterator[Change]:
    """The inputs that changed at a node; `pairs` are the node ids of now with those of before that they were."""
    for name in dict.fromkeys([*before.inputs, *before.links, *now.inputs, *now.links]):
        yield from _changes_of(name, before, now, pairs)


def _changes_of(name: str, before: Compared, now: Compared, pairs: Mapping[str, str]) -> Iterator[Change]:
    old, new = before.links.get(name), now.links.get(name)
    if old is not None and new is not None:
        # A source that did not run has no partner: then its id has to do.
        if (pairs.get(new[0], new[0]), new[1]) != old:
            was = f"node {old[0]} slot {old[1]}"
            yield Change("link", f"input {name!r} comes from node {new[0]} slot {new[1]}, it came from {was}", name)
    elif old is not None or new is not None or (name in before.inputs) != (name in now.inputs):
        was, here = (_source(side, name) for side in (before, now))
        yield Change("input", f"input {name!r}: {was} -> {here}", name)
    elif before.inputs[name] != now.inputs[name] or type(before.inputs[name]) is not type(now.inputs[name]):
        told = f"input {name!r}: {short(before.inputs[name])} -> {short(now.inputs[name])}"
        yield Change("input", told, name)


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
    """Two texts where they begin to differ: `'... a red apple on ...'`, `'... a red pear on ...'`."""
    start = _shared(was, is_)
    end = _shared(was[start:][::-1], is_[start:][::-1])

    def cut(text: str) -> str:
        first, last = max(start - _AROUND, 0), min(len(text) - end, start + _MIDDLE) + _AROUND
        return ("..." if first else "") + text[first:last] + ("..." if last < len(text) else "")

    return repr(cut(was)), repr(cut(is_))


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
