"""How one node is drawn: its box, title, slots, widgets and pictures."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator

from weft.engine.drawing.bodies import LINE, MARGIN, SIDE, TEXT_SIZE, TITLE_SIZE, WIDGET, Body
from weft.engine.drawing.colors import MODES, is_dark
from weft.engine.drawing.marks import STATES, Mark
from weft.engine.drawing.pieces import classes, dots, number, quoted, rounded, text
from weft.engine.drawing.scene import Area, DrawnNode, DrawnWidget, Form
from weft.engine.drawing.typesetting import on_one_line, shortened, told, width_of, wrapped

_BAND = 13.0
"""Between what stands at the left of a row and what stands at its right."""


def figure(node: DrawnNode, body: Body, mark: Mark | None, mark_of: Callable[[str], Mark | None]) -> str:
    """The node as one element; `mark_of` is that of an input, by name."""
    width, height = node.area.width, node.area.height
    names = ["node", node.form if node.form is not Form.BOX else "", node.mode, "" if node.known else "unknown"]
    names += [f"is-{mark.state}" if mark else "", *_inks(node)]
    more = f' data-inset="{node.inset}"' if node.inset else ""
    x, y = number(node.area.x), number(node.area.y)
    parts = [
        f'<g class="{classes(names)}" data-id="{quoted(node.id)}"{more} transform="translate({x} {y})">'
        f"<title>{text(_tooltip(node, mark))}</title>"
    ]
    if mark is not None:
        around = f'x="-4" y="-4" width="{number(width + 8)}" height="{number(height + 8)}" rx="11"'
        parts.append(f'<rect class="mark" {around}/>')
    parts.append(_box(node))
    if node.form is not Form.REROUTE:
        parts.append(_title(node))
    if node.form is not Form.COLLAPSED:
        parts += _slots(node, body)
        parts += _widgets(node, body, mark_of)
        parts += _pictures(node, body)
    places = [(slot.io_type, 0.0, y) for slot, y in zip(node.inputs, body.inputs, strict=True)]
    places += [(slot.io_type, width, y) for slot, y in zip(node.outputs, body.outputs, strict=True)]
    if node.form is Form.COLLAPSED:
        places = [*{(x, y): (io_type, x, y) for io_type, x, y in places}.values()]
    return "".join([*parts, dots(places), "</g>"])


def _widgets(node: DrawnNode, body: Body, mark_of: Callable[[str], Mark | None]) -> Iterator[str]:
    """Fields, then names, then values; texts of several lines last. A note is one such text, on the paper itself."""
    placed = list(zip(node.widgets, body.widgets, strict=True))
    if node.form is not Form.NOTE:
        yield from _fields(placed)
    names, values, texts = [], [], []
    for widget, area in placed:
        mark = mark_of(widget.name)
        style = classes([f"is-{mark.state}" if mark else "", "linked" if widget.linked else ""])
        if widget.lines:
            texts.append(_lines(widget, area, f"w {style}".strip()))
        else:
            name, value = _row(widget, area, style, mark)
            names.append(name)
            values.append(value)
    yield from (
        f'<g class="{style}">{"".join(found)}</g>' for style, found in (("n", names), ("v", values)) if any(found)
    )
    yield from texts


def _fields(placed: Iterable[tuple[DrawnWidget, Area]]) -> Iterator[str]:
    """What values stand on: thick lines with round ends, and rectangles for those of several lines."""
    half = WIDGET / 2
    lines = [
        f"M{number(area.x + half)} {number(area.y + half)}h{number(area.width - WIDGET)}"
        for widget, area in placed
        if not widget.lines
    ]
    if lines:
        yield f'<path class="pills" d="{"".join(lines)}"/>'
    boxes = [rounded(area) for widget, area in placed if widget.lines]
    if boxes:
        yield f'<path class="fields" d="{"".join(boxes)}"/>'


def _tooltip(node: DrawnNode, mark: Mark | None) -> str:
    said = [on_one_line(node.class_type or node.title)]
    if len(node.title) > 20 and node.title != said[0]:
        said.insert(0, on_one_line(told(node.title)))
    if not node.known:
        said.append("a class that is not known here")
    if node.mode:
        said.append(node.mode)
    if mark is not None:
        said.append(mark.said or STATES[mark.state].said)
    return "\n".join(said)


def _inks(node: DrawnNode) -> Iterator[str]:
    """The classes that say which letters are read on the node's own colours."""
    if node.mode:
        yield "on-dark"
    elif node.paper:
        yield "own"
        yield "on-dark" if is_dark(node.paper) else "on-light"
    if node.color and not node.mode:
        yield "title-dark" if is_dark(node.color) else "title-light"
    elif node.mode:
        yield "title-dark"


def _box(node: DrawnNode) -> str:
    width, height = number(node.area.width), number(node.area.height)
    paper = MODES.get(node.mode) or node.paper
    if node.form is Form.COLLAPSED:
        paper = MODES.get(node.mode) or node.color or node.paper
    radius = 13 if node.form in (Form.COLLAPSED, Form.REROUTE) else 8
    fill = f' style="fill:{paper}"' if paper else ""
    parts = [f'<rect class="body" width="{width}" height="{height}" rx="{radius}"{fill}/>']
    if node.inset:
        parts.insert(0, f'<rect class="body" x="5" y="-5" width="{width}" height="{height}" rx="{radius}"{fill}/>')
    if node.form in (Form.BOX, Form.NOTE):
        own = f"fill:{node.color}" if node.color and not node.mode else "fill-opacity:.4" if node.mode else ""
        right, corner = number(node.area.width - 1), number(node.area.width - 8)
        head = f"M1 30V8Q1 1 8 1H{corner}Q{right} 1 {right} 8V30Z"
        parts.append(f'<path class="head" d="{head}"' + (f' style="{own}"/>' if own else "/>"))
    return "".join(parts)


