"""The state of a run: plain data, and the transitions that alone change it. They call nothing and know no clock.

State, and who changes it:

    nodes      node id -> Known: the plan's, and those that nodes expanded into. Grows in `expand`.
    steps      node id -> Step of every node that is not done: ready, blocked, running or expanded. There is one step a
               node; an expansion may bring a new one for a node of the plan, which then takes its place and is earlier.
    rank       node id -> its place in the order; of what is ready, the lowest is started first. What an expansion
               brings comes before all else: the plan's order, depth first, stays depth first. `first` is the lowest.
    blocked    node id -> how many of the values that its step takes are not there yet; never 0.
    takers     node id -> the blocked steps that take its value, one entry a link.
    place      rank -> node id, of every step that has not started.
    ready      a heap of ranks. One that has no place any more is passed over.
    early      the same, for those that are started before all others: of the classes in `urgent`.
    running    node ids that were started and have not ended.
    expanded   node id -> Join of every node that has expanded and is not done: what its outputs are gathered from. It
               is blocked like a step, by the nodes of its join.
    outputs    node id -> tuple of slots (engine/values.py). Written once for each step, by `finish`; a node is in it
               from its end until its last consumer ended, or to the end of the run if it is in `keep`. A slot that
               the cache has not, or was not asked for, is ABSENT: no step takes it. Where an expansion does, the node
               has a step once more, which gives it; what takes from such a node from then on waits for that.
    keep       the nodes that the plan keeps, and every output node that wrote files: an equal one writes none again.
    waiting    node id -> how many links of steps and joins lead to it that have not ended. 0 entries may stay.
    computes   key -> the node that computes it, or did: equal nodes share its outputs.
    shown      node id -> what a node showed and wrote, what was said of it, and how many of its calls were blocked,
               without its outputs.
    stale      ids of the nodes that are not what their keys say, since a file or the code is another than when the plan
               was made or a node changed in place what they gave, and of all that take from them: none of these goes
               into the cache.

Invariants, between any two transitions:

    1. a node of `steps` is exactly one of: ready, blocked, running;
    2. what a ready or running step takes is in `outputs`; a blocked one misses as many values as `blocked` says, and
       each is of a node of `steps`, or of one that failed;
    3. `waiting` counts the links of `steps` and, in the place of a step that expanded, of its join;
    4. `outputs` holds nothing that nobody waits for and that is not in `keep`.

A link that is only passed on blocks nothing, but counts as waiting: its source, if it ran, stays until the node has
expanded and the links inside have taken over. A source that did not run, or is gone, is planned with the expansion.
So it is with a lazy input, until the node asks for it: then its source, planned if it did not run, blocks the node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from weft.engine.cache.protocol import Entry, Warned, strung_together
from weft.engine.planning.plan import Known, Plan, Step
from weft.engine.running.mapping import Part


class Growth(NamedTuple):
    """What becomes of a node that expands: a plan for what is inside, and its outputs, slot by slot in parts.

    `parents` are the nodes to wait for: those that the outputs come from, and the output nodes inside. `computes` says
    for keys which node computes them from now on. `shown` is what the node itself showed and wrote. Of one that asks
    for lazy inputs there is a plan for these, and `parents` are where they come from, one entry an input.
    """

    plan: Plan
    computes: Mapping[bytes, str]
    results: tuple[tuple[Part, ...], ...] = ()
    parents: tuple[str, ...] = ()
    shown: Entry = Entry(())


NOTHING = Growth(Plan(()), {})
"""What there is to do for a node that has all that it asks for."""


@dataclass
class Join:
    """The end of a node that expanded. `inside` are the keys of the nodes inside; what follows is its own and of these,
    so far."""

    results: tuple[tuple[Part, ...], ...]
    parents: tuple[str, ...]
    inside: Collection[bytes] = ()
    ui: dict[str, list[Any]] = field(default_factory=dict)
    files: dict[Path, None] = field(default_factory=dict)
    warnings: dict[Warned, None] = field(default_factory=dict)
    blocked: int = 0

    def gather(self, entry: Entry) -> None:
        """What a node inside shows and writes is the expanding node's: lists are strung together by their kind."""
        strung_together([entry.ui], self.ui)
        self.files.update(dict.fromkeys(entry.files))
        self.warnings.update(dict.fromkeys(entry.warnings))
        self.blocked += entry.blocked


