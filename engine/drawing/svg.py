"""A scene as SVG: one element for each node and each link, texts in the order of the eye, no script.

Nodes are `<g class="node" data-id>`, links `<path class="link" data-from data-to>` with `node.slot` at each end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import pairwise

from weft.engine.drawing.bodies import MARGIN, TEXT_SIZE, Body, body_of
from weft.engine.drawing.figures import figure
from weft.engine.drawing.marks import STATES, Marking, Marks
from weft.engine.drawing.pieces import classes, curve, dots, number, point, quoted, text
from weft.engine.drawing.scene import Area, DrawnGroup, DrawnLink, Scene
from weft.engine.drawing.stylesheet import stylesheet, type_class
from weft.engine.drawing.typesetting import on_one_line, shortened, width_of

_AROUND = 40.0
_INSET_GAP, _INSET_TITLE, _INSET_EDGE = 60.0, 44.0, 24.0
_LEGEND = 34.0
_WIDE = 1.8
"""How much wider than high what is inside of subgraphs is drawn, together."""


def svg(
    scene: Scene,
    *,
    theme: str = "dark",
    marks: Marks | None = None,
    address: Callable[[str], str] | None = None,
    styled: bool = True,
) -> str:
    """The scene as an SVG document, the same bytes for the same scene.

    `marks` show what is to be seen of nodes and inputs, with a legend; a mark of a node inside a subgraph is also seen
    at the subgraph's box. `address` makes each node a link. Without `styled`, the page that it stands in has the
    `stylesheet`.
    """
    return _Writer(marks or {}, address).document(scene, theme if styled else "")


class _Writer:
    def __init__(self, marks: Marks, address: Callable[[str], str] | None) -> None:
        self.marking = Marking(marks)
        self.address = address

    def document(self, scene: Scene, theme: str) -> str:
        area, placed = _with_insets(scene)
        drawn = [*self.scene(scene)]
        for place, (inset, x, y, room) in enumerate(placed, 1):
            width, height = number(room.width), number(room.height)
            title = shortened(on_one_line(inset.title), 18, room.width - 2 * MARGIN)
            drawn.append(
                f'<g class="inset" data-inset="{place}" transform="translate({number(x)} {number(y)})">'
                f'<rect width="{width}" height="{height}" rx="10"/>'
                f'<text style="font-size:18px" x="16" y="28">{text(title)}</text>'
                f'<g transform="translate({number(-room.x)} {number(-room.y)})">'
            )
            drawn += self.scene(inset)
            drawn.append("</g></g>")
        states = [state for state in STATES if state in self.marking.used]
        if states:
            drawn.append(_legend(states, area.x + _AROUND, area.bottom - 4))
            area = area._replace(height=area.height + _LEGEND)
        left, top, wide, high = map(number, area)
        style = f"<style>\n{stylesheet(theme)}\n</style>\n" if theme else ""
        name = quoted(on_one_line(scene.title) or "workflow")
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="weft-graph" viewBox="{left} {top} {wide} {high}" '
            f'width="{wide}" height="{high}" role="img" aria-label="{name}">\n{style}'
            f'<rect class="ground" x="{left}" y="{top}" width="{wide}" height="{high}"/>\n'
            + "\n".join(drawn)
            + "\n</svg>\n"
        )

    def scene(self, scene: Scene) -> Iterator[str]:
        """Groups, then links, then nodes: what comes later is on top."""
        bodies = {name: body_of(node) for name, node in scene.nodes.items()}
        yield from map(_group, sorted(scene.groups, key=lambda group: -group.area.width * group.area.height))
        for link in scene.links:
            yield self.link(link, scene, bodies)
        for name, node in scene.nodes.items():
            drawn = figure(node, bodies[name], self.marking.of(node), partial(self.marking.of, node))
            yield f'<a href="{quoted(self.address(node.id))}">{drawn}</a>' if self.address is not None else drawn

    def link(self, link: DrawnLink, scene: Scene, bodies: Mapping[str, Body]) -> str:
        source, target = scene.nodes[link.source], scene.nodes[link.target]
        start = source.area.right, source.area.y + bodies[link.source].outputs[link.output]
        end = target.area.x, target.area.y + bodies[link.target].inputs[link.input]
        points = [start, *link.through, end]
        path = f"M{point(start)}" + "".join(curve(*each, link.laid) for each in pairwise(points))
        mark = self.marking.of(target, target.inputs[link.input].name)
        names = ["link", type_class(link.io_type), f"is-{mark.state}" if mark else ""]
        names.append("implicit" if link.implicit else "")
        ends = f'data-from="{quoted(link.source)}.{link.output}" data-to="{quoted(link.target)}.{link.input}"'
        drawn = f'<path class="{classes(names)}" {ends} d="{path}"/>'
        if link.through and not link.laid:
            drawn += dots([(link.io_type, *point) for point in link.through])
        return drawn

    # Nodes


def _with_insets(scene: Scene) -> tuple[Area, list[tuple[Scene, float, float, Area]]]:
    """The area of the whole drawing; each inset with its corner there and the area of its own that it shows."""
    area = _around(scene)
    rooms: list[Area] = []
    for inset in scene.insets:
        room = _around(inset, _INSET_EDGE)
        title = width_of(on_one_line(inset.title), 18) + 2 * MARGIN + 16
        width = max(room.width, min(title, 900.0))
        rooms.append(room._replace(y=room.y - _INSET_TITLE, height=room.height + _INSET_TITLE, width=width))
    taken = sum((room.width + _INSET_GAP) * (room.height + _INSET_GAP) for room in rooms)
    widest = max(area.width - 2 * _AROUND, (_WIDE * taken) ** 0.5)
    left = area.x + _AROUND
    x, y, lowest = left, area.bottom, area.bottom
    placed: list[tuple[Scene, float, float, Area]] = []
    for inset, room in zip(scene.insets, rooms, strict=True):
        if x > left and x + room.width > left + widest:
            x, y = left, lowest + _INSET_GAP
        placed.append((inset, x, y, room))
        x += room.width + _INSET_GAP
        lowest = max(lowest, y + room.height)
    right = max([area.right, *(x + room.width + _AROUND for _, x, _, room in placed)])
    return Area(area.x, area.y, right - area.x, (lowest + _AROUND if placed else area.bottom) - area.y), placed


def _around(scene: Scene, edge: float = _AROUND) -> Area:
    """The area of a scene's own nodes, groups and links, with an edge around."""
    areas = [node.area for node in scene.nodes.values()] + [group.area for group in scene.groups]
    areas += [Area(x, y, 0, 0) for link in scene.links for x, y in link.through]
    for link in scene.links:
        source, target = scene.nodes[link.source].area, scene.nodes[link.target].area
        if target.x < source.right and not link.through:
            # A link that goes back swings out at both its ends.
            out = 0.3 * max(0.25 * math.hypot(source.right - target.x, source.y - target.y), 20.0)
            areas += [Area(source.right + out, source.y, 0, 0), Area(target.x - out, target.y, 0, 0)]
    area = areas[0] if areas else Area(0, 0, 100, 40)
    for each in areas:
        area = area.joined(each)
    return Area(area.x - edge, area.y - edge, area.width + 2 * edge, area.height + 2 * edge)


def _legend(states: Iterable[str], x: float, y: float) -> str:
    parts = []
    for state in states:
        said = STATES[state].said
        parts.append(
            f'<rect class="swatch is-{state}" x="{number(x)}" y="{number(y)}" width="14" height="14" rx="3"/>'
            f'<text x="{number(x + 22)}" y="{number(y + 11)}">{text(said)}</text>'
        )
        x += 22 + width_of(said, TEXT_SIZE) + 28
    return f'<g class="legend">{"".join(parts)}</g>'


def _group(group: DrawnGroup) -> str:
    x, y, width, height = map(number, group.area)
    style = f' style="fill:{group.color};stroke:{group.color}"' if group.color else ""
    size = min(max(group.font_size, 10.0), 60.0)
    title = shortened(on_one_line(group.title), size, group.area.width - 20)
    at = number(group.area.x + 10), number(group.area.y + size + 3)
    return (
        f'<g class="group"><rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4"{style}/>'
        f'<text style="font-size:{number(size)}px" x="{at[0]}" y="{at[1]}">{text(title)}</text></g>'
    )
