"""Prompt -> the editor's own save (UI format, version 0.4), laid out so that ComfyUI opens it as a tidy graph.

Converting back gives the same prompt, by the frontend's own rules and without help from private fields: node ids stay,
those that are no plain numbers as text, which the format allows; text that the editor would expand or strip is
escaped. What the format cannot say at all, `losses` tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from weft.engine.errors import InvalidWorkflow, Issue
from weft.engine.formats.conversion import to_prompt
from weft.engine.formats.frames import frames_of
from weft.engine.formats.layout import Edge, Key, Rectangle, Size, arrange
from weft.engine.formats.virtual import virtual_nodes
from weft.engine.formats.widgets import MISSING, SEED_NAMES, default_of, is_widget, slots
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.frontend import Handling, Makes
from weft.engine.schema.node import InputSpec, NodeSchema
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import String, type_name
from weft.engine.workflow.prompt import OWN, Link, Prompt, PromptNode
from weft.engine.workflow.validation import says_nothing

TITLE_HEIGHT = 30.0
_SLOT_HEIGHT = 20.0
_WIDGET_HEIGHT = 24.0
_PICTURE_HEIGHT = 250.0
_MAX_EXTRA_OUTPUTS = 64
_OPTIONAL_SHAPE = 7
_SAFE_INTEGER = 2**53 - 1

_UPLOADS = ("image_upload", "video_upload", "animated_image_upload")
EXTRA_SLOTS: Mapping[str, Any] = {"control": "fixed", "filter": "", "upload": "image"}
"""What stands in the entries of `widgets_values` that are not sent, by their role."""


def to_workflow(prompt: Prompt, registry: Registry, *, keep_unknown: bool = False) -> dict[str, Any]:
    """The prompt as a document of the editor.

    Groups come from the workflow in `extra_pnginfo`, where there is one (the nodes that stood in a group's frame), and
    from texts at `_meta.group`. With `keep_unknown`, a node of a class that the registry does not have is drawn by what
    the prompt shows of it, with its values by name, which a newer editor can place if it has the class.

    Raises InvalidWorkflow with every node class that is unknown, every link that leads nowhere, every malformed one.
    """
    handled = registry.packs.frontend.classes
    nodes = {
        node_id: _Node(node_id, node, _schema(node, registry), handled.get(node.class_type, Handling()).makes)
        for node_id, node in prompt.nodes.items()
    }
    issues = list(_obstacles(prompt, registry, nodes, keep_unknown))
    if issues:
        raise InvalidWorkflow(issues)
    links = _connect(nodes)
    places, frames = _place(nodes, prompt)
    drawn = sorted(nodes.values(), key=lambda node: (places[node.node_id].x, places[node.node_id].y))
    order = {node.node_id: number for number, node in enumerate(drawn)}
    return {
        "last_node_id": max((node.id for node in nodes.values() if isinstance(node.id, int)), default=0),
        "last_link_id": len(links),
        "nodes": [node.to_json(places[node_id], order[node_id]) for node_id, node in nodes.items()],
        "links": links,
        "groups": frames,
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def losses(prompt: Prompt, document: Mapping[str, Any], registry: Registry) -> list[Issue]:
    """What differs when `document`, which `to_workflow` made of the prompt, is converted back; usually nothing.

    The UI format has no place for an input that the class does not have, or for a value in a socket (`input_dropped`);
    every widget has a value (`input_added`); the editor replaces a null choice, a date in a file name, a brace after a
    backslash (`input_changed`).
    """
    back = to_prompt(Workflow.parse(document), registry, keep_unknown=True)
    found: list[Issue] = []
    for node_id, node in prompt.nodes.items():
        after = back.nodes[node_id].inputs
        for name, value in node.inputs.items():
            if name not in after:
                declared = node.class_type in registry and name in registry[node.class_type].given(node.inputs)
                if not declared and says_nothing(name, value):
                    continue
                message = f"the editor has no place for the value {value!r:.80}"
                found.append(_issue(prompt, node_id, "input_dropped", message, name))
            elif after[name] != value or isinstance(after[name], bool) is not isinstance(value, bool):
                message = f"{value!r:.80} comes back as {after[name]!r:.80}"
                found.append(_issue(prompt, node_id, "input_changed", message, name))
        for name, value in after.items():
            if name not in node.inputs:
                message = f"the prompt leaves it out, the editor sends {value!r:.80}"
                found.append(_issue(prompt, node_id, "input_added", message, name))
    return found


def escape_dynamic(text: str) -> str:
    r"""Text that the editor's dynamic prompts turn into `text`: comments and choices in it stay what they are.

    `//` and `/*` are parted by a choice of one, which is expanded after comments went: `/{/}`. Braces get a backslash.
    Only a `{` after an odd number of backslashes cannot be written; it loses one of them.
    """

    def replace(match: re.Match[str]) -> str:
        backslashes, mark, comment = match.groups()
        if comment:
            return "/{" + str(comment) + "}"
        if mark == "|" and not backslashes:
            return "|"  # means nothing outside braces
        return f"{backslashes}{mark}" if mark == "{" and len(backslashes) % 2 else f"{backslashes}\\{mark}"

    return re.sub(r"(\\*)([{}|])|/([/*])", replace, text)


class _Node:
    """One node on its way into the document; `id` is a number where the prompt's is written like one."""

    def __init__(self, node_id: str, node: PromptNode, schema: NodeSchema | None, makes: Makes | None) -> None:
        self.node_id = node_id
        self.node = node
        self.schema = schema
        self.makes = makes
        self.specs = schema.given(node.inputs) if schema else {}
        plain = re.fullmatch(r"0|[1-9][0-9]{0,15}", node_id) and int(node_id) <= _SAFE_INTEGER
        self.id: int | str = int(node_id) if plain else node_id
        self.inputs = list(self._inputs())
        self.values = self._values()
        self.outputs: list[dict[str, Any]] = [
            {"name": output.name, "type": type_name(output.io_type), "links": None}
            for output in (schema.declared if schema else ())
        ]

    def _inputs(self) -> Iterator[dict[str, Any]]:
        """Sockets in schema order, what else is linked, then widgets that are linked; as the editor lists them."""
        specs = self.specs
        linked = dict(self.node.links)
        for name, spec in specs.items():
            if not is_widget(spec):
                entry = {"name": name, "type": type_name(spec.socket.io_type), "link": None}
                yield {**entry, "shape": _OPTIONAL_SHAPE} if spec.section == "optional" else entry
        for name in linked:
            if name not in specs:
                yield {"name": name, "type": "*", "link": None}
        for name, spec in specs.items():
            if name in linked and is_widget(spec):
                yield {"name": name, "type": type_name(spec.socket.io_type), "link": None, "widget": {"name": name}}

    def _values(self) -> list[Any] | dict[str, Any]:
        """`widgets_values`: by position, or by name where the class, and so the order, is not known."""
        if self.schema is None:
            inputs = self.node.inputs.items()
            return {name: bare_list(value) for name, value in inputs if type(value) is not Link}
        layout = slots(self.specs.values())
        values = [self._value(slot.spec) if slot.role == "value" else EXTRA_SLOTS[slot.role] for slot in layout]
        if self.makes is not None and (made := self._made(self.makes, values)) is not None:
            return made
        # What is beyond the last widget is ignored.
        return [*values, None] if looks_old(self.schema, len(values)) else values

    def _made(self, makes: Makes, values: list[Any]) -> list[Any] | dict[str, Any] | None:
        """`widgets_values` of which the browser makes the inputs that the class does not declare, if there are any.

        It saves them behind the others, or all of them by name.
        """
        own = {
            name: bare_list(value)
            for name, value in self.node.inputs.items()
            if name not in self.specs and type(value) is not Link
        }
        declared = {name: self._value(spec) for name, spec in self.specs.items() if is_widget(spec)}
        forms: tuple[list[Any] | dict[str, Any], ...] = ([*values, *own.values()], declared | own)
        return next((form for form in forms if own and makes(_entries(form)) == own), None)

    def _value(self, spec: InputSpec) -> Any:
        value = self.node.inputs.get(spec.name, MISSING)
        if value is MISSING or type(value) is Link:
            default = default_of(spec.socket)
            return None if default is MISSING else default
        return escape_dynamic(value) if isinstance(value, str) and _is_dynamic(spec) else bare_list(value)

    def size(self) -> Size:
        """About the size that the editor will give it, title included."""
        specs = self.specs
        rows = max(sum("widget" not in entry for entry in self.inputs), len(self.outputs))
        height = TITLE_HEIGHT + _SLOT_HEIGHT * rows + _WIDGET_HEIGHT * len(self.values) + (14 if self.values else 6)
        width = 60 + 7.0 * max(
            len(self.title or self.node.class_type),
            max((len(entry["name"]) for entry in self.inputs), default=0)
            + max((len(entry["name"]) for entry in self.outputs), default=0),
        )
        for name, spec in specs.items():
            value = self.node.inputs.get(name)
            if isinstance(spec.socket, String) and spec.socket.options.get("multiline") and is_widget(spec):
                lines = sum(1 + len(line) // 55 for line in value.split("\n")) if isinstance(value, str) else 1
                height += min(max(14.0 * lines, 60), 400)
                width = max(width, 400)
            elif is_widget(spec):
                shown = len(name) + (len(str(value)) if isinstance(value, str | int | float) else 8)
                width = max(width, 250, 60 + 6.5 * min(shown, 60))
        if self._shows_picture():
            height, width = height + _PICTURE_HEIGHT, max(width, 270)
        return Size(float(round(min(max(width, 180), 450))), float(round(height)))

    def height_of(self, name: str) -> float:
        """The height at which the link into an input meets the node."""
        slot = next(slot for slot, entry in enumerate(self.inputs) if entry["name"] == name)
        return _row(slot)

    def _shows_picture(self) -> bool:
        if self.schema is None:
            return False
        sockets = [spec.socket for spec in self.schema.by_name.values()]
        loads = any(socket.options.get(name) for socket in sockets for name in _UPLOADS)
        return loads or (self.schema.output_node and any(socket.io_type == "IMAGE" for socket in sockets))

    @property
    def title(self) -> str | None:
        """Its own title, where it differs from the one it has anyway."""
        usual = (self.schema.display_name if self.schema else "") or self.node.class_type
        return self.node.title if self.node.title != usual else None

    def to_json(self, place: Rectangle, order: int) -> dict[str, Any]:
        registered = {name: self.node.meta[name] for name in ("cnr_id", "aux_id", "ver", OWN) if name in self.node.meta}
        return {
            "id": self.id,
            "type": self.node.class_type,
            "pos": [round(place.x), round(place.y + TITLE_HEIGHT)],
            "size": [round(place.width), round(place.height - TITLE_HEIGHT)],
            "flags": {},
            "order": order,
            "mode": 0,
            "inputs": self.inputs,
            "outputs": self.outputs,
            **({"title": self.title} if self.title else {}),
            "properties": {**registered, "Node name for S&R": self.node.class_type},
            "widgets_values": deepcopy(self.values),
        }


def _entries(values: list[Any] | dict[str, Any]) -> list[tuple[str, Any]]:
    return list(values.items()) if isinstance(values, dict) else [("", value) for value in values]


def _is_dynamic(spec: InputSpec) -> bool:
    return isinstance(spec.socket, String) and bool(spec.socket.options.get("dynamicPrompts"))


def bare_list(value: Any) -> Any:
    """A list stands in a prompt as `{"__value__": [...]}`, in `widgets_values` as itself."""
    if isinstance(value, dict) and value.keys() == {"__value__"} and isinstance(value["__value__"], list):
        return value["__value__"]
    return value


def looks_old(schema: NodeSchema, length: int) -> bool:
    """Whether the editor would take the values for those of an old save, and remove those of forceInput inputs."""
    counted = 0
    forced = False
    for spec in schema.by_name.values():
        if spec.socket.is_widget:
            controlled = spec.name in SEED_NAMES or spec.socket.options.get("control_after_generate")
            counted += 2 if controlled else 1
            forced |= not is_widget(spec)
    return forced and counted == length


def _schema(node: PromptNode, registry: Registry) -> NodeSchema | None:
    found = registry.find(node.class_type)
    return found.schema if found is not None else None


def _obstacles(prompt: Prompt, registry: Registry, nodes: Mapping[str, _Node], keep_unknown: bool) -> Iterator[Issue]:
    """What cannot be drawn at all."""
    virtual = virtual_nodes(registry.packs)
    for node_id, node in nodes.items():
        class_type = node.node.class_type
        if class_type in virtual and node.schema is None:
            message = f"{class_type!r} exists in the editor only and is never part of a prompt"
            yield _issue(prompt, node_id, "invalid_node_class", message)
        elif node.schema is None and not keep_unknown:
            message, hint = registry.unknown(class_type)
            yield _issue(prompt, node_id, "missing_node_type", message, hint=hint)
        for name, value in node.node.inputs.items():
            if isinstance(value, list):
                message = 'a list is no input; a link is ["4", 0], a list as a value {"__value__": [...]}'
                yield _issue(prompt, node_id, "invalid_link", message, name)
        for name, link in node.node.links:
            source = nodes.get(link.node_id)
            if source is None:
                yield _issue(prompt, node_id, "missing_link_source", f"there is no node {link.node_id}", name)
            elif not 0 <= link.slot < len(source.outputs) + _MAX_EXTRA_OUTPUTS:
                yield _issue(prompt, node_id, "invalid_link", f"node {link.node_id} has no output {link.slot}", name)


def _connect(nodes: Mapping[str, _Node]) -> list[list[Any]]:
    """The table of links; enters each into the sockets of both its nodes."""
    links: list[list[Any]] = []
    for node in nodes.values():
        by_name = {entry["name"]: slot for slot, entry in enumerate(node.inputs)}
        for name, link in node.node.links:
            source, number, slot = nodes[link.node_id], len(links) + 1, by_name[name]
            # More outputs than the class has: those of another version of it, which ComfyUI's editor keeps as well.
            for extra in range(len(source.outputs), link.slot + 1):
                source.outputs.append({"name": f"output_{extra}", "type": "*", "links": None})
            output = source.outputs[link.slot]
            output["links"] = output["links"] or []
            output["links"].append(number)
            node.inputs[slot]["link"] = number
            links.append([number, source.id, link.slot, node.id, slot, output["type"]])
    return links


def _place(nodes: Mapping[str, _Node], prompt: Prompt) -> tuple[dict[Key, Rectangle], list[dict[str, Any]]]:
    """Where nodes go, and the groups of the document around them."""
    wires = [
        Edge(link.node_id, _row(link.slot), node_id, node.height_of(name))
        for node_id, node in nodes.items()
        for name, link in node.node.links
    ]
    frames = frames_of(prompt)
    sizes: dict[Key, Size] = {node_id: node.size() for node_id, node in nodes.items()}
    places = arrange(sizes, wires, [frame.to_group() for frame in frames])
    drawn = [frame for outer in frames for frame in outer.all()]
    return places, [
        {**frame.look, "id": number, "bounding": [round(part) for part in places[frame]]}
        for number, frame in enumerate(drawn, 1)
    ]


def _row(number: int) -> float:
    """The height of a slot's dot below the upper edge of the title."""
    return TITLE_HEIGHT + _SLOT_HEIGHT * (number + 0.7)


def _issue(prompt: Prompt, node_id: str, code: str, message: str, name: str | None = None, hint: str = "") -> Issue:
    node = prompt.nodes[node_id]
    return Issue(code, message, node_id, node.class_type, node.title, name, hint=hint, pointer=prompt.at(node_id, name))
