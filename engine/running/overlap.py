"""The driver for nodes that are coroutine functions. A module of its own, since asyncio takes its time to import."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from weft.engine.running.call import Call, Outcome
from weft.engine.running.drivers import Work


class AsyncDriver:
    """Calls nodes in this thread; those that are coroutine functions overlap while they wait for something.

    A plain node is called as it always is, and nothing else goes on meanwhile.
    """

    def drive(self, work: Work) -> None:
        in_loop(self._drive(work))

    async def _drive(self, work: Work) -> None:
        running: dict[asyncio.Task[Outcome], Call] = {}
        try:
            while True:
                while (call := work.take()) is not None:
                    if call.node.asynchronous:
                        running[asyncio.create_task(call.awaited())] = call
                    else:
                        work.settle(call, call.perform())
                    await asyncio.sleep(0)
                if not running:
                    return
                done, _ = await asyncio.wait(running, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
                work.checkpoint()
                for task in [task for task in running if task in done]:
                    work.settle(running.pop(task), task.result())
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


_PATIENCE_S = 0.1
"""How long a run waits at most until it looks whether it is to stop."""

T = TypeVar("T")


def in_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns, run in this thread; in another where this one has a loop already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    loop = asyncio.new_event_loop()
    task = loop.create_task(coroutine)
    try:
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(loop.run_until_complete, task)
            try:
                return done.result()
            except KeyboardInterrupt:
                loop.call_soon_threadsafe(task.cancel)
                raise
    finally:
        loop.close()
