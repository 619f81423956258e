"""A cache in memory."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from functools import cached_property
from types import ModuleType
from typing import Any, NamedTuple

from weft.engine.cache.encoding import file_digest
from weft.engine.cache.protocol import Entry, Manifest, Recipe, is_whole
from weft.engine.stamps import Stamp, changed, stamps_of


class _Kept(NamedTuple):
    """An entry; the parts of it that others may hold too, and their bytes; the bytes that it has of its own.

    `contents` are the digests of what was in the files that it wrote, `stamps` what the outputs were.
    """

    entry: Entry
    parts: Mapping[Hashable, int]
    own: int
    contents: tuple[bytes, ...]
    stamps: list[Stamp]


class MemoryCache:
    """Entries in memory, up to a budget of bytes (default: half of the machine's); the least recently used go first.

    What several entries share counts once: a checkpoint's weights under its loader and under every LoRA on it.

    Invariants: `_shares` has, for each part of an entry, how many entries hold it and its bytes; `used` is the sum of
    these bytes and of what each entry has of its own, and at most `max_bytes`. An entry larger than the whole budget is
    not kept, nor is one with an output that is ABSENT: what is here is whole. One whose outputs somebody changed in
    place is not given any more. Recipes are small, and kept for the last
    `max_recipes` node ids.

    Several threads may share it. The lock is held for bookkeeping alone, never while something is computed, measured or
    freed.
    """

    def __init__(
        self, max_bytes: int | None = None, *, max_recipes: int = 100_000, max_step_bytes: int = 1 << 30
    ) -> None:
        self.max_bytes = max_bytes if max_bytes is not None else _half_of_memory()
        self._max_step_bytes = max_step_bytes
        self.used = 0
        self._entries: OrderedDict[bytes, _Kept] = OrderedDict()
        self._shares: dict[Hashable, list[int]] = {}
        self._recipes: OrderedDict[str, Recipe] = OrderedDict()
        self._max_recipes = max_recipes
        # Reentrant: the garbage collector may run anything meanwhile, another call of this cache too.
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._entries)

    @cached_property
    def steps(self) -> MemoryCache:
        """States between the steps of nodes, up to `max_step_bytes`."""
        return MemoryCache(self._max_step_bytes)

    def lookup(self, key: bytes) -> Manifest | None:
        with self._lock:
            kept = self._entries.get(key)
            if kept is None:
                return None
            self._entries.move_to_end(key)
        if changed(kept.stamps):
            return None
        return Manifest(key, kept.entry.files, kept.contents)

    def load(self, manifest: Manifest) -> Entry | None:
        # Being asked for has made it recent.
        kept = self._entries.get(manifest.key)
        return None if kept is None or changed(kept.stamps) else kept.entry

    def put(self, key: bytes, entry: Entry) -> None:
        if not is_whole(entry.outputs):
            return
        try:
            contents = tuple(map(file_digest, entry.files))
        except OSError:  # a file that it wrote is gone again: nothing could stand for the node
            return
        parts, rest = parts_of(*entry.outputs, *entry.ui.values(), *entry.warnings)
        kept = _Kept(entry, parts, rest + _OF_ITS_OWN, contents, stamps_of(entry.outputs))
        gone: list[Entry] = []  # held until the lock is let go
        with self._lock:
            if key in self._entries:
                gone.append(self._drop(key))
            if kept.own + sum(parts.values()) > self.max_bytes:
                return
            self._entries[key] = kept
            self.used += kept.own
            for part, size in parts.items():
                share = self._shares.setdefault(part, [0, size])
                share[0] += 1
                self.used += size if share[0] == 1 else 0
            while self.used > self.max_bytes:
                gone.append(self._drop(next(iter(self._entries))))

    def _drop(self, key: bytes) -> Entry:
        kept = self._entries.pop(key)
        self.used -= kept.own
        for part in kept.parts:
            share = self._shares[part]
            share[0] -= 1
            if not share[0]:
                self.used -= self._shares.pop(part)[1]
        return kept.entry

    def recall(self, node_id: str) -> Recipe | None:
        with self._lock:
            return self._recipes.get(node_id)

    def note(self, node_id: str, recipe: Recipe) -> None:
        with self._lock:
            self._recipes[node_id] = recipe
            self._recipes.move_to_end(node_id)
            if len(self._recipes) > self._max_recipes:
                self._recipes.popitem(last=False)

    def keys(self) -> list[bytes]:
        """What there are entries under, the least recently used first."""
        with self._lock:
            return list(self._entries)

    def forget(self, keys: Iterable[bytes]) -> None:
        """Drop these entries, as far as they are there."""
        with self._lock:
            gone = [self._drop(key) for key in keys if key in self._entries]
        del gone

    def forget_models(self) -> None:
        """Drop the entries that hold models; what was computed with them stays."""
        with self._lock:
            gone = [self._drop(key) for key, kept in list(self._entries.items()) if has_model(kept.entry.outputs)]
        del gone

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            gone, self._entries = self._entries, OrderedDict()
            self._shares.clear()
            self._recipes.clear()
            self.used = 0
            steps = self.__dict__.pop("steps", None)
        del gone, steps


def parts_of(*values: Any) -> tuple[dict[Hashable, int], int]:
    """The bytes of what values hold: the parts that others may hold too, by what tells them apart, and all the rest.

    A tensor or an array says `nbytes`. An object that shares memory with others (a model) says `memory_parts`: pairs of
    a key that is equal for the same memory, and its bytes. Containers are opened. An object that is held twice is one.
    """
    parts: dict[Hashable, int] = {}
    rest = 0
    seen: set[int] = set()
    stack = list(values)
    while stack:
        item = stack.pop()
        rest += 32
        if isinstance(item, _PLAIN) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, _CONTAINERS):
            stack.extend(item)
        elif isinstance(item, _MAPPINGS):
            stack.extend(item.values())
        elif isinstance(item, _TEXT):
            rest += len(item)
        elif (shared := getattr(item, "memory_parts", None)) is not None:
            parts.update(shared)
        elif isinstance(nbytes := getattr(item, "nbytes", None), int):
            parts[id(item)] = nbytes
    return parts, rest


def has_model(value: Any) -> bool:
    """Whether a value is, or holds, an object that shares memory with others (`memory_parts`): a guider holds one."""
    seen: set[int] = set()
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, (*_PLAIN, *_TEXT, type, ModuleType)) or id(item) in seen:
            continue
        if getattr(item, "memory_parts", None) is not None:
            return True
        seen.add(id(item))
        if isinstance(item, _CONTAINERS):
            stack.extend(item)
        elif isinstance(item, _MAPPINGS):
            stack.extend(item.values())
        elif getattr(item, "nbytes", None) is None:
            stack.extend(getattr(item, "__dict__", {}).values())
    return False


def _half_of_memory() -> int:
    """Half of the machine's memory; 4 GiB where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return 4 << 30


_OF_ITS_OWN = 400
"""The bytes of an entry beside what it holds: its key, records and places in tables."""

_PLAIN = (int, float, type(None))
# dict by name, since asking an abstract class takes its time.
_MAPPINGS = (dict, Mapping)
_CONTAINERS = (tuple, list, set, frozenset)
_TEXT = (str, bytes, bytearray)
