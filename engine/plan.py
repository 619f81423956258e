"""ExecutionPlan: which nodes run, in which order, under which keys, what the cache has, and why not the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.cache import Cache, Entry, Recipe
from engine.definition import NodeDefinition
from engine.digests import Digests
from engine.folders import Folders
from engine.graph import Graph
from engine.overrides import title_of
from engine.prompt import Link, Prompt
from engine.registry import Registry
from engine.signature import CacheKey, KeyMaker
from engine.validation import constant, output_nodes


@dataclass(frozen=True, slots=True)
class Step:
    """One node of the plan. `inputs` are coerced constants and Links.

    `entry` is what the cache has for it; `twin` is an earlier step with the same key, whose outputs it shares;
    otherwise the node is called, because of `reason`.
    """

    node_id: str
    title: str
    definition: NodeDefinition
    inputs: Mapping[str, Any]
    key: CacheKey
    recipe: Recipe
    reason: str = ""
    entry: Entry | None = None
    twin: str | None = None

    @property
    def runs(self) -> bool:
        """Whether the node itself is called."""
        return self.entry is None and self.twin is None

    @property
    def parents(self) -> Iterator[str]:
        """The nodes whose outputs this step takes, once for each link."""
        if self.twin is not None:
            yield self.twin
        elif self.entry is None:
            yield from (value.node_id for value in self.inputs.values() if type(value) is Link)


@dataclass(frozen=True)
class ExecutionPlan:
    """Steps in the order in which they run; `keep` are the nodes whose outputs the result holds.

    `pruned` are nodes that a target depends on and that need not run, since what they feed is in the cache. `recipes`
    are noted in the cache once their step is done.
    """

    steps: tuple[Step, ...]
    keep: frozenset[str]
    pruned: tuple[str, ...]
    namespace: bytes = b""
    prompt: Prompt = field(default_factory=lambda: Prompt({}), repr=False)

    def __str__(self) -> str:
        lines = []
        for step in self.steps:
            action = "run   " if step.runs else "cached" if step.entry is not None else "same  "
            why = step.reason if step.runs else f"as node {step.twin}" if step.twin is not None else ""
            lines.append(f"{action} {step.node_id:>4} {step.title}{f': {why}' if why else ''}")
        if self.pruned:
            lines.append(f"not needed: {', '.join(self.pruned)}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON data."""
        steps = [
            {
                "node_id": step.node_id,
                "class_type": step.definition.class_type,
                "title": step.title,
                "key": step.key.digest.hex(),
                "action": "run" if step.runs else "cached" if step.entry is not None else "same",
                "reason": step.reason,
                **({"twin": step.twin} if step.twin is not None else {}),
            }
            for step in self.steps
        ]
        return {"steps": steps, "pruned": list(self.pruned)}


def make_plan(
    prompt: Prompt,
    registry: Registry,
    *,
    folders: Folders,
    digests: Digests,
    cache: Cache,
    targets: Iterable[str] = (),
    namespace: bytes = b"",
) -> ExecutionPlan:
    """Plan a valid prompt: its output nodes, `targets` and what they need, less what the cache makes unnecessary."""
    keep = dict.fromkeys([*output_nodes(prompt, registry), *targets])
    maker = KeyMaker(folders, digests)
    steps: dict[str, Step] = {}
    keys: dict[str, CacheKey] = {}
    first_of: dict[bytes, str] = {}
    for node_id in Graph(prompt).order(keep):
        node = prompt.nodes[node_id]
        definition = registry[node.class_type]
        inputs = _resolve(node.inputs, definition)
        key = keys[node_id] = maker.key(node_id, definition, inputs, keys)
        first = first_of.setdefault(key.digest, node_id)
        links = {name: keys[value.node_id].digest for name, value in inputs.items() if type(value) is Link}
        version = definition.implementation.version if definition.implementation else ""
        recipe = Recipe(definition.class_type, version, inputs, links, key.digest)
        title = title_of(prompt, node_id, registry)
        twin = None if first == node_id else first
        steps[node_id] = Step(node_id, title, definition, inputs, key, recipe, twin=twin)
    return _prune(prompt, steps, keep, cache, namespace, folders)


def _resolve(given: Mapping[str, Any], definition: NodeDefinition) -> dict[str, Any]:
    """The inputs that the node gets: declared ones, coerced, and undeclared links; undeclared constants are dropped."""
    by_name = definition.by_name
    inputs: dict[str, Any] = {}
    for name, value in given.items():
        if type(value) is Link:
            inputs[name] = value
        elif name in by_name:
            inputs[name] = by_name[name].socket.coerce(constant(value))
    return inputs


def _prune(
    prompt: Prompt, steps: dict[str, Step], keep: Mapping[str, None], cache: Cache, namespace: bytes, folders: Folders
) -> ExecutionPlan:
    """Walk from the targets up to what the cache has; what lies above that is not needed."""
    needed: set[str] = set()
    found: dict[str, Step] = {}
    # Steps are in topological order: backwards, every consumer is decided before the nodes that it takes from.
    for node_id in reversed(steps):
        step = steps[node_id]
        if node_id not in needed and node_id not in keep:
            continue
        if step.twin is None:
            entry = None if step.key.volatile else cache.get(namespace + step.key.digest)
            if entry is not None and entry.files and not _still_there(entry, folders):
                step = replace(step, reason="the files that it wrote are gone")
            elif entry is not None:
                step = replace(step, entry=entry)
            else:
                step = replace(step, reason=step.key.volatile or _reason(step.recipe, cache.recall(node_id)))
        found[node_id] = step
        needed.update(step.parents)
    ordered = tuple(found[node_id] for node_id in steps if node_id in found)
    pruned = tuple(node_id for node_id in steps if node_id not in found)
    return ExecutionPlan(ordered, frozenset(keep), pruned, namespace, prompt)


def _still_there(entry: Entry, folders: Folders) -> bool:
    """Whether the files of a cached output node are where this run would write them."""
    roots = [folder.resolve() for folder in (folders.output, folders.temp)]
    files = [file.resolve() for file in entry.files]
    return all(file.is_file() and any(file.is_relative_to(root) for root in roots) for file in files)


def _reason(now: Recipe, last: Recipe | None) -> str:
    """Why a node runs: the first thing that differs from the last time."""
    if last is None:
        return "not computed before"
    if last.key == now.key:
        return "the cache dropped it"
    if last.class_type != now.class_type:
        return f"the node was a {last.class_type}"
    if last.version != now.version:
        return f"the implementation of {now.class_type} changed"
    for name in dict.fromkeys([*now.inputs, *last.inputs]):
        if name not in last.inputs:
            return f"input {name!r} is new"
        if name not in now.inputs:
            return f"input {name!r} is gone"
        before, after = last.inputs[name], now.inputs[name]
        if type(before) is not type(after) or before != after:
            return f"input {name!r} changed: {_brief(before)} -> {_brief(after)}"
    for name, key in now.links.items():
        if last.links.get(name) != key:
            return f"input {name!r} comes from node {now.inputs[name].node_id}, which changed"
    return "a file that it names changed"


def _brief(value: Any) -> str:
    text = f"node {value.node_id} slot {value.slot}" if type(value) is Link else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