@dataclass
class RunState:
    """See above. `RunState.of(plan)` is the state in which a run begins; the plan stays as it is."""

    keep: set[str]
    nodes: dict[str, Known]
    computes: dict[bytes, str]
    steps: dict[str, Step] = field(default_factory=dict)
    rank: dict[str, int] = field(default_factory=dict)
    blocked: dict[str, int] = field(default_factory=dict)
    takers: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    place: dict[int, str] = field(default_factory=dict)
    ready: list[int] = field(default_factory=list)
    early: list[int] = field(default_factory=list)
    urgent: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    expanded: dict[str, Join] = field(default_factory=dict)
    outputs: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    shown: dict[str, Entry] = field(default_factory=dict)
    waiting: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    stale: set[str] = field(default_factory=set)
    first: int = 0

    @classmethod
    def of(cls, plan: Plan) -> RunState:
        """Nothing has run; what takes nothing is ready."""
        # Of equal nodes, the first computes the key.
        computes = {known.key.digest: node_id for node_id, known in reversed(list(plan.nodes.items()))}
        state = cls(set(plan.keep), dict(plan.nodes), computes)
        state._add(plan.steps)
        return state

    def start(self) -> Step | None:
        """The next step, of those whose values are there the first; None if all that are left wait for running ones."""
        while self.early or self.ready:
            node_id = self.place.pop(heappop(self.early or self.ready), None)
            if node_id is not None:
                self.running.add(node_id)
                return self.steps[node_id]
        return None

    def hasten(self, classes: Collection[str]) -> None:
        """From now on, nodes of these classes are started as soon as they are ready."""
        self.urgent.update(classes)
        waiting, self.ready = self.ready, []
        for node_id in (self.place[rank] for rank in waiting if rank in self.place):
            self._ready(node_id)

    def finish(self, node_id: str, entry: Entry) -> None:
        """A running step has its outputs: what takes them may become ready, what it took may go."""
        self.running.remove(node_id)
        step, outputs, blocked = self.steps.pop(node_id), self.outputs, self.blocked
        parents = step.parents if node_id not in self.expanded else self.expanded.pop(node_id).parents
        outputs[node_id] = entry.outputs
        if entry.files or entry.ui or entry.warnings or entry.blocked:
            self.shown[node_id] = replace(entry, outputs=())
            if step.origin is not None and step.origin.parent in self.expanded:
                self.expanded[step.origin.parent].gather(entry)
            if entry.files and step.schema.output_node:
                self.keep.add(node_id)
        if node_id in self.takers:
            for taker in self.takers.pop(node_id):
                if blocked[taker] > 1:
                    blocked[taker] -= 1
                else:
                    del blocked[taker]
                    if self.urgent:
                        self._ready(taker)
                    else:  # as nearly always
                        heappush(self.ready, self.rank[taker])
        if not self.waiting[node_id] and node_id not in self.keep:
            del outputs[node_id]
        self.release(parents)

    def fail(self, node_id: str) -> None:
        """A running step will never have outputs: what takes them stays blocked, what it took may go."""
        self.running.remove(node_id)
        self.release(self.steps.pop(node_id).parents)

    def expand(self, node_id: str, growth: Growth) -> None:
        """A running step became a graph: its steps come next, then the step again, to gather its outputs."""
        step = self.steps[node_id]
        self.nodes.update(growth.plan.nodes)
        self.computes.update(growth.computes)
        self.running.discard(node_id)
        inside = frozenset(known.key.digest for known in growth.plan.nodes.values())
        self.expanded[node_id] = Join(growth.results, growth.parents, inside)
        self.expanded[node_id].gather(growth.shown)
        self.first -= 1
        self.rank[node_id] = self.first
        self.place[self.first] = node_id
        for parent in growth.parents:
            self.waiting[parent] += 1
        self._add(growth.plan.steps)
        self._block(node_id, growth.parents)
        self.release(step.parents)

    def ask(self, node_id: str, growth: Growth) -> None:
        """A running step waits for more of its inputs, those from `growth.parents`: their steps come next, then it."""
        step = self.steps[node_id]
        self.steps[node_id] = step._replace(needs=(*step.needs, *growth.parents))
        self.computes.update(growth.computes)
        self.running.discard(node_id)
        self.first -= 1
        self.rank[node_id] = self.first
        self.place[self.first] = node_id
        self._add(growth.plan.steps)
        self._block(node_id, growth.parents)

    def leave(self, node_ids: Iterable[str]) -> None:
        """Take back steps that have not started and that nothing takes from: somebody else is to do them."""
        for node_id in node_ids:
            self.release(self._withdraw(node_id))

    def retry(self, node_id: str, growth: Growth) -> None:
        """A running step is done in another way: by the steps of a plan of its own, of which it is the last."""
        self.computes.update(growth.computes)
        self.running.discard(node_id)
        self._add(growth.plan.steps)

    def release(self, parents: Iterable[str]) -> None:
        """These links have been taken: let go of what nobody else waits for."""
        waiting = self.waiting
        for parent in parents:
            left = waiting[parent] = waiting[parent] - 1
            # A source of which only the link was taken may never have run.
            if not left and parent not in self.keep:
                self.outputs.pop(parent, None)

    def inherit(self, node_id: str, parents: Iterable[str]) -> None:
        """What takes from a stale node is stale."""
        if self.stale and not self.stale.isdisjoint(parents):
            self.stale.add(node_id)

    def entry(self, node_id: str) -> Entry:
        """What a node gave whose outputs are there."""
        shown = self.shown.get(node_id)
        outputs = self.outputs[node_id]
        return Entry(outputs) if shown is None else replace(shown, outputs=outputs)

    def warned(self, needs: Iterable[str], own: Iterable[Warned]) -> tuple[Warned, ...]:
        """What was said on the way to a node that takes values from `needs`, and says this itself."""
        before = (self.shown[need].warnings for need in needs if need in self.shown)
        return tuple(dict.fromkeys(chain(*before, own)))

    def outward(self, node_id: str, warnings: Iterable[Warned]) -> tuple[Warned, ...]:
        """The same of a node that expanded: what nodes inside said, it says, since a later run may not know these."""
        inside, own = self.expanded[node_id].inside, self.nodes[node_id].key.digest
        return tuple(dict.fromkeys((own if digest in inside else digest, text) for digest, text in warnings))

    def waits(self, node_id: str, other: str) -> bool:
        """Whether a node is blocked by another one, directly or by way of others."""
        seen, stack = {other}, [other]
        while stack:
            takers = self.takers.get(stack.pop(), ())
            if node_id in takers:
                return True
            stack.extend(taker for taker in takers if taker not in seen)
            seen.update(takers)
        return False

    def _add(self, steps: Sequence[Step]) -> None:
        """Steps to come, before all others; one of a node that has a step already takes its place."""
        known, ranks, place, waiting = self.steps, self.rank, self.place, self.waiting
        replaced: list[str] = []
        self.first -= len(steps)
        for rank, step in enumerate(steps, self.first):
            node_id = step.node_id
            if node_id in known:
                replaced += self._withdraw(node_id)
            known[node_id] = step
            ranks[node_id] = rank
            place[rank] = node_id
            for parent in step.parents:
                waiting[parent] += 1
            if step.needs:
                self._block(node_id, step.needs)
            else:
                self._ready(node_id)
        self.release(replaced)

    def _ready(self, node_id: str) -> None:
        urgent = self.urgent and self.steps[node_id].schema.class_type in self.urgent
        heappush(self.early if urgent else self.ready, self.rank[node_id])

    def _block(self, node_id: str, needs: Iterable[str]) -> None:
        missing = 0
        for parent in needs:
            if parent not in self.outputs or parent in self.steps:
                self.takers[parent].append(node_id)
                missing += 1
        if missing:
            self.blocked[node_id] = missing
        else:
            self._ready(node_id)

    def _withdraw(self, node_id: str) -> tuple[str, ...]:
        """Take back a step that has not started; gives its links."""
        step = self.steps.pop(node_id)
        self.place.pop(self.rank[node_id], None)
        if self.blocked.pop(node_id, 0):
            for parent in set(step.needs) & self.takers.keys():
                self.takers[parent] = [taker for taker in self.takers[parent] if taker != node_id]
        return step.parents
