"""Routes of jobs: the queue and the history as one list, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from weft.engine.serving.job import Done, Job
from weft.engine.serving.server import ServedRoute, Server, json_answer

STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")
MOST = 1000
_PICTURES = ("images", "gifs", "video", "audio", "3d")


def of_job(job: Job, status: str) -> dict[str, Any]:
    """A job that waits or runs."""
    return {
        "id": job.prompt_id,
        "status": status,
        "priority": job.number,
        "create_time": int(job.created * 1000),
        **({"execution_start_time": int(job.started * 1000)} if job.started is not None else {}),
        "outputs_count": 0,
        "workflow_id": _workflow_id(job.extra_data),
    }


def of_done(done: Done) -> dict[str, Any]:
    """One that has ended."""
    entry = done.entry
    messages = dict(entry["status"]["messages"])
    error = messages.get("execution_error")
    status = "completed" if entry["status"]["completed"] else "cancelled"
    status = "failed" if error is not None else status
    shown = [
        {**item, "nodeId": node, "mediaType": kind}
        for node, ui in entry["outputs"].items()
        for kind, items in ui.items()
        if kind in _PICTURES and isinstance(items, list | tuple)
        for item in items
        if isinstance(item, Mapping)
    ]
    found = {
        "id": done.prompt_id,
        "status": status,
        "priority": entry["prompt"][0],
        "create_time": int(done.created * 1000),
        "execution_start_time": int(done.started * 1000),
        "execution_end_time": int(done.ended * 1000),
        "outputs_count": sum(
            len(items) for ui in entry["outputs"].values() for items in ui.values() if _is_list(items)
        ),
        "preview_output": next((each for each in shown if each.get("type") == "output"), next(iter(shown), None)),
        "workflow_id": _workflow_id(entry["prompt"][3]),
    }
    return found if error is None else {**found, "execution_error": error}


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _workflow_id(extra_data: Mapping[str, Any]) -> Any:
    info = extra_data.get("extra_pnginfo")
    workflow = info.get("workflow") if isinstance(info, Mapping) else None
    return workflow.get("id") if isinstance(workflow, Mapping) else None


def all_jobs(server: Server) -> list[dict[str, Any]]:
    """All that the server knows of."""
    running = server.queue.running
    found = [of_job(job, "pending") for job in server.queue.waiting]
    found += [of_job(running, "in_progress")] if running is not None else []
    return [*found, *(of_done(done) for done in server.queue.history().values())]


_SORTED: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "created_at": lambda job: job["create_time"],
    "execution_duration": lambda job: job.get("execution_end_time", 0) - job.get("execution_start_time", 0),
}


async def get_jobs(server: Server, request: web.Request) -> web.StreamResponse:
    """The jobs, the newest first: of some statuses, or of one workflow, sorted, from a place on."""
    query = request.query
    wanted = [each for each in query.get("status", "").split(",") if each]
    if any(each not in STATUSES for each in wanted):
        raise refused(f"status: expected some of {', '.join(STATUSES)}")
    key = _SORTED.get(query.get("sort_by", "created_at"))
    order = query.get("sort_order", "desc")
    if key is None or order not in ("asc", "desc"):
        raise refused(f"sort_by: {' or '.join(_SORTED)}; sort_order: asc or desc")
    offset, limit = _whole(query, "offset", 0), _whole(query, "limit", MOST)
    workflow = query.get("workflow_id")
    found = [
        job
        for job in all_jobs(server)
        if (not wanted or job["status"] in wanted) and workflow in (None, "", job["workflow_id"])
    ]
    found.sort(key=key, reverse=order == "desc")
    page = found[offset : offset + min(limit, MOST)]
    more = offset + len(page) < len(found)
    pagination = {"offset": offset, "limit": limit, "total": len(found), "has_more": more}
    return json_answer({"jobs": page, "pagination": pagination})


def refused(why: str) -> web.HTTPBadRequest:
    """An answer to what makes no sense, in JSON as clients of this list expect it."""
    return web.HTTPBadRequest(text=json.dumps({"error": why}), content_type="application/json")


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise refused(f"{name}: expected a whole number, got {text[:40]!r}")
    return int(text)


async def get_job(server: Server, request: web.Request) -> web.StreamResponse:
    """One job, with its prompt and what its nodes show."""
    prompt_id = request.match_info["job_id"]
    done = server.queue.done(prompt_id)
    if done is not None:
        more = {"outputs": done.entry["outputs"], "execution_status": done.entry["status"]}
        return json_answer({**of_done(done), **more, "workflow": _workflow(done.entry["prompt"])})
    running = server.queue.running
    known = [*server.queue.waiting, *([running] if running is not None else [])]
    job = next((each for each in known if each.prompt_id == prompt_id), None)
    if job is None:
        return json_answer({"error": "Job not found"}, 404)
    status = "in_progress" if job is running else "pending"
    return json_answer({**of_job(job, status), "outputs": {}, "workflow": _workflow(job.item)})


def _workflow(item: list[Any]) -> dict[str, Any]:
    return {"prompt": item[2], "extra_data": item[3]}


ROUTES = (
    ServedRoute("GET", "/jobs", get_jobs),
    ServedRoute("GET", "/jobs/{job_id}", get_job),
)
