"""Weft runs ComfyUI workflows without ComfyUI.

The public API is what stands in `__all__`; each name is imported from its module when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weft.engine.api import convert, lint, render, run, sweep, validate
    from weft.engine.cache.disk import DiskCache
    from weft.engine.cache.memory import MemoryCache
    from weft.engine.cancel import CancelToken
    from weft.engine.errors import InvalidWorkflow, NodeError, NodeFailed, WeftError
    from weft.engine.running.result import RunResult
    from weft.engine.schema.authoring import node
    from weft.engine.schema.registry import Registry
    from weft.engine.session import Session
    from weft.engine.values import ExecutionBlocker, Values
    from weft.nodes.graph import Graph

_HOME = {
    "run": "weft.engine.api",
    "sweep": "weft.engine.api",
    "convert": "weft.engine.api",
    "validate": "weft.engine.api",
    "lint": "weft.engine.api",
    "render": "weft.engine.api",
    "Graph": "weft.engine.building.graph",
    "Session": "weft.engine.session",
    "node": "weft.engine.schema.authoring",
    "DiskCache": "weft.engine.cache.disk",
    "MemoryCache": "weft.engine.cache.memory",
    "CancelToken": "weft.engine.cancel",
    "WeftError": "weft.engine.errors",
    "InvalidWorkflow": "weft.engine.errors",
    "NodeError": "weft.engine.errors",
    "NodeFailed": "weft.engine.errors",
    "RunResult": "weft.engine.running.result",
    "Registry": "weft.engine.schema.registry",
    "Values": "weft.engine.values",
    "ExecutionBlocker": "weft.engine.values",
}

__all__ = [
    "CancelToken",
    "DiskCache",
    "ExecutionBlocker",
    "Graph",
    "InvalidWorkflow",
    "MemoryCache",
    "NodeError",
    "NodeFailed",
    "Registry",
    "RunResult",
    "Session",
    "Values",
    "WeftError",
    "convert",
    "lint",
    "node",
    "render",
    "run",
    "sweep",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'weft' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value
