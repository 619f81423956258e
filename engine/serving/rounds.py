"""The cache of a server: in memory, from prompt to prompt, as ComfyUI's is.

Without a number, what the next prompt has no node for is dropped when that begins: what nodes inside an expansion gave
stays as long as the prompts have the node that expanded, by id and class. With a number, so many entries stay, the
least recently used go first, and none that the prompt uses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from weft.engine.cache.memory import MemoryCache


class RoundCache(MemoryCache):
    """See above; `lru` is the number, 0 for none. The memory of a server has its limit all the same."""

    def __init__(self, lru: int = 0, **limits: int) -> None:
        super().__init__(**limits)
        self._lru = lru
        self._owners: dict[bytes, tuple[str, str]] = {}

    def belongs(self, key: bytes, node_id: str, class_type: str) -> None:
        """An entry is of a node inside an expansion of this one."""
        self._owners[key] = node_id, class_type

    def begin(self, keys: Collection[bytes], classes: Mapping[str, str]) -> None:
        """A prompt begins that has nodes with these keys, and, by id, of these classes."""
        if self._lru:
            for key in keys:
                self.lookup(key)  # being asked for makes it recent
            old = [key for key in self.keys() if key not in keys]
            self.forget(old[: max(0, len(self) - self._lru)])
        else:
            self.forget([key for key in self.keys() if key not in keys and not self._lives(key, classes)])
        left = set(self.keys())
        self._owners = {key: owner for key, owner in self._owners.items() if key in left}

    def _lives(self, key: bytes, classes: Mapping[str, str]) -> bool:
        owner = self._owners.get(key)
        return owner is not None and classes.get(owner[0]) == owner[1]
