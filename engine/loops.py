"""Event loops. A module of its own, since asyncio takes its time to import."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class _Here(threading.local):
    """The loop that coroutines of this thread run in, where there is one for all of them."""

    runner: asyncio.Runner | None = None


_HERE = _Here()


@contextmanager
def one_loop() -> Iterator[None]:
    """Inside the block, coroutines of this thread run in one loop: what belongs to a loop lasts from run to run."""
    with asyncio.Runner() as _HERE.runner:
        try:
            yield
        finally:
            _HERE.runner = None


def in_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns, run in this thread; in another where this one has a loop already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine) if _HERE.runner is None else _HERE.runner.run(coroutine)
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
