"""What a node raised, as the error of a run: its message, its traceback, and what it was given, described."""

from __future__ import annotations

import os
import traceback
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from weft.engine.errors import MissingFile, NodeError, is_plain, of_machine
from weft.engine.planning.plan import Step
from weft.engine.values import Values

_ENGINE = str(Path(__file__).parents[1]) + os.sep


def failure(
    step: Step, error: Exception, inputs: Mapping[str, Any], place: str = "", *, hidden: Collection[str] = ()
) -> NodeError:
    """The NodeError for what a node raised, or for what cannot be made of its expansion; without `hidden` inputs.

    `place` is put after its message: which call it was, where there were several.
    """
    message = of_machine(error) or str(error) or type(error).__name__
    failed = NodeError(
        (message if is_plain(error) else f"{type(error).__name__}: {message}") + place,
        node_id=step.node_id,
        class_type=step.schema.class_type,
        title=step.title,
        inputs={name: describe(value) for name, value in inputs.items() if name not in hidden},
        author_traceback=_author_traceback(error),
    )
    if isinstance(error, MissingFile):
        failed.exit_code = MissingFile.exit_code
    return failed


def _author_traceback(error: Exception) -> str:
    """The traceback, with its causes, without the engine's own frames: what the node's author wants to read."""
    report = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = report
    while part is not None:
        part.stack[:] = [frame for frame in part.stack if not frame.filename.startswith(_ENGINE)]
        part = part.__cause__ or part.__context__
    return "".join(report.format())


def describe(value: Any, depth: int = 4) -> str:
    """A value in a message: the shape and dtype of a tensor, the form of a container, short values as they are.

    Containers are opened `depth` levels deep.
    """
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        sizes = ",".join(str(size) for size in shape)
        return f"{type(value).__name__}[{sizes}] {str(getattr(value, 'dtype', '')).removeprefix('torch.')}".rstrip()
    if isinstance(value, dict | list | tuple):
        several = f"{len(value)} values " if type(value) is Values else ""
        return several + _describe_parts(value, depth)
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a whole number of {value.bit_length()} bits"
    if value is None or isinstance(value, bool | int | float | str):
        text = repr(value[:100] if isinstance(value, str) else value)
        return text if len(text) <= 80 else text[:77] + "..."
    return type(value).__name__


def _describe_parts(value: dict[Any, Any] | list[Any] | tuple[Any, ...], depth: int) -> str:
    if not depth:
        return "..."
    if isinstance(value, dict):
        parts = [f"{name}: {describe(item, depth - 1)}" for name, item in islice(value.items(), 8)]
    else:
        parts = [describe(item, depth - 1) for item in value[:4]]
    shown = ", ".join([*parts, *["..."][: len(value) - len(parts)]])
    return f"{{{shown}}}" if isinstance(value, dict) else f"[{shown}]"
