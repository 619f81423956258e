"""Group nodes, which frontends before subgraphs kept in `extra.groupNodes`, read as the subgraphs they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weft.engine.formats.widgets import is_widget, slots
from weft.engine.formats.workflow import Canvas, Node
from weft.engine.schema.node import NodeSchema
from weft.engine.schema.registry import Registry

_PREFIXES = ("workflow/", "workflow>")


def group_name(class_type: str) -> str | None:
    """The name of the group that a node's type refers to, if any."""
    return class_type[len(_PREFIXES[0]) :] if class_type.startswith(_PREFIXES) else None


def group_canvas(group: Any, instance: Node, registry: Registry) -> tuple[Canvas, dict[str, int]]:
    """The subgraph that one instance of a group is; where in its `widgets_values` the part of each inner node begins.

    Raises ValueError (pydantic's ValidationError is one) where the group is not as the editor writes it.
    """
    document, starts = group_document(group, instance, registry)
    return Canvas.model_validate(document), starts


def group_document(group: Any, instance: Node, registry: Registry) -> tuple[dict[str, Any], dict[str, int]]:
    """The same as a document: inner ids are indices, inner widgets hold the instance's values, ids of links are texts.

    Raises ValueError where the group is not as the editor writes it.
    """
    if not isinstance(group, Mapping) or not isinstance(group.get("nodes"), list):
        raise ValueError("it has no list of nodes")
    nodes = [_InnerNode(index, node, group, registry) for index, node in enumerate(group["nodes"])]
    starts = dict(_share(nodes, instance.widgets_values))
    links = list(_inner_links(group, nodes))
    inputs = list(_inputs(nodes, instance))
    for number, (node, slot, _) in enumerate(inputs):
        link = {"id": f"in{number}", "origin_id": -10, "origin_slot": number, "target_id": node.index}
        links.append(node.connect(slot, link))
    outputs = list(_outputs(nodes, group))
    for number, (node, slot) in enumerate(outputs):
        link = {"id": f"out{number}", "origin_id": node.index, "origin_slot": slot, "target_id": -20}
        links.append({**link, "target_slot": number})
    panels = [{"name": name, "type": node.inputs[slot].get("type")} for node, slot, name in inputs]
    document = {
        "nodes": [node.to_json() for node in nodes],
        "links": links,
        "inputs": panels,
        "outputs": [{"name": "", "type": node.outputs[slot].get("type")} for node, slot in outputs],
    }
    return document, starts


class _InnerNode:
    """A node of the group, with the sockets that the group's links go by: the saved ones."""

    def __init__(self, index: int, saved: Any, group: Mapping[str, Any], registry: Registry) -> None:
        if not isinstance(saved, Mapping) or not isinstance(saved.get("type"), str):
            raise ValueError(f"its node {index} has no type")
        self.index = index
        self.saved = saved
        self.type: str = saved["type"]
        self.schema: NodeSchema | None = None
        if self.type in registry:
            self.schema = registry[self.type]
        self.inputs = [dict(slot) for slot in _objects(saved.get("inputs"))]
        # Every widget may be linked from outside, and old saves list no socket for it.
        listed = {slot.get("name") for slot in self.inputs if isinstance(slot.get("name"), str)}
        declared = self.schema.by_name.values() if self.schema else ()
        widgets = [spec for spec in declared if is_widget(spec) and spec.name not in listed]
        self.inputs += [{"name": spec.name, "type": "*", "widget": {"name": spec.name}} for spec in widgets]
        self.outputs = list(_objects(saved.get("outputs")))
        self.values: Any = saved.get("widgets_values")
        self.config = _object(_object(group.get("config")).get(str(index)))
        self.title = str(saved.get("title") or self.type)
        self.linked_inside: set[int] = set()

    def connect(self, slot: int, link: dict[str, Any]) -> dict[str, Any]:
        self.inputs[slot]["link"] = link["id"]
        return {**link, "target_slot": slot}

    def name_of(self, slot: int) -> str:
        """An input's name; that of a reroute is its type, as the links have it."""
        found = self.inputs[slot].get("name") or self.inputs[slot].get("type")
        return found if isinstance(found, str) else ""

    def is_widget(self, slot: int) -> bool:
        spec = self.schema.by_name.get(self.name_of(slot)) if self.schema else None
        return is_widget(spec) if spec else "widget" in self.inputs[slot]

    def setting(self, section: str, name: str) -> Mapping[str, Any]:
        return _object(_object(self.config.get(section)).get(name))

    def exposed(self) -> Iterator[int]:
        """The inputs that the group shows: not linked inside, not hidden."""
        for slot in range(len(self.inputs)):
            if slot not in self.linked_inside and self.setting("input", self.name_of(slot)).get("visible") is not False:
                yield slot

    def to_json(self) -> dict[str, Any]:
        return {**self.saved, "id": self.index, "inputs": self.inputs, "widgets_values": self.values}


