"""Workflow + Registry -> Boards: which class each node is, its sockets and widgets, what is promoted.

Nothing here recurses, so subgraphs may be nested as deep as they like; how many nodes they expand to is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.definition import InputSpec, NodeDefinition
from engine.documents import kind_of, pointer
from engine.errors import InvalidWorkflow, Issue
from engine.formats.canvases import Board, Item, Kind, Port, Promoted
from engine.formats.groupnodes import group_canvas, group_name
from engine.formats.legacy import NAMED_OUTPUTS, RENAMED, asks_for_a_seed, migrate
from engine.formats.widgets import (
    Held,
    Saved,
    WidgetSlot,
    hold,
    is_widget,
    may_have_a_widget,
    plain,
    slots,
    unfolded,
)
from engine.formats.workflow import Canvas, Node, Slot, Wire, Workflow
from engine.registry import Registry
from engine.sockets import MATCH_TYPE, DynamicCombo, MatchType, Opaque, Unread, type_name

INPUT_PANEL, OUTPUT_PANEL = "-10", "-20"
"""The ids that a subgraph's own inputs and outputs have in its links."""

MAX_NODES = 100_000
"""The most nodes that a workflow may have once its subgraphs are expanded; people share up to a few hundred."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_VIRTUAL = {"Reroute": Kind.REROUTE, "PrimitiveNode": Kind.PRIMITIVE, "Note": Kind.NOTE, "MarkdownNote": Kind.NOTE}


def read(workflow: Workflow, registry: Registry) -> tuple[Board, list[Issue]]:
    """The workflow's own board, and notes: what is broken there and left out, as the editor leaves it out.

    Raises InvalidWorkflow with every node that cannot be read: ids that stand twice, subgraphs that are not defined or
    contain themselves, `widgets_values` of another kind, more nodes than MAX_NODES.
    """
    return _Reader(workflow, registry).read()


@dataclass(frozen=True)
class _Shape:
    """What a node has by its class: its inputs, sockets first, and what its `widgets_values` stand for."""

    inputs: tuple[InputSpec, ...]
    layout: tuple[WidgetSlot, ...]

    @classmethod
    def of(cls, specs: Collection[InputSpec]) -> _Shape:
        inputs = (*(spec for spec in specs if not is_widget(spec)), *(spec for spec in specs if is_widget(spec)))
        return cls(inputs, slots(specs))


class _Reader:
    def __init__(self, workflow: Workflow, registry: Registry) -> None:
        self.registry = registry
        self.shapes: dict[str, _Shape] = {}
        self.issues: list[Issue] = []
        self.notes: list[Issue] = []
        self.root = Board(workflow.canvas, "")
        self.boards = [self.root]
        groups = workflow.canvas.extra.get("groupNodes")
        self.groups: dict[str, Any] = groups if isinstance(groups, dict) else {}
        self.definitions: dict[str, tuple[str, Canvas]] = {}
        self.by_definition: dict[str, Board] = {}
        self.count = 0
        for place, canvas in workflow.definitions():
            if canvas.id in self.definitions:
                message = f"two subgraphs have the id {canvas.id!r}"
                self.issues.append(Issue("duplicate_subgraph_id", message, pointer=place))
            elif canvas.id is not None:
                self.definitions[canvas.id] = (place, canvas)

    def read(self) -> tuple[Board, list[Issue]]:
        for board in self.boards:  # grows while it is read
            self.place_items(board)
        inner_first = self.inner_first()
        if self.issues:
            raise InvalidWorkflow(self.issues)
        for board in inner_first:
            self.connect(board)
            self.weigh(board)
        if self.root.size > MAX_NODES:
            self.refuse_size(self.root.size)
        if self.issues:
            raise InvalidWorkflow(self.issues)
        return self.root, self.notes

    def refuse_size(self, size: int) -> None:
        found = f"{size:,}" if size < 10**12 else "over a million million"
        message = f"with its subgraphs expanded the workflow has {found} nodes; {MAX_NODES:,} is the most that is read"
        raise InvalidWorkflow([*self.issues, Issue("too_many_nodes", message)])

    def place_items(self, board: Board) -> None:
        self.count += len(board.canvas.nodes)
        if self.count > MAX_NODES:
            self.refuse_size(self.count)
        for index, node in enumerate(board.canvas.nodes):
            item = self.item(board, node, f"{board.pointer}/nodes/{index}")
            if node.id in board.items:
                other = board.items[node.id].title
                self.issues.append(item.issue("duplicate_node_id", f"node {node.id} stands twice", details=other))
            elif node.widgets_values is not None and not isinstance(node.widgets_values, list | dict):
                got = kind_of(node.widgets_values)
                message = f"widgets_values: expected a list or an object, got {got}"
                self.issues.append(item.issue("invalid_widgets_values", message))
            else:
                board.items[node.id] = item

    def item(self, board: Board, node: Node, place: str) -> Item:
        """The node with its class or subgraph found."""
        class_type = node.type
        if class_type in RENAMED and class_type not in self.registry:
            class_type = RENAMED[class_type]
        item = Item(node, board, place, _VIRTUAL.get(class_type, Kind.UNKNOWN), class_type)
        if class_type in self.definitions:
            item.kind, item.body = Kind.INSTANCE, self.subgraph(class_type, item)
        elif (name := group_name(class_type)) is not None and name in self.groups:
            item.kind, item.body = Kind.INSTANCE, self.group(name, item)
        elif item.kind is Kind.UNKNOWN and class_type in self.registry:
            item.kind, item.definition = Kind.NODE, _with_shown_widgets(self.registry[class_type], node)
        elif item.kind is Kind.UNKNOWN and _UUID.fullmatch(class_type) and item.runs:
            self.issues.append(item.issue("undefined_subgraph", f"its subgraph {class_type} is not in the workflow"))
        return item

    def shape_of(self, item: Item, definition: NodeDefinition) -> _Shape:
        """That of the class; where inputs unfold, what the node holds has a say."""
        if not definition.unfolds and definition is self.registry[item.class_type]:
            if item.class_type not in self.shapes:
                self.shapes[item.class_type] = _Shape.of(definition.by_name.values())
            return self.shapes[item.class_type]
        saved = Saved(item.node.widgets_values, item.node.widgets_values_named)
        specs = unfolded(definition, saved, (slot.name for slot in item.node.inputs))
        return _Shape.of(specs.values())

    def check_types(self, item: Item, shape: _Shape) -> None:
        """An input of a type that is not understood is an issue: what stands in `widgets_values` cannot be told."""
        for spec in shape.inputs:
            if isinstance(spec.socket, Unread):
                message = f"{spec.name!r} is of type {type_name(spec.socket.io_type)}, which is not known here"
                item.fault = item.issue("unknown_input_type", message, spec.name)

    def note_left(self, item: Item, shape: _Shape) -> None:
        """Saved values that no widget takes are a note; a fault where inputs of unknown types are as many."""
        left = item.held.left
        if not left or not item.runs or item.fault is not None:
            return
        shown = ", ".join(map(str, left))
        values = f"{len(left)} saved value{'s' if len(left) > 1 else ''} that no widget of the class takes"
        saved = {slot.name for slot in item.node.inputs}
        strange = [
            f"{held!r:.40} is no choice of {spec.name!r}"
            for spec in shape.inputs
            if isinstance(spec.socket, DynamicCombo)
            and (held := item.held.values.get(spec.name)) not in spec.socket.branches
        ]
        unsaved = [spec for spec in shape.inputs if may_have_a_widget(spec) and spec.name not in saved]
        if not left[0].name and strange:
            message = f"{strange[0]}, so what it brings is not known, and which of the values after it is whose"
            item.fault = item.issue("value_not_in_list", message)
        elif not left[0].name and len(unsaved) == len(left):
            types = ", ".join(f"{spec.name!r} of type {type_name(spec.socket.io_type)}" for spec in unsaved)
            message = f"{values}, and no known widget for {types}: which value is whose cannot be told"
            item.fault = item.issue("unknown_input_type", message, unsaved[0].name)
        else:
            self.notes.append(item.issue("values_left_out", f"{values}: {shown}"))

    def subgraph(self, definition_id: str, instance: Item) -> Board:
        if definition_id not in self.by_definition:
            place, canvas = self.definitions[definition_id]
            board = self.by_definition[definition_id] = Board(canvas, place, None, instance)
            self.boards.append(board)
        return self.by_definition[definition_id]

    def group(self, name: str, instance: Item) -> Board | None:
        outer: Item | None = instance
        while outer is not None:
            if outer.board.group == name:
                self.issues.append(instance.issue("recursive_subgraph", f"group {name!r} contains itself"))
                return None
            outer = outer.board.instance
        try:
            canvas, shares = group_canvas(self.groups[name], instance.node, self.registry)
        except (ValueError, TypeError) as error:
            message = f"group {name!r} is not as the editor writes it: {error!s:.300}"
            self.issues.append(instance.issue("unreadable_group", message))
            return None
        board = Board(canvas, pointer("extra", "groupNodes", name), name, instance, shares=shares)
        self.boards.append(board)
        return board

    def inner_first(self) -> list[Board]:
        """Every board after those of its subgraphs. A subgraph that contains itself becomes an issue."""
        order: list[Board] = []
        open_: set[Board] = {self.root}
        done: set[Board] = set()
        path = [(self.root, iter(list(self.root.items.values())))]
        while path:
            board, items = path[-1]
            for item in items:
                if item.body in open_:
                    name = item.body.canvas.name or item.class_type
                    self.issues.append(item.issue("recursive_subgraph", f"subgraph {name!r} contains itself"))
                elif item.body is not None and item.body not in done:
                    open_.add(item.body)
                    path.append((item.body, iter(list(item.body.items.values()))))
                    break
            else:
                path.pop()
                open_.discard(board)
                done.add(board)
                order.append(board)
        return order

    def connect(self, board: Board) -> None:
        """Give every item its ports, outputs and values, and the board what it promotes."""
        wires = {wire.id: wire for wire in board.canvas.links}
        self.note_ambiguous(board, wires)
        restored = self.restored_links(board) if board is self.root else {}
        for item in board.items.values():
            self.read_outputs(item)
        ends: dict[str, tuple[Item, Port]] = {}
        for item in board.items.values():
            linked = restored.get(item.node.id, {})
            shape = self.shape_of(item, item.definition) if item.definition is not None else None
            for port, link in self.ports(item, shape, linked):
                item.ports.append(port)
                if link is not None:
                    self.lead(board, item, port, link, wires.get(link))
                    ends.setdefault(link, (item, port))
            self.fill(item, shape)
        shown = {
            slot.link: (item.node.id, slot.name)
            for item in board.items.values()
            for slot in item.node.inputs
            if slot.link is not None and slot.widget_name is not None
        }
        for index, panel in enumerate(board.canvas.inputs):
            links = panel.link_ids or [
                wire.id for wire in wires.values() if (wire.origin_id, wire.origin_slot) == (INPUT_PANEL, index)
            ]
            for link in links:
                if link in shown and (link not in ends or ends[link][1].spec is None):
                    # The editor that saved it had a widget there, so there is a value for it.
                    board.promoted[index] = Promoted(None, *shown[link], lost=link not in ends)
                    break
                if link in ends and (spec := ends[link][1].spec) is not None:
                    board.promoted[index] = Promoted(spec, ends[link][0].node.id, ends[link][1].name)
                    break
        self.read_results(board, wires)

    def weigh(self, board: Board) -> None:
        """How much one use of the board adds; those inside it are weighed."""
        for item in board.items.values():
            if item.is_sent:
                board.size += 1 + (item.body.size if item.body else 0)
                runs = item.kind is Kind.UNKNOWN or (item.definition is not None and item.definition.output_node)
                board.silent = board.silent and not runs and (item.body is None or item.body.silent)

    def read_outputs(self, item: Item) -> None:
        saved = [_type(slot.io_type) for slot in item.node.outputs]
        if item.body is not None:
            item.outputs = [_type(panel.io_type) for panel in item.body.canvas.outputs]
        elif item.definition is None:
            item.outputs = saved
        else:
            known = [type_name(output.io_type) for output in item.definition.outputs]
            # What has the type of its template was saved with the one that it had.
            matched = [saved[at] if each == MATCH_TYPE and at < len(saved) else each for at, each in enumerate(known)]
            item.outputs = ["*" if each == MATCH_TYPE else each for each in matched] + saved[len(known) :]
            if item.class_type in NAMED_OUTPUTS:
                today = {output.name: index for index, output in enumerate(item.definition.outputs)}
                item.moved = {old: today[slot.name] for old, slot in enumerate(item.node.outputs) if slot.name in today}

    def ports(self, item: Item, shape: _Shape | None, restored: dict[int, str]) -> Iterable[tuple[Port, str | None]]:
        """The item's inputs with their links' ids, in the editor's order: sockets, widgets, what else is saved.

        Names, types and widgets are the definition's; which link it is, the save's, found by name.
        """
        saved: dict[str, tuple[int, Slot]] = {}
        for place, slot in enumerate(item.node.inputs):
            saved.setdefault(slot.name, (place, slot))

        def with_link(port: Port) -> tuple[Port, str | None]:
            if port.name not in saved:
                return port, None
            port.place, slot = saved[port.name]
            return port, slot.link if slot.link is not None else restored.get(port.place)

        if item.body is not None:
            for index, panel in enumerate(item.body.canvas.inputs):
                promoted = item.body.promoted.get(index)
                yield with_link(Port(panel.name, _type(panel.io_type), promoted.spec if promoted else None))
            return
        specs = shape.inputs if shape is not None else ()
        widgets = {spec.name for spec in specs if is_widget(spec)}
        for spec in specs:
            io_type = type_name(spec.socket.io_type)
            if isinstance(spec.socket, MatchType):
                io_type = _type(saved[spec.name][1].io_type) if spec.name in saved else "*"
            yield with_link(Port(spec.name, io_type, spec if spec.name in widgets else None))
        known = {spec.name for spec in specs}
        for name, (_, slot) in saved.items():
            stale = item.definition is not None and slot.widget is not None and slot.widget_name not in widgets
            if name not in known and not stale:
                yield with_link(Port(name, _type(slot.io_type)))

    def lead(self, board: Board, item: Item, port: Port, link: str, wire: Wire | None) -> None:
        """Point a port on the board at what its link comes from; a link from nowhere becomes a note on the item."""
        if wire is None:
            message = f"linked by {link}, which is no link of the workflow; read as not linked"
            self.notes.append(item.issue("dangling_link", message, port.name))
        elif wire.origin_id == INPUT_PANEL and board is not self.root:
            if 0 <= wire.origin_slot < len(board.canvas.inputs):
                port.panel = wire.origin_slot
            else:
                message = f"linked to input {wire.origin_slot} of the subgraph, which it does not have"
                self.notes.append(item.issue("missing_slot", f"{message}; read as not linked", port.name))
        elif wire.origin_id not in board.items:
            message = f"linked to node {wire.origin_id}, which is not there; read as not linked"
            self.notes.append(item.issue("dangling_link", message, port.name))
        else:
            port.origin = board.items[wire.origin_id]
            port.slot = port.origin.moved.get(wire.origin_slot, wire.origin_slot)
            virtual = port.origin.kind in (Kind.REROUTE, Kind.PRIMITIVE)
            if not virtual and not 0 <= port.slot < len(port.origin.outputs):
                message = f"linked to output {port.slot} of node {wire.origin_id}, which it does not have"
                self.notes.append(item.issue("missing_slot", message, port.name))

    def note_ambiguous(self, board: Board, wires: dict[str, Wire]) -> None:
        """A link id that stands for two links: the last one counts."""
        for wire in board.canvas.links:
            kept = wires[wire.id]
            if (wire.origin_id, wire.origin_slot) != (kept.origin_id, kept.origin_slot):
                message = f"two links have the id {wire.id}; the one from node {kept.origin_id} is read"
                self.notes.append(Issue("duplicate_link_id", message, pointer=board.pointer + "/links"))

    def restored_links(self, board: Board) -> dict[str, dict[int, str]]:
        """Links that the table and the origin have and only the target lacks: the editor enters them there."""

        def at(sockets: list[Slot], place: Any) -> Slot | None:
            return sockets[place] if type(place) is int and 0 <= place < len(sockets) else None

        restored: dict[str, dict[int, str]] = {}
        for wire in board.canvas.links:
            target, origin = board.items.get(wire.target_id or ""), board.items.get(wire.origin_id)
            if target is None or origin is None:
                continue
            socket, output = at(target.node.inputs, wire.target_slot), at(origin.node.outputs, wire.origin_slot)
            if socket is not None and socket.link is None and output is not None and wire.id in output.links:
                restored.setdefault(target.node.id, {})[wire.target_slot] = wire.id
        return restored

    def fill(self, item: Item, shape: _Shape | None) -> None:
        """What the item's widgets hold."""
        saved = item.node.widgets_values
        if item.definition is not None and shape is not None:
            layout = shape.layout
            migrated = Saved(migrate(item.class_type, layout, saved), item.node.widgets_values_named)
            item.held = hold(item.definition, layout, migrated)
            self.check_types(item, shape)
            self.note_left(item, shape)
            if asks_for_a_seed(item.class_type, layout, saved):
                message = "the seed is -1, to be drawn when queued; 0 is taken, and further runs draw others"
                self.notes.append(item.issue("drawn_seed", message))
        elif item.body is not None and item.body.group is None:
            item.held = _instance_values(item.body, item.node)
            self.note_unused(item)

    def note_unused(self, item: Item) -> None:
        """What an instance holds and nothing takes is a note."""
        if item.held.left and item.runs:
            shown = ", ".join(map(str, item.held.left))
            message = f"saved values for which the subgraph has no widget: {shown}"
            self.notes.append(item.issue("values_left_out", message))

    def read_results(self, board: Board, wires: dict[str, Wire]) -> None:
        """The ports into the output panel. Where an output has several links, the first counts."""
        into: dict[int, list[Wire]] = {}
        for wire in wires.values():
            if wire.target_id == OUTPUT_PANEL and type(wire.target_slot) is int:
                into.setdefault(wire.target_slot, []).append(wire)
        for index, panel in enumerate(board.canvas.outputs):
            found = [wires[link] for link in panel.link_ids if link in wires] or into.get(index, [])
            if found and board.instance is not None:
                port = board.results[index] = Port(panel.name, _type(panel.io_type))
                self.lead(board, board.instance, port, found[0].id, found[0])


