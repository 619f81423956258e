"""What a run is, in ComfyUI's messages: an observer of the engine's events, and what is left for the history.

Messages come in ComfyUI's order: `execution_start`, `execution_cached`, then for each node that is called `executing`
and `executed` if it shows something, at last `execution_success`, `execution_error` or `execution_interrupted`. A
cached output node is `executed` without `executing`.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from weft.engine import events
from weft.engine.cache.protocol import Entry
from weft.engine.documents import is_deeper
from weft.engine.errors import NodeError, WeftError, one_line
from weft.engine.planning.plan import Known, Step
from weft.engine.serving.job import Job
from weft.engine.serving.previews import knows_metadata, send_preview
from weft.engine.serving.progress import ProgressState
from weft.engine.serving.sockets import Sockets

_ENGINE = str(Path(__file__).parents[1])

_CALLED = {
    "DependencyCycleError": "graph.DependencyCycleError",
    "NodeInputError": "graph.NodeInputError",
    "DuplicateNodeError": "graph_utils.DuplicateNodeError",
}
"""Errors of this engine that ComfyUI has too, under another name."""

_SIMPLE = (bool, int, float, str, type(None))

_DEEPEST = 200
"""Levels of what a node shows; whoever writes it as JSON must not run out of stack."""


class NodeShown(NamedTuple):
    """What a node shows itself, and what the nodes inside of it show: id, what, and its line in the history's meta."""

    own: Mapping[str, Any]
    inside: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...]


