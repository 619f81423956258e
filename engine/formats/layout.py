"""Where nodes go on the canvas: left to right by depth, few crossings, nothing overlaps, groups stay together.

Sugiyama's method (K. Sugiyama, S. Tagawa, M. Toda, 1981) on networkx: layers by longest path, crossings reduced by
barycentre sweeps, heights by least squares in that order. It knows boxes and the wires between them, no workflow.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import networkx

COLUMN_GAP = 80.0
ROW_GAP = 40.0
GROUP_PADDING = 20.0
GROUP_TITLE = 50.0
_CHANNEL = 10.0
_SWEEPS = 24
_WORK = 200_000
_PATIENCE = 4

Key = Hashable


class Size(NamedTuple):
    """Width and height on the canvas, in its units, of all that is drawn of a node."""

    width: float
    height: float


class Edge(NamedTuple):
    """A link: from the right edge of one box to the left edge of another, each at a height inside its box."""

    source: Key
    source_y: float
    target: Key
    target_y: float


@dataclass(frozen=True)
class Group:
    """What stands together inside one frame: boxes, and groups inside it. `key` is its own among boxes and groups."""

    key: Key
    boxes: tuple[Key, ...]
    groups: tuple[Group, ...] = ()


class Rectangle(NamedTuple):
    """The upper left corner of a box or of a group's frame, and its size."""

    x: float
    y: float
    width: float
    height: float


def arrange(sizes: Mapping[Key, Size], wires: Iterable[Edge], groups: Sequence[Group] = ()) -> dict[Key, Rectangle]:
    """Places for every box and every group, in a plane whose y grows downwards; the upper left corner is (0, 0).

    A group is laid out alone, then stands among the rest as one box: so its frame holds its own boxes and no other.
    Wires that close a cycle run backwards. Takes 0.1 to 0.3 ms a box; a wire to a box without a size is a KeyError.
    """
    owner = {box: group for group in groups for box in _members(group)}
    outer: list[Edge] = []
    inner: dict[Key, list[Edge]] = defaultdict(list)
    for wire in wires:
        source, target = owner.get(wire.source), owner.get(wire.target)
        if source is not None and source is target:
            inner[source.key].append(wire)
        else:
            outer.append(wire)
    frames: dict[Key, dict[Key, Rectangle]] = {}
    boxes = {key: size for key, size in sizes.items() if key not in owner}
    for group in groups:
        own = {key: sizes[key] for key in _members(group)}
        frames[group.key] = inside = arrange(own, inner[group.key], group.groups)
        boxes[group.key] = Size(
            max((place.x + place.width for place in inside.values()), default=0) + 2 * GROUP_PADDING,
            max((place.y + place.height for place in inside.values()), default=0) + GROUP_TITLE + GROUP_PADDING,
        )

    def end(key: Key, y: float) -> tuple[Key, float]:
        group = owner.get(key)
        return (key, y) if group is None else (group.key, y + frames[group.key][key].y + GROUP_TITLE)

    placed = _components(boxes, [Edge(*end(w.source, w.source_y), *end(w.target, w.target_y)) for w in outer])
    for group in groups:
        frame = placed[group.key]
        for key, place in frames[group.key].items():
            placed[key] = place._replace(x=frame.x + GROUP_PADDING + place.x, y=frame.y + GROUP_TITLE + place.y)
    return placed


def _members(group: Group) -> list[Key]:
    return [*group.boxes, *(key for child in group.groups for key in _members(child))]


def _components(sizes: Mapping[Key, Size], wires: Sequence[Edge]) -> dict[Key, Rectangle]:
    """Parts that no wire joins stand one above the other, in the order of their first boxes."""
    import networkx as nx

    graph: networkx.DiGraph[Key] = nx.DiGraph()
    graph.add_nodes_from(sizes)
    graph.add_edges_from((wire.source, wire.target) for wire in wires if wire.source != wire.target)
    part = {key: number for number, keys in enumerate(nx.weakly_connected_components(graph)) for key in keys}
    own_sizes: dict[int, dict[Key, Size]] = defaultdict(dict)
    own_wires: dict[int, list[Edge]] = defaultdict(list)
    for key, size in sizes.items():
        own_sizes[part[key]][key] = size
    for wire in wires:
        own_wires[part[wire.source]].append(wire)
    placed: dict[Key, Rectangle] = {}
    top = 0.0
    for number, boxes in own_sizes.items():
        layers = _layers(graph.subgraph(boxes), list(boxes))
        places = _Layered(boxes, own_wires[number], layers).places()
        placed.update((key, place._replace(y=place.y + top)) for key, place in places.items())
        top += max(place.y + place.height for place in places.values()) + 2 * ROW_GAP
    return placed


