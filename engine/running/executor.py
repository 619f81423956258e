"""A run: what is ready is served by the cache or called, and what comes of it goes into the state.

The state of the run and its invariants stand in `running.state`, who calls the nodes in `running.drivers`. In addition,
between any two calls, whatever is done and not stale is in the cache already, if the cache keeps it: a failure or an
interruption loses nothing.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.engine.cache.protocol import Entry, Manifest, Warned, is_whole
from weft.engine.collector import collector_paused
from weft.engine.context import RunContext
from weft.engine.errors import Interrupted, NodeError, WeftError
from weft.engine.events import (
    LibrariesLoaded,
    LibrariesLoading,
    NodeAsked,
    NodeCached,
    NodeExpanded,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    RunFinished,
    RunStarted,
)
from weft.engine.links import Link
from weft.engine.planning.plan import Known, Plan, Planner, Step
from weft.engine.planning.signature import FORMLESS, RAISED
from weft.engine.running.asking import Asking
from weft.engine.running.call import Call, Expansion, Outcome, Wanted
from weft.engine.running.drivers import InlineDriver
from weft.engine.running.dynprompt import NODES
from weft.engine.running.failures import failure
from weft.engine.running.growth import again, ask, grow
from weft.engine.running.mapping import joined
from weft.engine.running.result import RunResult
from weft.engine.running.state import NOTHING, Growth, RunState
from weft.engine.running.steps import Sharing
from weft.engine.running.work import Driver
from weft.engine.schema.node import RunnableNode
from weft.engine.stamps import Stamp, changed, places_of, stamps_of

if TYPE_CHECKING:
    from weft.engine.running.turns import Turns

Watch = Callable[[Step, Entry], None]
"""Sees every step's outputs as soon as they are there, from a node, the cache or a twin; most are released soon."""

Spare = Callable[[NodeError], bool]
"""Is asked of the failure of a node from which nothing is taken: whether the run goes on without it."""


