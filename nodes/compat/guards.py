"""Whether a line of a pack is prepared for an exception: it stands in a `try` whose handlers catch it."""

from __future__ import annotations

import ast
import os
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from types import FrameType
from typing import NamedTuple

_NAMES: dict[type[Exception], frozenset[str]] = {
    ImportError: frozenset(("ImportError", "ModuleNotFoundError", "Exception", "BaseException")),
    AttributeError: frozenset(("AttributeError", "Exception", "BaseException")),
}


class _Guard(NamedTuple):
    """The lines of a `try`, and what it catches; no name stands for everything."""

    first: int
    last: int
    catches: frozenset[str]


def guarded(frame: FrameType | None, error: type[Exception]) -> bool:
    """Whether the line that a frame is at stands in a `try` that catches an error.

    Only the code of that line counts, not what called it: what a pack does about a module of its own that fails as a
    whole is worse than what Weft does.
    """
    if frame is None:
        return False
    line = frame.f_lineno
    return any(
        guard.first <= line <= guard.last and (not guard.catches or guard.catches & _NAMES[error])
        for guard in _guards_in(frame.f_code.co_filename)
    )


def _guards_in(file: str) -> tuple[_Guard, ...]:
    """The `try` statements of a file; none where there is no source."""
    try:
        return _read(file, os.stat(file).st_mtime_ns)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ()


@lru_cache(maxsize=64)
def _read(file: str, changed: int) -> tuple[_Guard, ...]:
    with tokenize.open(file) as source:
        return tuple(_found(ast.parse(source.read())))


def _found(tree: ast.AST) -> Iterator[_Guard]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and node.handlers:
            caught = [_caught(handler.type) for handler in node.handlers]
            first, last = node.body[0].lineno, node.body[-1].end_lineno or node.body[-1].lineno
            yield _Guard(first, last, frozenset() if None in caught else frozenset().union(*filter(None, caught)))


def _caught(kind: ast.expr | None) -> frozenset[str] | None:
    """The names that a handler catches; None for one that catches everything."""
    if kind is None:
        return None
    parts = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return frozenset(part.attr if isinstance(part, ast.Attribute) else getattr(part, "id", "") for part in parts)
