"""A look at all cells before the first one runs: what is wrong with them, what they are, in which order they run.

The order shares what is dear. A key of the cache says all that a node is computed from, so cells are sorted by the keys
of their nodes, sources first: those with one checkpoint run in a row, among them those with one prompt, and so on down
to the samplers. Among equal ones the asked order stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from weft.engine.errors import WeftError
from weft.engine.planning.plan import Plan
from weft.engine.session import Session
from weft.engine.sweeping.cells import SweepCell
from weft.engine.sweeping.identity import identity


class Surveyed(NamedTuple):
    """A cell, its digest, and what is wrong with it, if anything: then it has no digest."""

    cell: SweepCell
    identity: str = ""
    error: WeftError | None = None


def survey(session: Session, cells: Iterable[SweepCell], targets: Sequence[str] = ()) -> list[Surveyed]:
    """The cells in the order in which they are to run; those with an error come last."""
    found: list[tuple[list[int], Surveyed]] = []
    place: dict[str, int] = {}
    seen: list[dict[bytes, int]] = []
    for cell in cells:
        try:
            plan = session.plan(cell.prompt, targets)
        except WeftError as error:
            found.append(([], Surveyed(cell, error=error)))
            continue
        found.append((_ranks(plan, place, seen), Surveyed(cell, identity(session, cell, plan))))
    width = len(place)
    found.sort(
        key=lambda each: (each[1].error is not None, each[0] + [-1] * (width - len(each[0])), each[1].cell.number)
    )
    return [each for _, each in found]


def _ranks(plan: Plan, place: dict[str, int], seen: list[dict[bytes, int]]) -> list[int]:
    """By place of a node, the how manieth of the keys that cells have there is this cell's; -1 where it has none.

    `place` and `seen` remember the nodes and keys of the cells before.
    """
    for node_id in plan.nodes:
        if node_id not in place:
            place[node_id] = len(place)
            seen.append({})
    ranks = [-1] * len(place)
    for node_id, known in plan.nodes.items():
        at = place[node_id]
        if not known.key.volatile:
            ranks[at] = seen[at].setdefault(known.key.digest, len(seen[at]))
    return ranks
