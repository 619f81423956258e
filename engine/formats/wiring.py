"""Where an input's value comes from, through reroutes, bypassed nodes and the walls of subgraphs.

A walk is a sequence of states; each has at most one next state. Walks share their ends, so what a state leads to is
remembered: the whole workflow costs one step per state, and a chain may be as long as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.documents import pointer
from engine.errors import InvalidWorkflow
from engine.formats.canvases import BYPASSED, MUTED, Item, Port, Scope
from engine.formats.virtual import PASSAGES, Kind
from engine.formats.widgets import plain
from engine.prompt import Link


@dataclass(frozen=True)
class Literal:
    """A value that a subgraph's promoted widget puts in; `fed` by a PrimitiveNode, else the instance's own.

    `place` is where in the document it stands: two inputs with one place share one widget.
    """

    value: Any
    place: str
    fed: Item | None = None


Found = Link | Literal | None


class _State(NamedTuple):
    """At an input `port` of `item` (None: on the way out of the scope's board), or at its output `slot`.

    `wanted` is the type of the final consumer. `open` says that the port takes a widget's value: that of an instance
    reached from inside; a reroute's or a bypassed node's input does not.
    """

    scope: Scope
    item: Item
    port: Port | None
    slot: int
    wanted: str
    open: bool


class Wiring:
    """Resolves inputs; remembers what it found."""

    def __init__(self) -> None:
        self._found: dict[_State, Found] = {}

    def resolve(self, scope: Scope, item: Item, port: Port) -> Found:
        """What the input is linked to. Raises InvalidWorkflow where links run in a circle."""
        trail: dict[_State, None] = {}
        state: _State | None = _State(scope, item, port, 0, port.io_type, False)
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


def _from_port(state: _State, port: Port) -> _State | Found:
    scope = state.scope
    if port.panel is not None:
        if scope.parent is None or scope.instance is None:
            return None
        return _State(scope.parent, scope.instance, scope.instance.ports[port.panel], 0, state.wanted, True)
    if port.origin is None:
        return None
    if port.origin.kind is Kind.PRIMITIVE:
        if not state.open:
            return None
        value = primitive_value(port.origin)
        return None if value is None else Literal(value, port.origin.pointer, port.origin)
    return _State(scope, port.origin, None, port.slot, state.wanted, False)


def _from_output(state: _State) -> _State | Found:
    scope, item, slot = state.scope, state.item, state.slot
    if item.kind in PASSAGES:
        return None if item.blocks else _through(state)
    if item.node.mode == MUTED:
        return None
    if item.node.mode == BYPASSED:
        port = item.passed_through(slot, state.wanted)
        return None if port is None else _State(scope, item, port, 0, state.wanted, False)
    if item.kind is Kind.INSTANCE and item.body is not None:
        result = item.body.results.get(slot)
        return None if result is None else _State(scope.inside(item, item.body), item, result, 0, state.wanted, False)
    if item.kind in (Kind.NODE, Kind.UNKNOWN):
        return Link(scope.id_of(item), slot)
    return None


def _through(state: _State) -> _State | None:
    """From the output of a node that stands for something else to what that is: a getter's setter may be outside."""
    scope: Scope | None = state.scope
    item: Item | None = state.item
    if state.item.kind is Kind.GETTER:
        item = None
        while scope is not None and item is None:
            item = scope.board.setters.get(state.item.name or "")
            scope = scope if item is not None else scope.parent
    if scope is None or item is None or not item.ports:
        return None
    return _State(scope, item, item.ports[0], 0, state.wanted, False)


def _after(state: _State, found: Found) -> Found:
    """What a state makes of what the next one found: an instance's own value where there is nothing else."""
    if state.port is None:
        return found
    if not state.open:
        # What a PrimitiveNode writes does not go through a reroute or a bypassed node.
        return None if isinstance(found, Literal) and found.fed is not None and _is_passage(state) else found
    name = state.port.name
    if found is None:
        found = shown_outside(state.scope, state.item, name)
    if found is None and name in state.item.held.values:
        return Literal(state.item.held.values[name], state.item.place_of(name))
    return found


def shown_outside(scope: Scope, item: Item, widget: str) -> Literal | None:
    """What the instances around an item hold for a widget of its that they show themselves; the outermost counts."""
    found: Literal | None = None
    while (instance := scope.instance) is not None and scope.parent is not None:
        entry = instance.held.shown.get((item.node.id, widget))
        if entry is None:
            break
        found = Literal(plain(entry.value), instance.pointer + pointer("widgets_values", entry.place))
        scope, item = scope.parent, instance
    return found


def _is_passage(state: _State) -> bool:
    return state.item.kind in PASSAGES or state.item.node.mode == BYPASSED


def primitive_value(item: Item) -> Any:
    """The value of a PrimitiveNode; None where it was saved without."""
    saved = item.node.widgets_values
    return saved[0] if isinstance(saved, list) and saved else None
