"""What may go wrong around a cache in a folder: the run goes on, gives what it should, and says what it did without."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from weft import DiskCache, MemoryCache
from weft.engine.cache.disk import FORMAT
from weft.engine.cache.tiers import Tiers
from weft.engine.planning import digests

from .edits import Outside, World, told

GRAPH: dict[str, Any] = {
    "1": {"class_type": "Read", "inputs": {"file": "a.txt"}},
    "2": {"class_type": "Start", "inputs": {"value": 1}},
    "3": {"class_type": "Fill", "inputs": {"one": ["2", 0], "size": 999}},
    "4": {"class_type": "Fill", "inputs": {"one": ["2", 0], "size": 500}},
    "5": {"class_type": "Measure", "inputs": {"block": ["3", 0], "other": ["4", 0]}},
    "6": {"class_type": "Plot", "inputs": {"one": ["5", 0], "prefix": "a"}},
    "7": {"class_type": "Close", "inputs": {"one": ["6", 0]}},
    "8": {"class_type": "Open", "inputs": {"box": ["7", 0]}},
    "9": {"class_type": "Add", "inputs": {"one": ["8", 0], "other": ["5", 0], "more": 0}},
    "10": {"class_type": "Write", "inputs": {"one": ["9", 0], "prefix": "a"}},
    "11": {"class_type": "Glance", "inputs": {"words": ["1", 0]}},
}
ALL = tuple(GRAPH)
UNKEPT = ["7"]
"""What every run calls: no codec knows what it gives, and it is asked for."""


class Runs:
    """Runs of a graph with a cache in a folder. `said` are its warnings so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(folder / "world", Random(0))
        self.world.graph, self.world.order = GRAPH, list(GRAPH)
        self.said: list[str] = []
        self.place = folder / "cache"
        self.plain = map(str, itertools.count())

    def change(self, value: int) -> None:
        """Another value at the beginning."""
        GRAPH["2"]["inputs"]["value"] = value

    @property
    def expected(self) -> Any:
        """What a run without a cache gives."""
        return self.world.outcome(self.world.session(self.folder / "plain" / next(self.plain)), ALL)

    def cache(self, **options: Any) -> DiskCache:
        return DiskCache(self.place, codecs=World.codecs, warn=self.said.append, **options)

    def check(self, *, above: MemoryCache | None = None, observer: Callable[[Any], None] | None = None) -> list[str]:
        """A run gives what it should. Gives the nodes that were called."""
        cache = self.cache()
        session = self.world.session(self.folder / "run", cache if above is None else Tiers(above, cache))
        result = self.world.run(session, (observer,) if observer is not None else (), targets=ALL)
        cache.close()
        assert told(result) == self.expected
        return sorted(result.timings)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    yield Runs(tmp_path)
    GRAPH["2"]["inputs"]["value"] = 1
    Outside.weft = 1


def test_no_space(runs: Runs) -> None:
    """The system refuses every file that is longer than this, the log of the index too: it is a disk that fills up."""
    runs.change(2)
    runs.check()
    runs.change(1)
    assert not runs.said
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (0, 600, 9_000, 30_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (max(room, 64), before[1]))
        try:
            runs.check()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert runs.said and all("the run goes on without it" in each for each in runs.said)
    runs.said.clear()
    runs.check()
    assert runs.check() == UNKEPT and not runs.said


@pytest.mark.parametrize("above", [True, False], ids=["with memory above", "alone"])
def test_read_only(runs: Runs, above: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.check()
    before = {file: file.read_bytes() for file in runs.place.rglob("*") if file.is_file()}
    memory = MemoryCache() if above else None
    monkeypatch.setattr(os, "access", lambda path, mode, **_: not mode & os.W_OK or "cache" not in str(path))
    assert runs.check(above=memory) == UNKEPT and not runs.said
    runs.change(2)
    assert len(runs.check(above=memory)) > 5
    assert runs.said and all("cannot be written to" in each for each in runs.said)
    assert {file: file.read_bytes() for file in runs.place.rglob("*") if file.is_file()} == before


def test_removed_at_every_moment_of_a_run(runs: Runs) -> None:
    """Whatever is removed while a run goes on: all of it, the index, the blobs."""
    for moment in range(27):
        left = [moment]

        prey = (runs.place, runs.place / FORMAT / "blobs", runs.place / FORMAT)[moment % 3]

        def remove(event: object, left: list[int] = left, prey: Path = prey) -> None:
            left[0] -= 1
            if left[0] == 0:
                shutil.rmtree(prey)

        runs.change(moment // 3)
        runs.check(observer=remove)
    assert not [each for each in runs.said if "computed again" not in each and "goes on without" not in each]
    runs.said.clear()
    runs.check()
    assert runs.check() == UNKEPT and not runs.said


def test_a_clock_that_goes_back(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a minute at each look at it: neither the order of use nor what a file holds is told by it."""
    real_s, real_ns = time.time, time.time_ns
    minutes = itertools.count()
    monkeypatch.setattr(time, "time", lambda: real_s() - 60 * next(minutes))
    monkeypatch.setattr(digests.time, "time_ns", lambda: real_ns() - 60 * 10**9 * next(minutes))
    for number in range(12):
        runs.change(number // 4)
        runs.world.content()
        runs.check()
        assert runs.check() == UNKEPT
    assert not runs.said


def test_two_versions_of_weft(runs: Runs) -> None:
    """Neither is given what the other has computed, and neither removes it."""
    for number in range(6):
        Outside.weft = 1 + number % 2
        assert (runs.check() == UNKEPT) is (number > 1)
    assert not runs.said
