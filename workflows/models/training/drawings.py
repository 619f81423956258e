"""The drawings that the model learns from: a thing of one colour before a background, flat and with thick outlines.

Everything is procedural. A `Drawing` says what is to be seen, `render` and `render_pixels` draw it, smoothly or as
pixel art, and `caption` describes it in words. Sizes are in pixels of a picture of SIZE x SIZE, places are measured
from its middle, x to the right and y down.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
from things import COLOURS, INK, RGB, THINGS, Pen

SIZE = 128
CELL = 4  # pixels along one block of the pixel art
_SHARP = 4  # drawn so many times larger, then averaged: smooth edges

# Backgrounds by the words that call them; the plain one has none and comes in several tints.
PLAIN = ""
BACKGROUNDS = (PLAIN, "on grass", "at night", "on a table")
TINTS: tuple[RGB, ...] = ((252, 252, 252), (250, 240, 216), (222, 236, 250), (226, 242, 222), (246, 226, 234))
_SKY, _GRASS, _CLOUD = (150, 206, 250), (128, 200, 96), (252, 252, 252)
_NIGHT, _GROUND, _MOON = (44, 48, 96), (36, 72, 76), (252, 240, 190)
_WALL, _TABLE = (240, 224, 196), (178, 126, 84)
_HORIZON = 32

_PACKED_INK = INK[0] << 16 | INK[1] << 8 | INK[2]

OFFSETS_X = tuple(range(-8, 9, 2))
OFFSETS_Y = tuple(range(-4, 5, 2))
SCALES = (0.9, 1.0, 1.1)


@dataclass(frozen=True)
class Drawing:
    """What a picture shows. `colour` is a key of COLOURS, `thing` of THINGS, `background` one of BACKGROUNDS."""

    thing: str
    colour: str
    background: str = PLAIN
    tint: int = 0  # which of TINTS, for the plain background; elsewhere which of the layouts of clouds and stars
    x: int = 0
    y: int = 0
    scale: float = 1.0
    shift: tuple[int, int, int] = (0, 0, 0)  # added to the colour
    second: str = ""  # another key of COLOURS: the thing has the mean of both


def random_drawing(rng: random.Random) -> Drawing:
    """One of all drawings, each thing, colour and place as likely as any other; half have the plain background."""
    return Drawing(
        thing=rng.choice(tuple(THINGS)),
        colour=rng.choice(tuple(COLOURS)),
        background=PLAIN if rng.random() < 0.5 else rng.choice(BACKGROUNDS[1:]),
        tint=rng.randrange(len(TINTS)),
        x=rng.choice(OFFSETS_X),
        y=rng.choice(OFFSETS_Y),
        scale=rng.choice(SCALES),
        shift=(rng.randint(-8, 8), rng.randint(-8, 8), rng.randint(-8, 8)),
    )


def mixed_drawing(rng: random.Random) -> Drawing:
    """As `random_drawing`, but one in sixteen has the mean of two colours: so the model learns what lies between."""
    drawing = random_drawing(rng)
    return replace(drawing, second=rng.choice(tuple(COLOURS))) if rng.random() < 1 / 16 else drawing


def render(drawing: Drawing) -> Image.Image:
    """The drawing with smooth edges: RGB, SIZE x SIZE."""
    return _draw(drawing, stroke=3.5).reduce(_SHARP)


def render_pixels(drawing: Drawing) -> Image.Image:
    """The drawing as pixel art: blocks of CELL x CELL pixels, each of one of the colours that the drawing has."""
    snapped = replace(drawing, x=_snap(drawing.x), y=_snap(drawing.y))
    large = np.asarray(_draw(snapped, stroke=CELL), dtype=np.int32)
    block, count = _SHARP * CELL, SIZE // CELL
    packed = large[..., 0] << 16 | large[..., 1] << 8 | large[..., 2]
    palette, index = np.unique(packed, return_inverse=True)
    blocks = index.reshape(count, block, count, block).transpose(0, 2, 1, 3).reshape(count, count, block * block)
    shares = (blocks[..., None] == np.arange(len(palette))).mean(axis=2)
    # Outlines are thinner than what they surround: half of a block is enough for them to have it.
    shares[..., palette == _PACKED_INK] *= 1.3
    chosen = palette[shares.argmax(axis=2)]
    small = np.stack([chosen >> 16, chosen >> 8 & 255, chosen & 255], axis=-1).astype(np.uint8)
    return Image.fromarray(small).resize((SIZE, SIZE), Image.Resampling.NEAREST)


def caption(drawing: Drawing, rng: random.Random) -> str:
    """Words for a drawing: mostly all that is to be seen, sometimes without the colour, the thing or the place."""
    colour = drawing.colour if rng.random() < 0.95 else ""
    thing = drawing.thing if rng.random() < 0.95 else ""
    place = drawing.background if rng.random() < 0.9 else ""
    if drawing.second:
        thing = f"{drawing.second} {drawing.thing}"
    article = "a" if rng.random() < 0.3 else ""
    comma = "," if place and rng.random() < 0.2 else ""
    return " ".join(filter(None, (article, colour, thing))) + comma + (f" {place}" if place else "")


def vocabulary() -> tuple[str, ...]:
    """Every word that a caption can hold."""
    words = {word for place in BACKGROUNDS for word in place.split()}
    return (*THINGS, *COLOURS, *sorted(words - {"a"}), "a", ",")


def sheet(pictures: Sequence[Image.Image], columns: int, gap: int = 2) -> Image.Image:
    """Pictures of one size side by side, for a person to look at."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    whole = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), (255, 255, 255))
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        whole.paste(picture, (column * (width + gap), row * (height + gap)))
    return whole


