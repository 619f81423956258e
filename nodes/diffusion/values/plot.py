"""A picture of pictures: the cells of a plot in a grid, the values of both axes beside them.

Geometry: efficiency.md section 5.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.lettering import ELLIPSIS, FILLED, PAPER, common_font, font_of, largest_font, write
from weft.nodes.diffusion.values.pixels import to_uint8


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
    largest = common_font(x_labels, box, largest_font(width))
    for column, text in enumerate(x_labels):
        write(canvas, text, (grid.corner(column, 0)[0], 0), box, largest)
    box = (height, left) if vertical_labels else (left, height)
    largest = common_font(y_labels, box, largest_font(width))
    for row, text in enumerate(y_labels):
        write(canvas, text, (0, grid.corner(0, row)[1]), box, largest, turned=vertical_labels)
    pixels = torch.frombuffer(bytearray(canvas.tobytes()), dtype=torch.uint8)
    return (pixels.reshape(1, canvas.height, canvas.width, 4).float() / 255.0).contiguous()


def shortened(name: str, length: int = 42) -> str:
    """A name of at most so many characters, its end replaced by dots where it is longer."""
    return name if len(name) <= length else name[: length - len(ELLIPSIS)] + ELLIPSIS


def _left_band(labels: Sequence[str], width: int, height: int, least: int) -> int:
    """As wide as the longest label asks for, up to a little more than a cell; longer labels are broken into lines."""
    most = min(width, height) + abs(width - height) // 5
    font = font_of(largest_font(width))
    longest = max(font.getlength(label) for label in labels)
    return max(least, min(most, ceil((longest + 1) / FILLED)))
