"""ExecutionPlan: which nodes run, in which order, under which keys, what the cache has, and why not the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from weft.engine.cache.memory import Cache, Entry, Recipe
from weft.engine.folders import Folders
from weft.engine.links import LINK, Link
from weft.engine.planning.digests import Digests
from weft.engine.planning.lowering import Lowered
from weft.engine.planning.signature import UNNAMED, CacheKey, KeyMaker
from weft.engine.schema.node import NodeSchema, RunnableNode
from weft.engine.schema.registry import Registry
from weft.engine.workflow.graph import Graph
from weft.engine.workflow.overrides import title_of
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import coerced, output_nodes


class Origin(NamedTuple):
    """Where a node comes from that is not of the workflow.

    `parent` expanded into it; `display` is the node of the workflow that shows it, `real` the one that it is part of.
    """

    parent: str
    display: str
    real: str


class Step(NamedTuple):
    """One node of the plan. `inputs` are coerced constants and Links; `parents` the nodes that it takes from, by link.

    `cached` says that the plan has its outputs; `twin` is an earlier step with the same key, whose outputs it shares;
    otherwise the node is called, because of `reason`, and `recipe` is then noted in the cache. `part_of` is the node
    that was lowered to this one and others before the plan was made.
    """

    node_id: str
    title: str
    node: RunnableNode
    inputs: Mapping[str, Any]
    key: CacheKey
    parents: tuple[str, ...] = ()
    cached: bool = False
    twin: str | None = None
    reason: str = ""
    recipe: Recipe | None = None
    origin: Origin | None = None
    part_of: str = ""

    @property
    def schema(self) -> NodeSchema:
        """What its class declares."""
        return self.node.schema

    @property
    def display_id(self) -> str:
        """The node of the workflow that shows what this one does; empty where that is itself."""
        return self.origin.display if self.origin is not None else self.part_of

    @property
    def runs(self) -> bool:
        """Whether the node itself is called."""
        return not self.cached and self.twin is None


@dataclass(frozen=True)
class ExecutionPlan:
    """Steps in the order in which they run; `keep` are the nodes whose outputs the result holds.

    `pruned` are nodes that a target depends on and that need not run, since what they feed is in the cache; `deferred`
    those of which only links are taken: they run if a node that expands makes use of such a link. The planner holds the
    outputs of the cached steps: the executor takes them out, so that a run releases them too, and a plan runs once.
    """

    steps: tuple[Step, ...]
    keep: frozenset[str]
    pruned: tuple[str, ...]
    deferred: tuple[str, ...]
    planner: Planner = field(repr=False)
    namespace: bytes = b""
    prompt: Prompt = field(default_factory=lambda: Prompt({}), repr=False)
    lowered: Lowered = field(default_factory=lambda: Lowered(Prompt({}), Prompt({})), repr=False)

    @property
    def hits(self) -> dict[str, Entry]:
        """The outputs of the cached steps that were not taken out yet."""
        return self.planner.hits

    def models(self) -> dict[str, str]:
        """The digests of the files that its nodes name, pruned ones too, by FOLDER/NAME; of those that still hold."""
        return self.planner.models()

    def __str__(self) -> str:
        lines = []
        for step in self.steps:
            action = "run   " if step.runs else "cached" if step.cached else "same  "
            why = step.reason if step.runs else f"as node {step.twin}" if step.twin is not None else ""
            inner = "  " if step.part_of else ""
            lines.append(f"{action} {inner}{step.node_id:>4} {step.title}{f': {why}' if why else ''}")
        if self.pruned:
            lines.append(f"not needed: {', '.join(self.pruned)}")
        if self.deferred:
            lines.append(f"if need be: {', '.join(self.deferred)}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON data; `settings` are those that the prompt itself asks for."""
        steps = [
            {
                "node_id": step.node_id,
                "class_type": step.schema.class_type,
                "title": step.title,
                "key": step.key.digest.hex(),
                "action": "run" if step.runs else "cached" if step.cached else "same",
                "reason": step.reason,
                "inputs": {n: list(v) if type(v) is Link else v for n, v in step.inputs.items()},
                **({"twin": step.twin} if step.twin is not None else {}),
                **({"part_of": step.part_of} if step.part_of else {}),
            }
            for step in self.steps
        ]
        settings = {"settings": dict(self.lowered.settings)} if self.lowered.settings else {}
        return {"steps": steps, "pruned": list(self.pruned), "deferred": list(self.deferred), **settings}


class Known(NamedTuple):
    """A node that a run knows: of the workflow, or made by a node that expanded. `inputs` as in a Step."""

    title: str
    node: RunnableNode
    inputs: Mapping[str, Any]
    origin: Origin | None = None
    part_of: str = ""

    @property
    def schema(self) -> NodeSchema:
        """What its class declares."""
        return self.node.schema


