"""The calls of one node: gather the inputs, call, check what came back. The one error boundary around node code."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from weft.engine.cache.protocol import ABSENT, Entry, Warned, strung_together
from weft.engine.context import RunContext
from weft.engine.errors import Interrupted, NodeError
from weft.engine.events import NodeBlocked
from weft.engine.links import LINKED, Link, Linked, as_link
from weft.engine.planning.plan import Step
from weft.engine.running.dynprompt import NODES, DynamicPrompt
from weft.engine.running.failures import failure
from weft.engine.running.mapping import Calls, Part, Returned, blocked, merged, parts_of
from weft.engine.schema import authoring
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.node import RunnableNode
from weft.engine.values import ExecutionBlocker, are_plain, slot_of, values_of

_NOTHING_SHOWN: Mapping[str, Any] = {}
"""The ui of most nodes: they share this one."""


@dataclass(frozen=True)
class Expansion:
    """What a node returned that expands: the graph, and its results, slot by slot in parts: links into it, and values.

    `ui`, `files`, `warnings` and `blocked` are its own. Of several calls, the graph holds the nodes of all.
    """

    graph: Mapping[str, Any]
    results: tuple[tuple[Part, ...], ...]
    ui: Mapping[str, Any]
    files: tuple[Path, ...]
    warnings: tuple[Warned, ...] = ()
    blocked: int = 0


class Wanted(NamedTuple):
    """Where the lazy inputs come from that a node needs and that are not there yet."""

    links: tuple[Link, ...]


Outcome = Entry | Expansion | Wanted | NodeError
"""What comes of a call."""


class Call:
    """A node that is to be called. `seconds` says afterwards how long it took.

    `outputs` holds the slots of every node that it takes a value from.
    """

    __slots__ = ("context", "node", "outputs", "seconds", "step")

    def __init__(
        self, step: Step, node: RunnableNode, outputs: Mapping[str, tuple[Any, ...]], context: RunContext
    ) -> None:
        self.step = step
        self.node = node
        self.outputs = outputs
        self.context = context
        self.seconds = 0.0

    @property
    def asynchronous(self) -> bool:
        """Whether it is to be awaited."""
        return self.node.asynchronous

    def each(self) -> Iterator[dict[str, Any]]:
        """What the node gets, call by call, as far as it is there: None for a lazy input that is not."""
        calls = Calls(self.node, _taken(self.step, self.node, self.outputs))
        for place, given in enumerate(calls):
            if not isinstance(given, ExecutionBlocker):
                if self.node.injected:
                    _inject(self.step, self.node, given, self.context, place, len(calls))
                yield given

    def perform(self) -> Outcome:
        """Call it here. Raises what call_node does, but for NodeError, which is an outcome."""
        started = time.perf_counter()
        try:
            return call_node(self.step, self.node, self.outputs, self.context)
        except NodeError as error:
            return error
        finally:
            self.seconds = time.perf_counter() - started

    async def awaited(self) -> Outcome:
        """Call it here where it is asynchronous. Raises as `perform`."""
        started = time.perf_counter()
        try:
            return await await_node(self.step, self.node, self.outputs, self.context)
        except NodeError as error:
            return error
        finally:
            self.seconds = time.perf_counter() - started


def call_node(
    step: Step, node: RunnableNode, outputs: Mapping[str, tuple[Any, ...]], context: RunContext
) -> Entry | Expansion:
    """Call a step's node. `outputs` holds the slots of every node that it takes a value from.

    Raises NodeError for whatever the node raises, Interrupted, KeyboardInterrupt and what an observer raised as they
    are.
    """
    inputs = _taken(step, node, outputs)
    if not node.lists and are_plain(inputs.values()):
        # What nearly every call is; a with block would cost it a twentieth of all that the engine does for a node.
        try:
            view = _inject(step, node, inputs, context) if node.injected else None
            return _entry(step, node, node.call(**inputs), view, context)
        except Interrupted:
            raise
        except Exception as error:
            context.surface()
            raise failure(step, error, inputs, hidden=node.injected) from error
    with _Boundary(step, node, inputs, context) as boundary:
        work = _Mapped(step, node, inputs, context)
        for place, given in work:
            boundary.at(given, work.named(place))
            context.checkpoint()
            work.took(place, node.call(**given))
        boundary.at(inputs)
        return work.outcome()


async def await_node(
    step: Step, node: RunnableNode, outputs: Mapping[str, tuple[Any, ...]], context: RunContext
) -> Entry | Expansion:
    """As call_node, for a node whose function is a coroutine function; several calls overlap."""
    inputs = _taken(step, node, outputs)
    with _Boundary(step, node, inputs, context) as boundary:
        if node.lists or not are_plain(inputs.values()):
            work = _Mapped(step, node, inputs, context)
            await _overlapping(work, node, boundary)
            return work.outcome()
        view = _inject(step, node, inputs, context) if node.injected else None
        return _entry(step, node, await _awaited(node.call(**inputs)), view, context)


async def _overlapping(work: _Mapped, node: RunnableNode, boundary: _Boundary) -> None:
    """Await all calls of a node; the first that fails ends the others."""
    import asyncio

    async def call(place: int, given: dict[str, Any]) -> None:
        try:
            work.took(place, await _awaited(node.call(**given)))
        except Exception:
            boundary.at(given, work.named(place))
            raise

    tasks = [asyncio.ensure_future(call(place, given)) for place, given in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _awaited(coroutine: Awaitable[Any]) -> Any:
    """What a node's coroutine returns. Raises RuntimeError where something that it waited for was cancelled."""
    import asyncio

    try:
        return await coroutine
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled this call: something that the node waited for was.
        raise RuntimeError("what it waited for was cancelled") from error


