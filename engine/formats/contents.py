"""What a node has and holds as it was saved: its inputs, which may unfold, and the values of its widgets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from weft.engine.errors import Issue
from weft.engine.formats.canvases import EditorGraph, EditorNode
from weft.engine.formats.legacy import asks_for_a_seed, migrate, misplaced
from weft.engine.formats.widgets import (
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
from weft.engine.formats.workflow import Node
from weft.engine.schema.node import InputSpec, NodeSchema
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import DynamicCombo, Opaque, Unread, type_name


@dataclass(frozen=True)
class NodeShape:
    """What a node has by its class: its inputs, sockets first, and what its `widgets_values` stand for."""

    inputs: tuple[InputSpec, ...] = ()
    layout: tuple[WidgetSlot, ...] = ()

    @classmethod
    def of(cls, specs: Collection[InputSpec]) -> NodeShape:
        """That of a node with these inputs."""
        inputs = (*(spec for spec in specs if not is_widget(spec)), *(spec for spec in specs if is_widget(spec)))
        return cls(inputs, slots(specs))


class NodeShapes:
    """The shapes of nodes; those that only depend on the class are made once."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._found: dict[str, NodeShape] = {}

    def of(self, item: EditorNode) -> NodeShape:
        """That of the class; where inputs unfold, what the node holds has a say. Empty where the class is not known."""
        schema = item.schema
        if schema is None:
            return NodeShape()
        if schema.unfolds or schema is not self._registry[item.class_type]:
            saved = Saved(item.node.widgets_values, item.node.widgets_values_named)
            return NodeShape.of(unfolded(schema, saved, (slot.name for slot in item.node.inputs)).values())
        if item.class_type not in self._found:
            self._found[item.class_type] = NodeShape.of(schema.by_name.values())
        return self._found[item.class_type]


def with_shown_widgets(schema: NodeSchema, node: Node) -> NodeSchema:
    """The class with a widget for what the editor that saved the node showed one for, of a type that is not known."""
    shown = {slot.name for slot in node.inputs if slot.widget_name == slot.name}
    if not any(may_have_a_widget(spec) and spec.name in shown for spec in schema.inputs):
        return schema
    inputs = (
        InputSpec(spec.name, Opaque(type_name(spec.socket.io_type), **spec.socket.options), spec.section)
        if may_have_a_widget(spec) and spec.name in shown
        else spec
        for spec in schema.inputs
    )
    return replace(schema, inputs=tuple(inputs))


def fill(item: EditorNode, shape: NodeShape) -> Iterator[Issue]:
    """Set what the item's widgets hold, and the fault where that cannot be told; what was left out are notes."""
    saved, named = item.node.widgets_values, item.node.widgets_values_named
    if item.schema is not None:
        item.held = hold(item.schema, shape.layout, Saved(migrate(item.handling, shape.layout, saved), named))
        if item.handling.makes is not None:
            item.held.made.update(item.handling.makes([(one.name, one.value) for one in Saved(saved, named).listed]))
            item.held.left.clear()
        item.fault = _fault(item, shape)
        if asks_for_a_seed(item.handling, shape.layout, saved):
            drawn = item.handling.drawn_seed
            message = f"the seed is {drawn}, to be drawn when queued; 0 is taken, and further runs draw others"
            yield item.issue("drawn_seed", message)
    elif item.body is not None and item.body.group is None:
        item.held = _instance_values(item.body, item.node)
    if item.held.left and item.runs and item.fault is None and not item.handling.keeps_more:
        taker = "the class" if item.body is None else "the subgraph"
        yield item.issue("values_left_out", f"{_values(item)} that no widget of {taker} takes: {_shown(item)}")


def _values(item: EditorNode) -> str:
    count = len(item.held.left)
    return f"{count} saved value{'s' if count > 1 else ''}"


def _shown(item: EditorNode) -> str:
    return ", ".join(map(str, item.held.left))


def _fault(item: EditorNode, shape: NodeShape) -> Issue | None:
    """Why it cannot be told what the node has: a type that is not understood, or values that might be anyone's."""
    for spec in shape.inputs:
        if isinstance(spec.socket, Unread):
            message = f"{spec.name!r} is of type {type_name(spec.socket.io_type)}, which is not known here"
            return item.issue("unknown_input_type", message, spec.name)
    wrong = misplaced(item.handling, shape.layout, item.held.values)
    if wrong:
        message = f"saved by {item.handling.too_old}, whose node had other widgets ({wrong})"
        return item.issue("other_version", message, hint="put the node into the graph anew")
    left = item.held.left
    if not left or left[0].name:
        return None
    for spec in shape.inputs:
        value = item.held.values.get(spec.name)
        if isinstance(spec.socket, DynamicCombo) and value not in spec.socket.branches:
            message = f"{value!r:.40} is no choice of {spec.name!r}, so what it brings is not known"
            return item.issue("value_not_in_list", f"{message}, and which of the values after it is whose", spec.name)
    saved = {slot.name for slot in item.node.inputs}
    unsaved = [spec for spec in shape.inputs if may_have_a_widget(spec) and spec.name not in saved]
    if len(unsaved) != len(left):
        return None
    types = ", ".join(f"{spec.name!r} of type {type_name(spec.socket.io_type)}" for spec in unsaved)
    message = f"{_values(item)} too many ({_shown(item)}), and no known widget for {types}"
    return item.issue("unknown_input_type", f"{message}: which value is whose cannot be told", unsaved[0].name)


def _instance_values(body: EditorGraph, instance: Node) -> Held:
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
        if isinstance(owner, tuple) and owner[0] in body.nodes:
            held.shown[owner] = entry
        elif isinstance(owner, str) and owner in promoted and not promoted[owner].lost:
            held.values[owner] = plain(entry.value)
            held.places[owner] = entry.place
        elif not entry.is_empty:
            held.left.append(entry)
    return held
