"""Workflows to begin with: what a node library brings for `weft new`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from weft.engine.folders import Folders


class Chosen(NamedTuple):
    """What the files of a new workflow are chosen by: where files are, and the checkpoint, if one was named."""

    folders: Folders
    checkpoint: str | None = None


class Template(NamedTuple):
    """A workflow to begin with: what it is for, in a line, and what makes it in API format."""

    title: str
    make: Callable[[Chosen], Mapping[str, Any]]


class PromptWriter:
    """A prompt that is being written: nodes are numbered as they are put there."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = {}

    def node(self, class_type: str, title: str = "", **inputs: Any) -> str:
        """Put a node there; its id."""
        name = str(len(self.nodes) + 1)
        meta = {"_meta": {"title": title}} if title else {}
        self.nodes[name] = {"class_type": class_type, "inputs": inputs, **meta}
        return name
