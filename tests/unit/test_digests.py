from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from weft.engine.planning import digests as digests_module
from weft.engine.planning.digests import Digests, Marks, hash_file

OLD = time.time_ns() - 10**12
LATER_S = 3  # when what is written now has settled


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The clock of digests: it goes ahead by so many seconds, at first by LATER_S."""
    real = time.time_ns

    def ahead(seconds: float) -> None:
        monkeypatch.setattr(digests_module.time, "time_ns", lambda: real() + int(seconds * 1e9))

    ahead(LATER_S)
    return ahead


class Reads:
    """Counts what is really read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        monkeypatch.setattr(digests_module, "hash_file", self)

    def __call__(self, path: str) -> bytes:
        self.count += 1
        return hash_file(path)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


def settled(path: Path, content: bytes, mtime_ns: int = OLD) -> Path:
    """A file that was last changed long ago."""
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def test_it_is_blake2b_of_the_content(tmp_path: Path) -> None:
    content = os.urandom(3 * (1 << 20) + 17)
    path = tmp_path / "big"
    path.write_bytes(content)
    assert Digests().of(path) == hash_file(path) == hashlib.blake2b(content, digest_size=32).digest()
    path.write_bytes(b"")
    assert Digests().of(path) == hashlib.blake2b(b"", digest_size=32).digest()


def test_what_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        Digests().of(Path("absent"))


def test_remembered_in_memory_and_across_instances(tmp_path: Path, reads: Reads) -> None:
    path, store = settled(tmp_path / "f", b"abc"), tmp_path / "deep" / "digests.sqlite"
    first = Digests(store)
    assert first.of(path) == first.of(path)
    assert reads.count == 1
    assert Digests(store).of(path) == first.of(path)
    assert reads.count == 1
    assert Digests().of(path) == first.of(path)
    assert reads.count == 2


@pytest.mark.parametrize("change", ["size", "mtime", "inode", "nothing but the content"])
def test_a_changed_file_is_read_again(change: str, tmp_path: Path, reads: Reads) -> None:
    path, store = settled(tmp_path / "f", b"abc"), tmp_path / "digests.sqlite"
    digests = Digests(store)
    before = digests.of(path)
    if change == "size":
        settled(path, b"abcd")
    elif change == "mtime":
        settled(path, b"xyz", OLD + 1)
    elif change != "inode":
        settled(path, b"xyz")
    else:
        os.replace(settled(tmp_path / "new", b"xyz"), path)
    assert digests.of(path) != before
    assert Digests(store).of(path) != before
    assert reads.count == 2


def test_touching_a_file_changes_no_digest(tmp_path: Path) -> None:
    path = settled(tmp_path / "f", b"abc")
    digests = Digests()
    before = digests.of(path)
    os.utime(path, ns=(OLD + 1, OLD + 1))
    assert digests.of(path) == before
    assert digests.of(path.rename(tmp_path / "g")) == before


def test_links_are_one_file(tmp_path: Path, reads: Reads) -> None:
    path = settled(tmp_path / "f", b"abc")
    (tmp_path / "link").symlink_to(path)
    digests = Digests()
    assert digests.of(path) == digests.of(tmp_path / "link")
    assert reads.count == 1


