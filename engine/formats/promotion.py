"""Which inputs of a prompt are set by nodes that are in no prompt: those of subgraphs, and PrimitiveNodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from weft.engine.formats.canvases import EditorInput, EditorNode, GraphUse
from weft.engine.formats.lookups import primitive_place
from weft.engine.schema.frontend import NodeKind
from weft.engine.workflow.prompt import Shown


class Home(NamedTuple):
    """A node of a prompt: its id, the item that it comes from, and the use of the graph in which that stands."""

    node_id: str
    item: EditorNode
    use: GraphUse


def shown(homes: Iterable[Home], uses: Iterable[GraphUse], places: Mapping[tuple[str, str], str]) -> dict[str, Shown]:
    """These nodes, by the ids that they would have in the prompt; `places` is where its values come from."""
    found: dict[str, Shown] = {}
    fed: dict[str, list[tuple[str, str]]] = {}
    for key, place in places.items():
        fed.setdefault(place, []).append(key)
    for use in uses:
        for item in use.graph.nodes.values():
            if item.body is not None and item.runs:
                found[use.id_of(item)] = Shown(item.node.name or item.body.canvas.name or item.class_type, {})
            elif item.kind is NodeKind.PRIMITIVE:
                inputs = fed.get(primitive_place(item), [])
                found[use.id_of(item)] = Shown(item.title, {"value": {"": inputs}} if inputs else {})
    for home in homes:
        for port in home.item.inputs:
            if port.spec is not None:
                for instance, names, source in _around(home, port):
                    for name in names:
                        inputs = found[instance].widgets.setdefault(name, {}).setdefault(source, [])
                        inputs.append((home.node_id, port.name))
    return found


def _around(home: Home, port: EditorInput) -> Iterator[tuple[str, list[str], str]]:
    """The subgraph nodes that show a widget, inner before outer: the node's id, its names for it, what it is there."""
    use, item, name = home.use, home.item, port.name
    current: EditorInput | None = port
    while use.parent is not None and use.instance is not None:
        current = _through_reroutes(current) if current is not None else None
        instance = use.instance
        if current is not None and current.panel is not None and instance.body is not None:
            panel = instance.body.canvas.inputs[current.panel]
            names, source = list(dict.fromkeys(filter(None, (panel.name, panel.label_text)))), f"input {panel.name}"
            outer: EditorInput | None = instance.inputs[current.panel]
            item_name = panel.name
        elif [item.node.id, name] in _proxies(instance):
            names, source, outer, item_name = [name], f"{item.node.id}.{name}", None, name
        else:
            return
        yield use.parent.id_of(instance), names, source
        use, item, name, current = use.parent, instance, item_name, outer


def _through_reroutes(port: EditorInput) -> EditorInput:
    seen: set[int] = set()
    while (origin := port.origin) is not None and origin.kind is NodeKind.REROUTE and origin.inputs:
        if id(port) in seen:
            break
        seen.add(id(port))
        port = origin.inputs[0]
    return port


def _proxies(instance: EditorNode) -> list[list[str]]:
    saved = instance.node.properties.get("proxyWidgets")
    pairs = saved if isinstance(saved, list) else ()
    return [[str(pair[0]), str(pair[1])] for pair in pairs if isinstance(pair, list) and len(pair) > 1]
