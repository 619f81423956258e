"""Two graphs of nodes compared: what is only in one of them, and what changed about the nodes that both have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Generic

from weft.engine.comparing.changes import Change, Compared, class_changes, input_changes
from weft.engine.comparing.matching import Counterparts, Each, match

ADDED, REMOVED = "added", "removed"

Changes = Callable[[Each, Each, Counterparts], Iterable[Change]]


@dataclass(frozen=True)
class GraphDifference:
    """One thing that differs: a node that is only `added` or `removed`, or a change of one.

    `old` and `new` are the node's ids before and now, empty where it is not. `follows` is, by the same two ids, the
    node of which this is a consequence: it came or went at an end of a link, or its class, another one now, has other
    inputs.
    """

    kind: str
    old: str
    new: str
    change: Change | None = None
    follows: tuple[str, str] | None = None


@dataclass(frozen=True)
class GraphComparison(Generic[Each]):
    """Two graphs, sources first or in any order, and what differs: changes in the order of now, then what is gone."""

    before: Mapping[str, Each]
    now: Mapping[str, Each]
    counterparts: Counterparts
    differences: tuple[GraphDifference, ...]

    @property
    def kept(self) -> int:
        """How many nodes have a counterpart of their own class."""
        return sum(self.before[a].class_type == self.now[b].class_type for b, a in self.counterparts.pairs.items())


def own_changes(before: Compared, now: Compared, counterparts: Counterparts) -> Iterator[Change]:
    """What changed at a node: its class, its constants, where its inputs come from."""
    yield from class_changes(before, now)
    yield from input_changes(before, now, counterparts)


def compare_graphs(
    before: Mapping[str, Each], now: Mapping[str, Each], changes: Changes[Each] = own_changes
) -> GraphComparison[Each]:
    """Compare two graphs; `changes` says what changed about a node."""
    counterparts = match(before, now)
    pairs = counterparts.pairs
    kept = set(pairs.values())
    found: list[GraphDifference] = []
    for new, node in now.items():
        if new not in pairs:
            found.append(GraphDifference(ADDED, "", new))
            continue
        old = pairs[new]
        for change in changes(before[old], node, counterparts):
            found.append(GraphDifference(change.kind, old, new, change))
            was, name = before[old], change.input
            if change.kind == "link":
                follows = _came_or_went(was.links[name][0], node.links[name][0], pairs, kept)
                found[-1] = replace(found[-1], follows=follows)
            elif was.class_type != node.class_type and name and not (_has(was, name) and _has(node, name)):
                found[-1] = replace(found[-1], follows=(old, new))
    found += [GraphDifference(REMOVED, old, "") for old in before if old not in kept]
    return GraphComparison(before, now, counterparts, tuple(found))


def _has(node: Compared, name: str) -> bool:
    return name in node.inputs or name in node.links


def _came_or_went(old: str, new: str, pairs: Mapping[str, str], kept: set[str]) -> tuple[str, str] | None:
    """The end of a link that is only there now, or was only there before."""
    if new not in pairs:
        return "", new
    return None if old in kept else (old, "")
