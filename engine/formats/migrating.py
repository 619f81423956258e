"""A save of an older editor, or of older node packs, in today's form: what reading it knows is written down.

Invariants:
1. The prompt of what is written is the prompt of what was read, ids and all: it is converted anew and compared.
2. What is in today's form stays as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from weft.engine.documents import value_at
from weft.engine.errors import InvalidWorkflow, Issue
from weft.engine.formats.canvases import EditorGraph, EditorNode
from weft.engine.formats.contents import NodeShapes
from weft.engine.formats.conversion import to_prompt
from weft.engine.formats.editor import EXTRA_SLOTS, looks_old
from weft.engine.formats.groupnodes import group_document, group_name
from weft.engine.formats.legacy import migrate
from weft.engine.formats.reading import read
from weft.engine.formats.widgets import slots, without_forced
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.frontend import NodeKind
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import type_name

Document = dict[str, Any]


@dataclass(frozen=True)
class Migrated:
    """A save in today's form, and what was done, node by node; nothing where it was in that form already."""

    document: Document
    done: tuple[Issue, ...]


def migrated(workflow: Workflow, registry: Registry) -> Migrated:
    """Bring a save into today's form: group nodes become subgraphs, values of older classes stand where they stand now.

    The workflow is not changed. Raises InvalidWorkflow where it has no prompt, as where a node is of a version whose
    values cannot be placed, or where what would be written had another one.
    """
    now = datetime.now()
    before = to_prompt(workflow, registry, keep_unknown=True, now=now)
    migration = _Migration(workflow, registry)
    migration.run()
    found = Migrated(migration.document, tuple(migration.done))
    if found.done:
        try:
            after = to_prompt(Workflow.parse(deepcopy(found.document)), registry, keep_unknown=True, now=now)
        except InvalidWorkflow as error:
            message = f"it cannot be migrated: {error.issues[0].message}"
            raise InvalidWorkflow([replace(error.issues[0], code="not_migrated", message=message)]) from error
        if (one := before.to_json()) != (other := after.to_json()):
            raise InvalidWorkflow(list(_lost(one, other, found.done)))
    return found


def _lost(before: Document, after: Document, done: tuple[Issue, ...]) -> Iterator[Issue]:
    """Why the migration is none: the nodes that would be others."""
    steps = ", ".join(dict.fromkeys(issue.message for issue in done))
    for node_id in {**before, **after}:
        if before.get(node_id) != after.get(node_id):
            class_type = (before.get(node_id) or after[node_id])["class_type"]
            message = f"it cannot be migrated: the node would get other inputs by {steps}"
            yield Issue("not_migrated", message, node_id, class_type)


