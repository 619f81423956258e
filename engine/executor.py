"""The loop that runs a plan: next step -> call -> store -> release.

State of a run, and who changes it:

    outputs   node id -> tuple of slots. Written once for each step, by `_finish`; deleted by `_release`.
              A node is in it from its end until its last consumer ended, or to the end of the run if the plan keeps it.
    waiting   node id -> how many links of steps not yet done take from it. Set up before the loop, lowered by
              `_release`.
    entries   node id -> Entry of every kept node, for the result.

Invariants, at the top of each turn of the loop:

    1. every step before this one is done: its outputs were written, and released if nobody waits for them;
    2. for every link that this step takes, `outputs` holds its source (plans are in topological order);
    3. `outputs` holds nothing that no later step takes and the plan does not keep;
    4. whatever is done is in the cache already, if the cache keeps it: a failure or an interruption loses nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.cache import Cache, Entry, NoCache
from engine.call import call_node
from engine.context import RunContext
from engine.errors import Interrupted, NodeFailed, WeftError
from engine.events import NodeCached, NodeFinished, NodeStarted, RunFinished, RunStarted
from engine.events import NodeFailed as NodeFailedEvent
from engine.plan import ExecutionPlan, Step


@dataclass(frozen=True)
class RunResult:
    """What a run gave. `result["5"][0]` is slot 0 of node 5, for output nodes and targets; other values are released.

    `files` in the order in which they were written (a cached output node's own are among them); `timings` are seconds
    of wall time of the nodes that ran; `cached` are the nodes that the cache served; `ui` is what output nodes show.
    """

    outputs: Mapping[str, tuple[Any, ...]]
    ui: Mapping[str, Mapping[str, Any]]
    files: tuple[Path, ...]
    timings: Mapping[str, float]
    cached: tuple[str, ...]
    warnings: tuple[tuple[str, str], ...]
    plan: ExecutionPlan

    def __getitem__(self, node_id: str) -> tuple[Any, ...]:
        try:
            return self.outputs[node_id]
        except KeyError:
            known = ", ".join(self.outputs) or "none"
            raise KeyError(f"node {node_id!r} is not in the result, which keeps {known}; name it a target") from None

    def __contains__(self, node_id: object) -> bool:
        return node_id in self.outputs

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON data: no tensors."""
        return {
            "files": [str(file) for file in self.files],
            "outputs": {node_id: dict(ui) for node_id, ui in self.ui.items()},
            "cached": list(self.cached),
            "timings": {node_id: round(seconds, 6) for node_id, seconds in self.timings.items()},
            "warnings": [{"node_id": node_id, "message": message} for node_id, message in self.warnings],
        }


class Executor(Protocol):
    """Whatever can run a plan."""

    def run(self, plan: ExecutionPlan, context: RunContext) -> RunResult:
        """Run it. Raises NodeFailed or Interrupted; what had finished stays in the cache."""


class LocalExecutor:
    """Runs a plan in this thread, one node at a time."""

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache: Cache = cache if cache is not None else NoCache()

    def run(self, plan: ExecutionPlan, context: RunContext) -> RunResult:
        """Run it. Raises NodeFailed or Interrupted; what had finished stays in the cache."""
        return _Run(plan, context, self._cache).execute()


class _Run:
    def __init__(self, plan: ExecutionPlan, context: RunContext, cache: Cache) -> None:
        self.plan = plan
        self.context = context
        self.cache = cache
        self.outputs: dict[str, tuple[Any, ...]] = {}
        self.waiting = Counter(parent for step in plan.steps for parent in step.parents)
        self.entries: dict[str, Entry] = {}
        self.files: dict[Path, None] = {}
        self.timings: dict[str, float] = {}
        self.cached: list[str] = []

    def execute(self) -> RunResult:
        started = time.perf_counter()
        status = "failed"
        if self.context.observers:
            self._announce()
        try:
            for step in self.plan.steps:
                self.context.checkpoint()
                self._finish(step, self._perform(step))
                self._release(step)
            status = "done"
        except (Interrupted, KeyboardInterrupt) as stop:
            status = "interrupted"
            raise stop if isinstance(stop, Interrupted) else Interrupted() from None
        finally:
            if self.context.observers:
                self.context.emit(RunFinished(status, time.perf_counter() - started, tuple(self.files)))
        return RunResult(
            outputs={node_id: entry.outputs for node_id, entry in self.entries.items()},
            ui={node_id: entry.ui for node_id, entry in self.entries.items() if entry.ui},
            files=tuple(self.files),
            timings=self.timings,
            cached=tuple(self.cached),
            warnings=tuple(self.context.warnings),
            plan=self.plan,
        )

    def _announce(self) -> None:
        steps = self.plan.steps
        runs = tuple(step.node_id for step in steps if step.runs)
        cached = tuple(step.node_id for step in steps if not step.runs)
        self.context.emit(RunStarted(runs, cached, self.plan.pruned))

    def _perform(self, step: Step) -> Entry:
        """The step's entry: from the cache, from its twin, or by calling the node."""
        if step.runs:
            return self._call(step)
        if self.context.observers:
            self.context.emit(NodeCached(step.node_id, step.definition.class_type, step.title))
        if step.cached:
            entry = self.plan.hits.pop(step.node_id, None)
            if entry is None:
                raise WeftError("this plan has been run", hint="a plan runs once: make it again")
            self.cached.append(step.node_id)
            return entry
        assert step.twin is not None
        twin = self.entries.get(step.twin)
        return twin if twin is not None else Entry(self.outputs[step.twin])

    def _call(self, step: Step) -> Entry:
        node_id, class_type, title = step.node_id, step.definition.class_type, step.title
        observed = bool(self.context.observers)
        if observed:
            self.context.emit(NodeStarted(node_id, class_type, title, step.reason))
        started = time.perf_counter()
        try:
            entry = call_node(step, self.outputs, self.context)
        except NodeFailed as error:
            if observed:
                kind = type(error.__cause__).__name__
                event = NodeFailedEvent(node_id, class_type, title, error.message, kind, error.author_traceback)
                self.context.emit(event)
            raise
        seconds = self.timings[node_id] = time.perf_counter() - started
        if not step.key.volatile:
            self.cache.put(self.plan.namespace + step.key.digest, entry)
        if step.recipe is not None:
            self.cache.note(node_id, step.recipe)
        if observed:
            self.context.emit(NodeFinished(node_id, class_type, title, seconds, entry.files))
        return entry

    def _finish(self, step: Step, entry: Entry) -> None:
        self.files.update(dict.fromkeys(entry.files))
        self.outputs[step.node_id] = entry.outputs
        if step.node_id in self.plan.keep:
            self.entries[step.node_id] = entry

    def _release(self, step: Step) -> None:
        """Let go of what only this step was still waiting for."""
        for parent in step.parents:
            self.waiting[parent] -= 1
            if not self.waiting[parent]:
                self._drop(parent)
        if not self.waiting[step.node_id]:
            self._drop(step.node_id)

    def _drop(self, node_id: str) -> None:
        if node_id not in self.plan.keep:
            del self.outputs[node_id]
