"""The cache in a folder: processes that share it, its budget, what goes wrong around it, tiers."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from weft import DiskCache, MemoryCache
from weft.engine.cache import blobs
from weft.engine.cache.encoding import digest_of
from weft.engine.cache.protocol import ABSENT, Cache, Entry, Recipe
from weft.engine.cache.tiers import Tiers
from weft.engine.errors import UsageError
from weft.engine.links import Link

from .caches import KEY, OTHER, flip, got, kept, same, tensor
from .files import everything_in, marks_in, mode_of


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, warnings: list[str]) -> Iterator[DiskCache]:
    cache = DiskCache(tmp_path / "kept", warn=warnings.append)
    yield cache
    cache.close()


def blob(cache: DiskCache) -> Path:
    return next(file for file, _ in cache.blobs.files())


# Another process, another object.


def test_it_outlives_its_object(cache: DiskCache) -> None:
    cache.put(KEY, Entry((tensor(3),)))
    cache.close()
    another = DiskCache(cache.folder.parent)
    entry = got(another)
    another.close()
    assert entry is not None and torch.equal(entry.outputs[0], tensor(3))


def test_it_is_the_users_alone(cache: DiskCache) -> None:
    before = os.umask(0)
    try:
        cache.put(KEY, Entry((tensor(),)))
        modes = {path: mode_of(path) for path in (cache.folder, *cache.folder.rglob("*"))}
    finally:
        os.umask(before)
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert any("wal" in path.name for path in modes)


def test_another_users_folder_is_refused(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put(KEY, Entry((1,)))
    somebody = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: somebody)
    with pytest.raises(UsageError, match="belongs to another user"):
        DiskCache(cache.folder.parent)


WRITER = """
import sys, torch
from weft import DiskCache
from weft.engine.cache.protocol import Entry
cache = DiskCache(sys.argv[1], max_bytes=int(sys.argv[3]), warn=lambda text: sys.exit(text))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    key = bytes([number % 7]) * 64
    cache.put(key, Entry((torch.full((3000,), float(number % 7)), number % 7)))
    found = cache.lookup(bytes([(number * 3) % 7]) * 64)
    entry = cache.load(found) if found else None
    if entry is not None:
        assert bool((entry.outputs[0] == entry.outputs[1]).all()) and entry.outputs[1] == (number * 3) % 7
cache.close()
print("done", flush=True)
"""


def writer(folder: Path, count: int, budget: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(count), str(budget)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def start(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def test_two_processes_and_a_budget_that_is_too_small(tmp_path: Path) -> None:
    two = [writer(tmp_path, 60, 40_000) for _ in range(2)]
    start(*two)
    for process in two:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, "done\n"), err
    cache = DiskCache(tmp_path)
    assert cache.size().bytes <= 40_000
    assert list(cache.verify()) == []
    cache.close()


def test_another_process_makes_it_at_the_same_moment(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite refuses one of the two at once, whatever its timeout."""

    class Refused(sqlite3.Connection):
        times = 0

        def execute(self, statement: str, *given: Any) -> sqlite3.Cursor:
            if "journal_mode" in statement and Refused.times < 3:
                Refused.times += 1
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error
            return super().execute(statement, *given)

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Refused))
    assert kept(cache, 1) == (1,) and Refused.times == 3


def test_killed_while_it_writes(tmp_path: Path) -> None:
    """What is half-written is no entry, and the next process does as if it was not there."""
    chance = random.Random(1)
    cache = DiskCache(tmp_path, warn=lambda text: pytest.fail(text))
    for _ in range(3):
        process = writer(tmp_path, 100_000, 40_000)
        start(process)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05 + 0.2 * chance.random())
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert {fault.kind for fault in cache.verify()} <= {"unknown"}
        for number in range(7):
            entry = got(cache, bytes([number]) * 64)
            assert entry is None or torch.equal(entry.outputs[0], torch.full((3000,), float(number)))
    cache.clear()
    assert list(cache.verify()) == []
    cache.close()


def test_a_document_that_is_none(cache: DiskCache, warnings: list[str]) -> None:
    cache.put(KEY, Entry((1,)))
    with cache.index.writing() as db:
        db.execute("UPDATE entries SET document = ?", (b"{",))
    assert [row.kinds for row in cache.rows()] == [("damaged",)]
    assert got(cache) is None and "is damaged: it is computed again" in warnings[0]


# The budget.


def test_the_least_recently_used_go_first_and_take_their_blobs(cache: DiskCache) -> None:
    cache.max_bytes = 3 * 4600
    for number in range(3):
        cache.put(bytes([number]) * 64, Entry((tensor(number),)))
    cache.lookup(bytes([0]) * 64)
    cache.put(KEY, Entry((tensor(9),)))
    assert [got(cache, key) is not None for key in (*(bytes([n]) * 64 for n in range(3)), KEY)] == [
        True, False, True, True]  # fmt: skip
    assert cache.size().blobs == len(list(cache.blobs.files())) == 3


