"""Routes of prompts: to run them, to see and change the queue and the history, to stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from weft.engine.errors import InvalidWorkflow, WeftError
from weft.engine.serving import intake
from weft.engine.serving.job import Job
from weft.engine.serving.queue import Full, shown
from weft.engine.serving.server import ServedRoute, Server, json_answer, json_body


async def post_prompt(server: Server, request: web.Request) -> web.StreamResponse:
    """Queue a prompt, in API format or as the editor saves it."""
    try:
        document = intake.read(await request.read())
        number = intake.number_of(document, server.next_number)
        job_and_errors = await server.in_turn(lambda: _queued(server, document, number))
    except intake.Refusal as refusal:
        return json_answer(refusal.document, 400)
    except Full:
        error = {"type": "queue_full", "message": "As many prompts wait as may", "details": "", "extra_info": {}}
        return json_answer({"error": error, "node_errors": {}}, 429, {"Retry-After": "5"})
    job, node_errors = job_and_errors
    return json_answer({"prompt_id": job.prompt_id, "number": number, "node_errors": node_errors})


def _queued(server: Server, document: dict[str, Any], number: float) -> tuple[Job, dict[str, Any]]:
    accepted = intake.accept(server.session, intake.converted(server.session, document), number)
    server.queue.put(accepted[0])
    return accepted


async def get_prompt(server: Server, request: web.Request) -> web.StreamResponse:
    """How many prompts wait or run."""
    return json_answer(server.exec_info())


async def get_queue(server: Server, request: web.Request) -> web.StreamResponse:
    """The prompts that run and wait."""
    return json_answer(shown(server.queue))


async def post_queue(server: Server, request: web.Request) -> web.StreamResponse:
    """Take back prompts that wait: all (clear), or some (delete)."""
    asked = await json_body(request)
    if asked.get("clear"):
        server.queue.take_back(lambda job: True)
    if gone := _ids(asked, "delete"):
        server.queue.take_back(lambda job: job.prompt_id in gone)
    return web.Response()


async def post_interrupt(server: Server, request: web.Request) -> web.StreamResponse:
    """Stop the prompt that runs, if it is the one that is named."""
    try:
        prompt_id = (await json_body(request)).get("prompt_id")
    except web.HTTPBadRequest:
        prompt_id = None
    server.queue.interrupt(str(prompt_id) if prompt_id else None)
    return web.Response()


async def post_free(server: Server, request: web.Request) -> web.StreamResponse:
    """Let go of models and of what was kept, between two prompts."""
    asked = await json_body(request)
    server.runner.free(models=bool(asked.get("unload_models")), memory=bool(asked.get("free_memory")))
    return web.Response()


async def get_history(server: Server, request: web.Request) -> web.StreamResponse:
    """The prompts that have ended, the oldest first."""
    most, offset = _number(request, "max_items"), _number(request, "offset")
    found = server.queue.history(most, -1 if offset is None else offset)
    return json_answer({prompt_id: done.entry for prompt_id, done in found.items()})


async def get_history_of(server: Server, request: web.Request) -> web.StreamResponse:
    """What is remembered of one prompt."""
    prompt_id = request.match_info["prompt_id"]
    done = server.queue.done(prompt_id)
    return json_answer({} if done is None else {prompt_id: done.entry})


async def post_history(server: Server, request: web.Request) -> web.StreamResponse:
    """Forget prompts that have ended: all (clear), or some (delete)."""
    asked = await json_body(request)
    if asked.get("clear"):
        server.queue.forget()
    if gone := _ids(asked, "delete"):
        server.queue.forget(gone)
    return web.Response()


async def post_convert(server: Server, request: web.Request) -> web.StreamResponse:
    """A workflow as the editor saves it, in API format."""
    try:
        document = intake.read(await request.read())
    except intake.Refusal as refusal:
        return json_answer(refusal.document, 400)
    workflow = document.get("workflow", document)
    try:
        found, notes = await server.in_turn(lambda: server.session.convert(workflow, "api"))
    except InvalidWorkflow as error:
        return json_answer({"error": error.to_json()}, 400)
    except WeftError as error:
        return json_answer({"error": error.to_json()}, 400)
    return json_answer(found, headers={"X-Weft-Notes": str(len(notes))})


def _ids(asked: Mapping[str, Any], name: str) -> set[str]:
    found = asked.get(name)
    return {each for each in found if isinstance(each, str)} if isinstance(found, list) else set()


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"{name}: expected a whole number, got {text[:40]!r}") from error


ROUTES = (
    ServedRoute("POST", "/prompt", post_prompt),
    ServedRoute("GET", "/prompt", get_prompt),
    ServedRoute("GET", "/queue", get_queue),
    ServedRoute("POST", "/queue", post_queue),
    ServedRoute("POST", "/interrupt", post_interrupt),
    ServedRoute("POST", "/free", post_free),
    ServedRoute("GET", "/history", get_history),
    ServedRoute("POST", "/history", post_history),
    ServedRoute("GET", "/history/{prompt_id}", get_history_of),
    ServedRoute("POST", "/workflow/convert", post_convert),
)
