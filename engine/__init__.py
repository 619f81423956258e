"""The graph runtime of Weft: workflow formats, validation, planning, caching, execution. Knows neither torch nor nodes.

The public API is what stands in `__all__`; each name is imported from its module when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.api import Session, convert, run, validate
    from engine.authoring import node
    from engine.cache import MemoryCache
    from engine.cancel import CancelToken
    from engine.errors import InvalidWorkflow, NodeFailed, WeftError
    from engine.executor import RunResult
    from engine.registry import Registry

_HOME = {
    "run": "engine.api",
    "convert": "engine.api",
    "validate": "engine.api",
    "Session": "engine.api",
    "node": "engine.authoring",
    "MemoryCache": "engine.cache",
    "CancelToken": "engine.cancel",
    "WeftError": "engine.errors",
    "InvalidWorkflow": "engine.errors",
    "NodeFailed": "engine.errors",
    "RunResult": "engine.executor",
    "Registry": "engine.registry",
}

__all__ = [
    "CancelToken",
    "InvalidWorkflow",
    "MemoryCache",
    "NodeFailed",
    "Registry",
    "RunResult",
    "Session",
    "WeftError",
    "convert",
    "node",
    "run",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value
