"""What a drawing is to show of nodes, inputs and links beside what they are: that they were added, failed, ..."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from weft.engine.drawing.scene import DrawnNode
from weft.engine.errors import UsageError, did_you_mean


class State(NamedTuple):
    """Its name in a legend, and its colour on a dark and on a light ground."""

    said: str
    dark: str
    light: str


STATES: Mapping[str, State] = {
    "added": State("added", "#4cc47a", "#1b8a48"),
    "removed": State("removed", "#ff6b61", "#c62f26"),
    "changed": State("changed", "#f5b93f", "#a86b00"),
    "found": State("something was found", "#f5b93f", "#a86b00"),
    "failed": State("failed", "#ff6b61", "#c62f26"),
    "cached": State("from the cache", "#58a6ff", "#1a66c2"),
    "good": State("as expected", "#4cc47a", "#1b8a48"),
    "bad": State("where it goes wrong", "#ff6b61", "#c62f26"),
    "pale": State("a consequence of it", "#b5736e", "#d99a94"),
    "grey": State("cannot be compared, or did not run", "#8d9399", "#9aa0a6"),
}
"""What a node, an input or a link may be marked as, in the order of a legend."""


class Mark(NamedTuple):
    """A state, and words for it, which its tooltip has."""

    state: str
    said: str = ""


Marks = Mapping[str | tuple[str, str], Mark]
"""By node id, or by node id and input name: then the link into it or its value is marked."""


def checked_marks(marks: Mapping[str | tuple[str, str], str | tuple[str, str]]) -> Marks:
    """Marks that were given as a state, or as a state and words. Raises UsageError for a state that there is not."""
    found = {key: Mark(mark) if isinstance(mark, str) else Mark(*mark) for key, mark in marks.items()}
    for key, mark in found.items():
        if mark.state not in STATES:
            hint = did_you_mean(mark.state, STATES) or f"there are {', '.join(STATES)}"
            raise UsageError(f"marks: {key!r} is to be {mark.state!r}, which is no state", hint=hint)
    return found


class Marking:
    """The marks of one drawing, and the states that were `used`."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._inside: dict[str, Mark] = {}
        self.used: set[str] = set()
        for key, mark in marks.items():
            node_id = key if isinstance(key, str) else key[0]
            while ":" in node_id:
                node_id = node_id.rpartition(":")[0]
                self._inside.setdefault(node_id, mark)

    def of(self, node: DrawnNode, name: str = "") -> Mark | None:
        """That of a node, or of one of its inputs; a subgraph's box has that of a node inside, if none of its own."""
        for node_id in node.ids:
            mark = self._marks.get((node_id, name) if name else node_id)
            if mark is None and not name and node.inset and (inner := self._inside.get(node_id)) is not None:
                mark = Mark(inner.state, f"inside: {inner.said}" if inner.said else "inside")
            if mark is not None:
                self.used.add(mark.state)
                return mark
        return None
