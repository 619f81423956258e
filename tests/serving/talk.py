"""A server in a thread of the tests, and a client of it, as others write them: HTTP, and frames in their order."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from weft.engine.serving.app import application
from weft.engine.serving.process import address_of, watch
from weft.engine.serving.rounds import RoundCache
from weft.engine.serving.runner import ServingSession
from weft.engine.serving.server import Server, ServerOptions

PACKS = Path(__file__).parent / "packs"
PATIENCE = 30.0


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Running(NamedTuple):
    """A server that listens; `server` is in another thread."""

    server: Server
    address: str
    folder: Path


def session_of(folder: Path, **settings: Any) -> ServingSession:
    for name in ("models", "input"):
        (folder / name).mkdir(exist_ok=True)
    places = {name: folder / name for name in ("input", "output", "temp")}
    given = {"models": (folder / "models",), "custom_nodes": [PACKS], "device": "cpu", **places, **settings}
    return ServingSession(**given, warn=lambda message: None)


@contextmanager
def served(folder: Path, lru: int = 0, session: ServingSession | None = None, **options: Any) -> Iterator[Running]:
    """A server of this folder, until the block has ended."""
    folder.mkdir(exist_ok=True)
    rounds = RoundCache(lru)
    session = session if session is not None else session_of(folder)
    session.cache = rounds
    server = Server(session, rounds, ServerOptions(port=0, user=folder / "user", **options))
    ready: threading.Event = threading.Event()
    found: list[Any] = []

    async def live() -> None:
        runner = web.AppRunner(application(server), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        watch(runner)
        ended = asyncio.Event()
        found.extend((address_of(runner), asyncio.get_running_loop(), ended))
        ready.set()
        await ended.wait()
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(live(),), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    address, loop, ended = found
    try:
        yield Running(server, address, folder)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(PATIENCE)


class Ran(NamedTuple):
    """What a client saw of a prompt: the answer to its post, the frames up to the last one, and the history."""

    answer: Any
    frames: list[Any]
    entry: dict[str, Any]

    def said(self, kind: str) -> list[dict[str, Any]]:
        return [frame["data"] for frame in self.frames if frame["type"] == kind]

    @property
    def kinds(self) -> list[str]:
        """The kinds of frames, in their order, without progress and the queue's state."""
        return [each["type"] for each in self.frames if each["type"] not in ("status", "progress_state", "progress")]

    @property
    def executed(self) -> list[str]:
        """The nodes that were called, each once."""
        return list(dict.fromkeys(each["node"] for each in self.said("executing") if each["node"] is not None))

    @property
    def cached(self) -> list[str]:
        return self.said("execution_cached")[0]["nodes"]

    @property
    def error(self) -> dict[str, Any]:
        [found] = self.said("execution_error")
        return found


class Client:
    """A client with a socket of its own."""

    def __init__(self, address: str, client_id: str = "", flags: Mapping[str, Any] | None = None) -> None:
        self.address = address
        self.client_id = client_id or f"client-{id(self)}"
        self._loop = asyncio.new_event_loop()
        self._session = self._do(self._opened())
        self._socket = self._do(self._session.ws_connect(f"{address}/ws?clientId={self.client_id}", max_msg_size=0))
        if flags is not None:
            self._do(self._socket.send_json({"type": "feature_flags", "data": dict(flags)}))
        self.first = self.next()

    async def _opened(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    def _do(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        self._do(self._socket.close())
        self._do(self._session.close())
        self._loop.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def ask(self, method: str, path: str, data: Any = None, **options: Any) -> Answer:
        async def ask() -> Answer:
            async with self._session.request(method, self.address + path, **options) as response:
                return Answer(response.status, dict(response.headers), await response.read())

        if data is not None:
            options["json"] = data
        return self._do(ask())

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def next(self, timeout: float = PATIENCE) -> Any:
        """The next frame: a dict, of a binary one with its parts."""
        message = self._do(self._socket.receive(timeout))
        if message.type == aiohttp.WSMsgType.TEXT:
            return json.loads(message.data)
        assert message.type == aiohttp.WSMsgType.BINARY, message
        kind, second = struct.unpack(">II", message.data[:8])
        found = {"type": f"binary {kind}", "form": second, "image": message.data[8:]}
        if kind == 4:
            found["metadata"] = json.loads(message.data[8 : 8 + second])
            found["image"] = message.data[8 + second :]
        return found

    def say(self, text: str) -> None:
        self._do(self._socket.send_str(text))

    def post(self, prompt: Any, **more: Any) -> Answer:
        return self.ask("POST", "/prompt", {"prompt": prompt, "client_id": self.client_id, **more})

    def frames(self, prompt_id: str) -> list[Any]:
        """All that comes, up to the end of this prompt."""
        found = []
        while True:
            frame = self.next()
            found.append(frame)
            data = frame.get("data", {})
            if frame["type"] == "executing" and data["node"] is None and data.get("prompt_id") == prompt_id:
                return found

    def run(self, prompt: Any, **more: Any) -> Ran:
        answer = self.post(prompt, **more)
        assert answer.status == 200, answer.body
        prompt_id = answer.json["prompt_id"]
        frames = self.frames(prompt_id)
        return Ran(answer.json, frames, self.get(f"/history/{prompt_id}")[prompt_id])


def graph(**nodes: tuple[Any, ...]) -> dict[str, Any]:
    """`graph(a=("Class", {"input": 1}))`, with `["a", 0]` or `"a"` for a link to its first output."""
    return {
        name: {
            "class_type": kind,
            "inputs": {
                key: [value[1:], 0] if isinstance(value, str) and value[:1] == "@" else value
                for key, value in inputs.items()
            },
        }
        for name, (kind, inputs) in nodes.items()
    }


def image(content: str = "WHITE", **more: Any) -> tuple[str, dict[str, Any]]:
    return "StubImage", {"content": content, "height": 8, "width": 8, "batch_size": 1, **more}
