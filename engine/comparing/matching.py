"""Which node of one graph is which node of another: by what it is and where it stands, not by its id.

A node is known by its class and constants (`own`), with all that it is computed from (`above`) and all that is computed
from it (`below`). Invariants, on which what is found rests:

1. Nodes that are alone with their signature on both sides are partners; one that says more counts earlier.
2. Each pair leads to those that stand at the same inputs of partners (or take the same output at the same input); of
   nodes that could be told from each other in no way, so all the neighbours of one pair stay together.
3. A node that changed has no signature in common with what it was: it is found last, among partners.
4. Each pair is looked at once, and of many alike only as many as there are: 500 nodes take milliseconds, equal or not.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from weft.engine.comparing.changes import Compared

Nodes = Mapping[str, Compared]
Each = TypeVar("Each", bound=Compared)

_CROWD = 64
"""How many pairs of nodes that take one output at one input are weighed; of more, those alike are taken in order."""
_MANY = 4096
"""How many pairs of nodes without any neighbour in common are weighed, of one class."""


@dataclass(frozen=True)
class Counterparts:
    """The nodes of two graphs that are one: `pairs` is the id of now -> the id of before, one to one.

    `above` and `keys` are the signatures of before and now: which of several nodes that compute the same is taken from
    is no difference.
    """

    pairs: Mapping[str, str]
    above: tuple[Mapping[str, int], Mapping[str, int]] = ({}, {})
    keys: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})

    def same_source(self, old: str, new: str) -> bool:
        """Whether what a node took from before and takes from now is one node, or computes the same."""
        # A source that is no node of the graph has no partner: then its id has to do.
        if self.pairs.get(new, new) == old:
            return True
        known: tuple[tuple[Mapping[str, Hashable], Mapping[str, Hashable]], ...] = (self.above, self.keys)
        return any(old in before and new in now and before[old] == now[new] for before, now in known)


def match(
    before: Mapping[str, Each], now: Mapping[str, Each], key: Callable[[Each], str] | None = None
) -> Counterparts:
    """Find the counterpart of each node; one of another class only where it stands in the very place.

    What has none is left out. Ids decide only between nodes that nothing else tells apart. Links may be circular.
    `key` says of a node what it computes, above all else, or nothing (an empty text): of graphs that lack some of the
    nodes above, which therefore cannot be told by what stands there.
    """
    numbers: dict[Hashable, int] = {}
    old, new = (_Signed.of(nodes, numbers) for nodes in (before, now))
    if key is not None:
        for graph, nodes in ((old, before), (new, now)):
            graph.keys = {node_id: known for node_id, node in nodes.items() if (known := key(node))}
    matching = _Matching(old, new)
    matching.run()
    return Counterparts(matching.pairs, (old.above, new.above), (old.keys, new.keys))


@dataclass(eq=False)
class _Signed:
    """A graph with the signatures of its nodes: equal numbers mean equal nodes, in both graphs."""

    nodes: Nodes
    takers: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)
    """By node: who takes from it, at which input, from which slot."""
    own: dict[str, int] = field(default_factory=dict)
    above: dict[str, int] = field(default_factory=dict)
    below: dict[str, int] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    near: tuple[dict[str, int], ...] = ()
    """Above and below together, with those of the neighbours, and with those of theirs, too."""

    @classmethod
    def of(cls, nodes: Nodes, numbers: dict[Hashable, int]) -> _Signed:
        def number(*content: Hashable) -> int:
            return numbers.setdefault(content, len(numbers))

        graph = cls(nodes, {node_id: [] for node_id in nodes})
        for node_id, node in nodes.items():
            written = json.dumps(dict(node.inputs), sort_keys=True, default=repr)
            graph.own[node_id] = number("own", node.class_type, written)
            for name, (source, slot) in node.links.items():
                if source in nodes:
                    graph.takers[source].append((node_id, name, slot))
        above = {n: [(name, slot, source) for name, (source, slot) in node.links.items()] for n, node in nodes.items()}
        below = {n: [(name, slot, taker) for taker, name, slot in taken] for n, taken in graph.takers.items()}
        graph.above = _signed(graph.own, above, lambda *content: number("above", *content))
        graph.below = _signed(graph.own, below, lambda *content: number("below", *content))
        first = {node_id: number("near", graph.above[node_id], graph.below[node_id]) for node_id in nodes}
        second = {node_id: number("near", first[node_id], *graph.beside(node_id, first)) for node_id in nodes}
        third = {node_id: number("near", second[node_id], *graph.beside(node_id, second)) for node_id in nodes}
        graph.near = first, second, third
        return graph

    def beside(self, node_id: str, known: Mapping[str, int]) -> tuple[tuple[tuple[str, int, int], ...], ...]:
        """The numbers of a node's sources and takers, by input and slot."""
        links = self.nodes[node_id].links.items()
        sources = sorted((name, slot, known.get(source, -1)) for name, (source, slot) in links)
        takers = sorted((name, slot, known[taker]) for taker, name, slot in self.takers[node_id])
        return tuple(sources), tuple(takers)

    def around(self, node_id: str) -> Counter[Hashable]:
        """What takes from a node, and what it takes from."""
        links = self.nodes[node_id].links.items()
        places: list[tuple[str, int, int | None]] = [(name, slot, None) for _, name, slot in self.takers[node_id]]
        places += [(name, slot, self.own[taker]) for taker, name, slot in self.takers[node_id]]
        return Counter([*places, *(("from", name, slot, self.own.get(source)) for name, (source, slot) in links)])