@dataclass
class _Migration:
    workflow: Workflow
    registry: Registry
    done: list[Issue] = field(default_factory=list)

    def run(self) -> None:
        self.document = deepcopy(self.workflow.document)
        self.root, _ = read(self.workflow, self.registry)
        self.shapes = NodeShapes(self.registry)
        self.defined: dict[str, str] = {}
        self.used: set[str] = set()
        seen: set[EditorGraph] = set()
        waiting = [self.root]
        for graph in waiting:
            if graph in seen or graph.group is not None:
                continue
            seen.add(graph)
            canvas = value_at(self.document, graph.pointer)
            for item in graph.nodes.values():
                self.node(item, value_at(self.document, item.pointer), canvas)
            waiting += [item.body for item in graph.nodes.values() if item.body is not None]
        self.forget_groups()

    def note(self, item: EditorNode, message: str) -> None:
        self.done.append(item.issue("migrated", message))

    def node(self, item: EditorNode, node: Document, canvas: Document) -> None:
        """Bring one node of a canvas, in the document, into today's form."""
        if item.body is not None and item.body.group is not None:
            self.group(item, node, canvas)
            return
        if item.class_type != item.node.type:
            node["type"] = item.class_type
            self.note(item, f"{item.node.type!r} is called {item.class_type!r} today")
        if item.kind is NodeKind.NODE:
            self.values(item, node)
            self.outputs(item, node, canvas)

    # Values

    def values(self, item: EditorNode, node: Document) -> None:
        saved = node.get("widgets_values")
        if not isinstance(saved, list) or item.schema is None:
            return
        layout = self.shapes.of(item).layout
        values = migrate(item.handling, layout, saved)
        if isinstance(values, list) and values == saved[: len(values)] and len(values) <= len(saved):
            values = saved  # of a newer version, if of any: that is not taken away
        if values != saved:
            self.note(item, "values of an older version of its class stand in today's order")
        if isinstance(values, list):
            placed = [value for _, value in without_forced(item.schema, values)]
            if len(placed) < len(values):
                self.note(item, "values that editors before 1.16 saved for inputs that only take links are left out")
        else:
            placed = list(self.spelled_out(item))
        if placed != saved:
            # Or the editor would take them for an old save again.
            node["widgets_values"] = [*placed, None] if looks_old(item.schema, len(placed)) else placed
            node.pop("widgets_values_named", None)

    def spelled_out(self, item: EditorNode) -> Iterator[Any]:
        """All that a node's widgets hold, in the order of its class."""
        assert item.schema is not None
        for slot in slots(item.schema.given(item.held.values).values()):
            if slot.role == "value":
                yield item.held.values.get(slot.spec.name)
            else:
                extra = EXTRA_SLOTS[slot.role]
                yield item.held.controls.get(slot.spec.name, extra) if slot.role == "control" else extra

    # Outputs that moved

    def outputs(self, item: EditorNode, node: Document, canvas: Document) -> None:
        moved = {old: new for old, new in item.moved.items() if old != new}
        if not moved or item.schema is None:
            return
        saved = node["outputs"]
        by_place = {item.moved.get(old, old): slot for old, slot in enumerate(saved)}
        declared = [{"name": each.name, "type": item.outputs[at]} for at, each in enumerate(item.schema.declared)]
        node["outputs"] = [
            by_place.get(at, {**declared[at], "links": None} if at < len(declared) else {})
            for at in range(max(len(declared), *by_place) if by_place else len(declared))
        ]
        for link in canvas.get("links") or ():
            if str(_end(link, "origin_id")) == item.node.id and _end(link, "origin_slot") in item.moved:
                _put(link, "origin_slot", item.moved[_end(link, "origin_slot")])
        self.note(item, "outputs of an older version of its class stand in today's order")

    # Group nodes

    def group(self, item: EditorNode, node: Document, canvas: Document) -> None:
        """Make an instance of a group one of a subgraph, with the values that it has."""
        assert item.body is not None and item.body.group is not None
        name = item.body.group
        group = self.root.canvas.extra["groupNodes"][name]
        body, _ = group_document(deepcopy(group), item.node, self.registry)
        for index, inner in enumerate(body["nodes"]):
            inner["outputs"] = [{**slot, "links": []} for slot in inner.get("outputs") or ()]
            inner.setdefault("flags", {})
            inner.setdefault("order", index)
            inner.setdefault("mode", 0)
            inner.setdefault("pos", [300 * index, 0])
            inner.setdefault("size", [240, 120])
        for inner_item in item.body.nodes.values():
            inner = body["nodes"][int(inner_item.node.id)]
            _name_types(inner, inner_item)
            self.node(inner_item, inner, body)
        _panels(body, [slot.get("name") or slot.get("type") or "" for slot in node.get("outputs") or ()])
        _number(body)
        node["type"] = self.define(name, body)
        self.used.add(name)
        _sockets(node, body, canvas)
        node["widgets_values"] = []
        node.pop("widgets_values_named", None)
        self.note(item, f"the group node {name!r} is a subgraph")

    def define(self, name: str, body: Document) -> str:
        """The id of the subgraph with this content; two instances with the same values share one."""
        content = json.dumps(body, sort_keys=True)
        if content not in self.defined:
            self.defined[content] = str(uuid5(NAMESPACE_OID, f"{name} {content}"))
            definitions = self.document.setdefault("definitions", {})
            definitions.setdefault("subgraphs", []).append(_definition(self.defined[content], name, body))
        return self.defined[content]

    def forget_groups(self) -> None:
        """Take away the groups that became subgraphs; those of which no node is an instance stay, and what they use."""
        if not self.used:
            return
        groups = self.document["extra"]["groupNodes"]
        kept = [name for name in groups if name not in self.used]
        for name in kept:  # grows
            inner = (group_name(str(node.get("type"))) for node in groups[name]["nodes"])
            kept += [name for name in inner if name in groups and name not in kept]
        for name in [name for name in groups if name not in kept]:
            del groups[name]
        if not groups:
            del self.document["extra"]["groupNodes"]


_ROW = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
_INPUT_PANEL, _OUTPUT_PANEL = -10, -20


def _end(link: Any, name: str) -> Any:
    if isinstance(link, dict):
        return link.get(name)
    return link[_ROW.index(name)] if isinstance(link, list) and len(link) > _ROW.index(name) else None


def _put(link: Any, name: str, value: Any) -> None:
    link[name if isinstance(link, dict) else _ROW.index(name)] = value


def _name_types(node: Document, item: EditorNode) -> None:
    """Say the types of the sockets that widgets have now and had not in the group."""
    specs = item.schema.by_name if item.schema is not None else {}
    for slot in node["inputs"]:
        if slot.get("type") == "*" and slot.get("name") in specs:
            slot["type"] = type_name(specs[slot["name"]].socket.io_type)


