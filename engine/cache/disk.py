"""A cache in a folder, which outlives the process and may be shared by several at once.

    FOLDER/v1/index.sqlite    entries: key -> document, and which blobs it speaks of
    FOLDER/v1/blobs/ab/cd...  what is large, by its digest

Invariants:

    1. A blob is there whole or not at all. It is read through its digest, a document through its seal, which binds it
       to its key: what is damaged, missing or in another's place is a miss.
    2. Blobs are removed inside a write transaction of the index, and only those that no entry speaks of. An entry is
       committed in one that has seen all its blobs there. So no process takes a blob from under an entry of another.
    3. A row in `blobs` is written before its file and deleted after it: what a killed process leaves is found again.
    4. `used` is a count, not a time: whatever a clock does, the least recently used go first.
    5. No failure of the cache is one of the run: it is told to `warn`, once, and the run goes on without.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

from weft.engine.cache.blobs import Blobs, DamagedBlob
from weft.engine.cache.encoding import Codecs, Encoded, Unkept, decode, encode, files_of, kinds
from weft.engine.cache.protocol import Entry, Manifest, Recipe
from weft.engine.errors import UsageError, Warn, python_warning
from weft.engine.schema.packs import Codec, Packs

GIB = 1 << 30
FORMAT = "v1"
"""Of the folder: another version of Weft that lays it out in another way has another one beside it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    key BLOB PRIMARY KEY, document BLOB NOT NULL, seal BLOB NOT NULL, used INTEGER NOT NULL, made REAL NOT NULL);
CREATE INDEX IF NOT EXISTS by_use ON entries (used);
CREATE TABLE IF NOT EXISTS blobs (digest BLOB PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (key BLOB, digest BLOB, PRIMARY KEY (key, digest)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_digest ON parts (digest);
"""
_NEXT = "(SELECT coalesce(max(used), 0) + 1 FROM entries)"
_ORPHANS = "SELECT digest FROM blobs WHERE NOT EXISTS (SELECT 1 FROM parts WHERE parts.digest = blobs.digest)"
# Whoever holds the index for longer is stuck: the run goes on without it.
_PATIENCE_S = 5.0


class CacheRow(NamedTuple):
    """An entry, for people: `size` is that of its document and blobs, which others may have too."""

    key: bytes
    made: float
    size: int
    kinds: tuple[str, ...]
    files: tuple[Path, ...]


class CacheSize(NamedTuple):
    """How much there is."""

    entries: int
    blobs: int
    bytes: int


class Fault(NamedTuple):
    """What `verify` found: `kind` is damaged, unknown or unreadable."""

    kind: str
    place: str
    message: str


class DiskCache:
    """Entries in a folder, up to a budget of bytes; the least recently used go first.

    What has no codec (a model) is not kept: `codecs` are those of the installed packs, unless given. Several threads
    may share the object. Raises UsageError for a folder that is another user's.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        max_bytes: int = 10 * GIB,
        codecs: Codecs | None = None,
        warn: Warn = python_warning,
    ) -> None:
        self.folder = Path(folder).absolute() / FORMAT
        self.index = self.folder / "index.sqlite"
        self.blobs = Blobs(self.folder / "blobs")
        self.max_bytes = max_bytes
        self._given = codecs
        self._warn = warn
        self._told: set[str] = set()
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, ...] = ()
        _check_owner(self.folder)

    def close(self) -> None:
        """Let go of the index; it is opened again when it is needed."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None and self._opened[0] == os.getpid():
                connection.close()

    __del__ = close

    # The protocol.

    def lookup(self, key: bytes) -> Manifest | None:
        with self._failing("read"), self._lock:
            document = self._document(key)
            if document is None:
                return None
            with suppress(sqlite3.OperationalError):  # of a cache that cannot be written to, nothing is recent
                self._db().execute(f"UPDATE entries SET used = {_NEXT} WHERE key = ?", (key,))
            files = files_of(document)
            return Manifest(key, tuple(file.path for file in files), tuple(file.digest for file in files))
        return None

    def load(self, manifest: Manifest) -> Entry | None:
        key = manifest.key
        with self._failing("read"):
            with self._lock:
                document = self._document(key)
            if document is None:
                return None
            try:
                return decode(document, self.blobs.read, self._codecs)
            except (DamagedBlob, OSError, Unkept) as error:
                self._lost(key, error)
        return None

    def put(self, key: bytes, entry: Entry) -> None:
        with self._failing("written to"):
            try:
                encoded = encode(entry, self._codecs)
            except Unkept:
                return
            if sum(map(len, encoded.blobs.values())) + len(encoded.document) <= self.max_bytes:
                self._write(key, encoded)

    def recall(self, node_id: str) -> Recipe | None:
        """None: ids mean something in one workflow only."""
        return None

    def note(self, node_id: str, recipe: Recipe) -> None:
        pass

    # What `weft cache` asks.

    def size(self) -> CacheSize:
        """How much there is. Raises sqlite3.Error."""
        with self._lock:
            (entries, documents), (blobs, sizes) = (
                self._db().execute(f"SELECT count(*), coalesce(sum({what}), 0) FROM {table}").fetchone()
                for table, what in (("entries", "length(document)"), ("blobs", "size"))
            )
        return CacheSize(entries, blobs, documents + sizes)

    def rows(self) -> list[CacheRow]:
        """The entries, the most recently used first. Raises sqlite3.Error."""
        query = """
            SELECT key, made, document, length(document) + coalesce((SELECT sum(size) FROM parts JOIN blobs
            USING (digest) WHERE parts.key = entries.key), 0) FROM entries ORDER BY used DESC"""
        with self._lock:
            found = self._db().execute(query).fetchall()
        rows = []
        for key, made, document, size in found:
            try:
                told, files = tuple(kinds(document)), tuple(file.path for file in files_of(document))
            except (ValueError, KeyError, TypeError, StopIteration):
                told, files = ("damaged",), ()
            rows.append(CacheRow(key, made, size, told, files))
        return rows

    def clear(self) -> None:
        """Remove everything, what nobody knows too; of a damaged index, the index itself. Raises OSError."""
        try:
            with self._lock, self._writing() as db:
                for table in ("entries", "parts", "blobs"):
                    db.execute(f"DELETE FROM {table}")
                shutil.rmtree(self.blobs.folder, ignore_errors=True)
        except (sqlite3.Error, IsADirectoryError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise OSError(f"{self.index}: {error}") from error
            self.close()
            shutil.rmtree(self.folder)

    def verify(self) -> Iterator[Fault]:
        """Everything that is wrong, by hashing all of it. Raises sqlite3.Error where the index cannot be read."""
        with self._lock:
            entries = self._db().execute("SELECT key, document, seal FROM entries").fetchall()
            known = dict(self._db().execute("SELECT digest, size FROM blobs").fetchall())
            needed = {digest for (digest,) in self._db().execute("SELECT DISTINCT digest FROM parts")}
        for key, document, seal in entries:
            if _seal(key, document) != seal:
                yield Fault("damaged", key.hex(), "the entry is not what was kept")
        for digest in sorted(needed):
            if not self.blobs.place(digest).exists():
                yield Fault("damaged", str(self.blobs.place(digest)), "it is not there")
        for file, named in self.blobs.files():
            if named is None or named not in known:
                yield Fault("unknown", str(file), "no entry has had it")
                continue
            try:
                self.blobs.read(named)
            except DamagedBlob:
                yield Fault("damaged", str(file), "its content is not what its name says")
            except OSError as error:
                yield Fault("unreadable", str(file), str(error.strerror or error))

    # Below: what they are made of.

    @cached_property
    def _packs(self) -> Packs:
        return Packs.installed()

    def _codecs(self, kind: str) -> Codec | None:
        return self._given(kind) if self._given is not None else self._packs.codec(kind)

    def _document(self, key: bytes) -> bytes | None:
        row = self._db().execute("SELECT document, seal FROM entries WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        document, seal = row
        if _seal(key, document) != seal:
            self._lost(key, DamagedBlob(f"the entry {key.hex()[-16:]} in {self.index} is damaged"))
            return None
        return bytes(document)

    def _lost(self, key: bytes, error: Exception) -> None:
        """An entry cannot be served: drop it and what is damaged of it, so that it is written anew."""
        there = 1
        with suppress(sqlite3.OperationalError), self._lock, self._writing() as db:
            digests = [digest for (digest,) in db.execute("SELECT digest FROM parts WHERE key = ?", (key,))]
            for digest in digests:
                self._remove_if_damaged(digest)
            db.execute("DELETE FROM parts WHERE key = ?", (key,))
            there = db.execute("DELETE FROM entries WHERE key = ?", (key,)).rowcount
        # Where another process has removed it meanwhile, nothing is wrong.
        if there:
            said = f"{error.filename} is not there" if isinstance(error, FileNotFoundError) else str(error)
            self._tell(f"the cache: {said}: it is computed again")

    def _remove_if_damaged(self, digest: bytes) -> None:
        try:
            self.blobs.read(digest)
        except (DamagedBlob, OSError):
            self.blobs.remove(digest)

    def _write(self, key: bytes, encoded: Encoded) -> None:
        sizes = {digest: len(content) for digest, content in encoded.blobs.items()}
        with self._lock, self._writing() as db:
            db.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?)", sizes.items())
        for digest, content in encoded.blobs.items():
            with suppress(FileNotFoundError):  # the cache is being cleared
                self.blobs.write(digest, content)
        with self._lock, self._writing() as db:
            for digest, content in encoded.blobs.items():  # another process may have removed it since
                self.blobs.write(digest, content)
            db.executemany("INSERT OR REPLACE INTO blobs VALUES (?, ?)", sizes.items())
            db.execute("DELETE FROM parts WHERE key = ?", (key,))
            db.execute(
                f"INSERT OR REPLACE INTO entries VALUES (?, ?, ?, {_NEXT}, ?)",
                (key, encoded.document, _seal(key, encoded.document), time.time()),
            )
            db.executemany("INSERT INTO parts VALUES (?, ?)", ((key, digest) for digest in sizes))
        if self.size().bytes > self.max_bytes:
            self._shrink()

    def _shrink(self) -> None:
        """Drop entries, and then the blobs that none has any more, until the rest is within the budget."""
        with self._lock:
            with self._writing() as db:
                left = self.size().bytes
                for key, size in db.execute("SELECT key, length(document) FROM entries ORDER BY used").fetchall():
                    if left <= self.max_bytes:
                        break
                    freed = db.execute(
                        """SELECT coalesce(sum(size), 0) FROM parts AS mine JOIN blobs USING (digest) WHERE key = ?
                        AND NOT EXISTS (SELECT 1 FROM parts WHERE digest = mine.digest AND key <> mine.key)""",
                        (key,),
                    ).fetchone()[0]
                    db.execute("DELETE FROM entries WHERE key = ?", (key,))
                    db.execute("DELETE FROM parts WHERE key = ?", (key,))
                    left -= size + freed
            with self._writing() as db:
                for (digest,) in db.execute(_ORPHANS).fetchall():
                    self.blobs.remove(digest)
                    db.execute("DELETE FROM blobs WHERE digest = ?", (digest,))
        self.blobs.sweep()

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        """A failure of the cache, or of a pack's codec, is told and passed over."""
        try:
            yield
        except Exception as error:
            # Without the file's name: a full disk is told of once, not for every blob.
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            where = f"the cache in {self.folder.parent} cannot be {what}"
            self._tell(f"{where}: {why or type(error).__name__}; the run goes on without it")

    def _tell(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._warn(message)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: nobody else writes meanwhile."""
        db = self._db()
        if db.in_transaction:  # an interrupt came before it could be taken back
            db.execute("ROLLBACK")
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    def _db(self) -> sqlite3.Connection:
        """The connection, opened again where the process is another one, or the file: it may have been removed."""
        if self._connection is not None:
            with suppress(OSError):
                now = os.stat(self.index)
                if self._opened == (os.getpid(), now.st_dev, now.st_ino):
                    return self._connection
            self.close()
        self._connection = self._open()
        there = os.stat(self.index)
        self._opened = (os.getpid(), there.st_dev, there.st_ino)
        return self._connection

    def _open(self) -> sqlite3.Connection:
        connect = partial(sqlite3.connect, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
        if self.index.exists() and not os.access(self.folder, os.W_OK):
            # Of a folder that nobody here can write to, SQLite would want to write its log.
            return connect(f"{self.index.as_uri()}?mode=ro&immutable=1", uri=True)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What SQLite puts beside it has the permissions of this file.
        os.close(os.open(self.index, os.O_RDWR | os.O_CREAT, 0o600))
        connection = connect(self.index)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection


def _seal(key: bytes, document: bytes) -> bytes:
    """What binds a document to its key."""
    return hashlib.blake2b(b"%d:" % len(key) + key + document, digest_size=32).digest()


def _check_owner(folder: Path) -> None:
    """Raise UsageError for a folder that another user made: he could put his pictures there."""
    with suppress(OSError):
        status = os.lstat(folder)
        if os.name != "nt" and status.st_uid != os.getuid():
            raise UsageError(f"the cache {folder} belongs to another user", hint="--cache DIR names another folder")
        if not stat.S_ISDIR(status.st_mode):
            raise UsageError(f"the cache {folder} is no folder", hint="--cache DIR names another one")
