"""Two workflows compared by what they mean: the prompts that they are, or that the editor would make of them.

Ids, positions and the order of nodes are no difference; of two saves of the editor, a node that one of them mutes or
bypasses is told from one that it has not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from weft.engine.comparing.graphs import ADDED, REMOVED, GraphComparison, GraphDifference, compare_graphs
from weft.engine.comparing.matching import match
from weft.engine.comparing.reading import ComparedNode, compared, schema_of
from weft.engine.documents import value_at
from weft.engine.errors import InvalidWorkflow
from weft.engine.formats.canvases import BYPASSED, MUTED
from weft.engine.formats.widgets import SEED_NAMES, has_control
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import Prompt

KINDS: Mapping[str, tuple[str, str]] = {
    "seed": ("seed changed", "seeds changed"),
    "input": ("input changed", "inputs changed"),
    "link": ("link rewired", "links rewired"),
    "class": ("class replaced", "classes replaced"),
    ADDED: ("node added", "nodes added"),
    REMOVED: ("node removed", "nodes removed"),
    "bypassed": ("node bypassed", "nodes bypassed"),
    "muted": ("node muted", "nodes muted"),
    "activated": ("node no longer muted or bypassed", "nodes no longer muted or bypassed"),
}
"""What a difference can be, and how one and several of them are called."""
_OFF = {MUTED: "muted", BYPASSED: "bypassed"}


@dataclass(frozen=True)
class DiffSide:
    """One of the two workflows. `nodes` are those that would run; a side that is not there has none."""

    name: str
    prompt: Prompt = field(default_factory=lambda: Prompt({}), repr=False)
    workflow: Workflow | None = None
    nodes: Mapping[str, ComparedNode] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, name: str, loaded: Prompt | Workflow, registry: Registry, now: datetime | None = None) -> DiffSide:
        """Read a workflow. `now` is what `%date%` means. Raises InvalidWorkflow where no prompt can be made of it."""
        if isinstance(loaded, Prompt):
            return cls(name, loaded, None, _nodes(loaded, registry))
        from weft.engine.formats.conversion import to_prompt  # which takes its time

        prompt = to_prompt(loaded, registry, keep_unknown=True, now=now)
        return cls(name, prompt, loaded, _nodes(prompt, registry))

    def off(self, registry: Registry) -> tuple[Mapping[str, ComparedNode], Mapping[str, str]]:
        """All nodes of a save as if none were muted or bypassed, and what those are that are, by id."""
        modes: dict[str, str] = {}
        if self.workflow is None:
            return self.nodes, modes
        document = deepcopy(self.workflow.document)
        if not _switch_on(document):
            return self.nodes, modes
        from weft.engine.formats.conversion import to_prompt

        try:
            prompt = to_prompt(Workflow.parse(document), registry, keep_unknown=True)
        except InvalidWorkflow:  # what is off may be broken: nobody runs it
            return self.nodes, modes
        for node_id in prompt.nodes.keys() - self.nodes.keys():
            modes[node_id] = self._mode(prompt, node_id)
        return _nodes(prompt, registry), modes

    def _mode(self, prompt: Prompt, node_id: str) -> str:
        """How a node is off: itself, or with the subgraph around it."""
        assert self.workflow is not None
        outer = node_id.partition(":")[0]
        around = (each for each in self.workflow.canvas.nodes if each.id == outer)
        modes = [value_at(self.workflow.document, prompt.at(node_id)).get("mode"), *(each.mode for each in around)]
        return next((_OFF[mode] for mode in modes if mode in _OFF), "bypassed")


@dataclass(frozen=True)
class WorkflowDiff:
    """Two workflows, and what differs in meaning, by node: first the nodes of now, then what is gone."""

    before: DiffSide
    now: DiffSide
    graphs: GraphComparison[ComparedNode] = field(repr=False)
    differences: tuple[GraphDifference, ...]

    @property
    def differs(self) -> bool:
        """Whether they mean something else."""
        return bool(self.differences)

    @property
    def seeds_only(self) -> bool:
        """Whether they would draw the same, but for the noise."""
        return self.differs and all(each.kind == "seed" for each in self.differences)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many differences there are of each kind; what follows from another one is not counted."""
        counts = Counter(each.kind for each in self.differences if each.follows is None)
        return {kind: counts[kind] for kind in KINDS if counts[kind]}

    def by_node(self) -> Iterator[tuple[GraphDifference, list[GraphDifference]]]:
        """The differences of each node, under the first of them."""
        groups: dict[tuple[str, str], list[GraphDifference]] = {}
        for each in self.differences:
            groups.setdefault((each.old, each.new), []).append(each)
        return ((group[0], group) for group in groups.values())

    def node(self, each: GraphDifference) -> ComparedNode:
        """The node that a difference is about, as it is now, or as it was if it is gone."""
        return self.now.nodes[each.new] if each.new in self.now.nodes else self.before.nodes[each.old]

    def values(self, each: GraphDifference) -> tuple[Any, Any]:
        """What an input held before and holds now: a constant, {"from": [id, slot]} of a link, or None for nothing."""
        name = each.change.input if each.change is not None else ""
        return _held(self.before.nodes[each.old], name), _held(self.now.nodes[each.new], name)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "status": "differ" if self.differs else "same",
            "seeds_only": self.seeds_only,
            "before": {"name": self.before.name, "nodes": len(self.before.nodes)},
            "now": {"name": self.now.name, "nodes": len(self.now.nodes)},
            "counts": self.counts,
            "differences": [self._json(each) for each in self.differences],
        }

    def _json(self, each: GraphDifference) -> dict[str, Any]:
        node = self.node(each)
        about: dict[str, Any] = {
            "kind": each.kind,
            "node": {"before": each.old or None, "now": each.new or None},
            "title": node.title,
            "class_type": node.class_type,
        }
        if each.kind == "class":
            return {**about, "before": self.before.nodes[each.old].class_type, "now": node.class_type}
        if each.change is None:
            links = {name: list(link) for name, link in node.links.items()}
            return {**about, "inputs": dict(node.inputs), "links": links}
        before, now = self.values(each)
        follows = {} if each.follows is None else {"follows": dict(zip(("before", "now"), each.follows, strict=True))}
        return {**about, "input": each.change.input, "before": before, "now": now, **follows}


