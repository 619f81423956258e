"""The scene of an editor's save: its own places, sizes, colours and groups; subgraphs as boxes, with what is inside
drawn below."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from weft.engine.documents import value_at
from weft.engine.drawing.arranging import arranged
from weft.engine.drawing.bodies import TITLE, TITLE_SIZE, at_least_fitting, fitted
from weft.engine.drawing.colors import color_of
from weft.engine.drawing.contents import node_of, panels_of
from weft.engine.drawing.room import spread
from weft.engine.drawing.scene import Area, DrawnGroup, DrawnLink, DrawnNode, Form, PicturesById, Scene
from weft.engine.drawing.typesetting import on_one_line, width_of
from weft.engine.errors import Issue
from weft.engine.formats.canvases import EditorGraph, EditorInput, EditorNode
from weft.engine.formats.reading import INPUT_PANEL, OUTPUT_PANEL, read
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.frontend import NodeKind
from weft.engine.schema.registry import Registry

FARTHEST = 1e6
"""Beyond it a place or a size is none."""

_MOST_GROUPS = 1000
_MOST_PATHS = 20
_LARGEST = 4000.0


def save_scene(
    workflow: Workflow, registry: Registry, *, title: str = "", pictures: PicturesById | None = None
) -> tuple[Scene, list[Issue]]:
    """The drawing of a saved workflow, and notes on what is broken in it and left out, as the editor leaves it out.

    Nodes of unknown classes are drawn by what was saved of them; a graph in which a node has no place is laid out anew.
    Raises InvalidWorkflow for one that cannot be read.
    """
    root, notes = read(workflow, registry)
    graphs = _paths(root)
    places = {graph: place for place, graph in enumerate(graphs)}
    drawn = [_Graph(workflow, graph, paths, places, pictures or {}).scene() for graph, paths in graphs.items()]
    insets = [
        replace(scene, title=_inset_title(graph, paths))
        for scene, (graph, paths) in zip(drawn, graphs.items(), strict=True)
    ]
    return replace(drawn[0], title=title, insets=tuple(insets[1:])), [*workflow.notes, *notes]


def _paths(root: EditorGraph) -> dict[EditorGraph, list[str]]:
    """Every graph, outer before inner, with what stands before the ids of its nodes in a prompt, for each use of it."""
    found: dict[EditorGraph, list[str]] = {root: [""]}
    todo = [root]
    for graph in todo:
        for item in graph.nodes.values():
            if item.body is not None:
                if item.body not in found:
                    todo.append(item.body)
                paths = found.setdefault(item.body, [])
                paths += [f"{prefix}{item.node.id}:" for prefix in found[graph]][: _MOST_PATHS - len(paths)]
    return found


def _inset_title(graph: EditorGraph, paths: Sequence[str]) -> str:
    name = graph.canvas.name or graph.group or (graph.instance.title if graph.instance is not None else "")
    return f"{name}: inside {', '.join(f'#{path[:-1]}' for path in paths)}"


@dataclass
class _Graph:
    workflow: Workflow
    graph: EditorGraph
    paths: Sequence[str]
    places: Mapping[EditorGraph, int]
    pictures: PicturesById

    def scene(self) -> Scene:
        raw = _at(self.workflow, self.graph.pointer)
        drawn = {name: self.node(item) for name, item in self.graph.nodes.items()}
        inner = self.graph.instance is not None
        panels = panels_of(self.graph, self.paths) if inner else {}
        links = list(self.links(drawn, panels, raw))
        nodes = {node.id: node for node in [*drawn.values(), *panels.values()]}
        if any(node.area.width <= 0 for node in drawn.values()):
            return arranged(nodes.values(), [link._replace(through=()) for link in links])
        nodes |= {node.id: _beside(node, raw, name == INPUT_PANEL, drawn.values()) for name, node in panels.items()}
        groups = tuple(_groups(raw))
        return spread(
            Scene(nodes, tuple(links), groups), {name: at_least_fitting(node) for name, node in nodes.items()}
        )

    def node(self, item: EditorNode) -> DrawnNode:
        """The node in the box that was saved; in one without width where none was."""
        raw = _at(self.workflow, item.pointer)
        node = node_of(item, raw, tuple(path + item.node.id for path in self.paths))
        if item.body is not None:
            node = replace(node, inset=self.places[item.body])
        shown = next((self.pictures[each] for each in node.ids if each in self.pictures), ())
        node = replace(node, pictures=shown)
        flags = raw.get("flags")
        place, size = _pair(raw.get("pos")), _pair(raw.get("size"))
        if place is None:
            return node
        width, height = size or fitted(node).area[2:]
        width, height = min(max(width, 20.0), _LARGEST), min(max(height, 10.0), _LARGEST)
        if node.form is Form.REROUTE:
            return replace(node, area=Area(*place, width, height))
        if isinstance(flags, Mapping) and flags.get("collapsed"):
            letters = width_of(on_one_line(node.title), TITLE_SIZE) + width_of(f"{node.mode} #{node.id}", 11) + 44
            width = max(min(width, letters), 80.0)
            node = replace(node, form=Form.COLLAPSED)
            return replace(node, area=Area(place[0], place[1] - TITLE, width, TITLE))
        return replace(node, area=Area(place[0], place[1] - TITLE, max(width, 60.0), height + TITLE))

    # Links

    def links(
        self, drawn: Mapping[str, DrawnNode], panels: Mapping[str, DrawnNode], raw: Mapping[str, Any]
    ) -> Iterator[DrawnLink]:
        reroutes = _Reroutes(raw)
        tabled = {(wire.target_id, str(wire.target_slot)) for wire in self.graph.canvas.links}
        for name, item in self.graph.nodes.items():
            node = drawn[name]
            slots = {slot.name: place for place, slot in enumerate(node.inputs)}
            for at, port in enumerate(item.inputs):
                source = self.source(port, drawn, panels)
                if source is None:
                    continue
                # The inputs of a class of the browser's may share a name.
                place = at if item.virtual is not None else slots[port.name]
                saved = item.node.inputs[port.place].link if port.place is not None else None
                io_type = self.type_of(port)
                implicit = saved is None and (name, str(port.place)) not in tabled
                through = reroutes.of(saved)
                yield DrawnLink(*source, node.id, place, io_type, through, implicit)
        for index, port in self.graph.results.items() if OUTPUT_PANEL in panels else ():
            source = self.source(port, drawn, panels)
            if source is not None:
                yield DrawnLink(*source, panels[OUTPUT_PANEL].id, index, self.type_of(port))

    def source(
        self, port: EditorInput, drawn: Mapping[str, DrawnNode], panels: Mapping[str, DrawnNode]
    ) -> tuple[str, int] | None:
        """Where the link of an input begins, if it has one that can be drawn."""
        if port.panel is not None and INPUT_PANEL in panels:
            return panels[INPUT_PANEL].id, port.panel
        if port.origin is None or port.origin.graph is not self.graph:
            return None
        node = drawn[port.origin.node.id]
        return (node.id, port.slot) if 0 <= port.slot < len(node.outputs) else None

    def type_of(self, port: EditorInput) -> str:
        """The type of what comes through a link, looked for before reroutes."""
        current: EditorInput | None = port
        seen: set[int] = set()
        while current is not None and id(current) not in seen:
            seen.add(id(current))
            if current.panel is not None:
                io_type = self.graph.canvas.inputs[current.panel].io_type
                return io_type if isinstance(io_type, str) and io_type != "*" else port.io_type
            origin = current.origin
            if origin is None:
                break
            found = origin.outputs[current.slot] if 0 <= current.slot < len(origin.outputs) else "*"
            if found not in ("*", ""):
                return found
            following = (
                origin.inputs[0] if origin.inputs and origin.kind in (NodeKind.REROUTE, NodeKind.SETTER) else None
            )
            if origin.kind is NodeKind.GETTER:
                setter = next(origin.setters(), None)
                following = setter.inputs[0] if setter is not None and setter.inputs else None
            current = following
        return port.io_type


class _Reroutes:
    """The points that links of a graph are led through."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        extra = raw.get("extra")
        extra = extra if isinstance(extra, Mapping) else {}
        self.points: dict[str, tuple[tuple[float, float], str]] = {}
        for each in [*_objects(extra.get("reroutes")), *_objects(raw.get("reroutes"))]:
            if (point := _pair(each.get("pos"))) is not None:
                self.points[str(each.get("id"))] = (point, str(each.get("parentId")))
        links = [*_objects(extra.get("linkExtensions")), *_objects(raw.get("links"))]
        self.last = {str(link.get("id")): str(link.get("parentId")) for link in links}

    def of(self, link: str | None) -> tuple[tuple[float, float], ...]:
        """Those of one link, from its source on."""
        found: list[tuple[float, float]] = []
        at = self.last.get(link or "")
        while at in self.points and len(found) <= len(self.points):
            point, at = self.points[at]
            found.append(point)
        return tuple(found[::-1]) if len(found) <= len(self.points) else ()


