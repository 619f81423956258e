"""Python's warnings, ignored for a while, in as many threads as there are."""

from __future__ import annotations

import warnings
from threading import Lock


class Quiet:
    """A context in which no library warns; for all of the process, since that has one list of filters.

    `warnings.catch_warnings` alone is for one thread: of two that overlap, the second to leave would restore for good
    what the first had set. Here the first to come sets the filters, and the last to leave restores them.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._caught.__exit__(None, None, None)


QUIET = Quiet()
"""The one that everybody uses: two would not know of each other."""
