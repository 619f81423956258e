"""Many threads, one cache, two registries whose functions have the same names: each gets its own values."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest

import engine
from engine.authoring import node
from engine.context import RunContext
from engine.sockets import Files, Int, Socket

THREADS, RUNS = 8, 250
NUMBERS = 7

Number = Annotated[int, Int(default=1)]
Value = Annotated[Any, Socket("VALUE")]


def registry(factor: int) -> engine.Registry:
    @node(category="test")
    def Times(*, x: Number) -> Value:
        return x * factor

    @node(category="test")
    def Add(*, a: Value, b: Value) -> Value:
        return a + b

    @node(category="test")
    def Read(*, file: Annotated[str, Files("input", suffixes=(".txt",))], context: RunContext) -> Value:
        return int((context.folders.input / file).read_text()) * factor

    return engine.Registry().add([Times, Add, Read])


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
    cache = engine.MemoryCache(max_bytes)
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
                result = engine.run(graph, targets=["3"], registry=registries[factor], cache=cache)
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


def test_packs_loaded_by_several_leave_stdout_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> dict[str, Any]:
        time.sleep(0.001)
        return {threading.current_thread().name: "module:attribute"}

    pack = SimpleNamespace(name="p", module="p", value="p", load=load)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [pack] if group == "weft.nodes" else [])
    before = sys.stdout
    threads = [threading.Thread(target=engine.Registry.discover) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.stdout is before