# What a save says


def _at(workflow: Workflow, pointer: str) -> Mapping[str, Any]:
    """The object at a place of the document; an empty one for a node of a group, which stands elsewhere."""
    try:
        found = value_at(workflow.document, pointer)
    except LookupError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _pair(value: Any) -> tuple[float, float] | None:
    """A point or a size; old saves hold one as {"0": x, "1": y}."""
    pair = [value.get("0"), value.get("1")] if isinstance(value, Mapping) else value
    return _numbers(pair[:2]) if isinstance(pair, list) and len(pair) >= 2 else None  # type: ignore[return-value]


def _numbers(values: Sequence[Any]) -> tuple[float, ...] | None:
    if not all(type(value) in (int, float) and abs(value) <= FARTHEST for value in values):
        return None
    return tuple(map(float, values))


def _groups(raw: Mapping[str, Any]) -> Iterator[DrawnGroup]:
    for group in _objects(raw.get("groups"))[:_MOST_GROUPS]:
        bounding = group.get("bounding")
        area = _numbers(bounding) if isinstance(bounding, list) and len(bounding) == 4 else None
        if area is None or area[2] <= 0 or area[3] <= 0:
            continue
        size = _numbers([group.get("font_size")]) or (24.0,)
        title = group.get("title")
        yield DrawnGroup(title if isinstance(title, str) else "", Area(*area), color_of(group.get("color")), size[0])


def _beside(panel: DrawnNode, raw: Mapping[str, Any], is_input: bool, nodes: Collection[DrawnNode]) -> DrawnNode:
    """The edge of a subgraph where it was saved, else at the left or at the right of its nodes; and not on them."""
    own = fitted(panel).area
    side = raw.get("inputNode" if is_input else "outputNode")
    bounding = side.get("bounding") if isinstance(side, Mapping) else None
    place = _numbers(bounding) if isinstance(bounding, list) and len(bounding) == 4 else None
    if place is not None:
        # Inputs end where they were saved to, since links begin there.
        saved = own._replace(x=place[0] + place[2] - own.width if is_input else place[0], y=place[1])
        if not any(node.area.meets(saved) for node in nodes):
            return replace(panel, area=saved)
    areas = [node.area for node in nodes] or [own]
    x = min(area.x for area in areas) - own.width - 80 if is_input else max(area.right for area in areas) + 80
    return replace(panel, area=own._replace(x=x, y=min(area.y for area in areas)))
