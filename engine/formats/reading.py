"""Workflow + Registry -> EditorGraphs: which class each node is, its sockets and widgets, what is promoted.

Nothing here recurses, so subgraphs may be nested as deep as they like; how many nodes they expand to is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from weft.engine.documents import kind_of, pointer
from weft.engine.errors import InvalidWorkflow, Issue
from weft.engine.formats.canvases import MUTED, EditorGraph, EditorInput, EditorNode, Promoted
from weft.engine.formats.contents import NodeShape, NodeShapes, fill, with_shown_widgets
from weft.engine.formats.everywhere import broadcast
from weft.engine.formats.groupnodes import group_canvas, group_name
from weft.engine.formats.virtual import PASSAGES, virtual_nodes
from weft.engine.formats.widgets import is_widget
from weft.engine.formats.workflow import Canvas, Node, Slot, Wire, Workflow
from weft.engine.schema.frontend import NodeKind
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import MATCH_TYPE, MatchType, type_name

INPUT_PANEL, OUTPUT_PANEL = "-10", "-20"
"""The ids that a subgraph's own inputs and outputs have in its links."""

MAX_NODES = 100_000
"""The most nodes that a workflow may have once its subgraphs are expanded; people share up to a few hundred."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_FIRST_BLOCKING = (1, 28)
"""The editor's version from which on nothing is taken to go through a muted reroute: in 1.27 it does, in 1.58 not."""


def read(workflow: Workflow, registry: Registry) -> tuple[EditorGraph, list[Issue]]:
    """The workflow's own graph, and notes: what is broken there and left out, as the editor leaves it out.

    Raises InvalidWorkflow with every node that cannot be read: ids that stand twice, subgraphs that are not defined or
    contain themselves, `widgets_values` of another kind, more nodes than MAX_NODES.
    """
    return _Reader(workflow, registry).read()


