"""The life of a server in a process: it listens until a signal comes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from aiohttp import web

from weft.engine.errors import UsageError
from weft.engine.serving.app import application
from weft.engine.serving.server import Server

SHUTDOWN = 2.0
"""Seconds that requests have to end, once the server does."""


def serve(server: Server, ready: Callable[[str], None]) -> int:
    """Serve until SIGINT or SIGTERM comes; gives its number. `ready` is told the address when clients may come.

    Raises UsageError where it cannot listen there.
    """
    return asyncio.run(_serve(server, ready))


async def _serve(server: Server, ready: Callable[[str], None]) -> int:
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
        options = server.options
        site = web.TCPSite(runner, options.listen, options.port)
        try:
            await site.start()
        except OSError as error:
            where = f"{options.listen} port {options.port}"
            raise UsageError(f"cannot listen at {where}: {error.strerror}", hint="--port names another one") from error
        ready(address_of(runner))
        return await ended
    finally:
        await runner.cleanup()


def address_of(runner: web.AppRunner) -> str:
    """Where a server listens."""
    host, port, *_ = runner.addresses[0]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
