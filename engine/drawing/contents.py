"""What a node of an editor's save shows: title, slots, widgets with their values, colours; not where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weft.engine.drawing.colors import color_of
from weft.engine.drawing.scene import DrawnNode, DrawnSlot, DrawnWidget, Form
from weft.engine.drawing.values import is_long, value_text
from weft.engine.formats.canvases import BYPASSED, MUTED, EditorGraph, EditorInput, EditorNode, Promoted
from weft.engine.formats.controls import ControlWord
from weft.engine.formats.reading import INPUT_PANEL, OUTPUT_PANEL
from weft.engine.formats.widgets import MISSING, Saved, SavedValue
from weft.engine.formats.workflow import Panel
from weft.engine.schema.frontend import NodeKind
from weft.engine.schema.node import InputSpec

CONTROL = "control_after_generate"
_MODES = {MUTED: "muted", BYPASSED: "bypassed"}
_LARGEST_REROUTE = 40


def node_of(item: EditorNode, raw: Mapping[str, Any], ids: tuple[str, ...]) -> DrawnNode:
    """The node without a place; `raw` is how it was saved, `ids` what it is called in prompts."""
    widgets = tuple(_widgets(item))
    inputs = tuple(_inputs(item, raw))
    title = item.node.name or (item.body.canvas.name if item.body is not None else "") or item.title
    return DrawnNode(
        ids,
        title,
        "" if item.body is not None else item.class_type,
        inputs=inputs,
        outputs=tuple(_outputs(item, raw)),
        widgets=widgets,
        form=_form(item, raw, widgets),
        mode=_MODES.get(item.node.mode, ""),
        color=color_of(raw.get("color")),
        paper=color_of(raw.get("bgcolor")),
        known=item.kind is not NodeKind.UNKNOWN,
    )


def panels_of(graph: EditorGraph, paths: Sequence[str]) -> dict[str, DrawnNode]:
    """The edges of a subgraph, by their ids in its links: its inputs, from which links begin, and its outputs."""
    canvas = graph.canvas
    inputs, outputs = tuple(map(_panel, canvas.inputs)), tuple(map(_panel, canvas.outputs))
    found: dict[str, DrawnNode] = {}
    # A node of a broken save may have such an id.
    apart = "'" if {INPUT_PANEL, OUTPUT_PANEL} & graph.nodes.keys() else ""
    if inputs:
        ids = tuple(path + INPUT_PANEL + apart for path in paths)
        found[INPUT_PANEL] = DrawnNode(ids, "inputs", "", outputs=inputs, form=Form.PANEL)
    if outputs:
        ids = tuple(path + OUTPUT_PANEL + apart for path in paths)
        found[OUTPUT_PANEL] = DrawnNode(ids, "outputs", "", inputs=outputs, form=Form.PANEL)
    return found


def _panel(panel: Panel) -> DrawnSlot:
    return DrawnSlot(panel.name, panel.io_type if isinstance(panel.io_type, str) else "*", panel.label_text)


def _form(item: EditorNode, raw: Mapping[str, Any], widgets: Sequence[DrawnWidget]) -> Form:
    if item.kind is NodeKind.REROUTE and not widgets:
        size = raw.get("size")
        height = size[1] if isinstance(size, list) and len(size) > 1 else 0
        return Form.REROUTE if not isinstance(height, int | float) or height <= _LARGEST_REROUTE else Form.BOX
    is_note = item.kind is NodeKind.NOTE and not item.node.inputs and not item.node.outputs
    return Form.NOTE if is_note and len(widgets) == 1 and widgets[0].lines else Form.BOX


# Slots


def _inputs(item: EditorNode, raw: Mapping[str, Any]) -> Iterator[DrawnSlot]:
    """Sockets, and the widgets that are linked; of a class of the browser's, all as they were saved."""
    panels = item.body.canvas.inputs if item.body is not None else ()
    for at, port in enumerate(item.inputs):
        label = panels[at].label_text if at < len(panels) else ""
        label = label or _label(raw.get("inputs"), port.place)
        if item.virtual is not None or not _is_widget(item, port):
            yield DrawnSlot(port.name, port.io_type, label)
        elif _is_linked(port):
            yield DrawnSlot(port.name, port.io_type, label, is_widget=True)


def _outputs(item: EditorNode, raw: Mapping[str, Any]) -> Iterator[DrawnSlot]:
    panels = item.body.canvas.outputs if item.body is not None else ()
    declared = item.schema.declared if item.schema is not None else ()
    for at, io_type in enumerate(item.outputs):
        saved = item.node.outputs[at].name if at < len(item.node.outputs) else ""
        name = panels[at].name if at < len(panels) else declared[at].name if at < len(declared) else saved
        label = panels[at].label_text if at < len(panels) else ""
        yield DrawnSlot(name, io_type, label or _label(raw.get("outputs"), at))


def _label(slots: Any, place: int | None) -> str:
    """What the user calls a slot, if it was renamed."""
    if isinstance(slots, list) and place is not None and place < len(slots) and isinstance(slots[place], Mapping):
        label = slots[place].get("label")
        return label if isinstance(label, str) else ""
    return ""


def _is_widget(item: EditorNode, port: EditorInput) -> bool:
    if port.spec is not None:
        return True
    return port.place is not None and item.node.inputs[port.place].widget_name is not None


