"""The losses of a training as a picture: a curve over its steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.lettering import INK, PAPER, write

WIDTH, HEIGHT, MARGIN = 800, 600, 70
_CURVE = (31, 119, 180, 255)
_LETTERS = 18


def loss_plot(losses: Sequence[float]) -> Tensor:
    """A picture [1,600,800,3] of losses, one a step.

    Raises:
        DiffusionError: no loss at all.
    """
    from PIL import Image, ImageDraw

    if not losses:
        raise DiffusionError("there is no loss to be drawn")
    canvas = Image.new("RGBA", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(canvas)
    left, right, top, bottom = MARGIN, WIDTH - MARGIN // 2, MARGIN, HEIGHT - MARGIN
    draw.line([(left, top), (left, bottom), (right, bottom)], fill=INK, width=2)
    low, high = min(losses), max(losses)
    span, last = (high - low) or 1.0, max(len(losses) - 1, 1)
    points = [
        (left + (right - left) * step / last, bottom - (bottom - top) * (loss - low) / span)
        for step, loss in enumerate(losses)
    ]
    draw.line(points if len(points) > 1 else points * 2, fill=_CURVE, width=3, joint="curve")
    half = MARGIN // 2
    write(canvas, "Training loss", (left, half // 2), (right - left, half), _LETTERS + 6)
    write(canvas, "Steps", (left, bottom + half), (right - left, half), _LETTERS)
    write(canvas, "Loss", (0, top), (half, bottom - top), _LETTERS, turned=False)
    write(canvas, f"{high:.4g}", (0, top - half // 2), (left - 4, half), _LETTERS)
    write(canvas, f"{low:.4g}", (0, bottom - half // 2), (left - 4, half), _LETTERS)
    write(canvas, "1", (left, bottom + 2), (half, half), _LETTERS)
    write(canvas, str(len(losses)), (right - MARGIN, bottom + 2), (MARGIN, half), _LETTERS)
    pixels = numpy.asarray(canvas.convert("RGB"), dtype=numpy.float32) / 255
    return torch.from_numpy(pixels)[None]
