"""How a run goes, told to a person."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from weft.engine import events
from weft.engine.errors import one_line
from weft.engine.terminal.streams import Line, Stream
from weft.engine.terminal.words import seconds_text, where

if TYPE_CHECKING:
    from rich.console import Console


class Pace:
    """The steps of the running node and how fast they come; the time before the first one is not the steps'."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.first: tuple[int, float] | None = None
        self.value = 0
        self.total = 0

    def step(self, value: int, total: int) -> None:
        self.value, self.total, self.now = value, total, time.perf_counter()
        self.first = self.first or (value, self.now)

    @property
    def rate(self) -> str:
        """`3.10 it/s`, or `2.41 s/it` where that reads better; empty before the first step."""
        if self.first is None:
            return ""
        steps, seconds = self.value - self.first[0], self.now - self.first[1]
        if steps <= 0:
            steps, seconds = max(self.value, 1), self.now - self.started
        rate = steps / max(seconds, 1e-6)
        return f"{rate:.2f} it/s" if rate >= 1 else f"{1 / rate:.2f} s/it"


class Live:
    """A context in which a bar is shown, where `err` is a terminal that can show one."""

    def __init__(self, err: Stream, *, live: bool = True) -> None:
        self.err = err
        able = live and err.console is not None and not err.console.is_dumb_terminal
        self.bar = _bar(err.console) if able and err.console is not None else None

    def __enter__(self) -> Self:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()


