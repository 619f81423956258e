"""The routes as an OpenAPI document, made of the table that the server routes by."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from weft.engine.serving.server import ServedRoute

Json = dict[str, Any]

VERSION = "3.1.0"


class Told(NamedTuple):
    """What a route takes beside its path: names of its query, and a body.

    query: name -> a JSON Schema. body: properties of a JSON object, or of a form where `form` is set; None for none.
    answer: the type of what it answers with.
    """

    query: Mapping[str, Json] = {}
    body: Mapping[str, Json] | None = None
    form: bool = False
    answer: str = "application/json"


TEXT: Json = {"type": "string"}
FLAG: Json = {"type": "string", "enum": ["true", "false"]}
COUNT: Json = {"type": "integer", "minimum": 0}
TEXTS: Json = {"type": "array", "items": TEXT}
OBJECT: Json = {"type": "object"}
FILE: Json = {"type": "string", "format": "binary"}
_PLACE: Mapping[str, Json] = {
    "filename": TEXT,
    "subfolder": TEXT,
    "type": {"type": "string", "enum": ["output", "input", "temp"]},
}
_FORM = {"image": FILE, "overwrite": FLAG, **{name: _PLACE[name] for name in ("subfolder", "type")}}
_ANY = "application/octet-stream"

TOLD: Mapping[tuple[str, str], Told] = {
    ("POST", "/prompt"): Told(
        body={
            "prompt": OBJECT,
            "client_id": TEXT,
            "prompt_id": TEXT,
            "number": {"type": "number"},
            "front": {"type": "boolean"},
            "extra_data": OBJECT,
            "partial_execution_targets": TEXTS,
        }
    ),
    ("POST", "/queue"): Told(body={"clear": {"type": "boolean"}, "delete": TEXTS}),
    ("POST", "/interrupt"): Told(body={"prompt_id": TEXT}),
    ("POST", "/free"): Told(body={"unload_models": {"type": "boolean"}, "free_memory": {"type": "boolean"}}),
    ("GET", "/history"): Told({"max_items": {"type": "integer"}, "offset": {"type": "integer"}}),
    ("POST", "/history"): Told(body={"clear": {"type": "boolean"}, "delete": TEXTS}),
    ("POST", "/workflow/convert"): Told(body={}),
    ("GET", "/view"): Told(
        {**_PLACE, "channel": {"type": "string", "enum": ["rgba", "rgb", "a"]}, "preview": TEXT}, answer=_ANY
    ),
    ("POST", "/upload/image"): Told(body=_FORM, form=True),
    ("POST", "/upload/mask"): Told(body={**_FORM, "original_ref": TEXT}, form=True),
    ("GET", "/view_metadata/{folder}"): Told({"filename": TEXT}),
    ("GET", "/userdata"): Told({"dir": TEXT, "recurse": FLAG, "full_info": FLAG, "split": FLAG}),
    ("GET", "/v2/userdata"): Told({"path": TEXT}),
    ("GET", "/userdata/{file}"): Told(answer=_ANY),
    ("POST", "/userdata/{file}"): Told({"overwrite": FLAG, "full_info": FLAG}, body={}),
    ("POST", "/userdata/{file}/move/{dest}"): Told({"overwrite": FLAG, "full_info": FLAG}, body={}),
    ("POST", "/settings"): Told(body={}),
    ("POST", "/settings/{id}"): Told(body={}),
    ("GET", "/jobs"): Told(
        {
            "status": TEXT,
            "workflow_id": TEXT,
            "sort_by": {"type": "string", "enum": ["created_at", "execution_duration"]},
            "sort_order": {"type": "string", "enum": ["asc", "desc"]},
            "offset": COUNT,
            "limit": {"type": "integer", "minimum": 1},
        }
    ),
    ("GET", "/metrics"): Told(answer="text/plain"),
    ("GET", "/weft"): Told(answer="text/html"),
    ("GET", "/weft/status.css"): Told(answer="text/css"),
    ("GET", "/weft/status.js"): Told(answer="text/javascript"),
    ("GET", "/weft/drawing/{prompt_id}"): Told(answer="image/svg+xml"),
    ("GET", "/weft/preview/{prompt_id}"): Told(answer="image/*"),
    ("GET", "/ws"): Told({"clientId": TEXT}),
}
"""Of routes that take or give more than their path and JSON."""


def document(routes: Iterable[ServedRoute], version: str) -> Json:
    """The document. Each route is also there below /api, which is the second of its servers."""
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": VERSION,
        "info": {
            "title": "weft serve",
            "version": version,
            "summary": "ComfyUI's HTTP and WebSocket API on Weft's engine.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}, {"url": "/api"}],
        "security": [{}, {"token": []}, {"query": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "query": {"type": "apiKey", "in": "query", "name": "token"},
            }
        },
    }


def _operation(route: ServedRoute) -> Json:
    told = TOLD.get((route.method, route.path), Told())
    summary = (inspect.getdoc(route.handler) or "").partition("\n")[0]
    found: Json = {
        "operationId": f"{route.method.lower()}{re.sub(r'[^a-zA-Z0-9]+', '_', route.path).rstrip('_')}",
        "summary": summary,
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": TEXT} for name in _names(route.path)),
            *({"name": name, "in": "query", "schema": schema} for name, schema in told.query.items()),
        ],
        "responses": {
            "200": {"description": "as the summary says", "content": {told.answer: {}}},
            "400": {"description": "what was asked is not well formed"},
            "401": {"description": "a token is needed"},
            "403": {"description": "another origin asks, or for what is outside of the server's folders"},
            **({"404": {"description": "it is not there"}} if "{" in route.path or "filename" in told.query else {}),
        },
    }
    if route.path == "/ws":
        found["responses"]["101"] = {"description": "messages from now on"}
    if told.body is not None:
        kind = "multipart/form-data" if told.form else "application/json"
        schema = {"type": "object", "properties": dict(told.body)} if told.body else {}
        found["requestBody"] = {"content": {kind: {"schema": schema}}}
        found["responses"] |= {
            "408": {"description": "the body did not come in time"},
            "413": {"description": "the body is too large"},
            "429": {"description": "too many posts, or too many prompts wait"},
        }
    return found


def _names(path: str) -> list[str]:
    return re.findall(r"\{(\w+)", path)
