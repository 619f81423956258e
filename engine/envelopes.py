"""What a prompt or a workflow comes wrapped in: what is posted to servers and workers, entries of a server's history,
what the editor's own script gives. Each is told by what it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from weft.engine.documents import pointer
from weft.engine.errors import UnreadableWorkflow

_CERTAIN = ("prompt", "api")
"""The keys that mean a prompt, whatever is under them."""

_KEYS = (*_CERTAIN, "workflow_api", "output", "workflow")
_AROUND = "input"
_QUEUES = ("queue_running", "queue_pending")
_PROMPT, _EXTRA = 2, 3
"""Where in an entry of a queue the prompt and its `extra_data` stand: `[number, id, prompt, extra_data, outputs]`."""


class Opened(NamedTuple):
    """A document without its wrapping, its JSON pointer in what was given, and what came with it for pictures."""

    document: Any
    pointer: str = ""
    extra: Mapping[str, Any] = {}


def opened(document: Any) -> Opened:
    """What a document wraps, or the document itself. Raises UnreadableWorkflow where it wraps several."""
    if not isinstance(document, Mapping) or is_workflow(document) or is_prompt(document):
        return Opened(document)
    found = _entry(document) or _keyed(document)
    if found is None and isinstance(document.get(_AROUND), Mapping):
        inner = _keyed(document[_AROUND])
        found = inner and inner._replace(pointer=pointer(_AROUND) + inner.pointer)
    return found or Opened(document)


def is_workflow(document: Any) -> bool:
    """Whether a document is in the UI format, and not a prompt in which some node is called `nodes`."""
    return isinstance(document, Mapping) and isinstance(document.get("nodes"), list) and "class_type" not in document


def is_prompt(document: Any) -> bool:
    """Whether a document has nodes of the API format."""
    return isinstance(document, Mapping) and any(is_node(entry) for entry in document.values())


def is_node(entry: Any) -> bool:
    """Whether an entry of a prompt says of itself that it is a node."""
    return isinstance(entry, Mapping) and "class_type" in entry


def _keyed(document: Mapping[str, Any]) -> Opened | None:
    for key in _KEYS:
        value = _read(document.get(key))
        certain = key in _CERTAIN and isinstance(value, Mapping) and "class_type" not in value
        if certain or is_workflow(value) or is_prompt(value):
            return Opened(value, pointer(key), _extra(document.get("extra_data")) or _workflow(document, key))
        if key == "prompt" and _is_queued(value):
            return Opened(value[_PROMPT], pointer(key, _PROMPT), _extra(value[_EXTRA]) if len(value) > _EXTRA else {})
    return None


def _entry(document: Mapping[str, Any]) -> Opened | None:
    """The only entry of a server's history or of its queues."""
    found = dict(_entries(document))
    if len(found) > 1:
        shown = ", ".join(list(found)[:5]) + (", ..." if len(found) > 5 else "")
        raise UnreadableWorkflow(f"it holds {len(found)} prompts, at {shown}", hint="keep one of them")
    for place, entry in found.items():
        inner = _keyed({"prompt": entry})
        return inner and inner._replace(pointer=place + inner.pointer.removeprefix(pointer("prompt")))
    return None


def _entries(document: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    for name in _QUEUES:
        queue = document.get(name)
        for index, entry in enumerate(queue if isinstance(queue, list) else ()):
            if _is_queued(entry):
                yield pointer(name, index), entry
    for name, value in document.items():
        if isinstance(value, Mapping) and _is_queued(value.get("prompt")):
            yield pointer(name, "prompt"), value["prompt"]


def _is_queued(entry: Any) -> bool:
    return isinstance(entry, list) and len(entry) > _PROMPT and is_prompt(entry[_PROMPT])


def _extra(posted: Any) -> Mapping[str, Any]:
    extra = posted.get("extra_pnginfo") if isinstance(posted, Mapping) else None
    return extra if isinstance(extra, Mapping) else {}


def _workflow(document: Mapping[str, Any], taken: str) -> Mapping[str, Any]:
    """The editor's workflow beside a prompt."""
    value = _read(document.get("workflow")) if taken != "workflow" else None
    return {"workflow": value} if is_workflow(value) else {}


def _read(value: Any) -> Any:
    """A value that may be written as JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