class Lanes:
    """The lines of what goes on, in a bar of rich's; nothing where there is none."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._tasks: dict[int, Any] = {}
        self._paces: dict[int, Pace] = {}
        self._labels: dict[int, str] = {}

    def __contains__(self, key: int) -> bool:
        return key in self._labels

    def begin(self, key: int, label: str) -> None:
        """Something begins, and is called so."""
        self.end(key)
        self._labels[key], self._paces[key] = one_line(label), Pace()
        if self._bar is not None:
            self._tasks[key] = self._bar.add_task(self._labels[key], total=None, pace="")

    def hear(self, key: int, event: events.Event) -> None:
        """What it tells of itself."""
        match event:
            case events.NodeStarted():
                self._paces[key] = Pace()
                self._show(key, one_line(event.title))
            case events.LibrariesLoading():
                self._show(key, "loading libraries")
            case events.Progress():
                pace = self._paces[key]
                pace.step(event.value, event.total)
                if self._bar is not None:
                    told = f"{pace.value}/{pace.total}  {pace.rate}"
                    self._bar.update(self._tasks[key], completed=pace.value, total=pace.total, pace=told)

    def end(self, key: int) -> None:
        """It has ended, or is gone."""
        if self._labels.pop(key, None) is not None and self._bar is not None:
            self._bar.remove_task(self._tasks.pop(key))

    def _show(self, key: int, doing: str) -> None:
        if self._bar is not None:
            self._bar.reset(self._tasks[key], description=f"{self._labels[key]}: {doing}", total=None, pace="")


class Narrator(Live):
    """Tells a person how a run goes: an observer with a live bar on a terminal, with lines elsewhere.

    A node that is done becomes a line; on a terminal only if it took its time, since the bar showed it.
    """

    SILENCE = 10.0
    """After so many seconds without a line, a step is reported: a log shows that the run is alive."""

    def __init__(self, err: Stream, *, live: bool = True) -> None:
        super().__init__(err, live=live)
        self.pace = Pace()
        self.resumed = 0
        self.done = 0
        self.reused = 0
        self.expected: set[str] = set()
        self.expanded: set[str] = set()
        self.titles: dict[str, str] = {}
        self.spoken = time.perf_counter()

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.RunStarted():
                self.expected.update(event.nodes, event.cached)
            case events.LibrariesLoading() if self.bar is not None:
                self.bar.reset(self.bar.task_ids[0], description="loading libraries", total=None, pace="")
            case events.LibrariesLoaded() if event.seconds >= 0.1:
                self._say(f"loading libraries: {seconds_text(event.seconds)}")
            case events.NodeStarted():
                self.titles[event.node_id] = event.title
                self.running, self.pace, self.resumed = f"{self._place} {self._where(event)}", Pace(), 0
                if self.bar is not None:
                    self.bar.reset(self.bar.task_ids[0], description=self.running, total=None, pace="")
            case events.NodeResumed():
                self.pace.step(event.value, event.total)
                self.resumed = event.value
                self._stepped()
            case events.Progress():
                self.pace.step(event.value, event.total)
                self._stepped()
            case events.NodeCached():
                self.reused += 1
                self._ended(f"{self._place} {self._where(event)}: reused", brief=True)
            case events.NodeAsked():
                self.expected.update(event.nodes, event.cached)
            case events.NodeExpanded():
                self.expected.update(event.nodes, event.cached)
                self.expanded.add(event.node_id)
            case events.NodeFinished() if event.node_id in self.expanded:
                self._ended(f"{self._place} {self._where(event)}: {seconds_text(event.seconds)}", brief=False)
            case events.NodeFinished():
                count = self.pace.value
                found = f" ({self.resumed} done before)" if self.resumed else ""
                steps = f"{count} step{'s' if count != 1 else ''}{found}, {self.pace.rate}, " if count else ""
                brief = event.seconds < 0.1 and not count
                self._ended(f"{self.running}: {steps}{seconds_text(event.seconds)}", brief=brief)
            case events.RunFinished(status="done"):
                self.err.line(("done", "green"), f" in {seconds_text(event.seconds)}{self._thanks}")

    @property
    def _thanks(self) -> str:
        """What did not have to be computed, and how it would be."""
        if not self.reused:
            return ""
        if self.reused == self.done:
            return ": nothing has changed since it was computed (--no-cache computes it again)"
        return f", {self.reused} of {self.done} nodes reused"

    @property
    def _place(self) -> str:
        count = len(self.expected)
        return f"[{self.done + 1:{len(str(count))}}/{count}]"

    def _where(self, event: events.NodeStarted | events.NodeCached | events.NodeFinished) -> str:
        """The node; of one inside an expansion, the node of the workflow and what it does there."""
        if not event.display_id:
            return where(event.node_id, event.title)
        return f"{where(event.display_id, self.titles.get(event.display_id, ''))}: {one_line(event.title)}"

    def _stepped(self) -> None:
        if self.bar is not None:
            pace = f"{self.pace.value}/{self.pace.total}  {self.pace.rate}"
            self.bar.update(self.bar.task_ids[0], completed=self.pace.value, total=self.pace.total, pace=pace)
        elif time.perf_counter() - self.spoken > self.SILENCE:
            self._say(f"{self.running}: step {self.pace.value} of {self.pace.total}, {self.pace.rate}")

    def _ended(self, line: str, *, brief: bool) -> None:
        self.done += 1
        if self.bar is None or not brief:
            self._say(line)

    def _say(self, line: str) -> None:
        self.spoken = time.perf_counter()
        self.err.line(line)


class Retold(Narrator):
    """Tells a person how a run went that is over: its steps have no pace any more."""

    def __init__(self, err: Stream) -> None:
        super().__init__(err, live=False)

    def __call__(self, event: events.Event) -> None:
        if not isinstance(event, events.Progress | events.NodeResumed):
            super().__call__(event)


class SweepNarrator(Live):
    """Tells a person how a sweep goes: a line a cell, on a terminal with a live bar over all of them.

    Of cells that other workers run, each has a line of the bar while it runs, and what workers print is a line, too.

    The time that is left is guessed from `work`, what each cell has to do, in any unit.
    """

    def __init__(self, err: Stream, work: Mapping[int, float]) -> None:
        super().__init__(err)
        self.work = work
        self.started = time.perf_counter()
        self.pace = Pace()
        self.ended = 0
        self.worked = 0.0
        self.running = ""
        self.cell = 0
        self.lanes = Lanes(self.bar)

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.WorkerSaid():
                self.err.line(f"worker {event.worker}: {event.line}")
            case events.CellStarted():
                self.cell = event.cell
                if event.worker:
                    self.lanes.begin(event.cell, f"worker {event.worker}: cell {event.cell}")
            case events.CellResumed():
                self.cell = event.cell
            case events.CellFinished():
                self.lanes.end(event.record["cell"])
                self.ended += 1
                self.worked += self.work.get(event.record["cell"], 0.0)
                self.err.line(*self._told(event.record))
                self._show()
            case _ if self.cell in self.lanes:
                self.lanes.hear(self.cell, event)
            case events.NodeStarted():
                self.running, self.pace = event.title, Pace()
                self._show()
            case events.Progress():
                self.pace.step(event.value, event.total)
                self._show()
            case events.LibrariesLoading():
                self.running, self.pace = "loading libraries", Pace()
                self._show()
            case events.LibrariesLoaded():
                self.started += event.seconds

    def _told(self, record: Mapping[str, Any]) -> Line:
        count = len(self.work)
        what = one_line(
            ", ".join(f"{name}={value}" for name, value in record["parameters"].items()) or record.get("place", "")
        )
        head = f"[{self.ended:{len(str(count))}}/{count}] {_cut(what)}: "
        if record["status"] != "done":
            return [head, ("failed", "bold red"), f": {record['error']}", self._left]
        return [head, "reused, " if record["cached"] else "", seconds_text(record["seconds"]), self._left]

    @property
    def _left(self) -> str:
        """`, 2 min 10 s left`; nothing where it cannot be told."""
        whole, seconds = sum(self.work.values()), time.perf_counter() - self.started
        if not 0 < self.worked < whole:
            return ""
        return f", {seconds_text(seconds / self.worked * (whole - self.worked))} left"

    def _show(self) -> None:
        if self.bar is None:
            return
        steps = f"  step {self.pace.value} of {self.pace.total}" if self.pace.total else ""
        told = f"{self.ended} of {len(self.work)} cells{self._left}"
        now = {"description": f"{one_line(self.running)}{steps}", "completed": self.ended, "total": len(self.work)}
        self.bar.update(self.bar.task_ids[0], pace=told, **now)


class FilesView(Live):
    """Shows on a terminal which of so many workflows run where, and how far each is."""

    def __init__(self, err: Stream, count: int, *, shown: bool = True) -> None:
        super().__init__(err, live=shown)
        self.count = count
        self.ended = 0
        self.lanes = Lanes(self.bar)
        self._show()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Inside the block the bar is gone from the terminal: stdout may have its last line."""
        if self.bar is None:
            yield
            return
        self.bar.stop()
        try:
            yield
        finally:
            self.bar.start()

    def end(self, key: int) -> None:
        """One has ended."""
        self.lanes.end(key)
        self.ended += 1
        self._show()

    def _show(self) -> None:
        if self.bar is not None:
            told = f"{self.ended} of {self.count} workflows"
            self.bar.update(self.bar.task_ids[0], description="", completed=self.ended, total=self.count, pace=told)


def _cut(text: str) -> str:
    return text if len(text) <= 100 else text[:97] + "..."


def _bar(console: Console) -> Any:
    """rich's Progress with one task: the running node."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[pace]}", markup=False),
        TimeElapsedColumn(),
    )
    bar = Progress(*columns, console=console, transient=True)
    bar.add_task("preparing", total=None, pace="")
    return bar
