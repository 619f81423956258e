"""Whether the code that a process has loaded is the code that is on the disk."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

from weft.engine.worker.places import installation

_Stamp = tuple[int, int, int, int]

_CLOCK = 0.01
"""Seconds by which the times of files may lag behind the clock."""
_DECLARED = (".dist-info", ".egg-info", ".egg-link", ".pth")


class LoadedCode:
    """The files of all loaded modules and all of Weft's own, and the packages that are installed.

    Invariants: `_seen` has the stamp of every file that was looked at; a file gets in only if it has not changed since
    the look before, after which it was imported, so that the stamp is that of what was loaded. `_packages` are those of
    when the process began: what is installed later was not asked for its nodes and options.
    """

    def __init__(self) -> None:
        self._since = time.time()
        self._seen: dict[str, _Stamp] = {}
        self._packages = dict(_packages())

    def changed(self) -> str:
        """The first thing that is not as it was; empty where all is."""
        since, self._since = self._since, time.time()
        # What was seen and is no module any more is looked at, too: something of it may live on.
        for file in {*self._seen, *_files_of_modules(), *_own_files()}:
            stamp = _stamp(file)
            known = self._seen.get(file)
            if stamp is None or (stamp[3] > (since - _CLOCK) * 1e9 if known is None else stamp != known):
                return file
            self._seen[file] = stamp
        return "the installed packages" if dict(_packages()) != self._packages else ""


def _stamp(file: str) -> _Stamp | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _files_of_modules() -> Iterator[str]:
    for module in list(sys.modules.values()):
        file = getattr(module, "__dict__", {}).get("__file__")
        # Some modules say what is no file: torch.ops has "_ops.py".
        if isinstance(file, str) and os.path.isabs(file):
            yield file


def _own_files() -> Iterator[str]:
    """Loaded or not: a digest of all of them stands in keys, taken once in a process."""
    for room in ("engine", "nodes"):
        for folder, _, names in os.walk(os.path.join(installation(), room)):
            yield from (os.path.join(folder, name) for name in names if name.endswith(".py"))


def _packages() -> Iterator[tuple[str, _Stamp | None]]:
    for folder in filter(os.path.isabs, sys.path):
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        yield from ((file, _stamp(file)) for name in names if name.endswith(_DECLARED) for file in [f"{folder}/{name}"])
