"""What the widgets of a workflow hold when it is queued: for conversion, and for tokens that name them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from weft.engine.formats.canvases import EditorInput, EditorNode, GraphUse
from weft.engine.formats.texts import fill_in
from weft.engine.formats.widgets import MISSING, fed
from weft.engine.formats.wiring import primitive_value
from weft.engine.schema.frontend import NodeKind
from weft.engine.schema.node import InputSpec


@dataclass(frozen=True)
class Widgets:
    """The widgets of a workflow at one moment. `changed` are values that are others than the saved ones, by place."""

    uses: Sequence[GraphUse]
    now: datetime
    changed: Mapping[str, Any] = field(default_factory=dict)

    def value(self, item: EditorNode, port: EditorInput) -> Any:
        """What the widget holds, or what a PrimitiveNode wrote into it; MISSING where it holds nothing."""
        place = item.place_of(port.name)
        if place in self.changed:
            return self.changed[place]
        primitive = port.writer
        if primitive is None or port.spec is None or self.primitive(primitive) is None:
            return item.held.values.get(port.name, MISSING)
        return self.written(primitive, port.spec)

    def primitive(self, item: EditorNode) -> Any:
        """The value of a PrimitiveNode; None where it was saved without."""
        return self.changed.get(primitive_place(item), primitive_value(item))

    def written(self, primitive: EditorNode, spec: InputSpec) -> Any:
        """What a PrimitiveNode writes into a widget."""
        value = self.primitive(primitive)
        if is_filled(primitive):
            value = fill_in(value, self.now, self._look_up_unfilled)
        return fed(spec.socket, value)

    def look_up(self, name: str, widget: str) -> Any:
        """The value of a widget, by its node's name for search and replace, else by its title; None: not there."""
        item, port = self._find(name, widget)
        if item is None or port is None:
            return self.primitive(item) if item and item.kind is NodeKind.PRIMITIVE and widget == "value" else None
        found = self.value(item, port)
        return None if found is MISSING else found

    def _look_up_unfilled(self, name: str, widget: str) -> Any:
        """The same for the text of a PrimitiveNode: tokens in what is found stay, since they might lead back to it."""
        item, port = self._find(name, widget)
        if item is None or port is None or port.writer is None:
            return self.changed.get(item.place_of(widget), item.held.values.get(widget)) if item else None
        return self.primitive(port.writer)

    def _find(self, name: str, widget: str) -> tuple[EditorNode | None, EditorInput | None]:
        item = self._by_search_name.get(name) or self._by_title.get(name)
        ports = item.inputs if item else []
        return item, next((port for port in ports if port.name == widget and port.spec is not None), None)

    @cached_property
    def _by_search_name(self) -> dict[str, EditorNode]:
        found: dict[str, EditorNode] = {}
        for item in self._items():
            name = item.node.properties.get("Node name for S&R")
            if isinstance(name, str):
                found.setdefault(name, item)
        return found

    @cached_property
    def _by_title(self) -> dict[str, EditorNode]:
        found: dict[str, EditorNode] = {}
        for item in self._items():
            found.setdefault(item.title, item)
        return found

    def _items(self) -> Iterator[EditorNode]:
        return (item for use in self.uses for item in use.graph.nodes.values())


def is_filled(primitive: EditorNode) -> bool:
    """Whether tokens are replaced in what a PrimitiveNode writes."""
    return isinstance(primitive_value(primitive), str) and bool(
        primitive.node.properties.get("Run widget replace on values")
    )


def primitive_place(primitive: EditorNode) -> str:
    """The JSON pointer of a PrimitiveNode's value."""
    return primitive.pointer + "/widgets_values/0"
