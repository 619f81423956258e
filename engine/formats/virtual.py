"""Nodes that exist in the browser only: what becomes of each class when a workflow is queued.

One table for the editor's own and those of packs. Nothing in it is ever part of a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class NodeKind(Enum):
    """What becomes of a node: only NODE and UNKNOWN are ever in a prompt."""

    NODE = auto()
    UNKNOWN = auto()
    INSTANCE = auto()
    """Of a subgraph: replaced by its contents."""
    NOTE = auto()
    """Words, frames, switches of modes: it vanishes, and passes nothing on."""
    REROUTE = auto()
    """It stands for what its input is linked to."""
    PRIMITIVE = auto()
    """Its value is written into the widgets that it is linked to."""
    SETTER = auto()
    """It gives what it is linked to the name in its first widget, and passes it on, too."""
    GETTER = auto()
    """It stands for what the setter with the name in its first widget is linked to."""
    BROADCAST = auto()
    """What is linked to it is linked to every free input that fits."""


PASSAGES = (NodeKind.REROUTE, NodeKind.SETTER, NodeKind.GETTER)
"""What a link goes through."""


@dataclass(frozen=True)
class Virtual:
    """A class of the browser's.

    `patterns` are those that names of inputs must match to get what it broadcasts, for each of its own inputs;
    `priority` decides between two that could. `on_servers` says that servers have a class of the name, which counts
    where it is known.
    """

    kind: NodeKind
    patterns: tuple[str, ...] = ()
    priority: int = 0
    on_servers: bool = False


_NOTES = (
    "Note", "MarkdownNote", "Note (pysssss)", "Note Plus (mtb)", "PixaromaNote", "PixaromaLabel",
    "Label (rgthree)", "Bookmark (rgthree)", "Fast Muter (rgthree)", "Fast Bypasser (rgthree)",
    "Fast Groups Muter (rgthree)", "Fast Groups Bypasser (rgthree)", "Fast Actions Button (rgthree)",
    "Mute / Bypass Relay (rgthree)", "Mute / Bypass Repeater (rgthree)", "Random Unmuter (rgthree)",
    "Node Collector (rgthree)", "Node Combiner (rgthree)",
)  # fmt: skip

VIRTUAL: Mapping[str, Virtual] = {
    **dict.fromkeys(_NOTES, Virtual(NodeKind.NOTE)),
    "PrimitiveNode": Virtual(NodeKind.PRIMITIVE),
    "Reroute": Virtual(NodeKind.REROUTE),
    "Reroute (rgthree)": Virtual(NodeKind.REROUTE),
    "SetNode": Virtual(NodeKind.SETTER),
    "GetNode": Virtual(NodeKind.GETTER),
    "easy setNode": Virtual(NodeKind.SETTER),
    "easy getNode": Virtual(NodeKind.GETTER),
    "Anything Everywhere": Virtual(NodeKind.BROADCAST),
    "Anything Everywhere3": Virtual(NodeKind.BROADCAST),
    "Anything Everywhere?": Virtual(NodeKind.BROADCAST, priority=10),
    "Prompts Everywhere": Virtual(
        NodeKind.BROADCAST, (r"(_|\b)pos(itive|_|\b)|^prompt|正面", r"(_|\b)neg(ative|_|\b)|负面"), priority=5
    ),
    "Seed Everywhere": Virtual(NodeKind.PRIMITIVE, ("seed|随机种",), priority=5, on_servers=True),
}
