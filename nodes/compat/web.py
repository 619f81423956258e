"""`aiohttp.web` for packs: itself where it is installed, else what records routes and makes answers that nobody gets.

ComfyUI always has aiohttp, Weft has no server: packs that add routes load without it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from weft.engine.custom_nodes.records import AddedRoute


class Routes:
    """Routes, as `aiohttp.web.RouteTableDef` and `UrlDispatcher` take them."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.found: list[AddedRoute] = []

    def __iter__(self) -> Iterator[AddedRoute]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def route(self, method: str, path: str, **_: Any) -> Callable[[Any], Any]:
        """A decorator that records."""

        def record(handler: Any) -> Any:
            self.found.append(AddedRoute(method, path, handler))
            return handler

        return record

    def static(self, prefix: str, path: Any, **_: Any) -> None:
        """Record a folder."""
        self.found.append(AddedRoute("STATIC", prefix, path))

    add_static = static

    def add_routes(self, routes: Any) -> None:
        """Record routes from elsewhere."""
        self.found.extend(routes)

    def add_route(self, method: str, path: str, handler: Any, **_: Any) -> None:
        """Record one."""
        self.found.append(AddedRoute(method, path, handler))

    def __getattr__(self, name: str) -> Any:
        # get, post, put, ... decorate; add_get, add_post, ... take the handler.
        verb = name.removeprefix("add_")
        if verb not in ("get", "post", "put", "patch", "delete", "head", "options", "view"):
            raise AttributeError(name)
        if name == verb:
            return lambda path, **_: self.route(verb.upper(), path)
        return lambda path, handler, **_: self.add_route(verb.upper(), path, handler)


class Application(dict[Any, Any]):
    """An application that takes routes and middlewares."""

    def __init__(self, **_: Any) -> None:
        super().__init__()
        self.router = Routes()
        self.middlewares: list[Any] = []
        self.on_startup: list[Any] = []
        self.on_shutdown: list[Any] = []
        self.on_cleanup: list[Any] = []

    def add_routes(self, routes: Any) -> None:
        """Record routes."""
        self.router.add_routes(routes)

    def add_subapp(self, prefix: str, app: Any) -> None:
        """Record an application below a path."""
        self.router.add_route("SUBAPP", prefix, app)


class Response:
    """An answer."""

    def __init__(self, *, body: Any = None, text: Any = None, status: int = 200, **more: Any) -> None:
        self.body, self.text, self.status = body, text, status
        self.headers = dict(more.get("headers") or {})
        self.content_type = more.get("content_type")


class _Failure(Response, Exception):
    """An answer that is raised."""


def json_response(data: Any = None, *, text: Any = None, status: int = 200, **more: Any) -> Response:
    """An answer in JSON."""
    import json

    said = text if text is not None else json.dumps(data)
    return Response(text=said, status=status, content_type="application/json", **more)


def _recorder() -> ModuleType:
    module = ModuleType("aiohttp.web", "What records routes, since there is no aiohttp here.")
    members: dict[str, Any] = {
        "RouteTableDef": Routes,
        "UrlDispatcher": Routes,
        "Application": Application,
        "Response": Response,
        "StreamResponse": Response,
        "FileResponse": lambda path, **more: Response(body=path, **more),
        "WebSocketResponse": Response,
        "Request": type("Request", (), {}),
        "json_response": json_response,
        "middleware": lambda function: function,
        "static": lambda prefix, path, **more: AddedRoute("STATIC", prefix, path),
    }
    for verb in ("get", "post", "put", "patch", "delete", "head", "view"):
        members[verb] = lambda path, handler, verb=verb, **more: AddedRoute(verb.upper(), path, handler)
    for name, status in (
        ("HTTPBadRequest", 400), ("HTTPUnauthorized", 401), ("HTTPForbidden", 403), ("HTTPNotFound", 404),
        ("HTTPConflict", 409), ("HTTPInternalServerError", 500), ("HTTPFound", 302), ("HTTPOk", 200),
    ):  # fmt: skip
        members[name] = type(name, (_Failure,), {"status_code": status})
    members["HTTPException"] = _Failure
    vars(module).update(members)
    return module


def _found() -> Any:
    if importlib.util.find_spec("aiohttp") is None:
        return _recorder()
    return importlib.import_module("aiohttp.web")


web: Any = _found()


def added_routes(table: Any, app: Any) -> Iterator[AddedRoute]:
    """The routes in a table of packs, and those that they gave to an application."""
    for each in table:
        if hasattr(each, "prefix"):
            yield AddedRoute("STATIC", each.prefix, each.path)
        else:
            yield AddedRoute(each.method, each.path, each.handler)
    if isinstance(app, Application):
        yield from app.router
        return
    for resource in app.router.resources():
        found = resource.get_info()
        if "directory" in found:
            yield AddedRoute("STATIC", found["prefix"], found["directory"])
            continue
        for route in resource:
            yield AddedRoute(route.method, resource.canonical, route.handler)


def routes_of_packs() -> Any:
    """A table that packs add their routes to."""
    return web.RouteTableDef()