def _draw(drawing: Drawing, *, stroke: float) -> Image.Image:
    image = Image.new("RGB", (SIZE * _SHARP, SIZE * _SHARP), TINTS[drawing.tint % len(TINTS)])
    middle = Pen(image, SIZE / 2, SIZE / 2, _SHARP, 1.0, stroke)
    _SCENES[drawing.background](middle, drawing.tint)
    pen = Pen(image, SIZE / 2 + drawing.x, SIZE / 2 + drawing.y, _SHARP, drawing.scale, stroke)
    THINGS[drawing.thing](pen, _colour(drawing))
    return image


def _colour(drawing: Drawing) -> RGB:
    both = zip(COLOURS[drawing.colour], COLOURS[drawing.second or drawing.colour], drawing.shift, strict=True)
    red, green, blue = (max(0, min(255, (one + two) // 2 + shift)) for one, two, shift in both)
    return red, green, blue


def _plain(pen: Pen, layout: int) -> None:
    """Nothing: the tint is there already."""


def _grass(pen: Pen, layout: int) -> None:
    pen.box(-64, -64, 64, 64, _SKY)
    if layout % 3:
        x = -40 if layout % 3 == 1 else 40
        for dx, dy, radius in ((-8, 0, 8), (0, -4, 8), (8, 0, 8)):
            pen.ellipse(x + dx, -48 + dy, radius, radius, _CLOUD, outline=None)
    pen.box(-64, _HORIZON, 64, 64, _GRASS)


def _night(pen: Pen, layout: int) -> None:
    pen.box(-64, -64, 64, 64, _NIGHT)
    side = -1 if layout % 2 else 1
    pen.ellipse(side * 46, -46, 9, 9, _MOON, outline=None)
    for x, y in ((-46, -42), (-54, -14), (-34, -58), (52, 8)):
        pen.ellipse(side * x, y, 2.5, 2.5, _MOON, outline=None)
    pen.box(-64, _HORIZON, 64, 64, _GROUND)


def _table(pen: Pen, layout: int) -> None:
    pen.box(-64, -64, 64, 64, _WALL)
    pen.box(-64, _HORIZON, 64, 64, _TABLE)
    pen.box(-64, _HORIZON, 64, _HORIZON + 3, INK)


_SCENES = dict(zip(BACKGROUNDS, (_plain, _grass, _night, _table), strict=True))


def _snap(place: int) -> int:
    return round(place / CELL) * CELL
