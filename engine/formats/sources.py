"""Where a workflow comes from: a file, standard input, a JSON text, a dict; in API format, UI format, or inside a
picture. What it is is told by its content, never by its name."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from weft.engine.documents import kind_of
from weft.engine.envelopes import is_workflow, opened
from weft.engine.errors import Issue, Spot, UnreadableWorkflow, UsageError
from weft.engine.formats import embedded
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import MAX_BYTES, Prompt, decoded, read_json

STDIN = "-"
NAME_OF_STDIN = "standard input"
"""What it is called wherever a file's name would stand."""


@runtime_checkable
class HoldsPrompt(Protocol):
    """What is a workflow by having a prompt: a graph that is built in Python."""

    @property
    def prompt(self) -> Prompt:
        """The prompt that it is now."""

    @property
    def registry(self) -> Registry:
        """The node classes that it knows."""


WorkflowSource = str | os.PathLike[str] | Mapping[str, Any] | Prompt | Workflow | HoldsPrompt


def registry_of(source: WorkflowSource, given: Registry | None) -> Registry | None:
    """The node classes that are meant where a workflow is run: those that are given, else a graph's own."""
    return source.registry if given is None and isinstance(source, HoldsPrompt) else given


@dataclass(frozen=True)
class SourceFile:
    """A workflow, and the file that it was read from; `text` is its JSON text, empty where it stood in a picture."""

    name: str
    workflow: Prompt | Workflow
    text: str = ""

    def located(self, issues: Iterable[Issue]) -> list[Issue]:
        """The issues, each with its spot in the file."""
        issues = list(issues)
        if not self.text:
            return [replace(issue, spot=Spot(self.name)) for issue in issues]
        from weft.engine.positions import positions

        found = positions(self.text, {issue.pointer for issue in issues})
        return [replace(issue, spot=Spot(self.name, *found[issue.pointer])) for issue in issues]


def load(source: WorkflowSource, *, ui: bool = False) -> Prompt | Workflow:
    """The prompt or the workflow in a file, a JSON text or a dict. Raises UnreadableWorkflow saying what was found.

    A str that starts with `{` is JSON text, `-` is standard input, every other str is a path. Where a file holds both
    formats (pictures, posted prompts), the prompt counts: it is what ran. With `ui` the workflow does.
    """
    if isinstance(source, Prompt | Workflow):
        return source
    if isinstance(source, HoldsPrompt):
        return source.prompt
    if not isinstance(source, str | os.PathLike | Mapping):
        raise UsageError(f"expected a workflow: a path, JSON text or a dict, got {kind_of(source)}")
    if isinstance(source, Mapping):
        return _document(source, ui)
    return open_file(source, ui=ui).workflow


def name_of(source: str | os.PathLike[str]) -> str:
    """What messages call a file that is given so."""
    return NAME_OF_STDIN if source == STDIN else os.fspath(source)


def open_file(source: str | os.PathLike[str], *, ui: bool = False) -> SourceFile:
    """The workflow in what a str or a path means to `load`. Raises UnreadableWorkflow as that does."""
    if isinstance(source, str) and (text := source.lstrip("\ufeff \t\r\n")).startswith("{"):
        return SourceFile("the text", _document(read_json(text, "the text"), ui), text)
    name = name_of(source)
    text = ""
    try:
        content, found = _read(source, name)
        if found is not None:
            return SourceFile(name, _embedded(found, name, ui))
        text = decoded(content, name)
        return SourceFile(name, _document(read_json(text, name), ui), text)
    except UnreadableWorkflow as error:
        error.spot = _spot(error, name, text)
        if name not in error.message:
            error.message = f"{name}: {error.message}"
        raise


def _spot(error: UnreadableWorkflow, name: str, text: str) -> Spot:
    """Where in the file it is that cannot be read."""
    if error.at is None and error.pointer and text:
        from weft.engine.positions import positions

        return Spot(name, *positions(text, {error.pointer})[error.pointer])
    return Spot(name, *(error.at or ()))


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


_BESIDE = {
    "prompt": "the editor's workflow is taken instead",
    "workflow": "the prompt, which is what ran, is taken",
    "weft": "the sampling mode that made it is not known",
}


def _embedded(found: embedded.Embedded, name: str, ui: bool) -> Prompt | Workflow:
    """The prompt of a picture, or with `ui` its workflow; the other one where the prompt is broken, with a note.

    Another note says so where the file is damaged.
    """
    broken = dict(found.broken)
    loaded: Prompt | Workflow | None = None
    if found.prompt is not None and not ui:
        extra = {} if found.workflow is None else {"workflow": found.workflow}
        try:
            read = Prompt.parse(found.prompt)
            loaded = Prompt(read.nodes, extra_pnginfo=extra)
            loaded.notes = read.notes
        except UnreadableWorkflow as error:
            broken["prompt"] = error
            if found.workflow is None:
                raise
    if loaded is None and found.workflow is None:
        if "workflow" in broken:
            raise UnreadableWorkflow(broken["workflow"].message, hint="leave --ui away: its prompt can be read")
        raise UnreadableWorkflow(f"{name} holds a prompt and no workflow of the editor", hint="leave --ui away")
    if loaded is None:
        loaded = Workflow.parse(found.workflow)
    loaded.made = found.made or {}
    for key, taken in _BESIDE.items():
        if key in broken:
            message = f"the {key} in {name} cannot be read: {taken} ({broken[key].message})"
            loaded.notes = (*loaded.notes, Issue("damaged_file", message))
    if found.damage:
        message = f"{name} is a damaged {found.kind}, of which the workflow was read: {found.damage}"
        loaded.notes = (*loaded.notes, Issue("damaged_file", message))
    return loaded


def _document(document: Any, ui: bool) -> Prompt | Workflow:
    inner, _, extra = opened(document)
    if is_workflow(inner):
        return Workflow.parse(inner)
    if not ui:
        return Prompt.parse(document)
    if not is_workflow(extra.get("workflow")):
        raise UnreadableWorkflow("it holds a prompt and no workflow of the editor", hint="leave --ui away")
    return Workflow.parse(extra["workflow"])
