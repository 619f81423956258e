"""Routes of what the editor keeps: its settings, and files of its user's, workflows among them, in one folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import web

from weft.engine.documents import is_deeper
from weft.engine.serving.files import inside, shown
from weft.engine.serving.server import ServedRoute, Server, json_answer
from weft.engine.wholefiles import write_whole
from weft.engine.workflow.prompt import MAX_DEPTH

SETTINGS = "comfy.settings.json"


def place_of(server: Server, name: str) -> Path:
    """The file or folder of the user's that is called so. Answers 403 where that would leave the folder."""
    found = inside(server.options.user, name) if name and not name.startswith(("/", "\\")) else None
    if found is None or found == Path(os.path.realpath(server.options.user)):
        raise web.HTTPForbidden(text="the name leaves its folder")
    return found


async def get_users(server: Server, request: web.Request) -> web.StreamResponse:
    """Whether there are several users: there is one."""
    return json_answer({"storage": "server", "migrated": True})


async def get_userdata(server: Server, request: web.Request) -> web.StreamResponse:
    """The files in a folder of the user's."""
    name = request.query.get("dir", "")
    if not name:
        raise web.HTTPBadRequest(text="dir: which folder?")
    folder = place_of(server, name)
    if not folder.is_dir():
        raise web.HTTPNotFound(text=f"there is no folder {name!r}")
    deep = request.query.get("recurse", "").lower() == "true"
    found = [_described(folder, file) for file in _files(folder, deep=deep) if inside(server.options.user, str(file))]
    if request.query.get("full_info", "").lower() == "true":
        return json_answer(found)
    names = [each["path"] for each in found]
    split = request.query.get("split", "").lower() == "true"
    return json_answer([[each, *each.split("/")] for each in names] if split else names)


async def get_tree(server: Server, request: web.Request) -> web.StreamResponse:
    """The files and folders in a folder of the user's."""
    name = request.query.get("path", "").strip("/")
    root = Path(os.path.realpath(server.options.user))
    folder = place_of(server, name) if name else root
    if not folder.is_dir():
        if name:
            raise web.HTTPNotFound(text=f"there is no folder {name!r}")
        return json_answer([])
    entries = [
        {"name": each.name, "path": each.relative_to(root).as_posix(), "type": "directory" if each.is_dir() else "file"}
        for each in sorted(folder.iterdir())
        if not each.name.startswith(".") and inside(root, str(each))
    ]
    return json_answer(entries)


async def get_file(server: Server, request: web.Request) -> web.StreamResponse:
    """A file of the user's."""
    file = place_of(server, request.match_info["file"])
    if not file.is_file():
        raise web.HTTPNotFound
    return shown(file)


async def post_file(server: Server, request: web.Request) -> web.StreamResponse:
    """Write a file of the user's."""
    name = request.match_info["file"]
    file = place_of(server, name)
    if request.query.get("overwrite") == "false" and file.exists():
        raise web.HTTPConflict(text=f"{name!r} is there already")
    body = await request.read()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, body)
    except OSError as error:
        raise web.HTTPBadRequest(text=f"{name!r} cannot be written: {error.strerror}") from error
    return json_answer(_said(server, request, file))


async def delete_file(server: Server, request: web.Request) -> web.StreamResponse:
    """Delete a file of the user's."""
    file = place_of(server, request.match_info["file"])
    if not file.is_file():
        raise web.HTTPNotFound
    file.unlink()
    return web.Response(status=204)


async def move_file(server: Server, request: web.Request) -> web.StreamResponse:
    """Give a file of the user's another name."""
    file, other = place_of(server, request.match_info["file"]), place_of(server, request.match_info["dest"])
    if not file.is_file():
        raise web.HTTPNotFound
    if request.query.get("overwrite") == "false" and other.exists():
        raise web.HTTPConflict(text=f"{request.match_info['dest']!r} is there already")
    try:
        other.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, other)
    except OSError as error:
        raise web.HTTPBadRequest(text=f"the file cannot be moved: {error.strerror}") from error
    return json_answer(_said(server, request, other))


def _said(server: Server, request: web.Request, file: Path) -> Any:
    root = Path(os.path.realpath(server.options.user))
    full = request.query.get("full_info", "").lower() == "true"
    return _described(root, file) if full else file.relative_to(root).as_posix()


def _files(folder: Path, *, deep: bool) -> Iterator[Path]:
    """The files in a folder, those of a dot left out; folders that links lead to are not entered."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if deep and not each.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    yield from (each for each in sorted(found) if each.is_file())


def _described(root: Path, file: Path) -> dict[str, Any]:
    found = file.stat()
    return {
        "path": file.relative_to(root).as_posix(),
        "size": found.st_size,
        "modified": int(found.st_mtime * 1000),
        "created": int(found.st_ctime * 1000),
    }


# --- settings


def settings_of(server: Server) -> dict[str, Any]:
    """The editor's settings; none where the file is none that can be read."""
    try:
        found = json.loads((server.options.user / SETTINGS).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep(server: Server, changes: dict[str, Any]) -> None:
    server.options.user.mkdir(parents=True, exist_ok=True)
    content = json.dumps({**settings_of(server), **changes}, indent=4)
    write_whole(server.options.user / SETTINGS, content.encode())


async def get_settings(server: Server, request: web.Request) -> web.StreamResponse:
    """The editor's settings."""
    return json_answer(settings_of(server))


async def get_setting(server: Server, request: web.Request) -> web.StreamResponse:
    """One of them; null where it is not set."""
    return json_answer(settings_of(server).get(request.match_info["id"]))


async def post_settings(server: Server, request: web.Request) -> web.StreamResponse:
    """Set several."""
    found = await _value(request)
    if not isinstance(found, dict):
        raise web.HTTPBadRequest(text="expected a JSON object")
    _keep(server, found)
    return web.Response()


async def post_setting(server: Server, request: web.Request) -> web.StreamResponse:
    """Set one."""
    _keep(server, {request.match_info["id"]: await _value(request)})
    return web.Response()


async def _value(request: web.Request) -> Any:
    try:
        found = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f"the body is no JSON: {error}") from error
    if is_deeper(found, MAX_DEPTH):
        raise web.HTTPBadRequest(text=f"nested more than {MAX_DEPTH} levels deep")
    return found


async def get_nothing(server: Server, request: web.Request) -> web.StreamResponse:
    """What packs could add to the editor, and here none does: texts and subgraphs."""
    return json_answer({})


ROUTES = (
    ServedRoute("GET", "/users", get_users),
    ServedRoute("GET", "/userdata", get_userdata),
    ServedRoute("GET", "/v2/userdata", get_tree),
    ServedRoute("GET", "/userdata/{file}", get_file),
    ServedRoute("POST", "/userdata/{file}", post_file),
    ServedRoute("DELETE", "/userdata/{file}", delete_file),
    ServedRoute("POST", "/userdata/{file}/move/{dest}", move_file),
    ServedRoute("GET", "/settings", get_settings),
    ServedRoute("POST", "/settings", post_settings),
    ServedRoute("GET", "/settings/{id}", get_setting),
    ServedRoute("POST", "/settings/{id}", post_setting),
    ServedRoute("GET", "/i18n", get_nothing),
    ServedRoute("GET", "/global_subgraphs", get_nothing),
)
