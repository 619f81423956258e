"""The part of a plan that is made while it runs: for what a node expands into or asks for, or what a hit left undone.

What is inside is planned as the workflow was: keys by the same rules, so that equal nodes are computed once and the
cache serves them; only what is needed runs. A node outside whose outputs are gone by then is planned again. Nothing
here changes the state of the run or its plan.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from weft.engine.cache.protocol import Entry, is_whole
from weft.engine.errors import DefinitionError, WeftError
from weft.engine.links import Link, links_of
from weft.engine.planning.plan import Known, Origin, Plan, Planner, Step
from weft.engine.running.call import Expansion
from weft.engine.running.mapping import linked
from weft.engine.running.state import Growth, RunState
from weft.engine.schema.node import DescribedNode, NodeSchema, RunnableNode
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import unwrapped


class BadExpansion(WeftError):
    """A node expanded into something that is no graph."""


class DuplicateNodeError(BadExpansion):
    """A node expanded into one of an id that the run has already."""


class DependencyCycleError(BadExpansion):
    """What a node expanded into, or asked for, waits for itself."""


class _Inner(NamedTuple):
    """A node inside, before its key is known."""

    title: str
    node: RunnableNode
    inputs: Mapping[str, Any]
    origin: Origin

    @property
    def schema(self) -> NodeSchema:
        """What its class declares."""
        return self.node.schema


def grow(planner: Planner, state: RunState, step: Step, expansion: Expansion) -> Growth:
    """Plan what `step`, which is running, expanded into.

    Raises BadExpansion, or one of its kinds, for what is no graph; MissingFile for a file that a node inside names.
    """
    read = _read(planner.registry, state.nodes, step, expansion.graph)
    results = expansion.results
    links: list[tuple[Any, str]] = [(part, f"output {slot}") for slot, parts in enumerate(results) for part in parts]
    for node_id, inner in read.items():
        links += [(value, f"input {name!r} of node {node_id}") for name, value in inner.inputs.items()]
    for value, where in links:
        if type(value) is Link:
            _check(read.get(value.node_id) or state.nodes.get(value.node_id), value, where)
    inside: dict[str, Known] = {}
    nodes = ChainMap(inside, state.nodes)
    inner_links = {node_id: links_of(inner.inputs.values()) for node_id, inner in read.items()}
    for node_id in _order(read, lambda node_id: (link for link in inner_links[node_id] if link in read)):
        title, node, inputs, origin = read[node_id]
        inside[node_id] = planner.know(node_id, title, node, inputs, nodes, origin=origin)
    ends = [node_id for node_id, known in inside.items() if known.schema.output_node]
    keep: dict[str, set[int]] = {}
    for source, slot in (part for parts in results for part in parts if type(part) is Link):
        keep.setdefault(source, set()).add(slot)
    keep |= {node_id: set() for node_id in ends if node_id not in keep}
    wanted = tuple(keep)
    steps, computes = _steps(planner, state, step, nodes, keep, (step.node_id,))
    shown = Entry((), expansion.ui, expansion.files, expansion.warnings, expansion.blocked)
    return Growth(Plan(steps, frozenset(wanted), nodes=inside), computes, results, wanted, shown)


def ask(planner: Planner, state: RunState, step: Step, links: Sequence[Link]) -> Growth:
    """Plan what `step`, which is running, asks for by these links, as far as it is not there.

    Raises DependencyCycleError where that waits for the step itself.
    """
    keep: dict[str, set[int]] = {}
    for source, slot in links:
        keep.setdefault(source, set()).add(slot)
    steps, computes = _steps(planner, state, step, state.nodes, keep, (step.node_id,), "asks for a value")
    return Growth(Plan(steps, frozenset(keep)), computes, parents=tuple(link.node_id for link in links))


def again(planner: Planner, state: RunState, step: Step) -> Growth:
    """Plan `step`, which is running, anew: what the cache had of it is gone."""
    slots = set(range(len(step.schema.outputs)))
    steps, computes = _steps(planner, state, step, state.nodes, {step.node_id: slots})
    return Growth(Plan(steps, frozenset([step.node_id])), computes)


def _steps(
    planner: Planner,
    state: RunState,
    step: Step,
    nodes: Mapping[str, Known],
    keep: Mapping[str, Collection[int]],
    open_: Collection[str] = (),
    what: str = "expanded into a graph",
) -> tuple[tuple[Step, ...], Mapping[bytes, str]]:
    """The steps for those slots that will not be there otherwise, and for what they need; and who computes which key.

    `open_` is the step if it waits for what is planned; `what` it does begins the message where that waits for it.
    """

    def alive(node_id: str, slots: Collection[int]) -> bool:
        if node_id in state.outputs and is_whole(state.outputs[node_id][slot] for slot in slots):
            return True
        if node_id == step.node_id:
            return False
        return node_id in state.running or (node_id in state.expanded and not state.waits(node_id, step.node_id))

    def sources(node_id: str) -> Iterator[str]:
        if node_id in state.expanded or node_id in open_:
            raise DependencyCycleError(f"{what} that waits for node {node_id}, which itself waits for it")
        known = nodes[node_id]
        links = [*known.takes, *planner.there(known, nodes)] if known.lazy else known.takes
        return (source for source, slot in links if not alive(source, (slot,)))

    missing = {node_id: slots for node_id, slots in keep.items() if not alive(node_id, slots)}
    order = _order(missing, sources)
    fresh: dict[bytes, str] = {}
    computes = ChainMap(fresh, state.computes)
    batch: set[str] = set()
    for node_id in order:
        digest = nodes[node_id].key.digest
        first = computes.get(digest, node_id)
        there = alive(first, range(len(nodes[first].schema.outputs)))
        if first in open_ or (first in state.expanded and not there):
            raise BadExpansion(f"expanded without end: node {node_id} is what node {first} is, with the same inputs")
        if first not in batch and not there:
            fresh[digest] = node_id
        batch.add(node_id)
    lost = step.node_id if step.node_id not in open_ else ""
    # From nodes that the run had before, others may take: which slots, is not known here.
    return tuple(planner.decide(order, missing, nodes, computes, lost, state.nodes)[0]), fresh


def _read(registry: Registry, known: Mapping[str, Known], step: Step, graph: Mapping[str, Any]) -> dict[str, _Inner]:
    """The nodes inside, by id; their ids must be new."""
    real = step.origin.real if step.origin is not None else step.node_id
    inside: dict[str, _Inner] = {}
    for node_id, node in graph.items():
        if not isinstance(node_id, str) or not isinstance(node, Mapping) or "class_type" not in node:
            raise BadExpansion(f"expanded into node {node_id!r}, which is no object with a class_type")
        # A node whose outputs were let go, and are asked for again, expands once more.
        origin = known[node_id].origin if node_id in known else None
        if node_id in known and (origin is None or origin.parent != step.node_id):
            raise DuplicateNodeError(f"expanded into a node {node_id!r}, an id that this run has already")
        class_type = node["class_type"]
        runnable = registry.find(class_type) if isinstance(class_type, str) else None
        if runnable is None:
            what, hint = registry.unknown(str(class_type))
            raise BadExpansion(f"expanded into node {node_id}: {what}", hint=hint)
        if isinstance(runnable, DescribedNode):
            raise DefinitionError(f"expanded into {class_type}, which cannot be run: {runnable.unavailable}")
        schema = runnable.schema
        if runnable.options.lowers is not None:
            raise BadExpansion(f"expanded into {class_type}, which stands for others and is replaced before a run")
        meta, given = node.get("_meta"), node.get("inputs") or {}
        if not isinstance(given, Mapping):
            raise BadExpansion(f"expanded into node {node_id}, whose inputs are a {type(given).__name__}")
        title = (meta.get("title") if isinstance(meta, Mapping) else "") or schema.display_name or class_type
        display = node.get("override_display_id") or step.node_id
        if display in known:
            display = known[display].display_id or display
        inputs = _inputs(node_id, runnable, given)
        inside[node_id] = _Inner(title, runnable, inputs, Origin(step.node_id, display, real))
    return inside


def _inputs(node_id: str, node: RunnableNode, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a node inside: links, and declared values; a value that a widget takes is coerced as ever."""
    inputs: dict[str, Any] = {}
    schema = node.schema
    by_name = schema.given(given)
    for name, value in given.items():
        value = linked(value)
        is_link = type(value) is Link
        if name in by_name and not is_link:
            socket = by_name[name].socket
            inputs[name] = socket.coerce(value) if socket.is_widget and type(value) in _PLAIN else unwrapped(value)
        elif name in by_name or node.takes_undeclared(name, linked=is_link):
            inputs[name] = value if is_link else unwrapped(value)
    missing = [name for name, spec in by_name.items() if spec.section == "required" and name not in inputs]
    if missing:
        where = f"node {node_id} ({schema.class_type})"
        raise BadExpansion(f"expanded into {where} without its input {missing[0]!r}")
    return inputs


_PLAIN = (bool, int, float, str)


def _check(known: Known | _Inner | None, link: Link, where: str) -> None:
    """Raise for a link that leads to no such node, or to no slot of it."""
    if known is None:
        raise BadExpansion(f"{where} of the expansion is linked to node {link.node_id!r}, which this run does not have")
    count = len(known.schema.outputs)
    if not 0 <= link.slot < count:
        there = f"slot {link.slot} of node {link.node_id}, which has {count}"
        raise BadExpansion(f"{where} of the expansion is linked to {there}")


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
                    path_of = " -> ".join(reversed(cycle))
                    raise DependencyCycleError(f"expanded into nodes that wait for each other: {path_of}")
                if source not in placed:
                    stack.append((source, sources(source)))
                    path[source] = None
                    break
            else:
                placed[node_id] = None
                del path[node_id]
                stack.pop()
    return list(placed)