class Telling:
    """Tells of one job's run. `nodes` are those of the run, which grow; they are set when it is planned.

    `method` is that of previews: see ServerOptions.
    """

    def __init__(self, job: Job, sockets: Sockets, method: str = "") -> None:
        self.job = job
        self._method = method
        self.nodes: Mapping[str, Known] = {}
        self.current = ""
        """The node that was started last."""
        self.messages: list[list[Any]] = []
        self.outputs: dict[str, Mapping[str, Any]] = {}
        self.meta: dict[str, Mapping[str, Any]] = {}
        self.shown: dict[bytes, NodeShown] = {}
        """What is shown by nodes that expanded, by the digests of their keys."""
        self.picture: Any = None
        """The newest preview, a PIL image, and how many there were."""
        self.pictures = 0
        self._drawn: events.Preview | None = None
        self._sockets = sockets
        self._client_id = job.client_id
        self.progress = ProgressState(job.prompt_id, self._client_id, sockets, self._related)
        self._executed: dict[str, None] = {}
        self.served: set[str] = set()
        self._inside: dict[str, list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]] = {}

    @property
    def takes_previews(self) -> bool:
        """Whether somebody watches who would be shown a picture of the way."""
        return self._method != "none" and self._sockets.watches(
            self._client_id, lambda flags: self._method == "auto" or knows_metadata(flags)
        )

    # --- the run

    def begin(self) -> None:
        """It begins."""
        self._say("execution_start", {"prompt_id": self.job.prompt_id, "timestamp": _now()}, keep=True)

    def cached(self, node_ids: Sequence[str]) -> None:
        """It is planned: the cache has these."""
        said = {"nodes": list(node_ids), "prompt_id": self.job.prompt_id, "timestamp": _now()}
        self._say("execution_cached", said, keep=True)

    def succeeded(self) -> None:
        """It has ended well."""
        self.progress.flush()
        self._say("execution_success", {"prompt_id": self.job.prompt_id, "timestamp": _now()}, keep=True)

    def interrupted(self) -> None:
        """It was stopped; where it is nobody's, everybody is told."""
        real = self.real(self.current)
        said = {
            "prompt_id": self.job.prompt_id,
            "node_id": real,
            "node_type": self._class_of(real),
            "executed": list(self._executed),
            "timestamp": _now(),
        }
        self.messages.append(["execution_interrupted", said])
        self._sockets.say("execution_interrupted", said, self._client_id)

    def failed(self, error: BaseException) -> None:
        """It has failed: a node did, or what is around them."""
        self.progress.flush()
        cause = (error.__cause__ or error) if isinstance(error, NodeError) else error
        # An error of the engine's own names the node itself; of one inside an expansion, the workflow's is meant.
        inner = self.current if self.current in self.nodes else getattr(error, "node_id", "")
        real = self.real(inner) if inner else getattr(error, "node_id", None)
        said = {
            "prompt_id": self.job.prompt_id,
            "node_id": real or None,
            "node_type": self._class_of(real or ""),
            "executed": list(self._executed),
            "exception_message": f"{cause.message if isinstance(cause, NodeError) else cause}\n",
            "exception_type": name_of(cause),
            "traceback": frames_of(cause),
            "current_inputs": self._inputs_of(inner, error),
            "current_outputs": [*self.job.prompt, *(name for name in self.nodes if name not in self.job.prompt)],
            "timestamp": _now(),
        }
        self._say("execution_error", said, keep=True)

    def __call__(self, event: events.Event) -> None:
        """An event of the run."""
        match event:
            case events.NodeStarted(node_id=node_id, display_id=display):
                self.current = node_id
                self._starts(node_id, display)
            case events.NodeAsked(node_id=node_id, display_id=display):
                self._starts(node_id, display)
            case events.NodeCached(node_id=node_id):
                self.served.add(node_id)
            case events.NodeFailed(node_id=node_id):
                self.current = node_id
                self.progress.set(node_id, "error")
            case events.NodeBlocked():
                self._blocked(event)
            case events.Progress():
                self._steps(event)
            case events.Preview():
                self.picture, self.pictures = event.image, self.pictures + 1
                self._drawn = event

    def finished(self, step: Step, entry: Entry) -> None:
        """A node has its outputs, from a call, from the cache, or from an equal node."""
        node_id = step.node_id
        served = node_id in self.served
        ui = self._own(step, entry, served=served)
        if served and not step.schema.output_node:
            return
        if ui or served:
            self._shows(node_id, step.display_id, ui)
        if served:
            self.progress.set(node_id, "finished", 1, 1)
        else:
            self._executed[node_id] = None
            self.progress.set(node_id, "finished")

    # --- what is said of a node

    def _starts(self, node_id: str, display: str) -> None:
        self.progress.set(node_id, "running", 0.0, 1.0)
        said = {"node": node_id, "display_node": display or node_id, "prompt_id": self.job.prompt_id}
        self._say("executing", said)

    def _steps(self, event: events.Progress) -> None:
        node_id, drawn = event.node_id, self._drawn
        self._drawn = None
        self.progress.set(node_id, "running", event.value, event.total)

        def step() -> None:
            said = {"value": event.value, "max": event.total, "prompt_id": self.job.prompt_id, "node": node_id}
            self._sockets.say("progress", said, self._client_id, needed=False)

        if drawn is None:
            step()
        else:
            about = {"node_id": node_id, "prompt_id": self.job.prompt_id, **self._related(node_id)}
            plain = not drawn.asked or self._method == "auto"
            send_preview(self._sockets, self._client_id, drawn.image, about, step, plain=plain)

    def _shows(self, node_id: str, display: str, ui: Mapping[str, Any]) -> None:
        said = {
            "node": node_id,
            "display_node": display or node_id,
            "output": dict(ui) or None,
            "prompt_id": self.job.prompt_id,
        }
        self._say("executed", said)
        if ui:
            self.remember(node_id, ui, self._meta(node_id, display))

    def remember(self, node_id: str, ui: Mapping[str, Any], meta: Mapping[str, Any] | None = None) -> None:
        """Have the history show what a node shows."""
        self.outputs[node_id] = ui
        self.meta[node_id] = meta if meta is not None else self._meta(node_id, node_id)

    def _blocked(self, event: events.NodeBlocked) -> None:
        for message in event.messages:
            said = {
                "prompt_id": self.job.prompt_id,
                "node_id": event.node_id,
                "node_type": event.class_type,
                "executed": list(self._executed),
                "exception_message": f"Execution Blocked: {message}",
                "exception_type": "ExecutionBlocked",
                "traceback": [],
                "current_inputs": [],
                "current_outputs": [],
            }
            self._say("execution_error", said)

    def _own(self, step: Step, entry: Entry, *, served: bool) -> Mapping[str, Any]:
        """What a node shows itself: its entry has what the nodes inside of it show, too, behind that."""
        inside = self._inside.pop(step.node_id, [])
        ui = as_data(entry.ui)
        digest = step.key.digest
        if served and digest in self.shown:
            return self._again(step.node_id, self.shown[digest])
        if inside:
            counts: dict[str, int] = {}
            for _, shown, _ in inside:
                for kind, items in shown.items():
                    counts[kind] = counts.get(kind, 0) + (len(items) if isinstance(items, list | tuple) else 1)
            ui = {kind: rest for kind, items in ui.items() if (rest := items[: len(items) - counts.get(kind, 0)])}
            self.shown[digest] = NodeShown(ui, tuple(inside))
        if step.origin is not None:
            own = [(step.node_id, ui, self._meta(step.node_id, step.display_id))] if ui else []
            self._inside.setdefault(step.origin.parent, []).extend([*own, *inside])
        return ui

    def recall(self, node_id: str, digest: bytes, ui: Mapping[str, Any]) -> None:
        """Have the history show what a node shows that the cache has and this run did not ask for."""
        known = self.shown.get(digest)
        if own := as_data(ui) if known is None else self._again(node_id, known):
            self.remember(node_id, own)

    def _again(self, node_id: str, known: NodeShown) -> Mapping[str, Any]:
        for name, shown, meta in known.inside:
            if name.startswith(f"{node_id}."):
                self.remember(name, shown, meta)
        return known.own

    def _related(self, node_id: str) -> dict[str, Any]:
        known = self.nodes.get(node_id)
        origin = known.origin if known is not None else None
        return {
            "display_node_id": (known.display_id if known is not None else "") or node_id,
            "parent_node_id": origin.parent if origin is not None else None,
            "real_node_id": self.real(node_id),
        }

    def _meta(self, node_id: str, display: str) -> dict[str, Any]:
        related = self._related(node_id)
        return {
            "node_id": node_id,
            "display_node": display or node_id,
            "parent_node": related["parent_node_id"],
            "real_node_id": related["real_node_id"],
        }

    def real(self, node_id: str) -> str:
        """The node of the workflow that a node is part of."""
        known = self.nodes.get(node_id)
        if known is None:
            return node_id
        return known.origin.real if known.origin is not None else known.part_of or node_id

    def _class_of(self, node_id: str) -> str | None:
        node = self.job.prompt.get(node_id)
        return node["class_type"] if node is not None else None

    def _inputs_of(self, node_id: str, error: BaseException) -> dict[str, list[Any]]:
        """What a node was given: short values as they are, all else in words."""
        described: Mapping[str, str] = error.inputs if isinstance(error, NodeError) else {}
        known = self.nodes.get(node_id)
        given = known.inputs if known is not None else {}
        short = {name: value for name, value in given.items() if type(value) in _SIMPLE}
        return {name: [short.get(name, text)] for name, text in described.items()}

    def _say(self, kind: str, data: Mapping[str, Any], *, keep: bool = False) -> None:
        """Tell the client whose job it is; nobody, where it has none."""
        if keep:
            self.messages.append([kind, data])
        if self._client_id is not None:
            self._sockets.say(kind, data, self._client_id)