@pytest.mark.parametrize("mtime_ns", [OLD, time.time_ns(), 2**62 + 2**61], ids=["old", "now", "to come"])
def test_a_young_file_is_not_trusted(
    mtime_ns: int, tmp_path: Path, reads: Reads, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could change again within one tick of the clock and look the same."""
    clock(0)
    path, store = tmp_path / "f", tmp_path / "digests.sqlite"
    path.write_bytes(b"abc")
    same = Marks.of(str(path))._replace(mtime_ns=mtime_ns)
    monkeypatch.setattr(Marks, "of", lambda place: same)
    digests = Digests(store)
    seen = digests.see(path)
    assert digests.holds(seen)
    path.write_bytes(b"xyz")
    assert not digests.holds(seen)
    assert digests.of(path) != seen.digest
    assert reads.count == 4
    assert Digests(store).of(path) != seen.digest
    assert reads.count == 5


def test_one_that_is_written_to_meanwhile_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = settled(tmp_path / "f", b"abc")
    digests = Digests(tmp_path / "digests.sqlite")

    def hash_and_write(place: str) -> bytes:
        found = hash_file(place)
        path.write_bytes(b"xyzw")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(digests_module, "hash_file", hash_and_write)
        digests.of(path)
    assert digests.of(path) == hash_file(path)


def test_whether_a_file_is_still_what_was_seen(tmp_path: Path, reads: Reads) -> None:
    path = settled(tmp_path / "f", b"abc")
    digests = Digests()
    seen = digests.see(path)
    assert digests.holds(seen)
    assert reads.count == 1  # its marks are enough
    settled(path, b"xyz")
    assert not digests.holds(seen)
    settled(path, b"abc")  # in between it was something else
    assert not digests.holds(seen)
    path.unlink()
    assert not digests.holds(digests.see(settled(tmp_path / "g", b"abc"))._replace(path=path))


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, -(2**70), 0])
def test_numbers_beyond_63_bits(number: int, tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inodes of network file systems have 64 bits, and any time may be given to a file."""
    path, store = settled(tmp_path / "f", b"abc"), tmp_path / "digests.sqlite"
    marks = Marks(3, min(number, 0), min(number, 0), number)
    monkeypatch.setattr(Marks, "of", lambda place: marks)
    assert Digests(store).of(path) == Digests(store).of(path)
    assert reads.count == 1


def test_a_locked_store_is_not_waited_for(tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, store = [settled(tmp_path / name, b"abc") for name in "fgh"], tmp_path / "digests.sqlite"
    Digests(store).of(paths[0])
    tries = []
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **more: tries.append(more) or connect(*given, **more))
    holder = connect(store, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    digests = Digests(store)
    assert len({digests.of(path) for path in paths}) == 1
    holder.close()
    assert (reads.count, len(tries)) == (4, 1)  # once is enough to know
    assert tries[0]["timeout"] <= 0.5


def test_a_row_that_is_no_digest(tmp_path: Path) -> None:
    path, store = settled(tmp_path / "f", b"abc"), tmp_path / "digests.sqlite"
    right = Digests(store).of(path)
    for value in (10**12, "text", b"short", None):
        with sqlite3.connect(store) as connection:
            connection.execute("UPDATE files SET digest = ?", (value,))
        connection.close()
        assert Digests(store).of(path) == right


def test_a_store_that_cannot_be_used_costs_time_only(tmp_path: Path, reads: Reads) -> None:
    path = settled(tmp_path / "f", b"abc")
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"this is no database" * 100)
    for store in (broken, path / "below" / "a file.sqlite", tmp_path):
        digests = Digests(store)
        assert digests.of(path) == digests.of(path)
    assert reads.count == 3


def test_a_store_of_another_schema(tmp_path: Path) -> None:
    store = tmp_path / "other.sqlite"
    with sqlite3.connect(store) as connection:
        connection.execute("CREATE TABLE files (something TEXT)")
    connection.close()
    assert Digests(store).of(settled(tmp_path / "f", b"abc"))


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_a_name_that_is_no_text(tmp_path: Path, reads: Reads) -> None:
    name = os.fsdecode(b"caf\xe9.safetensors")
    try:
        path = settled(tmp_path / name, b"abc")
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    for _ in range(2):
        Digests(tmp_path / "digests.sqlite").of(path)
    assert reads.count == 1


def test_for_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: Reads) -> None:
    path = settled(tmp_path / "f", b"abc")
    Digests.for_user().of(path)
    assert (tmp_path / "cache" / "weft" / "digests.sqlite").is_file()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as where nobody has a home
    Digests.for_user().of(path)
    assert reads.count == 2
    assert not Path("~").exists()
