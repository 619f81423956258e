"""The part of a conditioning that concerns one tile of a latent.

Areas, masks, the pictures of ControlNets and the images of inpainting models belong to the whole latent: each is
brought to its size once, and cut out for a tile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.conditions import BOXES, Area, absolute_area, bounds_of
from weft.nodes.diffusion.sampling.tiles import Tile
from weft.nodes.diffusion.values.masks import as_masks, resize_mask
from weft.nodes.diffusion.values.pixels import resize

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.control import Control

# Of the whole latent, at its size: cut out of the last two axes.
_MAPS = ("mask", "concat_mask", "concat_latent_image")


class TiledConditionings:
    """The conditionings of a run over a latent of height x width, of which tiles take their parts.

    pixels: of a picture, along one side of the latent's element.
    """

    def __init__(self, conditionings: Sequence[Sequence[Any]], height: int, width: int, pixels: int) -> None:
        self._size = height, width
        self._pixels = pixels
        # Entries that share a control go on sharing it, so that they can run in one batch.
        self._controls: dict[Control, Control] = {}
        self._sides = [[(context, self._whole(options)) for context, options in side] for side in conditionings]

    def parts(self, tile: Tile) -> list[list[Any]]:
        """Each conditioning with the entries that act in this tile, as they are to be read there."""
        controls: dict[Control, Control] = {}
        return [
            [
                [context, _cut(options, tile, controls, self._pixels)]
                for context, options in side
                if _acts(options, tile)
            ]
            for side in self._sides
        ]

    def _whole(self, options: Mapping[str, Any]) -> dict[str, Any]:
        height, width = self._size
        if options.get(BOXES) is not None:
            raise DiffusionError("a conditioning has boxes (GLIGEN), which are of the whole picture: not in tiles")
        result = dict(options)
        if options.get("area") is not None:
            result["area"] = absolute_area(options["area"], height, width)
        if options.get("mask") is not None:
            result["mask"] = resize_mask(options["mask"], height, width)
            if result.pop("set_area_to_bounds", False):
                result["area"] = bounds_of(result["mask"])
        if isinstance(options.get("concat_mask"), Tensor):
            masks = as_masks(options["concat_mask"]).float()[:, None]
            result["concat_mask"] = resize(masks, width, height, "bilinear", "center")
        if isinstance(options.get("concat_latent_image"), Tensor):
            result["concat_latent_image"] = resize(options["concat_latent_image"], width, height, "bilinear", "center")
        if options.get("control") is not None:
            result["control"] = self._whole_control(options["control"])
        return result

    def _whole_control(self, control: Control) -> Control:
        if control not in self._controls:
            height, width = (side * self._pixels for side in self._size)
            hint = resize(control.hint.movedim(-1, 1), width, height, "nearest-exact", "center").movedim(1, -1)
            previous = None if control.previous is None else self._whole_control(control.previous)
            self._controls[control] = _with_hint(control, hint, previous)
        return self._controls[control]


def _acts(options: Mapping[str, Any], tile: Tile) -> bool:
    area: Area | None = options.get("area")
    if area is None:
        return True
    height, width, y, x = area
    return _meets(y, height, tile.rows.whole) and _meets(x, width, tile.columns.whole)


def _meets(start: int, size: int, stretch: slice[int, int]) -> bool:
    return start < stretch.stop and start + size > stretch.start


def _cut(options: Mapping[str, Any], tile: Tile, controls: dict[Control, Control], pixels: int) -> dict[str, Any]:
    rows, columns = tile.rows.whole, tile.columns.whole
    result = dict(options)
    if options.get("area") is not None:
        height, width, y, x = options["area"]
        top, left = max(y, rows.start), max(x, columns.start)
        bottom, right = min(y + height, rows.stop), min(x + width, columns.stop)
        result["area"] = bottom - top, right - left, top - rows.start, left - columns.start
    for name in _MAPS:
        if isinstance(options.get(name), Tensor):
            result[name] = options[name][..., rows, columns]
    if options.get("control") is not None:
        result["control"] = _cut_control(options["control"], tile, controls, pixels)
    return result


def _cut_control(control: Control, tile: Tile, controls: dict[Control, Control], pixels: int) -> Control:
    if control not in controls:
        top, bottom = (edge * pixels for edge in (tile.rows.start, tile.rows.stop))
        left, right = (edge * pixels for edge in (tile.columns.start, tile.columns.stop))
        previous = None if control.previous is None else _cut_control(control.previous, tile, controls, pixels)
        controls[control] = _with_hint(control, control.hint[:, top:bottom, left:right], previous)
    return controls[control]


def _with_hint(control: Control, hint: Tensor, previous: Control | None) -> Control:
    # What the network read belongs to the old hint.
    return replace(control, hint=hint, previous=previous, _read={})
