"""The nodes of a Graph and their outputs: names for places in it, which hold nothing themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from weft.engine.building.calls import attributes
from weft.engine.errors import Issue, UsageError, did_you_mean
from weft.engine.schema.registry import Registry
from weft.engine.workflow.overrides import title_of
from weft.engine.workflow.prompt import Link, Prompt, PromptNode

T = TypeVar("T")


class NodeHome(Protocol):
    """What nodes ask of the graph that they are in."""

    @property
    def registry(self) -> Registry:
        """The classes that there are."""

    @property
    def prompt(self) -> Prompt:
        """The prompt that it is now."""

    @property
    def contents(self) -> Mapping[str, PromptNode]:
        """The nodes of that prompt."""

    def at(self, node_id: str) -> GraphNode:
        """The node with this id."""

    def change(self, node: GraphNode, named: Mapping[str, Any]) -> None:
        """What GraphNode.set does."""


def listed(names: Iterable[str]) -> str:
    """`a, b, c`, or `none`."""
    return ", ".join(names) or "none"


class NoSuchName(UsageError, AttributeError, LookupError):
    """A graph has no class, or a node no output, of that name."""


class GraphSource(Generic[T]):
    """What an input can be linked to: an output, or a node that has but one. `T` is the type of the link."""

    graph: NodeHome

    @property
    def link(self) -> Link:
        """The link, as a prompt has it."""
        raise NotImplementedError


class GraphOutput(GraphSource[T]):
    """One output of a node."""

    def __init__(self, node: GraphNode, slot: int) -> None:
        self.graph = node.graph
        self.node = node
        self.slot = slot

    @property
    def link(self) -> Link:
        return Link(self.node.id, self.slot)

    def __repr__(self) -> str:
        return f"<output {self.slot} of {self.node.where}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GraphOutput) and self.graph is other.graph and self.link == other.link

    def __hash__(self) -> int:
        return hash(self.link)


class GraphNode:
    """A node of a graph.

    Its outputs are attributes, in small letters: `loader.model`; the same is `loader[0]` or `loader["MODEL"]`, and
    `model, clip, vae = loader` takes all of them.
    """

    def __init__(self, graph: NodeHome, node_id: str) -> None:
        self.graph = graph
        self.id = node_id

    @property
    def class_type(self) -> str:
        """The class of the node."""
        return self._node.class_type

    @property
    def title(self) -> str:
        """What the editor shows above it."""
        return title_of(self.graph.prompt, self.id, self.graph.registry)

    @property
    def where(self) -> str:
        """`node 5 "KSampler"`, as messages say it."""
        return Issue("", "", self.id, self.class_type, self.title).where

    @property
    def inputs(self) -> dict[str, Any]:
        """Its inputs by name, those that are linked as outputs: a copy."""
        nodes = self.graph.contents
        return {
            name: GraphOutput(self.graph.at(value.node_id), value.slot)
            if type(value) is Link and value.node_id in nodes
            else value
            for name, value in self._node.inputs.items()
        }

    def set(self, **inputs: Any) -> None:
        """Give inputs other values or links, as the call does that made it; None takes one away.

        Raises as the call does; `_title` gives it another title.
        """
        self.graph.change(self, inputs)

    @property
    def _node(self) -> PromptNode:
        return self.graph.contents[self.id]

    @property
    def _outputs(self) -> list[str]:
        schema = self.graph.registry[self.class_type]
        return attributes(schema.declared, RESERVED)

    def __getitem__(self, output: int | str) -> GraphOutput[Any]:
        names = [each.name for each in self.graph.registry[self.class_type].declared]
        if isinstance(output, str) and names.count(output) == 1:
            return GraphOutput(self, names.index(output))
        if isinstance(output, int) and -len(names) <= output < len(names):
            return GraphOutput(self, range(len(names))[output])
        raise NoSuchName(f"{self.where} has no output {output!r}", hint=f"it has {listed(names)}")

    if not TYPE_CHECKING:  # a type checker knows the outputs of each class from a stub

        def __getattr__(self, name: str) -> GraphOutput[Any]:
            if name.startswith("__"):
                raise AttributeError(name)
            names = self._outputs
            if name in names:
                return GraphOutput(self, names.index(name))
            hint = did_you_mean(name, names) or f"it has {listed(names)}"
            raise NoSuchName(f"{self.where} has no output {name!r}", hint=hint)

    def __iter__(self) -> Iterator[GraphOutput[Any]]:
        return (GraphOutput(self, slot) for slot in range(len(self)))

    def __len__(self) -> int:
        return len(self.graph.registry[self.class_type].declared)

    def __bool__(self) -> bool:
        return True

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self._outputs]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GraphNode) and self.graph is other.graph and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<{self.where}>"


class SoleNode(GraphNode, GraphSource[T]):
    """A node with one output, which stands for it."""

    @property
    def link(self) -> Link:
        return Link(self.id, 0)


RESERVED = frozenset(name for name in dir(SoleNode) if not name.startswith("__")) | {"graph", "id"}
"""The attributes of a node that are no outputs."""
