"""The things that are drawn, and the pen that draws them.

Most are one round body in the same place, told apart by what is on it and above it: so a prompt that changes while a
picture is being made finds a body that fits both, and the two mix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

RGB = tuple[int, int, int]
Point = tuple[float, float]

INK: RGB = (34, 28, 44)
WHITE: RGB = (250, 250, 250)
_LEAF, _WOOD, _CREAM, _ROSE = (72, 170, 70), (120, 76, 44), (248, 232, 200), (240, 130, 150)
_GLASS, _LIGHT, _TYRE = (190, 228, 250), (252, 226, 120), (70, 70, 80)

COLOURS: dict[str, RGB] = {
    "red": (222, 44, 44),
    "green": (44, 160, 68),
    "blue": (48, 104, 228),
    "yellow": (248, 212, 44),
    "orange": (246, 138, 32),
    "purple": (136, 64, 196),
    "pink": (250, 150, 196),
    "brown": (134, 86, 48),
}


class Pen:
    """Draws outlined shapes on a picture, around a place and at a scale.

    Args:
        image: drawn on; `sharp` of its pixels make one unit of length.
        x: the place that the coordinates of shapes are measured from, in units; y likewise.
        scale: factor on the shapes, not on the stroke.
        stroke: width of outlines and lines, in units.
    """

    def __init__(self, image: Image.Image, x: float, y: float, sharp: int, scale: float, stroke: float) -> None:
        self._draw = ImageDraw.Draw(image)
        self._x, self._y, self._sharp = x * sharp, y * sharp, sharp
        self._unit = sharp * scale
        self._stroke = stroke * sharp

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: RGB, outline: RGB | None = INK) -> None:
        """An ellipse around (x, y); the outline lies half inside, half outside."""
        edge = 0.0 if outline is None else self._stroke / 2
        if outline is not None:
            self._oval(x, y, rx, ry, edge, outline)
        self._oval(x, y, rx, ry, -edge, fill)

    def polygon(self, points: Sequence[Point], fill: RGB, outline: RGB | None = INK) -> None:
        """A polygon with round corners."""
        if outline is not None:
            self.line([*points, points[0]], outline)
        self._draw.polygon([self._at(*point) for point in points], fill=fill)
        if outline is not None:
            self.line([*points, points[0]], outline)

    def line(self, points: Sequence[Point], colour: RGB = INK, width: float = 1.0) -> None:
        """A line through points with round ends; `width` is a factor on the stroke."""
        stroke = self._stroke * width
        places = [self._at(*point) for point in points]
        self._draw.line(places, fill=colour, width=round(stroke))
        for x, y in places:
            self._draw.ellipse((x - stroke / 2, y - stroke / 2, x + stroke / 2, y + stroke / 2), fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, fill: RGB) -> None:
        """A rectangle without outline."""
        (x0, y0), (x1, y1) = self._at(left, top), self._at(right, bottom)
        self._draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=fill)

    def _oval(self, x: float, y: float, rx: float, ry: float, grow: float, fill: RGB) -> None:
        cx, cy = self._at(x, y)
        rx, ry = max(0.5, rx * self._unit + grow), max(0.5, ry * self._unit + grow)
        self._draw.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), fill=fill)

    def _at(self, x: float, y: float) -> Point:
        return self._x + x * self._unit, self._y + y * self._unit


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float, count: int = 16) -> list[Point]:
    """Points along an ellipse, angles in degrees, clockwise from the right."""
    angles = (math.radians(start + (end - start) * step / count) for step in range(count + 1))
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


def _shade(colour: RGB, factor: float) -> RGB:
    """The colour darker (factor below 1), or mixed with white (above 1, at most 2)."""
    if factor <= 1:
        red, green, blue = (round(c * factor) for c in colour)
    else:
        red, green, blue = (round(c + (255 - c) * (factor - 1)) for c in colour)
    return red, green, blue


def _eyes(pen: Pen, y: float, apart: float, rx: float = 5.5, ry: float = 7.5) -> None:
    for side in (-1, 1):
        pen.ellipse(side * apart, y, rx, ry, INK, outline=None)
        pen.ellipse(side * apart + 0.3 * rx, y - 0.35 * ry, 0.42 * rx, 0.42 * rx, WHITE, outline=None)


def _smile(pen: Pen, y: float, width: float = 8, depth: float = 6) -> None:
    pen.line(_arc(0, y, width, depth, 10, 170))


def _head(pen: Pen, colour: RGB) -> None:
    pen.ellipse(0, 8, 35, 31, colour)


def apple(pen: Pen, colour: RGB) -> None:
    """A round body with a stalk, a leaf and a highlight."""
    pen.line([(0, -20), (3, -38)], _WOOD, width=1.8)
    pen.polygon([*_arc(16, -34, 13, 7, 180, 360), *_arc(16, -34, 13, 7, 0, 180)], _LEAF)
    halves = ((-12, 7, 25, 31), (12, 7, 25, 31), (0, 14, 26, 26))
    for x, y, rx, ry in halves:
        pen.ellipse(x, y, rx, ry, INK)
    for x, y, rx, ry in halves:
        pen.ellipse(x, y, rx - 1.75, ry - 1.75, colour, outline=None)
    pen.ellipse(-18, -4, 7, 9, _shade(colour, 1.65), outline=None)


def rabbit(pen: Pen, colour: RGB) -> None:
    """A face under two long ears."""
    for side in (-1, 1):
        pen.ellipse(side * 15, -25, 9.5, 25, colour)
        pen.ellipse(side * 15, -25, 4, 17, _ROSE, outline=None)
    _head(pen, colour)
    _eyes(pen, 2, 15)
    pen.box(-5, 22, 5, 31, WHITE)
    pen.ellipse(0, 14, 5, 3.8, _ROSE, outline=None)
    pen.line([*_arc(-6, 17, 6, 5, 170, 0), *_arc(6, 17, 6, 5, 180, 10)], width=0.9)


def cat(pen: Pen, colour: RGB) -> None:
    """A face with pointed ears and whiskers."""
    for side in (-1, 1):
        pen.polygon([(side * 34, 2), (side * 30, -40), (side * 6, -20)], colour)
        pen.polygon([(side * 27, -14), (side * 26, -29), (side * 15, -20)], _ROSE, outline=None)
    _head(pen, colour)
    for side in (-1, 1):
        pen.ellipse(side * 15, 3, 8, 8, _LIGHT)
        pen.ellipse(side * 15, 3, 2.6, 6.4, INK, outline=None)
        pen.line([(side * 24, 17), (side * 46, 12)], width=0.8)
        pen.line([(side * 24, 22), (side * 46, 26)], width=0.8)
    pen.polygon([(-5, 13), (5, 13), (0, 18)], _ROSE, outline=None)
    pen.line([*_arc(-6, 20, 6, 6, 170, 0), *_arc(6, 20, 6, 6, 180, 10)], width=0.9)


def bear(pen: Pen, colour: RGB) -> None:
    """A face with round ears and a light muzzle."""
    for side in (-1, 1):
        pen.ellipse(side * 27, -20, 13, 13, colour)
        pen.ellipse(side * 27, -20, 6, 6, _CREAM, outline=None)
    _head(pen, colour)
    _eyes(pen, -3, 14, 4.5, 5.5)
    pen.ellipse(0, 20, 17, 13, _CREAM)
    pen.ellipse(0, 14, 6, 4.5, INK, outline=None)
    pen.line([(0, 16), (0, 23)])
    pen.line(_arc(0, 22, 8, 5, 10, 170))


def flower(pen: Pen, colour: RGB) -> None:
    """Petals around a smiling middle, on a stem with leaves."""
    pen.line([(0, 10), (0, 50)], INK, width=2.8)
    pen.line([(0, 10), (0, 50)], _LEAF, width=1.4)
    for side in (-1, 1):
        pen.ellipse(side * 15, 40, 13, 6, _LEAF)
    petals = [(26 * math.sin(turn * math.pi / 3), -8 - 26 * math.cos(turn * math.pi / 3)) for turn in range(6)]
    for x, y in petals:
        pen.ellipse(x, y, 15, 15, colour)
    pen.ellipse(0, -8, 18, 18, _LIGHT)
    _eyes(pen, -12, 7, 3.4, 5)
    _smile(pen, -5, 7.5, 5.5)


def star(pen: Pen, colour: RGB) -> None:
    """Five points around a smiling face."""
    points = []
    for step in range(10):
        radius = 22.0 if step % 2 else 46.0
        points.append((radius * math.sin(step * math.pi / 5), 4 - radius * math.cos(step * math.pi / 5)))
    pen.polygon(points, colour)
    _eyes(pen, 0, 10, 4.2, 5.5)
    _smile(pen, 9, 8, 6)


def tree(pen: Pen, colour: RGB) -> None:
    """A round crown with fruit on a trunk."""
    pen.polygon([(-8, 20), (8, 20), (10, 50), (-10, 50)], _WOOD)
    circles = ((-22, 4, 18), (22, 4, 18), (0, 10, 20), (-13, -17, 19), (13, -17, 19))
    for x, y, radius in circles:
        pen.ellipse(x, y, radius, radius, INK)
    for x, y, radius in circles:
        pen.ellipse(x, y, radius - 1.75, radius - 1.75, colour, outline=None)
    for x, y in ((-19, -12), (16, -18), (24, 6), (-8, 10)):
        pen.ellipse(x, y, 4.5, 4.5, _shade(colour, 1.6), outline=None)


def mushroom(pen: Pen, colour: RGB) -> None:
    """A cap with white dots on a stem with a face."""
    pen.polygon([(-17, 6), (17, 6), *_arc(0, 36, 21, 12, 0, 180)], _CREAM)
    pen.polygon([*_arc(0, 6, 42, 42, 180, 360)], colour)
    for x, y, radius in ((-23, -10, 7), (2, -21, 8.5), (25, -8, 6.5)):
        pen.ellipse(x, y, radius, radius, WHITE, outline=None)
    _eyes(pen, 20, 8.5, 3.6, 5)
    _smile(pen, 28, 7, 6)


def house(pen: Pen, colour: RGB) -> None:
    """A front with a roof, a door and two windows."""
    pen.polygon([(18, -40), (30, -40), (30, -12), (18, -12)], _CREAM)
    pen.polygon([(-32, 0), (32, 0), (32, 46), (-32, 46)], colour)
    pen.polygon([(0, -38), (44, 2), (-44, 2)], _shade(colour, 0.6))
    pen.polygon([(-8, 46), (-8, 22), (8, 22), (8, 46)], _WOOD)
    for side in (-1, 1):
        pen.polygon([(side * 26, 12), (side * 15, 12), (side * 15, 24), (side * 26, 24)], _LIGHT)
    pen.ellipse(0, -16, 7, 7, _LIGHT)


def car(pen: Pen, colour: RGB) -> None:
    """A cabin with two windows on a long body, seen from the side."""
    pen.polygon([(-26, 6), (-16, -20), (16, -20), (28, 6)], colour)
    pen.polygon([(-19, 3), (-12, -14), (-2, -14), (-2, 3)], _GLASS)
    pen.polygon([(5, 3), (5, -14), (13, -14), (20, 3)], _GLASS)
    pen.polygon([(-47, 8), (-40, 4), (40, 4), (48, 12), (48, 30), (-47, 30)], colour)
    pen.ellipse(43, 14, 4.5, 4.5, _LIGHT)
    for side in (-1, 1):
        pen.ellipse(side * 26, 32, 13, 13, _TYRE)
        pen.ellipse(side * 26, 32, 5, 5, WHITE, outline=None)


def fish(pen: Pen, colour: RGB) -> None:
    """A round body with a tail, fins and a large eye, swimming to the right."""
    pen.polygon([(-22, 6), (-48, -18), (-42, 6), (-48, 30)], _shade(colour, 0.75))
    pen.polygon([(-14, -18), (2, -36), (18, -16)], _shade(colour, 0.75))
    pen.ellipse(6, 6, 36, 27, colour)
    pen.polygon([(-14, 8), (4, 2), (-2, 20)], _shade(colour, 0.75))
    pen.ellipse(23, 0, 9, 9, WHITE)
    pen.ellipse(25, 0, 4.5, 5, INK, outline=None)
    pen.line(_arc(30, 12, 10, 7, 60, 150))


def boat(pen: Pen, colour: RGB) -> None:
    """A hull under two white sails."""
    pen.line([(0, -44), (0, 20)], INK, width=2.4)
    pen.line([(0, -44), (0, 20)], _WOOD, width=1.0)
    pen.polygon([(6, -40), (6, 12), (38, 12)], WHITE)
    pen.polygon([(-6, -28), (-6, 12), (-32, 12)], _CREAM)
    pen.polygon([(-44, 20), (46, 20), (32, 44), (-30, 44)], colour)
    for x in (-16, 0, 16):
        pen.ellipse(x, 31, 4.5, 4.5, WHITE, outline=None)


THINGS: dict[str, Callable[[Pen, RGB], None]] = {
    thing.__name__: thing for thing in (apple, rabbit, cat, bear, fish, star, flower, mushroom, tree, house, car, boat)
}
