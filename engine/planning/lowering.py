"""Prompt -> Prompt, before anything is planned: a node that stands for several others is replaced by them.

A node class says so itself: `lowers`, always, or one of its `passes`, when the run asks for it (schema/node.py).
Either is a pure function of a Site: it adds the nodes that do the work and returns what becomes of the node's outputs,
a Link for each; a pass may return None and leave the node as it is. Nothing is run and torch is not needed, so a plan
shows what a schedule means. New nodes are called `{node id}.{name}`, and what is wrong with one is said of the node
that it comes from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, NoReturn

from weft.engine.errors import DefinitionError, Issue
from weft.engine.folders import Folders
from weft.engine.links import Link
from weft.engine.schema.expansion import NodeRef
from weft.engine.schema.node import NodeOptions, NodeSchema, RunnableNode
from weft.engine.schema.registry import Registry
from weft.engine.workflow.graph import PromptGraph
from weft.engine.workflow.overrides import title_of
from weft.engine.workflow.prompt import Prompt, PromptNode
from weft.engine.workflow.validation import coerced, output_nodes, validate


class LoweredFrom(NamedTuple):
    """A node that another one became: `whole` is that node of the workflow, `node_id` and `input` say whose fault it is
    if something is wrong with this one (`input` None: the input of the same name)."""

    whole: str
    node_id: str
    input: str | None


@dataclass(frozen=True)
class Lowered:
    """A prompt as it is planned, and how it came from `source`.

    `parts` are the new nodes; `outputs` says by lowered node what its outputs became; `settings` are those that the
    run must have, whatever it was asked for, because of `reason`; `issues` is what kept nodes from being lowered;
    `notes` are for the user.
    """

    prompt: Prompt
    source: Prompt
    parts: Mapping[str, LoweredFrom] = field(default_factory=dict)
    outputs: Mapping[str, tuple[Link, ...]] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    issues: tuple[Issue, ...] = ()
    notes: tuple[Issue, ...] = ()

    @cached_property
    def scope(self) -> str:
        """What tells its workflow from others: a digest of the ids and classes of the nodes."""
        return hashlib.blake2b(json.dumps(self.source.classes, sort_keys=True).encode(), digest_size=8).hexdigest()

    def targets(self, targets: Iterable[str]) -> list[str]:
        """The nodes to run for these nodes of the source."""
        found = ([link.node_id for link in self.outputs.get(target, ())] or [target] for target in targets)
        return list(dict.fromkeys(node_id for ids in found for node_id in ids))

    def with_outputs(self, outputs: Mapping[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        """A run's outputs by node, and those of the nodes of the source that were lowered, as far as they are there."""
        found = dict(outputs)
        for node_id, links in self.outputs.items():
            if all(link.node_id in outputs for link in links):
                found[node_id] = tuple(outputs[link.node_id][link.slot] for link in links)
        return found


class _Refused(Exception):
    """A node cannot be lowered as it is."""

    def __init__(self, input_name: str | None, message: str, hint: str, node_id: str) -> None:
        super().__init__(message)
        self.input = input_name
        self.hint = hint
        self.node_id = node_id