def _is_linked(port: EditorInput) -> bool:
    return port.origin is not None or port.panel is not None


# Widgets


def _widgets(item: EditorNode) -> Iterator[DrawnWidget]:
    if item.body is not None and item.body.group is None:
        yield from _instance_widgets(item, item.body)
    elif item.schema is None:
        yield from _saved_widgets(item)
    else:
        for port in item.inputs:
            if port.spec is None:
                continue
            value = item.held.values.get(port.name, MISSING)
            if value is not MISSING or _is_linked(port):
                yield _widget(port.name, "" if value is MISSING else value, port.spec, linked=_is_linked(port))
            if isinstance(item.held.controls.get(port.name), str):
                yield DrawnWidget(CONTROL, item.held.controls[port.name])
        for name, value in item.held.made.items():
            yield DrawnWidget(name, value_text(value), lines=is_long(value))


def _widget(name: str, value: Any, spec: InputSpec | None, *, label: str = "", linked: bool = False) -> DrawnWidget:
    lines = bool(spec.socket.options.get("multiline")) if spec is not None else is_long(value)
    return DrawnWidget(name, value_text(value), label, linked, lines and isinstance(value, str))


def _saved_widgets(item: EditorNode) -> Iterator[DrawnWidget]:
    """The values of a class that is not known, or of the browser's, with names where the save has them."""
    entries = list(Saved(item.node.widgets_values, item.node.widgets_values_named).listed)
    linked = {port.name for port in item.inputs if _is_linked(port)}
    names = _names(item, entries)
    for place, entry in enumerate(entries):
        name = names[place]
        if isinstance(entry.value, str | int | float | bool):
            lines = is_long(entry.value) or item.kind is NodeKind.NOTE
            is_text = isinstance(entry.value, str)
            yield DrawnWidget(name, value_text(entry.value), linked=name in linked, lines=lines and is_text)


def _names(item: EditorNode, entries: Sequence[SavedValue]) -> list[str]:
    """What the entries are called; empty where nothing says it."""
    if any(entry.name for entry in entries):
        return [entry.name for entry in entries]
    if item.body is not None:
        return _group_names(item.body, entries)
    if item.kind is NodeKind.PRIMITIVE:
        return ["value", CONTROL, *[""] * len(entries)][: len(entries)]
    names = [slot.widget_name or "" for slot in item.node.inputs if slot.widget_name is not None]
    words = {str(word) for word in ControlWord}
    controls = [
        place for place, entry in enumerate(entries)
        if place and isinstance(entry.value, str) and entry.value in words
        and type(entries[place - 1].value) in (int, float)
    ]  # fmt: skip
    if len(names) == len(entries):
        return names
    if len(names) == len(entries) - len(controls):
        rest = iter(names)
        return [CONTROL if place in controls else next(rest) for place in range(len(entries))]
    return [""] * len(entries)


def _group_names(body: EditorGraph, entries: Sequence[SavedValue]) -> list[str]:
    """Of a group's node: the names that the values have at the nodes inside, of which each has a share."""
    names = [""] * len(entries)
    for node_id, start in body.shares.items():
        places = body.nodes[node_id].held.places if node_id in body.nodes else {}
        for name, place in places.items():
            if isinstance(place, int) and start + place < len(names):
                names[start + place] = name
    words = {str(word) for word in ControlWord}
    return [
        CONTROL if not name and isinstance(entry.value, str) and entry.value in words else name
        for name, entry in zip(names, entries, strict=True)
    ]


def _instance_widgets(item: EditorNode, body: EditorGraph) -> Iterator[DrawnWidget]:
    """What a subgraph's node shows: the inputs that are widgets inside it, and those inside that are shown alone."""
    shown: set[tuple[str, str]] = set()
    for index, port in enumerate(item.inputs):
        promoted = body.promoted.get(index)
        if promoted is None or not _is_widget(item, port):
            continue
        shown.add((promoted.node_id, promoted.widget))
        value = item.held.values.get(port.name, MISSING)
        value = _inner(body, promoted) if value is MISSING else value
        label = body.canvas.inputs[index].label_text
        yield _widget(port.name, "" if value is MISSING else value, promoted.spec, label=label, linked=_is_linked(port))
    proxies = item.node.properties.get("proxyWidgets")
    for proxy in proxies if isinstance(proxies, list) else ():
        if not isinstance(proxy, list) or len(proxy) < 2:
            continue
        key = str(proxy[0]), str(proxy[1])
        if key in shown or key[0] not in body.nodes:
            continue
        shown.add(key)
        entry = item.held.shown.get(key)
        value = entry.value if entry is not None else _inner(body, Promoted(None, *key))
        if value is not MISSING:
            yield DrawnWidget(key[1], value_text(value), lines=is_long(value))


def _inner(body: EditorGraph, promoted: Promoted) -> Any:
    """What the widget of the inner node holds; MISSING where that is not told."""
    inner = body.nodes.get(promoted.node_id)
    if inner is None:
        return MISSING
    if promoted.widget == CONTROL:
        return next((word for word in inner.held.controls.values() if isinstance(word, str)), MISSING)
    if inner.schema is None and inner.body is None:
        return next((each.value for each in _saved_widgets(inner) if each.name == promoted.widget), MISSING)
    return inner.held.values.get(promoted.widget, inner.held.made.get(promoted.widget, MISSING))
