"""`comfy_execution.graph_utils`: the graphs that nodes expand into, made node by node."""

from __future__ import annotations

from typing import Any

from weft.engine.context import called
from weft.engine.schema.expansion import inner_id
from weft.engine.values import ExecutionBlocker as ExecutionBlocker

Graph = dict[str, dict[str, Any]]


def is_link(obj: Any) -> bool:
    """Whether a value is a link, `["4", 0]`."""
    return isinstance(obj, list) and len(obj) == 2 and isinstance(obj[0], str) and isinstance(obj[1], int | float)


class ComfyGraphNode:
    """A node of a graph that is being made: packs know it as Node."""

    def __init__(self, id: str, class_type: str, inputs: dict[str, Any]) -> None:
        self.id = id
        self.class_type = class_type
        self.inputs = inputs
        self.override_display_id: str | None = None

    def out(self, index: int) -> list[Any]:
        """The link to an output."""
        return [self.id, index]

    def set_input(self, key: str, value: Any) -> None:
        """Give an input, a link or a value; None takes it away."""
        if value is None:
            self.inputs.pop(key, None)
        else:
            self.inputs[key] = value

    def get_input(self, key: str) -> Any:
        """The link or the value of an input; None where it has none."""
        return self.inputs.get(key)

    def set_override_display_id(self, override_display_id: str) -> None:
        """The node of the workflow that shows what this one does; default: the one that expands."""
        self.override_display_id = override_display_id

    def serialize(self) -> dict[str, Any]:
        """The node as it stands in a graph."""
        display = {} if self.override_display_id is None else {"override_display_id": self.override_display_id}
        return {"class_type": self.class_type, "inputs": self.inputs, **display}


class ComfyGraphBuilder:
    """A graph that is being made: packs know it as GraphBuilder.

    Ids begin with `prefix`; default: `NODE.CALL.GRAPH.`, the node that is called, the place of this call in a list of
    calls, and the place of this graph among those that the call makes.
    """

    _numbering: tuple[str, int, int] = ("", 0, 0)

    def __init__(self, prefix: str | None = None) -> None:
        self.prefix = self.alloc_prefix() if prefix is None else prefix
        self.nodes: dict[str, ComfyGraphNode] = {}
        self.id_gen = 1

    @classmethod
    def set_default_prefix(cls, prefix_root: str, call_index: int, graph_index: int = 0) -> None:
        """What ids begin with where no node is called; while one is, its own id counts."""
        cls._numbering = prefix_root, call_index, graph_index

    @classmethod
    def alloc_prefix(
        cls, root: str | None = None, call_index: int | None = None, graph_index: int | None = None
    ) -> str:
        """A prefix that no other graph of this call has."""
        context = called()
        if context is not None:
            numbering = context.node_id, context.call[0], context.graphs
            context.graphs += 1
        else:
            numbering = cls._numbering
            cls._numbering = (*numbering[:2], numbering[2] + 1)
        given = (root, call_index, graph_index)
        return "".join(f"{numbering[place] if part is None else part}." for place, part in enumerate(given))

    def node(self, class_type: str, id: str | None = None, **kwargs: Any) -> ComfyGraphNode:
        """Add a node; one of an id that is there already is given back as it is."""
        if id is None:
            id = str(self.id_gen)
            self.id_gen += 1
        name = inner_id(self.prefix, id)
        if name not in self.nodes:
            self.nodes[name] = ComfyGraphNode(name, class_type, kwargs)
        return self.nodes[name]

    def lookup_node(self, id: str) -> ComfyGraphNode | None:
        """The node that was added under this id."""
        return self.nodes.get(inner_id(self.prefix, id))

    def remove_node(self, id: str) -> None:
        """Take a node away. Raises KeyError."""
        del self.nodes[inner_id(self.prefix, id)]

    def replace_node_output(self, node_id: str, index: int, new_value: Any) -> None:
        """Give those that take an output another value, or a link, in its place; with None they lose the input."""
        link = [inner_id(self.prefix, node_id), index]
        for node in self.nodes.values():
            for key in [key for key, value in node.inputs.items() if is_link(value) and value == link]:
                node.set_input(key, new_value)

    def finalize(self) -> Graph:
        """The graph, for `expand` in what the node returns."""
        return {name: node.serialize() for name, node in self.nodes.items()}


def add_graph_prefix(graph: Graph, outputs: list[Any], prefix: str) -> tuple[Graph, tuple[Any, ...]]:
    """A graph and links into it, with a prefix to all ids."""

    def moved(value: Any) -> Any:
        return [prefix + value[0], value[1]] if is_link(value) else value

    renamed = {
        prefix + name: {
            "class_type": node["class_type"],
            "inputs": {key: moved(value) for key, value in node.get("inputs", {}).items()},
        }
        for name, node in graph.items()
    }
    return renamed, tuple(map(moved, outputs))


GraphBuilder = ComfyGraphBuilder
Node = ComfyGraphNode
