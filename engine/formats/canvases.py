"""The graphs of a workflow as conversion walks them.

An EditorGraph is one graph, an EditorNode (`item`) one of its nodes, an EditorInput (`port`) one input of a node, with
the class and the links found that a saved Canvas, Node and Slot only name. A graph is read once, however often it is
used as a subgraph; a GraphUse is one use of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from weft.engine.documents import pointer
from weft.engine.errors import Issue
from weft.engine.formats.widgets import Held
from weft.engine.formats.workflow import Canvas, Node
from weft.engine.schema.frontend import Handling, NodeKind, Virtual
from weft.engine.schema.node import InputSpec, NodeSchema

MUTED, BYPASSED = 2, 4
MAX_PATH = 100
"""How many ids of a path a message shows."""


@dataclass(slots=True, eq=False)
class EditorInput:
    """An input socket. `spec` is the widget it stands for, None for a pure socket; `place` is its index in the save.

    `panel` is the input of the subgraph around it that it is linked to, `origin` the node; at most one of them is set.
    """

    name: str
    io_type: str
    spec: InputSpec | None = None
    place: int | None = None
    panel: int | None = None
    origin: EditorNode | None = None
    slot: int = 0

    @property
    def writer(self) -> EditorNode | None:
        """The PrimitiveNode that writes into the widget, if any."""
        return self.origin if self.origin is not None and self.origin.kind is NodeKind.PRIMITIVE else None


@dataclass(slots=True, eq=False)
class EditorNode:
    """A node of a graph; `node` is how it was saved.

    `body` is the graph of a subgraph instance, whose `held` has the promoted values.
    `virtual` is what the browser makes of it, for a class that exists there only; `handling` what it does to one of
    another class. `moved` maps saved output slots to
    today's, for the classes whose outputs moved. `fault` is why its inputs cannot be told, which keeps it from running.
    `blocks` says that nothing goes through it: a reroute muted in an editor that has it so.
    """

    node: Node
    graph: EditorGraph
    pointer: str
    kind: NodeKind
    class_type: str
    schema: NodeSchema | None = None
    body: EditorGraph | None = None
    inputs: list[EditorInput] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    moved: dict[int, int] = field(default_factory=dict)
    held: Held = field(default_factory=Held)
    virtual: Virtual | None = None
    handling: Handling = field(default_factory=Handling)
    fault: Issue | None = None
    blocks: bool = False

    @property
    def runs(self) -> bool:
        """Neither muted nor bypassed."""
        return self.node.mode not in (MUTED, BYPASSED)

    def passed_through(self, slot: int, wanted: str) -> EditorInput | None:
        """The input that the node, bypassed, hands on to its output `slot` for a consumer of the type `wanted`.

        It is taken even where it is not linked. Widgets count among the inputs.
        """
        here = self.inputs[slot] if 0 <= slot < len(self.inputs) else None
        if wanted in ("*", ""):
            return here or next(iter(self.inputs), None)
        given = self.outputs[slot] if 0 <= slot < len(self.outputs) else "*"
        suitable = [
            port for port in self.inputs if compatible(port.io_type, given) and compatible(port.io_type, wanted)
        ]
        if here in suitable:
            return here
        exact = next((port for port in self.inputs if port.io_type == wanted), None)
        return exact or next(iter(suitable), None)

    @property
    def name(self) -> str | None:
        """The name that a setter gives or a getter asks for."""
        values = self.node.widgets_values
        name = values[0] if isinstance(values, list) and values else None
        return name if isinstance(name, str) and name else None

    def setters(self) -> Iterator[EditorNode]:
        """What may have given a getter's name to something: in its graph, or in one around it."""
        graph: EditorGraph | None = self.graph
        while graph is not None:
            if (setter := graph.setters.get(self.name or "")) is not None:
                yield setter
            graph = graph.instance.graph if graph.instance is not None else None

    @property
    def title(self) -> str:
        """What stands above the node: the user's title, else its class's."""
        return self.node.name or (self.schema.display_name if self.schema else "") or self.class_type

    def place_of(self, widget: str) -> str:
        """The JSON pointer of a widget's value; one that leads nowhere where the document has no value for it."""
        place = self.held.places.get(widget, widget)
        if self.graph.instance is not None and self.node.id in self.graph.shares and isinstance(place, int):
            return self.graph.instance.pointer + pointer("widgets_values", self.graph.shares[self.node.id] + place)
        return self.pointer + pointer("widgets_values", place)

    def issue(self, code: str, message: str, port: str | None = None, **more: Any) -> Issue:
        """An issue of this node; of a subgraph's node, by the path of the first instance."""
        names = [self.node.id]
        instance = self.graph.instance
        while instance is not None and len(names) < MAX_PATH:
            names.append(instance.node.id)
            instance = instance.graph.instance
        node_id = ":".join(reversed(names))
        return Issue(code, message, node_id, self.class_type, self.title, port, pointer=self.pointer, **more)


