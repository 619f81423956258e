"""`server`: ComfyUI's web server. What packs tell it goes to the server that runs here (`weft serve`), if one does.

A route is recorded with its handler, for that server; without one, messages to the browser go nowhere.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

from weft.engine.context import called
from weft.engine.custom_nodes.records import AddedRoute, Serving
from weft.nodes.compat.host import serving
from weft.nodes.compat.modules.execution import PromptQueue
from weft.nodes.compat.web import added_routes, routes_of_packs, web

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
        self._loop = loop
        self.routes = routes_of_packs()
        self.app = web.Application()
        self.supports = ["custom_nodes_from_web"]
        self.prompt_queue = PromptQueue(self)
        self.number = 0
        self.sockets: dict[str, Any] = {}
        self.sockets_metadata: dict[str, Any] = {}
        self.on_prompt_handlers: list[Callable[[Any], Any]] = []
        self.user_manager = None

    @property
    def serving(self) -> Serving | None:
        """The server that runs here, whenever a pack imports this module."""
        return serving()

    @property
    def client_id(self) -> str | None:
        """Whose prompt runs."""
        return self.serving.client_id if self.serving is not None else "weft"

    @client_id.setter
    def client_id(self, value: Any) -> None:
        """It is whose it is."""

    @property
    def last_prompt_id(self) -> str:
        """Which prompt runs."""
        return self.serving.prompt_id if self.serving is not None else ""

    @last_prompt_id.setter
    def last_prompt_id(self, value: Any) -> None:
        """It is which it is."""

    @property
    def loop(self) -> Any:
        """The event loop of the server."""
        return self.serving.loop if self.serving is not None else self._loop

    @loop.setter
    def loop(self, value: Any) -> None:
        self._loop = value

    @property
    def address(self) -> str:
        """Where it listens."""
        return self.serving.address if self.serving is not None else "127.0.0.1"

    @property
    def port(self) -> int:
        """And the port."""
        return self.serving.port if self.serving is not None else 8188

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
        """Tell a client, or all."""
        if self.serving is not None:
            self.serving.send(event, data, sid)

    async def send(self, event: Any, data: Any, sid: Any = None) -> None:
        """The same."""
        self.send_sync(event, data, sid)

    send_json = send_bytes = send

    async def send_image(self, image_data: Any, sid: Any = None) -> None:
        """Show a picture, (format, PIL image, most pixels a side)."""
        self.send_sync(BinaryEventTypes.UNENCODED_PREVIEW_IMAGE, image_data, sid)

    def send_progress_text(self, text: Any, node_id: Any, sid: Any = None) -> None:
        """Say something of the progress of a node."""
        said = text if isinstance(text, bytes) else str(text).encode()
        name = str(node_id).encode()
        self.send_sync(BinaryEventTypes.TEXT, len(name).to_bytes(4, "big") + name + said, sid or self.client_id)

    def queue_updated(self) -> None:
        """Clients are told of it anyway."""

    def add_routes(self) -> None:
        """They are recorded already."""

    def added(self) -> Iterator[AddedRoute]:
        """The routes of packs."""
        return added_routes(self.routes, self.app)

    def get_queue_info(self) -> dict[str, Any]:
        """How many prompts run and wait."""
        return {"exec_info": {"queue_remaining": self.prompt_queue.get_tasks_remaining()}}


PromptServer()
