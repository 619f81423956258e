"""What a person sees of several workers: a line of the bar for each cell, and what nodes print there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from weft.engine.events import CellFinished, CellResumed, CellStarted, Event, NodeStarted, Progress, WorkerSaid
from weft.engine.terminal.progress import FilesView, Lanes, SweepNarrator


class Bar:
    """As much of rich's bar as is used: its lines, as they are now."""

    def __init__(self) -> None:
        self.lines: dict[int, dict[str, Any]] = {0: {}}
        self.shown = True

    @property
    def task_ids(self) -> list[int]:
        return list(self.lines)

    def add_task(self, description: str, **fields: Any) -> int:
        key = max(self.lines) + 1
        self.lines[key] = {"description": description, **fields}
        return key

    def update(self, task: int, **fields: Any) -> None:
        self.lines[task].update(fields)

    reset = update

    def remove_task(self, task: int) -> None:
        del self.lines[task]

    def start(self) -> None:
        self.shown = True

    def stop(self) -> None:
        self.shown = False


def started(title: str) -> NodeStarted:
    return NodeStarted("5", "KSampler", title, "")


def test_each_of_several_has_a_line_while_it_goes_on() -> None:
    bar = Bar()
    lanes = Lanes(bar)
    lanes.begin(1, "worker 1: a.json")
    lanes.begin(2, "worker 2: b\n.json")
    lanes.hear(1, started("first"))
    lanes.hear(1, Progress("5", 3, 20))
    one, two = (bar.lines[task] for task in bar.task_ids[1:])
    assert (one["description"], one["completed"], one["total"]) == ("worker 1: a.json: first", 3, 20)
    assert one["pace"].startswith("3/20 ")
    assert two["description"] == "worker 2: b\\n.json"
    # A worker died: it begins anew elsewhere.
    lanes.begin(1, "worker 3: a.json")
    assert [line["description"] for line in bar.lines.values() if line] == [two["description"], "worker 3: a.json"]
    lanes.end(1)
    lanes.end(1)
    assert len(bar.lines) == 2


def narrated(*events: Event, bar: Bar | None = None) -> list[str]:
    lines: list[str] = []

    def line(*parts: Any) -> None:
        lines.append("".join(part if isinstance(part, str) else part[0] for part in parts))

    narrator = SweepNarrator(SimpleNamespace(console=None, line=line), {1: 1.0, 2: 1.0})  # type: ignore[arg-type]
    if bar is not None:
        narrator.bar, narrator.lanes = bar, Lanes(bar)
    for event in events:
        narrator(event)
    return lines


def test_a_sweep_tells_of_each_workers_cell_and_of_what_it_prints() -> None:
    bar = Bar()
    done = CellFinished({"cell": 2, "parameters": {"cfg": 2}, "seconds": 1.0, "status": "done", "cached": False})
    lines = narrated(
        CellStarted(1, {}, "1"), CellStarted(2, {}, "2"), started("second"), CellResumed(1), started("first"),
        Progress("5", 4, 20), WorkerSaid("2", "hello"), bar=bar,
    )  # fmt: skip
    assert lines == ["worker 2: hello"]
    said = {line["description"]: line.get("completed") for line in list(bar.lines.values())[1:]}
    assert said == {"worker 1: cell 1: first": 4, "worker 2: cell 2: second": None}
    assert narrated(CellStarted(2, {}, "2"), done)[0].startswith("[1/2] cfg=2: 1.00 s")
    # Elsewhere than on a terminal, of steps nothing is said.
    assert narrated(CellStarted(1, {}, "1"), started("first"), Progress("5", 4, 20)) == []


def test_events_say_who_runs_a_cell_only_where_there_are_several() -> None:
    assert CellStarted(1, {"a": 2}, "3").to_json()["worker"] == "3"
    assert "worker" not in CellStarted(1, {"a": 2}).to_json()
    assert WorkerSaid("1", "x").to_json() == {"event": "WorkerSaid", "worker": "1", "line": "x"}


def test_the_bar_is_gone_while_files_are_listed() -> None:
    view = FilesView(SimpleNamespace(console=None), 3)  # type: ignore[arg-type]
    with view.aside():
        pass
    bar = view.bar = Bar()
    with view.aside():
        assert not bar.shown
    assert bar.shown
    view.end(1)
    assert (bar.lines[0]["completed"], bar.lines[0]["pace"]) == (1, "1 of 3 workflows")
