"""What packs for ComfyUI are to the server, and it to them: their routes, and what they tell clients."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from weft.engine.serving.previews import encoded, send_preview
from weft.engine.serving.server import Server
from weft.engine.serving.sockets import PREVIEW, PREVIEW_WITH_METADATA, TEXT, preview_frame

UNENCODED = 2
"""The kind of a picture that is still to be encoded: (format, PIL image, most pixels a side)."""


class ServedPacks:
    """A server, as packs know ComfyUI's: weft.engine.custom_nodes.records.Serving."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.address = server.options.listen
        self.port = server.options.port

    @property
    def loop(self) -> Any:
        return self._server.loop

    @property
    def client_id(self) -> str | None:
        job = self._server.queue.running
        return job.client_id if job is not None else None

    @property
    def prompt_id(self) -> str:
        job = self._server.queue.running
        return job.prompt_id if job is not None else ""

    def send(self, event: str | int, data: Any, client_id: str | None = None) -> None:
        sockets = self._server.sockets
        if isinstance(event, str):
            sockets.say(event, data, client_id)
        elif event == UNENCODED:
            content, form = encoded(data[1], data[2] or max(data[1].size))
            sockets.tell(lambda flags: preview_frame(content, form), client_id, needed=False)
        elif event == PREVIEW_WITH_METADATA and isinstance(data, tuple):
            (_, image, _), metadata = data
            send_preview(sockets, client_id, image, metadata)
        elif event in (PREVIEW, TEXT, PREVIEW_WITH_METADATA) and isinstance(data, bytes | bytearray):
            frame = int(event).to_bytes(4, "big") + bytes(data)
            sockets.tell(lambda flags: frame, client_id, needed=False)

    def queue(self) -> tuple[list[Any], list[Any]]:
        running, queue = self._server.queue.running, self._server.queue
        return [running.item] if running is not None else [], [job.item for job in queue.waiting]

    def history(self, prompt_id: str | None = None) -> dict[str, Any]:
        found = self._server.queue.history()
        return {name: done.entry for name, done in found.items() if prompt_id in (None, name)}

    def take_back(self, wanted: Callable[[Any], bool]) -> bool:
        return bool(self._server.queue.take_back(lambda job: bool(wanted(job.item))))

    def features(self, client_id: str) -> Mapping[str, Any]:
        return next(iter(self._server.sockets.flags(client_id)), {})


def webs(server: Server) -> dict[str, Path]:
    """The folders of what packs have for the editor, by the names of the packs."""
    packs = server.session.custom_nodes
    return {pack.name: pack.web for pack in packs if pack.web is not None and pack.web.is_dir() and not pack.error}


def methods_of(method: str) -> tuple[str, ...]:
    """The methods that a route of this one answers: what may be got, its head may be asked for."""
    return ("GET", "HEAD") if method == "GET" else (method,)


def add_routes(app: web.Application, server: Server) -> None:
    """Add what packs have for the editor, and their routes; the server's own, and of two the first one's, go before."""
    if not server.session.custom_nodes:
        return
    for name, folder in webs(server).items():
        for above in ("", "/api"):
            app.router.add_static(f"{above}/extensions/{name}", folder)
    from weft.engine.custom_nodes.joining import routes_for

    for route in routes_for(server.session.packs, ServedPacks(server)):
        for path in (route.path, f"/api{route.path}"):
            try:
                if route.method == "STATIC":
                    if Path(route.handler).is_dir():
                        app.router.add_static(path, route.handler)
                else:
                    for method in methods_of(route.method):
                        app.router.add_route(method, path, _answering(route.handler))
            except (ValueError, RuntimeError) as error:  # it is there already, or no path
                server.options.log({"event": "route_left_out", "path": path, "why": str(error)})


def _answering(handler: Any) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A pack's handler: what it raises is an answer of 500, in one line."""
    if inspect.isclass(handler):
        return cast(Callable[[web.Request], Awaitable[web.StreamResponse]], handler)

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            found = handler(request)
            response = await found if inspect.isawaitable(found) else found
        except web.HTTPException:
            raise
        except Exception as error:  # a pack's own code: it may raise anything
            raise web.HTTPInternalServerError(text=f"the pack's route failed: {type(error).__name__}") from error
        return response if isinstance(response, web.StreamResponse) else web.Response(text=str(response or ""))

    return answer
