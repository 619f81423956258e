"""New files that are numbered on from those that are there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from weft.engine.wholefiles import discard


class NumberedFiles:
    """A series of new files, numbered on from those already in the folder, each written whole or not at all."""

    def __init__(self, root: Path, subfolder: Path, stem: str) -> None:
        self.root = root
        self.subfolder = "" if subfolder == Path() else subfolder.as_posix()
        self.folder = root / subfolder
        self.stem = stem
        self._next = self._highest() + 1

    def _highest(self) -> int:
        # As ComfyUI counts: what stands between the prefix and the next underscore, if it is a number.
        taken = re.compile(re.escape(os.path.normcase(self.stem)) + r"_(\d+)(?:_.*)?", re.DOTALL)
        names = os.listdir(self.folder) if self.folder.is_dir() else []
        found = (taken.fullmatch(os.path.normcase(name)) for name in names)
        return max((int(match[1]) for match in found if match), default=0)

    @contextmanager
    def create(self, suffix: str, index: int = 0) -> Iterator[tuple[IO[bytes], Path]]:
        """The next file, opened for writing, and its path; it appears under that path when the block ends well.

        `index` stands for `%batch_num%` in the prefix. A name that another process took or is writing is passed over.
        An OSError says which file could not be written.
        """
        stem = self.stem.replace("%batch_num%", str(index))
        stream: IO[bytes] | None = None
        mine = False
        try:
            with _naming(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                while stream is None:
                    path = self.folder / f"{stem}_{self._next:05}_{suffix}"
                    partial = path.with_name(f".{path.name}.part")
                    mine = True  # said before it is: an interrupt may come in between
                    stream = _reserve(partial, path)
                    if stream is None:
                        mine = False
                        self._next += 1
            with _naming(path):
                with stream:
                    yield stream, path
                _publish(partial, path)
        finally:
            if mine:
                discard(partial)
        self._next += 1


def _reserve(partial: Path, path: Path) -> IO[bytes] | None:
    """The hidden file `partial`, opened, or None where the name `path` is taken.

    While it is there, no other process takes the name.
    """
    try:
        stream = partial.open("xb")
    except FileExistsError:
        return None
    # Looked for only now: who wrote it until a moment ago has let go of the hidden file.
    if not path.exists():
        return stream
    stream.close()
    partial.unlink()
    return None


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """An OSError that names no file is about this one, and so is one about a hidden file beside it."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and (error.filename is None or str(error.filename).endswith(".part")):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _publish(partial: Path, path: Path) -> None:
    """Let a file appear under its name. Raises FileExistsError rather than replace one that is there."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(f"{path} was made by another program meanwhile") from None
        os.replace(partial, path)
