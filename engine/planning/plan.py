"""A plan is a value: which nodes run, in which order, under which keys, what the cache has, and why not the rest.

It holds no tensor, no code and no cache, only what was found out: so it can be printed, compared, sent to another
process, and run as often as one likes. Node classes are found by their names in the registry of the process that runs
it; what the cache had is a Manifest, and whether it is there still is seen when the run comes to it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from weft.engine.cache.protocol import Cache, CacheKey, Manifest, Recipe
from weft.engine.folders import Folders
from weft.engine.links import LINK, Link, links_of
from weft.engine.planning.digests import Digests, Sighting
from weft.engine.planning.lowering import Lowered
from weft.engine.planning.reasons import LOST, reason_of
from weft.engine.planning.signature import UNNAMED, KeyMaker
from weft.engine.schema.node import NodeSchema, RunnableNode
from weft.engine.schema.registry import Registry
from weft.engine.workflow.graph import PromptGraph
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


class Known(NamedTuple):
    """A node that a plan knows: of the workflow, or made by a node that expanded.

    `inputs` are coerced constants and Links, `lent` those of them of which only the link is taken, `lazy` those whose
    value is taken if the node asks for it. `version` tells the code that its key is about. `files` are those whose
    content is in the key, as they were then, by FOLDER/NAME. `part_of` is the node that was lowered to this one and
    others before the plan was made.
    """

    title: str
    schema: NodeSchema
    inputs: Mapping[str, Any]
    lent: tuple[str, ...]
    key: CacheKey
    version: str
    files: Mapping[str, Sighting]
    origin: Origin | None = None
    part_of: str = ""
    lazy: tuple[str, ...] = ()

    @property
    def display_id(self) -> str:
        """The node of the workflow that shows what this one does; empty where that is itself."""
        return self.origin.display if self.origin is not None else self.part_of

    @property
    def links(self) -> list[str]:
        """The nodes that it is linked to, one entry an input."""
        return links_of(self.inputs.values())

    @property
    def needs(self) -> list[str]:
        """Those whose value it takes in any case."""
        return [link.node_id for link in self.takes]

    @property
    def takes(self) -> list[Link]:
        """The links by which it takes a value in any case."""
        later = self.lent + self.lazy
        return [value for name, value in self.inputs.items() if type(value) is Link and name not in later]


class Step(NamedTuple):
    """One node of the plan. `inputs`, `version`, `origin`, `part_of` and `lazy` as in Known.

    `parents` are the nodes that it is linked to, and `needs` those whose values it waits for. `hit` is what the
    cache has of it; `twin` is an earlier step with the same key, whose outputs it shares; otherwise the node is called,
    because of `reason`, and `recipe` is then noted in the cache.
    """

    node_id: str
    title: str
    schema: NodeSchema
    inputs: Mapping[str, Any]
    key: CacheKey
    version: str = ""
    parents: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    hit: Manifest | None = None
    twin: str | None = None
    reason: str = ""
    recipe: Recipe | None = None
    origin: Origin | None = None
    part_of: str = ""
    lazy: tuple[str, ...] = ()

    @property
    def display_id(self) -> str:
        """The node of the workflow that shows what this one does; empty where that is itself."""
        return self.origin.display if self.origin is not None else self.part_of

    @property
    def cached(self) -> bool:
        """Whether the cache had its outputs."""
        return self.hit is not None

    @property
    def runs(self) -> bool:
        """Whether the node itself is called."""
        return self.hit is None and self.twin is None


@dataclass(frozen=True)
class Plan:
    """Steps in the order in which they run; `keep` are the nodes whose outputs the result holds.

    `pruned` are nodes that a target depends on and that need not run, since what they feed is in the cache; `deferred`
    those that run if need be: if a node asks for a lazy input, or one that expands makes use of a link that it got.
    `nodes` are all of these, by id, sources first. Two plans are equal if they do the same, whatever file their
    workflow was read from.
    """

    steps: tuple[Step, ...]
    keep: frozenset[str] = frozenset()
    pruned: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()
    nodes: Mapping[str, Known] = field(default_factory=dict, repr=False)
    lowered: Lowered = field(default_factory=lambda: Lowered(Prompt({}), Prompt({})), repr=False, compare=False)

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


class Planner:
    """What planning asks of its process: node classes, folders, digests of files, and the cache under its namespace.

    `facts` say what the namespace is made of, `scope` tells the workflow from others that have nodes of the same ids.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        folders: Folders,
        digests: Digests,
        cache: Cache,
        namespace: bytes = b"",
        facts: Mapping[str, Any] | None = None,
        scope: str = "",
    ) -> None:
        self.registry = registry
        self.folders = folders
        self.cache = cache
        self.namespace = namespace
        self.facts = dict(facts or {})
        self.scope = scope
        self.digests = digests
        self._maker = KeyMaker(folders, digests)

    def plan(self, prompt: Prompt | Lowered, targets: Iterable[str] = (), *, values: bool = True) -> Plan:
        """Plan a valid prompt: its output nodes, `targets` and what they need, less what the cache makes unnecessary.

        Of a lowered prompt, `targets` are nodes of the prompt that it was. Without `values` the cache is not asked for
        those of output nodes and targets. Raises MissingFile for a file that is named.
        """
        lowered = prompt if isinstance(prompt, Lowered) else Lowered(prompt, prompt)
        prompt, targets = lowered.prompt, lowered.targets(targets)
        keep: dict[str, Collection[int]] = dict.fromkeys(output_nodes(prompt, self.registry), ())
        keep |= {target: self._slots(prompt.nodes[target].class_type) if values else () for target in targets}
        order = PromptGraph(prompt).order(keep)
        nodes: dict[str, Known] = {}
        computes: dict[bytes, str] = {}
        for node_id in order:
            node = prompt.nodes[node_id]
            runnable = self.registry.runnable(node.class_type)
            title = title_of(prompt, node_id, self.registry)
            part_of = lowered.parts[node_id].whole if node_id in lowered.parts else ""
            inputs = coerced(node.inputs, runnable)
            known = nodes[node_id] = self.know(node_id, title, runnable, inputs, nodes, part_of=part_of)
            computes.setdefault(known.key.digest, node_id)
        steps, needed, deferred = self.decide(order, keep, nodes, computes, values=values)
        pruned = tuple(node_id for node_id in order if node_id not in needed and node_id not in deferred)
        return Plan(tuple(steps), frozenset(keep), pruned, deferred, nodes, lowered)

    def know(
        self,
        node_id: str,
        title: str,
        node: RunnableNode,
        inputs: Mapping[str, Any],
        others: Mapping[str, Known],
        *,
        origin: Origin | None = None,
        part_of: str = "",
    ) -> Known:
        """A node, with its key; `others` holds those that it is linked to. Raises MissingFile for a file it names."""
        key, files = self._maker.key(node_id, node, inputs, others)
        lent = tuple(name for name, how in node.links.items() if how == LINK) if node.links else ()
        lazy = node.lazy(inputs) if node.wants is not None else ()
        return Known(title, node.schema, inputs, lent, key, node.implementation, files, origin, part_of, lazy)

    def address(self, schema: NodeSchema, key: CacheKey) -> bytes:
        """The key under which the cache has what a node gives.

        For an output node the folders that it writes to are in it: in another one its files are others.
        """
        return (self._placed if schema.output_node else self.namespace) + key.digest

    @cached_property
    def _placed(self) -> bytes:
        """The namespace of what writes files: where it writes them is part of it."""
        places = b"".join(os.fsencode(root) + b"\0" for root in self._roots)
        return hashlib.blake2b(self.namespace + places, digest_size=32).digest()

    @cached_property
    def _roots(self) -> tuple[Path, ...]:
        """The folders that a run writes to."""
        # Not Path.resolve, which raises for a link that leads to itself.
        return tuple(Path(os.path.realpath(folder)) for folder in (self.folders.output, self.folders.temp))

    def find(self, schema: NodeSchema, key: CacheKey) -> Manifest | None:
        """What the cache has of a node, whether its files are there or not."""
        return None if key.volatile else self.cache.lookup(self.address(schema, key))

    def _slots(self, class_type: str) -> range:
        return range(len(self.registry.runnable(class_type).schema.outputs))

    def decide(
        self,
        order: Sequence[str],
        keep: Mapping[str, Collection[int]],
        nodes: Mapping[str, Known],
        computes: Mapping[bytes, str],
        lost: str = "",
        whole: Collection[str] = (),
        values: bool = False,
    ) -> tuple[list[Step], Collection[str], tuple[str, ...]]:
        """The steps for nodes, sources first; the nodes that are needed, and those that may turn out to be.

        `keep` says of the nodes that are needed in any case of which slots the value is. `computes` says for each key
        which node computes it. Backwards, every consumer is decided before the nodes that it takes from, so it is known
        which slots of these are taken: a hit has them all. Above a hit, nothing is needed; what is lazy is needed if it
        is a hit. A node that is `lost` is no
        hit, whatever the cache says of it. Of the nodes `whole`, others may take as well: a hit has every slot. With
        `values`, of those to `keep` it has every slot that the cache has.
        """
        steps: list[Step] = []
        needed = {node_id: set(slots) for node_id, slots in keep.items()}
        shown = set(keep) if values else set()
        later: set[str] = set()
        for node_id in reversed(order):
            if node_id in needed:
                slots, count = needed[node_id], len(nodes[node_id].schema.outputs)
                if node_id in whole:
                    slots.update(range(count))
                idle: tuple[int, ...] = ()
                if len(slots) < count and node_id not in shown:
                    idle = tuple([slot for slot in range(count) if slot not in slots])
                step = self._decide(node_id, nodes, computes, node_id == lost, slots, idle)
                steps.append(step)
                if step.twin is not None:
                    needed.setdefault(step.twin, set()).update(slots)
                    if node_id in shown:
                        shown.add(step.twin)
                elif step.needs:
                    for source, slot in nodes[node_id].takes:
                        needed.setdefault(source, set()).add(slot)
                if step.lazy and step.runs:
                    there = self.there(nodes[node_id], nodes)
                    steps[-1] = step = step._replace(needs=(*step.needs, *(link.node_id for link in there)))
                    for source, slot in there:
                        needed.setdefault(source, set()).add(slot)
                if step.needs is not step.parents:
                    later.update(step.parents)
            elif node_id in later:
                later.update(nodes[node_id].links)
        steps.reverse()
        return steps, needed, tuple(node_id for node_id in order if node_id in later and node_id not in needed)

    def _decide(
        self,
        node_id: str,
        nodes: Mapping[str, Known],
        computes: Mapping[bytes, str],
        lost: bool,
        slots: Collection[int],
        idle: tuple[int, ...],
    ) -> Step:
        """The step of a node of which these slots are taken; those that are `idle` a hit need not have."""
        known = nodes[node_id]
        title, schema, given, lent, key, version, _, origin, part_of, lazy = known
        node = (node_id, title, schema, given, key, version)
        first = computes[key.digest]
        if first != node_id:
            return Step(*node, (first,), (first,), None, first, "", None, origin, part_of)
        hit = self.find(schema, key) if not lost else None
        astray = self.astray(hit) or _lacking(hit, schema, slots) if hit is not None else ""
        if hit is not None and not astray:
            if idle:
                hit = Manifest(hit.key, hit.files, hit.contents, idle)
            return Step(*node, (), (), hit, None, "", None, origin, part_of)
        recipe = self.recipe(node_id, nodes)
        reason = key.volatile or astray or (LOST if lost else "")
        reason = reason or reason_of(recipe, self.cache.recall(self.place(node_id)))
        parents = tuple(known.links)
        needs = tuple(known.needs) if lent or lazy else parents
        return Step(*node, parents, needs, None, None, reason, recipe, origin, part_of, lazy)

    def there(self, known: Known, nodes: Mapping[str, Known]) -> list[Link]:
        """The links of the lazy inputs of a node that lead to what the cache has as a whole: these are taken."""
        found = []
        for link in (known.inputs[name] for name in known.lazy):
            source = nodes[link.node_id]
            hit = self.find(source.schema, source.key)
            if hit is not None and not hit.absent and self.still_there(hit):
                found.append(link)
        return found

    def recipe(self, node_id: str, nodes: Mapping[str, Known]) -> Recipe:
        """What a node is computed from."""
        title, schema, given, _, key, version, files, *_ = nodes[node_id]
        links = {name: nodes[value.node_id].key.digest for name, value in given.items() if type(value) is Link}
        digests = {name: seen.digest for name, seen in files.items()} if files else _NO_DIGESTS
        return Recipe(schema.class_type, version, given, links, key.digest, digests, self.facts, title)

    def place(self, node_id: str) -> str:
        """What a node is called where recipes are kept: another workflow may have a node of this id."""
        return self.scope + node_id

    def touched(self, known: Known) -> list[Path]:
        """The files in a node's key that somebody has touched since: what it reads may be something else."""
        return [seen.path for seen in known.files.values() if not self.digests.holds(seen)]

    def models(self, nodes: Mapping[str, Known]) -> dict[str, str]:
        """The digests of the files that these nodes name, by FOLDER/NAME; of those that still hold."""
        found: dict[str, str] = {}
        for known in nodes.values():
            touched = self.touched(known)
            named = ((name, seen) for name, seen in known.files.items() if not name.startswith(UNNAMED))
            found.update({name: seen.digest.hex() for name, seen in named if seen.path not in touched})
        return dict(sorted(found.items()))

    def still_there(self, hit: Manifest) -> bool:
        """Whether the files that a cached node wrote, if any, are where this run would write them."""
        return not self.astray(hit)

    def astray(self, hit: Manifest) -> str:
        """What has become of the files that a cached node wrote; empty if they are where this run would write them."""
        if not hit.files:
            return ""
        files = [Path(os.path.realpath(file)) for file in hit.files]
        if not all(file.is_file() and any(file.is_relative_to(root) for root in self._roots) for file in files):
            return _GONE
        try:
            same = all(self.digests.of(file) == was for file, was in zip(files, hit.contents, strict=False))
        except OSError:
            return _GONE
        return "" if same else _OTHERS


_NO_DIGESTS: Mapping[str, bytes] = {}
_GONE = "the files that it wrote are gone"
_OTHERS = "the files that it wrote have changed"


def _lacking(hit: Manifest, schema: NodeSchema, slots: Collection[int]) -> str:
    """What a hit has not and is taken of it; empty if it has it all."""
    lacking = next((slot for slot in hit.absent if slot in slots), None) if hit.absent else None
    return "" if lacking is None else f"its output {schema.outputs[lacking].name} is kept by no cache on the disk"