def _layers(graph: networkx.DiGraph[Key], order: Sequence[Key]) -> dict[Key, int]:
    """The layer of each box: how far from the first one it is; with more readers than sources, next to its readers."""
    import networkx as nx

    rank = {key: number for number, key in enumerate(order)}
    # Tarjan's components come last to first; inside one of several boxes there is a cycle, cut where it goes back.
    components = reversed(list(nx.strongly_connected_components(graph)))
    sequence = {
        key: n for n, key in enumerate(key for part in components for key in sorted(part, key=rank.__getitem__))
    }
    forward: networkx.DiGraph[Key] = nx.DiGraph()
    forward.add_nodes_from(order)
    forward.add_edges_from((a, b) for a, b in graph.edges if sequence[a] < sequence[b])
    layer = {key: depth for depth, keys in enumerate(nx.topological_generations(forward)) for key in keys}
    for key in sorted(order, key=sequence.__getitem__, reverse=True):
        if forward.out_degree(key) > forward.in_degree(key):
            layer[key] = min(layer[reader] for reader in forward.successors(key)) - 1
    return layer


@dataclass(frozen=True)
class _Channel:
    """Where a wire passes a layer in which it does not end; wires from the same output share it."""

    source: Key
    source_y: float
    layer: int


class _Segment(NamedTuple):
    """A piece of a wire seen from one end: the neighbour in the next layer, where it meets it, and where it ends."""

    neighbour: Key
    there: float
    here: float


