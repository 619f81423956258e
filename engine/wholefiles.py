"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes, *, meanwhile: str = "", mode: int = 0o666) -> None:
    """Write or replace a file, so that it is never there half-written. Raises OSError.

    A link stays a link: what it leads to is replaced. A file that is there keeps its mode and, where the system allows
    it, its owner. What is no file (a device, a pipe, /dev/stdout) is written to. `meanwhile` is the name that the file
    has until it is whole; by default a hidden one of its own. A new file has the `mode`, less the umask.
    """
    there = None
    with suppress(FileNotFoundError):
        there = os.stat(path)
    if there is not None and (not stat.S_ISREG(there.st_mode) or _is_open_stream(path)):
        with open(os.open(path, os.O_WRONLY | os.O_APPEND), "wb") as stream:
            stream.write(content)
        return
    if there is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    place = Path(os.path.realpath(path))
    partial = place.with_name(meanwhile or f".{os.urandom(8).hex()}.part")
    try:
        with open(
            os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode if there is None else 0o600), "wb"
        ) as stream:
            stream.write(content)
        if there is not None:
            with suppress(OSError, AttributeError):  # only root may give files away; Windows knows no owners
                os.chown(partial, there.st_uid, there.st_gid)
            os.chmod(partial, stat.S_IMODE(there.st_mode))
        os.replace(partial, place)
    finally:
        discard(partial)


def discard(partial: Path) -> None:
    """Remove a hidden file, also where an interrupt comes at that very moment: there is one of them only.

    What cannot be removed is in nobody's way; what was to be written under its own name has been, or has failed itself.
    """
    with suppress(OSError):
        try:
            partial.unlink(missing_ok=True)
        except KeyboardInterrupt:
            partial.unlink(missing_ok=True)
            raise


def _is_open_stream(path: Path) -> bool:
    """Whether the path leads, by links, to what a process has open, as /dev/stdout does: it may be a file."""
    for _ in range(40):
        if not os.path.islink(path):
            break
        if re.match(r"/proc/[^/]+/fd$", os.path.realpath(path.parent)):
            return True
        path = path.parent / os.readlink(path)
    return False
