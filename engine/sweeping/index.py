"""`index.jsonl`: a line a cell, added when the cell has ended, and read when a sweep is begun again.

Invariants: a line is written at once and whole; the file that replaces another holds all that is known by then. So
whenever the process ends, what has finished is in the index, but for a last line that may be cut off and is not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from weft.engine.documents import finite
from weft.engine.errors import UsageError
from weft.engine.wholefiles import write_whole

INDEX = "index.jsonl"


@dataclass(frozen=True)
class CellRecord:
    """A line of the index. `files` and `previews` are relative to the folder of the sweep if they are in it.

    `contents` are the digests of the files, `key` is the cell's own: see weft.engine.sweeping.identity. `cached` says
    that nothing but writing was left to do, `batched` that it ran together with others; `status` is `done` or `failed`,
    with what went wrong as `error`.
    """

    cell: int
    parameters: Mapping[str, Any]
    seeds: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    previews: tuple[str, ...] = ()
    seconds: float = 0.0
    cached: bool = False
    status: str = "done"
    error: str = ""
    place: str = ""
    key: str = ""
    batched: bool = False
    contents: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether the cell has finished well."""
        return self.status == "done"

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON data; what is empty and says nothing is left out."""
        data = asdict(self)
        said = {"cell", "parameters", "files", "seconds", "cached", "status"}
        return {name: value for name, value in data.items() if name in said or value}


class Index:
    """The index of a folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / INDEX

    def read(self) -> list[CellRecord]:
        """What it holds; lines that are none of its own are passed over. Raises UsageError if it cannot be read."""
        try:
            lines = self.file.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UsageError(f"cannot read {self.file}: {error.strerror}") from error
        return [record for line in lines if (record := _read(line)) is not None]

    def add(self, record: CellRecord) -> None:
        """Add a line. Raises OSError."""
        with self.file.open("ab", buffering=0) as stream:
            stream.write(_line(record))

    def replace(self, records: Iterable[CellRecord]) -> None:
        """Write it anew. Raises OSError."""
        write_whole(self.file, b"".join(_line(record) for record in records))


def _line(record: CellRecord) -> bytes:
    return json.dumps(finite(record.to_json())[0], ensure_ascii=False, default=str).encode(errors="replace") + b"\n"


def _read(line: bytes) -> CellRecord | None:
    try:
        data = json.loads(line)
        known = {name: value for name, value in data.items() if name in CellRecord.__dataclass_fields__}
        lists = {name: tuple(map(str, known[name])) for name in ("files", "previews", "contents") if name in known}
        record = CellRecord(**{**known, **lists})
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    texts = isinstance(record.key, str) and isinstance(record.status, str)
    return record if texts and isinstance(record.parameters, dict) and type(record.cell) is int else None
