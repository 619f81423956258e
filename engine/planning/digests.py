"""Content digests of files, remembered as git's index does: by path and the marks that a change leaves on a file."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

from weft.engine.settings import own_cache

SCHEMA = "CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, marks TEXT, digest BLOB) WITHOUT ROWID"
_CHUNK = 1 << 20
# A file changed again within the clock's grain would keep its marks: one this young is not remembered.
_SETTLED_NS = 2_000_000_000
# Whoever holds the store for longer is stuck: hashing goes on without it.
_PATIENCE_S = 0.2


class Marks(NamedTuple):
    """What tells a file from what it was. Nobody can set the time of its change, unlike that of its modification."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, place: str) -> Marks:
        """The marks of the file as it is now. Raises OSError."""
        status = os.stat(place)
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    @property
    def settled(self) -> bool:
        """Whether a change from now on will show."""
        return time.time_ns() - max(self.mtime_ns, self.ctime_ns) > _SETTLED_NS


class Sighting(NamedTuple):
    """A file as it was when it was digested; `settled` says that its marks alone show whether it is still that."""

    path: Path
    marks: Marks
    settled: bool
    digest: bytes


class Digests:
    """blake2b-256 of file contents. With a `store`, what was hashed once is never read again until it changes.

    The store is a SQLite file shared by all runs of a user; it only saves time, so one that cannot be used is ignored.
    Several threads may share the object.
    """

    def __init__(self, store: Path | None = None) -> None:
        self._known: dict[str, tuple[Marks, bytes]] = {}
        self._store = store

    @classmethod
    def for_user(cls) -> Digests:
        """Digests remembered in the user's cache folder."""
        folder = own_cache()
        return cls(None if folder is None else folder / "digests.sqlite")

    def of(self, path: Path) -> bytes:
        """The digest of the file's content, 32 bytes. Raises OSError where it cannot be read."""
        return self.see(path).digest

    def see(self, path: Path) -> Sighting:
        """The digest, and what tells later whether the file is still that. Raises OSError where it cannot be read."""
        place = str(path.resolve())
        marks = Marks.of(place)
        known = self._known.get(place)
        if known is not None and known[0] == marks:
            return Sighting(path, marks, True, known[1])
        settled = marks.settled
        digest = self._recall(place, marks)
        if digest is None:
            digest = hash_file(place)
            # Of one that was written to meanwhile, this may be a mixture.
            settled = settled and Marks.of(place) == marks
            if settled:
                self._remember(place, marks, digest)
        if settled:
            self._known[place] = (marks, digest)
        return Sighting(path, marks, settled, digest)

    def holds(self, seen: Sighting) -> bool:
        """Whether nobody has touched the file since: what was read of it meanwhile is what was digested."""
        place = str(seen.path.resolve())
        try:
            return Marks.of(place) == seen.marks and (seen.settled or hash_file(place) == seen.digest)
        except OSError:
            return False

    def _recall(self, place: str, marks: Marks) -> bytes | None:
        if self._store is None or not self._store.exists():
            return None
        query = "SELECT digest FROM files WHERE path = ? AND marks = ?"
        try:
            with _open(self._store) as connection:
                row = connection.execute(query, (os.fsencode(place), _text(marks))).fetchone()
        except sqlite3.Error as error:
            self._give_up_if_locked(error)
            return None
        return row[0] if row and isinstance(row[0], bytes) and len(row[0]) == 32 else None

    def _remember(self, place: str, marks: Marks, digest: bytes) -> None:
        if self._store is None:
            return
        try:
            self._store.parent.mkdir(parents=True, exist_ok=True)
            with _open(self._store) as connection:
                connection.execute(SCHEMA)
                row = (os.fsencode(place), _text(marks), digest)
                connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", row)
        except (sqlite3.Error, OSError):
            self._store = None  # a read-only home, a full disk: hash again next time

    def _give_up_if_locked(self, error: sqlite3.Error) -> None:
        # Of a store without the table nothing is known, and it can still be written to.
        if "locked" in str(error):
            self._store = None


def _text(marks: Marks) -> str:
    # As text: SQLite's numbers end at 63 bits, inodes of network file systems and times of the far future do not.
    return " ".join(map(str, marks))


class _open:
    """A connection that commits and closes; sqlite3's own context manager leaves it open."""

    def __init__(self, store: Path) -> None:
        self._connection = sqlite3.connect(store, timeout=_PATIENCE_S)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._connection.commit()
        finally:
            self._connection.close()


def hash_file(path: str | os.PathLike[str]) -> bytes:
    """blake2b-256 of a file, read in pieces."""
    digest = hashlib.blake2b(digest_size=32)
    with open(path, "rb") as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
    return digest.digest()
