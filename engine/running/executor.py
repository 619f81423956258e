"""The loop that runs a plan: next step -> call -> store -> release.

State of a run, and who changes it:

    outputs   node id -> tuple of slots. Written once for each step, by `_finish`; deleted by `_release`.
              A node is in it from its end until its last consumer ended, or to the end of the run if the plan keeps it.
    waiting   node id -> how many links of steps not yet done take from it. Set up before the loop, raised when a node
              expands (by the links inside), lowered by `_release`.
    entries   node id -> Entry of every kept node, for the result.
    shown     node id -> what a node showed and wrote, without its outputs.
    todo      the steps to come, the next one last. A node that expands puts what is inside on top, and below that
              the _Join that gives it its outputs: a loop that expands into itself deepens `todo`, not Python's stack.
    joins     node id -> _Join of every node that has expanded and is not done.
    stale     ids of the nodes that are not what their keys say, since a file was touched after the plan was made, and
              of all that take from them: none of these goes into the cache.

Invariants, at the top of each turn of the loop:

    1. every step before this one is done: its outputs were written, and released if nobody waits for them;
    2. for every value that this step takes, `outputs` holds its source (plans are in topological order);
    3. `outputs` holds nothing that no step in `todo` takes and the plan does not keep;
    4. whatever is done and not stale is in the cache already, if the cache keeps it: a failure or an interruption
       loses nothing.

A link that is only passed on counts as waiting: its source, if it ran, stays until the node has expanded and the links
inside have taken over. A source that did not run, or is gone, is planned again with the expansion; so a step of the
plan may find itself done when its turn comes.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from weft.engine.cache.memory import Cache, Entry, NoCache
from weft.engine.context import RunContext
from weft.engine.errors import Interrupted, NodeFailed, UsageError, WeftError
from weft.engine.events import (
    LibrariesLoaded,
    LibrariesLoading,
    NodeCached,
    NodeExpanded,
    NodeFinished,
    NodeStarted,
    RunFinished,
    RunStarted,
)
from weft.engine.events import NodeFailed as NodeFailedEvent
from weft.engine.links import Link
from weft.engine.planning.plan import ExecutionPlan, Step
from weft.engine.running.call import Expansion, call_node, failure
from weft.engine.running.growth import grow
from weft.engine.workflow.overrides import find_node


@dataclass(frozen=True)
class RunResult:
    """What a run gave. `result["5"][0]` is slot 0 of node 5, for output nodes and targets; other values are released.

    A node may also be named by its title or class, as a target may. `files` in the order in which they were written (a
    cached output node's own are among them), without `previews`, which are temporary; `timings` are seconds of wall
    time of the nodes that ran, of one that expanded with what is inside; `cached` are those of the plan that did not
    run, because their outputs were there: in the cache, or from an equal node of this run; `loading` are the seconds
    in which libraries were imported, which count for no node; `ui` is what output nodes show; `status` is `failed`
    where the failure of an output node was let pass, else `done`.
    """

    outputs: Mapping[str, tuple[Any, ...]]
    ui: Mapping[str, Mapping[str, Any]]
    files: tuple[Path, ...]
    timings: Mapping[str, float]
    cached: tuple[str, ...]
    warnings: tuple[tuple[str, str], ...]
    plan: ExecutionPlan
    previews: tuple[Path, ...] = ()
    status: str = "done"
    loading: float = 0.0

    def __getitem__(self, node: str) -> tuple[Any, ...]:
        try:
            return self.outputs[node if node in self.outputs else self._find(node)]
        except UsageError as error:
            raise KeyError(str(error)) from None
        except KeyError:
            known = ", ".join(self.outputs) or "none"
            raise KeyError(f"node {node!r} is not in the result, which keeps {known}; name it a target") from None

    def __contains__(self, node: object) -> bool:
        if node in self.outputs:
            return True
        try:
            return isinstance(node, str) and self._find(node) in self.outputs
        except UsageError:
            return False

    def _find(self, node: str) -> str:
        """The id of the node of the workflow that the reference names. Raises UsageError."""
        return find_node(self.plan.lowered.source, node, self.plan.planner.registry)

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON data: no tensors."""
        return {
            "status": self.status,
            "files": [str(file) for file in self.files],
            "previews": [str(file) for file in self.previews],
            "outputs": {node_id: dict(ui) for node_id, ui in self.ui.items()},
            "cached": list(self.cached),
            "timings": {node_id: round(seconds, 6) for node_id, seconds in self.timings.items()},
            "loading": round(self.loading, 6),
            "warnings": [{"node_id": node_id, "message": message} for node_id, message in self.warnings],
        }


Watch = Callable[[Step, Entry], None]
"""Sees every step's outputs as soon as they are there, from a node, the cache or a twin; most are released soon."""

Spare = Callable[[NodeFailed], bool]
"""Is asked of the failure of a node from which nothing is taken: whether the run goes on without it."""


class Executor(Protocol):
    """Whatever can run a plan."""

    def run(self, plan: ExecutionPlan, context: RunContext) -> RunResult:
        """Run it. Raises NodeFailed, Interrupted or what an observer raised; what had finished stays in the cache."""


class LocalExecutor:
    """Runs a plan in this thread, one node at a time."""

    def __init__(self, cache: Cache | None = None, *, watch: Watch | None = None, spare: Spare | None = None) -> None:
        self._cache: Cache = cache if cache is not None else NoCache()
        self._watch = watch
        self._spare = spare

    def run(self, plan: ExecutionPlan, context: RunContext) -> RunResult:
        """Run it. Raises NodeFailed, Interrupted or what an observer raised; what had finished stays in the cache."""
        return _Run(plan, context, self._cache, self._watch, self._spare).execute()


def _spent() -> WeftError:
    return WeftError("this plan has been run", hint="a plan runs once: make it again")


class _Join(NamedTuple):
    """The end of a step that expanded: its outputs are gathered from what is inside."""

    step: Step
    results: tuple[Any, ...]
    parents: tuple[str, ...]
    started: float
    ui: dict[str, list[Any]]
    files: dict[Path, None]


class _Run:
    def __init__(
        self, plan: ExecutionPlan, context: RunContext, cache: Cache, watch: Watch | None, spare: Spare | None
    ) -> None:
        self.plan = plan
        self.context = context
        self.cache = cache
        self.watch = watch
        self.spare = spare
        self.spared = False
        self.observed = bool(context.observers)
        self.outputs: dict[str, tuple[Any, ...]] = {}
        self.waiting = Counter(parent for step in plan.steps for parent in step.parents)
        self.entries: dict[str, Entry] = {}
        self.shown: dict[str, Entry] = {}
        self.todo: list[Step | _Join] = list(reversed(plan.steps))
        self.joins: dict[str, _Join] = {}
        self.stale: set[str] = set()
        self.files = context.written
        self.timings: dict[str, float] = {}
        self.loading = 0.0
        self.cached: list[str] = []

    def execute(self) -> RunResult:
        if self.plan.planner.grown:
            raise _spent()
        started = time.perf_counter()
        status = "failed"
        if self.observed:
            self._announce()
        try:
            self._loop()
            self.context.surface()
            status = "failed" if self.spared else "done"
        except (Interrupted, KeyboardInterrupt) as stop:
            status = "interrupted"
            stopped = stop if isinstance(stop, Interrupted) else Interrupted()
            stopped.files = self._written()[0]
            raise stopped from None
        except NodeFailed as error:
            error.files = self._written()[0]
            raise
        finally:
            files, previews = self._written()
            if self.observed:
                self.context.emit(RunFinished(status, time.perf_counter() - started, files, previews))
                self.context.surface()
        return RunResult(
            outputs={node_id: entry.outputs for node_id, entry in self.entries.items()},
            ui={node_id: entry.ui for node_id, entry in self.entries.items() if entry.ui},
            files=files,
            timings=self.timings,
            loading=self.loading,
            cached=tuple(self.cached),
            warnings=tuple(self.context.warnings),
            plan=self.plan,
            previews=previews,
            status=status,
        )

    def _written(self) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """The results and the previews that are there: a node that was stopped may not have come to its last one."""
        files = [file for file in self.files if file.is_file()]
        previews = dict.fromkeys(file for file in files if self.context.folders.is_preview(file))
        return tuple(file for file in files if file not in previews), tuple(previews)

    def _loop(self) -> None:
        todo, outputs = self.todo, self.outputs
        while todo:
            step = todo.pop()
            self.context.checkpoint()
            if type(step) is _Join:
                self._join(step)
                continue
            assert type(step) is Step
            # What an expansion needed early is done already.
            if step.node_id not in outputs:
                self._inherit(step.node_id, step.parents)
                try:
                    entry = self._perform(step)
                except NodeFailed as error:
                    if self.spare is None or self.waiting[step.node_id] or not self.spare(error):
                        raise
                    self.spared = True
                    self._release(step.node_id, step.parents)
                    continue
                if type(entry) is Expansion:
                    self._expand(step, entry)
                    continue
                assert type(entry) is Entry
                self._finish(step, entry)
            elif step.cached:
                self.plan.hits.pop(step.node_id, None)
            self._release(step.node_id, step.parents)

    def _announce(self) -> None:
        steps = self.plan.steps
        runs = tuple(step.node_id for step in steps if step.runs)
        cached = tuple(step.node_id for step in steps if not step.runs)
        self.context.emit(RunStarted(runs, cached, self.plan.pruned, self.plan.deferred))

    def _perform(self, step: Step) -> Entry | Expansion:
        """The step's entry: from the cache, from its twin, or by calling the node."""
        entry: Entry | None = None
        if not step.runs:
            entry = self._served(step)
        elif self.plan.planner.grown:
            # Since this step was planned, something inside an expansion may have computed the same.
            entry = self._overtaken(step)
        if entry is None:
            return self._call(step)
        if step.origin is None:
            self.cached.append(step.node_id)
        # What shares its outputs with a node that the cache served is served by the cache too.
        if step.cached or self.plan.planner.first_of.get(step.key.digest) in self.context.served:
            self.context.served.add(step.node_id)
        if self.observed:
            self.context.emit(NodeCached(step.node_id, step.schema.class_type, step.title, step.display_id))
        return entry

    def _served(self, step: Step) -> Entry:
        if step.cached:
            entry = self.plan.planner.hits.pop(step.node_id, None)
            if entry is None:
                raise _spent()
            return entry
        assert step.twin is not None
        return self._twin(step.twin)

    def _twin(self, node_id: str) -> Entry:
        outputs, shown = self.outputs[node_id], self.shown.get(node_id)
        return Entry(outputs) if shown is None else Entry(outputs, shown.ui, shown.files)

    def _overtaken(self, step: Step) -> Entry | None:
        planner = self.plan.planner
        first = planner.first_of.get(step.key.digest, step.node_id)
        if first in self.outputs:
            self._inherit(step.node_id, (first,))
            return self._twin(first)
        entry = planner.entry(step.key)
        return entry if entry is not None and planner.still_there(entry) else None

    def _load_libraries(self, step: Step) -> None:
        """Import what the node needs and is not there yet, so that its time is its own."""
        modules = tuple(name for name in step.node.libraries if name not in sys.modules)
        if not modules:
            return
        if self.observed:
            self.context.emit(LibrariesLoading(modules))
        started = time.perf_counter()
        for name in modules:
            # Whoever cannot do without it says so better.
            with suppress(Exception):
                importlib.import_module(name)
        seconds = time.perf_counter() - started
        self.loading += seconds
        if self.observed:
            self.context.emit(LibrariesLoaded(modules, seconds))

    def _call(self, step: Step) -> Entry | Expansion:
        self._load_libraries(step)
        if self.observed:
            event = NodeStarted(step.node_id, step.schema.class_type, step.title, step.reason, step.display_id)
            self.context.emit(event)
            self.context.checkpoint()
        started = time.perf_counter()
        try:
            entry = call_node(step, self.outputs, self.context)
        except NodeFailed as error:
            raise self._failed(step, error) from error.__cause__
        self.timings[step.node_id] = time.perf_counter() - started
        self._look_at_files(step)
        if type(entry) is Entry:
            self._keep(step, entry)
        return entry

    def _inherit(self, node_id: str, parents: Iterable[str]) -> None:
        if self.stale and not self.stale.isdisjoint(parents):
            self.stale.add(node_id)

    def _look_at_files(self, step: Step) -> None:
        """Say which files the node may have read otherwise than they were when its key was made."""
        for file in self.plan.planner.touched(step.node_id):
            self.stale.add(step.node_id)
            message = (
                f"{file} was changed after the run was planned: what the node read may be the old content or the new"
            )
            self.context.for_node(step.node_id, step.display_id).warn(message)

    def _keep(self, step: Step, entry: Entry) -> None:
        """What is done goes into the cache at once, and observers hear of it."""
        if not step.key.volatile and step.node_id not in self.stale:
            self.cache.put(self.plan.namespace + step.key.digest, entry)
        if step.recipe is not None:
            self.cache.note(step.node_id, step.recipe)
        if self.observed:
            class_type, seconds = step.schema.class_type, self.timings[step.node_id]
            event = NodeFinished(step.node_id, class_type, step.title, seconds, entry.files, step.display_id)
            self.context.emit(event)

    def _failed(self, step: Step, error: NodeFailed) -> NodeFailed:
        """Tell observers; the error of a node inside an expansion names the node of the workflow that shows it."""
        if self.observed:
            kind = type(error.__cause__).__name__
            class_type = step.schema.class_type
            self.context.emit(
                NodeFailedEvent(
                    step.node_id, class_type, step.title, error.message, kind, error.author_traceback, step.display_id
                )
            )
        if step.origin is not None:
            known = self.plan.planner.known
            display = step.display_id if step.display_id in known else step.origin.real
            error.inside = f'node {step.node_id} "{step.title}"'
            error.node_id, error.title = display, known[display].title
            error.class_type = known[display].schema.class_type
        return error

    def _expand(self, step: Step, expansion: Expansion) -> None:
        """Put what the node expanded into on top of `todo`."""
        planner = self.plan.planner
        started = time.perf_counter() - self.timings[step.node_id]
        self.joins[step.node_id] = join = _Join(step, (), (), started, {}, {})
        try:
            growth = grow(planner, step, expansion, self.outputs, self.joins)
        except (WeftError, OSError, ValueError, TypeError, OverflowError) as error:
            raise self._failed(step, failure(step, error, step.inputs)) from error
        planner.grown = True
        join = join._replace(results=growth.results, parents=growth.parents)
        self.joins[step.node_id] = join
        _gather(join, Entry((), expansion.ui, expansion.files))
        self.todo.append(join)
        self.todo.extend(reversed(growth.steps))
        self.waiting.update(parent for inner in growth.steps for parent in inner.parents)
        self.waiting.update(growth.parents)
        if self.observed:
            runs = tuple(inner.node_id for inner in growth.steps if inner.runs)
            cached = tuple(inner.node_id for inner in growth.steps if not inner.runs)
            class_type = step.schema.class_type
            self.context.emit(NodeExpanded(step.node_id, class_type, step.title, runs, cached, step.display_id))
        self._lower(step.parents)

    def _join(self, join: _Join) -> None:
        """Give a node that expanded its outputs."""
        step = join.step
        outputs = tuple(
            self.outputs[value.node_id][value.slot] if type(value) is Link else value for value in join.results
        )
        entry = Entry(outputs, join.ui, tuple(join.files))
        self.timings[step.node_id] = time.perf_counter() - join.started
        del self.joins[step.node_id]
        self._inherit(step.node_id, join.parents)
        self._keep(step, entry)
        self._finish(step, entry)
        self._release(step.node_id, join.parents)

    def _finish(self, step: Step, entry: Entry) -> None:
        self.outputs[step.node_id] = entry.outputs
        if self.watch is not None:
            self.watch(step, entry)
        if entry.files or entry.ui:
            self.files.update(dict.fromkeys(entry.files))
            self.shown[step.node_id] = Entry((), entry.ui, entry.files)
            join = self.joins.get(step.origin.parent) if step.origin is not None else None
            if join is not None:
                _gather(join, entry)
        if step.node_id in self.plan.keep:
            self.entries[step.node_id] = entry

    def _release(self, node_id: str, parents: tuple[str, ...]) -> None:
        """Let go of what only this step was still waiting for."""
        self._lower(parents)
        if not self.waiting[node_id]:
            self._drop(node_id)

    def _lower(self, parents: tuple[str, ...]) -> None:
        for parent in parents:
            self.waiting[parent] -= 1
            if not self.waiting[parent]:
                self._drop(parent)

    def _drop(self, node_id: str) -> None:
        # A source of which only the link was taken may never have run.
        if node_id not in self.plan.keep:
            self.outputs.pop(node_id, None)


def _gather(join: _Join, entry: Entry) -> None:
    """What the nodes inside show and write is the expanding node's: lists are strung together by their kind."""
    for kind, items in entry.ui.items():
        join.ui.setdefault(kind, []).extend(items if isinstance(items, list | tuple) else [items])
    join.files.update(dict.fromkeys(entry.files))
