"""What becomes of samplers whose run is divided, as the table of docs/sampling.md has it: held by a test."""

from __future__ import annotations

from weft.nodes.diffusion.sampling.samplers import SAMPLERS

_ROWS = {name: SAMPLERS.row(name) for name in SAMPLERS}

SPLIT_EXACTLY = frozenset(name for name, row in _ROWS.items() if row.split == "exact")
"""In comfy mode, too, two stages of them are the single run, but for rounding."""

OWN_STEPS = frozenset(name for name, row in _ROWS.items() if row.own_steps)
"""They choose their noise levels themselves."""

FOR_EXPLODING = frozenset(name for name, row in _ROWS.items() if row.for_exploding)
"""They add noise to a flow as if it were another kind of model: docs/sampling.md."""

DRAW_NOISE = frozenset(name for name, row in _ROWS.items() if not row.split) - OWN_STEPS
"""They add noise on their way."""
