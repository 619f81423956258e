"""The index of a cache in a folder: a SQLite file, a connection to it that is made anew where it has to be."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from weft.engine.cache.blobs import readable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    key BLOB PRIMARY KEY, document BLOB NOT NULL, seal BLOB NOT NULL, used INTEGER NOT NULL, seen REAL NOT NULL);
CREATE INDEX IF NOT EXISTS by_use ON entries (used);
CREATE TABLE IF NOT EXISTS blobs (digest BLOB PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (key BLOB, digest BLOB, PRIMARY KEY (key, digest)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_digest ON parts (digest);
CREATE TABLE IF NOT EXISTS labels (digest BLOB PRIMARY KEY, label TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS recipes (place TEXT PRIMARY KEY, document BLOB NOT NULL, noted INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS by_age ON recipes (noted);
"""
# Whoever holds the index for longer is stuck: the run goes on without it.
_PATIENCE_S = 5.0


class CacheIndex:
    """A SQLite file in WAL mode. Whoever uses the connection holds `lock` meanwhile: threads share it.

    One that is `read_only`, or stands in a folder that nobody here can write to, is opened so that SQLite writes
    nothing beside it either.
    """

    def __init__(self, file: Path, *, read_only: bool = False) -> None:
        self.file = file
        self.read_only = read_only
        self.lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, ...] = ()

    def close(self) -> None:
        """Let go of it; it is opened again when it is needed."""
        with self.lock:
            connection, self._connection = self._connection, None
            if connection is not None and self._opened[0] == os.getpid():
                connection.close()

    __del__ = close

    def connection(self) -> sqlite3.Connection:
        """The connection, opened again where the process is another one, or the file: it may have been removed.

        Raises sqlite3.Error, OSError.
        """
        if self._connection is not None:
            with suppress(OSError):
                if self._opened == self._marks():
                    return self._connection
            self.close()
        self._connection = self._open()
        self._opened = self._marks()
        return self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: nobody else writes meanwhile."""
        with self.lock:
            db = self.connection()
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

    def _marks(self) -> tuple[int, ...]:
        """What tells that the connection is good still. What is only read is not looked at by SQLite for changes."""
        there = os.stat(self.file)
        marks = (os.getpid(), there.st_dev, there.st_ino)
        return (*marks, there.st_size, there.st_mtime_ns, self._is_written) if self.read_only else marks

    @property
    def _is_written(self) -> bool:
        """Whether somebody has it open to write: what is new is in the log then."""
        return all(Path(f"{self.file}{what}").exists() for what in ("-wal", "-shm"))

    def _open(self) -> sqlite3.Connection:
        connect = partial(sqlite3.connect, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
        if self.read_only or (self.file.exists() and not os.access(self.file.parent, os.W_OK)):
            os.stat(self.file)
            if self._is_written:
                with suppress(sqlite3.OperationalError):
                    connection = connect(f"{self.file.as_uri()}?mode=ro&readonly_shm=1", uri=True)
                    connection.execute("SELECT 1 FROM entries")
                    return connection
            return connect(f"{self.file.as_uri()}?mode=ro&immutable=1", uri=True)
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What SQLite puts beside it has the permissions of this file.
        os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600 | readable(self.file.parent) & 0o044))
        connection = connect(self.file)
        try:
            _with_log(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection


def _with_log(connection: sqlite3.Connection) -> None:
    """WAL mode. Of two processes that set it at once on a new file SQLite refuses one, without waiting."""
    patient_until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > patient_until:
                raise
        time.sleep(0.01)
