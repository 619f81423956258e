"""Routes of the status page, /weft: what runs, waits and has ended, whoever asked for it.

The page asks for `state` again and again. It loads nothing from elsewhere, and needs no editor.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from aiohttp import web

from weft.engine.envelopes import is_workflow
from weft.engine.errors import WeftError
from weft.engine.serving.job import Done, Job
from weft.engine.serving.listing import devices, memory
from weft.engine.serving.previews import encoded
from weft.engine.serving.server import ServedRoute, Server, json_answer
from weft.engine.serving.sockets import PNG

SHOWN = 30
"""Jobs that have ended, of which the page tells."""
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DRAWING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


async def get_page(server: Server, request: web.Request) -> web.StreamResponse:
    """The status page."""
    return _part("html")


async def get_style(server: Server, request: web.Request) -> web.StreamResponse:
    """How the status page looks."""
    return _part("css")


async def get_script(server: Server, request: web.Request) -> web.StreamResponse:
    """What the status page does."""
    return _part("js")


def _part(kind: str) -> web.Response:
    text = files("weft.engine.serving").joinpath(f"status.{kind}").read_text(encoding="utf-8")
    headers = {"Content-Security-Policy": PAGE_POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
    return web.Response(text=text, content_type=_TYPES[kind], headers=headers)


async def get_state(server: Server, request: web.Request) -> web.StreamResponse:
    """What the status page shows: the running prompt node by node, what waits, what has ended, memory."""
    server.sockets.looked_at()
    return json_answer(state_of(server))


def state_of(server: Server) -> dict[str, Any]:
    """See get_state. Times are in seconds since 1970, sizes in bytes."""
    total, free = memory()
    [device, *_] = devices(total, free)
    ended = list(server.queue.history(SHOWN).values())
    return {
        "version": f"Weft {version('weft')}",
        "device": device["name"],
        "started": server.started,
        "now": time.time(),
        "clients": len(server.sockets),
        "running": _running(server),
        "waiting": [
            {"prompt_id": job.prompt_id, "created": job.created, "nodes": len(job.prompt)}
            for job in server.queue.waiting
        ],
        "ended": [_ended(done) for done in reversed(ended)],
        "memory": _amounts(server, device, total, free),
    }


def _running(server: Server) -> dict[str, Any] | None:
    job, telling = server.queue.running, server.runner.telling
    if job is None or telling is None or telling.job is not job:
        return None
    states = telling.progress.states()
    cached = {name: {"state": "finished", "value": 1, "max": 1, "real_node_id": name} for name in telling.served}
    return {
        "prompt_id": job.prompt_id,
        "started": job.started,
        "total": max(len(telling.nodes), len(states)),
        "current": _title(job, telling.real(telling.current)) if telling.current else "",
        "preview": telling.pictures,
        "nodes": {
            name: {"state": node["state"], "value": node["value"], "max": node["max"], "shown": node["real_node_id"]}
            for name, node in {**cached, **states}.items()
        },
    }


def _title(job: Job, node_id: str) -> str:
    node = job.prompt.get(node_id, {})
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return str(title or node.get("class_type") or node_id)


def _ended(done: Done) -> dict[str, Any]:
    messages = done.entry["status"]["messages"]
    said = dict(messages)
    failure = said.get("execution_error", {})
    where = f"{failure['node_type']}: " if failure.get("node_type") else ""
    return {
        "prompt_id": done.prompt_id,
        "status": "interrupted" if "execution_interrupted" in said else done.entry["status"]["status_str"],
        "started": done.started,
        "ended": done.ended,
        "message": f"{where}{str(failure['exception_message']).strip():.500}" if failure else "",
        "files": [each for shown in done.entry["outputs"].values() for each in _files(shown)],
    }


def _files(shown: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The files among what a node shows, whatever it calls them."""
    lists = (items for items in shown.values() if isinstance(items, Sequence) and not isinstance(items, str))
    return [each for items in lists for each in items if isinstance(each, Mapping) and "filename" in each]


