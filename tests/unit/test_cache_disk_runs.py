"""Runs with the cache in a folder: they give what they give without it, and compute what is not in it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from weft import DiskCache, MemoryCache, RunResult, Session
from weft.engine.cache.code import own_digest
from weft.engine.cache.protocol import ABSENT, Entry, is_whole
from weft.engine.cache.tiers import Tiers

from ..edits import World, registry


def test_a_second_process_calls_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, random.Random(5), ("Start", "Add", "Fill", "Measure", "Grow", "Plot", "Write"))
    called = []
    for _ in range(2):
        disk = DiskCache(tmp_path / "c", codecs=World.codecs)
        called.append(world.run(world.session(tmp_path, disk)).timings)
        disk.close()
    assert len(called[0]) > 3 and not called[1]


def test_a_picture_that_is_another_one_now_is_written_again(tmp_path: Path) -> None:
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
    }

    def run() -> tuple[list[str], list[Path]]:
        disk = DiskCache(tmp_path / "c")
        session = Session(cache=disk, output=tmp_path / "out")
        plan = session.plan(session.read(graph))
        result = session.execute(plan, [])
        disk.close()
        return [step.reason for step in plan.steps if step.runs], list(result.files)

    _, (picture,) = run()
    content = picture.read_bytes()
    assert run() == ([], [picture])
    picture.write_bytes(b"another one")
    reasons, files = run()
    assert reasons == ["the files that it wrote have changed"] and files != [picture]
    assert files[0].read_bytes() == content
    for file in (picture, files[0]):
        file.unlink()
        file.symlink_to(file)
    assert run()[0] == ["the files that it wrote are gone"]
    for file in (tmp_path / "out").iterdir():
        file.unlink()
    assert run() == (["the files that it wrote are gone"], [picture])
    assert picture.read_bytes() == content


def test_another_version_of_weft_has_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(cache=MemoryCache(), device="cpu")
    before = session.namespace(session.settings)
    assert len(own_digest()) == 32
    monkeypatch.setattr("weft.engine.session.own_digest", lambda: "0" * 32)
    assert session.namespace(session.settings) != before


# Nodes of which not every output can be kept.


class Halves:
    """Runs of a graph on one folder, each as a process of its own has it; `called` are the nodes that one called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reasons: dict[str, str] = {}

    def run(self, graph: dict[str, Any], *targets: str, memory: MemoryCache | None = None) -> RunResult:
        disk = DiskCache(self.folder, codecs=World.codecs, warn=pytest.fail)
        session = Session(registry=registry(1, 1), cache=disk if memory is None else Tiers(memory, disk))
        plan = session.plan(session.read(graph), targets)
        self.reasons = {step.node_id: step.reason for step in plan.steps}
        result = session.execute(plan)
        disk.close()
        return result

    def called(self, graph: dict[str, Any], *targets: str) -> list[str]:
        return sorted(self.run(graph, *targets).timings)


@pytest.fixture
def halves(tmp_path: Path) -> Halves:
    return Halves(tmp_path / "c")


def end(source: str, prefix: str) -> dict[str, Any]:
    """Writes a number, so many lines as its last two bits say."""
    return {"class_type": "Write", "inputs": {"one": [source, 0], "prefix": prefix}}


def halved(prefix: str = "a", **more: dict[str, Any]) -> dict[str, Any]:
    """A start, a node that gives a number and a box, and an end that takes the number."""
    return {
        "1": {"class_type": "Start", "inputs": {"value": 4}},
        "2": {"class_type": "Half", "inputs": {"one": ["1", 0]}},
        "3": end("2", prefix),
        **more,
    }


def opened(box: list[Any], prefix: str = "b") -> dict[str, Any]:
    """What takes the box, and an end of its own."""
    return {"4": {"class_type": "Open", "inputs": {"box": box}}, "5": end("4", prefix)}


def written(result: RunResult) -> list[str]:
    return sorted(file.read_text() for file in result.files)


def test_a_hit_has_what_is_taken_from_it(halves: Halves) -> None:
    assert halves.called(halved()) == ["1", "2", "3"]
    assert halves.called(halved("c")) == ["3"], "only the number is taken"
    assert halves.called(halved(**opened(["2", 1]))) == ["2", "4", "5"]
    assert halves.reasons["2"] == "its output BOX is kept by no cache on the disk"
    assert halves.called(halved(**opened(["2", 1], "d"))) == ["5"]


def test_all_of_a_target_is_wanted(halves: Halves) -> None:
    halves.run(halved())
    assert halves.called(halved(), "1") == []
    result = halves.run(halved(), "2")
    assert "2" in result.timings and result["2"][1].number == 4


def test_what_takes_by_a_twin_counts(halves: Halves) -> None:
    halves.run(halved())
    twin = {"9": {"class_type": "Half", "inputs": {"one": ["1", 0]}}}
    result = halves.run(halved("c", **twin, **opened(["9", 1])))
    assert written(result) == ["5\n", "6\n6\n"]
    assert "2" in result.timings and "9" in result.cached


def test_what_an_expansion_takes_is_computed_then(halves: Halves) -> None:
    """What takes the number goes on with what the cache has of the node, until it is there as a whole."""
    halves.run(halved())
    unfold = {"6": {"class_type": "Unfold", "inputs": {"box": ["2", 1]}}, "7": end("6", "d")}
    graph = halved("c", **unfold, **opened(["6", 1]))
    result = halves.run(graph)
    assert written(result) == ["5\n", "5\n", "6\n6\n"]
    assert "2" in result.timings and halves.called(graph) == []


def test_what_is_gone_by_the_time_of_the_run_takes_more(halves: Halves, monkeypatch: pytest.MonkeyPatch) -> None:
    halves.run(halved(**opened(["2", 1])))
    load = DiskCache.load
    monkeypatch.setattr(
        DiskCache, "load", lambda cache, hit: None if (found := load(cache, hit)) == Entry((5,)) else found
    )
    result = halves.run(halved("c", **opened(["2", 1], "c")))
    assert written(result) == ["5\n", "6\n6\n"]
    assert sorted(result.timings) == ["2", "3", "4", "5"]


def test_memory_has_it_all(halves: Halves) -> None:
    memory = MemoryCache()
    halves.run(halved(), memory=memory)
    assert sorted(halves.run(halved(**opened(["2", 1])), memory=memory).timings) == ["4", "5"]


def test_what_nobody_takes_is_not_read(halves: Halves) -> None:
    halves.run(halved(), "1")
    disk = DiskCache(halves.folder, codecs=World.codecs)
    session = Session(registry=registry(1, 1), cache=disk)
    plan = session.plan(session.read(halved()), ["1"], values=False)
    result = session.execute(plan)
    assert not result.timings and result["1"] == (ABSENT,) and len(result.files) == 1
    assert session.execute(session.plan(session.read(halved()), ["1"]))["1"] == (4,)
    disk.close()


def test_what_is_taken_goes_to_memory_as_a_whole(halves: Halves) -> None:
    graph = halved() | {"2": {"class_type": "Split", "inputs": {"one": ["1", 0]}}}
    halves.run(graph)
    memory = MemoryCache()
    halves.run(graph, memory=memory)
    assert len(memory) == 1, "the end: it has no outputs"
    halves.run({**graph, "3": end("2", "c")}, memory=memory)
    assert len(memory) == 3
    assert is_whole(value for kept in memory._entries.values() for value in kept.entry.outputs)