def _instance_values(body: Board, instance: Node) -> Held:
    """The values of a subgraph instance's widgets; null stands for the inner node's own.

    They are in the order of the subgraph's inputs that show one, or have names. Saves of some frontends list the
    widgets in `proxyWidgets`, `[inner id | -1, name]`, those of inner nodes that no input shows too: where that list
    fits the values, it tells their order.
    """
    promoted = {body.canvas.inputs[index].name: each for index, each in body.promoted.items()}
    entries = Saved(instance.widgets_values, instance.widgets_values_named).listed
    proxies = instance.properties.get("proxyWidgets")
    owners: Sequence[str | tuple[str, str] | None] = [entry.name for entry in entries]
    if isinstance(proxies, list) and len(proxies) == len(entries):
        by_proxy: dict[tuple[str, str], str] = {("-1", name): name for name in promoted}
        by_proxy |= {(each.node_id, each.widget): name for name, each in promoted.items()}
        pairs = [tuple(map(str, proxy[:2])) if isinstance(proxy, list) else () for proxy in proxies]
        owners = [by_proxy.get((pair[0], pair[1]), (pair[0], pair[1])) if len(pair) == 2 else None for pair in pairs]
    elif not any(entry.name for entry in entries):
        owners = [*promoted, *[None] * len(entries)][: len(entries)]
    held = Held()
    for owner, entry in zip(owners, entries, strict=True):
        if entry.value is None:
            continue
        if isinstance(owner, tuple) and owner[0] in body.items:
            held.shown[owner] = entry
        elif isinstance(owner, str) and owner in promoted and not promoted[owner].lost:
            held.values[owner] = plain(entry.value)
            held.places[owner] = entry.place
        elif not entry.is_empty:
            held.left.append(entry)
    return held


def _with_shown_widgets(definition: NodeDefinition, node: Node) -> NodeDefinition:
    """The class with a widget for what the editor that saved the node showed one for, of a type that is not known."""
    shown = {slot.name for slot in node.inputs if slot.widget_name == slot.name}
    if not any(may_have_a_widget(spec) and spec.name in shown for spec in definition.inputs):
        return definition
    inputs = (
        InputSpec(spec.name, Opaque(type_name(spec.socket.io_type), **spec.socket.options), spec.section)
        if may_have_a_widget(spec) and spec.name in shown
        else spec
        for spec in definition.inputs
    )
    return replace(definition, inputs=tuple(inputs))


def _type(io_type: Any) -> str:
    """A saved type: a list of choices is a COMBO; 0 and nothing fit everything."""
    if isinstance(io_type, list):
        return "COMBO"
    return io_type if isinstance(io_type, str) else "*"
