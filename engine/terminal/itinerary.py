"""A plan, told to a person: what runs, in which order, on what, and why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from weft.engine.links import Link
from weft.engine.terminal.streams import Line
from weft.engine.workflow.overrides import title_of

if TYPE_CHECKING:
    from weft.engine.planning.plan import Plan, Step
    from weft.engine.schema.registry import Registry

_LONGEST = 60


def itinerary(plan: Plan, registry: Registry) -> Iterator[Line]:
    """The steps in their order; what a node was lowered to stands indented below it."""
    runs = sum(step.runs for step in plan.steps)
    reasons = {step.reason for step in plan.steps if step.runs}
    # What is true of every node is said once.
    common = reasons.pop() if len(reasons) == 1 else None
    served, needed = len(plan.steps) - runs, plan.lowered.settings
    packs = registry.packs
    yield [
        f"{runs} node{'s' if runs != 1 else ''} to run",
        f" ({common})" if common else "",
        f", {served} served by the cache or an equal node" if served else "",
        *(f", {packs.settings[name].verb} {packs.settings[name].said(value)}" for name, value in needed.items()),
    ]
    wide = max((len(step.part_of or step.node_id) for step in plan.steps), default=0)
    opened: set[str] = set()
    for step in plan.steps:
        whole = step.part_of
        if whole and whole not in opened:
            opened.add(whole)
            count = sum(part.whole == whole for part in plan.lowered.parts.values())
            title = title_of(plan.lowered.source, whole, registry)
            yield ["        ", (f"{whole:>{wide}}", "cyan"), "  ", (title, "bold"), f" becomes {count} nodes:"]
        yield from _step(step, wide + (2 if whole else 0), common)
    for label, node_ids in (("not needed", plan.pruned), ("if need be", plan.deferred)):
        if node_ids:
            yield [f"{label}: {', '.join(node_ids)}"]


def _step(step: Step, wide: int, common: str | None) -> Iterator[Line]:
    action, style = ("run", "green") if step.runs else ("cached", "dim") if step.cached else ("same", "dim")
    why = step.reason if step.runs else f"as node {step.twin}" if step.twin is not None else ""
    node_id = f"  {step.node_id:<{wide - 2}}" if step.part_of else f"{step.node_id:>{wide}}"
    reason = [(f": {why}", "yellow")] if why and why != common else []
    yield [(f"{action:6}", style), "  ", (node_id, "cyan"), "  ", (step.title, "bold"), *reason]
    indent = " " * (10 + wide)
    width = max(40, min(shutil.get_terminal_size().columns, 120)) - len(indent)
    for line in _filled(map(_given, step.inputs.items()), width):
        yield [indent, (line, "dim")]


def _given(item: tuple[str, Any]) -> str:
    """`steps=20`, or `model<-1` for what comes from node 1."""
    name, value = item
    return f"{name}<-{value.node_id}" if type(value) is Link else told(name, value)


def told(name: str, value: Any) -> str:
    """`steps=20`; long values are cut."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return f"{name}={text if len(text) <= _LONGEST else text[: _LONGEST - 4] + '...' + text[-1]}"


def _filled(pieces: Iterable[str], width: int) -> Iterator[str]:
    """Pieces joined to lines of at most `width` characters; a longer piece has a line of its own."""
    line = ""
    for piece in pieces:
        if line and len(line) + 2 + len(piece) > width:
            yield line
            line = ""
        line = f"{line}  {piece}" if line else piece
    if line:
        yield line
