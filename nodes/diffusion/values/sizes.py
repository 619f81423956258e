"""The size that a picture [B,H,W,C] or a mask [B,H,W] is to have, by a rule; and resizing either to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.values.canvas import MEGAPIXEL
from weft.nodes.diffusion.values.pixels import resize

Size = tuple[int, int]
"""Width and height in pixels."""


def size_of(value: Tensor) -> Size:
    """The size of pictures or masks. Raises DiffusionError for what is neither."""
    if not isinstance(value, Tensor) or value.dim() not in (3, 4) or 0 in value.shape:
        got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise DiffusionError(f"expected an image [B,H,W,C] or a mask [B,H,W], got {got}")
    return value.shape[2], value.shape[1]


def wanted(value: Tensor, rule: str, given: Mapping[str, Any]) -> Size:
    """The size by a key of RULES, which reads `given`; sides are rounded (halves to even), and 1 at least.

    Raises:
        DiffusionError: another rule, or a side of 0 that nothing decides.
    """
    if rule not in RULES:
        raise DiffusionError(f"unknown resize type {rule!r}{nearest(rule, RULES)}: one of {', '.join(RULES)}")
    width, height = RULES[rule](*size_of(value), given)
    return max(1, round(width)), max(1, round(height))


def resized(value: Tensor, size: Size, method: str, crop: str = "disabled") -> Tensor:
    """Pictures, or masks, of another size; `method` and `crop` as in `resize`. Those that have it stay as they are."""
    if size_of(value) == size:
        return value
    channels = value[:, None] if value.dim() == 3 else value.movedim(-1, 1)
    result = resize(channels, *size, method, crop)
    return result[:, 0] if value.dim() == 3 else result.movedim(1, -1)


def _sides(width: int, height: int, given: Mapping[str, Any]) -> tuple[float, float]:
    wide, high = given["width"], given["height"]
    if not wide and not high:
        return width, height
    return wide or width * high / height, high or height * wide / width


def _by(
    measure: Callable[[int, int], float], name: str
) -> Callable[[int, int, Mapping[str, Any]], tuple[float, float]]:
    """The proportions kept, what `measure` says of the size becoming what is given by that name."""

    def rule(width: int, height: int, given: Mapping[str, Any]) -> tuple[float, float]:
        new, old = given[name], measure(width, height)
        if new <= 0:
            raise DiffusionError(f"{name} is {new}, expected a number above 0")
        return width * new / old, height * new / old

    return rule


def _of_pixels(width: int, height: int, given: Mapping[str, Any]) -> tuple[float, float]:
    factor = math.sqrt(int(given["megapixels"] * MEGAPIXEL) / (width * height))
    return width * factor, height * factor


def _of_multiple(width: int, height: int, given: Mapping[str, Any]) -> tuple[float, float]:
    """Never larger, but where a side is smaller than the number."""
    multiple = given["multiple"]
    return max(multiple, width - width % multiple), max(multiple, height - height % multiple)


RULES: Mapping[str, Callable[[int, int, Mapping[str, Any]], tuple[float, float]]] = {
    "scale dimensions": _sides,
    "scale by multiplier": _by(lambda width, height: 1.0, "multiplier"),
    "scale longer dimension": _by(max, "longer_size"),
    "scale shorter dimension": _by(min, "shorter_size"),
    "scale width": _by(lambda width, height: width, "width"),
    "scale height": _by(lambda width, height: height, "height"),
    "scale total pixels": _of_pixels,
    "match size": lambda width, height, given: size_of(given["match"]),
    "scale to multiple": _of_multiple,
}
