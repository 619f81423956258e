"""What a node is computed from, and how that differs from the last time: the whole of what its key says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from weft.engine.cache.protocol import Recipe
from weft.engine.links import Link
from weft.engine.planning.plan import Plan, Planner
from weft.engine.planning.reasons import differences


@dataclass(frozen=True)
class Account:
    """`recipe` is what the node is computed from now, `action` what a run does with it, and `reason` why, if it runs.

    `differs` says what is not as it was the last time, each along the links to where it begins; None: nothing is known
    of an earlier time.
    """

    node_id: str
    title: str
    recipe: Recipe
    action: str
    reason: str
    differs: tuple[str, ...] | None

    def to_json(self) -> dict[str, Any]:
        """The account as plain JSON data."""
        now = self.recipe
        inputs = {
            name: {"node": value.node_id, "slot": value.slot, "key": now.links[name].hex()}
            if type(value) is Link
            else value
            for name, value in now.inputs.items()
        }
        return {
            "node_id": self.node_id,
            "title": self.title,
            "class_type": now.class_type,
            "version": now.version,
            "key": now.key.hex(),
            "action": self.action,
            "reason": self.reason,
            "inputs": inputs,
            "files": {name: digest.hex() for name, digest in now.files.items()},
            "computes": dict(now.facts),
            "differs": None if self.differs is None else list(self.differs),
        }


def account(planner: Planner, plan: Plan, node_id: str) -> Account:
    """The account of one node of a plan."""
    step = next((step for step in plan.steps if step.node_id == node_id), None)
    action = "not needed" if step is None else "run" if step.runs else "cached" if step.cached else "same"
    reason = step.reason if step is not None else ""
    recipe = planner.recipe(node_id, plan.nodes)
    known = planner.cache.recall(planner.place(node_id)) is not None
    differs = tuple(_trail(planner, plan, node_id, set())) if known else None
    return Account(node_id, plan.nodes[node_id].title, recipe, action, reason, differs)


def _trail(planner: Planner, plan: Plan, node_id: str, seen: set[str]) -> list[str]:
    """What differs of a node, each along the links to the node where it begins. `seen` are told of already."""
    last = planner.cache.recall(planner.place(node_id))
    if last is None:
        return []
    found = []
    for each in differences(planner.recipe(node_id, plan.nodes), last):
        if not each.source:
            found.append(each.text)
        elif each.source not in seen:
            seen.add(each.source)
            source = f'node {each.source} "{plan.nodes[each.source].title}"'
            begins = _trail(planner, plan, each.source, seen) or ["which is another one than at that time"]
            found += [f"input {each.input!r} comes from {source}, {_whose(text)}" for text in begins]
    return found


def _whose(text: str) -> str:
    starts = ("input ", "the file ", "the implementation ")
    if text.startswith(starts):
        return f"whose {text.removeprefix('the ')}"
    return text if text.startswith("which ") else f"where {text}"
