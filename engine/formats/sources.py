"""Where a workflow comes from: a file, standard input, a JSON text, a dict; in API format, UI format, or inside a
picture. What it is is told by its content, never by its name."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.documents import kind_of
from engine.errors import Issue, UnreadableWorkflow, UsageError
from engine.formats import embedded
from engine.formats.workflow import Workflow, is_workflow
from engine.prompt import MAX_BYTES, Prompt, read_json

STDIN = "-"
Source = str | os.PathLike[str] | Mapping[str, Any] | Prompt | Workflow


def load(source: Source, *, ui: bool = False) -> Prompt | Workflow:
    """The prompt or the workflow in a file, a JSON text or a dict. Raises UnreadableWorkflow saying what was found.

    A str that starts with `{` is JSON text, `-` is standard input, every other str is a path. Where a file holds both
    formats (pictures, posted prompts), the prompt counts: it is what ran. With `ui` the workflow does.
    """
    if isinstance(source, Prompt | Workflow):
        return source
    if not isinstance(source, str | os.PathLike | Mapping):
        raise UsageError(f"expected a workflow: a path, JSON text or a dict, got {kind_of(source)}")
    if isinstance(source, Mapping):
        return _document(source, ui)
    if isinstance(source, str) and (text := source.lstrip("\ufeff \t\r\n")).startswith("{"):
        return _document(read_json(text, "the text"), ui)
    name = "standard input" if source == STDIN else str(source)
    try:
        return _content(*_read(source, name), name, ui)
    except UnreadableWorkflow as error:
        if name in error.message:
            raise
        raise UnreadableWorkflow(f"{name}: {error.message}", hint=error.hint) from error


def _read(source: str | os.PathLike[str], name: str) -> tuple[bytes, embedded.Embedded | None]:
    """A file's content; of a picture and the like only what is embedded in it, and no content."""
    try:
        if source == STDIN:
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
            if embedded.is_container(content[: embedded.HEAD]):
                return b"", embedded.read(content, name)
        else:
            # Opened once, and not asked for its size: a pipe or a device has none and cannot be read twice.
            with Path(source).open("rb") as stream:
                head = stream.read(embedded.HEAD)
                if embedded.is_container(head):
                    return b"", embedded.read(_rejoined(head, stream), name)
                content = head + stream.read(MAX_BYTES + 1 - len(head))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UnreadableWorkflow(f"cannot read {name[:200]!r}: {reason}") from error
    if len(content) > MAX_BYTES:
        raise UnreadableWorkflow(f"{name} is larger than {MAX_BYTES:,} bytes, the most that is read")
    return content, None


def _rejoined(head: bytes, stream: io.BufferedReader) -> Any:
    """The stream from its beginning; of one that cannot go back, a copy."""
    if stream.seekable():
        stream.seek(0)
        return stream
    return io.BytesIO(head + stream.read(embedded.MAX_STREAM))


def _content(content: bytes, found: embedded.Embedded | None, name: str, ui: bool) -> Prompt | Workflow:
    if found is not None:
        loaded = _embedded(found, name, ui)
        if found.damage:
            message = f"{name} is a damaged {found.kind}, of which the workflow was read: {found.damage}"
            loaded.notes = (Issue("damaged_file", message),)
        return loaded
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableWorkflow(f"{name} is no text: {error.reason} at byte {error.start}") from error
    return _document(read_json(text, name), ui)


def _embedded(found: embedded.Embedded, name: str, ui: bool) -> Prompt | Workflow:
    if found.prompt is None or (ui and found.workflow is not None):
        return Workflow.parse(found.workflow)
    if ui:
        raise UnreadableWorkflow(f"{name} holds a prompt and no workflow of the editor", hint="leave --ui away")
    extra = {} if found.workflow is None else {"workflow": found.workflow}
    return Prompt(Prompt.parse(found.prompt).nodes, extra_pnginfo=extra)


def _document(document: Any, ui: bool) -> Prompt | Workflow:
    if is_workflow(document):
        return Workflow.parse(document)
    prompt = Prompt.parse(document)
    if not ui:
        return prompt
    workflow = prompt.extra_pnginfo.get("workflow")
    if not is_workflow(workflow):
        raise UnreadableWorkflow("it holds a prompt and no workflow of the editor", hint="leave --ui away")
    return Workflow.parse(workflow)
