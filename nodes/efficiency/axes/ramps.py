"""Values at equal distances, and the axis that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.nodes.efficiency.values import XY


def float_ramp(first: float, last: float, count: int) -> list[float]:
    """`count` numbers from first to last at equal distances, rounded to 3 decimals; one is `first`."""
    if count == 1:
        return [first]
    return [round(first + i * (last - first) / (count - 1), 3) for i in range(count)]


def int_ramp(first: int, last: int, count: int) -> list[int]:
    """Whole numbers from first to last: the ramp cut to whole numbers, each once, ascending."""
    if count == 1:
        return [first]
    return sorted({int(first + i * (last - first) / (count - 1)) for i in range(count)})


def axis(kind: str, values: Sequence[Any]) -> XY | None:
    """An axis, or None where it has no values."""
    return XY(kind, tuple(values)) if values else None
