"""One node call: gather the inputs, call, check what came back. The one error boundary around node code."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from weft.engine.cache.protocol import ABSENT, Entry, Warned
from weft.engine.context import RunContext
from weft.engine.errors import Interrupted, MissingFile, NodeError, is_plain, of_machine
from weft.engine.links import LINKED, Link, Linked
from weft.engine.planning.plan import Step
from weft.engine.schema import authoring
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.node import RunnableNode

_ENGINE = str(Path(__file__).parents[1]) + os.sep
_NOTHING_SHOWN: Mapping[str, Any] = {}
"""The ui of most nodes: they share this one."""


class Expansion(NamedTuple):
    """What a node returned that expands: the graph, and its results (values, and links into it).

    `ui`, `files` and `warnings` are its own.
    """

    graph: Mapping[str, Any]
    results: tuple[Any, ...]
    ui: Mapping[str, Any]
    files: tuple[Path, ...]
    warnings: tuple[Warned, ...] = ()


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

    def inputs(self) -> dict[str, Any]:
        """What the node gets, as far as it is there: None for a lazy input that is not."""
        inputs = _taken(self.step, self.node, self.outputs)
        if self.node.injected:
            _inject(self.step, self.node, inputs, self.context)
        return inputs

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
    view: RunContext | None = None
    try:
        if node.injected:
            view = _inject(step, node, inputs, context)
        return _entry(step, node.call(**inputs), view)
    except Interrupted:
        raise
    except Exception as error:
        context.surface()
        raise failure(step, error, inputs, hidden=node.injected) from error


async def await_node(
    step: Step, node: RunnableNode, outputs: Mapping[str, tuple[Any, ...]], context: RunContext
) -> Entry | Expansion:
    """As call_node, for a node whose function is a coroutine function."""
    import asyncio

    inputs = _taken(step, node, outputs)
    view: RunContext | None = None
    try:
        if node.injected:
            view = _inject(step, node, inputs, context)
        return _entry(step, await node.call(**inputs), view)
    except Interrupted:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled this call: something that the node waited for was.
        context.surface()
        raise failure(step, RuntimeError("what it waited for was cancelled"), inputs, hidden=node.injected) from error
    except Exception as error:
        context.surface()
        raise failure(step, error, inputs, hidden=node.injected) from error


def _taken(step: Step, node: RunnableNode, outputs: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """The inputs with the values that their links lead to."""
    lent, given = node.links, step.inputs
    if step.lazy:
        given = {name: None if name in step.lazy and not is_there(outputs, v) else v for name, v in given.items()}
    inputs = {
        name: outputs[value.node_id][value.slot] if type(value) is Link and name not in lent else value
        for name, value in given.items()
    }
    for name, how in lent.items():
        if how == LINKED and type(link := inputs.get(name)) is Link:
            inputs[name] = Linked(outputs[link.node_id][link.slot], link)
    return inputs


def is_there(outputs: Mapping[str, tuple[Any, ...]], link: Link) -> bool:
    """Whether the value that a link leads to was computed, and is kept."""
    return link.node_id in outputs and outputs[link.node_id][link.slot] is not ABSENT


def _inject(step: Step, node: RunnableNode, inputs: dict[str, Any], context: RunContext) -> RunContext:
    """Add what the engine gives to the inputs; the context is the node's own."""
    view = context.for_node(step.node_id, step.display_id, context.steps, step.title)
    for name, kind in node.injected.items():
        inputs[name] = _injected(kind, view)
    return view


def _injected(kind: str, view: RunContext) -> Any:
    match kind:
        case authoring.CONTEXT:
            return view
        case "PROMPT":
            return view.prompt
        case "EXTRA_PNGINFO":
            return view.extra_pnginfo
        case "UNIQUE_ID":
            return view.node_id
        case authoring.GRAPH:
            # As ComfyUI numbers them: the node, the place in a list of calls, the graph, the node inside.
            return GraphBuilder(f"{view.node_id}.0.0.")
    return None


def _entry(step: Step, result: Any, view: RunContext | None) -> Entry | Expansion:
    """What a node gave: by returning it, and by way of its context.

    Raises TypeError or ValueError where it is not what it declares.
    """
    graph, slots, ui = (None, result, _NOTHING_SHOWN) if type(result) is tuple else _opened(result)
    declared = step.schema.outputs
    if len(slots) != len(declared):
        raise ValueError(f"the node returned {len(slots)} outputs, it declares {len(declared)}")
    files: tuple[Path, ...] = ()
    warnings: tuple[Warned, ...] = ()
    if view is not None:
        files, warnings = tuple(view.files), tuple([(step.key.digest, text) for text in view.said])
    if graph is None:
        return Entry(slots, ui, files, warnings)
    return Expansion(graph, slots, ui, files, warnings)


def _opened(result: Any) -> tuple[Mapping[str, Any] | None, tuple[Any, ...], Mapping[str, Any]]:
    """The graph, the slots and the ui in what a node returned that is no plain tuple. Raises TypeError."""
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
    if result is None:
        result = ()
    if not isinstance(result, tuple | list):
        raise TypeError(f"the node returned {type(result).__name__}, expected a tuple of outputs")
    return graph, tuple(result), ui


def failure(step: Step, error: Exception, inputs: Mapping[str, Any], *, hidden: Collection[str] = ()) -> NodeError:
    """The NodeError for what a node raised, or for what cannot be made of its expansion; without `hidden` inputs."""
    message = of_machine(error) or str(error) or type(error).__name__
    failed = NodeError(
        message if is_plain(error) else f"{type(error).__name__}: {message}",
        node_id=step.node_id,
        class_type=step.schema.class_type,
        title=step.title,
        inputs={name: describe(value) for name, value in inputs.items() if name not in hidden},
        author_traceback=_author_traceback(error),
    )
    if isinstance(error, MissingFile):
        failed.exit_code = MissingFile.exit_code
    return failed


def _author_traceback(error: Exception) -> str:
    """The traceback, with its causes, without the engine's own frames: what the node's author wants to read."""
    report = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = report
    while part is not None:
        part.stack[:] = [frame for frame in part.stack if not frame.filename.startswith(_ENGINE)]
        part = part.__cause__ or part.__context__
    return "".join(report.format())


def describe(value: Any, depth: int = 4) -> str:
    """A value in a message: the shape and dtype of a tensor, the form of a container, short values as they are.

    Containers are opened `depth` levels deep.
    """
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        sizes = ",".join(str(size) for size in shape)
        return f"{type(value).__name__}[{sizes}] {str(getattr(value, 'dtype', '')).removeprefix('torch.')}".rstrip()
    if isinstance(value, dict | list | tuple):
        return _describe_parts(value, depth)
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a whole number of {value.bit_length()} bits"
    if value is None or isinstance(value, bool | int | float | str):
        text = repr(value[:100] if isinstance(value, str) else value)
        return text if len(text) <= 80 else text[:77] + "..."
    return type(value).__name__


def _describe_parts(value: dict[Any, Any] | list[Any] | tuple[Any, ...], depth: int) -> str:
    if not depth:
        return "..."
    if isinstance(value, dict):
        parts = [f"{name}: {describe(item, depth - 1)}" for name, item in islice(value.items(), 8)]
    else:
        parts = [describe(item, depth - 1) for item in value[:4]]
    shown = ", ".join([*parts, *["..."][: len(value) - len(parts)]])
    return f"{{{shown}}}" if isinstance(value, dict) else f"[{shown}]"
