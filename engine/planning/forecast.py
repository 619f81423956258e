"""How often runs will evaluate a network: found out from their plans, before anything runs.

Counted are evaluations of the guided model, cond and uncond as one: a network is called that often wherever both sides
fit into one call, as they do where neither has areas, masks or a ControlNet of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from weft.engine.cache.protocol import steps_of
from weft.engine.links import Link
from weft.engine.planning.milestones import Milestones
from weft.engine.planning.plan import Known, Plan, Planner, Step
from weft.engine.schema.registry import Registry
from weft.engine.settings import Settings
from weft.engine.trajectory import ForetoldInputs, Tell, Trajectory


class ModelCalls(NamedTuple):
    """How many evaluations a run will make, and the nodes of which it is known only when they run."""

    calls: int
    unknown: tuple[str, ...] = ()


class Forecast:
    """The evaluations of runs, one after the other in one order, each of which finds what those before it left.

    That is so with a cache that has room for all of it. What it has from earlier runs counts: outputs of whole nodes,
    and states in between.
    """

    def __init__(self) -> None:
        self.by_node: dict[str, int] = {}
        """Of the run that was added last, what is known of each node."""
        self._done: set[bytes] = set()
        self._passed: dict[bytes, set[str]] = {}

    def add(self, plan: Plan, settings: Settings, planner: Planner) -> ModelCalls:
        """The evaluations of one more run with these settings, which `planner` has planned."""
        total = 0
        unknown = []
        self.by_node = {}
        runs = self._runs(plan)
        may_run, mapped = _asked_for(runs, plan), _mapped(plan)
        for step in runs:
            node = planner.registry.runnable(step.schema.class_type)
            if any(planner.registry.runnable(name).options.trajectory for name in may_run.get(step.node_id, ())):
                unknown.append(step.node_id)
            if node.options.trajectory is None:
                continue
            if step.node_id in mapped:
                unknown.append(step.node_id)
                continue
            trajectory = trajectory_of(step, node.options.trajectory, settings, plan.nodes, planner.registry)
            calls = self._calls(trajectory, node.code, planner) if trajectory is not None else None
            if calls is None:
                unknown.append(step.node_id)
            total += calls or 0
            self.by_node[step.node_id] = calls or 0
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

    def _calls(self, trajectory: Trajectory, code: str, planner: Planner) -> int | None:
        calls = trajectory.calls
        milestones = Milestones.of(trajectory, code, planner.namespace)
        if calls is None or milestones is None:
            return None if calls is None else sum(calls)
        if milestones.key not in self._passed:
            steps = steps_of(planner.cache)
            self._passed[milestones.key] = milestones.kept(steps) if steps is not None else set()
        passed = self._passed[milestones.key]
        there = max((place for place, name in enumerate(milestones.names, 1) if name in passed), default=0)
        passed.update(milestones.names)
        return sum(calls[there:])


def _asked_for(steps: Iterable[Step], plan: Plan) -> dict[str, list[str]]:
    """The classes of what may run because a step asks for it, by the first step that may."""
    found: dict[str, list[str]] = {}
    left = set(plan.deferred)
    for step in (step for step in steps if step.lazy):
        stack = [step.inputs[name].node_id for name in step.lazy]
        while stack:
            node_id = stack.pop()
            if node_id in left:
                left.remove(node_id)
                found.setdefault(step.node_id, []).append(plan.nodes[node_id].schema.class_type)
                stack += plan.nodes[node_id].links
    return found


def _mapped(plan: Plan) -> set[str]:
    """The nodes that may be called for each value of a list: how many there are is known only when they run."""
    lists: set[Link] = set()
    found: set[str] = set()
    for node_id, known in plan.nodes.items():
        if not known.schema.input_is_list and not lists.isdisjoint(known.takes):
            found.add(node_id)
        outputs = enumerate(known.schema.outputs)
        lists.update(Link(node_id, slot) for slot, output in outputs if output.is_list or node_id in found)
    return found


def trajectory_of(
    step: Step, function: Tell, settings: Settings, nodes: Mapping[str, Known], registry: Registry
) -> Trajectory | None:
    """The trajectory of a step that is called, as its class tells it; None where nothing can be said of it.

    What is good for this run only is shared with no other. Where the class fails at it, the node will say why.
    """
    try:
        found = function(given_to(step.inputs, settings, nodes, registry), settings)
    except Exception:  # the author's code, and inputs that nobody has looked at yet
        return None
    return found._replace(identity=None) if found is not None and step.key.volatile else found


def given_to(
    inputs: Mapping[str, Any], settings: Settings, nodes: Mapping[str, Known], registry: Registry
) -> ForetoldInputs:
    """The inputs of a node with what their sources foretell; of others bytes that say to what they are linked.

    Raises what the author of one raises.
    """
    given, others = dict(inputs), {}
    for name, value in inputs.items():
        if type(value) is not Link:
            continue
        source = nodes[value.node_id]
        given[name] = source.key.digest + b":%d" % value.slot
        runnable = registry.find(source.schema.class_type)
        if runnable is None or not runnable.foretells:
            continue
        slots = runnable.foretold(given_to(source.inputs, settings, nodes, registry), settings)
        said = slots[value.slot] if slots is not None else None
        if type(said) in (bool, int, float, str):
            given[name] = said
        elif said is not None:
            others[name] = said
    return ForetoldInputs(given, others)
