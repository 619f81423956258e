"""The life of a server in a process: it listens until a signal comes."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable

from aiohttp import web

from weft.engine.errors import UsageError
from weft.engine.serving.app import HEADS, application
from weft.engine.serving.server import Server

SHUTDOWN = 2.0
"""Seconds that requests have to end, once the server does."""


def listening(address: str, port: int) -> socket.socket:
    """A socket that takes connections there; 0 is a port that is free. Who comes waits until there is a server.

    Raises UsageError where it cannot listen there.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family, backlog=128)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot listen at {address} port {port}: {why}", hint="--port names another one") from error


def serve(server: Server, place: socket.socket, ready: Callable[[str], None]) -> int:
    """Serve at a socket until SIGINT or SIGTERM comes; gives its number. `ready` is told the address."""
    return asyncio.run(_serve(server, place, ready))


async def _serve(server: Server, place: socket.socket, ready: Callable[[str], None]) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(number: int) -> None:
        if not ended.done():
            ended.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    runner = web.AppRunner(application(server), access_log=None, shutdown_timeout=SHUTDOWN)
    await runner.setup()
    try:
        await web.SockSite(runner, place).start()
        watch(runner)
        ready(address_of(runner))
        return await ended
    finally:
        await runner.cleanup()


def watch(runner: web.AppRunner) -> None:
    """Close connections that ask nothing, from now on."""
    application, listener = runner.app, runner.server
    assert listener is not None
    application[HEADS].start(lambda: listener.connections)


def address_of(runner: web.AppRunner) -> str:
    """Where a server listens."""
    host, port, *_ = runner.addresses[0]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
