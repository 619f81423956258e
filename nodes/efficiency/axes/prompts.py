"""Axes of what is encoded: search and replace in the prompts, and the scores that SDXL's refiner is told with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weft.nodes.efficiency.axes.kind import SDXL, AxisKind, Cell, Files, Grammar, titled

Replacement = tuple[str, str | None]


def _replaced(entries: Sequence[str], files: Files) -> list[Replacement]:
    search, *replacements = entries
    return [(search, None), *((search, text) for text in replacements)]


def _joined(first: Sequence[Replacement], second: Sequence[Replacement]) -> list[Replacement]:
    """The search text is the first axis's; the prompt as it is stands once."""
    search = first[0][0]
    return [*first, *((search, text) for _, text in second[1:])]


def _prompt(name: str, side: str, sign: str) -> AxisKind:
    def apply(cell: Cell, value: Replacement) -> None:
        search, text = value
        if text is not None:
            setattr(cell, side, getattr(cell, side).replace(search, text, 1))

    return AxisKind(
        name,
        label=lambda value, seed: sign + (value[0] if value[1] is None else value[1]),
        apply=apply,
        stale=frozenset({"prompts", "refiner prompts"}),
        grammar=Grammar(_replaced, blanks=True),
        both=True,
        joined=_joined,
    )


def _score(place: int) -> Callable[[Cell, float], None]:
    def apply(cell: Cell, value: float) -> None:
        cell.ascore = (value, cell.ascore[1]) if place == 0 else (cell.ascore[0], value)

    return apply


KINDS = (
    _prompt("Positive Prompt S/R", "positive", ""),
    _prompt("Negative Prompt S/R", "negative", "(-) "),
    AxisKind("AScore+", titled("+AScore"), _score(0), stale=frozenset({"refiner prompts"}), samplers=(SDXL,)),
    AxisKind("AScore-", titled("-AScore"), _score(1), stale=frozenset({"refiner prompts"}), samplers=(SDXL,)),
)
