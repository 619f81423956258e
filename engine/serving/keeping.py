"""The queue and the history on the disk, so that a server that was killed comes back with them.

A SQLite file in the folder of the state, one row a job. Every change is a transaction: a job is there whole or not at
all, whenever the process dies. The folder is one server's at a time.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

from weft.engine.errors import UsageError
from weft.engine.serving.job import Done, Job
from weft.engine.serving.queue import MOST_KEPT

FILE = "queue.sqlite"
_VERSION = 1
_TABLE = """
create table if not exists jobs (
    place integer primary key autoincrement,
    prompt_id text unique not null,
    number real not null,
    created real not null,
    item text not null,
    entry text,
    started real,
    ended real
)
"""


class Kept:
    """See above. Raises UsageError where the folder cannot be used, or another server uses it."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(folder / FILE, check_same_thread=False, isolation_level=None, timeout=0.5)
            self._base.execute("pragma locking_mode = exclusive")
            self._base.execute("pragma journal_mode = wal")
            self._base.execute("pragma synchronous = normal")
            self._base.execute("begin exclusive")
            version = self._base.execute("pragma user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise UsageError(
                    f"{folder} was kept by another version of Weft", hint="name another folder with --state"
                )
            self._base.execute(_TABLE)
            self._base.execute(f"pragma user_version = {_VERSION}")
            self._base.execute("commit")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise UsageError(
                    f"another server keeps its queue in {folder}", hint="each needs a folder of its own"
                ) from error
            raise UsageError(f"cannot keep the queue in {folder}: {error}") from error
        except (OSError, sqlite3.DatabaseError) as error:
            raise UsageError(f"cannot keep the queue in {folder}: {error}") from error
        self._lock = threading.Lock()

    def load(self) -> tuple[list[Job], list[Done]]:
        """The jobs that wait, and those that have ended, the oldest first. One that ran waits again."""
        waiting: list[Job] = []
        history: list[Done] = []
        rows = self._base.execute(
            "select item, entry, created, started, ended from jobs order by coalesce(ended, 0), place"
        )
        for item, entry, created, started, ended in rows:
            if entry is not None:
                history.append(Done(json.loads(entry), created, started or 0.0, ended or 0.0))
            else:
                number, prompt_id, prompt, extra_data, outputs = json.loads(item)
                waiting.append(Job(number, prompt_id, prompt, extra_data, outputs, created=created))
        return waiting, history

    def put(self, job: Job) -> None:
        row = (job.prompt_id, job.number, job.created, _dumped(job.item))
        with self._lock:
            self._base.execute(
                "insert or replace into jobs (prompt_id, number, created, item) values (?, ?, ?, ?)", row
            )

    def done(self, done: Done) -> None:
        row = (_dumped(done.entry), done.started, done.ended, done.prompt_id)
        with self._lock:
            self._base.execute("update jobs set entry = ?, started = ?, ended = ?, item = '' where prompt_id = ?", row)
            self._base.execute(
                "delete from jobs where entry is not null and place <= "
                "(select max(place) from jobs where entry is not null) - ?",
                (MOST_KEPT,),
            )

    def forget(self, prompt_ids: Collection[str]) -> None:
        with self._lock:
            self._base.execute("begin")
            self._base.executemany("delete from jobs where prompt_id = ?", [(each,) for each in prompt_ids])
            self._base.execute("commit")

    def close(self) -> None:
        """Write what there is, and let the folder go."""
        with self._lock:
            self._base.close()


def _dumped(data: Any) -> str:
    return json.dumps(data, default=str)
