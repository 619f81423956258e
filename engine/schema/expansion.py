"""What a node returns that expands: a graph of nodes, and links into it that become the node's own outputs.

The form is ComfyUI's, `{"result": (...), "expand": {id: {"class_type", "inputs", "override_display_id"?, "_meta"?}}}`.
"""

from __future__ import annotations

import hashlib
from typing import Any

from weft.engine.links import Link


class Expanded(dict[str, Any]):
    """A result that holds a graph; GraphBuilder.result makes it."""


MAX_ID = 256
"""The longest id of a node inside; a longer one is cut, and has a digest of the whole at its end."""


def inner_id(prefix: str, name: str) -> str:
    """The id of a node inside: the prefix and its name.

    A loop that expands into itself makes them longer each time round; cut, a thousand rounds cost a thousand times one.
    """
    node_id = prefix + name
    if len(node_id) <= MAX_ID:
        return node_id
    return f"{node_id[:64]}~{hashlib.blake2b(node_id.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


class NodeRef:
    """A node that was added to a graph; `ref[0]` is the link to its slot 0."""

    __slots__ = ("node_id",)

    def __init__(self, node_id: str) -> None:
        self.node_id = node_id

    def __getitem__(self, slot: int) -> Link:
        if slot < 0:
            raise IndexError(f"slot {slot}")
        return Link(self.node_id, slot)


class GraphBuilder:
    """The graph that a node expands into. A face asks for one by annotation, as for a RunContext.

    Ids begin with `prefix`, which the engine sets to `NODE.0.0.`: what is inside has the same ids in every run.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: dict[str, dict[str, Any]] = {}

    def add(self, class_type: str, /, *, name: str = "", title: str = "", **inputs: Any) -> NodeRef:
        """Add a node; inputs that are None are left out. `title` is what a person reads while it runs.

        Raises ValueError for a name given twice.
        """
        node_id = inner_id(self.prefix, name or str(len(self.nodes)))
        if node_id in self.nodes:
            raise ValueError(f"two nodes of one expansion are named {name!r}")
        given = {key: value for key, value in inputs.items() if value is not None}
        self.nodes[node_id] = {"class_type": class_type, "inputs": given}
        if title:
            self.nodes[node_id]["_meta"] = {"title": title}
        return NodeRef(node_id)

    def result(self, *values: Any, ui: dict[str, list[Any]] | None = None) -> Any:
        """What the node returns: a Link stands for what it leads to, inside or outside; all else for itself.

        It is an Expanded; to a type checker it is anything, since a face declares what the engine makes of it.
        """
        return Expanded(result=values, expand=self.nodes, ui=ui or {})
