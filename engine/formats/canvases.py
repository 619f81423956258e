"""The graphs of a workflow as conversion walks them.

A Board is one graph, an Item one of its nodes, a Port one input socket. A board is read once, however often its
subgraph is used; a Scope is one use of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.definition import InputSpec, NodeSchema
from engine.documents import pointer
from engine.errors import Issue
from engine.formats.virtual import Kind, Virtual
from engine.formats.widgets import Held
from engine.formats.workflow import Canvas, Node

MUTED, BYPASSED = 2, 4
MAX_PATH = 100
"""How many ids of a path a message shows."""


@dataclass(slots=True, eq=False)
class Port:
    """An input socket. `spec` is the widget it stands for, None for a pure socket; `place` is its index in the save.

    `panel` is the input of the subgraph around it that it is linked to, `origin` the node; at most one of them is set.
    """

    name: str
    io_type: str
    spec: InputSpec | None = None
    place: int | None = None
    panel: int | None = None
    origin: Item | None = None
    slot: int = 0

    @property
    def writer(self) -> Item | None:
        """The PrimitiveNode that writes into the widget, if any."""
        return self.origin if self.origin is not None and self.origin.kind is Kind.PRIMITIVE else None


@dataclass(slots=True, eq=False)
class Item:
    """A node on a board. `body` is the board of a subgraph instance, whose `held` has the promoted values.

    `virtual` is what the browser makes of it, for a class that exists there only. `moved` maps saved output slots to
    today's, for the classes whose outputs moved. `fault` is why its inputs cannot be told, which keeps it from running.
    `blocks` says that nothing goes through it: a reroute muted in an editor that has it so.
    """

    node: Node
    board: Board
    pointer: str
    kind: Kind
    class_type: str
    schema: NodeSchema | None = None
    body: Board | None = None
    ports: list[Port] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    moved: dict[int, int] = field(default_factory=dict)
    held: Held = field(default_factory=Held)
    virtual: Virtual | None = None
    fault: Issue | None = None
    blocks: bool = False

    @property
    def runs(self) -> bool:
        """Neither muted nor bypassed."""
        return self.node.mode not in (MUTED, BYPASSED)

    def passed_through(self, slot: int, wanted: str) -> Port | None:
        """The input that the node, bypassed, hands on to its output `slot` for a consumer of the type `wanted`.

        It is taken even where it is not linked. Widgets count among the inputs.
        """
        here = self.ports[slot] if 0 <= slot < len(self.ports) else None
        if wanted in ("*", ""):
            return here or next(iter(self.ports), None)
        given = self.outputs[slot] if 0 <= slot < len(self.outputs) else "*"
        suitable = [port for port in self.ports if compatible(port.io_type, given) and compatible(port.io_type, wanted)]
        if here in suitable:
            return here
        exact = next((port for port in self.ports if port.io_type == wanted), None)
        return exact or next(iter(suitable), None)

    @property
    def name(self) -> str | None:
        """The name that a setter gives or a getter asks for."""
        values = self.node.widgets_values
        name = values[0] if isinstance(values, list) and values else None
        return name if isinstance(name, str) and name else None

    def setters(self) -> Iterator[Item]:
        """What may have given a getter's name to something: on its board, or on one around it."""
        board: Board | None = self.board
        while board is not None:
            if (setter := board.setters.get(self.name or "")) is not None:
                yield setter
            board = board.instance.board if board.instance is not None else None

    @property
    def title(self) -> str:
        """What stands above the node: the user's title, else its class's."""
        return self.node.name or (self.schema.display_name if self.schema else "") or self.class_type

    def place_of(self, widget: str) -> str:
        """The JSON pointer of a widget's value; one that leads nowhere where the document has no value for it."""
        place = self.held.places.get(widget, widget)
        if self.board.instance is not None and self.node.id in self.board.shares and isinstance(place, int):
            return self.board.instance.pointer + pointer("widgets_values", self.board.shares[self.node.id] + place)
        return self.pointer + pointer("widgets_values", place)

    def issue(self, code: str, message: str, port: str | None = None, **more: Any) -> Issue:
        """An issue of this node; of a subgraph's node, by the path of the first instance."""
        names = [self.node.id]
        instance = self.board.instance
        while instance is not None and len(names) < MAX_PATH:
            names.append(instance.node.id)
            instance = instance.board.instance
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
class Board:
    """One graph. `instance` is the first item that uses it, None for the workflow's own graph.

    `promoted` is by the index of the subgraph's input, `results` are the ports into its output panel by index;
    `setters` are the nodes that name what they are linked to, by that name; `size` is how many nodes one use of it adds
    to the prompt, those of inner subgraphs included. In a group, `shares` is where each node's part of the instance's
    `widgets_values` begins, by node id.
    """

    canvas: Canvas
    pointer: str
    group: str | None = None
    instance: Item | None = None
    items: dict[str, Item] = field(default_factory=dict)
    promoted: dict[int, Promoted] = field(default_factory=dict)
    results: dict[int, Port] = field(default_factory=dict)
    setters: dict[str, Item] = field(default_factory=dict)
    size: int = 0
    shares: dict[str, int] = field(default_factory=dict)


class Scope:
    """One use of a board: the workflow itself, or an instance of a subgraph inside another scope."""

    __slots__ = ("_inner", "_prefix", "board", "instance", "parent")

    def __init__(self, board: Board, parent: Scope | None = None, instance: Item | None = None) -> None:
        self.board = board
        self.parent = parent
        self.instance = instance
        self._inner: dict[Item, Scope] = {}
        self._prefix: str | None = None

    def inside(self, item: Item, body: Board) -> Scope:
        """The scope of an instance on this board."""
        if item not in self._inner:
            self._inner[item] = Scope(body, self, item)
        return self._inner[item]

    def all(self) -> Iterator[Scope]:
        """This scope and those of the instances that run inside, outer before inner."""
        todo = [self]
        while todo:
            scope = todo.pop()
            yield scope
            shown = [item for item in scope.board.items.values() if item.runs]
            todo += [scope.inside(item, item.body) for item in reversed(shown) if item.body is not None]

    def id_of(self, item: Item) -> str:
        """The item's id in the prompt: ids of the instances around it and its own, joined by colons."""
        if self._prefix is None:
            names: list[str] = []
            scope: Scope = self
            while scope.parent is not None and scope.instance is not None:
                names.append(scope.instance.node.id + ":")
                scope = scope.parent
            self._prefix = "".join(reversed(names))
        return self._prefix + item.node.id
