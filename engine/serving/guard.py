"""What stands before the routes: who may ask, from where, and what an answer says to browsers.

A page of somebody else's must not reach the server through the browser of who runs it. So a request that a browser says
comes from another origin is refused, and on a server of this machine alone one whose Host is no name of this machine,
which is what a name that was made to point here (DNS rebinding) has.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from weft.engine.serving.server import Server

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

COOKIE = "weft_token"
_OPEN = frozenset({"/health", "/api/health"})
"""What is answered without a token."""


def is_loopback(host: str) -> bool:
    """Whether an address, or a name, is of this machine alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def guarded(server: Server) -> Any:
    """The middleware of a server."""
    options = server.options
    local = is_loopback(options.listen)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if local and not is_loopback(_name(request.headers.get("Host", ""))):
            raise web.HTTPForbidden(text="the Host is no name of this machine")
        if _is_foreign(request):
            raise web.HTTPForbidden(text="a page of another origin asks")
        if options.token and request.path not in _OPEN and not _has_token(request, options.token):
            raise web.HTTPUnauthorized(text="a token is needed", headers={"WWW-Authenticate": "Bearer"})
        try:
            response = await handler(request)
        except ConnectionError:
            raise
        except OSError as error:  # a disk that is full, a folder that is not ours: no path of it is told
            why = error.strerror or type(error).__name__
            raise web.HTTPInsufficientStorage(text=f"the server cannot read or write a file: {why}") from error
        if options.token and "token" in request.query and not response.prepared:
            # A page's own requests have the cookie, not the address.
            response.set_cookie(COOKIE, options.token, httponly=True, samesite="Strict")
        return response

    return guard


async def mark(request: web.Request, response: web.StreamResponse) -> None:
    """Say to browsers what they may not make of any answer, nor show it in a page of somebody else's."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    response.headers.setdefault("Content-Security-Policy", "frame-ancestors 'self'")


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_foreign(request: web.Request) -> bool:
    """Whether a browser says that the page which asks is of another origin."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.method != "GET" and request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    try:
        said = urlsplit(origin).netloc
    except ValueError:
        return True
    return said.lower() != request.headers.get("Host", "").lower()


def _has_token(request: web.Request, token: str) -> bool:
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    given = given if kind == "Bearer" else request.query.get("token") or request.cookies.get(COOKIE, "")
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())