def test_a_shared_blob_stays_with_the_entry_that_has_it_still(cache: DiskCache) -> None:
    cache.put(KEY, Entry((tensor(1),)))
    cache.put(OTHER, Entry((tensor(1), "more")))
    cache.max_bytes = cache.size().bytes - 1
    cache.put(b"x" * 64, Entry(()))
    assert got(cache) is None
    assert same(getattr(got(cache, OTHER), "outputs", None), (tensor(1), "more"))


def test_what_is_larger_than_the_budget_is_not_kept(cache: DiskCache) -> None:
    cache.put(OTHER, Entry((1,)))
    cache.max_bytes = 1000
    assert kept(cache, tensor()) is None
    assert got(cache, OTHER) is not None


def test_what_was_left_half_written_goes_one_day(cache: DiskCache) -> None:
    cache.put(KEY, Entry((tensor(),)))
    old, young = (blob(cache).with_name(f".{name}.part") for name in ("old", "young"))
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    cache.blobs.sweep()
    assert (old.exists(), young.exists()) == (False, True)
    assert [fault.kind for fault in cache.verify()] == ["unknown"]


# What goes wrong around it.


def test_what_a_link_in_a_blobs_place_leads_to_is_left_alone(cache: DiskCache, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"theirs")
    digest = digest_of(b"content")
    place = cache.blobs.place(digest)
    cache.blobs.folder.mkdir(parents=True)
    place.parent.mkdir()
    place.symlink_to(theirs)
    cache.blobs.write(digest, b"content")
    assert cache.blobs.read(digest) == b"content" and theirs.read_bytes() == b"theirs"


