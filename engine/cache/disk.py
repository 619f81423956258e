"""A cache in a folder, which outlives the process and may be shared by several at once.

    FOLDER/v2/index.sqlite    entries: key -> document, and which blobs it speaks of
                              recipes: what nodes were last computed from, to say why they are computed again
    FOLDER/v2/blobs/ab/cd...  what is large, by its digest

Invariants:

    1. A blob is there whole or not at all. It is read through its digest, a document through its seal, which binds it
       to its key: what is damaged, missing or in another's place is a miss.
    2. Blobs are removed inside a write transaction of the index, and only those that no entry speaks of. An entry is
       committed in one that has seen all its blobs there. So no process takes a blob from under an entry of another.
    3. A row in `blobs` is written before its file and deleted after it: what a killed process leaves is found again.
    4. `used` is a count, not a time: whatever a clock does, the least recently used go first.
    5. No failure of the cache is one of the run: it is told to `warn`, once, and the run goes on without.
    6. Nothing is written to one that is read only: no count of use, no file of SQLite's own.
    7. It is the user's alone, unless he lets others read `v2`: what is new is as readable as that folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from weft.engine.cache.blobs import Blobs, DamagedBlob
from weft.engine.cache.encoding import (
    Codecs,
    Encoded,
    Unkept,
    decode,
    decode_recipe,
    encode,
    encode_recipe,
    kinds,
    summary,
)
from weft.engine.cache.index import CacheIndex
from weft.engine.cache.protocol import Entry, Manifest, Recipe
from weft.engine.errors import UsageError, Warn, python_warning
from weft.engine.schema.packs import Codec, Packs

GIB = 1 << 30
FORMAT = "v2"
"""Of the folder: another version of Weft that lays it out in another way has another one beside it."""

_RECIPES, _RECIPE_BYTES = 20_000, 1 << 16
"""How many recipes are kept, the last ones, and how large one may be."""
_FORGOTTEN = (sqlite3.Error, OSError, ValueError, KeyError, TypeError, Unkept)
"""What may go wrong with a recipe: it is for people only, and a run has no need of it."""

_NEXT = "(SELECT coalesce(max(used), 0) + 1 FROM entries)"
_ORPHANS = "SELECT digest FROM blobs WHERE NOT EXISTS (SELECT 1 FROM parts WHERE parts.digest = blobs.digest)"


class CacheRow(NamedTuple):
    """An entry, for people: `size` is that of its document and blobs, which others may have too.

    `label` is the node that it was computed for, `seen` when it was last used, in seconds since 1970.
    """

    key: bytes
    label: str
    seen: float
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

    An output that has no codec (a model) is not kept, but what else its node gave is. `codecs` are those of the
    installed packs, unless given. Several threads may share the object. Raises UsageError for a folder that is another
    user's, unless it is `read_only`: then whoever can write there is trusted with the pictures. What stands there is
    data in any case, and never code.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        max_bytes: int = 10 * GIB,
        max_step_bytes: int = GIB,
        codecs: Codecs | None = None,
        read_only: bool = False,
        warn: Warn = python_warning,
    ) -> None:
        self.folder = Path(folder).absolute() / FORMAT
        self.index = CacheIndex(self.folder / "index.sqlite", read_only=read_only)
        self.blobs = Blobs(self.folder / "blobs")
        self.max_bytes = max_bytes
        self._max_step_bytes = max_step_bytes
        self.read_only = read_only
        self._given = codecs
        self._warn = warn
        self._told: set[str] = set()
        self._unmeasured = 0
        if not read_only:
            check_owner(self.folder)

    @cached_property
    def steps(self) -> DiskCache | None:
        """States between the steps of nodes, in FOLDER/steps, up to `max_step_bytes`."""
        folder, budget = self.folder.parent / "steps", self._max_step_bytes
        if self.read_only and not (folder / FORMAT).is_dir():
            return None
        return DiskCache(folder, max_bytes=budget, codecs=self._codecs, read_only=self.read_only, warn=self._warn)

    @property
    def kept_steps(self) -> DiskCache | None:
        """`steps`, if there are any yet."""
        return self.steps if (self.folder.parent / "steps" / FORMAT).is_dir() else None

    def close(self) -> None:
        """Let go of the index; it is opened again when it is needed."""
        if (steps := self.__dict__.get("steps")) is not None:
            steps.close()
        self.index.close()

    # The protocol.

    def lookup(self, key: bytes) -> Manifest | None:
        with self._failing("read"), self.index.lock:
            document = self._document(key)
            if document is None:
                return None
            if not self.read_only:
                recent = f"UPDATE entries SET used = {_NEXT}, seen = ? WHERE key = ?"
                with suppress(sqlite3.OperationalError):  # of a cache that cannot be written to, nothing is recent
                    self.index.connection().execute(recent, (time.time(), key))
            return Manifest(key, *summary(document))
        return None

    def load(self, manifest: Manifest) -> Entry | None:
        key = manifest.key
        with self._failing("read"):
            with self.index.lock:
                document = self._document(key)
            if document is None:
                return None
            try:
                return decode(document, self.blobs.read, self._codecs, manifest.absent)
            except (DamagedBlob, OSError, Unkept) as error:
                self._lost(key, error)
        return None

    def put(self, key: bytes, entry: Entry) -> None:
        if self.read_only:
            return
        with self._failing("written to"):
            try:
                encoded = encode(entry, self._codecs)
            except Unkept:
                return
            if self._has(key, encoded):
                return  # a node that is kept in part was called for the rest
            if sum(map(len, encoded.blobs.values())) + len(encoded.document) <= self.max_bytes:
                self._write(key, encoded)

    def recall(self, node_id: str) -> Recipe | None:
        # It is for people only: what cannot be read is not known.
        with suppress(*_FORGOTTEN), self.index.lock:
            query = "SELECT document FROM recipes WHERE place = ?"
            row = self.index.connection().execute(query, (node_id,)).fetchone()
            return decode_recipe(row[0]) if row is not None else None
        return None

    def note(self, node_id: str, recipe: Recipe) -> None:
        if self.read_only:
            return
        # As in recall: nothing that is computed is lost.
        with suppress(*_FORGOTTEN):
            document = encode_recipe(recipe)
            with self.index.writing() as db:
                label = f'{recipe.class_type} "{recipe.title}"' if recipe.title else recipe.class_type
                shown = label.encode(errors="backslashreplace").decode()  # a title may hold half a character
                db.execute("INSERT OR REPLACE INTO labels VALUES (?, ?)", (recipe.key, shown))
                (number,) = db.execute("SELECT coalesce(max(noted), 0) + 1 FROM recipes").fetchone()
                db.execute("DELETE FROM recipes WHERE noted <= ?", (number - _RECIPES,))
                if len(document) <= _RECIPE_BYTES:
                    db.execute("INSERT OR REPLACE INTO recipes VALUES (?, ?, ?)", (node_id, document, number))

    # What `weft cache` asks.

    def size(self) -> CacheSize:
        """How much there is. Raises sqlite3.Error."""
        with self.index.lock:
            (entries, documents), (blobs, sizes) = (
                self.index.connection().execute(f"SELECT count(*), coalesce(sum({what}), 0) FROM {table}").fetchone()
                for table, what in (("entries", "length(document)"), ("blobs", "size"))
            )
        return CacheSize(entries, blobs, documents + sizes)

    def rows(self) -> list[CacheRow]:
        """The entries, the most recently used first. Raises sqlite3.Error."""
        query = """
            SELECT key, coalesce(label, ''), seen, document, length(document) + coalesce(
                (SELECT sum(size) FROM parts JOIN blobs USING (digest) WHERE parts.key = entries.key), 0)
            FROM entries LEFT JOIN labels ON digest = substr(key, -32) ORDER BY used DESC"""
        with self.index.lock:
            found = self.index.connection().execute(query).fetchall()
        rows = []
        for key, label, seen, document, size in found:
            try:
                told, files = tuple(kinds(document)), summary(document).files
            except (ValueError, KeyError, TypeError, StopIteration):
                told, files = ("damaged",), ()
            rows.append(CacheRow(key, label, seen, size, told, files))
        return rows

    def clear(self) -> None:
        """Remove everything, what nobody knows too; of a damaged index, the index itself. Raises OSError."""
        if (steps := self.kept_steps) is not None:
            steps.clear()
        try:
            with self.index.writing() as db:
                for table in ("entries", "parts", "blobs", "recipes", "labels"):
                    db.execute(f"DELETE FROM {table}")
                shutil.rmtree(self.blobs.folder, ignore_errors=True)
        except (sqlite3.Error, IsADirectoryError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise OSError(f"{self.index.file}: {error}") from error
            self.close()
            shutil.rmtree(self.folder)

    def clear_unused(self, since: float) -> int:
        """Remove what was last used before that time, in seconds since 1970; returns how many entries that were."""
        count = 0
        if (steps := self.kept_steps) is not None:
            count += steps.clear_unused(since)
        with self._spoken_for() as db:
            db.execute("DELETE FROM parts WHERE key IN (SELECT key FROM entries WHERE seen < ?)", (since,))
            return count + db.execute("DELETE FROM entries WHERE seen < ?", (since,)).rowcount

    def verify(self) -> Iterator[Fault]:
        """Everything that is wrong, by hashing all of it. Raises sqlite3.Error where the index cannot be read."""
        with self.index.lock:
            entries = self.index.connection().execute("SELECT key, document, seal FROM entries").fetchall()
            known = dict(self.index.connection().execute("SELECT digest, size FROM blobs").fetchall())
            needed = {digest for (digest,) in self.index.connection().execute("SELECT DISTINCT digest FROM parts")}
        for key, document, seal in entries:
            if not isinstance(document, bytes) or seal_of(key, document) != seal:
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
        row = self.index.connection().execute("SELECT document, seal FROM entries WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        document, seal = row
        if not isinstance(document, bytes) or seal_of(key, document) != seal:
            self._lost(key, DamagedBlob(f"the entry {key.hex()[-16:]} in {self.index.file} is damaged"))
            return None
        return document

    def _lost(self, key: bytes, error: Exception) -> None:
        """An entry cannot be served: drop it and what is damaged of it, so that it is written anew."""
        there = 1
        if not self.read_only:
            with suppress(sqlite3.OperationalError):
                there = self._drop(key)
        # Where another process has removed it meanwhile, nothing is wrong.
        if there:
            said = f"{error.filename} is not there" if isinstance(error, FileNotFoundError) else str(error)
            self._tell(f"the cache: {said}: it is computed again")

    def _drop(self, key: bytes) -> int:
        """Remove an entry and what is damaged of it; returns how many there were."""
        with self.index.writing() as db:
            for (digest,) in db.execute("SELECT digest FROM parts WHERE key = ?", (key,)).fetchall():
                self._remove_if_damaged(digest)
            db.execute("DELETE FROM parts WHERE key = ?", (key,))
            return db.execute("DELETE FROM entries WHERE key = ?", (key,)).rowcount

    def _remove_if_damaged(self, digest: bytes) -> None:
        try:
            self.blobs.read(digest)
        except (DamagedBlob, OSError):
            self.blobs.remove(digest)

    def _has(self, key: bytes, encoded: Encoded) -> bool:
        with self.index.lock:
            same = self._document(key) == encoded.document
        return same and all(self.blobs.has(digest, len(content)) for digest, content in encoded.blobs.items())

    def _write(self, key: bytes, encoded: Encoded) -> None:
        sizes = {digest: len(content) for digest, content in encoded.blobs.items()}
        with self.index.writing() as db:
            db.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?)", sizes.items())
        for digest, content in encoded.blobs.items():
            with suppress(FileNotFoundError):  # the cache is being cleared
                self.blobs.write(digest, content)
        with self.index.writing() as db:
            for digest, content in encoded.blobs.items():  # another process may have removed it since
                self.blobs.write(digest, content)
            db.executemany("INSERT OR REPLACE INTO blobs VALUES (?, ?)", sizes.items())
            db.execute("DELETE FROM parts WHERE key = ?", (key,))
            db.execute(
                f"INSERT OR REPLACE INTO entries VALUES (?, ?, ?, {_NEXT}, ?)",
                (key, encoded.document, seal_of(key, encoded.document), time.time()),
            )
            db.executemany("INSERT INTO parts VALUES (?, ?)", ((key, digest) for digest in sizes))
        self._unmeasured += len(encoded.document) + sum(sizes.values())
        # To measure costs more the more there is: the budget may be exceeded by a hundredth.
        if self._unmeasured > self.max_bytes // 100:
            self._unmeasured = 0
            if self.size().bytes > self.max_bytes:
                self._shrink()

    def _shrink(self) -> None:
        """Drop entries until the rest is within the budget."""
        with self._spoken_for() as db:
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

    @contextmanager
    def _spoken_for(self) -> Iterator[sqlite3.Connection]:
        """A write transaction that drops entries; afterwards, what no entry speaks of any more goes."""
        with self.index.lock:
            with self.index.writing() as db:
                yield db
            with self.index.writing() as db:
                for (digest,) in db.execute(_ORPHANS).fetchall():
                    self.blobs.remove(digest)
                    db.execute("DELETE FROM blobs WHERE digest = ?", (digest,))
                db.execute("DELETE FROM labels WHERE digest NOT IN (SELECT substr(key, -32) FROM entries)")
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


def is_usable(folder: Path) -> bool:
    """Whether the user may have a cache in the folder: it is his and can be written to, or can be made."""
    place = folder.absolute() / FORMAT
    try:
        check_owner(place)
    except UsageError:
        return False
    there = next(each for each in (place, *place.parents) if each.exists())
    return there.is_dir() and os.access(there, os.W_OK)


def seal_of(key: bytes, document: bytes) -> bytes:
    """What binds a document to its key."""
    return hashlib.blake2b(b"%d:" % len(key) + key + document, digest_size=32).digest()


def check_owner(folder: Path) -> None:
    """Raise UsageError for a folder that another user made: he could put his pictures there."""
    with suppress(OSError):
        status = os.lstat(folder)
        if os.name != "nt" and status.st_uid != os.getuid():
            raise UsageError(f"the cache {folder} belongs to another user", hint="--cache DIR names another folder")
        if not stat.S_ISDIR(status.st_mode):
            raise UsageError(f"the cache {folder} is no folder", hint="--cache DIR names another one")
