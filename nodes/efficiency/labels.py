"""What stands beside the rows and columns of a plot."""

from __future__ import annotations

from weft.nodes.efficiency.axes.table import KINDS
from weft.nodes.efficiency.values import NOTHING, XY


def labels_of(axis: XY, seed: int) -> tuple[str, ...]:
    """One label a value of the axis; `seed` is the sampler's. None for an axis that is not there."""
    if axis.kind == NOTHING.kind:
        return ()
    return tuple(KINDS[axis.kind].label(value, seed) for value in axis.values)


def shortened(label: str, most: int = 42) -> str:
    """A label for a line of progress: not longer than `most` characters."""
    return label if len(label) <= most else label[: most - 3] + "..."
