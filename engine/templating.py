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
