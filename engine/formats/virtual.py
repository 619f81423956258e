"""Nodes that exist in the browser only: what becomes of each class when a workflow is queued.

Here are the editor's own; packs bring theirs. None of them is ever part of a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping

from weft.engine.schema.frontend import NodeKind, Virtual
from weft.engine.schema.packs import Packs

PASSAGES = (NodeKind.REROUTE, NodeKind.SETTER, NodeKind.GETTER)
"""What a link goes through."""

OWN: Mapping[str, Virtual] = {
    "Note": Virtual(NodeKind.NOTE),
    "MarkdownNote": Virtual(NodeKind.NOTE),
    "PrimitiveNode": Virtual(NodeKind.PRIMITIVE),
    "Reroute": Virtual(NodeKind.REROUTE),
}


def virtual_nodes(packs: Packs) -> Mapping[str, Virtual]:
    """Every class of the browser's, by name."""
    return {**packs.frontend.virtual, **OWN}