class _Reader:
    def __init__(self, workflow: Workflow, registry: Registry) -> None:
        self.registry = registry
        self.frontend = registry.packs.frontend
        self.virtual = virtual_nodes(registry.packs)
        self.shapes = NodeShapes(registry)
        self.issues: list[Issue] = []
        self.notes: list[Issue] = []
        self.root = EditorGraph(workflow.canvas, "")
        self.graphs = [self.root]
        groups = workflow.canvas.extra.get("groupNodes")
        self.groups: dict[str, Any] = groups if isinstance(groups, dict) else {}
        self.muted_blocks = _version(workflow.canvas.extra.get("frontendVersion")) >= _FIRST_BLOCKING
        self.definitions: dict[str, tuple[str, Canvas]] = {}
        self.by_definition: dict[str, EditorGraph] = {}
        self.count = 0
        for place, canvas in workflow.definitions():
            if canvas.id in self.definitions:
                message = f"two subgraphs have the id {canvas.id!r}"
                self.issues.append(Issue("duplicate_subgraph_id", message, pointer=place))
            elif canvas.id is not None:
                self.definitions[canvas.id] = (place, canvas)

    def read(self) -> tuple[EditorGraph, list[Issue]]:
        for graph in self.graphs:  # grows while it is read
            self.place_items(graph)
        inner_first = self.inner_first()
        if self.issues:
            raise InvalidWorkflow(self.issues)
        for graph in inner_first:
            self.connect(graph)
            self.weigh(graph)
        if self.root.size > MAX_NODES:
            self.refuse_size(self.root.size)
        if self.issues:
            raise InvalidWorkflow(self.issues)
        return self.root, self.notes

    def refuse_size(self, size: int) -> None:
        found = f"{size:,}" if size < 10**12 else "over a million million"
        message = f"with its subgraphs expanded the workflow has {found} nodes; {MAX_NODES:,} is the most that is read"
        raise InvalidWorkflow([*self.issues, Issue("too_many_nodes", message)])

    def place_items(self, graph: EditorGraph) -> None:
        self.count += len(graph.canvas.nodes)
        if self.count > MAX_NODES:
            self.refuse_size(self.count)
        for index, node in enumerate(graph.canvas.nodes):
            item = self.item(graph, node, f"{graph.pointer}/nodes/{index}")
            if node.id in graph.nodes:
                other = graph.nodes[node.id].title
                self.issues.append(item.issue("duplicate_node_id", f"node {node.id} stands twice", details=other))
            elif node.widgets_values is not None and not isinstance(node.widgets_values, list | dict):
                got = kind_of(node.widgets_values)
                message = f"widgets_values: expected a list or an object, got {got}"
                self.issues.append(item.issue("invalid_widgets_values", message))
            else:
                graph.nodes[node.id] = item
                if item.kind is NodeKind.SETTER and (name := item.name) is not None:
                    first = graph.setters.setdefault(name, item)
                    if first is not item:
                        message = f"node {first.node.id} sets {name!r}, too; that one counts"
                        self.notes.append(item.issue("ambiguous_name", message))

    def item(self, graph: EditorGraph, node: Node, place: str) -> EditorNode:
        """The node with its class or subgraph found."""
        class_type = node.type
        if class_type in self.frontend.renamed and class_type not in self.registry:
            class_type = self.frontend.renamed[class_type]
        item = EditorNode(node, graph, place, NodeKind.UNKNOWN, class_type)
        item.handling = self.frontend.classes.get(class_type, item.handling)
        virtual = self.virtual.get(class_type)
        if virtual is not None and not (virtual.on_servers and class_type in self.registry):
            item.kind, item.virtual = virtual.kind, virtual
            item.blocks = item.kind in PASSAGES and node.mode == MUTED and self.muted_blocks
        if class_type in self.definitions:
            item.kind, item.body = NodeKind.INSTANCE, self.subgraph(class_type, item)
        elif (name := group_name(class_type)) is not None and name in self.groups:
            item.kind, item.body = NodeKind.INSTANCE, self.group(name, item)
        elif item.kind is NodeKind.UNKNOWN and class_type in self.registry:
            item.kind, item.schema = NodeKind.NODE, with_shown_widgets(self.registry[class_type], node)
        elif item.kind is NodeKind.UNKNOWN and _UUID.fullmatch(class_type) and item.runs:
            self.issues.append(item.issue("undefined_subgraph", f"its subgraph {class_type} is not in the workflow"))
        return item

    def subgraph(self, definition_id: str, instance: EditorNode) -> EditorGraph:
        if definition_id not in self.by_definition:
            place, canvas = self.definitions[definition_id]
            graph = self.by_definition[definition_id] = EditorGraph(canvas, place, None, instance)
            self.graphs.append(graph)
        return self.by_definition[definition_id]

    def group(self, name: str, instance: EditorNode) -> EditorGraph | None:
        outer: EditorNode | None = instance
        while outer is not None:
            if outer.graph.group == name:
                self.issues.append(instance.issue("recursive_subgraph", f"group {name!r} contains itself"))
                return None
            outer = outer.graph.instance
        try:
            canvas, shares = group_canvas(self.groups[name], instance.node, self.registry)
        except (ValueError, TypeError) as error:
            message = f"group {name!r} is not as the editor writes it: {error!s:.300}"
            self.issues.append(instance.issue("unreadable_group", message))
            return None
        graph = EditorGraph(canvas, pointer("extra", "groupNodes", name), name, instance, shares=shares)
        self.graphs.append(graph)
        return graph

    def inner_first(self) -> list[EditorGraph]:
        """Every graph after those of its subgraphs. A subgraph that contains itself becomes an issue."""
        order: list[EditorGraph] = []
        open_: set[EditorGraph] = {self.root}
        done: set[EditorGraph] = set()
        path = [(self.root, iter(list(self.root.nodes.values())))]
        while path:
            graph, items = path[-1]
            for item in items:
                if item.body in open_:
                    name = item.body.canvas.name or item.class_type
                    self.issues.append(item.issue("recursive_subgraph", f"subgraph {name!r} contains itself"))
                elif item.body is not None and item.body not in done:
                    open_.add(item.body)
                    path.append((item.body, iter(list(item.body.nodes.values()))))
                    break
            else:
                path.pop()
                open_.discard(graph)
                done.add(graph)
                order.append(graph)
        return order

    def connect(self, graph: EditorGraph) -> None:
        """Give every item its inputs, outputs and values, and the graph what it promotes."""
        wires = {wire.id: wire for wire in graph.canvas.links}
        self.note_ambiguous(graph, wires)
        restored = self.restored_links(graph) if graph is self.root else {}
        for item in graph.nodes.values():
            self.read_outputs(item)
        ends: dict[str, tuple[EditorNode, EditorInput]] = {}
        for item in graph.nodes.values():
            linked = restored.get(item.node.id, {})
            shape = self.shapes.of(item)
            for port, link in self.inputs(item, shape, linked):
                item.inputs.append(port)
                if link is not None:
                    self.lead(graph, item, port, link, wires.get(link))
                    ends.setdefault(link, (item, port))
            self.notes += fill(item, shape)
        self.notes += broadcast(graph)
        shown = {
            slot.link: (item.node.id, slot.name)
            for item in graph.nodes.values()
            for slot in item.node.inputs
            if slot.link is not None and slot.widget_name is not None
        }
        for index, panel in enumerate(graph.canvas.inputs):
            links = panel.link_ids or [
                wire.id for wire in wires.values() if (wire.origin_id, wire.origin_slot) == (INPUT_PANEL, index)
            ]
            for link in links:
                if link in shown and (link not in ends or ends[link][1].spec is None):
                    # The editor that saved it had a widget there, so there is a value for it.
                    graph.promoted[index] = Promoted(None, *shown[link], lost=link not in ends)
                    break
                if link in ends and (spec := ends[link][1].spec) is not None:
                    graph.promoted[index] = Promoted(spec, ends[link][0].node.id, ends[link][1].name)
                    break
        self.read_results(graph, wires)

    def weigh(self, graph: EditorGraph) -> None:
        """How much one use of the graph adds; those inside it are weighed."""
        for item in graph.nodes.values():
            if item.runs:
                graph.size += 1 + (item.body.size if item.body else 0)

    def read_outputs(self, item: EditorNode) -> None:
        saved = [_type(slot.io_type) for slot in item.node.outputs]
        if item.body is not None:
            item.outputs = [_type(panel.io_type) for panel in item.body.canvas.outputs]
        elif item.schema is None:
            item.outputs = saved
        else:
            known = [type_name(output.io_type) for output in item.schema.declared]
            # What has the type of its template was saved with the one that it had.
            matched = [saved[at] if each == MATCH_TYPE and at < len(saved) else each for at, each in enumerate(known)]
            item.outputs = ["*" if each == MATCH_TYPE else each for each in matched] + saved[len(known) :]
            if item.handling.outputs_by_name:
                today = {output.name: index for index, output in enumerate(item.schema.declared)}
                item.moved = {old: today[slot.name] for old, slot in enumerate(item.node.outputs) if slot.name in today}

    def inputs(
        self, item: EditorNode, shape: NodeShape, restored: dict[int, str]
    ) -> Iterable[tuple[EditorInput, str | None]]:
        """The item's inputs with their links' ids, in the editor's order: sockets, widgets, what else is saved.

        Names, types and widgets are the schema's; which link it is, the save's, found by name.
        """
        saved: dict[str, tuple[int, Slot]] = {}
        for place, slot in enumerate(item.node.inputs):
            saved.setdefault(slot.name, (place, slot))

        def with_link(port: EditorInput) -> tuple[EditorInput, str | None]:
            if port.name not in saved:
                return port, None
            port.place, slot = saved[port.name]
            return port, slot.link if slot.link is not None else restored.get(port.place)

        if item.body is not None:
            for index, panel in enumerate(item.body.canvas.inputs):
                promoted = item.body.promoted.get(index)
                yield with_link(EditorInput(panel.name, _type(panel.io_type), promoted.spec if promoted else None))
            return
        if item.virtual is not None:  # its inputs may share a name
            for place, slot in enumerate(item.node.inputs):
                link = slot.link if slot.link is not None else restored.get(place)
                yield EditorInput(slot.name, _type(slot.io_type), place=place), link
            return
        widgets = {spec.name for spec in shape.inputs if is_widget(spec)}
        for spec in shape.inputs:
            io_type = type_name(spec.socket.io_type)
            if isinstance(spec.socket, MatchType):
                io_type = _type(saved[spec.name][1].io_type) if spec.name in saved else "*"
            yield with_link(EditorInput(spec.name, io_type, spec if spec.name in widgets else None))
        known = {spec.name for spec in shape.inputs}
        for name, (_, slot) in saved.items():
            stale = item.schema is not None and slot.widget is not None and slot.widget_name not in widgets
            if name not in known and not stale:
                yield with_link(EditorInput(name, _type(slot.io_type)))

    def lead(self, graph: EditorGraph, item: EditorNode, port: EditorInput, link: str, wire: Wire | None) -> None:
        """Point an input of the graph at what its link comes from; a link from nowhere becomes a note on the item."""
        if wire is None:
            message = f"linked by {link}, which is no link of the workflow; read as not linked"
            self.notes.append(item.issue("dangling_link", message, port.name))
        elif wire.origin_id == INPUT_PANEL and graph is not self.root:
            if 0 <= wire.origin_slot < len(graph.canvas.inputs):
                port.panel = wire.origin_slot
            else:
                message = f"linked to input {wire.origin_slot} of the subgraph, which it does not have"
                self.notes.append(item.issue("missing_slot", f"{message}; read as not linked", port.name))
        elif wire.origin_id not in graph.nodes:
            message = f"linked to node {wire.origin_id}, which is not there; read as not linked"
            self.notes.append(item.issue("dangling_link", message, port.name))
        else:
            port.origin = graph.nodes[wire.origin_id]
            port.slot = port.origin.moved.get(wire.origin_slot, wire.origin_slot)
            if port.origin.kind is NodeKind.GETTER and next(port.origin.setters(), None) is None:
                message = f"linked to node {wire.origin_id}, and nothing sets {port.origin.name!r}; read as not linked"
                self.notes.append(item.issue("dangling_link", message, port.name))
            if port.origin.virtual is None and not 0 <= port.slot < len(port.origin.outputs):
                message = f"linked to output {port.slot} of node {wire.origin_id}, which it does not have"
                self.notes.append(item.issue("missing_slot", message, port.name))

    def note_ambiguous(self, graph: EditorGraph, wires: dict[str, Wire]) -> None:
        """A link id that stands for two links: the last one counts."""
        for wire in graph.canvas.links:
            kept = wires[wire.id]
            if (wire.origin_id, wire.origin_slot) != (kept.origin_id, kept.origin_slot):
                message = f"two links have the id {wire.id}; the one from node {kept.origin_id} is read"
                self.notes.append(Issue("duplicate_link_id", message, pointer=graph.pointer + "/links"))

    def restored_links(self, graph: EditorGraph) -> dict[str, dict[int, str]]:
        """Links that the table and the origin have and only the target lacks: the editor enters them there."""

        def at(sockets: list[Slot], place: Any) -> Slot | None:
            return sockets[place] if type(place) is int and 0 <= place < len(sockets) else None

        restored: dict[str, dict[int, str]] = {}
        for wire in graph.canvas.links:
            target, origin = graph.nodes.get(wire.target_id or ""), graph.nodes.get(wire.origin_id)
            if target is None or origin is None:
                continue
            socket, output = at(target.node.inputs, wire.target_slot), at(origin.node.outputs, wire.origin_slot)
            if socket is not None and socket.link is None and output is not None and wire.id in output.links:
                restored.setdefault(target.node.id, {})[wire.target_slot] = wire.id
        return restored

    def read_results(self, graph: EditorGraph, wires: dict[str, Wire]) -> None:
        """What leads into the output panel. Where an output has several links, the first counts."""
        into: dict[int, list[Wire]] = {}
        for wire in wires.values():
            if wire.target_id == OUTPUT_PANEL and type(wire.target_slot) is int:
                into.setdefault(wire.target_slot, []).append(wire)
        for index, panel in enumerate(graph.canvas.outputs):
            found = [wires[link] for link in panel.link_ids if link in wires] or into.get(index, [])
            if found and graph.instance is not None:
                port = graph.results[index] = EditorInput(panel.name, _type(panel.io_type))
                self.lead(graph, graph.instance, port, found[0].id, found[0])


def _version(value: Any) -> tuple[int, int]:
    """Of the editor that saved the workflow; (0, 0) where it does not say."""
    match = re.match(r"(\d{1,5})\.(\d{1,5})", value) if isinstance(value, str) else None
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _type(io_type: Any) -> str:
    """A saved type: a list of choices is a COMBO; 0 and nothing fit everything."""
    if isinstance(io_type, list):
        return "COMBO"
    return io_type if isinstance(io_type, str) else "*"
