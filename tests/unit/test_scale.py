"""benchmarks/scale.py: what it reads of a record, and that it simulates with that."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def scale() -> ModuleType:
    file = Path(__file__).resolve().parents[2] / "benchmarks" / "scale.py"
    spec = importlib.util.spec_from_file_location("benchmark_scale", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_events_say_what_cells_and_loading_took_whoever_ran_them(scale: ModuleType) -> None:
    def finished(cell: int, seconds: float, *, cached: bool = False) -> dict[str, object]:
        return {"event": "CellFinished", "record": {"cell": cell, "seconds": seconds, "cached": cached}}

    def node(class_type: str, seconds: float) -> dict[str, object]:
        return {"event": "NodeFinished", "class_type": class_type, "seconds": seconds}

    events = [
        {"event": "CellStarted", "cell": 1},
        {"event": "CellStarted", "cell": 2},
        {"event": "LibrariesLoaded", "seconds": 1.0},
        node("CheckpointLoaderSimple", 3.0),
        {"event": "CellResumed", "cell": 1},
        node("LoraLoader", 2.0),
        node("KSampler", 4.0),
        finished(2, 9.0),
        finished(1, 8.0),
        {"event": "CellStarted", "cell": 3},
        finished(3, 5.5),
        finished(4, 0.1, cached=True),
    ]
    assert scale.recorded(events) == ([5.0, 6.0, 5.5], 3.0)


def test_of_an_index_the_dearest_cell_says_what_loading_took(scale: ModuleType) -> None:
    lines = [{"cell": n, "seconds": s, "cached": False, "status": "done"} for n, s in enumerate((9.0, 2.0, 3.0, 4.0))]
    assert scale.recorded(lines) == ([2.0, 3.0, 4.0], 6.0)
    with pytest.raises(SystemExit, match="two cells"):
        scale.recorded(lines[:1])


def test_recorded_durations_are_what_is_simulated(scale: ModuleType) -> None:
    found = scale.simulated(200, 4, 2, [2.0], 1.0)
    assert found["bound"] == pytest.approx((200 * 2.0 + 4 * 1.0) / 4)
    assert 0.9 < found["of_bound"] <= 1.0