class Site:
    """A node that is being lowered: what it is given, what is above it, and what it becomes.

    `inputs` are coerced constants and Links; a Link to a node that was lowered leads to what that became.
    """

    def __init__(self, lowering: _Lowering, node_id: str, inputs: Mapping[str, Any], node: RunnableNode) -> None:
        self._lowering = lowering
        self.node_id = node_id
        self.title = title_of(lowering.source, node_id, lowering.registry)
        self.inputs = coerced(inputs, node)
        self.made: dict[str, PromptNode] = {}
        self.parts: dict[str, LoweredFrom] = {}
        self.settings: dict[str, str] = {}
        self.reason = ""
        self.notes: list[Issue] = []

    def typed(self, name: str, why: str) -> Any:
        """The constant of an input. A link is refused, because of `why`."""
        value = self.inputs.get(name)
        if type(value) is Link:
            self.refuse(name, f"must be typed here, and is linked to node {value.node_id}: {why}")
        return value

    def refuse(self, input_name: str | None, message: str, *, hint: str = "", node_id: str = "") -> NoReturn:
        """Say what is wrong with an input, of this node or another; it becomes an Issue."""
        raise _Refused(input_name, message, hint, node_id or self.node_id)

    def note(self, input_name: str, message: str, *, hint: str = "", node_id: str = "") -> None:
        """Say what the user should know of an input, of this node or another, and what stops nothing."""
        self.notes.append(self._lowering.said("note", input_name, message, hint, node_id or self.node_id))

    def need(self, reason: str, /, **settings: str) -> None:
        """Settings that the run must have for this, because of `reason`: "its prompt schedule"."""
        self.settings |= settings
        self.reason = reason

    def look(self, node_id: str) -> tuple[PromptNode, NodeSchema]:
        """Another node of the prompt, and its class."""
        node = self._lowering.nodes[node_id]
        return node, self._lowering.registry[node.class_type]

    def above(self, inputs: Iterable[str], types: Collection[str]) -> list[str]:
        """The nodes that these inputs depend on through links of these types or `*`, sources first."""
        placed: dict[str, None] = {}
        for name in inputs:
            stack: list[tuple[str, Iterator[str]]] = [("", iter(self._sources([self.inputs.get(name)], types)))]
            while stack:
                node_id, waiting = stack[-1]
                source = next((source for source in waiting if source not in placed), None)
                if source is not None:
                    stack.append((source, iter(self._sources(self.look(source)[0].inputs.values(), types))))
                    continue
                stack.pop()
                if stack:
                    placed[node_id] = None
        return list(placed)

    def _sources(self, values: Iterable[Any], types: Collection[str]) -> Iterator[str]:
        for value in values:
            if type(value) is Link:
                received = self.look(value.node_id)[1].outputs[value.slot].io_type
                if received == "*" or (isinstance(received, str) and not set(types).isdisjoint(received.split(","))):
                    yield value.node_id

    def add(
        self,
        class_type: str,
        inputs: Mapping[str, Any],
        *,
        name: str,
        title: str = "",
        blame: tuple[str, str | None] | None = None,
    ) -> NodeRef:
        """Add a node; `ref[0]` is the link to its slot 0.

        `blame` is the node and input that an issue of the new one is reported at; default: this node, and the input of
        the same name.
        """
        node_id = f"{self.node_id}.{name}"
        while node_id in self._lowering.nodes or node_id in self.made:
            node_id += "_"
        meta = {"title": title} if title else {}
        self.made[node_id] = PromptNode(class_type=class_type, inputs=dict(inputs), _meta=meta)
        self.parts[node_id] = LoweredFrom(self.node_id, *(blame or (self.node_id, None)))
        return NodeRef(node_id)


Lowers = Callable[[Site], Sequence[Link] | None]


def lower(
    prompt: Prompt,
    registry: Registry,
    *,
    targets: Iterable[str] = (),
    passes: Collection[str] = (),
    known: Sequence[Issue] = (),
) -> Lowered:
    """Lower what output nodes and `targets` need, less what depends on a node that `known` finds fault with.

    Nothing is done to a prompt in which no class lowers: the very object comes back.
    """
    classes = map(registry.find, {node.class_type for node in prompt.nodes.values()})
    if not any(found is not None and _lowers(found.options, passes) for found in classes):
        return Lowered(prompt, prompt)
    if any(issue.code == "dependency_cycle" for issue in known):
        return Lowered(prompt, prompt)
    return _Lowering(prompt, registry, passes).run(targets, {issue.node_id for issue in known})


def checked(
    prompt: Prompt,
    registry: Registry,
    *,
    folders: Folders | None = None,
    targets: Sequence[str] = (),
    passes: Collection[str] = (),
    executable: bool = True,
    lenient: Collection[str] = (),
) -> tuple[Lowered, list[Issue]]:
    """The lowered prompt, and everything that keeps it from running, said of the nodes of `prompt`; see `validate`."""
    options: dict[str, Any] = {"folders": folders, "executable": executable, "lenient": lenient}
    issues = validate(prompt, registry, targets=targets, passes=passes, **options)
    lowered = lower(prompt, registry, targets=targets, passes=passes, known=issues)
    issues.extend(lowered.issues)
    if not issues and (lowered.parts or passes):
        judged = prompt.nodes.keys()
        found = validate(lowered.prompt, registry, targets=lowered.targets(targets), judged=judged, **options)
        # Several stages may share a fault of the node that they come from.
        issues = list({str(issue): issue for issue in (_located(issue, lowered, registry) for issue in found)}.values())
    return lowered, issues


def _lowers(options: NodeOptions, passes: Collection[str]) -> Lowers | None:
    if options.lowers is not None:
        return options.lowers
    return next((options.passes[name] for name in passes if name in options.passes), None)