def as_data(ui: Mapping[str, Any]) -> dict[str, Any]:
    """What a node shows, as data that JSON has words for: any other value as text. Raises WeftError."""
    if not ui:
        return {}
    try:
        found: dict[str, Any] = json.loads(json.dumps(ui, default=str))
    except Exception as error:  # a node's own value: to make text of it may raise anything
        raise WeftError(f"what it shows (ui) cannot be told as JSON: {one_line(str(error))}") from error
    if is_deeper(found, _DEEPEST):
        raise WeftError(f"what it shows (ui) cannot be told: it is nested more than {_DEEPEST} levels deep")
    return found


def name_of(error: BaseException) -> str:
    """The class of an error, as ComfyUI writes it: with its module, but for Python's own."""
    kind = type(error)
    if kind.__module__.startswith("weft.engine."):
        return _CALLED.get(kind.__name__, kind.__qualname__)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def frames_of(error: BaseException) -> list[str]:
    """Where an error was raised, frame by frame, without those of the engine; none where the message says all."""
    if isinstance(error, WeftError):
        return []
    frames = traceback.extract_tb(error.__traceback__)
    return traceback.format_list([frame for frame in frames if not frame.filename.startswith(_ENGINE)])


def _now() -> int:
    return int(time.time() * 1000)
