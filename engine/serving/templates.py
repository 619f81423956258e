"""Routes of workflows that are offered: those of ComfyUI's package of templates, and the examples of packs."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from aiohttp import web

from weft.engine.serving.files import inside, shown
from weft.engine.serving.server import ServedRoute, Server, json_answer

PACKAGE = "comfyui_workflow_templates_json"
"""The package of the workflows that the editor offers; without it, it offers none."""
FOLDERS = ("example_workflows", "workflow", "workflows", "example", "examples")
"""Where packs have theirs, by ComfyUI's conventions."""
OFFERED = (".json", ".jpg", ".jpeg", ".png", ".webp", ".gif", ".mp4", ".mp3")


@cache
def packaged() -> Path | None:
    """The folder of the package's templates; None where it is not installed."""
    spec = find_spec(PACKAGE)
    return Path(spec.origin).parent / "templates" if spec is not None and spec.origin is not None else None


def examples(server: Server) -> dict[str, list[Path]]:
    """The workflows of packs, by the names of the packs."""
    found: dict[str, list[Path]] = {}
    for pack in server.session.custom_nodes:
        if not pack.error and pack.path.is_dir():
            files = [file for name in FOLDERS for file in sorted((pack.path / name).glob("*.json"))]
            if files:
                found[pack.name] = files
    return found


async def get_examples(server: Server, request: web.Request) -> web.StreamResponse:
    """The names of packs' example workflows, by pack."""
    found = await server.aside(lambda: examples(server))
    return json_answer({pack: [file.stem for file in files] for pack, files in found.items()})


async def get_example(server: Server, request: web.Request) -> web.StreamResponse:
    """An example workflow of a pack, or its picture."""
    pack, name = request.match_info["pack"], request.match_info["file"]
    for folder in dict.fromkeys(file.parent for file in (await server.aside(lambda: examples(server))).get(pack, ())):
        if (file := offered(folder, name)) is not None:
            return shown(file)
    raise web.HTTPNotFound


async def get_template(server: Server, request: web.Request) -> web.StreamResponse:
    """A file of the package of templates, where it is installed: a workflow, a picture, the list of all."""
    folder = packaged()
    file = offered(folder, request.match_info["file"]) if folder is not None else None
    if file is None:
        raise web.HTTPNotFound
    return shown(file)


def offered(folder: Path, name: str) -> Path | None:
    """A file of a folder that a client may have."""
    file = inside(folder, name)
    return file if file is not None and file.suffix.lower() in OFFERED and file.is_file() else None


ROUTES = (
    ServedRoute("GET", "/workflow_templates", get_examples),
    ServedRoute("GET", "/workflow_templates/{pack}/{file}", get_example),
    ServedRoute("GET", "/templates/{file}", get_template),
)
