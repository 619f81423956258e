"""A content store: files that are called after the digest of what is in them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from weft.engine.cache.encoding import digest_of
from weft.engine.wholefiles import discard, write_whole

_PARTIAL = ".part"
# Whoever has taken longer to write a file is not writing it any more.
_ABANDONED_S = 3600


class DamagedBlob(Exception):
    """What is in a blob is not what its name says."""


class Blobs:
    """Blobs below a folder, two levels deep: each there whole or not at all, and never changed.

    They are the user's alone, as far as the folder above is. Several processes may use one store. Who has opened a blob
    reads it to its end, even if somebody removes it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, digest: bytes) -> Path:
        """Where a blob stands, if it does."""
        name = digest.hex()
        return self.folder / name[:2] / name[2:]

    def has(self, digest: bytes, size: int) -> bool:
        """Whether there is a blob of this name and size."""
        try:
            return self.place(digest).stat().st_size == size
        except OSError:
            return False

    def write(self, digest: bytes, content: bytes) -> None:
        """Write a blob that is not there. Raises OSError."""
        if self.has(digest, len(content)):
            return
        place, others = self.place(digest), readable(self.folder.parent)
        if place.is_symlink():
            discard(place)  # what it leads to is not the cache's
        for folder in (self.folder, place.parent):
            folder.mkdir(mode=0o700 | others, exist_ok=True)
        # A name of its own, and replacing: two that write the same blob are in nobody's way.
        write_whole(place, content, meanwhile=f".{os.urandom(8).hex()}{_PARTIAL}", mode=0o600 | others & 0o044)

    def read(self, digest: bytes) -> bytes:
        """What is in a blob. Raises DamagedBlob, or OSError where it cannot be read."""
        content = self.place(digest).read_bytes()
        if digest_of(content) != digest:
            raise DamagedBlob(f"{self.place(digest)} is damaged")
        return content

    def remove(self, digest: bytes) -> None:
        """Remove a blob, if it is there; also what somebody has put in its place."""
        place = self.place(digest)
        discard(place)
        shutil.rmtree(place, ignore_errors=True)

    def files(self) -> Iterator[tuple[Path, bytes | None]]:
        """Every file of the store, with the digest that its name says; None for one that is no blob."""
        for folder in sorted(self.folder.glob("*")):
            for file in sorted(folder.iterdir()) if folder.is_dir() else [folder]:
                yield file, _digest(folder.name, file.name)

    def sweep(self) -> None:
        """Remove what processes that were killed left half-written."""
        now = time.time()
        for file in self.folder.glob(f"*/.*{_PARTIAL}"):
            with suppress(OSError):
                if abs(now - file.stat().st_mtime) > _ABANDONED_S:
                    file.unlink()


def readable(folder: Path) -> int:
    """Who else may read a folder: the bits of its mode that say so. Raises OSError."""
    return folder.stat().st_mode & 0o055


def _digest(start: str, rest: str) -> bytes | None:
    try:
        digest = bytes.fromhex(start + rest)
    except ValueError:
        return None
    return digest if len(digest) == 32 and digest.hex() == start + rest else None
