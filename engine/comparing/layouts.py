"""How two workflows differ for the eye alone: titles; of two saves of the editor places, colours, groups and notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from weft.engine.comparing.changes import short
from weft.engine.comparing.workflows import DiffSide, WorkflowDiff
from weft.engine.documents import value_at
from weft.engine.formats.virtual import virtual_nodes
from weft.engine.schema.frontend import NodeKind
from weft.engine.schema.registry import Registry

_LOOKS: Mapping[str, str] = {
    "pos": "moved",
    "size": "resized",
    "color": "another colour",
    "bgcolor": "another colour",
    "flags": "folded or pinned",
}
"""What of a saved node only shows, and what is said where it differs."""


class LayoutDifference(NamedTuple):
    """One thing that looks otherwise: of a node, by its ids before and now, or of neither, with empty ids."""

    old: str
    new: str
    text: str


def layout_differences(found: WorkflowDiff, registry: Registry) -> Iterator[LayoutDifference]:
    """What looks otherwise, node by node in the order of now, then groups and notes; ids are no difference, either."""
    told: set[tuple[str, str]] = set()
    for new in found.now.nodes:
        old = found.graphs.counterparts.pairs.get(new)
        if old is None:
            continue
        place = found.before.prompt.at(old), found.now.prompt.at(new)
        said = list(dict.fromkeys(_of_node(found, old, new, place)))
        if said and place not in told:  # a subgraph's nodes stand there once, however often it is used
            yield LayoutDifference(old, new, ", ".join(said))
        told.add(place)
    if found.before.workflow is None or found.now.workflow is None:
        return
    kinds = {name: each.kind for name, each in virtual_nodes(registry.packs).items()}
    for what in ("group", "note"):
        was, now = (_groups(side) if what == "group" else _notes(side, kinds) for side in (found.before, found.now))
        for sign, texts in (("only before", was - now), ("only now", now - was)):
            for text in texts.elements():
                yield LayoutDifference("", "", f"{what} {text}, {sign}")


def _of_node(found: WorkflowDiff, old: str, new: str, place: tuple[str, str]) -> Iterator[str]:
    before, now = found.before.nodes[old], found.now.nodes[new]
    if before.class_type == now.class_type and before.title != now.title:
        yield f"title {short(before.title)} -> {short(now.title)}"
    if found.before.workflow is None or found.now.workflow is None:
        return
    was, is_ = (_saved(side, at) for side, at in zip((found.before, found.now), place, strict=True))
    for name, said in _LOOKS.items():
        if _plain(was.get(name)) != _plain(is_.get(name)):
            yield said


def _saved(side: DiffSide, place: str) -> Mapping[str, Any]:
    assert side.workflow is not None
    try:
        node = value_at(side.workflow.document, place)
    except LookupError:  # inside a group node, which has no places of its own
        return {}
    return node if isinstance(node, Mapping) else {}


def _plain(value: Any) -> Any:
    """A place as a list, however an editor wrote it: older ones have {"0": x, "1": y}; no colour is no colour."""
    if isinstance(value, dict) and value.keys() >= {"0", "1"}:
        return [value["0"], value["1"]]
    return value or None


def _groups(side: DiffSide) -> Counter[str]:
    assert side.workflow is not None
    groups = (each for each in side.workflow.canvas.groups if isinstance(each, Mapping))
    return Counter(f"{short(each.get('title'))} at {short(each.get('bounding'))}" for each in groups)


def _notes(side: DiffSide, kinds: Mapping[str, NodeKind]) -> Counter[str]:
    assert side.workflow is not None
    notes = (node.widgets_values for node in side.workflow.canvas.nodes if kinds.get(node.type) is NodeKind.NOTE)
    return Counter(short(values[0]) for values in notes if isinstance(values, list) and values)