def _title(node: DrawnNode) -> str:
    side = "" if node.form is Form.PANEL else f"{node.mode} #{node.id}".strip()
    taken = width_of(side, 11) + 14 if side else 0.0
    if taken > node.area.width / 2:
        side, taken = shortened(side, 11, node.area.width / 2), node.area.width / 2
    title = shortened(on_one_line(node.title), TITLE_SIZE, node.area.width - 2 * MARGIN - taken)
    texts = f'<text class="h" x="{number(MARGIN)}" y="20">{text(title)}</text>'
    if side:
        texts += f'<text class="i" x="{number(node.area.width - 10)}" y="19">{text(side)}</text>'
    return texts


def _slots(node: DrawnNode, body: Body) -> Iterator[str]:
    """The names of slots, those of one row beside each other."""
    width = node.area.width - 2 * MARGIN
    if node.form is Form.REROUTE:
        return
    shown = {widget.name for widget in node.widgets}
    sockets = [
        (slot, y)
        for slot, y in zip(node.inputs, body.inputs, strict=True)
        if not (slot.is_widget and slot.name in shown)
    ]
    outputs = [*zip(node.outputs, body.outputs, strict=True)]
    lefts, rights = [], []
    for place in range(max(len(sockets), len(outputs))):
        left = on_one_line(sockets[place][0].shown) if place < len(sockets) else ""
        right = on_one_line(outputs[place][0].shown) if place < len(outputs) else ""
        room = width - _BAND if left and right else width
        if width_of(left, TEXT_SIZE) + width_of(right, TEXT_SIZE) > room:
            most = max(room - width_of(right, TEXT_SIZE), room / 2)
            left = shortened(left, TEXT_SIZE, most)
            right = shortened(right, TEXT_SIZE, room - width_of(left, TEXT_SIZE))
        if left:
            lefts.append(f'<text x="{number(MARGIN)}" y="{number(sockets[place][1] + 4)}">{text(left)}</text>')
        if right:
            at = number(node.area.width - MARGIN)
            rights.append(f'<text x="{at}" y="{number(outputs[place][1] + 4)}">{text(right)}</text>')
    yield from lefts
    if rights:
        yield f'<g class="o">{"".join(rights)}</g>'


def _row(widget: DrawnWidget, area: Area, style: str, mark: Mark | None) -> tuple[str, str]:
    """The name of a widget of one line, and its value; where that is cut, the whole of it in a tooltip."""
    name, value = on_one_line(widget.shown), on_one_line(widget.value[:1000])
    room = area.width - 2 * SIDE
    both = width_of(name, TEXT_SIZE) + width_of(value, TEXT_SIZE)
    if both + _BAND > room:
        name = shortened(name, TEXT_SIZE, max(room - _BAND - width_of(value, TEXT_SIZE), room * 0.42))
    shown = shortened(value, TEXT_SIZE, room - (width_of(name, TEXT_SIZE) + _BAND if name else 0))
    y = number(area.y + area.height / 2 + 4)
    notes = [] if shown == widget.value and name == widget.shown else [f"{widget.shown}: {told(widget.value)}"]
    notes += [mark.said] if mark is not None and mark.said else []
    note = f"<title>{text(chr(10).join(notes))}</title>" if notes else ""
    left = f'<text x="{number(area.x + SIDE)}" y="{y}">{text(name)}</text>' if name else ""
    if not shown and not note:
        return left, ""
    named = f' class="{style}"' if style else ""
    return left, f'<text{named} x="{number(area.right - SIDE)}" y="{y}">{note}{text(shown)}</text>'


def _lines(widget: DrawnWidget, area: Area, style: str) -> str:
    """A text as far as there is room for it."""
    most = max(int((area.height - 4) // LINE), 1)
    lines = wrapped(widget.value[:20_000], TEXT_SIZE, area.width - 16, most)
    whole = "\n".join(lines) == widget.value
    note = "" if whole else f"<title>{text(told(widget.value))}</title>"
    spans = "".join(
        f'<tspan x="{number(area.x + 8)}" y="{number(area.y + 15 + place * LINE)}">{text(line)}</tspan>'
        for place, line in enumerate(lines)
        if line
    )
    return f'<text class="{style}">{note}{spans}</text>' if spans else ""


def _pictures(node: DrawnNode, body: Body) -> Iterator[str]:
    """Side by side, none larger than its share of the room."""
    if body.pictures is None:
        return
    area, count = body.pictures, len(node.pictures)
    columns = max(range(1, count + 1), key=lambda columns: _side(node, area, columns))
    rows = -(-count // columns)
    wide, high = (area.width - 4 * (columns - 1)) / columns, (area.height - 4 * (rows - 1)) / rows
    for place, picture in enumerate(node.pictures):
        scale = min(wide / picture.width, high / picture.height)
        width, height = picture.width * scale, picture.height * scale
        x = area.x + (place % columns) * (wide + 4) + (wide - width) / 2
        y = area.y + (place // columns) * (high + 4) + (high - height) / 2
        data = base64.b64encode(picture.content).decode()
        yield (
            f'<image x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" '
            f'href="data:{picture.media_type};base64,{data}"/>'
        )


def _side(node: DrawnNode, area: Area, columns: int) -> float:
    """How large the first picture is with so many beside each other."""
    rows = -(-len(node.pictures) // columns)
    first = node.pictures[0]
    return min(area.width / columns / first.width, area.height / rows / first.height)
