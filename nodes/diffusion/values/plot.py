"""A picture of pictures: the cells of a plot in a grid, the values of both axes beside them.

Geometry: efficiency.md section 5.3. The font, Adobe's Source Sans Pro (Latin, Greek, Cyrillic), comes with the package
font-source-sans-pro, so that every machine draws the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.pixels import to_uint8

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

PAPER, INK = (255, 255, 255, 255), (24, 24, 24, 255)
SMALLEST_FONT = 8
LARGEST_FONT = 48  # at cells of 512 pixels
FILLED = 0.9  # of the box around a label
ELLIPSIS = "..."
_WORDS = re.compile(r"\S+\s*")
# Where a word may be broken that is too long for a line, as names of files are; numbers stay whole.
_BREAKS = re.compile(r"(?<=[_/])|(?<=[-.,;:(])(?=[^\W\d])")


@dataclass(frozen=True)
class Grid:
    """Where everything stands, in pixels. left, top: the bands of the labels, 0 without any."""

    columns: int
    rows: int
    width: int
    height: int
    spacing: int
    left: int
    top: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the plot."""
        x, y = self.corner(self.columns - 1, self.rows - 1)
        return x + self.width, y + self.height

    def corner(self, column: int, row: int) -> tuple[int, int]:
        """x and y of a cell."""
        return self.left + column * (self.width + self.spacing), self.top + row * (self.height + self.spacing)


