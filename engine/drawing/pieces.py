"""Pieces of SVG: texts, numbers, and the shapes that drawings are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

from weft.engine.drawing.scene import Area
from weft.engine.drawing.stylesheet import type_class
from weft.engine.drawing.typesetting import clean


def number(value: float) -> str:
    """A coordinate: whole."""
    return str(round(value))


def text(words: str) -> str:
    """Words as the content of an element."""
    return escape(clean(words), quote=False)


def quoted(words: str) -> str:
    """Words inside the quotes of an attribute."""
    return escape(clean(words)).replace("\n", "&#10;")


def classes(names: Iterable[str]) -> str:
    """The value of a class attribute; empty names are none."""
    return " ".join(filter(None, names))


def point(place: tuple[float, float]) -> str:
    """A point of a path."""
    return f"{number(place[0])} {number(place[1])}"


def curve(start: tuple[float, float], end: tuple[float, float], laid: bool = False) -> str:
    """To the next point of a link, as the editor draws it: it leaves to the right and comes from the left.

    One that a layout leads stays between the two points, where nothing else is.
    """
    if round(start[1]) == round(end[1]) and start[0] <= end[0]:
        return f"H{number(end[0])}"
    between = (end[0] - start[0]) / 2
    bend = between if laid and between > 0 else max(0.25 * math.dist(start, end), 20.0)
    return f"C{number(start[0] + bend)} {number(start[1])} {number(end[0] - bend)} {number(end[1])} {point(end)}"


def dots(places: Iterable[tuple[str, float, float]]) -> str:
    """Dots of slots: a path for each colour, of lines without length whose round ends are the dots."""
    by_style: dict[str, list[str]] = {}
    for io_type, x, y in places:
        by_style.setdefault(classes(["dots", type_class(io_type)]), []).append(f"M{number(x)} {number(y)}h0")
    return "".join(f'<path class="{style}" d="{"".join(found)}"/>' for style, found in by_style.items())


def rounded(area: Area) -> str:
    """A rectangle with round corners, as a piece of a path."""
    right, bottom = number(area.width - 12), number(area.height - 12)
    start = f"M{number(area.x + 6)} {number(area.y)}h{right}"
    return f"{start}q6 0 6 6v{bottom}q0 6 -6 6h-{right}q-6 0 -6 -6v-{bottom}q0 -6 6 -6z"