def _signed(
    own: Mapping[str, int], beside: Mapping[str, Sequence[tuple[str, int, str]]], number: Callable[..., int]
) -> dict[str, int]:
    """A number for each node and all that it leads to, by input and slot; in a circle, for what is out of it."""
    leading: dict[str, list[str]] = {node_id: [] for node_id in own}
    waiting = dict.fromkeys(own, 0)
    for node_id, places in beside.items():
        for _, _, other in places:
            if other in own:
                leading[other].append(node_id)
                waiting[node_id] += 1
    found: dict[str, int] = {}

    def sign(node_id: str) -> int:
        return number(
            own[node_id], tuple(sorted((name, slot, found.get(to, -1)) for name, slot, to in beside[node_id]))
        )

    ready = [node_id for node_id, count in waiting.items() if not count]
    for node_id in ready:
        found[node_id] = sign(node_id)
        for other in leading[node_id]:
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    return found | {node_id: sign(node_id) for node_id, count in waiting.items() if count}


Signature = Callable[[_Signed, str], Hashable]

_EXACT: tuple[Signature, ...] = (
    lambda graph, node_id: graph.keys.get(node_id, graph),
    lambda graph, node_id: (graph.near[2][node_id], graph.nodes[node_id].title),
    lambda graph, node_id: graph.near[2][node_id],
    lambda graph, node_id: graph.near[1][node_id],
    lambda graph, node_id: graph.near[0][node_id],
    lambda graph, node_id: (graph.above[node_id], graph.nodes[node_id].title),
    lambda graph, node_id: (graph.below[node_id], graph.nodes[node_id].title),
    lambda graph, node_id: graph.above[node_id],
    lambda graph, node_id: graph.below[node_id],
)
"""Signatures that say where a node stands, those that say most first."""
_LOOSE: tuple[Signature, ...] = (
    *_EXACT,
    lambda graph, node_id: (graph.own[node_id], graph.nodes[node_id].title),
    lambda graph, node_id: graph.own[node_id],
)


