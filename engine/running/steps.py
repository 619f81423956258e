"""Steps that nodes share: what one of them has passed is kept, and found by whoever comes there.

A state is kept under namespace + blake2b-256(code of the node + identity of the trajectory + place), where the place is
what the node says tells it from all other states of that trajectory. It is looked for in the caches of the run that
have a place for steps (`Cache.steps`), and in the memory of the run itself.

Every state is kept:

- in the caches, up to their own limits;
- in the memory of the run while another node that is still to come has the same identity, or may turn out to have it
  when it expands;
- but nothing of a node that is volatile or stale, or that does not know what its steps are computed from.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weft.engine.cache.memory import MemoryCache
from weft.engine.cache.protocol import Cache, Entry, is_whole, steps_of
from weft.engine.context import RunContext
from weft.engine.events import NodeResumed
from weft.engine.planning.forecast import trajectory_of
from weft.engine.planning.milestones import Milestones
from weft.engine.planning.plan import Known, Planner, Step
from weft.engine.planning.signature import canonical
from weft.engine.running.state import RunState
from weft.engine.trajectory import Tell, Trajectory

_UNKNOWN = b"?"
"""The identity of a node of which nothing can be said before it runs."""


class Sharing:
    """What the nodes of one run share of their steps."""

    def __init__(self, planner: Planner, context: RunContext, nodes: Mapping[str, Known]) -> None:
        self._planner = planner
        self._nodes = nodes
        self._context = context
        self._memory = MemoryCache(int(context.settings.checkpoint_gib * (1 << 30)))
        self._identities: dict[str, bytes] = {}

    def steps_of(self, step: Step, state: RunState) -> Steps | None:
        """The steps of a node that is to be called; None where there is nothing to share, or nobody to share with."""
        mine = self._identity(step)
        if mine in (b"", _UNKNOWN) or step.node_id in state.stale:
            return None
        awaited = any(other in (mine, _UNKNOWN) for other in self._to_come(state, step))
        cache = steps_of(self._planner.cache)
        caches = [cache] if cache is not None else []
        found = [*([self._memory] if len(self._memory) else ()), *caches]
        kept = [*([self._memory] if awaited else ()), *caches]
        if not found and not kept:
            return None
        context = self._context.for_node(step.node_id, step.display_id)
        return Steps(self._planner.namespace, mine, found, kept, cache, self._milestones(step), context)

    def keys(self, step: Step) -> Sequence[bytes]:
        """What a step has in common with all that pass the same states and find each other's; nothing if none can."""
        milestones = self._milestones(step)
        return () if milestones is None or steps_of(self._planner.cache) is None else (milestones.key,)

    def release(self, state: RunState) -> None:
        """A node has ended: where no other one has any steps, the run needs to remember none."""
        if len(self._memory) and not any(self._to_come(state)):
            self._memory.clear()

    def _to_come(self, state: RunState, running: Step | None = None) -> Iterator[bytes]:
        """The identities of nodes that have not ended, but for the `running` one, and those that have expanded."""
        for node_id, step in state.steps.items():
            if step is not running and node_id not in state.expanded:
                yield self._identity(step)

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
        if function is None:
            return None
        return trajectory_of(step, function, self._context.settings, self._nodes, self._planner.registry)

    def _milestones(self, step: Step) -> Milestones | None:
        trajectory = self._trajectory(step)
        return None if trajectory is None else Milestones.of(trajectory, self._code(step), self._planner.namespace)

    def _code(self, step: Step) -> str:
        """What tells a node's code; nothing of those of Weft's own, which share with one another."""
        return self._planner.registry.runnable(step.schema.class_type).code

    def _tells(self, step: Step) -> Tell | None:
        return self._planner.registry.runnable(step.schema.class_type).options.trajectory


class Steps:
    """The steps of one node: what it may find of them, and leave. Whatever fails at that does not fail the node."""

    def __init__(
        self,
        namespace: bytes,
        identity: bytes,
        found: Sequence[Cache],
        kept: Sequence[Cache],
        noted: Cache | None,
        milestones: Milestones | None,
        context: RunContext,
    ) -> None:
        self._namespace = namespace
        self._identity = identity
        self._found = found
        self._kept = kept
        self._noted = noted
        self._milestones = milestones
        self._named: dict[bytes, str] = {}
        self._context = context
        self._last = time.perf_counter()

    def find(self, places: Sequence[bytes]) -> tuple[int, Any] | None:
        """The last of these places, the states after each step in order, that somebody was at, and the state there."""
        if self._milestones is not None and len(places) == len(self._milestones.names):
            self._named = dict(zip(places, self._milestones.names, strict=True))
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
        for cache in self._kept:
            for place, state in states.items():
                cache.put(self._key(place), Entry((state,)))
        left = {self._named[place]: self._key(place) for place in states if place in self._named}
        if left and self._milestones is not None and self._noted is not None:
            self._milestones.note(self._noted, left)
        self._last = time.perf_counter()

    @property
    def due(self) -> bool:
        """Whether so long a time has passed that what was done since should be left now, in case the run is killed."""
        return time.perf_counter() - self._last >= self._context.settings.checkpoint_seconds

    def _key(self, place: bytes) -> bytes:
        return self._namespace + hashlib.blake2b(self._identity + place, digest_size=32).digest()
