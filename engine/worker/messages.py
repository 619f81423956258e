"""What goes over the socket: JSON documents with their length in front, then files, then single bytes.

    client                                  worker
    {"ask": "run", identity, arguments}  ->
                                         <- {"answer": "ready"}, or "busy", "other" or "stale", with `why`
    one byte, with FILES                 ->
    a byte per signal, its number        ->
                                         <- {"code": 0}

A run has begun when its files have come: who gave up before that has fallen back.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

FILES = 4
"""stdin, stdout, stderr and the current folder."""
_MOST = 1 << 26


def send(connection: socket.socket, message: Mapping[str, Any]) -> None:
    """Raises OSError where the other end is gone."""
    # All ASCII: names that are no UTF-8 hold lone surrogates.
    data = json.dumps(message).encode()
    connection.sendall(len(data).to_bytes(4, "big") + data)


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """The next message; None where the other end is gone, is late, or sends something else."""
    try:
        size = int.from_bytes(_exactly(connection, 4), "big")
        message = json.loads(_exactly(connection, size)) if size <= _MOST else None
    except (OSError, ValueError):
        return None
    return message if isinstance(message, dict) else None


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionResetError("the other end is gone")
        data += piece
    return bytes(data)
