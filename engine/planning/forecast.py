"""How often runs will evaluate a network: found out from their plans, before anything runs.

Counted are evaluations of the guided model, cond and uncond as one: a network is called that often wherever both sides
fit into one call, as they do where neither has areas, masks or a ControlNet of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from weft.engine.links import Link
from weft.engine.planning.plan import Plan, Step
from weft.engine.planning.signature import canonical
from weft.engine.schema.registry import Registry
from weft.engine.settings import Settings
from weft.engine.trajectory import Tell, Trajectory


class ModelCalls(NamedTuple):
    """How many evaluations a run will make, and the nodes of which it is known only when they run."""

    calls: int
    unknown: tuple[str, ...] = ()


class Forecast:
    """The evaluations of runs, one after the other in one order, each of which finds what those before it left.

    That is so with a cache that has room for all of it; what a cache has from earlier runs counts where it holds the
    outputs of whole nodes.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._done: set[bytes] = set()
        self._passed: set[bytes] = set()

    def add(self, plan: Plan, settings: Settings) -> ModelCalls:
        """The evaluations of one more run with these settings."""
        total = 0
        unknown = []
        for step in self._runs(plan):
            function = self._registry.runnable(step.schema.class_type).options.trajectory
            if function is None:
                continue
            trajectory = trajectory_of(step, function, settings)
            calls = self._calls(trajectory) if trajectory is not None else None
            if calls is None:
                unknown.append(step.node_id)
            total += calls or 0
        return ModelCalls(total, tuple(unknown))

    def _runs(self, plan: Plan) -> list[Step]:
        """The steps that are called, now that others were, first to last; from then on they are done."""
        needed = set(plan.keep)
        runs = []
        for step in reversed(plan.steps):
            if step.node_id in needed and not step.cached and step.key.digest not in self._done:
                needed.update(step.needs)
                if step.runs:
                    runs.append(step)
        self._done.update(step.key.digest for step in runs)
        return runs[::-1]

    def _calls(self, trajectory: Trajectory) -> int | None:
        calls = trajectory.calls
        if calls is None:
            return None
        if trajectory.identity is None:
            return sum(calls)
        names = list(_names(trajectory))
        there = max((place for place, name in enumerate(names, 1) if name in self._passed), default=0)
        self._passed.update(names)
        return sum(calls[there:])


def trajectory_of(step: Step, function: Tell, settings: Settings) -> Trajectory | None:
    """The trajectory of a step that is called, as its class tells it; None where nothing can be said of it.

    What is good for this run only is shared with no other. Where the class fails at it, the node will say why.
    """
    assert step.recipe is not None
    links = step.recipe.links
    given = {n: links[n] + b":%d" % v.slot if type(v) is Link else v for n, v in step.inputs.items()}
    try:
        found = function(given, settings)
    except Exception:  # the author's code, and inputs that nobody has looked at yet
        return None
    return found._replace(identity=None) if found is not None and step.key.volatile else found


def _names(trajectory: Trajectory) -> Iterator[bytes]:
    """What tells the state after each step from all others."""
    steps = trajectory.steps or range(0)
    whole = canonical([dict(trajectory.identity or {}), trajectory.schedule])
    for step in steps:
        yield whole + canonical([step, trajectory.own_end and step == steps[-1]])