def compatible(left: str, right: str) -> bool:
    """Whether the editor lets two types be linked: equal but for case, `*`, or lists with a member in common."""
    left, right = left.lower(), right.lower()
    if left == right or left in ("*", "") or right in ("*", ""):
        return True
    return not set(left.split(",")).isdisjoint(right.split(","))


@dataclass(frozen=True)
class Promoted:
    """An input of a subgraph that shows a widget of an inner node: the first one that it is linked to.

    `spec` is None for a widget that the save shows and no class here has: of a node of an unknown class, which takes
    the value by name, or one that the class lost, where nothing takes it (`lost`).
    """

    spec: InputSpec | None
    node_id: str
    widget: str
    lost: bool = False


@dataclass(slots=True, eq=False)
class EditorGraph:
    """One graph. `instance` is the first item that uses it, None for the workflow's own graph.

    `promoted` is by the index of the subgraph's input, `results` are what leads into its output panel by index;
    `setters` are the nodes that name what they are linked to, by that name; `size` is how many nodes one use of it adds
    to the prompt, those of inner subgraphs included. In a group, `shares` is where each node's part of the instance's
    `widgets_values` begins, by node id.
    """

    canvas: Canvas
    pointer: str
    group: str | None = None
    instance: EditorNode | None = None
    nodes: dict[str, EditorNode] = field(default_factory=dict)
    promoted: dict[int, Promoted] = field(default_factory=dict)
    results: dict[int, EditorInput] = field(default_factory=dict)
    setters: dict[str, EditorNode] = field(default_factory=dict)
    size: int = 0
    shares: dict[str, int] = field(default_factory=dict)


class GraphUse:
    """One use of a graph: the workflow itself, or an instance of a subgraph inside another use."""

    __slots__ = ("_inner", "_prefix", "graph", "instance", "parent")

    def __init__(self, graph: EditorGraph, parent: GraphUse | None = None, instance: EditorNode | None = None) -> None:
        self.graph = graph
        self.parent = parent
        self.instance = instance
        self._inner: dict[EditorNode, GraphUse] = {}
        self._prefix: str | None = None

    def inside(self, item: EditorNode, body: EditorGraph) -> GraphUse:
        """The use that an instance in this graph is."""
        if item not in self._inner:
            self._inner[item] = GraphUse(body, self, item)
        return self._inner[item]

    def all(self) -> Iterator[GraphUse]:
        """This use and those of the instances that run inside, outer before inner."""
        todo = [self]
        while todo:
            use = todo.pop()
            yield use
            shown = [item for item in use.graph.nodes.values() if item.runs]
            todo += [use.inside(item, item.body) for item in reversed(shown) if item.body is not None]

    def id_of(self, item: EditorNode) -> str:
        """The item's id in the prompt: ids of the instances around it and its own, joined by colons."""
        if self._prefix is None:
            names: list[str] = []
            use: GraphUse = self
            while use.parent is not None and use.instance is not None:
                names.append(use.instance.node.id + ":")
                use = use.parent
            self._prefix = "".join(reversed(names))
        return self._prefix + item.node.id
