"""The application: all routes, each also under /api, and what stands before them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.metadata import version

from aiohttp import web

from weft.engine.serving import files, joblist, listing, metrics, prompting, status, templates, userdata
from weft.engine.serving.editor import serve_editor
from weft.engine.serving.guard import guarded, mark
from weft.engine.serving.limits import Heads, Rate, limited
from weft.engine.serving.openapi import document
from weft.engine.serving.packs import add_routes, methods_of
from weft.engine.serving.server import MOST_UPLOADED, ServedRoute, Server, json_answer

SERVER = web.AppKey("server", Server)
HEADS = web.AppKey("heads", Heads)
"""To be started with the connections of whoever runs the application."""


async def websocket(server: Server, request: web.Request) -> web.StreamResponse:
    """What goes on, as messages over a WebSocket."""
    return await server.sockets.serve(request)


async def get_openapi(server: Server, request: web.Request) -> web.StreamResponse:
    """This document: the routes, in OpenAPI's words."""
    return json_answer(document(routes(), version("weft")))


def routes() -> Iterator[ServedRoute]:
    """Every route of the server's own."""
    yield from prompting.ROUTES
    yield from listing.ROUTES
    yield from files.ROUTES
    yield from userdata.ROUTES
    yield from joblist.ROUTES
    yield from status.ROUTES
    yield from metrics.ROUTES
    yield from templates.ROUTES
    yield ServedRoute("GET", "/ws", websocket)
    yield ServedRoute("GET", "/openapi.json", get_openapi)


async def _without_heads(app: web.Application) -> None:
    app[HEADS].stop()


def application(server: Server) -> web.Application:
    """The application of a server, which it starts and ends."""
    heads = Heads()
    within_limits = limited(server, heads, Rate(server.options.rate))
    app = web.Application(client_max_size=MOST_UPLOADED, middlewares=[within_limits, guarded(server)])
    app[HEADS] = heads
    app[SERVER] = server
    for route in routes():
        handler = partial(route.handler, server)
        for path in (route.path, f"/api{route.path}"):
            for method in methods_of(route.method):
                app.router.add_route(method, path, handler)
    add_routes(app, server)
    app.on_response_prepare.append(mark)
    serve_editor(app, server.options.front_end)
    app.on_startup.append(lambda _: server.start())
    app.on_shutdown.append(lambda _: server.close())
    app.on_shutdown.append(_without_heads)
    return app
