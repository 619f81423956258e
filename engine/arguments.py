"""Arguments of a session and of a run, as they are given from Python: checked, and read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.engine.errors import UsageError
from weft.engine.workflow.prompt import decoded, read_json

PathLike = str | os.PathLike[str]


def targets_of(targets: Iterable[str] | None, only: Iterable[str] | None) -> tuple[str, ...]:
    """The targets of a run in which `only` is to run. Raises UsageError where both are given, or a text for a list."""
    check_nodes(targets=targets or (), only=only or ())
    if targets and only:
        raise UsageError("only and targets exclude each other", hint="what only names are the targets")
    return tuple(only or targets or ())


def check_nodes(**given: Iterable[str]) -> None:
    """Raise UsageError for a text where a list of nodes is expected."""
    for name, nodes in given.items():
        if isinstance(nodes, str):
            raise UsageError(f"{name}: expected a list of nodes, got the text {nodes!r}", hint=f"[{nodes!r}]")


def check_observers(observers: Any) -> None:
    if not isinstance(observers, Sequence) or not all(callable(observer) for observer in observers):
        hint = "observers=[function]" if callable(observers) else ""
        raise UsageError(f"observers: expected a list of functions, got {observers!r}", hint=hint)


def read_object_info(source: PathLike | Mapping[str, Any]) -> Mapping[str, Any]:
    """An object_info dump, from a file or as it is."""
    if not isinstance(source, Mapping):
        path = Path(source)
        try:
            source = read_json(decoded(path.read_bytes(), str(path)), str(path))
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error}") from error
    if not isinstance(source, Mapping) or not all(isinstance(info, Mapping) for info in source.values()):
        raise UsageError("object_info: expected an object of node classes, as GET /object_info gives it")
    return source
