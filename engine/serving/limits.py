"""What one client may take: time to send a request, and how many it posts.

Who opens a connection and says little, a byte now and then, holds a place that others need (slow heads, slow bodies):
such a connection is closed. Between two requests a connection may rest, as long as HTTP's keep-alive lasts.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakSet

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from weft.engine.serving.server import Server

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEAD_SECONDS = 20.0
"""In which a connection's first request must have its head."""
BODY_SECONDS = 30.0
"""In which a body must have come, or half a megabyte of it for each of them more."""
BODY_BYTES_A_SECOND = 1 << 19
LOOKS = 1.0
"""Seconds between looks at connections that have said nothing yet."""
ADDRESSES = 10_000
"""As many clients are told apart."""
MINUTE = 60.0


class BodyIsLate(Exception):
    """What whoever reads a body gets that does not come."""


class Rate:
    """How often each address may post: so many times a minute, saved up to as many at once."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.a_minute = a_minute
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Count a post of an address; the seconds that it has to wait first, 0 where it may."""
        if not self.a_minute:
            return 0.0
        now = self._clock()
        left, since = self._left.pop(address, (float(self.a_minute), now))
        left = min(float(self.a_minute), left + (now - since) * self.a_minute / MINUTE)
        wait = 0.0 if left >= 1.0 else (1.0 - left) * MINUTE / self.a_minute
        self._left[address] = (left if wait else left - 1.0, now)
        while len(self._left) > ADDRESSES:
            self._left.popitem(last=False)
        return wait


class Heads:
    """The connections that have not asked anything yet, and since when."""

    def __init__(self, seconds: float = HEAD_SECONDS) -> None:
        self._seconds = seconds
        self._asked: WeakSet[asyncio.BaseTransport] = WeakSet()
        self._since: dict[Any, float] = {}
        self._task: asyncio.Task[None] | None = None

    def asked(self, request: web.Request) -> None:
        """A connection has sent the head of a request."""
        if request.transport is not None:
            self._asked.add(request.transport)

    def start(self, connections: Callable[[], list[Any]]) -> None:
        """Look after connections from now on, in the event loop."""
        self._task = asyncio.ensure_future(self._look(connections))

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def _look(self, connections: Callable[[], list[Any]]) -> None:
        while True:
            await asyncio.sleep(min(LOOKS, self._seconds / 2))
            now = time.monotonic()
            waiting = [each for each in connections() if each.transport and each.transport not in self._asked]
            self._since = {each: self._since.get(each, now) for each in waiting}
            for each in [each for each, since in self._since.items() if now - since > self._seconds]:
                each.transport.close()


def limited(server: Server, heads: Heads, rate: Rate, seconds: float = BODY_SECONDS) -> Any:
    """The middleware that keeps clients within their limits."""
    loop = asyncio.get_event_loop

    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        heads.asked(request)
        if request.method == "POST" and (wait := rate.wait(request.remote or "")):
            headers = {"Retry-After": str(int(wait) + 1)}
            raise web.HTTPTooManyRequests(text=f"more than {rate.a_minute} posts a minute", headers=headers)
        if not request.can_read_body:
            return await handler(request)
        allowed = seconds + (request.content_length or 0) / BODY_BYTES_A_SECOND
        late = loop().call_later(allowed, _end, request)
        try:
            return await handler(request)
        except BodyIsLate as error:
            raise web.HTTPRequestTimeout(text=f"the body did not come in {allowed:.0f} seconds") from error
        except (HttpProcessingError, web.RequestPayloadError) as error:
            raise web.HTTPBadRequest(text="the body cannot be read") from error
        finally:
            late.cancel()

    return limit


def _end(request: web.Request) -> None:
    """Whoever reads a body that has not come is told."""
    if not request.content.is_eof():
        request.content.set_exception(BodyIsLate())
