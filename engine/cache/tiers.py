"""Caches one above the other: what is near first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from weft.engine.cache.protocol import ABSENT, Cache, Entry, Manifest, Recipe, steps_of


class Tiers:
    """Several caches as one, the quickest first.

    All are given what is kept; what only a later one has goes to those before it when it is loaded. Those `far` and
    `shared` come last, and are asked only for what no other has; those `shared` are never written to.
    """

    def __init__(self, *tiers: Cache, far: Sequence[Cache] = (), shared: Sequence[Cache] = ()) -> None:
        self.tiers = tiers
        self.far = tuple(far)
        self.shared = tuple(shared)

    @cached_property
    def steps(self) -> Tiers | None:
        """States between the steps of nodes, in the tiers that have a place for them."""
        tiers, shared = ([steps for tier in kind if (steps := steps_of(tier))] for kind in (self.tiers, self.shared))
        return Tiers(*tiers, shared=shared) if tiers or shared else None

    def lookup(self, key: bytes) -> Manifest | None:
        # Every tier is asked: what is used from memory must stay on the disk, too.
        found = [manifest for tier in self.tiers if (manifest := tier.lookup(key)) is not None]
        if found:
            return min(found, key=lambda manifest: len(manifest.absent))
        return next(
            (manifest for tier in (*self.far, *self.shared) if (manifest := tier.lookup(key)) is not None), None
        )

    def load(self, manifest: Manifest) -> Entry | None:
        for number, tier in enumerate((*self.tiers, *self.far, *self.shared)):
            entry = tier.load(manifest)
            if entry is None:
                continue
            whole: Entry | None = entry
            if manifest.absent and number:
                # Of what nobody asks for, nothing is read.
                used = any(value is not ABSENT for value in entry.outputs)
                whole = tier.load(manifest._replace(absent=())) if used else None
            if whole is not None:
                for nearer in self.tiers[:number]:
                    nearer.put(manifest.key, whole)
            return entry
        return None

    def put(self, key: bytes, entry: Entry) -> None:
        for tier in (*self.tiers, *self.far):
            tier.put(key, entry)

    def recall(self, node_id: str) -> Recipe | None:
        return next((recipe for tier in self.tiers if (recipe := tier.recall(node_id)) is not None), None)

    def note(self, node_id: str, recipe: Recipe) -> None:
        for tier in self.tiers:
            tier.note(node_id, recipe)
