"""How far the nodes of a running prompt have come, as clients are told of it.

ComfyUI tells the state of all nodes whenever that of one changes. For a prompt of many nodes that is most of what a
client is sent, so from CLASSIC nodes on it is told so some times a second. A client that says
`supports_progress_changes` is told what has changed, and at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from weft.engine.serving.sockets import Flags, Sockets

CHANGES = "supports_progress_changes"
"""The feature flag of clients that take what has changed."""
CLASSIC = 64
"""So many nodes may be told of at each change."""
INTERVAL = 0.1
"""Seconds between two tellings of more."""


class ProgressState:
    """The states of the nodes of one prompt. `relate` says of a node which ones show it, hold it and are it."""

    def __init__(
        self, prompt_id: str, client_id: str | None, sockets: Sockets, relate: Callable[[str], Mapping[str, Any]]
    ) -> None:
        self._prompt_id = prompt_id
        self._client_id = client_id
        self._sockets = sockets
        self._relate = relate
        self._nodes: dict[str, dict[str, Any]] = {}
        self._texts: dict[str, str] = {}
        self._told = 0.0
        self._late = False

    def set(self, node_id: str, state: str, value: float | None = None, most: float | None = None) -> None:
        """A node is in this state; without a value it has come as far as it can, or had."""
        node = self._nodes.get(node_id)
        if node is None:
            about = {"node_id": node_id, "prompt_id": self._prompt_id, **self._relate(node_id)}
            node = self._nodes[node_id] = {"value": 0.0, "max": 1.0, "state": state, **about}
        node["state"] = state
        if most is not None:
            node["max"] = most
        node["value"] = value if value is not None else node["max"] if state == "finished" else node["value"]
        self._texts[node_id] = f"{json.dumps(node_id)}: {json.dumps(node)}"
        self._tell(self._texts[node_id])

    def _tell(self, changed: str) -> None:
        now = time.monotonic()
        self._late = len(self._nodes) > CLASSIC and now - self._told < INTERVAL
        whole = None
        if not self._late:
            self._told = now
            whole = self._frame(", ".join(self._texts.values()))
        part = self._frame(changed)

        def render(flags: Flags) -> str | None:
            return part if flags.get(CHANGES) is True else whole

        self._sockets.tell(render, self._client_id, needed=False)

    def states(self) -> dict[str, dict[str, Any]]:
        """The state of each node that has begun, in any thread."""
        return {name: dict(node) for name, node in list(self._nodes.items())}

    def flush(self) -> None:
        """Tell what was not told yet."""
        if self._late:
            self._late = False
            whole = self._frame(", ".join(self._texts.values()))
            self._sockets.tell(lambda flags: None if flags.get(CHANGES) is True else whole, self._client_id)

    def _frame(self, nodes: str) -> str:
        prompt_id = json.dumps(self._prompt_id)
        return f'{{"type": "progress_state", "data": {{"prompt_id": {prompt_id}, "nodes": {{{nodes}}}}}}}'
