"""The driver for nodes that are coroutine functions. A module of its own, since asyncio takes its time to import."""

from __future__ import annotations

import asyncio

from weft.engine.cache.protocol import Entry
from weft.engine.loops import in_loop
from weft.engine.running.call import Call, Outcome
from weft.engine.running.work import Work
from weft.engine.schema.v1 import without_gradients


class AsyncDriver:
    """Calls nodes in this thread; those that are coroutine functions overlap while they wait for something.

    A plain node is called as it always is, and nothing else goes on meanwhile. `first` was taken already.
    """

    def __init__(self, first: Call | None = None) -> None:
        self._first = first

    def drive(self, work: Work) -> None:
        # Around all of them: nodes that overlap would take it from each other.
        with without_gradients():
            in_loop(self._drive(work))

    async def _drive(self, work: Work) -> None:
        running: dict[asyncio.Task[Outcome], Call] = {}
        try:
            while True:
                while (call := self._first or work.take()) is not None:
                    self._first = None
                    if call.asynchronous:
                        running[asyncio.create_task(call.awaited())] = call
                    else:
                        work.settle(call, call.perform())
                    await asyncio.sleep(0)
                    _settle(running, work)
                if not running:
                    return
                await asyncio.wait(running, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
                _settle(running, work)
                work.checkpoint()
        finally:
            # A failure elsewhere loses nothing of what is done.
            for task in [task for task in running if task.done() and not task.cancelled() and not task.exception()]:
                if type(outcome := task.result()) is Entry:
                    work.settle(running.pop(task), outcome)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


def _settle(running: dict[asyncio.Task[Outcome], Call], work: Work) -> None:
    for task in [task for task in running if task.done()]:
        work.settle(running.pop(task), task.result())


_PATIENCE_S = 0.1
"""How long a run waits at most until it looks whether it is to stop."""