class _Boundary:
    """Around the calls of a node: what one raises becomes a NodeError, which tells the inputs of that call."""

    __slots__ = ("_context", "_inputs", "_node", "_place", "_step")

    def __init__(self, step: Step, node: RunnableNode, inputs: Mapping[str, Any], context: RunContext) -> None:
        self._step, self._node, self._context = step, node, context
        self._inputs, self._place = inputs, ""

    def at(self, inputs: Mapping[str, Any], place: str = "") -> None:
        """Which call it is that may raise next."""
        self._inputs, self._place = inputs, place

    def __enter__(self) -> _Boundary:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, Interrupted):
            self._context.surface()
            raise failure(self._step, error, self._inputs, self._place, hidden=self._node.injected) from error


class _Mapped:
    """The calls of a node that gets or gives lists. Iterated over: the place and the inputs of each that is to be made.

    What was not made for want of a value, or because one was blocked, is told as a warning.
    """

    def __init__(self, step: Step, node: RunnableNode, inputs: Mapping[str, Any], context: RunContext) -> None:
        self._step, self._node, self._context = step, node, context
        self._calls = Calls(node, inputs)
        self._returned: list[Returned] = []
        self._views: list[RunContext] = []
        self._reasons: list[str | None] = []
        self._said: dict[str, None] = {}

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        step, node, count = self._step, self._node, len(self._calls)
        for place, given in enumerate(self._calls):
            self._returned.append(blocked(node))
            if isinstance(given, ExecutionBlocker):
                self._reasons.append(given.message)
                continue
            if node.injected:
                view = _inject(step, node, given, self._context, place, count)
                # What one call has said, the others need not say again.
                view.said = self._said
                self._views.append(view)
            yield place, given

    def named(self, place: int) -> str:
        """A call, as the message of its failure names it."""
        count = len(self._calls)
        return f" (call {place + 1} of {count})" if count > 1 else ""

    def took(self, place: int, result: Any) -> None:
        """What a call returned. Raises TypeError for what is no result."""
        self._returned[place] = _opened(result, self._node)

    def outcome(self) -> Entry | Expansion:
        """What they gave together. Raises TypeError or ValueError where it is not what the node declares."""
        step, calls, reasons = self._step, len(self._calls), self._reasons
        if reasons:
            told = tuple(dict.fromkeys(reason for reason in reasons if reason is not None))
            class_type, display = step.schema.class_type, step.display_id
            event = NodeBlocked(step.node_id, class_type, step.title, told, len(reasons), calls, display)
            self._context.emit(event)
        found = _outcome(step, self._node, self._returned, self._views, self._context, list(self._notes()))
        return replace(found, blocked=len(reasons)) if reasons else found

    def _notes(self) -> Iterator[str]:
        """What is said of calls that were not made, and of values that were not used."""
        for name in self._calls.empty:
            yield f"was not called: its input {name!r} is an empty list"
        for name in self._calls.cut:
            yield f"takes one value for {name!r}, and uses the first of the list that it got"
        count = len(self._calls)
        for reason, times in Counter(self._reasons).items():
            if reason is not None:
                yield f"{'was not called' if count == 1 else f'{times} of {count} calls were not made'}: {reason}"


