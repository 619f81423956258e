"""The cache in a folder, damaged: never a wrong result; the run goes on, says it, and the next one finds it mended."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from weft import DiskCache
from weft.engine.cache.disk import FORMAT

from ..edits import World
from .caches import flip

GRAPH: dict[str, Any] = {
    "1": {"class_type": "Start", "inputs": {"value": 0}},
    "2": {"class_type": "Start", "inputs": {"value": 1}},
    "3": {"class_type": "Start", "inputs": {"value": 2}},
    "4": {"class_type": "Fill", "inputs": {"one": ["1", 0], "size": 300}},
    "5": {"class_type": "Fill", "inputs": {"one": ["2", 0], "size": 300}},
    "6": {"class_type": "Fill", "inputs": {"one": ["3", 0], "size": 7}},
    "7": {"class_type": "Measure", "inputs": {"block": ["5", 0], "other": ["4", 0]}},
    "8": {"class_type": "Measure", "inputs": {"block": ["7", 1], "other": ["6", 0]}},
    "9": {"class_type": "Plot", "inputs": {"one": ["8", 0], "prefix": "a"}},
    "10": {"class_type": "Write", "inputs": {"one": ["9", 0], "prefix": "a"}},
    "11": {"class_type": "Split", "inputs": {"one": ["7", 0]}},
    "12": {"class_type": "Show", "inputs": {"one": ["11", 0], "words": ["11", 1]}},
}


class Shelf:
    """A cache that has all of a graph, and what a run of it gives; every node is asked for, so every blob is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(folder / "world", Random(0))
        self.world.graph, self.world.order = GRAPH, list(GRAPH)
        self.expected = self.world.outcome(self.world.session(folder / "plain"), list(GRAPH))
        self.place = folder / "cache"
        assert self.run() == []
        shutil.copytree(self.place, folder / "whole")

    def restore(self) -> None:
        """The cache as it was at first."""
        shutil.rmtree(self.place)
        shutil.copytree(self.folder / "whole", self.place)

    def run(self) -> list[str]:
        """Run it as a process of its own would. Gives the warnings; the result is as expected."""
        warnings: list[str] = []
        cache = DiskCache(self.place, codecs=World.codecs, warn=warnings.append)
        try:
            session = self.world.session(self.folder / "run", cache)
            assert self.world.outcome(session, list(GRAPH)) == self.expected
            return warnings
        finally:
            cache.close()

    @property
    def blobs(self) -> list[Path]:
        return sorted(file for file in (self.place / FORMAT / "blobs").rglob("*") if file.is_file())

    @property
    def index(self) -> Path:
        return self.place / FORMAT / "index.sqlite"

    def faults(self) -> set[str]:
        """The kinds of what `verify` finds."""
        cache = DiskCache(self.place, codecs=World.codecs)
        try:
            return {fault.kind for fault in cache.verify()}
        finally:
            cache.close()

    def change(self, *statements: str) -> None:
        """Change the index by SQL."""
        with sqlite3.connect(self.index) as db:
            for statement in statements:
                db.execute(statement)
        db.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


@pytest.fixture
def shelf(filled: Shelf) -> Shelf:
    filled.restore()
    return filled


# Blobs.


def swap(file: Path, others: list[Path]) -> None:
    content = file.read_bytes()
    file.write_bytes(others[0].read_bytes())
    others[0].write_bytes(content)


def as_folder(file: Path, others: list[Path]) -> None:
    file.unlink()
    file.mkdir()
    (file / "in it").write_bytes(b"")


def as_link(file: Path, others: list[Path]) -> None:
    file.unlink()
    file.symlink_to(others[0])


def as_loop(file: Path, others: list[Path]) -> None:
    file.unlink()
    file.symlink_to(file)


BLOBS: dict[str, Callable[[Path, list[Path]], Any]] = {
    "flipped": lambda file, _: flip(file),
    "cut": lambda file, _: file.write_bytes(file.read_bytes()[:-1]),
    "longer": lambda file, _: file.write_bytes(file.read_bytes() + b"\0"),
    "emptied": lambda file, _: file.write_bytes(b""),
    "missing": lambda file, _: file.unlink(),
    "another": lambda file, others: shutil.copyfile(others[0], file),
    "swapped": swap,
    "a folder": as_folder,
    "a link to another": as_link,
    "a link to itself": as_loop,
}


@pytest.mark.parametrize("how", BLOBS)
def test_each_blob(shelf: Shelf, how: str) -> None:
    assert len(shelf.blobs) == 3
    for number, file in enumerate(shelf.blobs):
        BLOBS[how](file, shelf.blobs[number + 1 :] + shelf.blobs[:number])
        assert shelf.faults() & {"damaged", "unreadable"}
        warnings = shelf.run()
        assert any(str(file) in each and "computed again" in each for each in warnings), warnings
    assert shelf.run() == [] and shelf.faults() == set()


# Rows.


