"""Which node is called here."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

from weft.engine.context import called


class ExecutionContext(NamedTuple):
    """The node that is called, and for which value of a list; of a prompt that a server runs, its id."""

    prompt_id: str
    node_id: str
    list_index: int | None = None


class CurrentNodeContext:
    """Names a node by hand; who asks inside the block gets the node that is called all the same."""

    def __init__(self, prompt_id: str, node_id: str, list_index: int | None = None) -> None:
        self.context = ExecutionContext(prompt_id, node_id, list_index)

    def __enter__(self) -> CurrentNodeContext:
        return self

    def __exit__(self, *raised: object) -> None:
        return None


def get_executing_context() -> ExecutionContext | None:
    """The node that is called in this thread or task; None outside of one."""
    context = called()
    if context is None:
        return None
    from weft.nodes.compat.modules.server import PromptServer

    return ExecutionContext(PromptServer.instance.last_prompt_id, context.node_id, context.call[0])


def is_class(object: Any) -> bool:
    """Whether it is a class."""
    return inspect.isclass(object)
