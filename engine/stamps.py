"""Whether somebody has changed a value in place, told without a copy of it.

A list or a dict is what it was while it holds the same objects; a tensor while torch counts no change of it, or of
what it shares memory with; any other object while its `changeable`, if it has that, gives the same ones. What is
written past torch's count (through `.data`, or an array of numpy) is not seen.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

Stamp = tuple[Any, Any]
"""A list, a dict, a tensor or an object that says what of it may be changed, and what was seen of it."""

_PLAIN = frozenset((int, float, bool, str, bytes, type(None)))


def stamps_of(values: Iterable[Any]) -> list[Stamp]:
    """What there is in values that can be changed in place, as it is now; containers are opened."""
    values = tuple(values)
    if _PLAIN.issuperset(map(type, values)):
        return []
    tensor = getattr(sys.modules.get("torch"), "Tensor", ())
    return [(item, _seen(item)) for item in _opened(values, tensor)]


def changed(stamps: Iterable[Stamp]) -> list[Any]:
    """Those that are not as they were when they were stamped."""
    return [item for item, seen in stamps if not _is_still(_seen(item), seen)]


def places_of(values: Iterable[Any]) -> set[Hashable]:
    """Where that which can be changed lies: two values share some of it if they have a place in common."""
    tensor = getattr(sys.modules.get("torch"), "Tensor", ())
    return {_place(item) for item in _opened(values, tensor)}


def _opened(values: Iterable[Any], tensor: Any) -> Iterator[Any]:
    known: set[int] = set()
    stack = list(values)
    while stack:
        item = stack.pop()
        if type(item) in _PLAIN:
            continue
        if isinstance(item, tuple):
            stack.extend(item)
        elif isinstance(item, tensor):
            # What torch made for inference cannot be changed outside of it, and is not counted.
            if not item.is_inference():
                yield item
        elif (isinstance(item, dict | list) or _parts(item) is not None) and id(item) not in known:
            known.add(id(item))
            stack.extend(_seen(item))
            yield item


def _seen(item: Any) -> Sequence[Any]:
    if isinstance(item, dict):
        return [*item, *item.values()]
    if isinstance(item, list):
        return [*item]
    parts = _parts(item)
    return [item._version] if parts is None else [*parts]


def _parts(item: Any) -> Sequence[Any] | None:
    """What of an object may be changed, if it says so."""
    parts: Sequence[Any] | None = getattr(item, "changeable", None)
    return parts


def _is_still(now: Sequence[Any], seen: Sequence[Any]) -> bool:
    return len(now) == len(seen) and all(a is b or (type(a) is int and a == b) for a, b in zip(now, seen, strict=True))


def _place(item: Any) -> Hashable:
    storage = getattr(item, "untyped_storage", None)
    return id(item) if storage is None else ("memory", storage()._cdata)
