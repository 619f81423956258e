"""Rows of keyframes: factors on the way between two, and where each begins."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.weights.hooks import Keyframe

# A share of the way in the row -> how far the factor is, both 0..1.
EASINGS: Mapping[str, Callable[[float], float]] = {
    "linear": lambda x: x,
    "ease_in": lambda x: x**2,
    "ease_out": lambda x: 1.0 - (1.0 - x) ** 2,
    "ease_in_out": lambda x: (1.0 - math.cos(x * math.pi)) / 2.0,
}


def eased(start: float, end: float, count: int, easing: str = "linear") -> list[float]:
    """`count` numbers from `start` to `end`, both included; of one the start. easing: a key of EASINGS."""
    if easing not in EASINGS:
        raise DiffusionError(f"unknown interpolation {easing!r}{nearest(easing, EASINGS)}: one of {', '.join(EASINGS)}")
    return [start + (end - start) * EASINGS[easing](place / max(count - 1, 1)) for place in range(count)]


def spread(strengths: Sequence[float], start: float, end: float) -> list[Keyframe]:
    """Keyframes of these factors, evenly from `start` to `end`; the first one alone lasts a step at least."""
    places = eased(start, end, len(strengths))
    return [
        Keyframe(strength, place, at == 0) for at, (strength, place) in enumerate(zip(strengths, places, strict=True))
    ]


def numbers(given: Any) -> list[float]:
    """One number or several as a list.

    Raises:
        DiffusionError: something else, or none at all.
    """
    several = given if isinstance(given, Iterable) and not isinstance(given, str | bytes) else [given]
    try:
        found = [float(each) for each in several]
    except (TypeError, ValueError):
        raise DiffusionError(f"expected a number or several, got {type(given).__name__}") from None
    if not found:
        raise DiffusionError("expected a number or several, got none")
    return found
