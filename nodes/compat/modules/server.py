"""`server`: ComfyUI's web server, which is not there. What packs tell it is kept; nobody asks for it.

A route is recorded with its handler, so that a server may serve it one day; messages to the browser go nowhere.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from weft.engine.context import called
from weft.nodes.compat.modules.execution import PromptQueue
from weft.nodes.compat.web import routes_of_packs, web

__all__ = ["BinaryEventTypes", "PromptServer", "uuid", "web"]


class BinaryEventTypes:
    """The kinds of binary messages."""

    PREVIEW_IMAGE = 1
    UNENCODED_PREVIEW_IMAGE = 2
    TEXT = 3
    PREVIEW_IMAGE_WITH_METADATA = 4


class PromptServer:
    """ComfyUI's server; `PromptServer.instance` is the only one."""

    instance: PromptServer

    def __init__(self, loop: Any = None) -> None:
        PromptServer.instance = self
        self.loop = loop
        self.routes = routes_of_packs()
        self.app = web.Application()
        self.supports = ["custom_nodes_from_web"]
        self.prompt_queue = PromptQueue(self)
        self.number = 0
        self.client_id = "weft"
        self.sockets: dict[str, Any] = {}
        self.sockets_metadata: dict[str, Any] = {}
        self.on_prompt_handlers: list[Callable[[Any], Any]] = []
        self.user_manager = None
        self.address, self.port = "127.0.0.1", 8188
        self.last_prompt_id = ""

    @property
    def last_node_id(self) -> str | None:
        """The node that is called."""
        context = called()
        return context.node_id if context is not None else None

    @last_node_id.setter
    def last_node_id(self, value: Any) -> None:
        """Packs clear it; which node is called stays what it is."""

    def add_on_prompt_handler(self, handler: Callable[[Any], Any]) -> None:
        """Keep a handler of prompts: it may set values in each that is run."""
        self.on_prompt_handlers.append(handler)

    def trigger_on_prompt(self, json_data: Any) -> Any:
        """What the handlers make of a prompt that was sent."""
        for handler in self.on_prompt_handlers:
            json_data = handler(json_data)
        return json_data

    def send_sync(self, event: Any, data: Any, sid: Any = None) -> None:
        """Nobody listens."""

    async def send(self, event: Any, data: Any, sid: Any = None) -> None:
        """Nobody listens."""

    send_json = send_bytes = send_image = send

    def send_progress_text(self, text: Any, node_id: Any, sid: Any = None) -> None:
        """Nobody listens."""

    def queue_updated(self) -> None:
        """There is no queue."""

    def add_routes(self) -> None:
        """They are recorded already."""

    def get_queue_info(self) -> dict[str, Any]:
        """Nothing waits."""
        return {"exec_info": {"queue_remaining": 0}}


PromptServer()
