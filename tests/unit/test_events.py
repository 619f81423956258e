from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from weft.engine import events
from weft.engine.events import Event


class Picture:
    """Says so if anybody copies it."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise AssertionError("a preview is not copied")


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (
            events.RunStarted(("1",), ("2",), (), ("3",)),
            {"nodes": ["1"], "cached": ["2"], "pruned": [], "deferred": ["3"]},
        ),
        (
            events.NodeExpanded("1", "C", "T", ("1.a",), ("1.b",)),
            {"node_id": "1", "class_type": "C", "title": "T", "nodes": ["1.a"], "cached": ["1.b"]},
        ),
        (
            events.NodeAsked("1", "C", "T", ("2",), ("3",)),
            {"node_id": "1", "class_type": "C", "title": "T", "nodes": ["2"], "cached": ["3"]},
        ),
        (
            events.NodeBlocked("1", "C", "T", ("why",), 1, 3),
            {"node_id": "1", "class_type": "C", "title": "T", "messages": ["why"], "blocked": 1, "calls": 3},
        ),
        (events.Progress("1.a", 2, 5, "1"), {"node_id": "1.a", "value": 2, "total": 5, "display_id": "1"}),
        (events.NodeResumed("1", 2, 5), {"node_id": "1", "value": 2, "total": 5}),
        (events.NodeCached("1", "C", "T"), {"node_id": "1", "class_type": "C", "title": "T"}),
        (events.NodeStarted("1", "C", "T", "why"), {"node_id": "1", "class_type": "C", "title": "T", "reason": "why"}),
        (events.LibrariesLoading(("a.b",)), {"modules": ["a.b"]}),
        (events.LibrariesLoaded(("a.b",), 0.5), {"modules": ["a.b"], "seconds": 0.5}),
        (events.Progress("1", 2, 5), {"node_id": "1", "value": 2, "total": 5}),
        (events.Preview("1", Picture()), {"node_id": "1"}),
        (events.ImageGiven("1", 0, 2, Picture()), {"node_id": "1", "index": 0, "count": 2}),
        (events.NodeWarning("1", "hm", title="T"), {"node_id": "1", "message": "hm", "title": "T"}),
        (
            events.NodeFinished("1", "C", "T", 0.5, (Path("a.png"),)),
            {"node_id": "1", "class_type": "C", "title": "T", "seconds": 0.5, "files": ["a.png"]},
        ),
        (
            events.NodeFailed("1", "C", "T", "m", "ValueError", "tb"),
            {
                "node_id": "1",
                "class_type": "C",
                "title": "T",
                "message": "m",
                "exception_type": "ValueError",
                "traceback": "tb",
            },
        ),
        (
            events.RunFinished("done", 1.0, (), (Path("p.png"),)),
            {"status": "done", "seconds": 1.0, "files": [], "previews": ["p.png"]},
        ),
        (events.CellStarted(2, {"5.seed": 7}), {"cell": 2, "parameters": {"5.seed": 7}}),
        (events.CellResumed(2), {"cell": 2}),
        (events.CellFinished({"cell": 2}), {"record": {"cell": 2}}),
        (events.WorkerSaid("worker 1", "hm"), {"worker": "worker 1", "line": "hm"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_as_json(event: Event, data: dict[str, Any]) -> None:
    assert json.loads(json.dumps(event.to_json())) == {"event": type(event).__name__, **data}


def test_every_event_is_tested_and_frozen() -> None:
    assert len({cls.__name__ for cls in Event.__subclasses__()}) == 20
    with pytest.raises(dataclasses.FrozenInstanceError):
        events.Progress("1", 2, 5).value = 3  # type: ignore[misc]
