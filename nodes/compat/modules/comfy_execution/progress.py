"""The registry of progress, as ComfyUI has one for each prompt: what is told here is told to the run."""

from __future__ import annotations

from enum import Enum
from typing import Any

from weft.engine import events
from weft.engine.context import RunContext, called
from weft.engine.running.dynprompt import NODES, DynamicPrompt
from weft.nodes.compat.host import serving
from weft.nodes.compat.progress import report


class NodeState(Enum):
    """How far a node is."""

    Pending = "pending"
    Running = "running"
    Finished = "finished"
    Error = "error"


class ProgressHandler:
    """Is told of progress; a base for handlers of packs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.enabled = True

    def set_registry(self, registry: ProgressRegistry) -> None:
        """Told which registry it is in."""

    def start_handler(self, node_id: str, state: dict[str, Any], prompt_id: str) -> None:
        """Told that a node starts."""

    def update_handler(
        self, node_id: str, value: float, max_value: float, state: dict[str, Any], prompt_id: str, image: Any = None
    ) -> None:
        """Told how far a node is."""

    def finish_handler(self, node_id: str, state: dict[str, Any], prompt_id: str) -> None:
        """Told that a node is done."""

    def reset(self) -> None:
        """Told that all begins anew."""

    def enable(self) -> None:
        """Tell it."""
        self.enabled = True

    def disable(self) -> None:
        """Tell it nothing more."""
        self.enabled = False


class ProgressRegistry:
    """How far the nodes are of which something was told here, and who is told.

    Once there is a handler, it is an observer of the run that `context` is of: handlers are told of every node.
    """

    def __init__(self, prompt_id: str = "", dynprompt: Any = None, context: RunContext | None = None) -> None:
        self.prompt_id = prompt_id
        self.dynprompt = dynprompt
        self.nodes: dict[str, dict[str, Any]] = {}
        self.handlers: dict[str, ProgressHandler] = {}
        self._run = context
        self._picture: Any = None

    def register_handler(self, handler: ProgressHandler) -> None:
        """Tell this one, too."""
        self.handlers[handler.name] = handler
        handler.set_registry(self)
        if self._run is not None:
            self._run.watch(self)
            self._run = None

    def __call__(self, event: events.Event) -> None:
        """An event of the run."""
        match event:
            case events.NodeStarted(node_id=node_id):
                self.start_progress(node_id)
            case events.Preview(image=image):
                self._picture = image
            case events.Progress(node_id=node_id, value=value, total=total):
                picture, self._picture = self._picture, None
                self._tell(node_id, value, total, None if picture is None else ("JPEG", picture, None))
            case events.NodeFinished(node_id=node_id):
                self.finish_progress(node_id)
            case events.NodeFailed(node_id=node_id):
                self.ensure_entry(node_id)["state"] = NodeState.Error

    def unregister_handler(self, handler_name: str) -> None:
        """Tell it no more."""
        self.handlers.pop(handler_name, None)

    def ensure_entry(self, node_id: str) -> dict[str, Any]:
        """What is known of a node."""
        return self.nodes.setdefault(node_id, {"state": NodeState.Pending, "value": 0, "max": 1})

    def start_progress(self, node_id: str) -> None:
        """A node starts."""
        entry = self._set(node_id, NodeState.Running, 0, 1)
        for handler in self._told():
            handler.start_handler(node_id, entry, self.prompt_id)

    def update_progress(self, node_id: str, value: float, max_value: float, image: Any = None) -> None:
        """A node has come so far. Raises Interrupted where the run is to stop."""
        context = called()
        if context is not None and context.node_id == node_id:
            self._set(node_id, NodeState.Running, value, max_value)
            report(value, max_value, image)  # which handlers hear of as observers
        else:
            self._tell(node_id, value, max_value, image)

    def finish_progress(self, node_id: str) -> None:
        """A node is done."""
        entry = self.ensure_entry(node_id)
        entry.update(state=NodeState.Finished, value=entry["max"])
        for handler in self._told():
            handler.finish_handler(node_id, entry, self.prompt_id)

    def reset_handlers(self) -> None:
        """All begins anew."""
        for handler in self.handlers.values():
            handler.reset()

    def _tell(self, node_id: str, value: float, most: float, image: Any) -> None:
        entry = self._set(node_id, NodeState.Running, value, most)
        for handler in self._told():
            handler.update_handler(node_id, value, most, entry, self.prompt_id, image)

    def _set(self, node_id: str, state: NodeState, value: float, most: float) -> dict[str, Any]:
        entry = self.ensure_entry(node_id)
        entry.update(state=state, value=value, max=most)
        return entry

    def _told(self) -> list[ProgressHandler]:
        return [handler for handler in self.handlers.values() if handler.enabled]


_OUTSIDE = ProgressRegistry()
"""The registry where no node is called."""


def get_progress_state() -> ProgressRegistry:
    """The registry of the run that a node is called in."""
    context = called()
    if context is None:
        return _OUTSIDE

    def registry() -> ProgressRegistry:
        server = serving()
        graph = DynamicPrompt(context, context.shared(NODES, dict))
        return ProgressRegistry(server.prompt_id if server is not None else "", graph, context)

    found: ProgressRegistry = context.shared("progress registry of packs", registry)
    return found


def add_progress_handler(handler: ProgressHandler) -> None:
    """Tell this one of what is told in this run."""
    get_progress_state().register_handler(handler)


def reset_progress_state(prompt_id: str, dynprompt: Any) -> None:
    """Forget what was told; a run begins with nothing told anyway."""
    registry = get_progress_state()
    registry.nodes.clear()
    registry.reset_handlers()