def _taken(step: Step, node: RunnableNode, outputs: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """The inputs with the slots that their links lead to."""
    lent, given = node.links, step.inputs
    if step.lazy:
        given = {name: None if name in step.lazy and not is_there(outputs, v) else v for name, v in given.items()}
    inputs = {
        name: outputs[value.node_id][value.slot] if type(value) is Link and name not in lent else value
        for name, value in given.items()
    }
    for name, how in lent.items():
        if how == LINKED and type(link := inputs.get(name)) is Link:
            values = values_of(outputs[link.node_id][link.slot])
            inputs[name] = slot_of(v if type(v) is ExecutionBlocker else Linked(v, link) for v in values)
    return inputs


def is_there(outputs: Mapping[str, tuple[Any, ...]], link: Link) -> bool:
    """Whether the value that a link leads to was computed, and is kept."""
    return link.node_id in outputs and outputs[link.node_id][link.slot] is not ABSENT


def _inject(
    step: Step, node: RunnableNode, inputs: dict[str, Any], context: RunContext, place: int = 0, count: int = 1
) -> RunContext:
    """Add what the engine gives to the inputs of call `place` of `count`; the context is the node's own."""
    # Steps are known by what all calls are computed from: they tell one call's from another's no more.
    view = context.for_node(step.node_id, step.display_id, context.steps if count == 1 else None, step.title)
    view.call = place, count
    for name, kind in node.injected.items():
        value = _injected(kind, view)
        inputs[name] = value if node.takes_one(name) else [value]
    return view


def _injected(kind: str, view: RunContext) -> Any:
    match kind:
        case authoring.CONTEXT:
            return view
        case "PROMPT":
            return view.prompt
        case "EXTRA_PNGINFO":
            return view.extra_pnginfo
        case authoring.PNGINFO_IF_ANY:
            return view.extra_pnginfo or None
        case "UNIQUE_ID":
            return view.node_id
        case "DYNPROMPT":
            return DynamicPrompt(view, view.shared(NODES, dict))
        case authoring.GRAPH:
            # As ComfyUI numbers them: the node, the place in a list of calls, the graph, the node inside.
            return GraphBuilder(f"{view.node_id}.{view.call[0]}.0.")
    return None


def _entry(
    step: Step, node: RunnableNode, result: Any, view: RunContext | None, context: RunContext
) -> Entry | Expansion:
    """What the one call of a node gave: by returning it, and by way of its context.

    Raises TypeError or ValueError where it is not what the node declares.
    """
    if type(result) is not tuple or len(result) != len(step.schema.outputs):
        return _outcome(step, node, [_opened(result, node)], [view] if view is not None else [], context)
    if view is None:
        return Entry(result)
    return Entry(result, _NOTHING_SHOWN, tuple(view.files), tuple([(step.key.digest, text) for text in view.said]))


def _outcome(
    step: Step,
    node: RunnableNode,
    returned: Sequence[Returned],
    views: Sequence[RunContext],
    context: RunContext,
    notes: Sequence[str] = (),
) -> Entry | Expansion:
    """What the calls of a node gave together; `notes` are the engine's own warnings of them."""
    declared = _asked(step, context)
    if short := [each for each in returned if len(each.slots) < declared and not each.ui]:
        notes = [*notes, f"returned {len(short[0].slots)} of {declared} outputs: the others are None"]
    if notes:
        view = context.for_node(step.node_id, step.display_id, title=step.title)
        for note in notes:
            view.warn(note)
        views = [*views, view]
    files = tuple(dict.fromkeys(file for view in views for file in view.files))
    # The calls of a node share what they have said.
    said = dict.fromkeys(chain(*{id(view.said): view.said for view in views}.values()))
    warnings = tuple([(step.key.digest, text) for text in said])
    ui = returned[0].ui if len(returned) == 1 else strung_together(each.ui for each in returned)
    graphs = [each.graph for each in returned if each.graph is not None]
    if not graphs:
        return Entry(merged(node, returned), ui, files, warnings)
    graph = graphs[0] if len(graphs) == 1 else _one_graph(graphs)
    return Expansion(graph, parts_of(node, returned), ui, files, warnings)


def _asked(step: Step, context: RunContext) -> int:
    """How many outputs a node is asked for: those that it declares; of open ones, those that the workflow takes."""
    declared = len(step.schema.declared)
    if declared == len(step.schema.outputs):
        return declared
    links = (as_link(value) for node in context.prompt.values() for value in node.get("inputs", {}).values())
    return max([declared, *(link.slot + 1 for link in links if link is not None and link.node_id == step.node_id)])


def _one_graph(graphs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What several calls expanded into. Raises ValueError for two nodes of one id."""
    found: dict[str, Any] = {}
    for graph in graphs:
        if twice := found.keys() & graph.keys():
            raise ValueError(f"two calls expanded into a node {min(twice)!r}")
        found.update(graph)
    return found


def _opened(result: Any, node: RunnableNode) -> Returned:
    """What a call returned, opened. Raises TypeError or ValueError where it is not what the node declares."""
    ui = _NOTHING_SHOWN
    graph: Any = None
    if isinstance(result, Mapping):
        graph = result.get("expand")
        if graph is not None and not isinstance(graph, Mapping):
            raise TypeError(f"the node expanded into a {type(graph).__name__}, expected nodes by id")
        ui = result.get("ui") or _NOTHING_SHOWN
        if not isinstance(ui, Mapping):
            raise TypeError(f"the node returned a ui of type {type(ui).__name__}, expected lists by name")
        result = result.get("result")
    declared = len(node.schema.outputs)
    if type(result) is ExecutionBlocker:
        result = (result,) * declared
    if result is None:
        result = ()
    if not isinstance(result, tuple | list):
        raise TypeError(f"the node returned {type(result).__name__}, expected a tuple of outputs")
    if node.at_most is not None:
        return Returned(tuple(result[: node.at_most]), ui, graph)
    if len(result) != declared:
        raise ValueError(f"the node returned {len(result)} outputs, it declares {declared}")
    return Returned(tuple(result), ui, graph)