_NUMBERED = "CREATE TABLE old AS SELECT row_number() OVER (ORDER BY key) AS n, key, document, seal FROM entries"
SAID: dict[str, tuple[str, ...]] = {
    "documents one further": (
        _NUMBERED,
        "UPDATE entries SET (document, seal) = (SELECT document, seal FROM old WHERE n = 1 + "
        "(SELECT n FROM old WHERE old.key = entries.key) % (SELECT count(*) FROM old))",
    ),
    "keys of others": (
        _NUMBERED,
        "DELETE FROM entries WHERE key = (SELECT key FROM old WHERE n = 1)",
        "UPDATE entries SET key = (SELECT key FROM old WHERE n = 1) WHERE key = (SELECT key FROM old WHERE n = 2)",
    ),
    "documents without their seals": ("UPDATE entries SET document = (SELECT document FROM entries LIMIT 1)",),
    "seals of zeros": ("UPDATE entries SET seal = zeroblob(32)",),
    "short seals": ("UPDATE entries SET seal = substr(seal, 1, 31)",),
    "the last byte of each seal": (
        "UPDATE entries SET seal = CAST(substr(seal, 1, 31) || x'00' AS BLOB) WHERE substr(seal, 32) <> x'00'",
    ),
    "seals that are text": ("UPDATE entries SET seal = 'seal'",),
    "documents that are text": ("UPDATE entries SET document = CAST(document AS TEXT)",),
    "documents that are numbers": ("UPDATE entries SET document = 7",),
    "empty documents": ("UPDATE entries SET document = x''",),
}
"""What must be told of, and is mended by the next run: statements of SQL."""
HARMLESS: dict[str, tuple[str, ...]] = {
    "no parts": ("DELETE FROM parts",),
    "parts of others": ("UPDATE parts SET digest = (SELECT max(digest) FROM blobs)",),
    "no blobs": ("DELETE FROM blobs",),
    "sizes that are none": ("UPDATE blobs SET size = -1",),
    "uses that are none": ("UPDATE entries SET used = 'often'",),
    "no entries": ("DROP TABLE entries",),
    "no tables": ("DROP TABLE entries", "DROP TABLE parts", "DROP TABLE blobs"),
}
"""What is in the way of nothing."""


@pytest.mark.parametrize("how", SAID)
def test_rows_that_are_others(shelf: Shelf, how: str) -> None:
    shelf.change(*SAID[how])
    assert shelf.run() != []
    assert shelf.run() == []


@pytest.mark.parametrize("how", HARMLESS)
def test_rows_that_are_missing(shelf: Shelf, how: str) -> None:
    shelf.change(*HARMLESS[how])
    assert shelf.run() == [] == shelf.run()


# The index.


def _bit(content: bytearray, chance: Random) -> bytes:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(content)


def _noise(content: bytearray, chance: Random) -> bytes:
    start, length = chance.randrange(len(content)), chance.randrange(64)
    return bytes(content[:start]) + chance.randbytes(length) + bytes(content[start + length :])


def _page(content: bytearray, chance: Random) -> bytes:
    """One page in the place of another."""
    pages = [bytes(content[start : start + 4096]) for start in range(0, len(content), 4096)]
    pages[chance.randrange(len(pages))] = chance.choice(pages)
    return b"".join(pages)


INDEX: tuple[Callable[[bytearray, Random], bytes], ...] = (
    _bit, _noise, _page, lambda content, chance: bytes(content[: chance.randrange(len(content))]),
)  # fmt: skip


def check_index(shelf: Shelf, seeds: range) -> int:
    """Damage the index at random; gives how many times something was said."""
    content = shelf.index.read_bytes()
    told = 0
    for seed in seeds:
        shelf.restore()
        shelf.index.write_bytes(INDEX[seed % len(INDEX)](bytearray(content), Random(seed)))
        told += bool(shelf.run())
        shelf.run()
    return told


def test_the_index_at_random(shelf: Shelf) -> None:
    assert check_index(shelf, range(16)) > 4


@pytest.mark.slow
def test_the_index_at_random_many_times(shelf: Shelf) -> None:
    assert check_index(shelf, range(100, 600)) > 100


def _folder(index: Path) -> None:
    index.unlink()
    index.mkdir()


USELESS: dict[str, Callable[[Path], Any]] = {
    "garbage": lambda index: index.write_bytes(b"no database at all" * 1000),
    "a folder": _folder,
    "of other tables": lambda index: _foreign(index),
}


def _foreign(index: Path) -> None:
    index.unlink()
    with sqlite3.connect(index) as db:
        db.execute("CREATE TABLE entries (something TEXT)")
    db.close()


@pytest.mark.parametrize("how", USELESS)
def test_an_index_that_is_none(shelf: Shelf, how: str) -> None:
    """The run says so and goes on without, until somebody clears it."""
    USELESS[how](shelf.index)
    warnings = shelf.run()
    assert any("cannot be read" in each and "the run goes on without it" in each for each in warnings)
    cache = DiskCache(shelf.place, codecs=World.codecs)
    cache.clear()
    cache.close()
    assert shelf.run() == [] == shelf.run()
    assert shelf.faults() == set()


def test_an_empty_index_is_an_empty_cache(shelf: Shelf) -> None:
    shelf.index.write_bytes(b"")
    assert shelf.run() == [] == shelf.run()
    assert shelf.faults() == set()


def test_the_log_of_the_index(shelf: Shelf) -> None:
    """A process was killed before what it wrote came from the log into the index, and then the log is damaged."""
    cache = DiskCache(shelf.place, codecs=World.codecs)
    cache.clear()
    shelf.world.outcome(shelf.world.session(shelf.folder / "run", cache), list(GRAPH))
    log = shelf.index.with_name("index.sqlite-wal")
    files = {file: file.read_bytes() for file in (shelf.index, log)}
    cache.close()
    content = files[log]
    assert len(content) > 20_000
    for seed in range(8):
        damaged = INDEX[seed % len(INDEX)](bytearray(content), Random(seed))
        log.with_name("index.sqlite-shm").unlink(missing_ok=True)
        for file, whole in files.items():
            file.write_bytes(whole)
        log.write_bytes(damaged)
        shelf.run()
        assert shelf.run() == []
