"""Images [B,H,W,C] turned, mirrored, repeated, put beside each other, fitted into a frame; masks [B,H,W] in one batch.

Nothing is measured here: what each does follows from its definition, and docs/differences.md says what is a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.values.canvas import join_images
from weft.nodes.diffusion.values.compositing import with_channels
from weft.nodes.diffusion.values.masks import as_masks, resize_mask
from weft.nodes.diffusion.values.pixels import check_images, scale_image

ROTATIONS = ("none", "90 degrees", "180 degrees", "270 degrees")
FLIPS: Mapping[str, int] = {"x-axis: vertically": 1, "y-axis: horizontally": 2}

DIRECTIONS: Mapping[str, tuple[int, bool]] = {
    "right": (2, False),
    "down": (1, False),
    "left": (2, True),
    "up": (1, True),
}
"""The axis along which images are put beside each other, and whether the second comes first."""

COLOURS: Mapping[str, tuple[float, float, float]] = {
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}


def rotate(image: Tensor, rotation: str) -> Tensor:
    """The image turned clockwise by one of ROTATIONS."""
    check_images(image)
    _known(rotation, ROTATIONS, "rotation")
    return torch.rot90(image, -ROTATIONS.index(rotation), (1, 2)).contiguous()


def flip(image: Tensor, method: str) -> Tensor:
    """The image mirrored by a key of FLIPS: up to down, or left to right."""
    check_images(image)
    _known(method, FLIPS, "flip method")
    return image.flip(FLIPS[method])


def repeat(image: Tensor, amount: int) -> Tensor:
    """The batch, so many times one after the other."""
    check_images(image)
    if amount < 1:
        raise DiffusionError(f"cannot repeat a batch {amount} times, expected 1 at least")
    return image.repeat(amount, 1, 1, 1)


def join_all(images: Sequence[Tensor]) -> Tensor:
    """All batches in one, each resized (bilinear, cut to the aspect) to the first; a missing alpha is 1."""
    if not images:
        raise DiffusionError("there is no image to put into a batch")
    first, *others = images
    check_images(first)
    for other in others:
        first = join_images(first, other)
    return first


def join_masks(masks: Sequence[Tensor]) -> Tensor:
    """All masks in one batch, each resized (bilinear) to the first."""
    if not masks:
        raise DiffusionError("there is no mask to put into a batch")
    first, *others = map(as_masks, masks)
    return torch.cat([first, *(resize_mask(mask, *first.shape[1:]).to(first) for mask in others)])


def stitch(first: Tensor, second: Tensor, direction: str, match: bool, spacing: int, colour: str) -> Tensor:
    """The second image beside the first; the shorter batch repeats its last one, a missing alpha is 1.

    Args:
        direction: a key of DIRECTIONS, where the second is seen from the first.
        match: resize the second (lanczos, keeping its shape) to the side that they share; without it the smaller one
            is centred, on white where `colour` is white and on black else.
        spacing: pixels of `colour`, a key of COLOURS, between them; an odd number is raised by 1.
    """
    check_images(first, second)
    _known(direction, DIRECTIONS, "direction")
    _known(colour, COLOURS, "colour")
    axis, swapped = DIRECTIONS[direction]
    across = 3 - axis
    if match and first.shape[across] != second.shape[across]:
        along = max(1, int(second.shape[axis] * first.shape[across] / second.shape[across]))
        width, height = (along, first.shape[1]) if axis == 2 else (first.shape[2], along)
        second = scale_image(second, width, height, "lanczos")
    batch = max(len(first), len(second))
    channels = max(first.shape[-1], second.shape[-1])
    side = max(first.shape[across], second.shape[across])
    ground = 1.0 if colour == "white" else 0.0
    parts = [
        _centred(_filled_up(with_channels(image, channels), batch).to(first), across, side, ground)
        for image in (first, second)
    ]
    gap = spacing + spacing % 2
    if gap:
        shape = [*parts[0].shape[:-1], 3]
        shape[axis] = gap
        parts.insert(1, with_channels(torch.tensor(COLOURS[colour]).to(first).expand(shape), channels))
    return torch.cat(parts[::-1] if swapped else parts, dim=axis)


def fit_into(image: Tensor, width: int, height: int, colour: str, method: str) -> Tensor:
    """The image resized to fit into width x height, proportions kept, in the middle of a canvas of that size.

    Args:
        colour: a key of COLOURS, of the canvas; it is opaque.
        method: as in `resize`.
    """
    check_images(image)
    _known(colour, COLOURS, "colour")
    rows, columns = image.shape[1:3]
    factor = min(width / columns, height / rows)
    # Fractions of a pixel are cut, but for what is none but for rounding.
    inner = [max(1, min(side, int(old * factor + 1e-6))) for side, old in ((width, columns), (height, rows))]
    small = scale_image(image, inner[0], inner[1], method)
    x, y = (width - inner[0]) // 2, (height - inner[1]) // 2
    ground = with_channels(torch.tensor(COLOURS[colour])[None, None, None], image.shape[-1]).to(image)
    canvas = ground.repeat(len(image), height, width, 1)
    canvas[:, y : y + inner[1], x : x + inner[0]] = small
    return canvas


def _known(name: str, names: Mapping[str, object] | Sequence[str], what: str) -> None:
    if name not in names:
        raise DiffusionError(f"unknown {what} {name!r}{nearest(name, names)}: one of {', '.join(names)}")


def _filled_up(image: Tensor, batch: int) -> Tensor:
    return torch.cat([image, image[-1:].expand(batch - len(image), *image.shape[1:])])


def _centred(image: Tensor, axis: int, side: int, ground: float) -> Tensor:
    """The image in the middle of a canvas that is `side` pixels long on one axis."""
    before = (side - image.shape[axis]) // 2
    after = side - image.shape[axis] - before
    widths = (0, 0, before, after) if axis == 2 else (0, 0, 0, 0, before, after)
    return pad(image, widths, value=ground)