class _Lowering:
    """`nodes` is the prompt as far as it was lowered: links in it lead to what lowered nodes became."""

    def __init__(self, source: Prompt, registry: Registry, passes: Collection[str]) -> None:
        self.source = source
        self.registry = registry
        self.passes = passes
        self.nodes = dict(source.nodes)
        self.made: dict[str, dict[str, PromptNode]] = {}
        self.parts: dict[str, LoweredFrom] = {}
        self.outputs: dict[str, tuple[Link, ...]] = {}
        self.settings: dict[str, str] = {}
        self.reason = ""
        self.issues: list[Issue] = []
        self.notes: dict[str, Issue] = {}

    def run(self, targets: Iterable[str], faulty: Collection[str | None]) -> Lowered:
        graph = PromptGraph(self.source)
        doubtful: set[str] = set()
        # Sources first: a node sees what those above it became.
        for node_id in graph.order([*output_nodes(self.source, self.registry), *targets]):
            node = self.nodes[node_id] = self._rewired(self.nodes[node_id])
            if node_id in faulty or not doubtful.isdisjoint(graph.parents[node_id]):
                doubtful.add(node_id)
            elif (found := self.registry.find(node.class_type)) is not None:
                function = _lowers(found.options, self.passes)
                if function is not None:
                    self._lower(node_id, node, function)
        if not self.outputs:
            return Lowered(self.source, self.source, issues=tuple(self.issues))
        nodes: dict[str, PromptNode] = {}
        for node_id in self.source.nodes:
            if node_id in self.made:
                nodes |= self.made[node_id]
            else:
                nodes[node_id] = self._rewired(self.nodes[node_id])
        prompt = Prompt(nodes, extra_pnginfo=self.source.extra_pnginfo, pointer=self.source.pointer)
        prompt.notes = self.source.notes
        said = tuple(self.issues), tuple(self.notes.values())
        return Lowered(prompt, self.source, self.parts, self.outputs, self.settings, self.reason, *said)

    def _lower(self, node_id: str, node: PromptNode, function: Lowers) -> None:
        runnable = self.registry.runnable(node.class_type)
        site = Site(self, node_id, node.inputs, runnable)
        try:
            outputs = function(site)
        except _Refused as refused:
            code = "custom_validation_failed"
            self.issues.append(self.said(code, refused.input, str(refused), refused.hint, refused.node_id))
            return
        if outputs is None:
            return
        declared = len(runnable.schema.outputs)
        if len(outputs) != declared:
            what = f"{len(outputs)} outputs, it declares {declared}"
            raise DefinitionError(f"{node.class_type} was lowered to {what}")
        self.outputs[node_id] = tuple(outputs)
        self.made[node_id] = site.made
        self.parts |= site.parts
        # Several samplers may have one text.
        self.notes |= {str(note): note for note in site.notes}
        self.settings |= site.settings
        self.reason = self.reason or site.reason
        del self.nodes[node_id]
        self.nodes |= site.made

    def _rewired(self, node: PromptNode) -> PromptNode:
        changed = {
            name: self.outputs[link.node_id][link.slot]
            for name, link in node.links
            if link.node_id in self.outputs and 0 <= link.slot < len(self.outputs[link.node_id])
        }
        return node.model_copy(update={"inputs": {**node.inputs, **changed}}) if changed else node

    def said(self, code: str, input_name: str | None, message: str, hint: str, node_id: str) -> Issue:
        """What there is to say of an input of a node of the source."""
        return Issue(
            code=code,
            message=message,
            node_id=node_id,
            class_type=self.source.nodes[node_id].class_type,
            title=title_of(self.source, node_id, self.registry),
            input=input_name,
            hint=hint,
            pointer=self.source.at(node_id, input_name),
        )


def _located(issue: Issue, lowered: Lowered, registry: Registry) -> Issue:
    """An issue of a lowered prompt, said of the node and input of the source that it comes from."""
    part = lowered.parts.get(issue.node_id or "")
    if part is None:
        return issue
    node = lowered.source.nodes[part.node_id]
    name = part.input or (issue.input if issue.input in node.inputs else None)
    return replace(
        issue,
        node_id=part.node_id,
        class_type=node.class_type,
        title=title_of(lowered.source, part.node_id, registry),
        input=name,
        pointer=lowered.source.at(part.node_id, name),
    )
