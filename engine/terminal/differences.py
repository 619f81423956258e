"""What `weft diff` says to a person: node by node, as git says it of lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from weft.engine.comparing.changes import excerpts
from weft.engine.comparing.graphs import ADDED, REMOVED, GraphDifference
from weft.engine.comparing.reading import ComparedNode
from weft.engine.comparing.workflows import KINDS, DiffSide, WorkflowDiff
from weft.engine.errors import one_line
from weft.engine.schema.registry import Registry
from weft.engine.terminal.streams import Line

_SHORT = 48
"""How long two values may be that stand in one line."""
_LONG = 100
_SIGNS = {ADDED: "+", REMOVED: "-", "bypassed": "-", "muted": "-", "activated": "+"}
_STYLES = {"+": "green", "-": "red", "~": "yellow"}


def lines(found: WorkflowDiff) -> Iterator[Line]:
    """Both names, each node that differs and what differs about it, and how many differences there are of each kind."""
    if not found.differs:
        count = len(found.now.nodes)
        yield [f"{found.before.name} and {found.now.name} mean the same, {count} node{'s' if count != 1 else ''}"]
        return
    yield [(f"--- {found.before.name}", "bold")]
    yield [(f"+++ {found.now.name}", "bold")]
    for first, group in found.by_node():
        yield from of_node(found, first, group)
    yield [(summary(found), "bold")]


def of_node(found: WorkflowDiff, first: GraphDifference, group: Sequence[GraphDifference]) -> Iterator[Line]:
    """The node that `first` is about, and what differs about it."""
    sign = _SIGNS.get(first.kind, "~")
    yield [(f"{sign} {_node(found, first)}", _STYLES[sign]), *_said(first)]
    for each in group:
        yield from _about(found, each)


def unknown(found: WorkflowDiff, registry: Registry) -> list[str]:
    """The classes of nodes that differ and are not known here: what was saved of them is compared."""
    nodes = (found.node(first) for first, _ in found.by_node())
    return sorted({node.class_type for node in nodes if node.class_type not in registry})


def summary(found: WorkflowDiff) -> str:
    """`1 input changed, 2 nodes added`; of seeds alone that only they differ."""
    counted = ", ".join(f"{count} {KINDS[kind][count != 1]}" for kind, count in found.counts.items())
    if found.seeds_only:
        told = ", ".join(
            f"node {each.new} {each.change.input} {_value(before)} -> {_value(now)}"
            for each in found.differences
            if each.change is not None
            for before, now in (found.values(each),)
        )
        return f"only seeds differ: {one_line(told)}"
    return counted


def _node(found: WorkflowDiff, each: GraphDifference) -> str:
    node = found.node(each)
    ids = dict.fromkeys(filter(None, (each.old, each.new)))
    named = f"node {' -> '.join(ids)}"
    if node.title != node.class_type:
        named += f' "{node.title}"'
    was = found.before.nodes[each.old].class_type if each.old in found.before.nodes else node.class_type
    return one_line(f"{named} ({node.class_type if was == node.class_type else f'{was} -> {node.class_type}'})")


def _said(each: GraphDifference) -> Line:
    """What became of the node as a whole."""
    if each.kind in ("bypassed", "muted"):
        return [f": {each.kind}"]
    return [": no longer muted or bypassed"] if each.kind == "activated" else []


def _about(found: WorkflowDiff, each: GraphDifference) -> Iterator[Line]:
    if each.kind == "class":
        return
    if each.change is None:
        if each.kind in (ADDED, REMOVED):
            side = found.now if each.kind == ADDED else found.before
            yield from _whole(side, found.node(each), _SIGNS[each.kind])
        return
    name = one_line(each.change.input)
    before, now = found.values(each)
    was, is_ = _shown(before, found.before), _shown(now, found.now)
    if isinstance(before, str) and isinstance(now, str) and max(len(was), len(is_)) > _LONG:
        was, is_ = map(_value, excerpts(before, now))
    was, is_ = one_line(was), one_line(is_)
    if before is not None and now is not None and max(len(was), len(is_)) <= _SHORT:
        yield [f"    {name}: ", (was, "red"), " -> ", (is_, "green")]
        return
    if before is not None:
        yield [(f"-   {name}: {was}", "red")]
    if now is not None:
        yield [(f"+   {name}: {is_}", "green")]


def _whole(side: DiffSide, node: ComparedNode, sign: str) -> Iterator[Line]:
    """All that a node has which is on one side only."""
    for name, value in (*node.inputs.items(), *((name, {"from": link}) for name, link in node.links.items())):
        text = _shown(value, side)
        yield [
            (one_line(f"{sign}   {name}: {text if len(text) <= _LONG else text[: _LONG - 3] + '...'}"), _STYLES[sign])
        ]


def _shown(value: Any, side: DiffSide) -> str:
    """A value, or the output that a link comes from."""
    if isinstance(value, dict) and value.keys() == {"from"}:
        source, slot = value["from"]
        title = f' "{side.nodes[source].title}"' if source in side.nodes else ""
        return f"node {source}{title} output {slot}"
    return _value(value)


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)
