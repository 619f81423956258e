"""A server: the parts of it, and what its routes need of them."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from aiohttp import web

from weft.engine.serving.job import Job
from weft.engine.serving.keeping import Kept
from weft.engine.serving.queue import JobQueue
from weft.engine.serving.rounds import RoundCache
from weft.engine.serving.runner import JobRunner
from weft.engine.serving.sockets import Sockets
from weft.engine.session import Session

T = TypeVar("T")

MOST_UPLOADED = 100 << 20
"""Bytes that a body may have."""
FEATURES: Mapping[str, Any] = {"supports_preview_metadata": True, "max_upload_size": MOST_UPLOADED}
"""What the server can do, in the words of ComfyUI's feature flags."""
PATIENCE = 10.0
"""Seconds in which a running job may stop when the server ends."""


@dataclass(frozen=True)
class ServerOptions:
    """What a server is told beside the settings of its runs.

    `rate` is how many posts an address may send a minute, 0 for any. `preview_method` says who is sent the pictures
    that samplers draw of their way: `auto` all clients, `none` nobody, else those that say that they know what pictures
    are of. `user` is the folder of what the editor keeps, `state` that of the queue; `front_end` that of the editor's
    files.
    `log` is told what becomes of jobs, a record at a time.
    """

    listen: str = "127.0.0.1"
    port: int = 8188
    token: str = ""
    max_queue: int = 0
    rate: int = 0
    user: Path = Path("user")
    state: Path | None = None
    front_end: Path | None = None
    preview_method: str = ""
    argv: tuple[str, ...] = ("weft", "serve")
    log: Callable[[Mapping[str, Any]], None] = lambda record: None


class Server:
    """The parts of a server. `start` and `close` are called in the event loop."""

    def __init__(self, session: Session, rounds: RoundCache, options: ServerOptions) -> None:
        self.session = session
        self.options = options
        self.features = dict(FEATURES)
        self.started = time.time()
        self.sockets = Sockets(self.features, self.exec_info)
        self.kept = Kept(options.state) if options.state is not None else None
        self.queue = JobQueue(self._changed, most=options.max_queue, keeping=self.kept)
        self.runner = JobRunner(session, self.queue, self.sockets, rounds, self.log, options.preview_method)
        self.rounds = rounds
        self.loop: asyncio.AbstractEventLoop | None = None
        self._numbers = itertools.count()
        # One thread: prompts are looked at, and so numbered and queued, in the order in which they came.
        self._intake = ThreadPoolExecutor(1, "intake")
        self._others = ThreadPoolExecutor(4, "requests")
        self.sockets.returned = self._returned
        if self.kept is not None:
            waiting, history = self.kept.load()
            self.queue.restore(waiting, history)
            first = max((int(job.number) for job in waiting), default=-1) + 1
            self._numbers = itertools.count(max(first, len(waiting) + len(history)))

    async def start(self) -> None:
        """Begin to take requests and to run jobs."""
        self.loop = asyncio.get_running_loop()
        self.sockets.start(self.loop)
        self.runner.start()

    async def close(self) -> None:
        """End: the running job is stopped, what waits is left as it is."""
        self.queue.close()
        await asyncio.get_running_loop().run_in_executor(None, self.runner.join, PATIENCE)
        await self.sockets.close()
        self._intake.shutdown(wait=False, cancel_futures=True)
        self._others.shutdown(wait=False, cancel_futures=True)
        if self.kept is not None:
            self.kept.close()

    def next_number(self) -> int:
        """The place of the prompt that has come."""
        return next(self._numbers)

    async def in_turn(self, work: Callable[[], T]) -> T:
        """Do something in the thread that looks at prompts."""
        return await asyncio.get_running_loop().run_in_executor(self._intake, work)

    async def aside(self, work: Callable[[], T]) -> T:
        """Do something that takes its time in another thread."""
        return await asyncio.get_running_loop().run_in_executor(self._others, work)

    def exec_info(self) -> dict[str, Any]:
        """How many jobs wait or run."""
        return {"exec_info": {"queue_remaining": self.queue.remaining}}

    def log(self, what: str, job: Job, **more: Any) -> None:
        """Note what has become of a job."""
        self.options.log({"event": what, "prompt_id": job.prompt_id, **more})

    def _changed(self) -> None:
        self.sockets.say("status", {"status": self.exec_info()})

    def _returned(self, client_id: str) -> None:
        job = self.queue.running
        if job is not None and job.client_id == client_id and self.runner.current is not None:
            self.sockets.say("executing", {"node": self.runner.current}, client_id)


Handler = Callable[[Server, web.Request], Awaitable[web.StreamResponse]]


class ServedRoute(NamedTuple):
    """A route: the first line of its handler's docstring says what it does."""

    method: str
    path: str
    handler: Handler


def json_answer(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer in JSON; what JSON does not know is written as text, and what is no number as null."""
    from weft.engine.documents import finite

    try:
        text = json.dumps(data, default=str, allow_nan=False)
    except ValueError:
        text = json.dumps(finite(data)[0], default=str)
    return web.Response(text=text, status=status, content_type="application/json", headers=headers)


async def json_body(request: web.Request) -> dict[str, Any]:
    """The JSON object in a body; an empty one where there is no body. Answers 400 for anything else."""
    body = await request.read()
    if not body.strip():
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f"the body is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise web.HTTPBadRequest(text="expected a JSON object")
    return found
