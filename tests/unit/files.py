"""Files that tests make, and what they see of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from weft.engine.folders import Folders


def touch(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def everything_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def marks_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    """What shows whether anything was written there: of each file, when it was written, and its content."""
    return {name: ((folder / name).stat().st_mtime_ns, (folder / name).read_bytes()) for name in everything_in(folder)}


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def write(folders: Folders, prefix: str, content: bytes = b"x", **options: Any) -> Path:
    series = folders.numbered(prefix, **options)
    with series.create(".png") as (stream, path):
        stream.write(content)
    return path.relative_to(folders.output_folder(options.get("kind", "output")))