def _inner_links(group: Mapping[str, Any], nodes: list[_InnerNode]) -> Iterator[dict[str, Any]]:
    """`[source | null, slot, target, slot, outer id, type]`; null is for what comes from outside."""
    for number, link in enumerate(group.get("links") or ()):
        if not isinstance(link, list) or len(link) < 4:
            raise ValueError(f"its link {number} is {link!r:.60}")
        source, source_slot, target, slot = link[:4]
        if not (type(target) is int and type(slot) is int and 0 <= target < len(nodes)):
            continue
        node = nodes[target]
        if not 0 <= slot < len(node.inputs):
            continue
        if type(source) is int:
            node.linked_inside.add(slot)
            origin = {"id": f"link{number}", "origin_id": source, "origin_slot": source_slot, "target_id": target}
            yield node.connect(slot, origin)
        elif len(link) > 5 and not node.inputs[slot].get("name"):
            node.inputs[slot]["type"] = link[5]


def _inputs(nodes: list[_InnerNode], instance: Node) -> Iterator[tuple[_InnerNode, int, str]]:
    """The group's inputs with the names that the instance gives them.

    Where the instance has as many sockets as the group, but calls one otherwise, the order tells which it is.
    """
    names = _names(nodes)
    found = [(node, slot, names[node.index, node.name_of(slot)]) for node in nodes for slot in node.exposed()]
    saved = [slot.name for slot in instance.inputs if slot.widget_name is None]
    sockets = [place for place, (node, slot, _) in enumerate(found) if not node.is_widget(slot)]
    if len(saved) == len(sockets):
        for place, name in zip(sockets, saved, strict=True):
            node, slot, computed = found[place]
            found[place] = (node, slot, computed if computed in saved else name)
    yield from found


def _names(nodes: list[_InnerNode]) -> dict[tuple[int, str], str]:
    """What the group calls each widget and each exposed input, by node and own name.

    A repeated name has the inner node's title or type before it.
    """
    names: dict[tuple[int, str], str] = {}
    seen: set[str] = set()
    for node in nodes:
        exposed = [node.name_of(slot) for slot in node.exposed()]
        declared = node.schema.by_name.values() if node.schema else ()
        inputs = [spec.name for spec in declared if is_widget(spec) or spec.name in exposed]
        for own in [*inputs, *(name for name in exposed if name not in inputs)]:
            renamed = node.setting("input", own).get("name")
            name = renamed if isinstance(renamed, str) and renamed else own
            names[node.index, own] = name = f"{node.title} {name}" if name in seen else name
            seen.add(name)
    return names


def _outputs(nodes: list[_InnerNode], group: Mapping[str, Any]) -> Iterator[tuple[_InnerNode, int]]:
    """The group's outputs: those that lead outside, or nowhere."""
    used = {f"{source}:{slot}" for source, slot, *_ in group.get("links") or ()}
    outside = set()
    for entry in group.get("external") or ():
        if isinstance(entry, list) and len(entry) > 1:
            outside.add(f"{entry[0].get('index') if isinstance(entry[0], Mapping) else entry[0]}:{entry[1]}")
    for node in nodes:
        for slot in range(len(node.outputs)):
            place = f"{node.index}:{slot}"
            shown = node.setting("output", str(slot)).get("visible") is not False
            if node.type != "PrimitiveNode" and shown and (place in outside or place not in used):
                yield node, slot


def _share(nodes: list[_InnerNode], values: Any) -> Iterator[tuple[str, int]]:
    """Give each inner node its part of the instance's `widgets_values`: ids, and where the parts begin.

    How many a node takes is how many it was saved with: its class may have gained widgets since.
    """
    saved = [len(node.values) if isinstance(node.values, list) else 0 for node in nodes]
    defined = [len(slots(node.schema.by_name.values())) if node.schema else len(node.values or ()) for node in nodes]
    given = values if isinstance(values, list) else []
    counts = defined if sum(defined) == len(given) != sum(saved) else saved
    start = 0
    for node, count in zip(nodes, counts, strict=True):
        own = node.values if isinstance(node.values, list) else []
        share = given[start : start + count]
        if share:
            node.values = [*share, *own[len(share) :]]
            yield str(node.index), start
        start += count


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else iter(())


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