def diff_workflows(before: DiffSide, now: DiffSide, registry: Registry) -> WorkflowDiff:
    """Compare two workflows."""
    if before.workflow is not None and now.workflow is not None:
        # What the editor draws or writes anew each time it queues is compared as it was typed.
        before, now = (replace(side, nodes=_typed(side.nodes, side.prompt)) for side in (before, now))
    graphs = compare_graphs(before.nodes, now.nodes)
    seeds = {"input": "seed"}
    found = [
        replace(each, kind=seeds[each.kind]) if each.kind in seeds and _is_seed(now, each, registry) else each
        for each in graphs.differences
    ]
    return WorkflowDiff(before, now, graphs, tuple(_switched(before, now, found, registry)))


def _nodes(prompt: Prompt, registry: Registry) -> dict[str, ComparedNode]:
    return {node_id: compared(prompt, node_id, registry) for node_id in prompt.nodes}


def _typed(nodes: Mapping[str, ComparedNode], prompt: Prompt) -> dict[str, ComparedNode]:
    found = dict(nodes)
    for (node_id, name), text in prompt.typed.items():
        found[node_id] = replace(found[node_id], inputs={**found[node_id].inputs, name: text})
    return found


def _is_seed(now: DiffSide, each: GraphDifference, registry: Registry) -> bool:
    node, name = now.nodes[each.new], each.change.input if each.change is not None else ""
    if name in node.links:
        return False
    schema = schema_of(node.class_type, registry)
    spec = schema.by_name.get(name) if schema is not None else None
    return name in SEED_NAMES or (spec is not None and has_control(spec))


def _switched(
    before: DiffSide, now: DiffSide, differences: list[GraphDifference], registry: Registry
) -> Iterator[GraphDifference]:
    """The differences, in which nodes that are muted or bypassed on one side are no more only on the other."""
    gone = any(each.kind in (ADDED, REMOVED) for each in differences)
    (old, old_off), (new, new_off) = (side.off(registry) if gone else ({}, {}) for side in (before, now))
    if not old_off and not new_off:
        yield from differences
        return
    partners = match(old, new).pairs
    inverse = {a: b for b, a in partners.items()}
    for each in differences:
        if each.kind == REMOVED and (mode := new_off.get(inverse.get(each.old, ""))):
            yield replace(each, kind=mode, new=inverse[each.old])
        elif each.kind == ADDED and partners.get(each.new, "") in old_off:
            yield replace(each, kind="activated", old=partners[each.new])
        else:
            yield each


def _switch_on(document: dict[str, Any]) -> bool:
    """Have every node of a save run; says whether one did not."""
    found = False
    todo: list[Any] = [document]
    while todo:
        canvas = todo.pop()
        definitions = canvas.get("definitions") if isinstance(canvas, dict) else None
        inner = definitions.get("subgraphs") if isinstance(definitions, dict) else None
        todo += inner if isinstance(inner, list) else []
        nodes = canvas.get("nodes") if isinstance(canvas, dict) else None
        for node in nodes if isinstance(nodes, list) else ():
            if isinstance(node, dict) and node.get("mode") in _OFF:
                node["mode"] = 0
                found = True
    return found


def _held(node: ComparedNode, name: str) -> Any:
    return {"from": list(node.links[name])} if name in node.links else node.inputs.get(name)
