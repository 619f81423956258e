"""The part of a plan that is made while it runs: the steps for what a node expands into.

What is inside is planned as the workflow was: keys by the same rules, so that equal nodes are computed once and the
cache serves them; only what is needed runs. A node outside whose outputs are gone by then is planned again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from weft.engine.errors import DefinitionError, WeftError
from weft.engine.links import LINK, Link, as_link
from weft.engine.planning.plan import Known, Origin, Planner, Step
from weft.engine.running.call import Expansion
from weft.engine.schema.node import NodeSchema


class BadExpansion(WeftError):
    """A node expanded into something that is no graph."""


class Growth(NamedTuple):
    """The steps to run, in order, and what becomes the outputs of the node: Links and values, slot by slot.

    `parents` are the nodes to wait for: those that the outputs come from, and the output nodes inside.
    """

    steps: list[Step]
    results: tuple[Any, ...]
    parents: tuple[str, ...]


def grow(planner: Planner, step: Step, expansion: Expansion, alive: Collection[str], open_: Collection[str]) -> Growth:
    """Plan what `step` expanded into. `alive` nodes have their outputs, `open_` ones have expanded and wait for theirs.

    Raises BadExpansion for what is no graph, MissingFile for a file that a node inside names.
    """
    inside = _read(planner, step, expansion.graph)
    results = tuple(_linked(value) for value in expansion.results)
    for slot, value in enumerate(results):
        if type(value) is Link:
            _check(planner, inside, value, f"output {slot}")
    for node_id, known in inside.items():
        for name, value in known.inputs.items():
            if type(value) is Link:
                _check(planner, inside, value, f"input {name!r} of node {node_id}")
    for node_id in _order(inside, lambda node_id: (link for link in _links(inside[node_id]) if link in inside)):
        planner.learn(node_id, inside[node_id])
    shown = [node_id for node_id, known in inside.items() if known.schema.output_node]
    wanted = dict.fromkeys([*(value.node_id for value in results if type(value) is Link), *shown])

    def sources(node_id: str) -> Iterator[str]:
        if node_id in open_:
            raise BadExpansion(f"expanded into a graph that waits for node {node_id}, which itself waits for it")
        return (link for link in _links(planner.known[node_id], taken=True) if link not in alive)

    missing = [node_id for node_id in wanted if node_id not in alive]
    order = _order(missing, sources)
    _assign(planner, order, alive, open_)
    steps, _, _ = planner.decide(order, missing)
    return Growth(steps, results, tuple(wanted))


def _read(planner: Planner, step: Step, graph: Mapping[str, Any]) -> dict[str, Known]:
    """The nodes inside, by id, as the planner knows nodes."""
    real = step.origin.real if step.origin is not None else step.node_id
    inside: dict[str, Known] = {}
    for node_id, node in graph.items():
        if not isinstance(node_id, str) or not isinstance(node, Mapping) or "class_type" not in node:
            raise BadExpansion(f"expanded into node {node_id!r}, which is no object with a class_type")
        if node_id in planner.known:
            raise BadExpansion(f"expanded into a node {node_id!r}, an id that this run has already")
        class_type = node["class_type"]
        if class_type not in planner.registry:
            what, hint = planner.registry.unknown(str(class_type))
            raise BadExpansion(f"expanded into node {node_id}: {what}", hint=hint)
        unavailable = planner.registry.unavailable(class_type)
        if unavailable:
            raise DefinitionError(f"expanded into {class_type}, which cannot be run: {unavailable}")
        runnable = planner.registry.runnable(class_type)
        schema = runnable.schema
        if runnable.options.lowers is not None:
            raise BadExpansion(f"expanded into {class_type}, which stands for others and is replaced before a run")
        meta, given = node.get("_meta"), node.get("inputs") or {}
        if not isinstance(given, Mapping):
            raise BadExpansion(f"expanded into node {node_id}, whose inputs are a {type(given).__name__}")
        title = (meta.get("title") if isinstance(meta, Mapping) else "") or schema.display_name or class_type
        display = node.get("override_display_id") or step.display_id or step.node_id
        inputs = _inputs(node_id, schema, given)
        inside[node_id] = Known(title, runnable, inputs, Origin(step.node_id, display, real))
    return inside


def _inputs(node_id: str, schema: NodeSchema, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a node inside: links, and declared values; a value that a widget takes is coerced as ever."""
    inputs: dict[str, Any] = {}
    by_name = schema.given(given)
    for name, value in given.items():
        value = _linked(value)
        if type(value) is Link:
            inputs[name] = value
        elif name in by_name:
            socket = by_name[name].socket
            inputs[name] = socket.coerce(value) if socket.is_widget and type(value) in _PLAIN else value
    missing = [name for name, spec in by_name.items() if spec.section == "required" and name not in inputs]
    if missing:
        where = f"node {node_id} ({schema.class_type})"
        raise BadExpansion(f"expanded into {where} without its input {missing[0]!r}")
    return inputs


_PLAIN = (bool, int, float, str)


def _linked(value: Any) -> Any:
    """The Link that `["4", 0]` is; all else as it is. A tuple is a value, not a link."""
    return as_link(value) or value if type(value) is list else value


def _check(planner: Planner, inside: Mapping[str, Known], link: Link, where: str) -> None:
    known = inside.get(link.node_id) or planner.known.get(link.node_id)
    if known is None:
        raise BadExpansion(f"{where} of the expansion is linked to node {link.node_id!r}, which this run does not have")
    count = len(known.schema.outputs)
    if not 0 <= link.slot < count:
        there = f"slot {link.slot} of node {link.node_id}, which has {count}"
        raise BadExpansion(f"{where} of the expansion is linked to {there}")


def _links(known: Known, *, taken: bool = False) -> Iterator[str]:
    """The nodes that a node is linked to; `taken`: only those whose value it takes, not just the link."""
    lent = known.node.links if taken else {}
    return (value.node_id for name, value in known.inputs.items() if type(value) is Link and lent.get(name) != LINK)


def _order(targets: Iterable[str], sources: Callable[[str], Iterator[str]]) -> list[str]:
    """The targets and, as far as `sources` says, what they take from, sources first. Raises for a cycle."""
    placed: dict[str, None] = {}
    for target in targets:
        if target in placed:
            continue
        stack = [(target, sources(target))]
        path = {target: None}
        while stack:
            node_id, waiting = stack[-1]
            for source in waiting:
                if source in path:
                    cycle = [*list(path)[list(path).index(source) :], source]
                    raise BadExpansion(f"expanded into nodes that wait for each other: {' -> '.join(reversed(cycle))}")
                if source not in placed:
                    stack.append((source, sources(source)))
                    path[source] = None
                    break
            else:
                placed[node_id] = None
                del path[node_id]
                stack.pop()
    return list(placed)


def _assign(planner: Planner, order: Iterable[str], alive: Collection[str], open_: Collection[str]) -> None:
    """Say for each key of `order` which node computes it. Raises for a node that would expand for ever."""
    batch: set[str] = set()
    for node_id in order:
        digest = planner.keys[node_id].digest
        first = planner.first_of.get(digest)
        if first in open_:
            raise BadExpansion(f"expanded without end: node {node_id} is what node {first} is, with the same inputs")
        if first not in alive and first not in batch:
            planner.first_of[digest] = node_id
        batch.add(node_id)
