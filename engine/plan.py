"""ExecutionPlan: which nodes run, in which order, under which keys, what the cache has, and why not the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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


class Step(NamedTuple):
    """One node of the plan. `inputs` are coerced constants and Links; `parents` the nodes that it takes from, by link.

    `cached` says that the plan has its outputs; `twin` is an earlier step with the same key, whose outputs it shares;
    otherwise the node is called, because of `reason`, and `recipe` is then noted in the cache.
    """

    node_id: str
    title: str
    definition: NodeDefinition
    inputs: Mapping[str, Any]
    key: CacheKey
    parents: tuple[str, ...] = ()
    cached: bool = False
    twin: str | None = None
    reason: str = ""
    recipe: Recipe | None = None

    @property
    def runs(self) -> bool:
        """Whether the node itself is called."""
        return not self.cached and self.twin is None


@dataclass(frozen=True)
class ExecutionPlan:
    """Steps in the order in which they run; `keep` are the nodes whose outputs the result holds.

    `pruned` are nodes that a target depends on and that need not run, since what they feed is in the cache. `hits` are
    the outputs of the cached steps: the executor takes them out, so that a run releases them too, and a plan runs once.
    """

    steps: tuple[Step, ...]
    keep: frozenset[str]
    pruned: tuple[str, ...]
    hits: dict[str, Entry] = field(default_factory=dict, repr=False)
    namespace: bytes = b""
    prompt: Prompt = field(default_factory=lambda: Prompt({}), repr=False)

    def __str__(self) -> str:
        lines = []
        for step in self.steps:
            action = "run   " if step.runs else "cached" if step.cached else "same  "
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
                "action": "run" if step.runs else "cached" if step.cached else "same",
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
    inputs: dict[str, dict[str, Any]] = {}
    keys: dict[str, CacheKey] = {}
    first_of: dict[bytes, str] = {}
    for node_id in Graph(prompt).order(keep):
        node = prompt.nodes[node_id]
        definition = registry[node.class_type]
        given = inputs[node_id] = _resolve(node.inputs, definition)
        key = keys[node_id] = maker.key(node_id, definition, given, keys)
        first_of.setdefault(key.digest, node_id)

    steps: list[Step] = []
    hits: dict[str, Entry] = {}
    needed = set(keep)
    # Backwards, every consumer is decided before the nodes that it takes from; above a hit, nothing is needed.
    for node_id in reversed(inputs):
        if node_id not in needed:
            continue
        key, given = keys[node_id], inputs[node_id]
        definition = registry[prompt.nodes[node_id].class_type]
        step = Step(node_id, title_of(prompt, node_id, registry), definition, given, key)
        first = first_of[key.digest]
        entry = None
        if first == node_id and not key.volatile:
            entry = cache.get(namespace + key.digest)
        if first != node_id:
            step = step._replace(twin=first, parents=(first,))
        elif entry is not None and _still_there(entry, folders):
            hits[node_id] = entry
            step = step._replace(cached=True)
        else:
            recipe = _recipe(definition, given, keys, key)
            reason = key.volatile or (_GONE if entry is not None else _reason(recipe, cache.recall(node_id)))
            parents = tuple(value.node_id for value in given.values() if type(value) is Link)
            step = step._replace(parents=parents, reason=reason, recipe=recipe)
        steps.append(step)
        needed.update(step.parents)
    steps.reverse()
    pruned = tuple(node_id for node_id in inputs if node_id not in needed)
    return ExecutionPlan(tuple(steps), frozenset(keep), pruned, hits, namespace, prompt)


_GONE = "the files that it wrote are gone"


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


def _recipe(
    definition: NodeDefinition, inputs: Mapping[str, Any], keys: Mapping[str, CacheKey], key: CacheKey
) -> Recipe:
    links = {name: keys[value.node_id].digest for name, value in inputs.items() if type(value) is Link}
    version = definition.implementation.version if definition.implementation else ""
    return Recipe(definition.class_type, version, inputs, links, key.digest)


def _still_there(entry: Entry, folders: Folders) -> bool:
    """Whether the files that a cached node wrote, if any, are where this run would write them."""
    if not entry.files:
        return True
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
