"""Room for boxes that grew: what they would cover moves down, and groups go on holding what they held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from weft.engine.drawing.scene import Area, DrawnGroup, DrawnNode, Scene

_GAP = 10.0


def spread(scene: Scene, grown: Mapping[str, DrawnNode]) -> Scene:
    """The scene with these nodes in the place of its own. What lay apart before still does."""
    before = {name: node.area for name, node in scene.nodes.items()}
    after = {name: node.area for name, node in grown.items()}
    if all(after[name] == before[name] for name in before):
        return scene.with_nodes(grown)
    order = sorted(before, key=lambda name: (before[name].y, before[name].x))
    for place, upper in enumerate(order):
        box = after[upper]
        if box.bottom - before[upper].bottom <= 0:
            continue
        for lower in order[place + 1 :]:
            if after[lower].meets(box) and not before[lower].meets(before[upper]):
                after[lower] = after[lower]._replace(y=box.bottom + _GAP)
    nodes = {name: replace(node, area=after[name]) for name, node in grown.items()}
    groups = tuple(_holding(group, before, after) for group in scene.groups)
    return replace(scene, nodes=nodes, groups=groups)


def _holding(group: DrawnGroup, before: Mapping[str, Area], after: Mapping[str, Area]) -> DrawnGroup:
    """The group, longer below where what it held now ends lower."""
    area = group.area
    held = [name for name, box in before.items() if area.holds(box.x + box.width / 2, box.y + box.height / 2)]
    lowest = max((after[name].bottom for name in held if after[name].bottom > before[name].bottom), default=area.bottom)
    return group if lowest <= area.bottom else group._replace(area=area._replace(height=lowest + _GAP - area.y))
