"""What observers see of a run: frozen records, in the order in which things happened.

For a node that another one expanded into, `display_id` is the node of the workflow that shows it; else it is empty.

An observer is a callable that takes an Event: a progress bar, an NDJSON writer, a socket, a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events."""

    def to_json(self) -> dict[str, Any]:
        """`{"event": NAME, ...fields}` with paths as text; a preview's picture, and why it is drawn, are left out."""
        # Not asdict: it would copy the picture.
        shown = {
            field.name: _plain(getattr(self, field.name))
            for field in fields(self)
            if field.name not in ("image", "asked")
        }
        for name in ("display_id", "worker"):
            if not shown.get(name, True):
                del shown[name]
        return {"event": type(self).__name__, **shown}


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """`nodes` will run, `cached` were found in the cache, `pruned` are needed by neither.

    `deferred` run if a node asks for them, or one that expands takes from them.
    """

    nodes: tuple[str, ...]
    cached: tuple[str, ...]
    pruned: tuple[str, ...]
    deferred: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeExpanded(Event):
    """A running node gave a graph: `nodes` will run before it is finished, `cached` were found in the cache."""

    node_id: str
    class_type: str
    title: str
    nodes: tuple[str, ...]
    cached: tuple[str, ...]
    display_id: str = ""


@dataclass(frozen=True, slots=True)
class NodeAsked(Event):
    """A node that has not started needs lazy inputs: `nodes` will run before it, `cached` were found in the cache."""

    node_id: str
    class_type: str
    title: str
    nodes: tuple[str, ...]
    cached: tuple[str, ...]
    display_id: str = ""


@dataclass(frozen=True, slots=True)
class NodeCached(Event):
    """A node's outputs came from the cache, or from an equal node of this run."""

    node_id: str
    class_type: str
    title: str
    display_id: str = ""


@dataclass(frozen=True, slots=True)
class NodeStarted(Event):
    """A node is about to be called; `reason` says why the cache could not serve it."""

    node_id: str
    class_type: str
    title: str
    reason: str
    display_id: str = ""


@dataclass(frozen=True, slots=True)
class NodeBlocked(Event):
    """Of a node's `calls`, `blocked` were not made: an input was blocked. `messages` say why, where those who blocked
    it said so; each is a NodeWarning too."""

    node_id: str
    class_type: str
    title: str
    messages: tuple[str, ...]
    blocked: int
    calls: int
    display_id: str = ""


@dataclass(frozen=True, slots=True)
class LibrariesLoading(Event):
    """Modules that the next node needs are about to be imported; it has not started."""

    modules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LibrariesLoaded(Event):
    """They are there, `seconds` later."""

    modules: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """Step `value` of `total` of the running node is done."""

    node_id: str
    value: int
    total: int
    display_id: str = ""


@dataclass(frozen=True, slots=True)
class NodeResumed(Event):
    """The first `value` of `total` steps of the running node were done before: it goes on from there."""

    node_id: str
    value: int
    total: int
    display_id: str = ""


@dataclass(frozen=True, slots=True)
class Preview(Event):
    """A picture of the unfinished result, which the next Progress of the node is about; `image` is a PIL image.

    `asked`: it is drawn because an observer takes previews; others the node gives whoever looks on.
    """

    node_id: str
    image: Any
    display_id: str = ""
    asked: bool = False


@dataclass(frozen=True, slots=True)
class ImageGiven(Event):
    """A node gives a finished picture to whoever runs the workflow, in place of a file; `image` is a PIL image.

    It is the one at `index` of `count`. Only observers with a true attribute `takes_images` make a node give some.
    """

    node_id: str
    index: int
    count: int
    image: Any
    display_id: str = ""


@dataclass(frozen=True, slots=True)
class NodeWarning(Event):
    """Something a node wants said that does not stop it; a run that the cache serves says again what was said.

    Without `node_id`, it is about the run as a whole; `title` may be empty.
    """

    node_id: str
    message: str
    display_id: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class NodeFinished(Event):
    """A node returned; `seconds` is wall time, `files` are what it wrote."""

    node_id: str
    class_type: str
    title: str
    seconds: float
    files: tuple[Path, ...]
    display_id: str = ""


@dataclass(frozen=True, slots=True)
class NodeFailed(Event):
    """A node raised."""

    node_id: str
    class_type: str
    title: str
    message: str
    exception_type: str
    traceback: str
    display_id: str = ""


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """The last event of every run; `status` is `done`, `failed` or `interrupted`.

    `files` are the results, `previews` those in the folder for temporary files; both also of a run that did not end.
    """

    status: str
    seconds: float
    files: tuple[Path, ...]
    previews: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class CellStarted(Event):
    """A cell of a sweep is about to run; the events of its run follow. `parameters` are its values by column.

    `worker` is who runs it, where there are several.
    """

    cell: int
    parameters: Mapping[str, Any]
    worker: str = ""


@dataclass(frozen=True, slots=True)
class CellResumed(Event):
    """Of several cells that are under way, the events that follow are of this one's run."""

    cell: int


@dataclass(frozen=True, slots=True)
class CellFinished(Event):
    """A cell of a sweep has ended, whether well or not; `record` is its line in the index."""

    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WorkerSaid(Event):
    """What a worker printed: a line that a node or a library of it wrote."""

    worker: str
    line: str


Observer = Callable[[Event], None]


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
