"""Nodes without places, put where the layout wants them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from weft.engine.drawing.bodies import body_of, fitted
from weft.engine.drawing.scene import Area, DrawnGroup, DrawnLink, DrawnNode, Scene
from weft.engine.formats.layout import Edge, Group, Key, Size, arrange_with_ways


def arranged(
    nodes: Iterable[DrawnNode],
    links: Iterable[DrawnLink],
    groups: Sequence[Group] = (),
    looks: Mapping[Key, DrawnGroup] | None = None,
    *,
    title: str = "",
) -> Scene:
    """The scene of these nodes, each in a box of its contents' size. `looks` are the groups by key, without places."""
    sized = {node.id: fitted(node) for node in nodes}
    bodies = {name: body_of(node) for name, node in sized.items()}
    links = tuple(links)
    wires = [
        Edge(link.source, bodies[link.source].outputs[link.output], link.target, bodies[link.target].inputs[link.input])
        for link in links
    ]
    sizes: dict[Key, Size] = {name: Size(node.area.width, node.area.height) for name, node in sized.items()}
    places, ways = arrange_with_ways(sizes, wires, groups)
    links = tuple(link._replace(through=tuple(ways.get(at, ())), laid=True) for at, link in enumerate(links))
    placed = {name: replace(node, area=Area(*places[name])) for name, node in sized.items()}
    frames = [look._replace(area=Area(*places[key])) for key, look in (looks or {}).items() if key in places]
    return Scene(placed, links, tuple(frames), title)
