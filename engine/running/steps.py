"""Steps that nodes share: what one of them has passed is kept, and found by whoever comes there.

A state is kept under namespace + blake2b-256(code of the node + identity of the trajectory + place), where the place is
what the node says tells it from all other states of that trajectory. It is looked for in the caches of the run that
have a place for steps (`Cache.steps`), and in the memory of the run itself.

How much is kept:

- In the memory of the run everything, while another node that is still to come has the same identity, or may turn out
  to have it when it expands.
- In a cache in memory everything; in any other one the newest state of those that it is given, and of the others as
  many, evenly spaced, as cost no more than SHARE of the time in which they were computed.
- Nothing of a node that is volatile or stale, or that does not know what its steps are computed from.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from weft.engine.cache.memory import MemoryCache
from weft.engine.cache.protocol import Cache, Entry, is_whole, steps_of
from weft.engine.cache.tiers import Tiers
from weft.engine.context import RunContext
from weft.engine.events import NodeResumed
from weft.engine.planning.forecast import trajectory_of
from weft.engine.planning.plan import Planner, Step
from weft.engine.planning.signature import canonical
from weft.engine.running.state import RunState
from weft.engine.trajectory import Tell, Trajectory

SHARE = 0.01
"""Of the time that steps take: what keeping them may cost, beside the newest state; with it, about 2 %."""

_UNKNOWN = b"?"
"""The identity of a node of which nothing can be said before it runs."""


class Sharing:
    """What the nodes of one run share of their steps."""

    def __init__(self, planner: Planner, context: RunContext) -> None:
        self._planner = planner
        self._context = context
        self._memory = MemoryCache(int(context.settings.checkpoint_gib * (1 << 30)))
        self._identities: dict[str, bytes] = {}

    def steps_of(self, step: Step, state: RunState) -> Steps | None:
        """The steps of a node that is to be called; None where there is nothing to share, or nobody to share with."""
        mine = self._identity(step)
        if mine in (b"", _UNKNOWN) or step.node_id in state.stale:
            return None
        awaited = any(other in (mine, _UNKNOWN) for other in self._to_come(state, step))
        caches, shared = self._caches
        found = [*([self._memory] if len(self._memory) else ()), *caches, *shared]
        kept = [*([self._memory] if awaited else ()), *caches]
        if not found and not kept:
            return None
        context = self._context.for_node(step.node_id, step.display_id)
        return Steps(self._planner.namespace, mine, found, kept, context)

    def keys(self, step: Step) -> Sequence[bytes]:
        """What a step has in common with all that pass the same states and find each other's; nothing if none can."""
        trajectory = self._trajectory(step)
        if trajectory is None or trajectory.identity is None or not any(self._caches):
            return ()
        whole = canonical([self._code(step), dict(trajectory.identity), trajectory.schedule])
        return (self._planner.namespace + hashlib.blake2b(whole, digest_size=32).digest(),)

    def release(self, state: RunState) -> None:
        """A node has ended: where no other one has any steps, the run needs to remember none."""
        if len(self._memory) and not any(self._to_come(state)):
            self._memory.clear()

    def _to_come(self, state: RunState, running: Step | None = None) -> Iterator[bytes]:
        """The identities of nodes that have not ended, but for the `running` one, and those that have expanded."""
        for node_id, step in state.steps.items():
            if step is not running and node_id not in state.expanded:
                yield self._identity(step)

    @cached_property
    def _caches(self) -> tuple[Sequence[Cache], Sequence[Cache]]:
        """Those that are written to, each by itself, since what that costs differs; and those that are read only."""
        found = steps_of(self._planner.cache)
        if found is None:
            return (), ()
        return (found.tiers, found.shared) if isinstance(found, Tiers) else ((found,), ())

    def _identity(self, step: Step) -> bytes:
        """What the states of a node are computed from; empty where it shares none."""
        if not step.runs:
            return b""
        if step.node_id not in self._identities:
            told = self._trajectory(step)
            said = told.identity if told is not None else None
            identity = canonical([self._code(step), dict(said)]) if said is not None else b""
            self._identities[step.node_id] = _UNKNOWN if told is None and self._tells(step) else identity
        return self._identities[step.node_id]

    def _trajectory(self, step: Step) -> Trajectory | None:
        function = self._tells(step)
        return trajectory_of(step, function, self._context.settings) if function is not None else None

    def _code(self, step: Step) -> str:
        """What tells a node's code; nothing of those of Weft's own, which share with one another."""
        return self._planner.registry.runnable(step.schema.class_type).code

    def _tells(self, step: Step) -> Tell | None:
        return self._planner.registry.runnable(step.schema.class_type).options.trajectory


class Steps:
    """The steps of one node: what it may find of them, and leave. Whatever fails at that does not fail the node."""

    def __init__(
        self, namespace: bytes, identity: bytes, found: Sequence[Cache], kept: Sequence[Cache], context: RunContext
    ) -> None:
        self._namespace = namespace
        self._identity = identity
        self._found = found
        self._kept = [_Shelf(cache) for cache in kept]
        self._context = context
        self._started = self._last = time.perf_counter()

    def find(self, places: Sequence[bytes]) -> tuple[int, Any] | None:
        """The last of these places, the states after each step in order, that somebody was at, and the state there."""
        for index in reversed(range(len(places))):
            key = self._key(places[index])
            for cache in self._found:
                manifest = cache.lookup(key)
                entry = cache.load(manifest) if manifest is not None else None
                if entry is not None and is_whole(entry.outputs):
                    context = self._context
                    context.emit(NodeResumed(context.node_id, index + 1, len(places), context.display_id))
                    return index, entry.outputs[0]
        return None

    def keep(self, states: Mapping[bytes, Any]) -> None:
        """Leave states for others, in the order in which they were passed."""
        entries = [(self._key(place), Entry((state,))) for place, state in states.items()]
        elapsed = time.perf_counter() - self._started
        for shelf in self._kept:
            shelf.put(entries, elapsed)
        self._last = time.perf_counter()

    @property
    def due(self) -> bool:
        """Whether so long a time has passed that what was done since should be left now, in case the run is killed."""
        return time.perf_counter() - self._last >= self._context.settings.checkpoint_seconds

    def _key(self, place: bytes) -> bytes:
        return self._namespace + hashlib.blake2b(self._identity + place, digest_size=32).digest()


class _Shelf:
    """A cache, and what putting states there has cost."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._spent = 0.0
        self._cost = 0.0

    def put(self, entries: Sequence[tuple[bytes, Entry]], elapsed: float) -> None:
        """Put the newest entry, and as many of the others as are worth it after so many seconds of work."""
        if isinstance(self._cache, MemoryCache):
            for key, entry in entries:
                self._cache.put(key, entry)
            return
        *others, newest = entries
        self._timed(*newest)
        count = min(len(others), int(max(0.0, SHARE * elapsed - self._spent) / max(self._cost, 1e-9)))
        for number in range(1, count + 1):
            self._timed(*others[number * len(others) // count - 1])
            if self._spent > SHARE * elapsed:
                break

    def _timed(self, key: bytes, entry: Entry) -> None:
        started = time.perf_counter()
        self._cache.put(key, entry)
        self._cost = time.perf_counter() - started
        self._spent += self._cost
