"""Boxes on images [B,H,W,C]: given, cut out, drawn; images cut to what a mask shows.

Nothing is measured here: what each does follows from its definition, and docs/differences.md says what is a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.canvas import crop_image
from weft.nodes.diffusion.values.lettering import font_of
from weft.nodes.diffusion.values.masks import as_masks, grow, resize_mask
from weft.nodes.diffusion.values.pixels import check_images, to_batch, to_uint8
from weft.nodes.diffusion.values.sizes import resized

SMALLEST_CANVAS = 640
"""The least side of the canvas where boxes are drawn on nothing."""

HALF = 0.5
COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#46f0f0", "#f032e6", "#bcf60c")


class Box(NamedTuple):
    """A box in pixels, and what stands beside it."""

    x: int
    y: int
    width: int
    height: int
    label: str = ""
    colour: str = ""


def read_box(value: Any) -> Box:
    """`{"x":, "y":, "width":, "height":}` with, if given, `label` and `score`. Raises DiffusionError for no box."""
    try:
        x, y, width, height = (round(float(value[name])) for name in ("x", "y", "width", "height"))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        message = f'a box is {{"x":, "y":, "width":, "height":}} with numbers, got {str(value)[:80]}'
        raise DiffusionError(message) from error
    score = value.get("score")
    said = (str(value.get("label") or ""), f"{score:.2f}" if isinstance(score, int | float) else "")
    return Box(x, y, width, height, label=" ".join(filter(None, said)))


def read_boxes(value: Any) -> list[list[Box]]:
    """The boxes of each image: of one box, or one list of them, they are those of every image."""
    if isinstance(value, Mapping):
        return [[read_box(value)]]
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise DiffusionError(f"expected boxes, got {type(value).__name__}")
    if any(isinstance(item, Sequence) and not isinstance(item, str) for item in value):
        return [[box for part in read_boxes(item) for box in part] for item in value]
    return [[read_box(item) for item in value]]


def crop_to_box(image: Tensor, value: Any) -> Tensor:
    """What lies inside the first box, as far as it lies on the image."""
    first = next((box for boxes in read_boxes(value) for box in boxes), None)
    if first is None:
        raise DiffusionError("there is no box to cut to")
    return crop_image(image, max(1, first.width), max(1, first.height), max(0, first.x), max(0, first.y))


def draw(image: Tensor | None, values: Sequence[Sequence[Box]]) -> Tensor:
    """The boxes on the images, or on a black canvas that holds them; the last images' boxes are those of the rest."""
    if image is None:
        boxes = [box for part in values for box in part]
        width = max([SMALLEST_CANVAS, *(box.x + box.width for box in boxes)])
        height = max([SMALLEST_CANVAS, *(box.y + box.height for box in boxes)])
        image = torch.zeros(max(1, len(values)), height, width, 3)
    check_images(image)
    drawn = []
    for index, item in enumerate(to_uint8(image[..., :3]).numpy()):
        picture = Image.fromarray(item)
        _draw(picture, values[min(index, len(values) - 1)] if values else ())
        drawn.append(torch.from_numpy(numpy.array(picture, dtype=numpy.float32) / 255.0))
    return torch.stack(drawn).to(image)


def _draw(picture: Image.Image, boxes: Sequence[Box]) -> None:
    pen = ImageDraw.Draw(picture)
    line = max(1, min(picture.size) // 256)
    font = font_of(max(10, min(picture.size) // 40))
    for index, box in enumerate(boxes):
        colour = box.colour or COLOURS[index % len(COLOURS)]
        right, bottom = box.x + max(1, box.width) - 1, box.y + max(1, box.height) - 1
        pen.rectangle((box.x, box.y, right, bottom), outline=colour, width=line)
        if box.label:
            place = (box.x + 2 * line, box.y + 2 * line)
            pen.rectangle(pen.textbbox(place, box.label, font=font), fill=colour)
            pen.text(place, box.label, font=font, fill="black")


def crop_to_mask(
    image: Tensor,
    mask: Tensor,
    width: int,
    height: int,
    pad: float,
    grown: int,
    ground: Sequence[float],
    warn: Callable[[str], None],
) -> Tensor:
    """What a mask shows of each image, in the middle of width x height pixels, the rest of one colour.

    Args:
        mask: one for all images, or one for each; resized (bilinear) to them. Where its border is masked and its middle
            is not, or where it masks nothing, what it does not mask is meant.
        pad: how many times as large as what is masked the cut is, at least.
        grown: pixels by which the mask grows first, or shrinks.
        ground: the colour, three numbers of 0..1.
        warn: is told where nothing can be seen in a mask; the whole image is shown then.

    Raises:
        DiffusionError: other numbers of masks than one or that of the images.
    """
    check_images(image)
    if len(as_masks(mask)) not in (1, len(image)):
        raise DiffusionError(f"expected 1 mask or {len(image)}, as there are images, got {len(as_masks(mask))}")
    masks = to_batch(resize_mask(mask, *image.shape[1:3]).to(image), len(image))
    colour = torch.tensor(ground).to(image)
    done = []
    for picture, shown in zip(image[..., :3], masks, strict=True):
        shown = grow(_foreground(shown)[None], grown, False)[0]
        seen = (shown > HALF).nonzero()
        if not len(seen):
            warn("the mask shows nothing: the whole picture is taken")
            shown = torch.ones_like(shown)
            seen = shown.nonzero()
        together = picture * shown[..., None] + colour * (1.0 - shown[..., None])
        (top, left), (bottom, right) = seen.amin(dim=0).tolist(), (seen.amax(dim=0) + 1).tolist()
        done.append(_cut(together, (left, top, right, bottom), width / height, pad, colour))
    return torch.cat([resized(item[None], (width, height), "lanczos") for item in done])


def _foreground(mask: Tensor) -> Tensor:
    border = torch.cat((mask[0], mask[-1], mask[:, 0], mask[:, -1])).mean()
    rows, columns = mask.shape
    middle = mask[rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4].mean()
    inverted = border > HALF > middle or not bool((mask > HALF).any())
    return 1.0 - mask if inverted else mask


def _cut(image: Tensor, box: tuple[int, int, int, int], aspect: float, pad: float, colour: Tensor) -> Tensor:
    """[h,w,3]: the box and what is around it, as wide as `aspect` wants, on the colour where the image ends."""
    left, top, right, bottom = box
    high = max(bottom - top, (right - left) / aspect) * pad
    rows, columns = max(1, round(high)), max(1, round(high * aspect))
    y, x = round((top + bottom - rows) / 2), round((left + right - columns) / 2)
    canvas = colour.repeat(rows, columns, 1)
    inside = image[max(0, y) : max(0, y + rows), max(0, x) : max(0, x + columns)]
    canvas[max(0, -y) : max(0, -y) + inside.shape[0], max(0, -x) : max(0, -x) + inside.shape[1]] = inside
    return canvas


def numbered(boxes: Sequence[Box], texts: Sequence[str], colours: Sequence[str]) -> Iterator[Box]:
    """The boxes, counted from 1, with what is said of each."""
    for number, (box, text, colour) in enumerate(zip(boxes, texts, colours, strict=True), 1):
        yield box._replace(label=f"{number} {text}".strip(), colour=colour)
