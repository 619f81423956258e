"""What the widgets of an input node show of its axis before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from weft.nodes.efficiency.loading import NONE

Widgets = Mapping[str, Any]
"""The constants of the node, as far as they are known."""


def _counts_none(given: Widgets, slot: int) -> bool:
    return any(given.get(count) == 0 for count in ("batch_count", f"{'XY'[slot : slot + 1]}_batch_count"))


@dataclass(frozen=True)
class AxisInput:
    """An input node, by its widgets and the output that is asked for (0, or 1 for the Y of a plot of both axes).

    `kind` names the kind of the axis, or is None where that is not known. `empty` says whether it certainly has no
    values, and so is not there; a count of 0 is empty in any case.
    """

    kind: Callable[[Widgets, int], str | None]
    empty: Callable[[Widgets, int], bool] = lambda given, slot: False

    def kind_of(self, given: Widgets, slot: int) -> str | None:
        """The kind of the axis; None for one that is not there, or not known."""
        return None if _counts_none(given, slot) or self.empty(given, slot) else self.kind(given, slot)


def always(kind: str) -> Callable[[Widgets, int], str | None]:
    """For `kind`: a node that gives one kind."""
    return lambda given, slot: kind


def chosen(name: str, kinds: Mapping[str, str]) -> Callable[[Widgets, int], str | None]:
    """For `kind`: the widget `name` chooses."""
    return lambda given, slot: kinds.get(given.get(name, ""))


def chosen_pair(name: str, pairs: Mapping[str, tuple[str, str]]) -> Callable[[Widgets, int], str | None]:
    """For `kind`: the widget `name` chooses what X and Y are."""

    def kind(given: Widgets, slot: int) -> str | None:
        chosen = given.get(name, "")
        return pairs[chosen][slot] if chosen in pairs and slot in (0, 1) else None

    return kind


def names_none(counter: str, column: str) -> Callable[[Widgets, int], bool]:
    """For `empty`: values named one by one, `counter` of them in COLUMN_1, ...; or the files of a folder."""

    def empty(given: Widgets, slot: int) -> bool:
        if str(given.get("input_mode", "")).endswith("Batch"):
            return bool(given.get("batch_max") == 0)
        count = given.get(counter)
        return isinstance(count, int) and all(given.get(f"{column}_{i}") == NONE for i in range(1, count + 1))

    return empty