class Executor:
    """Runs plans in this process, on what `planner` knows of it; `driver` calls the nodes, else an InlineDriver.

    `turns`: of the runs that go on at the same time, if there are any; what two of them need is computed by one.
    """

    def __init__(
        self,
        planner: Planner,
        *,
        watch: Watch | None = None,
        spare: Spare | None = None,
        driver: Driver | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._planner = planner
        self._watch = watch
        self._spare = spare
        self._driver = driver
        self._turns = turns

    def run(self, plan: Plan, context: RunContext, state: RunState | None = None) -> RunResult:
        """Run a plan, from its beginning or from another `state` of it, which changes.

        Raises NodeError, Interrupted or what an observer raised; what had finished stays in the cache.
        """
        state = state if state is not None else RunState.of(plan)
        run = _Run(plan, state, context, self._planner, self._watch, self._spare, self._turns)
        return run.execute(self._driver or InlineDriver())


class _Run:
    """One run, as its driver sees it: `take` gives what is to be called, `settle` takes what came of it."""

    def __init__(
        self,
        plan: Plan,
        state: RunState,
        context: RunContext,
        planner: Planner,
        watch: Watch | None,
        spare: Spare | None,
        turns: Turns | None,
    ) -> None:
        self.plan = plan
        self.state = state
        self.context = context
        self.planner = planner
        self.watch = watch
        self.spare = spare
        self.turns = turns
        self.spared = False
        self.grown = False
        self.asked: set[str] = set()
        self.code: dict[str, RunnableNode] = {}
        self.stamps: dict[str, list[Stamp]] = {}
        self.files = context.written
        context.shared(NODES, lambda: state.nodes)
        self.sharing = Sharing(planner, context, state.nodes)
        self._hurry(plan.nodes)
        self.timings: dict[str, float] = {}
        self.started: dict[str, float] = {}
        self.loading = 0.0
        self.cached: dict[str, None] = {}
        self.namesakes: dict[bytes, list[str]] = {}

    @property
    def observed(self) -> bool:
        """Whether anybody is told of the run: a node may have somebody told from then on."""
        return bool(self.context.observers)

    def execute(self, driver: Driver) -> RunResult:
        started = time.perf_counter()
        status = "failed"
        if self.observed:
            self._announce()
        try:
            driver.drive(self)
            self.context.surface()
            if self.state.steps:
                raise WeftError(f"these nodes wait for each other: {', '.join(self.state.steps)}")
            status = "failed" if self.spared else "done"
        except (Interrupted, KeyboardInterrupt) as stop:
            status = "interrupted"
            stopped = stop if isinstance(stop, Interrupted) else Interrupted()
            stopped.files = self._written()[0]
            try:
                raise stopped from None
            finally:
                del stopped  # as in _let_pass
        except NodeError as error:
            error.files = self._written()[0]
            raise
        finally:
            if self.turns is not None:
                self.turns.release()
            files, previews = self._written()
            if self.observed:
                self.context.emit(RunFinished(status, time.perf_counter() - started, files, previews))
                self.context.surface()
        state = self.state
        outputs = {node_id: slots for node_id, slots in state.outputs.items() if node_id in self.plan.keep}
        ended = [(node_id, state.shown[node_id]) for node_id in outputs if node_id in state.shown]
        return RunResult(
            outputs=outputs,
            ui={node_id: shown.ui for node_id, shown in ended if shown.ui},
            blocked={node_id: shown.blocked for node_id, shown in ended if shown.blocked},
            files=files,
            timings=self.timings,
            loading=self.loading,
            cached=tuple(node_id for node_id in self.cached if node_id not in self.timings),
            warnings=tuple(self.context.warnings),
            plan=self.plan,
            registry=self.planner.registry,
            previews=previews,
            status=status,
        )

    def take(self) -> Call | None:
        """Start what is ready, up to the next node that is to be called; None if there is none for now.

        What the cache or an equal node serves is done at once.
        """
        state = self.state
        if self.turns is not None:
            self.turns.release()
        while (step := state.start()) is not None:
            self.context.checkpoint()
            node_id = step.node_id
            if node_id in state.expanded:
                self._join(step)
                continue
            if state.stale:
                state.inherit(node_id, step.parents)
            entry: Entry | None = None
            if step.hit is not None:
                # What is planned for another device or mode is no hit here.
                if step.hit.key == self.planner.address(step.schema, step.key):
                    entry = self._loaded(step.hit)
                if entry is None:
                    state.retry(node_id, again(self.planner, state, step))
                    continue
            elif step.twin is not None:
                entry = state.entry(step.twin)
            elif self.grown:
                # Since this step was planned, something inside an expansion may have computed the same.
                entry = self._overtaken(step)
            if entry is None and self.turns is not None:
                entry = self._of_another(step, self.turns)
            if entry is None:
                return self._called(step)
            self._serve(step, entry)
        return None

    def settle(self, call: Call, outcome: Outcome) -> None:
        """Take what came of a call. Raises NodeError where the run cannot go on without it."""
        step = call.step
        if isinstance(outcome, Wanted):
            self._ask(step, outcome.links)
            return
        if (stamps := self.stamps.pop(step.node_id, None)) and (items := changed(stamps)):
            self._distrust(step, items)
        if isinstance(outcome, NodeError):
            self._failed(step, outcome)
            try:
                self._let_pass(step, outcome)
            finally:
                del outcome  # as in _let_pass
            return
        self.timings[step.node_id] = call.seconds
        self._look(step, call.node)
        if outcome.warnings or self.state.shown:
            warnings = self.state.warned(step.needs, outcome.warnings)
            if warnings:
                outcome = replace(outcome, warnings=warnings)
        if type(outcome) is Expansion:
            self._expand(step, outcome, call.seconds)
        else:
            assert type(outcome) is Entry
            self._keep(step, outcome)
            self._finish(step, outcome)

    def checkpoint(self) -> None:
        """Raise Interrupted where the run was cancelled, or what an observer raised."""
        self.context.checkpoint()

    def _announce(self) -> None:
        steps = self.plan.steps
        runs = tuple(step.node_id for step in steps if step.runs)
        cached = tuple(step.node_id for step in steps if not step.runs)
        self.context.emit(RunStarted(runs, cached, self.plan.pruned, self.plan.deferred))

    def _written(self) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """The results and the previews that are there: a node that was stopped may not have come to its last one."""
        files = [file for file in self.files if file.is_file()]
        previews = dict.fromkeys(file for file in files if self.context.folders.is_preview(file))
        return tuple(file for file in files if file not in previews), tuple(previews)

    def _serve(self, step: Step, entry: Entry) -> None:
        """The step has its outputs without being called."""
        if step.origin is None:
            self.cached[step.node_id] = None
        # What shares its outputs with a node that the cache served is served by the cache too.
        if step.hit is not None or self.state.computes.get(step.key.digest) in self.context.served:
            self.context.served.add(step.node_id)
        if self.observed:
            self.context.emit(NodeCached(step.node_id, step.schema.class_type, step.title, step.display_id))
        self._repeat(step, entry.warnings)
        self._finish(step, entry)

    def _repeat(self, step: Step, warnings: Iterable[Warned]) -> None:
        """Say again what was said of outputs when they were computed, in the name of all nodes that compute the same:
        of those too that need not run, since what they feed is there."""
        nodes = self.state.nodes
        for digest, text in warnings:
            if not self.namesakes:
                for node_id, known in nodes.items():
                    self.namesakes.setdefault(known.key.digest, []).append(node_id)
            for node_id in self.namesakes.get(digest, (step.node_id,)):
                known = nodes[node_id]
                self.context.for_node(node_id, known.display_id, title=known.title).repeat(text)

    def _overtaken(self, step: Step) -> Entry | None:
        first = self.state.computes.get(step.key.digest, step.node_id)
        if first in self.state.outputs and is_whole(self.state.outputs[first]):
            self.state.inherit(step.node_id, (first,))
            return self.state.entry(first)
        hit = self.planner.find(step.schema, step.key)
        return None if hit is None or hit.absent else self._loaded(hit)

    def _of_another(self, step: Step, turns: Turns) -> Entry | None:
        """What another run has computed since this step was planned; None if this one is to do it, for both.

        While another goes through states that this step has too, it waits for them.
        """
        if step.key.volatile:
            return None

        def look() -> Entry | None:
            hit = self.planner.find(step.schema, step.key)
            return None if hit is None else self._loaded(hit)

        return turns.awaited([self.planner.address(step.schema, step.key), *self.sharing.keys(step)], look)

    def _loaded(self, hit: Manifest) -> Entry | None:
        """What the cache has under a key now; None if that lacks a slot that the hit had, or its files are not where
        this run writes."""
        entry = self.planner.cache.load(hit)
        if entry is None or not is_whole(entry.outputs, hit.absent):
            return None
        if not entry.files:
            return entry
        # Another run may have put its own there since the question was asked.
        return entry if self.planner.still_there(hit._replace(files=entry.files)) else None

    def _called(self, step: Step) -> Call:
        class_type = step.schema.class_type
        node = self.code.get(class_type)
        if node is None:
            node = self.code[class_type] = self.planner.registry.runnable(class_type)
        if node.wants is not None:
            if step.node_id not in self.asked:
                return Asking(step, node, self.state.outputs, self.context)
            self.asked.remove(step.node_id)
        if node.libraries:
            self._load_libraries(node)
        if self.observed:
            event = NodeStarted(step.node_id, class_type, step.title, step.reason, step.display_id)
            self.context.emit(event)
            self.context.checkpoint()
        context = self.context
        if step.key.volatile and step.key.volatile.startswith(RAISED):
            view = context.for_node(step.node_id, step.display_id, title=step.title)
            view.warn(f"{step.key.volatile}; the node is called in every run")
        if node.options.trajectory is not None and (steps := self.sharing.steps_of(step, self.state)) is not None:
            context = context.for_node(step.node_id, step.display_id, steps)
        if node.watched:
            outputs = self.state.outputs
            self.stamps[step.node_id] = stamps_of(outputs[parent] for parent in step.parents if parent in outputs)
        return Call(step, node, self.state.outputs, context)

    def _load_libraries(self, node: RunnableNode) -> None:
        """Import what the node needs and is not there yet, so that its time is its own."""
        modules = tuple(name for name in node.libraries if name not in sys.modules)
        if not modules:
            return
        if self.observed:
            self.context.emit(LibrariesLoading(modules))
        started = time.perf_counter()
        with collector_paused():
            for name in modules:
                # Whoever cannot do without it says so better.
                with suppress(Exception):
                    importlib.import_module(name)
        seconds = time.perf_counter() - started
        self.loading += seconds
        if self.observed:
            self.context.emit(LibrariesLoaded(modules, seconds))

    def _look(self, step: Step, node: RunnableNode) -> None:
        """What was called may not be what its key says: another process has other code, files are changed."""
        if node.implementation != step.version:
            self.state.stale.add(step.node_id)
        known = self.state.nodes[step.node_id]
        for file in self.planner.touched(known) if known.files else ():
            self.state.stale.add(step.node_id)
            message = (
                f"{file} was changed after the run was planned: what the node read may be the old content or the new"
            )
            self.context.for_node(step.node_id, step.display_id, title=step.title).warn(message)

    def _distrust(self, step: Step, items: Sequence[Any]) -> None:
        """A node changed what others gave it: what has these values, and is there still, is not what its key says.

        Where others take from there too, the node runs each time: what they get does not depend on a cache.
        """
        places = places_of(items)
        state = self.state
        holders = [node_id for node_id, slots in state.outputs.items() if places & places_of(slots)]
        state.stale.update(holders)
        others = [each for each in holders if each in state.keep or state.waiting[each] > 1]
        if others:
            state.stale.add(step.node_id)
            names = ", ".join(f'node {node_id} "{state.nodes[node_id].title}"' for node_id in others)
            message = f"changed in place what it got: what takes from {names} after it gets the changed value"
            self.context.for_node(step.node_id, step.display_id, title=step.title).warn(message)

    def _keep(self, step: Step, entry: Entry) -> None:
        """What is done goes into the cache at once, and observers hear of it."""
        cache = self.planner.cache
        if not step.key.volatile and step.node_id not in self.state.stale:
            cache.put(self.planner.address(step.schema, step.key), entry)
        # A recipe with objects in it says nothing later, and would keep them.
        if step.recipe is not None and not (step.key.volatile and step.key.volatile.startswith(FORMLESS)):
            cache.note(self.planner.place(step.node_id), step.recipe)
        if self.observed:
            class_type, seconds = step.schema.class_type, self.timings[step.node_id]
            event = NodeFinished(step.node_id, class_type, step.title, seconds, entry.files, step.display_id)
            self.context.emit(event)

    def _finish(self, step: Step, entry: Entry) -> None:
        if self.watch is not None:
            self.watch(step, entry)
        if entry.files:
            self.files.update(dict.fromkeys(entry.files))
        self.state.finish(step.node_id, entry)
        self.sharing.release(self.state)

    def _failed(self, step: Step, error: NodeError) -> None:
        """Tell observers; the error of a node inside an expansion names the node of the workflow that shows it."""
        if self.observed:
            kind = type(error.__cause__).__name__
            class_type = step.schema.class_type
            self.context.emit(
                NodeFailed(
                    step.node_id, class_type, step.title, error.message, kind, error.author_traceback, step.display_id
                )
            )
        if step.origin is not None:
            nodes = self.state.nodes
            display = step.display_id if step.display_id in nodes else step.origin.real
            error.inside = f'node {step.node_id} "{step.title}"'
            error.node_id, error.title = display, nodes[display].title
            error.class_type = nodes[display].schema.class_type

    def _let_pass(self, step: Step, error: NodeError) -> None:
        waited_for = self.state.waiting[step.node_id]
        self.state.fail(step.node_id)
        if self.spare is None or waited_for or not self.spare(error):
            try:
                raise error
            finally:
                # Its traceback holds this frame: if the frame held it, outputs would stay until a garbage collection.
                del error
        self.spared = True

    def _expand(self, step: Step, expansion: Expansion, seconds: float) -> None:
        self.started[step.node_id] = time.perf_counter() - seconds
        growth = self._grown(step, lambda: grow(self.planner, self.state, step, expansion))
        self.namesakes.clear()
        self._hurry(growth.plan.nodes)
        self.state.expand(step.node_id, growth)
        if self.observed:
            steps = growth.plan.steps
            runs = tuple(inner.node_id for inner in steps if inner.runs)
            cached = tuple(inner.node_id for inner in steps if not inner.runs)
            class_type = step.schema.class_type
            self.context.emit(NodeExpanded(step.node_id, class_type, step.title, runs, cached, step.display_id))

    def _ask(self, step: Step, links: Sequence[Link]) -> None:
        """What a node asked for comes next, then it is asked again; if nothing is missing, it is called."""
        if not links:
            self.asked.add(step.node_id)
            self.state.ask(step.node_id, NOTHING)
            return
        growth = self._grown(step, lambda: ask(self.planner, self.state, step, links))
        self.state.ask(step.node_id, growth)
        if self.observed:
            steps = growth.plan.steps
            runs = tuple(inner.node_id for inner in steps if inner.runs)
            cached = tuple(inner.node_id for inner in steps if not inner.runs)
            self.context.emit(
                NodeAsked(step.node_id, step.schema.class_type, step.title, runs, cached, step.display_id)
            )

    def _grown(self, step: Step, plan: Callable[[], Growth]) -> Growth:
        """What is planned for a node that was called, or asked. What is wrong with it, is wrong with the node."""
        try:
            growth = plan()
        except (WeftError, OSError, ValueError, TypeError, OverflowError) as error:
            failed = failure(step, error, step.inputs)
            failed.__cause__ = error
            self._failed(step, failed)
            try:
                raise failed from error
            finally:
                del failed  # as in _let_pass
        self.grown = True
        return growth

    def _hurry(self, nodes: Mapping[str, Known]) -> None:
        """Asynchronous nodes are started as soon as they are ready: they wait while others are called."""
        registry, state = self.planner.registry, self.state
        classes = {known.schema.class_type for known in nodes.values()} - state.urgent
        if found := [name for name in classes if name in registry and registry.runnable(name).awaited]:
            state.hasten(found)

    def _join(self, step: Step) -> None:
        """Give a node that expanded its outputs."""
        outputs, join = self.state.outputs, self.state.expanded[step.node_id]
        slots = tuple(joined(parts, outputs) for parts in join.results)
        warnings = self.state.outward(step.node_id, join.warnings) if join.warnings else ()
        entry = Entry(slots, join.ui, tuple(join.files), warnings, join.blocked)
        self.timings[step.node_id] = time.perf_counter() - self.started[step.node_id]
        self.state.inherit(step.node_id, join.parents)
        self._keep(step, entry)
        self._finish(step, entry)