def draw_plot(
    images: Tensor, x_labels: Sequence[str], y_labels: Sequence[str], *, spacing: int = 0, vertical_labels: bool = False
) -> Tensor:
    """Lay the cells of a plot out in a grid, with X above and Y at the left.

    Args:
        images: [N,h,w,3 or 4] in 0..1, row by row.
        x_labels, y_labels: one a column and one a row; none for an axis that the plot has not.
        spacing: pixels between cells.
        vertical_labels: Y reads from bottom to top, in a narrower band.

    Returns:
        [1,H,W,4] float32 in 0..1, whose cells are the images in 8 bits a channel, fractions cut.

    Raises:
        DiffusionError: another number of images than cells, or no images of this form.
    """
    from PIL import Image

    columns, rows = max(len(x_labels), 1), max(len(y_labels), 1)
    if images.dim() != 4 or images.shape[-1] not in (3, 4) or 0 in images.shape:
        raise DiffusionError(f"the cells of a plot are [N,height,width,3], got {list(images.shape)}")
    if len(images) != columns * rows:
        raise DiffusionError(f"a plot of {columns}x{rows} cells got {len(images)} pictures")
    height, width = images.shape[1:3]
    band = 3 * (width // 15)
    left = 0 if not y_labels else band if vertical_labels else _left_band(y_labels, width, height, band)
    grid = Grid(columns, rows, width, height, spacing, left, band if x_labels else 0)
    canvas = Image.new("RGBA", grid.size, PAPER)
    for number, cell in enumerate(to_uint8(images).numpy()):
        canvas.paste(Image.fromarray(cell).convert("RGBA"), grid.corner(number % columns, number // columns))
    box = width, grid.top
    largest = _common_font(x_labels, box, _largest_font(width))
    for column, text in enumerate(x_labels):
        _write(canvas, text, (grid.corner(column, 0)[0], 0), box, largest)
    box = (height, left) if vertical_labels else (left, height)
    largest = _common_font(y_labels, box, _largest_font(width))
    for row, text in enumerate(y_labels):
        _write(canvas, text, (0, grid.corner(0, row)[1]), box, largest, turned=vertical_labels)
    pixels = torch.frombuffer(bytearray(canvas.tobytes()), dtype=torch.uint8)
    return (pixels.reshape(1, canvas.height, canvas.width, 4).float() / 255.0).contiguous()


def shortened(name: str, length: int = 42) -> str:
    """A name of at most so many characters, its end replaced by dots where it is longer."""
    return name if len(name) <= length else name[: length - len(ELLIPSIS)] + ELLIPSIS


def _largest_font(width: int) -> int:
    return max(SMALLEST_FONT, LARGEST_FONT * width // 512)


def _common_font(labels: Sequence[str], box: tuple[int, int], largest: int) -> int:
    """The size of the labels of an axis: that of the longest, but one far longer than the others is alone smaller."""
    width, height = (int(side * FILLED) for side in box)
    sizes = [int(_fitted(text, width, height, largest)[0].size) for text in labels]
    return max(min((size for size in sizes if size > SMALLEST_FONT), default=largest), 2 * largest // 3)


def _left_band(labels: Sequence[str], width: int, height: int, least: int) -> int:
    """As wide as the longest label asks for, up to a little more than a cell; longer labels are broken into lines."""
    most = min(width, height) + abs(width - height) // 5
    font = _font(_largest_font(width))
    longest = max(font.getlength(label) for label in labels)
    return max(least, min(most, ceil((longest + 1) / FILLED)))


def _write(
    canvas: Image, text: str, corner: tuple[int, int], box: tuple[int, int], largest: int, turned: bool = False
) -> None:
    """Centre a text in a box: in the largest letters that let it stay inside, broken into lines where that helps."""
    from PIL import Image, ImageDraw

    width, height = box
    if not text.strip() or min(width, height) < 1:
        return
    paper = Image.new("RGBA", (width, height), PAPER)
    font, lines = _fitted(text, int(width * FILLED), int(height * FILLED), largest)
    ImageDraw.Draw(paper).multiline_text(
        (width / 2, height / 2), "\n".join(lines), fill=INK, font=font, anchor="mm", align="center"
    )
    canvas.paste(paper.transpose(Image.Transpose.ROTATE_90) if turned else paper, corner)


def _fitted(text: str, width: int, height: int, largest: int) -> tuple[FreeTypeFont, list[str]]:
    for size in range(largest, SMALLEST_FONT - 1, -1):
        font = _font(size)
        lines = _wrapped(text, font, width, whole_words=size > SMALLEST_FONT)
        if lines is not None and len(lines) * _line_height(font) <= height:
            return font, lines
    # Too long even so: as much of it as there is room for.
    font = _font(SMALLEST_FONT)
    lines = _wrapped(text, font, width, whole_words=False) or [text]
    kept = lines[: max(1, height // _line_height(font))]
    if len(kept) < len(lines):
        kept[-1] = kept[-1][: -len(ELLIPSIS)] + ELLIPSIS
    return font, kept


def _wrapped(text: str, font: FreeTypeFont, width: int, whole_words: bool) -> list[str] | None:
    """The text in lines of this width; None where a part of it does not fit into one and must stay whole."""
    lines: list[str] = []
    for word in _WORDS.findall(text):
        # A word that has room on a line of its own is not broken.
        for part in [word] if font.getlength(word.rstrip()) <= width else _BREAKS.split(word):
            joined = lines[-1] + part if lines else part
            if font.getlength(joined.rstrip()) <= width:
                lines[-1:] = [joined]
                continue
            if whole_words and font.getlength(part.rstrip()) > width:
                return None
            while part:
                count = next((n for n in range(len(part), 1, -1) if font.getlength(part[:n].rstrip()) <= width), 1)
                lines.append(part[:count])
                part = part[count:]
    return [line.strip() for line in lines]


def _line_height(font: FreeTypeFont) -> int:
    ascent, descent = font.getmetrics()
    return ascent + descent


@lru_cache(maxsize=64)
def _font(size: int) -> FreeTypeFont:
    from PIL import ImageFont

    # Found, never imported: it is data.
    package = find_spec("font_source_sans_pro")
    if package is None or package.origin is None:
        raise DiffusionError("the package font-source-sans-pro is not installed: pip install weft installs it")
    return ImageFont.truetype(Path(package.origin).parent / "files" / "SourceSansPro-Regular.ttf", size)
