"""The scene of a prompt: its nodes laid out, those of one subgraph or of one saved group inside a frame."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from weft.engine.drawing.arranging import arranged
from weft.engine.drawing.colors import color_of
from weft.engine.drawing.scene import (
    NOWHERE,
    DrawnGroup,
    DrawnLink,
    DrawnNode,
    DrawnSlot,
    DrawnWidget,
    PicturesById,
    Scene,
)
from weft.engine.drawing.values import is_long, value_text
from weft.engine.errors import Issue
from weft.engine.formats.frames import Frame, frames_of
from weft.engine.formats.layout import Group, Key
from weft.engine.formats.widgets import is_widget
from weft.engine.schema.node import InputSpec, NodeSchema
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import type_name
from weft.engine.workflow.prompt import Link, Prompt, PromptNode

_MAX_EXTRA_OUTPUTS = 64
_MAX_NESTED = 6
_LARGEST_TITLE = 1000


def prompt_scene(
    prompt: Prompt, registry: Registry, *, title: str = "", pictures: PicturesById | None = None
) -> tuple[Scene, list[Issue]]:
    """The drawing of a prompt, and notes on links that lead nowhere and so are not drawn.

    A class that the registry does not have is drawn by what the prompt shows of it.
    """
    notes: list[Issue] = []
    found: dict[str, DrawnNode] = {}
    for node_id, node in prompt.nodes.items():
        known = registry.find(node.class_type)
        found[node_id] = _node(node_id, node, known.schema if known is not None else None)
    links: list[DrawnLink] = []
    for node_id, node in prompt.nodes.items():
        slots = {slot.name: place for place, slot in enumerate(found[node_id].inputs)}
        for name, link in node.links:
            source = found.get(link.node_id)
            if source is None or not 0 <= link.slot < len(source.outputs) + _MAX_EXTRA_OUTPUTS:
                what = (
                    f"there is no node {link.node_id}"
                    if source is None
                    else f"node {link.node_id} has no output {link.slot}"
                )
                notes.append(
                    Issue("missing_link_source", f"{what}: not drawn", node_id, node.class_type, node.title, name)
                )
                continue
            while len(source.outputs) <= link.slot:
                source = replace(source, outputs=(*source.outputs, DrawnSlot("", "*")))
            found[link.node_id] = source
            place = slots[name]
            io_type = source.outputs[link.slot].io_type
            io_type = found[node_id].inputs[place].io_type if io_type == "*" else io_type
            links.append(DrawnLink(link.node_id, link.slot, node_id, place, io_type))
    for node_id in pictures or {}:
        if node_id in found:
            found[node_id] = replace(found[node_id], pictures=(pictures or {})[node_id])
    groups = _Groups(prompt)
    return arranged(found.values(), links, groups.all(), groups.looks, title=title), notes


def _node(node_id: str, node: PromptNode, schema: NodeSchema | None) -> DrawnNode:
    specs = (
        {name: spec for name, spec in schema.given(node.inputs).items() if spec.section != "hidden"} if schema else {}
    )
    sockets, widgets = list(_sockets(node, specs.values())), list(_widgets(node, specs.values()))
    usual = (schema.display_name if schema else "") or node.class_type
    outputs = [DrawnSlot(output.name, type_name(output.io_type)) for output in (schema.declared if schema else ())]
    return DrawnNode(
        (node_id,),
        node.title or usual,
        node.class_type,
        inputs=tuple(sockets),
        outputs=tuple(outputs),
        widgets=tuple(widgets),
        known=schema is not None,
    )


def _sockets(node: PromptNode, specs: Collection[InputSpec]) -> Iterator[DrawnSlot]:
    """Inputs in the order of the class, then what else is linked; widgets where they are linked."""
    known = {spec.name for spec in specs}
    for spec in specs:
        linked = type(node.inputs.get(spec.name)) is Link
        if not is_widget(spec):
            if linked or spec.name not in node.inputs:
                yield DrawnSlot(spec.name, type_name(spec.socket.io_type))
        elif linked:
            yield DrawnSlot(spec.name, type_name(spec.socket.io_type), is_widget=True)
    for name, _ in node.links:
        if name not in known:
            yield DrawnSlot(name, "*")


def _widgets(node: PromptNode, specs: Collection[InputSpec]) -> Iterator[DrawnWidget]:
    known = {spec.name: spec for spec in specs}
    for name in [*known, *(name for name in node.inputs if name not in known)]:
        if name not in node.inputs:
            continue
        value, spec = node.inputs[name], known.get(name)
        if type(value) is Link:
            if spec is not None and is_widget(spec):
                yield DrawnWidget(name, "", linked=True)
            continue
        lines = bool(spec.socket.options.get("multiline")) if spec is not None else is_long(value)
        yield DrawnWidget(name, value_text(value), lines=lines and isinstance(value, str))


class _Groups:
    """The frames of a prompt's drawing: those of the save that it came from, and of subgraphs, by ids' paths."""

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.looks: dict[Key, DrawnGroup] = {}

    def all(self) -> list[Group]:
        """The outermost ones; `looks` are filled by it, outer ones first."""
        frames = frames_of(self.prompt)
        framed = {node_id for frame in frames for inner in frame.all() for node_id in inner.nodes}
        rest = [node_id for node_id in self.prompt.nodes if node_id not in framed]
        return [*map(self._frame, frames), *self._paths(rest, "")[1]]

    def _frame(self, frame: Frame) -> Group:
        look = frame.look
        size = look.get("font_size")
        font = float(size) if isinstance(size, int | float) and 0 < size < _LARGEST_TITLE else 24.0
        self.looks[frame] = DrawnGroup(str(look.get("title", "")), NOWHERE, color_of(look.get("color")), font)
        boxes, inside = self._paths(frame.nodes, "")
        inner = [self._frame(each) for each in frame.frames if not each.empty]
        return Group(frame, tuple(boxes), (*inner, *inside))

    def _paths(self, ids: Sequence[str], prefix: str) -> tuple[list[str], list[Group]]:
        """Those that are no deeper than the prefix, and a group for each subgraph below it."""
        plain: list[str] = []
        below: dict[str, list[str]] = {}
        for node_id in ids:
            head, colon, _ = node_id[len(prefix) :].partition(":")
            if colon and prefix.count(":") < _MAX_NESTED:
                below.setdefault(f"{prefix}{head}:", []).append(node_id)
            else:
                plain.append(node_id)
        groups: list[Group] = []
        for path, inner in below.items():
            instance = path[:-1]
            shown = self.prompt.shown.get(instance)
            key = ("subgraph", prefix, path, ids[0])
            self.looks[key] = DrawnGroup(f"{shown.title if shown else 'Subgraph'} #{instance}", NOWHERE)
            boxes, inside = self._paths(inner, path)
            groups.append(Group(key, tuple(boxes), tuple(inside)))
        return plain, groups
