"""WebSockets: who is connected, and what each is sent.

Any thread may say something; the event loop's sends it. A client that reads slowly keeps nobody waiting: what it is
sent piles up to a limit, from which on it loses what it can do without (pictures and progress), and then its
connection.
"""

from __future__ import annotations

import asyncio
import json
import math
import struct
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

JPEG, PNG = 1, 2
"""The formats of pictures in binary frames."""
PREVIEW, TEXT, PREVIEW_WITH_METADATA = 1, 3, 4
"""The kinds of binary frames."""

SPARING = 8 << 20
"""Bytes that wait to be sent to a client, from which on it gets what it needs alone."""
MOST_WAITING = 64 << 20
"""And those from which on it is cut off."""
GOODBYE = 0.5
"""Seconds in which a client that is to go may say goodbye."""
LOOKS_FOR = 10.0
"""Seconds for which somebody without a connection is taken to look on."""
MOST_SOCKETS = 256
LONGEST_MESSAGE = 1 << 20
"""Bytes that a client may say at once."""

Flags = Mapping[str, Any]


def dumped(kind: str, data: Mapping[str, Any]) -> str:
    """A text frame. What JSON does not know is written as text, and what is no number as null."""
    from weft.engine.documents import finite

    message = {"type": kind, "data": data}
    try:
        return json.dumps(message, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(finite(message)[0], default=str)


def preview_frame(image: bytes, form: int) -> bytes:
    """A picture, for clients that know no more."""
    return struct.pack(">II", PREVIEW, form) + image


def described_frame(image: bytes, form: int, metadata: Mapping[str, Any]) -> bytes:
    """A picture, and what it is of."""
    kind = "image/png" if form == PNG else "image/jpeg"
    said = json.dumps({**metadata, "image_type": kind}).encode()
    return struct.pack(">II", PREVIEW_WITH_METADATA, len(said)) + said + image


def text_frame(node_id: str, text: str) -> bytes:
    """What a node says of its progress."""
    name = node_id.encode()
    return struct.pack(">II", TEXT, len(name)) + name + text.encode()


@dataclass(eq=False)
class Connection:
    """One client's socket, and what it is still to be sent."""

    socket: web.WebSocketResponse
    client_id: str
    transport: asyncio.Transport | None = None
    flags: dict[str, Any] = field(default_factory=dict)
    waiting: deque[str | bytes] = field(default_factory=deque)
    size: int = 0
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def give(self, frame: str | bytes, *, needed: bool) -> bool:
        """Have a frame sent; whether the client may stay."""
        if not needed and self.size > SPARING:
            return True
        self.waiting.append(frame)
        self.size += len(frame)
        self.more.set()
        return self.size <= MOST_WAITING

    async def send(self) -> None:
        """Send what there is, for as long as the connection lasts."""
        while True:
            await self.more.wait()
            self.more.clear()
            while self.waiting:
                frame = self.waiting.popleft()
                self.size -= len(frame)
                if isinstance(frame, str):
                    await self.socket.send_str(frame)
                else:
                    await self.socket.send_bytes(frame)

    async def end(self, code: int = 1000, message: bytes = b"") -> None:
        """Say goodbye, and hang up on one who does not answer."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.socket.close(code=code, message=message), GOODBYE)
        if self.transport is not None:
            self.transport.abort()


Render = Callable[[Flags], "str | bytes | None"]
"""What a client with these flags is sent; None for nothing."""


class Sockets:
    """All connections. `tell` may be called in any thread, all else in the loop's."""

    def __init__(self, features: Mapping[str, Any], greeting: Callable[[], Mapping[str, Any]]) -> None:
        self._features = features
        self._greeting = greeting
        self._connections: dict[str, Connection] = {}
        self._inbox: deque[tuple[Render, str | None, bool]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due = False
        self._endings: set[asyncio.Task[None]] = set()
        self._looked = -math.inf
        self.returned: Callable[[str], None] = lambda client_id: None
        """Is told of a client that connects again."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send by this loop."""
        self._loop = loop
        self._deliver()

    def __len__(self) -> int:
        return len(self._connections)

    def looked_at(self) -> None:
        """Somebody looks at what goes on, without a connection."""
        self._looked = time.monotonic()

    def watches(self, client_id: str | None, wants: Callable[[Flags], bool]) -> bool:
        """Whether anybody sees pictures of what this client's job has so far, of those who want such."""
        return any(map(wants, self.flags(client_id))) or time.monotonic() - self._looked < LOOKS_FOR

    def flags(self, client_id: str | None) -> list[Flags]:
        """What those can do who get what is said to this client; None: all."""
        return [dict(each.flags) for each in self._meant(client_id)]

    def say(self, kind: str, data: Mapping[str, Any], client_id: str | None = None, *, needed: bool = True) -> None:
        """Send a text frame to one client, or to all."""
        frame = dumped(kind, data)
        self.tell(lambda flags: frame, client_id, needed=needed)

    def tell(self, render: Render, client_id: str | None = None, *, needed: bool = True) -> None:
        """Send to one client, or to all, what is rendered for its flags."""
        self._inbox.append((render, client_id, needed))
        if not self._due and self._loop is not None:
            self._due = True
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop is closed: nobody is connected any more
                self._inbox.clear()

    def _meant(self, client_id: str | None) -> Iterator[Connection]:
        if client_id is None:
            yield from list(self._connections.values())
        elif (found := self._connections.get(client_id)) is not None:
            yield found

    def _deliver(self) -> None:
        self._due = False
        while self._inbox:
            render, client_id, needed = self._inbox.popleft()
            for connection in self._meant(client_id):
                frame = render(connection.flags)
                if frame is not None and not connection.give(frame, needed=needed):
                    self._cut_off(connection)

    def _cut_off(self, connection: Connection) -> None:
        if self._connections.get(connection.client_id) is connection:
            del self._connections[connection.client_id]
        connection.waiting.clear()
        connection.size = 0
        if connection.transport is not None:
            connection.transport.abort()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """A client's connection, from its beginning to its end."""
        if len(self._connections) >= MOST_SOCKETS:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "10"}, text="too many connections")
        socket = web.WebSocketResponse(max_msg_size=LONGEST_MESSAGE, heartbeat=30)
        await socket.prepare(request)
        client_id = request.query.get("clientId") or uuid.uuid4().hex
        before = self._connections.pop(client_id, None)
        connection = self._connections[client_id] = Connection(socket, client_id, request.transport)
        if before is not None:
            self._goodbye(before)
        connection.give(dumped("status", {"status": self._greeting(), "sid": client_id}), needed=True)
        self.returned(client_id)
        sending = asyncio.create_task(connection.send())
        try:
            first = True
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    if first:  # whatever else is said means nothing, and is not read
                        self._greeted(connection, message.data)
                    first = False
                if sending.done():
                    break
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            if self._connections.get(client_id) is connection:
                del self._connections[client_id]
        return socket

    def _greeted(self, connection: Connection, text: str) -> None:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return
        if isinstance(message, dict) and message.get("type") == "feature_flags":
            data = message.get("data")
            if isinstance(data, dict):
                connection.flags.update(data)
            connection.give(dumped("feature_flags", self._features), needed=True)

    def _goodbye(self, connection: Connection) -> None:
        """End a connection; nobody waits for it."""
        ending = asyncio.create_task(connection.end())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def close(self) -> None:
        """End all connections."""
        ending = [each.end(1001, b"the server ends") for each in self._connections.values()]
        await asyncio.gather(*ending, *self._endings, return_exceptions=True)