class _Matching:
    def __init__(self, old: _Signed, new: _Signed) -> None:
        self.old, self.new = old, new
        self.pairs: dict[str, str] = {}
        self.free = dict.fromkeys(old.nodes)
        self.evidence: dict[tuple[str, str], int] = defaultdict(int)
        self.strong: list[tuple[float, int, str, str]] = []
        self.weak: list[tuple[float, int, str, str]] = []
        self.other: dict[tuple[str, str], int] = defaultdict(int)

    def run(self) -> None:
        for signature in _EXACT:
            for olds, news in self.groups(signature):
                if len(olds) == len(news) == 1:
                    self.join(olds[0], news[0])
        self.spread()
        for signature in _LOOSE:
            for olds, news in self.groups(signature):
                self.join_alike(olds, news)
        while self.spread() or self.take(self.weak):
            pass
        self.join_rest()
        self.join_replaced()

    def groups(self, signature: Signature) -> Iterator[tuple[list[str], list[str]]]:
        """The nodes of both sides without a partner that have one signature."""
        found: dict[Hashable, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for node_id in self.free:
            found[signature(self.old, node_id)][0].append(node_id)
        for node_id in self.new.nodes:
            if node_id not in self.pairs:
                found[signature(self.new, node_id)][1].append(node_id)
        return (both for both in found.values() if both[0] and both[1])

    def join(self, old: str, new: str) -> bool:
        """Make two nodes partners, if both are free, and note what stands beside them."""
        if old not in self.free or new in self.pairs:
            return False
        del self.free[old]
        self.pairs[new] = old
        before, now = self.old.nodes[old], self.new.nodes[new]
        for name, (source, slot) in before.links.items():
            if name in now.links:
                self.consider(source, now.links[name][0], at_slot=now.links[name][1] == slot)
        self.consider_takers(old, new)
        return True

    def consider_takers(self, old: str, new: str) -> None:
        here: dict[tuple[str, int], list[str]] = defaultdict(list)
        for taker, name, slot in self.new.takers[new]:
            if taker not in self.pairs:
                here[name, slot].append(taker)
        there: dict[tuple[str, int], list[str]] = defaultdict(list)
        for taker, name, slot in self.old.takers[old]:
            if taker in self.free and (name, slot) in here:
                there[name, slot].append(taker)
        for place, olds in there.items():
            for one, other in self.couples(olds, here[place]):
                self.consider(one, other, is_end=not (self.old.takers[one] or self.new.takers[other]))

    def couples(self, olds: Sequence[str], news: Sequence[str]) -> Iterable[tuple[str, str]]:
        """The pairs that are worth a look: all, or of a crowd those alike, in order."""
        if len(olds) * len(news) <= _CROWD:
            return [(old, new) for old in olds for new in news]
        found: list[tuple[str, str]] = []
        for signature in _LOOSE:
            alike: dict[Hashable, list[str]] = defaultdict(list)
            for new in reversed(news):
                alike[signature(self.new, new)].append(new)
            rest = []
            for old in olds:
                same = alike.get(signature(self.old, old))
                if same:
                    found.append((old, same.pop()))
                else:
                    rest.append(old)
            left = {new for each in alike.values() for new in each}
            olds, news = rest, [new for new in news if new in left]
        return [*found, *zip(olds, news, strict=False)]

    def consider(self, old: str, new: str, *, at_slot: bool = True, is_end: bool = True) -> None:
        """Note that two nodes stand at the same place beside partners."""
        if old not in self.free or new in self.pairs or new not in self.new.nodes:
            return
        if self.old.nodes[old].class_type != self.new.nodes[new].class_type:
            self.other[old, new] += 1 if is_end else 0
            return
        self.evidence[old, new] += 1 + at_slot
        alike = self.likeness(old, new)
        heap = self.strong if alike >= 1 else self.weak
        heapq.heappush(heap, (-(alike + self.evidence[old, new]), len(self.evidence), old, new))

    def likeness(self, old: str, new: str) -> float:
        """How much two nodes have in common beside their neighbours: below 1 where that is no whole signature."""
        before, now = self.old.nodes[old], self.new.nodes[new]
        names = before.inputs.keys() | now.inputs.keys()
        equal = sum(name in before.inputs and before.inputs[name] == now.inputs.get(name) for name in names)
        share = 0.8 * equal / len(names) if names else 0.0
        small = share + 0.1 * (before.title == now.title) + 0.05 * (old == new)
        whole = 8 * (self.old.above[old] == self.new.above[new]) + 8 * (self.old.below[old] == self.new.below[new])
        whole += 8 * (self.old.keys.get(old, "") == self.new.keys.get(new))
        return whole + 4 * (self.old.own[old] == self.new.own[new]) + small

    def take(self, heap: list[tuple[float, int, str, str]]) -> bool:
        """Join the best pair of those noted, if any is free."""
        while heap:
            _, _, old, new = heapq.heappop(heap)
            if self.join(old, new):
                return True
        return False

    def spread(self) -> bool:
        """Join what stands beside partners and has a signature in common; says whether anything was found."""
        found = False
        while self.take(self.strong):
            found = True
        return found

    def join_alike(self, olds: Sequence[str], news: Sequence[str]) -> None:
        """Join nodes that nothing tells apart, and with each pair at once all that stands beside it."""
        if self.old.below[olds[0]] != self.new.below[news[0]] and len(olds) * len(news) <= _MANY:
            around = {old: self.old.around(old) for old in olds}, {new: self.new.around(new) for new in news}
            rated = [(-(around[0][old] & around[1][new]).total(), old != new, place, old, new)
                     for place, old in enumerate(olds) for new in news]  # fmt: skip
            for *_, old, new in sorted(rated):
                if self.join(old, new):
                    self.spread()
            return
        same = set(olds).intersection(news)
        for node_id in news:
            if node_id in same and self.join(node_id, node_id):
                self.spread()
        left = [new for new in reversed(news) if new not in self.pairs]
        for old in olds:
            while old in self.free and left:
                if self.join(old, left.pop()):
                    self.spread()

    def join_rest(self) -> None:
        """Of what no neighbour tells: nodes of one class that have their title and half of their inputs in common.

        Or the only ones that are left of it.
        """
        for olds, news in self.groups(lambda graph, node_id: graph.nodes[node_id].class_type):
            if len(olds) * len(news) > _MANY:
                continue
            rated = [(-self.likeness(old, new), place, old, new)
                     for place, old in enumerate(olds) for new in news]  # fmt: skip
            for rating, _, old, new in sorted(rated):
                if -rating >= 0.45 or len(olds) == len(news) == 1:
                    self.join(old, new)
        while self.spread() or self.take(self.weak):
            pass

    def join_replaced(self) -> None:
        """Nodes of another class in the place of one that is gone, feeding the same input."""
        while self.other:
            rated = sorted((-count, old != new, old, new) for (old, new), count in self.other.items() if count)
            self.other.clear()
            for _, _, old, new in rated:
                self.join(old, new)
            while self.spread() or self.take(self.weak):
                pass
