"""The kinds of axes that there are, by name."""

from __future__ import annotations

from weft.nodes.efficiency.axes import control, loras, models, prompts, sampling
from weft.nodes.efficiency.axes.kind import AxisKind
from weft.nodes.efficiency.values import NOTHING

_NOTHING = AxisKind(NOTHING.kind, label=lambda value, seed: "", apply=lambda cell, value: None, both=True)

KINDS: dict[str, AxisKind] = {
    kind.name: kind for kind in (_NOTHING, *sampling.KINDS, *prompts.KINDS, *models.KINDS, *loras.KINDS, *control.KINDS)
}
"""Manual XY Entry offers those that can be written in this order."""