class Planner:
    """What planning knows of one run's nodes: the workflow's, and those that expanding nodes add while it runs.

    `keys` has the key of each, `first_of` for each key the node that computes it, `hits` what the cache gave.
    `grown` says that a node has expanded.
    """

    def __init__(
        self, registry: Registry, *, folders: Folders, digests: Digests, cache: Cache, namespace: bytes = b""
    ) -> None:
        self.registry = registry
        self.known: dict[str, Known] = {}
        self.keys: dict[str, CacheKey] = {}
        self.first_of: dict[bytes, str] = {}
        self.hits: dict[str, Entry] = {}
        self.grown = False
        self._namespace = namespace
        self._maker = KeyMaker(folders, digests)
        self._folders = folders
        self._cache = cache

    def learn(self, node_id: str, known: Known) -> CacheKey:
        """Make a node known whose sources are known. Raises MissingFile for a file that it names."""
        self.known[node_id] = known
        key = self.keys[node_id] = self._maker.key(node_id, known.node, known.inputs, self.keys)
        return key

    def touched(self, node_id: str) -> list[Path]:
        """The files in the node's key that somebody has touched since it was made."""
        return self._maker.touched(node_id)

    def models(self) -> dict[str, str]:
        """As ExecutionPlan.models."""
        found: dict[str, str] = {}
        for node_id, files in self._maker.files.items():
            touched = self.touched(node_id)
            named = ((name, seen) for name, seen in files.items() if not name.startswith(UNNAMED))
            found.update({name: seen.digest.hex() for name, seen in named if seen.path not in touched})
        return dict(sorted(found.items()))

    def entry(self, key: CacheKey) -> Entry | None:
        """What the cache has under the key, whether its files are there or not."""
        return None if key.volatile else self._cache.get(self._namespace + key.digest)

    def decide(self, order: Sequence[str], keep: Collection[str]) -> tuple[list[Step], set[str], tuple[str, ...]]:
        """The steps for known nodes, sources first; the nodes that are needed, and those that may turn out to be.

        Backwards, every consumer is decided before the nodes that it takes from; above a hit, nothing is needed.
        """
        steps: list[Step] = []
        needed = set(keep)
        later: set[str] = set()
        for node_id in reversed(order):
            if node_id in needed:
                step = self._decide(node_id)
                steps.append(step)
                if step.node.links and step.runs:
                    for name, value in step.inputs.items():
                        if type(value) is Link:
                            (later if step.node.links.get(name) == LINK else needed).add(value.node_id)
                else:
                    needed.update(step.parents)
            elif node_id in later:
                later.update(value.node_id for value in self.known[node_id].inputs.values() if type(value) is Link)
        steps.reverse()
        return steps, needed, tuple(node_id for node_id in order if node_id in later and node_id not in needed)

    def _decide(self, node_id: str) -> Step:
        title, runnable, given, origin, part_of = self.known[node_id]
        key = self.keys[node_id]
        node = (node_id, title, runnable, given, key)
        first = self.first_of[key.digest]
        if first != node_id:
            return Step(*node, (first,), twin=first, origin=origin, part_of=part_of)
        entry = self.entry(key)
        if entry is not None and self.still_there(entry):
            self.hits[node_id] = entry
            return Step(*node, cached=True, origin=origin, part_of=part_of)
        recipe = _recipe(runnable, given, self.keys, key)
        reason = key.volatile or (_GONE if entry is not None else _reason(recipe, self._cache.recall(node_id)))
        parents = tuple(value.node_id for value in given.values() if type(value) is Link)
        return Step(*node, parents, reason=reason, recipe=recipe, origin=origin, part_of=part_of)

    def still_there(self, entry: Entry) -> bool:
        """Whether the files that a cached node wrote, if any, are where this run would write them."""
        if not entry.files:
            return True
        roots = [folder.resolve() for folder in (self._folders.output, self._folders.temp)]
        files = [file.resolve() for file in entry.files]
        return all(file.is_file() and any(file.is_relative_to(root) for root in roots) for file in files)


def make_plan(
    prompt: Prompt | Lowered,
    registry: Registry,
    *,
    folders: Folders,
    digests: Digests,
    cache: Cache,
    targets: Iterable[str] = (),
    namespace: bytes = b"",
) -> ExecutionPlan:
    """Plan a valid prompt: its output nodes, `targets` and what they need, less what the cache makes unnecessary.

    Of a lowered prompt, `targets` are nodes of the prompt that it was.
    """
    lowered = prompt if isinstance(prompt, Lowered) else Lowered(prompt, prompt)
    prompt, targets = lowered.prompt, lowered.targets(targets)
    keep = dict.fromkeys([*output_nodes(prompt, registry), *targets])
    planner = Planner(registry, folders=folders, digests=digests, cache=cache, namespace=namespace)
    order = Graph(prompt).order(keep)
    for node_id in order:
        node = prompt.nodes[node_id]
        runnable = registry.runnable(node.class_type)
        title = title_of(prompt, node_id, registry)
        part_of = lowered.parts[node_id].whole if node_id in lowered.parts else ""
        known = Known(title, runnable, coerced(node.inputs, runnable), part_of=part_of)
        key = planner.learn(node_id, known)
        planner.first_of.setdefault(key.digest, node_id)
    steps, needed, deferred = planner.decide(order, keep)
    pruned = tuple(node_id for node_id in order if node_id not in needed and node_id not in deferred)
    return ExecutionPlan(tuple(steps), frozenset(keep), pruned, deferred, planner, namespace, prompt, lowered)


_GONE = "the files that it wrote are gone"


def _recipe(node: RunnableNode, inputs: Mapping[str, Any], keys: Mapping[str, CacheKey], key: CacheKey) -> Recipe:
    links = {name: keys[value.node_id].digest for name, value in inputs.items() if type(value) is Link}
    return Recipe(node.schema.class_type, node.version + node.code, inputs, links, key.digest)


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
