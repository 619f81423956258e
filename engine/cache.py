"""Caches of node outputs. What is in one is found again by its key, in this run or a later one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Entry:
    """What a node gave: its output slots, its `ui`, and the files that it wrote."""

    outputs: tuple[Any, ...]
    ui: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """What a node was last computed from, kept to say why it is computed again.

    `links` holds, by input, the key of the node that it took from.
    """

    class_type: str
    version: str
    inputs: Mapping[str, Any]
    links: Mapping[str, bytes]
    key: bytes


class Cache(Protocol):
    """Where outputs are kept. Keys already tell device, dtype and sampling mode apart."""

    def get(self, key: bytes) -> Entry | None:
        """The entry, or None; being asked for makes it recent."""

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep the entry, or do not: a cache may refuse."""

    def recall(self, node_id: str) -> Recipe | None:
        """What the node of this id was last computed from."""

    def note(self, node_id: str, recipe: Recipe) -> None:
        """Remember what the node of this id is computed from."""


class NoCache:
    """Keeps nothing."""

    def get(self, key: bytes) -> Entry | None:
        return None

    def put(self, key: bytes, entry: Entry) -> None:
        pass

    def recall(self, node_id: str) -> Recipe | None:
        return None

    def note(self, node_id: str, recipe: Recipe) -> None:
        pass


class MemoryCache:
    """Entries in memory, up to a budget of bytes; the least recently used go first.

    Invariant: `used` is the sum of the sizes in `_entries`, and at most `max_bytes`. An entry larger than the whole
    budget is not kept. Recipes are small and kept for the last `max_recipes` node ids.
    """

    def __init__(self, max_bytes: int = 2 << 30, *, max_recipes: int = 100_000) -> None:
        self.max_bytes = max_bytes
        self.used = 0
        self._entries: OrderedDict[bytes, tuple[Entry, int]] = OrderedDict()
        self._recipes: OrderedDict[str, Recipe] = OrderedDict()
        self._max_recipes = max_recipes

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Entry | None:
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found[0]

    def put(self, key: bytes, entry: Entry) -> None:
        size = size_of(entry.outputs) + 256
        previous = self._entries.pop(key, None)
        if previous is not None:
            self.used -= previous[1]
        if size > self.max_bytes:
            return
        self._entries[key] = (entry, size)
        self.used += size
        while self.used > self.max_bytes:
            _, (_, freed) = self._entries.popitem(last=False)
            self.used -= freed

    def recall(self, node_id: str) -> Recipe | None:
        return self._recipes.get(node_id)

    def note(self, node_id: str, recipe: Recipe) -> None:
        self._recipes[node_id] = recipe
        self._recipes.move_to_end(node_id)
        if len(self._recipes) > self._max_recipes:
            self._recipes.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._recipes.clear()
        self.used = 0


def size_of(value: Any) -> int:
    """Bytes that a value holds: `nbytes` where it says so (tensors, arrays, models), else the sum of its parts.

    An object that is reachable twice counts once.
    """
    seen: set[int] = set()
    total = 0
    stack = [value]
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        nbytes = getattr(item, "nbytes", None)
        if isinstance(nbytes, int):
            total += nbytes
        elif isinstance(item, str | bytes):
            total += len(item)
        elif isinstance(item, Mapping):
            stack.extend(item.values())
        elif isinstance(item, Sequence | set | frozenset):
            stack.extend(item)
        else:
            total += 32
    return total
