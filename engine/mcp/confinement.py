"""The folders that a client may reach: one root, and the folders of models and inputs for reading."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.engine.errors import OutsideFolder, UsageError

_LONGEST = 1024
"""Characters of a text that is looked at as a path; no longer one is the name of a file."""


class Root:
    """A folder, and what lies in it; links are followed before it is asked where something lies.

    Invariants: a path that `path` gives lies in the folder. No text of a document that was `checked` is the path of
    something that exists outside of the folder and of `readable`.
    """

    def __init__(self, folder: Path, readable: Sequence[Path] = ()) -> None:
        """Raise UsageError for a folder that is not there."""
        if not folder.is_dir():
            raise UsageError(f"the root {folder} is no folder")
        self.folder = Path(os.path.realpath(folder))
        self._readable = [self.folder, *(Path(os.path.realpath(each)) for each in readable)]

    def path(self, name: str) -> Path:
        """What a client calls so: a path below the root, relative to it or absolute. Raises OutsideFolder."""
        try:
            found = Path(os.path.realpath(self.folder / name))
        except (OSError, ValueError) as error:
            raise OutsideFolder(f"{name[:200]!r} is no path: {error}") from error
        if not found.is_relative_to(self.folder):
            raise OutsideFolder(f"{name!r} leaves the root {self.folder}")
        return found

    def shown(self, path: str | Path) -> str:
        """A path as the client calls it."""
        found = Path(path)
        return str(found.relative_to(self.folder)) if found.is_relative_to(self.folder) else str(found)

    def check(self, document: Any) -> None:
        """Raise OutsideFolder where a text of a document, or an override, leads out of the folders."""
        for text in _texts(document):
            if self._leads_out(text):
                raise OutsideFolder(f"{text!r} lies outside of the root {self.folder}, and no node may reach it")

    def _leads_out(self, text: str) -> bool:
        if not text or len(text) > _LONGEST or "\n" in text or "\0" in text:
            return False
        try:
            place = os.path.join(self.folder, os.path.expanduser(text))
            if not os.path.lexists(place):
                return False
            found = Path(os.path.realpath(place))
        except (OSError, ValueError):
            return False
        return not any(found.is_relative_to(each) for each in self._readable)


def _texts(value: Any) -> Iterator[str]:
    """The texts in a document, keys left out."""
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            todo.extend(value.values())
        elif isinstance(value, list | tuple):
            todo.extend(value)
