"""Where nodes go on the canvas: left to right by depth, few crossings, nothing overlaps, groups stay together.

Sugiyama's method (K. Sugiyama, S. Tagawa, M. Toda, 1981): layers by longest path, crossings reduced by
barycentre sweeps, heights by least squares in that order. It knows boxes and the wires between them, no workflow.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import NamedTuple

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


Point = tuple[float, float]


class Arrangement(NamedTuple):
    """Where boxes and groups are, and, by its place among the wires, the points that a wire is led through.

    Between these it passes layers, from one to the next, or crosses one, in a straight line and beside all boxes; it
    may be above or below all of them.
    """

    places: dict[Key, Rectangle]
    ways: dict[int, list[Point]]


def arrange(sizes: Mapping[Key, Size], wires: Iterable[Edge], groups: Sequence[Group] = ()) -> dict[Key, Rectangle]:
    """Places for every box and every group, in a plane whose y grows downwards; the upper left corner is (0, 0).

    A group is laid out alone, then stands among the rest as one box: so its frame holds its own boxes and no other.
    Wires that close a cycle run backwards. Takes 0.1 to 0.3 ms a box; a wire to a box without a size is a KeyError.
    """
    return arrange_with_ways(sizes, wires, groups).places


def arrange_with_ways(sizes: Mapping[Key, Size], wires: Iterable[Edge], groups: Sequence[Group] = ()) -> Arrangement:
    """The same, with the ways of wires that are longer than from one layer to the next."""
    return _arranged(sizes, dict(enumerate(wires)), groups)


def _arranged(sizes: Mapping[Key, Size], wires: Mapping[int, Edge], groups: Sequence[Group]) -> Arrangement:
    owner = {box: group for group in groups for box in _members(group)}
    outer: dict[int, Edge] = {}
    inner: dict[Key, dict[int, Edge]] = defaultdict(dict)
    for number, wire in wires.items():
        source, target = owner.get(wire.source), owner.get(wire.target)
        if source is not None and source is target:
            inner[source.key][number] = wire
        else:
            outer[number] = wire
    frames: dict[Key, dict[Key, Rectangle]] = {}
    inside_ways: dict[Key, dict[int, list[Point]]] = {}
    boxes = {key: size for key, size in sizes.items() if key not in owner}
    for group in groups:
        own = {key: sizes[key] for key in _members(group)}
        frames[group.key], inside_ways[group.key] = _arranged(own, inner[group.key], group.groups)
        inside = frames[group.key]
        boxes[group.key] = Size(
            max((place.x + place.width for place in inside.values()), default=0) + 2 * GROUP_PADDING,
            max((place.y + place.height for place in inside.values()), default=0) + GROUP_TITLE + GROUP_PADDING,
        )

    def end(key: Key, y: float) -> tuple[Key, float]:
        group = owner.get(key)
        return (key, y) if group is None else (group.key, y + frames[group.key][key].y + GROUP_TITLE)

    ends = {n: Edge(*end(w.source, w.source_y), *end(w.target, w.target_y)) for n, w in outer.items()}
    placed, ways = _components(boxes, ends)
    for group in groups:
        frame = placed[group.key]
        left, top = frame.x + GROUP_PADDING, frame.y + GROUP_TITLE
        for key, place in frames[group.key].items():
            placed[key] = place._replace(x=left + place.x, y=top + place.y)
        ways |= {n: [(left + x, top + y) for x, y in points] for n, points in inside_ways[group.key].items()}
    return Arrangement(placed, ways)


def _members(group: Group) -> list[Key]:
    return [*group.boxes, *(key for child in group.groups for key in _members(child))]


_Following = dict[Key, dict[Key, None]]
"""Of each box those that it is wired to, in order."""


def _components(sizes: Mapping[Key, Size], wires: Mapping[int, Edge]) -> Arrangement:
    """Parts that no wire joins stand one above the other, in the order of their first boxes."""
    following: _Following = {key: {} for key in sizes}
    for wire in wires.values():
        if wire.source != wire.target:
            following[wire.source][wire.target] = None
    part = _parts(following)
    own_sizes: dict[int, dict[Key, Size]] = defaultdict(dict)
    own_wires: dict[int, dict[int, Edge]] = defaultdict(dict)
    for key, size in sizes.items():
        own_sizes[part[key]][key] = size
    for at, wire in wires.items():
        own_wires[part[wire.source]][at] = wire
    placed: dict[Key, Rectangle] = {}
    ways: dict[int, list[Point]] = {}
    top = 0.0
    for number, boxes in own_sizes.items():
        layers = _layers({key: following[key] for key in boxes})
        places, own_ways = _Layered(boxes, own_wires[number], layers).arranged()
        low = min([0.0, *(y for points in own_ways.values() for _, y in points)])
        top -= low if placed else 0.0
        placed.update((key, place._replace(y=place.y + top)) for key, place in places.items())
        ways |= {at: [(x, y + top) for x, y in points] for at, points in own_ways.items()}
        lowest = max(place.y + place.height for place in places.values())
        top += max([lowest, *(y for points in own_ways.values() for _, y in points)]) + 2 * ROW_GAP
    return Arrangement(placed, ways)


def _parts(following: _Following) -> dict[Key, int]:
    """The number of the part that each box is in: boxes of one part are joined by wires."""
    near: dict[Key, list[Key]] = {key: list(others) for key, others in following.items()}
    for key, others in following.items():
        for other in others:
            near[other].append(key)
    part: dict[Key, int] = {}
    for number, first in enumerate(following):
        todo = [first] if first not in part else []
        while todo:
            key = todo.pop()
            if key not in part:
                part[key] = number
                todo += near[key]
    return part


def _layers(following: _Following) -> dict[Key, int]:
    """The layer of each box: how far from the first one it is; with more readers than sources, next to its readers."""
    layer, order = _depths(following)
    if len(order) < len(following):
        following = _without_cycles(following)
        layer, order = _depths(following)
    sources = dict.fromkeys(following, 0)
    for others in following.values():
        for other in others:
            sources[other] += 1
    for key in reversed(order):
        if len(following[key]) > sources[key]:
            layer[key] = min(layer[reader] for reader in following[key]) - 1
    return layer


def _depths(following: _Following) -> tuple[dict[Key, int], list[Key]]:
    """How many wires lead to a box at most, and the boxes, sources first; without those that a cycle leads to."""
    waiting = dict.fromkeys(following, 0)
    for others in following.values():
        for other in others:
            waiting[other] += 1
    depth = dict.fromkeys(following, 0)
    order = [key for key, count in waiting.items() if not count]
    for key in order:
        for other in following[key]:
            depth[other] = max(depth[other], depth[key] + 1)
            waiting[other] -= 1
            if not waiting[other]:
                order.append(other)
    return depth, order


def _without_cycles(following: _Following) -> _Following:
    """The same without the wires that go back."""
    import networkx as nx  # 0.1 s to import, and hardly any graph has a cycle

    graph: nx.DiGraph[Key] = nx.DiGraph()
    graph.add_nodes_from(following)
    graph.add_edges_from((key, other) for key, others in following.items() for other in others)
    rank = {key: number for number, key in enumerate(following)}
    # Tarjan's components come last to first; inside one of several boxes there is a cycle, cut where it goes back.
    components = reversed(list(nx.strongly_connected_components(graph)))
    sequence = {
        key: n for n, key in enumerate(key for part in components for key in sorted(part, key=rank.__getitem__))
    }
    return {
        key: {other: None for other in others if sequence[key] < sequence[other]} for key, others in following.items()
    }


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
    wires: Mapping[int, Edge]
    depth: Mapping[Key, int]
    layers: list[list[Key]] = field(default_factory=list)
    led: dict[int, tuple[_Channel, ...]] = field(default_factory=dict)
    left: dict[Key, list[_Segment]] = field(default_factory=lambda: defaultdict(list))
    right: dict[Key, list[_Segment]] = field(default_factory=lambda: defaultdict(list))

    def arranged(self) -> Arrangement:
        self.layers = [[] for _ in range(max(self.depth.values()) + 1)]
        for key in self.sizes:
            self.layers[self.depth[key]].append(key)
        self._lead_wires()
        self._reduce_crossings()
        tops = self._tops()
        lowest = min(tops[key] for key in self.sizes)
        places: dict[Key, Rectangle] = {}
        columns: list[tuple[float, float]] = []
        x = 0.0
        for layer in self.layers:
            boxes = [key for key in layer if key in self.sizes]
            for key in boxes:
                places[key] = Rectangle(x, tops[key] - lowest, *self.sizes[key])
            columns.append((x, x + max(self.sizes[key].width for key in boxes)))
            x = columns[-1][1] + COLUMN_GAP
        ways = {
            number: [(x, tops[each] + _CHANNEL / 2 - lowest) for each in channels for x in columns[each.layer]]
            for number, channels in self.led.items()
        }
        return Arrangement(places, ways)

    def _effort(self) -> int:
        """How many sweeps: fewer for graphs that are too large to be looked at anyway."""
        return min(_SWEEPS, 1 + _WORK // (len(self.sizes) + len(self.wires)))

    def _height(self, key: Key) -> float:
        return self.sizes[key].height if key in self.sizes else _CHANNEL

    def _lead_wires(self) -> None:
        """Cut every wire into segments between neighbouring layers; the longest get none where they are too many."""
        budget = 4 * len(self.sizes) + 1000
        led: dict[tuple[Key, float], list[_Channel]] = defaultdict(list)
        shortest = sorted(self.wires.items(), key=lambda each: self.depth[each[1].target] - self.depth[each[1].source])
        for number, wire in shortest:
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
            if channels:
                self.led[number] = tuple(channels)
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
