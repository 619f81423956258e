"""Saves of older versions: what stands in them is brought to where it stands today, as the packs say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft.engine.formats.widgets import SEED_NAMES
from weft.engine.schema.frontend import Handling, Layout
from weft.engine.schema.sockets import Combo, Number

_CHANGING = ("increment", "decrement", "randomize")


def migrate(handling: Handling, layout: Layout, saved: Any) -> Any:
    """`widgets_values` in today's layout; a dict where only some values can be placed."""
    for step in handling.migrations:
        if isinstance(saved, list):
            saved = step(layout, saved)
    return _with_seed(handling.drawn_seed, layout, saved) if isinstance(saved, list) else saved


def asks_for_a_seed(handling: Handling, layout: Layout, saved: Any) -> bool:
    """Whether the save leaves the seed to be drawn; migrated, it is 0, and drawn anew in each further run."""
    if handling.drawn_seed is None or not isinstance(saved, list):
        return False
    # A value may have stood before it once.
    return handling.drawn_seed in saved[_seed(layout) : _seed(layout) + 2]


def misplaced(handling: Handling, layout: Layout, values: Mapping[str, Any]) -> str:
    """The first widget that holds what cannot be its own, with its value; empty for none, or where none is looked for.

    Saves of versions whose nodes had other widgets are like this.
    """
    for slot in layout if handling.too_old else ():
        value, socket = values.get(slot.spec.name), slot.spec.socket
        is_text = isinstance(value, str)
        if (isinstance(socket, Number) and is_text) or (isinstance(socket, Combo) and _is_number(value)):
            return f"{slot.spec.name} {value!r:.40}"
    return ""


def _with_seed(drawn: int | None, layout: Layout, saved: list[Any]) -> list[Any]:
    """A seed that is to be drawn as 0 with a control word, by default to draw it at random."""
    at = _seed(layout)
    if drawn is None or at >= len(saved) or saved[at] != drawn:
        return saved
    word = saved[at + 1] if len(saved) > at + 1 and saved[at + 1] in _CHANGING else "randomize"
    return [*saved[:at], 0, word, *saved[at + 2 :]]


def _seed(layout: Layout) -> int:
    """Where the seed stands; beyond the end where the class has none."""
    return next((at for at, slot in enumerate(layout) if slot.spec.name in SEED_NAMES), len(layout))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
