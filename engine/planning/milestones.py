"""Milestones: what is known, before it runs, of the states that a node passes, and which of them a cache has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from weft.engine.cache.protocol import Cache, Entry, is_whole
from weft.engine.planning.signature import canonical
from weft.engine.trajectory import Trajectory


class Milestones(NamedTuple):
    """`key` is what nodes have in common that pass the same states and find each other's, `names` tell the states after
    their steps from all others.

    Under the key, a cache of steps has which states it was given: where they are is known only to who has passed them.
    """

    key: bytes
    names: tuple[str, ...]

    @classmethod
    def of(cls, trajectory: Trajectory, code: str, namespace: bytes) -> Milestones | None:
        """Those of a node with this code; None for one that shares no steps."""
        if trajectory.identity is None:
            return None
        whole = canonical([code, dict(trajectory.identity), trajectory.schedule])
        steps = trajectory.steps or range(0)
        names = [f"{step} end" if trajectory.own_end and step == steps[-1] else str(step) for step in steps]
        return cls(namespace + hashlib.blake2b(whole, digest_size=32).digest(), tuple(names))

    def states(self, cache: Cache) -> dict[str, bytes]:
        """The keys of the states that a cache of steps was given, by name."""
        manifest = cache.lookup(self.key)
        entry = cache.load(manifest) if manifest is not None else None
        return dict(entry.outputs[0]) if entry is not None and is_whole(entry.outputs) else {}

    def kept(self, cache: Cache) -> set[str]:
        """The names of the states that a cache of steps has still."""
        return {name for name, key in self.states(cache).items() if cache.lookup(key) is not None}

    def note(self, cache: Cache, states: Mapping[str, bytes]) -> None:
        """Add to the states that a cache of steps was given. Of two processes that do so at once one may be lost."""
        cache.put(self.key, Entry(({**self.states(cache), **states},)))