@dataclass
class _Layered:
    """One connected part on its way to places. `layers` holds the keys from top to bottom, channels among them."""

    sizes: Mapping[Key, Size]
    wires: Sequence[Edge]
    depth: Mapping[Key, int]
    layers: list[list[Key]] = field(default_factory=list)
    left: dict[Key, list[_Segment]] = field(default_factory=lambda: defaultdict(list))
    right: dict[Key, list[_Segment]] = field(default_factory=lambda: defaultdict(list))

    def places(self) -> dict[Key, Rectangle]:
        self.layers = [[] for _ in range(max(self.depth.values()) + 1)]
        for key in self.sizes:
            self.layers[self.depth[key]].append(key)
        self._lead_wires()
        self._reduce_crossings()
        tops = self._tops()
        lowest = min(tops[key] for key in self.sizes)
        places: dict[Key, Rectangle] = {}
        x = 0.0
        for layer in self.layers:
            boxes = [key for key in layer if key in self.sizes]
            for key in boxes:
                places[key] = Rectangle(x, tops[key] - lowest, *self.sizes[key])
            x += max(self.sizes[key].width for key in boxes) + COLUMN_GAP
        return places

    def _effort(self) -> int:
        """How many sweeps: fewer for graphs that are too large to be looked at anyway."""
        return min(_SWEEPS, 1 + _WORK // (len(self.sizes) + len(self.wires)))

    def _height(self, key: Key) -> float:
        return self.sizes[key].height if key in self.sizes else _CHANNEL

    def _lead_wires(self) -> None:
        """Cut every wire into segments between neighbouring layers; the longest get none where they are too many."""
        budget = 4 * len(self.sizes) + 1000
        led: dict[tuple[Key, float], list[_Channel]] = defaultdict(list)
        for wire in sorted(self.wires, key=lambda wire: self.depth[wire.target] - self.depth[wire.source]):
            first, last = self.depth[wire.source], self.depth[wire.target]
            channels = led[wire.source, wire.source_y]
            missing = last - first - 1 - len(channels)
            if first >= last or missing > budget:
                continue
            for layer in range(last - max(missing, 0), last):
                channel = _Channel(wire.source, wire.source_y, layer)
                self.layers[layer].append(channel)
                self._join(*self._end(wire, channels), channel, _CHANNEL / 2)
                channels.append(channel)
            budget -= max(missing, 0)
            self._join(*self._end(wire, channels), wire.target, wire.target_y)

    def _end(self, wire: Edge, channels: Sequence[_Channel]) -> tuple[Key, float]:
        return (channels[-1], _CHANNEL / 2) if channels else (wire.source, wire.source_y)

    def _join(self, key: Key, y: float, target: Key, target_y: float) -> None:
        self.right[key].append(_Segment(target, target_y, y))
        self.left[target].append(_Segment(key, y, target_y))

    def _reduce_crossings(self) -> None:
        """Barycentre sweeps, to the right and back; the order with the fewest crossings stays."""
        best, fewest, found = [list(layer) for layer in self.layers], self._crossings(), 0
        for sweep in range(self._effort()):
            if not fewest or sweep - found >= _PATIENCE:
                break
            rightward = sweep % 2 == 0
            segments = self.left if rightward else self.right
            for before, layer in pairwise(self.layers if rightward else self.layers[::-1]):
                at = self._ports(before)
                own = {key: float(number) for number, key in enumerate(layer)}
                for key in layer:
                    if ends := [at(piece.neighbour, piece.there) for piece in segments[key]]:
                        own[key] = sum(ends) / len(ends) * len(layer) / len(before)
                layer.sort(key=own.__getitem__)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest, found = [list(layer) for layer in self.layers], crossings, sweep
        self.layers = best

    def _ports(self, layer: Sequence[Key]) -> Callable[[Key, float], float]:
        index = {key: number for number, key in enumerate(layer)}
        return lambda key, y: index[key] + y / (self._height(key) + 1)

    def _crossings(self) -> int:
        """How many pairs of segments cross, counted as inversions layer by layer."""
        total = 0
        for before, layer in pairwise(self.layers):
            at_left, at_right = self._ports(before), self._ports(layer)
            ends = sorted(
                (at_left(key, piece.here), at_right(piece.neighbour, piece.there))
                for key in before
                for piece in self.right[key]
            )
            seen: list[float] = []
            for _, same in groupby(ends, key=lambda end: end[0]):
                heights = [height for _, height in same]
                total += sum(len(seen) - bisect_right(seen, height) for height in heights)
                for height in heights:
                    insort(seen, height)
        return total

    def _tops(self) -> dict[Key, float]:
        """The height at which each box starts: near what it is wired to, in the order found, without overlaps."""
        tops: dict[Key, float] = {}
        for layer in self.layers:
            y = 0.0
            for key in layer:
                tops[key] = y
                y += self._height(key) + ROW_GAP
        for sweep in range(self._effort()):
            for layer in self.layers[:: 1 if sweep % 2 == 0 else -1]:
                wanted = [self._wanted(key, tops) for key in layer]
                tops.update(zip(layer, self._spread(layer, wanted), strict=True))
        return tops

    def _wanted(self, key: Key, tops: Mapping[Key, float]) -> float:
        """The mean of the heights at which its wires would run level."""
        segments = [*self.left[key], *self.right[key]]
        level = [tops[piece.neighbour] + piece.there - piece.here for piece in segments]
        return sum(level) / len(level) if level else tops[key]

    def _spread(self, layer: Sequence[Key], wanted: Sequence[float]) -> list[float]:
        """The heights nearest to the wanted ones that keep the order and the gaps: isotonic regression."""
        offsets = [0.0]
        for key in layer[:-1]:
            offsets.append(offsets[-1] + self._height(key) + (ROW_GAP if key in self.sizes else _CHANNEL))
        blocks: list[tuple[float, int]] = []
        for height, offset in zip(wanted, offsets, strict=True):
            total, count = height - offset, 1
            while blocks and blocks[-1][0] / blocks[-1][1] >= total / count:
                previous, members = blocks.pop()
                total, count = total + previous, count + members
            blocks.append((total, count))
        starts = [total / count for total, count in blocks for _ in range(count)]
        return [start + offset for start, offset in zip(starts, offsets, strict=True)]
