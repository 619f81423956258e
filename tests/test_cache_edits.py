"""A run with a warm cache gives what the run without it gives: after whatever edit, with whatever cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from weft import DiskCache, MemoryCache
from weft.engine.cache.protocol import Cache
from weft.engine.cache.tiers import Tiers
from weft.engine.cancel import CancelToken
from weft.engine.errors import Interrupted, NodeError
from weft.engine.planning import digests

from . import edits
from .edits import ODDS, STABLE, Outside, World, rewrite

EDITS_A_WORLD = 10


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is ahead: files are old enough for their digests to be remembered. What tests change is restored."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    real = time.time_ns
    monkeypatch.setattr(digests.time, "time_ns", lambda: real() + 3 * 10**9)
    monkeypatch.setattr(Outside, "told", 0)
    monkeypatch.setattr(Outside, "weft", 1)


class Kept:
    """A cache that has seen all edits so far, and the folder that its runs write to. A cache is made for each run."""

    def __init__(self, folder: Path, make: Callable[[], Cache], chance: Random) -> None:
        self.folder = folder
        self.make = make
        self.chance = chance

    def outcome(self, world: World) -> Any:
        cache = self.make()
        try:
            return world.outcome(world.session(self.folder, cache))
        finally:
            _close(cache)

    def broken_off(self, world: World) -> None:
        """A run that ends at a random moment, or in which somebody writes a file that it reads."""
        cache = self.make()
        session = world.session(self.folder, cache)
        token, left, meddles = CancelToken(), self.chance.randrange(20), self.chance.random() < 0.5

        def watch(event: object) -> None:
            nonlocal left
            left -= 1
            if left == 0 and meddles:
                world.content()
            elif left == 0:
                token.cancel()

        try:
            world.run(session, (watch,), token)
        except (NodeError, Interrupted):
            pass
        finally:
            _close(cache)

    def meddle(self, world: World) -> None:
        """Files that runs have written are deleted, or are others now."""
        files = sorted(file for file in self.folder.rglob("*") if file.is_file() and file.suffix == ".txt")
        for file in self.chance.sample(files, min(len(files), 2)):
            what = self.chance.randrange(4)
            if what == 0:
                file.unlink()
            elif what == 1 and file.is_file():  # one that was put in its place may lead to itself
                rewrite(file, b"?" * file.stat().st_size)
            elif what == 2:
                os.replace(file, self.chance.choice(files))
            else:
                file.unlink()
                file.symlink_to(self.chance.choice(files))


def forgetful(name: str, outcome: Any) -> Any:
    """Of a cache that is too small: it may hold what a node gave that expanded, and no more what an equal node inside
    of it did; then the one outside writes a file of its own. Files of one series and content are one."""
    if not name.endswith("too small") or not isinstance(outcome, dict):
        return outcome
    return outcome | {kind: list(dict.fromkeys(outcome[kind])) for kind in ("files", "previews")}


def _close(cache: Cache) -> None:
    for each in (*getattr(cache, "tiers", (cache,)), *getattr(cache, "shared", ())):
        if isinstance(each, DiskCache):
            each.close()


def kept(folder: Path, chance: Random) -> dict[str, Kept]:
    """Every way in which a cache may be kept. Nothing that these runs do damages one."""

    def disk(name: str, **options: Any) -> DiskCache:
        """An object of its own, as each process has."""
        return DiskCache(folder / "kept" / name, codecs=World.codecs, warn=pytest.fail, **options)

    disk("one").size()  # makes the folder
    memory, small, above = MemoryCache(), MemoryCache(3000), MemoryCache()
    two = [MemoryCache(), MemoryCache()]
    makers: dict[str, Callable[[], Cache]] = {
        "memory": lambda: memory,
        "memory that is too small": lambda: small,
        "disk": lambda: disk("one"),
        "disk above a shared one": lambda: Tiers(disk("own"), shared=[disk("one", read_only=True)]),
        "disk that is too small": lambda: disk("small", max_bytes=1500),
        "memory above a disk": lambda: Tiers(above, disk("both")),
        "one of two processes": lambda: Tiers(two[0], disk("two")),
        "the other process": lambda: Tiers(two[1], disk("two")),
    }
    return {name: Kept(folder / "runs" / name, make, chance) for name, make in makers.items()}


def worlds(folder: Path, seeds: range) -> Iterator[tuple[World, dict[str, Kept], Random]]:
    for seed in seeds:
        chance = Random(seed)
        place = folder / str(seed)
        yield World(place, chance), kept(place, chance), chance


def check(folder: Path, seeds: range, runs: int) -> int:
    """Edit worlds at random; after each edit, runs with caches give what the run without gives."""
    count = 0
    for world, homes, chance in worlds(folder, seeds):
        said = ["at first"]
        for _ in range(EDITS_A_WORLD):
            expected = world.outcome(world.session(folder / "plain" / f"{chance.random()}"))
            for name in chance.sample(list(homes), runs):
                found = forgetful(name, homes[name].outcome(world))
                assert found == forgetful(name, expected), (name, said, world.graph)
            said.append(world.edit())
            count += 1
            if chance.random() < 0.3:
                chance.choice((Kept.meddle, Kept.broken_off))(chance.choice(list(homes.values())), world)
    return count


def test_after_some_hundred_edits(tmp_path: Path) -> None:
    assert check(tmp_path, range(20), runs=1) >= 200


@pytest.mark.slow
def test_after_two_thousand_edits(tmp_path: Path) -> None:
    assert check(tmp_path, range(1000, 1200), runs=8) >= 2000


# Keys.


def test_keys_are_those_of_another_process(tmp_path: Path) -> None:
    """With another order of sets, too."""
    seeds = [str(seed) for seed in range(8)]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    command = [sys.executable, str(Path(edits.__file__)), *seeds]
    said = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    here = [edits.keys(World(tmp_path / seed, Random(int(seed)), STABLE)) for seed in seeds]
    assert [json.loads(line) for line in said.splitlines()] == here
    assert len({key for found in here for key in found}) > 30


@pytest.mark.parametrize("edit", ["renumber", "reorder"])
def test_keys_know_neither_ids_nor_order(tmp_path: Path, edit: str) -> None:
    for seed in range(10):
        world = World(tmp_path / str(seed), Random(seed), STABLE)
        before = edits.keys(world)
        getattr(world, edit)()
        assert edits.keys(world) == before


def test_keys_of_values_that_look_alike(tmp_path: Path) -> None:
    world = World(tmp_path, Random(0))
    world.graph = {str(number): {"class_type": "Tell", "inputs": {"value": value}} for number, value in enumerate(ODDS)}
    world.order = list(world.graph)
    assert len(set(edits.keys(world))) == len(ODDS)
