"""A prompt as rules read it: nodes with what their inputs hold, what feeds them and what they feed. Nothing is changed.

What a rule sees is what would run: subgraphs, reroutes and bypassed nodes are resolved by then. Values that a node
foretells before it runs, such as the number of an Int, count as the input's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from weft.engine.folders import Folders
from weft.engine.links import Link
from weft.engine.schema.node import NodeSchema
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import type_name
from weft.engine.settings import Settings
from weft.engine.trajectory import ForetoldInputs
from weft.engine.workflow.graph import PromptGraph
from weft.engine.workflow.overrides import title_of
from weft.engine.workflow.prompt import Prompt, PromptNode, unwrapped
from weft.engine.workflow.validation import constants, output_nodes


class LintNode:
    """A node as rules see it; `schema` is None where its class is not known."""

    def __init__(self, node_id: str, node: PromptNode, view: LintView) -> None:
        self.node_id = node_id
        self.class_type = node.class_type
        self.given: Mapping[str, Any] = node.inputs
        """The inputs as they stand in the prompt: values and Links."""
        found = view.registry.find(node.class_type)
        self.schema: NodeSchema | None = found.schema if found is not None else None
        self.module: str = getattr(found, "module", "")
        """Where its code is; empty where there is none."""
        self.known: dict[str, Any] = {}
        """What rules have found out about it, by what they call it: each is found out once."""
        self._view = view

    @cached_property
    def title(self) -> str:
        """What the editor shows above it."""
        return title_of(self._view.prompt, self.node_id, self._view.registry)

    @cached_property
    def inputs(self) -> frozenset[str]:
        """The names of its inputs: those that its class declares and those that it is given."""
        return frozenset(self.given) | (self.schema.names if self.schema is not None else frozenset())

    @cached_property
    def foretold(self) -> ForetoldInputs:
        """Its inputs as far as they are known before the run: of what is not known there are bytes."""
        return self._view.foretold(self)

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """The values of its inputs, as far as they are known: typed, told by a source, or the default."""
        declared = self.schema.by_name if self.schema is not None else {}
        defaults = {
            name: spec.socket.options.get("default") for name, spec in declared.items() if name not in self.given
        }
        known = {name: value for name, value in self.foretold.items() if type(value) is not bytes}
        return {**{name: value for name, value in defaults.items() if value is not None}, **known}

    def typed(self, name: str) -> bool:
        """Whether the value of an input stands in this very node: an edit of it changes nothing else."""
        return name in self.given and type(self.given[name]) is not Link

    def links(self, io_type: str) -> Iterator[str]:
        """The inputs that are linked and take this type."""
        declared = self.schema.given(self.given) if self.schema is not None else {}
        for name, value in self.given.items():
            if type(value) is Link and name in declared and type_name(declared[name].socket.accepts) == io_type:
                yield name

    def source(self, name: str) -> tuple[LintNode, int] | None:
        """The node that an input is linked to, and its output slot; None for an input that is no link."""
        link = self.given.get(name)
        if type(link) is not Link or link.node_id not in self._view.nodes:
            return None
        return self._view.nodes[link.node_id], link.slot

    def output(self, slot: int) -> str:
        """The type of an output; empty where it is not known."""
        outputs = self.schema.outputs if self.schema is not None else ()
        return type_name(outputs[slot].io_type) if 0 <= slot < len(outputs) else ""

    def readers(self, slot: int | None = None) -> list[tuple[LintNode, str]]:
        """The nodes that take from an output, or from any, and by which input."""
        taken = self._view.taken.get(self.node_id, ())
        return [(node, name) for at, node, name in taken if slot is None or at == slot]

    def above(self) -> Iterator[LintNode]:
        """The nodes that it depends on, each once."""
        seen = {self.node_id}
        todo = [self]
        while todo:
            for value in todo.pop().given.values():
                if type(value) is Link and value.node_id in self._view.nodes and value.node_id not in seen:
                    seen.add(value.node_id)
                    todo.append(self._view.nodes[value.node_id])
                    yield todo[-1]

    @property
    def runs(self) -> bool:
        """Whether an output node needs it."""
        return self.node_id in self._view.needed


class LintView:
    """The prompt that rules look at, with the classes, settings and folders of its run."""

    def __init__(self, prompt: Prompt, registry: Registry, settings: Settings, folders: Folders | None = None) -> None:
        self.prompt = prompt
        self.registry = registry
        self.settings = settings
        self.folders = folders
        self.nodes = {node_id: LintNode(node_id, node, self) for node_id, node in prompt.nodes.items()}
        self._told: dict[str, Sequence[Any] | None] = {}
        self._untold: list[tuple[LintNode, str]] = []

    @cached_property
    def needed(self) -> Collection[str]:
        """The nodes that run: those that an output node needs, and it."""
        return PromptGraph(self.prompt).needed(output_nodes(self.prompt, self.registry))

    @cached_property
    def taken(self) -> Mapping[str, Sequence[tuple[int, LintNode, str]]]:
        """By node, who takes from it among the nodes that run: slot, node, input."""
        found: dict[str, list[tuple[int, LintNode, str]]] = {}
        for node in self.running():
            for name, value in node.given.items():
                if type(value) is Link:
                    found.setdefault(value.node_id, []).append((value.slot, node, name))
        return found

    def running(self) -> Iterator[LintNode]:
        """The nodes that run, in the order of the document."""
        return (node for node in self.nodes.values() if node.node_id in self.needed)

    def above(self, nodes: Iterable[LintNode]) -> Collection[str]:
        """The ids of these nodes, and of all that they depend on."""
        return PromptGraph(self.prompt).needed(node.node_id for node in nodes)

    def foretold(self, node: LintNode) -> ForetoldInputs:
        """What is known of a node's inputs: see LintNode.foretold."""
        if node.schema is not None:
            given: dict[str, Any] = constants(node.given, node.schema)
        else:
            given = {name: unwrapped(value) for name, value in node.given.items() if type(value) is not Link}
        others: dict[str, Any] = {}
        for name, link in node.given.items():
            if type(link) is not Link:
                continue
            given[name] = f"{link.node_id} {link.slot}".encode()
            said = self._slots(link.node_id)
            value = said[link.slot] if said is not None and 0 <= link.slot < len(said) else None
            if type(value) in (bool, int, float, str):
                given[name] = value
            elif value is not None:
                others[name] = value
        return ForetoldInputs(given, others)

    def untold(self) -> list[tuple[LintNode, str]]:
        """The nodes whose own foretelling has failed since this was last asked, and why: their outputs are unknown."""
        found, self._untold = self._untold, []
        return found

    def _slots(self, node_id: str) -> Sequence[Any] | None:
        """What a node foretells of its outputs."""
        if node_id not in self._told:
            self._told[node_id] = None  # what waits for itself tells nothing
            node = self.nodes.get(node_id)
            found = self.registry.find(node.class_type) if node is not None else None
            if node is not None and found is not None and found.foretells:
                try:
                    self._told[node_id] = found.foretold(node.foretold, self.settings)
                except Exception as error:  # the author's code: it may raise anything
                    self._untold.append((node, f"{type(error).__name__}: {error}"))
        return self._told[node_id]
