"""What nodes took in a run that was recorded: by `weft run --json`, or by `--events`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weft.engine.errors import UsageError


def node_seconds(file: Path) -> dict[str, float]:
    """Seconds by node id; of several runs, the most that each took. Raises UsageError for a file that says nothing."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    found: dict[str, float] = {}
    for node_id, seconds in _said(_documents(text)):
        if isinstance(seconds, int | float) and not isinstance(seconds, bool):
            found[node_id] = max(found.get(node_id, 0.0), float(seconds))
    if not found:
        hint = "weft run WORKFLOW --no-cache --json > FILE writes one"
        raise UsageError(f"{file} does not say how long nodes took", hint=hint)
    return found


def _documents(text: str) -> list[Any]:
    """The one document of a text, or those of its lines."""
    try:
        return [json.loads(text)]
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        return []


def _said(documents: list[Any]) -> Iterator[tuple[str, Any]]:
    for document in documents:
        match document:
            case {"event": "NodeFinished", "node_id": str(node_id), "seconds": seconds}:
                yield node_id, seconds
            case {"timings": dict(timings)}:
                yield from timings.items()
            case {"runs": list(runs)}:
                yield from _said(runs)
