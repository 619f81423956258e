"""`execution`: ComfyUI's engine. Packs import it; what they would have it do is Weft's own affair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.engine.custom_nodes.records import Serving
from weft.engine.values import ExecutionBlocker
from weft.nodes.compat.host import host

__all__ = ["ExecutionBlocker", "PromptExecutor", "PromptQueue", "validate_prompt"]


class PromptExecutor:
    """ComfyUI's executor. A pack may derive from it or replace its methods; no run of Weft's goes through it."""

    def __init__(self, server: Any = None, *args: Any, **named: Any) -> None:
        self.server = server
        self.caches: Any = None
        self.outputs: dict[str, Any] = {}
        self.status_messages: list[Any] = []
        self.success = True

    def reset(self) -> None:
        """Nothing is kept here."""

    def execute(self, prompt: Any, prompt_id: str, extra_data: Any = None, execute_outputs: Sequence[str] = ()) -> None:
        """Refused. Raises RuntimeError."""
        raise RuntimeError("packs cannot run workflows through ComfyUI's executor here: weft.run(prompt) runs one")


class PromptQueue:
    """ComfyUI's queue: that of the server that runs here; without one it is always empty."""

    def __init__(self, server: Any = None) -> None:
        self.server = server
        self.flags: dict[str, Any] = {}

    @property
    def _serving(self) -> Serving | None:
        found: Serving | None = getattr(self.server, "serving", None)
        return found

    @property
    def currently_running(self) -> dict[int, Any]:
        """What runs, by a number."""
        return dict(enumerate(self.get_current_queue()[0]))

    @property
    def queue(self) -> list[Any]:
        """What waits."""
        return self.get_current_queue()[1]

    @property
    def history(self) -> dict[str, Any]:
        """What has been."""
        return self.get_history()

    def put(self, item: Any) -> None:
        """Refused. Raises RuntimeError."""
        raise RuntimeError("packs cannot queue prompts here: POST /prompt does, and weft.run(prompt) runs one")

    def get_current_queue(self) -> tuple[list[Any], list[Any]]:
        """What runs, and what waits."""
        return self._serving.queue() if self._serving is not None else ([], [])

    get_current_queue_volatile = get_current_queue

    def get_tasks_remaining(self) -> int:
        """How many run and wait."""
        return sum(map(len, self.get_current_queue()))

    def get_history(self, prompt_id: str | None = None, *args: Any, **named: Any) -> dict[str, Any]:
        """What has been, or one of it."""
        return self._serving.history(prompt_id) if self._serving is not None else {}

    def set_flag(self, name: str, data: Any) -> None:
        """Take note; nobody reads it."""
        self.flags[name] = data

    def wipe_queue(self) -> None:
        """Take back all that waits."""
        self.delete_queue_item(lambda item: True)

    def delete_queue_item(self, function: Any) -> bool:
        """Take back what the function says so of."""
        return self._serving is not None and self._serving.take_back(function)


async def validate_prompt(
    prompt_id: Any, prompt: Any = None, partial_execution_list: Any = None
) -> tuple[bool, dict[str, Any] | None, list[str], dict[str, Any]]:
    """Whether a prompt in API format can run: (valid, error, ids of output nodes, errors by node id)."""
    from weft.engine.workflow.prompt import Prompt
    from weft.engine.workflow.validation import output_nodes, validate

    found = Prompt.parse(prompt if prompt is not None else prompt_id)
    session = host()
    issues = validate(found, session.registry, folders=session.folders)
    error = {"type": issues[0].code, "message": issues[0].message, "details": str(issues[0])} if issues else None
    by_node = {issue.node_id: issue.to_json() for issue in issues if issue.node_id is not None}
    return not issues, error, output_nodes(found, session.registry), by_node