def test_a_full_disk(cache: DiskCache, warnings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    cache.put(KEY, Entry((tensor(1),)))
    monkeypatch.setattr(blobs, "write_whole", full)
    for number in (2, 3):
        cache.put(OTHER, Entry((tensor(number),)))
    assert got(cache, OTHER) is None and got(cache) is not None
    assert len(warnings) == 1 and "No space left on device" in warnings[0]
    assert list(cache.verify()) == []


def test_a_folder_that_cannot_be_written_to(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put(KEY, Entry((tensor(1),)))
    cache.close()
    warnings: list[str] = []
    before = everything_in(cache.folder)
    monkeypatch.setattr(os, "access", lambda path, mode, **_: not mode & os.W_OK)
    reader = DiskCache(cache.folder.parent, warn=warnings.append)
    assert got(reader) is not None and not warnings
    reader.put(OTHER, Entry((1,)))
    reader.close()
    assert len(warnings) == 1 and "cannot be written to: attempt to write a readonly database" in warnings[0]
    assert everything_in(cache.folder) == before


def test_a_place_where_no_folder_can_be(tmp_path: Path, warnings: list[str]) -> None:
    (tmp_path / "file").write_text("")
    cache = DiskCache(tmp_path / "file" / "cache", warn=warnings.append)
    assert kept(cache, 1) is None
    assert len(warnings) == 2


def test_removed_meanwhile(cache: DiskCache, warnings: list[str]) -> None:
    cache.put(KEY, Entry((tensor(1),)))
    manifest = cache.lookup(KEY)
    shutil.rmtree(cache.folder.parent)
    assert manifest is not None and cache.load(manifest) is None
    assert kept(cache, tensor(2)) is not None
    assert not warnings


def test_cleared_while_it_is_read_and_written(cache: DiskCache) -> None:
    failures: list[str] = []
    other = DiskCache(cache.folder.parent, warn=failures.append)

    def use() -> None:
        for number in range(40):
            other.put(bytes([number % 5]) * 64, Entry((tensor(number % 5), number % 5)))
            entry = got(other, bytes([number * 2 % 5]) * 64)
            if entry is not None and not torch.equal(entry.outputs[0], tensor(entry.outputs[1])):
                failures.append(f"wrong at {number}")

    thread = threading.Thread(target=use)
    thread.start()
    while thread.is_alive():
        cache.clear()
    thread.join()
    other.close()
    assert not failures


def test_a_forked_process_opens_its_own(cache: DiskCache) -> None:
    cache.put(KEY, Entry((1,)))
    connection = cache.index.connection()
    cache.index._opened = (0, *cache.index._opened[1:])
    assert got(cache) is not None
    assert cache.index.connection() is not connection
    connection.close()


def test_the_order_needs_no_clock(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100, 0, -1))
    monkeypatch.setattr("weft.engine.cache.disk.time.time", lambda: float(next(clock)))
    for number in range(3):
        cache.put(bytes([number]) * 64, Entry((number,)))
    assert [row.key[0] for row in cache.rows()] == [2, 1, 0]


# One that is only read.


@pytest.fixture
def reader(cache: DiskCache, warnings: list[str]) -> Iterator[DiskCache]:
    reader = DiskCache(cache.folder.parent, read_only=True, warn=warnings.append)
    yield reader
    reader.close()


@pytest.mark.parametrize("written", [False, True], ids=["closed", "while another writes"])
def test_reading_leaves_no_trace(cache: DiskCache, reader: DiskCache, warnings: list[str], written: bool) -> None:
    cache.put(KEY, Entry((tensor(1),)))
    # Within one process both map the log together: the mark of who has read up to where stands there already.
    cache.size()
    if not written:
        cache.close()
    before = marks_in(cache.folder)
    assert same(getattr(got(reader), "outputs", None), (tensor(1),))
    assert got(reader, OTHER) is None
    reader.put(OTHER, Entry((2,)))
    reader.close()
    assert marks_in(cache.folder) == before and not warnings


def test_a_reader_sees_what_is_written_later(cache: DiskCache, reader: DiskCache, warnings: list[str]) -> None:
    for number in range(6):
        assert got(reader, bytes([number]) * 64) is None or not number
        cache.put(bytes([number]) * 64, Entry((number,)))
        if number % 2:
            cache.close()
        assert got(reader, bytes([number]) * 64) == Entry((number,))
    assert len(warnings) == 1 and "cannot be read: No such file or directory" in warnings[0]


def test_what_is_damaged_there_stays_and_is_a_miss(cache: DiskCache, reader: DiskCache, warnings: list[str]) -> None:
    cache.put(KEY, Entry((tensor(1),)))
    cache.close()
    flip(blob(cache))
    before = marks_in(cache.folder)
    assert got(reader) is None and "is damaged: it is computed again" in warnings[0]
    assert marks_in(cache.folder) == before


def test_another_users_folder_may_be_read(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put(KEY, Entry((1,)))
    somebody = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: somebody)
    reader = DiskCache(cache.folder.parent, read_only=True)
    assert got(reader) == Entry((1,))
    reader.close()


def test_who_lets_others_read_it_lets_them_read_all_of_it(cache: DiskCache) -> None:
    before = os.umask(0o022)
    try:
        cache.put(KEY, Entry((tensor(1),)))
        cache.folder.chmod(0o755)
        cache.put(OTHER, Entry((tensor(2),)))
        modes = [mode_of(path) for path in (file for file, _ in cache.blobs.files())]
    finally:
        os.umask(before)
    assert sorted(modes) == [0o600, 0o644]


# Tiers.


def test_what_only_the_disk_has_goes_to_memory_when_it_is_loaded(cache: DiskCache) -> None:
    cache.put(KEY, Entry((1,)))
    memory = MemoryCache()
    tiers: Cache = Tiers(memory, cache)
    assert got(tiers) == Entry((1,))
    assert got(memory) == Entry((1,))
    model = object()
    tiers.put(OTHER, Entry((model,)))
    assert got(tiers, OTHER) == got(memory, OTHER) == Entry((model,)) and got(cache, OTHER) == Entry((ABSENT,))
    memory.clear()
    assert got(tiers, OTHER) == Entry((ABSENT,)) and got(memory, OTHER) is None, "what is in memory is whole"


def test_a_shared_tier_is_asked_last_and_only_read(cache: DiskCache, tmp_path: Path) -> None:
    team = DiskCache(tmp_path / "team")
    team.put(KEY, Entry((tensor(1),)))
    shared = DiskCache(tmp_path / "team", read_only=True)
    memory = MemoryCache()
    tiers: Cache = Tiers(memory, cache, shared=[shared])
    tiers.put(OTHER, Entry((2,)))
    assert got(team, OTHER) is None and got(cache, OTHER) == Entry((2,))
    found = tiers.lookup(KEY)
    assert found is not None and cache.lookup(KEY) is None
    assert same(getattr(tiers.load(found), "outputs", None), (tensor(1),))
    assert same(getattr(got(cache), "outputs", None), (tensor(1),)) and memory.lookup(KEY) is not None
    team.close()
    shared.close()


# Recipes.


def test_recipes_outlive_their_object(cache: DiskCache) -> None:
    link, files, facts = Link("1", 2), {"checkpoints/a": b"f" * 32}, {"device": "cpu", "version": 3}
    recipe = Recipe(
        "Sampler", "1", {"a": 1.0, "b": [True, (None, "x")], "c": link}, {"c": b"k" * 32}, KEY, files, facts
    )
    cache.note("w:1", recipe)
    cache.close()
    assert cache.recall("w:1") == recipe and cache.recall("w:2") is None
    cache.clear()
    assert cache.recall("w:1") is None


def test_a_title_with_half_a_character(cache: DiskCache) -> None:
    cache.note("w:1", Recipe("X", "1", {}, {}, KEY, {}, {}, title="\ud800"))
    assert cache.recall("w:1") is not None


def test_recipes_have_a_limit_and_may_be_missing(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.engine.cache.disk._RECIPES", 3)
    for number in range(5):
        cache.note(str(number), Recipe("X", "1", {}, {}, KEY, {}, {}))
    assert [name for name in "01234" if cache.recall(name)] == ["2", "3", "4"]
    cache.note("4", Recipe("X", "1", {"a": "x" * 70_000}, {}, KEY, {}, {}))
    cache.note("4", Recipe("X", "1", {"a": object()}, {}, KEY, {}, {}))
    with cache.index.writing() as db:
        db.execute("UPDATE recipes SET document = ? WHERE place = ?", (b"{}", "3"))
    assert cache.recall("3") is None and cache.recall("4") is not None
