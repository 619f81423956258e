"""A plan as it will run, as far as that is known before: inputs hold what sources foretell, lazy ones are asked for.

A switch whose side is known has only that side, and what runs for it is among the steps. Where a node cannot be asked
yet, all that it may ask for is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from weft.engine.links import Link
from weft.engine.planning.forecast import given_to
from weft.engine.planning.plan import Known, Plan
from weft.engine.schema.node import RunnableNode
from weft.engine.schema.registry import Registry
from weft.engine.settings import Settings


class ForeseenStep(NamedTuple):
    """A step of a plan, or a node that one will ask for."""

    node_id: str
    title: str
    runs: bool


class ForeseenRun(NamedTuple):
    """The steps in the order in which they will run; nodes by id, of which none is lazy any more."""

    steps: tuple[ForeseenStep, ...]
    nodes: Mapping[str, Known]


def foreseen(plan: Plan, settings: Settings, registry: Registry) -> ForeseenRun:
    """What is known of a plan's run."""
    nodes = {node_id: _seen(known, plan, settings, registry) for node_id, known in plan.nodes.items()}
    left, steps = set(plan.deferred), list[ForeseenStep]()
    for step in plan.steps:
        # Sources stand before what asks for them.
        stack, asked = _left_of(step.node_id, nodes, left), list[str]()
        while stack:
            node_id = stack.pop()
            asked.append(node_id)
            stack += _left_of(node_id, nodes, left)
        steps += [ForeseenStep(each, nodes[each].title, runs=True) for each in dict.fromkeys(reversed(asked))]
        left.difference_update(asked)
        steps.append(ForeseenStep(step.node_id, step.title, step.runs))
    return ForeseenRun(tuple(steps), nodes)


def _left_of(node_id: str, nodes: Mapping[str, Known], left: set[str]) -> list[str]:
    return [link.node_id for link in nodes[node_id].takes if link.node_id in left]


def _seen(known: Known, plan: Plan, settings: Settings, registry: Registry) -> Known:
    told: Mapping[str, Any]
    try:
        told = given_to(known.inputs, settings, plan.nodes, registry)
    except Exception:  # the author's code, and inputs that nobody has looked at yet
        told = known.inputs
    inputs = {
        name: value if type(value) is not Link or type(told[name]) is bytes else told[name]
        for name, value in known.inputs.items()
    }
    if known.lazy:
        asked = _asked(known, inputs, registry.find(known.schema.class_type))
        inputs = {name: value for name, value in inputs.items() if name not in known.lazy or name in asked}
    return known._replace(inputs=inputs, lazy=())


def _asked(known: Known, inputs: Mapping[str, Any], node: object) -> frozenset[str]:
    """The lazy inputs that a node will ask for; all, where that is not known."""
    every = frozenset(known.lazy)
    if not isinstance(node, RunnableNode) or node.wants is None or node.wants.asynchronous or node.injected:
        return every
    if any(type(value) is Link for name, value in inputs.items() if name not in every):
        return every
    try:
        return frozenset(node.wants.call(**{**inputs, **dict.fromkeys(every)}) or ())
    except Exception:  # the author's code: it may need what is not there yet
        return every
