"""Many threads, one cache, two registries whose functions have the same names: each gets its own values."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest

import weft
from weft.engine import events
from weft.engine.context import RunContext
from weft.engine.errors import Interrupted
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Boolean, Files, Int, Socket

THREADS, RUNS = 8, 250
STEPS = 20
NUMBERS = 7

Number = Annotated[int, Int(default=1)]
Value = Annotated[Any, Socket("VALUE")]


def registry(factor: int) -> weft.Registry:
    @node(category="test")
    def Times(*, x: Number) -> Value:
        return x * factor

    @node(category="test")
    def Add(*, a: Value, b: Value) -> Value:
        return a + b

    @node(category="test")
    def Read(*, file: Annotated[str, Files("input", suffixes=(".txt",))], context: RunContext) -> Value:
        return int((context.folders.input / file).read_text()) * factor

    return weft.Registry().add([Times, Add, Read])


@pytest.fixture(autouse=True)
def hasty() -> Iterator[None]:
    """Threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("max_bytes", [1_000, None], ids=["small", "large"])
def test_no_error_and_no_wrong_value(max_bytes: int | None, tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "a.txt").write_text("5")
    cache = weft.MemoryCache(max_bytes)
    registries = {factor: registry(factor) for factor in (10, 1000)}
    failures: Counter[str] = Counter()

    def work(place: int) -> None:
        factor = (10, 1000)[place % 2]
        for turn in range(RUNS):
            x = (turn + place) % NUMBERS
            graph = {
                "1": {"class_type": "Times", "inputs": {"x": x}},
                "2": {"class_type": "Read", "inputs": {"file": "a.txt"}},
                "3": {"class_type": "Add", "inputs": {"a": ["1", 0], "b": ["2", 0]}},
            }
            try:
                result = weft.run(graph, targets=["3"], registry=registries[factor], cache=cache)
                if result["3"] != ((x + 5) * factor,) or result.warnings:
                    failures[f"{result['3']} for {x} times {factor}, {result.warnings}"] += 1
            except Exception as error:  # whatever it is, it is counted
                failures[repr(error)] += 1

    threads = [threading.Thread(target=work, args=(place,)) for place in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == {}
    assert cache.used <= cache.max_bytes


@node(category="test", output_node=True)
def Talk(*, x: Number, cancelled: Annotated[bool, Boolean(default=False)], context: RunContext) -> Value:
    """Prints, warns, writes and takes steps, all the while others do; stops half-way where it is told to."""
    for step in range(STEPS):
        print(f"run {x} at step {step}\n", end="")
        context.warn(f"run {x} warns at step {step}")
        if cancelled and step == STEPS // 2:
            context.cancel(f"run {x} is stopped")
        context.progress(step + 1, STEPS)
        time.sleep(0)
    with context.folders.numbered(f"run{x}").create(".txt") as (stream, path):
        stream.write(str(x).encode())
        context.wrote(path)
    return x * 10


def test_eight_runs_at_once_with_one_cache_do_not_see_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every second one is cancelled; warnings, events and files are each run's own, stdout is nobody's."""
    cache = weft.MemoryCache()
    nodes = weft.Registry().add(Talk)
    session = weft.Session(registry=nodes, cache=cache, output=tmp_path)
    heard: dict[int, list[events.Event]] = {x: [] for x in range(THREADS)}
    ended: dict[int, Any] = {}
    before, start = sys.stdout, threading.Barrier(THREADS)

    def work(x: int) -> None:
        inputs = {"x": x, "cancelled": x % 2 == 1}
        plan = session.plan(session.read({str(x): {"class_type": "Talk", "inputs": inputs}}))
        start.wait()
        try:
            ended[x] = session.execute(plan, [heard[x].append], cancel=weft.CancelToken())
        except Interrupted as stopped:
            ended[x] = stopped

    threads = [threading.Thread(target=work, args=(x,)) for x in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sys.stdout is before
    taken = {x: STEPS // 2 + 1 if x % 2 else STEPS for x in range(THREADS)}
    lines = Counter(capsys.readouterr().out.splitlines())
    assert lines == Counter(f"run {x} at step {step}" for x in range(THREADS) for step in range(taken[x]))
    for x, found in ended.items():
        messages = tuple((str(x), f"run {x} warns at step {step}") for step in range(taken[x]))
        assert [event.message for event in heard[x] if isinstance(event, events.NodeWarning)] == [
            message for _, message in messages
        ]
        assert {getattr(event, "node_id", str(x)) for event in heard[x]} == {str(x)}
        last = heard[x][-1]
        assert isinstance(last, events.RunFinished)
        if x % 2:
            assert (str(found), last.status, last.files) == (f"run {x} is stopped", "interrupted", ())
        else:
            assert (found.warnings, last.status) == (messages, "done")
            assert [file.read_text() for file in found.files] == [str(x)]
            assert found[str(x)] == (x * 10,)
    assert len(list(tmp_path.iterdir())) == THREADS // 2
    assert len(cache) == THREADS // 2


def test_packs_loaded_by_several_leave_stdout_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> dict[str, Any]:
        time.sleep(0.001)
        return {threading.current_thread().name: "module:attribute"}

    pack = SimpleNamespace(name="p", module="p", value="p", load=load)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [pack] if group == "weft.nodes" else [])
    before = sys.stdout
    threads = [threading.Thread(target=weft.Registry.discover) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.stdout is before


def test_what_is_the_process_s_is_touched_where_the_command_line_is_and_nowhere_else() -> None:
    """Loggers, stdout and the filters of warnings are all runs': Quiet alone knows how to share the last."""
    root = Path(__file__).parents[2]
    touching = re.compile(r"\b(getLogger|redirect_std\w+|sys\.std(out|err)|catch_warnings|simplefilter)\b")
    found = {
        file.relative_to(root).as_posix()
        for part in ("engine", "nodes")
        for file in (root / part).rglob("*.py")
        if touching.search(file.read_text())
    }
    # A command, the processes that carry commands out, and what puts back what packs change while they are imported.
    processes = ("engine/worker/", "engine/spreading/worker.py")
    own = ("engine/terminal/", *processes, "engine/commands/mcp.py", "engine/custom_nodes/containment.py")
    assert {file for file in found if not file.startswith(own)} == {"nodes/diffusion/quiet.py"}
    assert "engine/terminal/answer.py" in found
