"""Where the worker of a user is met: a socket in a folder that nobody else can enter."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
import zlib
from typing import NamedTuple

_PASSES_FILES = os.name != "nt"
_LONGEST = 100
"""Bytes that the path of a socket may have, less than any system's limit."""


class NoPlace(Exception):
    """There can be no worker; the message says why."""


class Place(NamedTuple):
    """The files of a worker, one set for each installation of Weft."""

    socket: str
    lock: str
    log: str


def place_of_user(*, make: bool = False) -> Place:
    """Where the worker of this user and this installation is, or would be; `make` makes the folder.

    Raises NoPlace.
    """
    if not _PASSES_FILES:
        raise NoPlace("this system has no sockets that pass files on")
    folder = _folder()
    if make:
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        except OSError as error:
            raise NoPlace(f"cannot make {folder}: {error.strerror}") from error
    try:
        found = os.lstat(folder)
    except OSError as error:
        raise NoPlace(f"{folder} is not there") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise NoPlace(f"{folder} is a link, belongs to somebody else, or is open to others")
    stem = os.path.join(folder, f"{zlib.crc32(os.fsencode(f'{sys.prefix}:{installation()}')):08x}")
    place = Place(f"{stem}.sock", f"{stem}.lock", f"{stem}.log")
    if len(os.fsencode(place.socket)) > _LONGEST:
        raise NoPlace(f"{folder} is too long a name for a folder of sockets")
    return place


def installation() -> str:
    """The folder that Weft is imported from."""
    return os.path.realpath(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))


def connected(place: Place, seconds: float) -> socket.socket | None:
    """A connection to the worker that listens there, or None; it gives up after so many seconds."""
    try:
        found = os.lstat(place.socket)
    except OSError:
        return None
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
        return None
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(seconds)
        connection.connect(place.socket)
        if is_ours(connection):
            return connection
    except OSError:
        pass
    connection.close()
    return None


def is_ours(connection: socket.socket) -> bool:
    """Whether this user is at the other end. Where the system does not say, the folder has kept the others out."""
    if sys.platform != "linux":
        return True
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return bool(user == os.geteuid())


def _folder() -> str:
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and os.path.isabs(base):
        return os.path.join(base, "weft")
    return os.path.join(os.environ.get("TMPDIR") or "/tmp", f"weft-worker-{os.geteuid()}")