def _amounts(server: Server, device: Mapping[str, Any], total: int, free: int) -> list[tuple[str, int, int]]:
    """Names, bytes, and how many there may be; 0 where that is not known."""
    found = [("Outputs kept in memory", server.rounds.used, server.rounds.max_bytes)]
    if own := _resident():
        found.append(("This process", own, 0))
    if total:
        found.append(("This machine", total - free, total))
    if device["type"] == "cuda":
        found.append(("GPU", device["vram_total"] - device["vram_free"], device["vram_total"]))
    return found


def _resident() -> int:
    """Bytes of memory that this process has; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as amounts:
            return int(amounts.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


async def get_drawing(server: Server, request: web.Request) -> web.StreamResponse:
    """The workflow of a prompt as SVG: as the editor saved it, if it did, or laid out."""
    item = _item(server, request)
    try:
        text = await server.in_turn(lambda: _drawn(server, item))
    except WeftError as error:
        raise web.HTTPUnprocessableEntity(text=error.message) from error
    headers = {"Content-Security-Policy": DRAWING_POLICY, "Cache-Control": "no-cache"}
    return web.Response(text=text, content_type="image/svg+xml", headers=headers)


def _drawn(server: Server, item: Sequence[Any]) -> str:
    from weft.engine.drawing.sources import scene_of
    from weft.engine.drawing.svg import svg
    from weft.engine.formats.sources import load

    scene, _ = scene_of(load(_workflow(item)), server.session.registry, title=str(item[1]))
    return svg(scene, theme="auto")


async def get_workflow(server: Server, request: web.Request) -> web.StreamResponse:
    """The workflow of a prompt, to be opened in an editor or run again."""
    item = _item(server, request)
    name = "".join(each for each in str(item[1]) if each.isalnum() or each in "-_") or "workflow"
    return json_answer(_workflow(item), headers={"Content-Disposition": f'attachment; filename="{name}.json"'})


def _workflow(item: Sequence[Any]) -> Mapping[str, Any]:
    """What the editor saved of a job, or its prompt."""
    carried = item[3].get("extra_pnginfo") if isinstance(item[3], Mapping) else None
    workflow = carried.get("workflow") if isinstance(carried, Mapping) else None
    return workflow if isinstance(workflow, Mapping) and is_workflow(workflow) else dict(item[2])


def _item(server: Server, request: web.Request) -> Sequence[Any]:
    """The job that a request names, as queue and history show it. Answers 404."""
    wanted = request.match_info["prompt_id"]
    running = server.queue.running
    for job in (*([running] if running is not None else []), *server.queue.waiting):
        if job.prompt_id == wanted:
            return job.item
    done = server.queue.done(wanted)
    if done is None:
        raise web.HTTPNotFound(text="no prompt of this id")
    found: Sequence[Any] = done.entry["prompt"]
    return found


async def get_preview(server: Server, request: web.Request) -> web.StreamResponse:
    """The newest picture of what the running prompt has so far."""
    telling = server.runner.telling
    if telling is None or telling.picture is None or telling.job.prompt_id != request.match_info["prompt_id"]:
        raise web.HTTPNotFound(text="there is no picture yet")
    picture = telling.picture
    content, form = await server.aside(lambda: encoded(picture))
    kind = "image/png" if form == PNG else "image/jpeg"
    return web.Response(body=content, content_type=kind, headers={"Cache-Control": "no-store"})


ROUTES = (
    ServedRoute("GET", "/weft", get_page),
    ServedRoute("GET", "/weft/status.css", get_style),
    ServedRoute("GET", "/weft/status.js", get_script),
    ServedRoute("GET", "/weft/state", get_state),
    ServedRoute("GET", "/weft/drawing/{prompt_id}", get_drawing),
    ServedRoute("GET", "/weft/workflow/{prompt_id}", get_workflow),
    ServedRoute("GET", "/weft/preview/{prompt_id}", get_preview),
)