def _panels(body: Document, outputs: list[str]) -> None:
    """Give the panels the types of what they lead to, and the outputs the instance's names, each once."""
    for link in body["links"]:
        if link["origin_id"] == _INPUT_PANEL:
            slot = body["nodes"][link["target_id"]]["inputs"][link["target_slot"]]
            body["inputs"][link["origin_slot"]]["type"] = slot.get("type", "*")
    for number, panel in enumerate(body["outputs"]):
        panel["name"] = outputs[number] if number < len(outputs) else panel["type"] or f"output_{number}"
    seen: dict[str, int] = {}
    for panel in body["outputs"]:
        seen[panel["name"]] = seen.get(panel["name"], 0) + 1
        if seen[panel["name"]] > 1:
            panel["name"] += f"_{seen[panel['name']]}"


def _number(body: Document) -> None:
    """Number the links of a group, and enter each where it begins and ends."""
    numbers = {link["id"]: number for number, link in enumerate(body["links"], 1)}
    for node in body["nodes"]:
        for slot in node["inputs"]:
            slot["link"] = numbers.get(slot.get("link"))
    for side in ("inputs", "outputs"):
        for panel in body[side]:
            panel["linkIds"] = []
    for link in body["links"]:
        number = link["id"] = numbers[link["id"]]
        target, origin = link["target_id"], link["origin_id"]
        if origin == _INPUT_PANEL:
            panel = body["inputs"][link["origin_slot"]]
            panel["linkIds"].append(number)
            link["type"] = panel["type"]
        else:
            slots_ = body["nodes"][origin]["outputs"]
            link["type"] = slots_[link["origin_slot"]].get("type", "*") if link["origin_slot"] < len(slots_) else "*"
            if link["origin_slot"] < len(slots_):
                slots_[link["origin_slot"]]["links"].append(number)
        if target == _OUTPUT_PANEL:
            body["outputs"][link["target_slot"]]["linkIds"].append(number)


def _definition(uuid: str, name: str, body: Document) -> Document:
    """The subgraph as the editor saves it."""
    places = [node["pos"] for node in body["nodes"] if isinstance(node["pos"], list) and len(node["pos"]) > 1]
    left = min((place[0] for place in places), default=0) - 200
    right = max((place[0] for place in places), default=0) + 400
    top = min((place[1] for place in places), default=0)
    for side, x in (("inputs", left), ("outputs", right)):
        for number, panel in enumerate(body[side]):
            panel["id"] = str(uuid5(NAMESPACE_OID, f"{uuid} {side} {number}"))
            panel["pos"] = [x, top + 20 * number]
    state = {"lastGroupId": 0, "lastNodeId": len(body["nodes"]), "lastLinkId": len(body["links"]), "lastRerouteId": 0}
    return {
        "id": uuid,
        "version": 1,
        "state": state,
        "revision": 0,
        "config": {},
        "name": name,
        "inputNode": {"id": _INPUT_PANEL, "bounding": [left, top, 120, 40 + 20 * len(body["inputs"])]},
        "outputNode": {"id": _OUTPUT_PANEL, "bounding": [right, top, 120, 40 + 20 * len(body["outputs"])]},
        "inputs": body["inputs"],
        "outputs": body["outputs"],
        "widgets": [],
        "nodes": body["nodes"],
        "groups": [],
        "links": body["links"],
        "extra": {},
    }


def _sockets(node: Document, body: Document, canvas: Document) -> None:
    """Give an instance the sockets of its subgraph, in that order, and lead its links there."""
    saved = node.get("inputs") or []
    known: dict[Any, int] = {}
    for place, slot in enumerate(saved):
        known.setdefault(slot.get("name"), place)
    order: list[int | None] = [known.pop(panel["name"], None) for panel in body["inputs"]]
    order += sorted(set(range(len(saved))) - {place for place in order if place is not None})
    widgets = {
        number: slot
        for number, panel in enumerate(body["inputs"])
        for link in body["links"]
        if link["id"] in panel["linkIds"] and link["target_id"] != _OUTPUT_PANEL
        for slot in (body["nodes"][link["target_id"]]["inputs"][link["target_slot"]],)
        if "widget" in slot
    }
    inputs = []
    for number, known_place in enumerate(order):
        if known_place is not None:
            inputs.append(saved[known_place])
        else:
            panel = body["inputs"][number]
            widget = {"widget": {"name": panel["name"]}} if number in widgets else {}
            inputs.append({"name": panel["name"], "type": panel["type"], **widget, "link": None})
    node["inputs"] = inputs
    places = {place: number for number, place in enumerate(order) if place is not None}
    for link in canvas.get("links") or ():
        if str(_end(link, "target_id")) == str(node["id"]) and _end(link, "target_slot") in places:
            _put(link, "target_slot", places[_end(link, "target_slot")])
