"""ComfyUI's editor at /: the files of its front-end package, which is found and never imported, or of a folder."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from aiohttp import web

from weft.engine.errors import UsageError

PACKAGE = "comfyui_frontend_package"


def editor_folder(named: Path | None = None) -> Path:
    """The folder of the editor's files: the one that is named, or the package's. Raises UsageError where none is."""
    spec = find_spec(PACKAGE) if named is None else None
    if named is None and (spec is None or spec.origin is None):
        raise UsageError(
            "ComfyUI's editor is not installed", hint="pip install 'weft[editor]', or name its folder: --front-end-root"
        )
    folder = named if named is not None else Path(str(spec and spec.origin)).parent / "static"
    if not (folder / "index.html").is_file():
        raise UsageError(f"{folder} has no index.html: it is no editor")
    return folder


def serve_editor(app: web.Application, folder: Path | None) -> None:
    """Give an application the editor at /; without one, / leads to the status page. To be called after all routes."""
    if folder is None:
        app.router.add_get("/", to_status)
        return

    async def index(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(folder / "index.html", headers={"Cache-Control": "no-cache"})

    app.router.add_get("/", index)
    app.router.add_static("/", folder)


async def to_status(request: web.Request) -> web.StreamResponse:
    """There is no editor."""
    raise web.HTTPFound("/weft" + (f"?{request.query_string}" if request.query_string else ""))
