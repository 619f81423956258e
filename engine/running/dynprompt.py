"""ComfyUI's DYNPROMPT: what a node may ask of the graph that it is part of, with all that others have expanded into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft.engine.context import RunContext
from weft.engine.links import Link
from weft.engine.planning.plan import Known, Origin

NODES = "nodes"
"""What the nodes of a run share them as (RunContext.shared)."""


class NodeNotFoundError(Exception):
    """The run has no node of that id."""


class DynamicPrompt:
    """The nodes of a run: those of the workflow, and `nodes`, which grow while it goes on. Nothing is to be changed."""

    def __init__(self, context: RunContext, nodes: Mapping[str, Known]) -> None:
        self._context = context
        self._nodes = nodes

    def get_node(self, node_id: str) -> dict[str, Any]:
        """`{"class_type", "inputs"}` of a node, links as `["4", 0]`. Raises NodeNotFoundError."""
        origin = self._origin(node_id)
        if origin is None:
            found: dict[str, Any] = self._context.executed[node_id]
            return found
        known = self._nodes[node_id]
        inputs = {name: list(value) if type(value) is Link else value for name, value in known.inputs.items()}
        return {"class_type": known.schema.class_type, "inputs": inputs, "override_display_id": origin.display}

    def has_node(self, node_id: str) -> bool:
        """Whether the run has such a node, needed or not."""
        return node_id in self._nodes or node_id in self._context.executed

    def get_real_node_id(self, node_id: str) -> str:
        """The node of the workflow that this one is part of: itself, if it is one. Raises NodeNotFoundError."""
        origin = self._origin(node_id)
        return origin.real if origin is not None else self._whole(node_id)

    def get_parent_node_id(self, node_id: str) -> str | None:
        """The node that expanded into this one; None for one of the workflow. Raises NodeNotFoundError."""
        origin = self._origin(node_id)
        return origin.parent if origin is not None else None

    def get_display_node_id(self, node_id: str) -> str:
        """The node that shows what this one does: itself, if it is one of the workflow. Raises NodeNotFoundError."""
        origin = self._origin(node_id)
        return origin.display if origin is not None else self._whole(node_id)

    def all_node_ids(self) -> set[str]:
        """The ids of all nodes there are by now."""
        return {*self._context.executed, *self._nodes}

    def get_original_prompt(self) -> dict[str, Any]:
        """The workflow, by id, without what nodes expanded into."""
        return self._context.executed

    def _origin(self, node_id: str) -> Origin | None:
        known = self._nodes.get(node_id)
        if known is not None:
            return known.origin
        if node_id not in self._context.executed:
            raise NodeNotFoundError(f"the run has no node {node_id!r}")
        return None

    def _whole(self, node_id: str) -> str:
        """The node of the workflow that was lowered to this one and others, else itself."""
        known = self._nodes.get(node_id)
        return known.part_of or node_id if known is not None else node_id
