"""What stands where inside a node's box, by the editor's measures; and the box that a node's contents need."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from weft.engine.drawing.scene import Area, DrawnNode, Form
from weft.engine.drawing.typesetting import on_one_line, width_of, wrapped

TITLE, ROW, WIDGET, GAP = 30.0, 20.0, 20.0, 4.0
"""The heights of a title, of a slot, of a widget's value, and what is between two of these."""

TITLE_SIZE, TEXT_SIZE, LINE = 14.0, 12.0, 15.0
"""Letters of titles and of all else, and from one line of a text to the next."""

MARGIN = 12.0
SIDE = 10.0
"""From the edge of a box to its texts, and to its widgets."""

PICTURE = 110.0
"""The least height of pictures in a node."""

_LEAST_LINES, _MOST_LINES = 3, 14
_NARROWEST, _WITH_WIDGETS, _WITH_LINES, _WIDEST = 120.0, 210.0, 330.0, 400.0
_BETWEEN = 26.0
_REROUTE = 26.0


class Body(NamedTuple):
    """Heights from the box's upper edge: the middles of slots, the areas of widgets (x from the left edge), and that of
    pictures; and the least height of the box."""

    inputs: tuple[float, ...]
    outputs: tuple[float, ...]
    widgets: tuple[Area, ...]
    pictures: Area | None
    least: float


def title_height(node: DrawnNode) -> float:
    """How much of the box the title takes."""
    return 0.0 if node.form is Form.REROUTE else TITLE


def body_of(node: DrawnNode) -> Body:
    """What stands where in the box, as high as it is; where that is too low, as if it were as high as it must be."""
    if node.form in (Form.COLLAPSED, Form.REROUTE):
        middle = node.area.height / 2 if node.form is Form.REROUTE else TITLE / 2
        level = (middle,) * len(node.inputs), (middle,) * len(node.outputs)
        return Body(*level, (), None, _REROUTE if node.form is Form.REROUTE else TITLE)
    shown = {widget.name for widget in node.widgets}
    sockets = [slot for slot in node.inputs if not (slot.is_widget and slot.name in shown)]
    rows = max(len(sockets), len(node.outputs))
    top = TITLE + ROW * rows + (8 if rows else 6)
    lines = [widget for widget in node.widgets if widget.lines]
    plain = len(node.widgets) - len(lines)
    needed = top + plain * (WIDGET + GAP) + len(lines) * (LINE * _LEAST_LINES + 6 + GAP)
    needed += (PICTURE + GAP if node.pictures else 0) + (4 if node.widgets or node.pictures else 0)
    spare = max(node.area.height - needed, 0.0)
    each = spare / len(lines) if lines and not node.pictures else 0.0
    width = node.area.width - 2 * SIDE
    widgets: list[Area] = []
    y = top
    for widget in node.widgets:
        height = LINE * _LEAST_LINES + 6 + each if widget.lines else WIDGET
        widgets.append(Area(SIDE, y, width, height))
        y += height + GAP
    pictures = Area(SIDE, y, width, max(node.area.height - y - 8, PICTURE - 4)) if node.pictures else None
    middles = {
        widget.name: area.y + min(area.height, WIDGET) / 2 for widget, area in zip(node.widgets, widgets, strict=True)
    }
    inputs: list[float] = []
    row = 0
    for slot in node.inputs:
        if slot.is_widget and slot.name in middles:
            inputs.append(middles[slot.name])
        else:
            inputs.append(_row(row))
            row += 1
    return Body(
        tuple(inputs), tuple(_row(place) for place in range(len(node.outputs))), tuple(widgets), pictures, needed
    )


def _row(place: int) -> float:
    return TITLE + ROW * (place + 0.7)


def fitted(node: DrawnNode) -> DrawnNode:
    """The node in a box of the size that its contents need, at (0, 0)."""
    if node.form is Form.REROUTE:
        return replace(node, area=Area(0, 0, 40, _REROUTE))
    width = max(width_of(on_one_line(node.title), TITLE_SIZE) + width_of(f"#{node.id}", 11) + 40, _NARROWEST)
    shown = {widget.name for widget in node.widgets}
    left = [width_of(slot.shown, TEXT_SIZE) for slot in node.inputs if not (slot.is_widget and slot.name in shown)]
    right = [width_of(slot.shown, TEXT_SIZE) for slot in node.outputs]
    for place in range(max(len(left), len(right))):
        row = (left[place] if place < len(left) else 0) + (right[place] if place < len(right) else 0)
        width = max(width, row + 2 * MARGIN + _BETWEEN)
    for widget in node.widgets:
        if widget.lines:
            width = max(width, _WITH_LINES)
        else:
            both = width_of(widget.shown, TEXT_SIZE) + width_of(on_one_line(widget.value)[:200], TEXT_SIZE)
            width = max(width, _WITH_WIDGETS, min(both + 2 * SIDE + 2 * MARGIN + 16, _WIDEST))
    if node.pictures:
        width = max(width, _WITH_WIDGETS)
    width = round(min(width, _WIDEST))
    node = replace(node, area=Area(0, 0, width, 0))
    height = body_of(node).least
    for widget in node.widgets:
        if widget.lines:
            count = len(wrapped(widget.value, TEXT_SIZE, width - 2 * SIDE - 16, _MOST_LINES))
            height += LINE * max(count - _LEAST_LINES, 0)
    if node.pictures:
        height += picture_height(node, width - 2 * SIDE) - PICTURE
    return replace(node, area=Area(0, 0, width, round(height)))


def picture_height(node: DrawnNode, width: float) -> float:
    """How high the pictures of a node want to be, side by side in this width."""
    shares = sum(picture.width / max(picture.height, 1) for picture in node.pictures)
    return min(max(width / max(shares, 0.01), PICTURE), 260.0)


def at_least_fitting(node: DrawnNode) -> DrawnNode:
    """The node in a box that is not lower than its contents, with pictures of a size to be looked at."""
    least = body_of(node).least
    if node.pictures and node.area.height < least:
        least += picture_height(node, node.area.width - 2 * SIDE) - PICTURE
    least = round(least)
    return node if node.area.height >= least else replace(node, area=node.area._replace(height=least))
