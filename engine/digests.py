"""Content digests of files, remembered as git's index does: by (path, size, mtime_ns, inode)."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from pathlib import Path

SCHEMA = """CREATE TABLE IF NOT EXISTS digests (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, digest BLOB
) WITHOUT ROWID"""
_CHUNK = 1 << 20
# A file changed again within the clock's grain would keep its mtime: one this young is not remembered.
_SETTLED_NS = 2_000_000_000

Identity = tuple[int, int, int]


class Digests:
    """blake2b-256 of file contents. With a `store`, what was hashed once is never read again until it changes.

    The store is a SQLite file shared by all runs of a user; it only saves time, so one that cannot be used is ignored.
    """

    def __init__(self, store: Path | None = None) -> None:
        self._known: dict[str, tuple[Identity, bytes]] = {}
        self._store = store

    @classmethod
    def for_user(cls) -> Digests:
        """Digests remembered in the user's cache folder."""
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        # In a container a user may have no home: then nothing is remembered.
        return cls(None if base.startswith("~") else Path(base) / "weft" / "digests.sqlite")

    def of(self, path: Path) -> bytes:
        """The digest of the file's content, 32 bytes. Raises OSError where it cannot be read."""
        place = str(path.resolve())
        status = os.stat(place)
        identity = (status.st_size, status.st_mtime_ns, status.st_ino)
        known = self._known.get(place)
        if known is not None and known[0] == identity:
            return known[1]
        digest = self._recall(place, identity)
        if digest is None:
            settled = time.time_ns() - status.st_mtime_ns > _SETTLED_NS
            digest = hash_file(place)
            if not settled:
                return digest
            self._remember(place, identity, digest)
        self._known[place] = (identity, digest)
        return digest

    def _recall(self, place: str, identity: Identity) -> bytes | None:
        if self._store is None or not self._store.exists():
            return None
        query = "SELECT digest FROM digests WHERE path = ? AND size = ? AND mtime_ns = ? AND inode = ?"
        try:
            with _open(self._store) as connection:
                row = connection.execute(query, (os.fsencode(place), *identity)).fetchone()
        except sqlite3.Error:
            return None
        return bytes(row[0]) if row else None

    def _remember(self, place: str, identity: Identity, digest: bytes) -> None:
        if self._store is None:
            return
        try:
            self._store.parent.mkdir(parents=True, exist_ok=True)
            with _open(self._store) as connection:
                connection.execute(SCHEMA)
                connection.execute(
                    "INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?)", (os.fsencode(place), *identity, digest)
                )
        except (sqlite3.Error, OSError):
            self._store = None  # a read-only home, a full disk: hash again next time


class _open:
    """A connection that commits and closes; sqlite3's own context manager leaves it open."""

    def __init__(self, store: Path) -> None:
        self._connection = sqlite3.connect(store, timeout=5)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._connection.commit()
        self._connection.close()


def hash_file(path: str | os.PathLike[str]) -> bytes:
    """blake2b-256 of a file, read in pieces."""
    digest = hashlib.blake2b(digest_size=32)
    with open(path, "rb") as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
    return digest.digest()
