"""Where an input's value comes from, through reroutes, bypassed nodes and the walls of subgraphs.

A walk is a sequence of states; each has at most one next state. Walks share their ends, so what a state leads to is
remembered: the whole workflow costs one step per state, and a chain may be as long as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from weft.engine.documents import pointer
from weft.engine.errors import InvalidWorkflow
from weft.engine.formats.canvases import BYPASSED, MUTED, EditorInput, EditorNode, GraphUse
from weft.engine.formats.virtual import PASSAGES
from weft.engine.formats.widgets import plain
from weft.engine.schema.frontend import NodeKind
from weft.engine.workflow.prompt import Link


@dataclass(frozen=True)
class Literal:
    """A value that a subgraph's promoted widget puts in; `fed` by a PrimitiveNode, else the instance's own.

    `place` is where in the document it stands: two inputs with one place share one widget.
    """

    value: Any
    place: str
    fed: EditorNode | None = None


Found = Link | Literal | None


class _State(NamedTuple):
    """At an input `port` of `item` (None: on the way out of the use's graph), or at its output `slot`.

    `wanted` is the type of the final consumer. `open` says that the port takes a widget's value: that of an instance
    reached from inside; a reroute's or a bypassed node's input does not.
    """

    use: GraphUse
    item: EditorNode
    port: EditorInput | None
    slot: int
    wanted: str
    open: bool


class Wiring:
    """Resolves inputs; remembers what it found."""

    def __init__(self) -> None:
        self._found: dict[_State, Found] = {}

    def resolve(self, use: GraphUse, item: EditorNode, port: EditorInput) -> Found:
        """What the input is linked to. Raises InvalidWorkflow where links run in a circle."""
        trail: dict[_State, None] = {}
        state: _State | None = _State(use, item, port, 0, port.io_type, False)
        found: Found = None
        while state is not None:
            if state in self._found:
                found = self._found[state]
                break
            if state in trail:
                raise InvalidWorkflow([state.item.issue("circular_links", "its links run in a circle")])
            trail[state] = None
            following = _step(state)
            if isinstance(following, _State):
                state = following
            else:
                found, state = following, None
        for passed in reversed(trail):
            found = self._found[passed] = _after(passed, found)
        return found


def _step(state: _State) -> _State | Found:
    return _from_output(state) if state.port is None else _from_port(state, state.port)


def _from_port(state: _State, port: EditorInput) -> _State | Found:
    use = state.use
    if port.panel is not None:
        if use.parent is None or use.instance is None:
            return None
        return _State(use.parent, use.instance, use.instance.inputs[port.panel], 0, state.wanted, True)
    if port.origin is None:
        return None
    if port.origin.kind is NodeKind.PRIMITIVE:
        if not state.open:
            return None
        value = primitive_value(port.origin)
        return None if value is None else Literal(value, port.origin.pointer, port.origin)
    return _State(use, port.origin, None, port.slot, state.wanted, False)


def _from_output(state: _State) -> _State | Found:
    use, item, slot = state.use, state.item, state.slot
    if item.kind in PASSAGES:
        return None if item.blocks else _through(state)
    if item.node.mode == MUTED:
        return None
    if item.node.mode == BYPASSED:
        port = item.passed_through(slot, state.wanted)
        return None if port is None else _State(use, item, port, 0, state.wanted, False)
    if item.kind is NodeKind.INSTANCE and item.body is not None:
        result = item.body.results.get(slot)
        return None if result is None else _State(use.inside(item, item.body), item, result, 0, state.wanted, False)
    if item.kind in (NodeKind.NODE, NodeKind.UNKNOWN):
        return Link(use.id_of(item), slot)
    return None


def _through(state: _State) -> _State | None:
    """From the output of a node that stands for something else to what that is: a getter's setter may be outside."""
    use: GraphUse | None = state.use
    item: EditorNode | None = state.item
    if state.item.kind is NodeKind.GETTER:
        item = None
        while use is not None and item is None:
            item = use.graph.setters.get(state.item.name or "")
            use = use if item is not None else use.parent
    if use is None or item is None or not item.inputs:
        return None
    return _State(use, item, item.inputs[0], 0, state.wanted, False)


def _after(state: _State, found: Found) -> Found:
    """What a state makes of what the next one found: an instance's own value where there is nothing else."""
    if state.port is None:
        return found
    if not state.open:
        # What a PrimitiveNode writes does not go through a reroute or a bypassed node.
        return None if isinstance(found, Literal) and found.fed is not None and _is_passage(state) else found
    name = state.port.name
    if found is None:
        found = shown_outside(state.use, state.item, name)
    if found is None and name in state.item.held.values:
        return Literal(state.item.held.values[name], state.item.place_of(name))
    return found


def shown_outside(use: GraphUse, item: EditorNode, widget: str) -> Literal | None:
    """What the instances around an item hold for a widget of its that they show themselves; the outermost counts."""
    found: Literal | None = None
    while (instance := use.instance) is not None and use.parent is not None:
        entry = instance.held.shown.get((item.node.id, widget))
        if entry is None:
            break
        found = Literal(plain(entry.value), instance.pointer + pointer("widgets_values", entry.place))
        use, item = use.parent, instance
    return found


def _is_passage(state: _State) -> bool:
    return state.item.kind in PASSAGES or state.item.node.mode == BYPASSED


def primitive_value(item: EditorNode) -> Any:
    """The value of a PrimitiveNode; None where it was saved without."""
    saved = item.node.widgets_values
    return saved[0] if isinstance(saved, list) and saved else None
