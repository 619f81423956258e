"""The objects of V1 classes: one for each node, so that what it keeps in itself lasts from call to call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any


class Instances:
    """An object for each node, made when it is first called.

    It is there for the node's further calls, and in the runs that follow as long as each has the node: by id and
    class; one inside an expansion as long as each calls it. It belongs to one run at a time.
    """

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], Any] = {}
        self._inside: set[tuple[str, str]] = set()
        """Those of the last run whose nodes are no nodes of the workflow."""
        self._lock = Lock()

    @contextmanager
    def during(self, classes: Callable[[], Mapping[str, str]]) -> Iterator[Instances]:
        """The objects for a run that has nodes of these classes, by id; others if a run has these already."""
        if not self._lock.acquire(blocking=False):
            yield Instances()
            return
        try:
            if self._objects:
                self._prune(classes())
            yield self
        finally:
            self._lock.release()

    def _prune(self, classes: Mapping[str, str]) -> None:
        inside, self._inside = self._inside, set()
        for key in list(self._objects):
            if classes.get(key[0]) != key[1] and key not in inside:
                del self._objects[key]

    def of(self, node_id: str, class_type: str, cls: type, *, inside: bool) -> Any:
        """The object of a node, or of one inside an expansion; `cls` is its class, which may have been read anew."""
        key = node_id, class_type
        if inside:
            self._inside.add(key)
        found = self._objects.get(key)
        if type(found) is not cls:
            found = self._objects[key] = cls()
        return found
