"""Nodes that go step by step share their steps: in one run, with a cache in later ones, where they mean the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import pytest

import weft
from weft import DiskCache, MemoryCache
from weft.engine import events
from weft.engine.cache.protocol import Cache, Entry, Manifest, NoCache
from weft.engine.cache.tiers import Tiers
from weft.engine.context import RunContext
from weft.engine.errors import Interrupted
from weft.engine.running import steps as sharing
from weft.engine.schema.authoring import node
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files, Int, Socket
from weft.engine.session import Session
from weft.engine.settings import Settings
from weft.engine.trajectory import Trajectory
from weft.engine.values import Values

Number = Annotated[int, Int()]
Value = Annotated[int, Socket("VALUE")]


class Walks:
    """Node classes whose steps can be counted; `at` is called before each."""

    def __init__(self) -> None:
        self.done: list[tuple[int, int]] = []
        self.at: Callable[[int, RunContext], None] = lambda step, context: None
        self.held: list[int] = []

    @cached_property
    def registry(self) -> Registry:
        def tell(given: Mapping[str, Any], settings: Settings) -> Trajectory | None:
            if given["other"] == 13:
                raise LookupError("an input that nobody has looked at")
            end = given["end"]
            identity = {name: value for name, value in given.items() if name != "end"}
            return Trajectory(identity, "by one", range(end), (1,) * end)

        @node(category="test")
        def Start(*, number: Number) -> Value:
            return number

        @node(category="test")
        def Starts(*, number: Number) -> list[Value]:
            return [number, 9]

        @node(category="test", volatile="it is drawn")
        def Drawn(*, number: Number) -> Value:
            return number

        @node(category="test")
        def Read(*, file: Annotated[str, Files("input", suffixes=(".txt",))], context: RunContext) -> Value:
            (context.folders.input / file).write_text("2")
            return 1

        @node(category="test", trajectory=tell)
        def Walk(*, start: Value, end: Number, other: Number = 0, context: RunContext) -> Value:
            places = [bytes([step]) for step in range(end)]
            found = context.steps.find(places) if context.steps is not None else None
            first, value = (0, start) if found is None else (found[0] + 1, found[1])
            for step in range(first, end):
                self.at(step, context)
                value = value * 31 + step
                self.done.append((other, step))
                if context.steps is not None:
                    context.steps.keep({places[step]: value})
            return value

        @node(category="test", output_node=True)
        def Keep(*, value: Value) -> Value:
            return value

        return Registry().add([Start, Starts, Drawn, Read, Walk, Keep])


@pytest.fixture
def walks() -> Walks:
    return Walks()


def graph(*ends: int, first: str = "Start", other: tuple[int, ...] = (), **inputs: Any) -> dict[str, Any]:
    """A walk to each end, all from one start."""
    nodes: dict[str, Any] = {"0": {"class_type": first, "inputs": inputs or {"number": 1}}}
    for number, end in enumerate(ends, 1):
        given = {"start": ["0", 0], "end": end, "other": other[number - 1] if other else 0}
        nodes[f"w{number}"] = {"class_type": "Walk", "inputs": given}
        nodes[f"k{number}"] = {"class_type": "Keep", "inputs": {"value": [f"w{number}", 0]}}
    return nodes


def walked(walks: Walks, prompt: dict[str, Any], cache: Cache | None = None, **options: Any) -> list[int]:
    """How many steps were done in a run: in all, and what the walks gave."""
    walks.done.clear()
    result = weft.run(prompt, registry=walks.registry, cache=cache, **options)
    return [len(walks.done), *(result.outputs[name][0] for name in sorted(result.outputs) if name.startswith("k"))]


def alone(*ends: int, start: int = 1) -> list[int]:
    values = []
    for end in ends:
        value = start
        for step in range(end):
            value = value * 31 + step
        values.append(value)
    return values


def test_in_one_run_without_a_cache(walks: Walks) -> None:
    assert walked(walks, graph(2, 5, 3)) == [5, *alone(2, 5, 3)]


def test_who_does_something_else_shares_nothing(walks: Walks) -> None:
    assert walked(walks, graph(2, 5, 3, other=(1, 2, 1))) == [3 + 5, *alone(2, 5, 3)]


def test_a_class_that_cannot_tell_shares_nothing(walks: Walks) -> None:
    assert walked(walks, graph(2, 5, other=(13, 13))) == [2 + 5, *alone(2, 5)]


def test_walks_from_several_starts_share_nothing(walks: Walks) -> None:
    """All are computed from one list: what their steps are computed from tells one walk's from another's no more."""
    cache = MemoryCache()
    values = [Values(pair) for pair in zip(alone(2, 5), alone(2, 5, start=9), strict=True)]
    prompt = graph(2, 5, first="Starts")
    assert walked(walks, prompt, cache) == [2 * 2 + 2 * 5, *values]
    prompt["w2"]["inputs"]["end"] = 3
    assert walked(walks, prompt, cache)[0] == 2 * 3


def test_nothing_is_remembered_where_nobody_asks(walks: Walks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a lone walk nothing; of several nothing once the last has begun."""
    memories: list[MemoryCache] = []

    class Watched(sharing.Sharing):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            memories.append(self._memory)

    monkeypatch.setattr("weft.engine.running.executor.Sharing", Watched)
    kept: list[tuple[int, bool]] = []
    walks.at = lambda step, context: kept.append((len(memories[-1]), context.steps is not None))
    walked(walks, graph(3))
    assert kept == [(0, False)] * 3
    kept.clear()
    walked(walks, graph(2, 4))
    assert kept == [(0, True), (1, True), (2, True), (2, True)]
    assert [len(memory) for memory in memories] == [0, 0]


@pytest.mark.parametrize("kind", ["memory", "disk", "both"])
def test_in_a_later_run(walks: Walks, tmp_path: Path, kind: str) -> None:
    memory = MemoryCache()

    def cache() -> Cache:
        if kind == "memory":
            return memory
        disk = DiskCache(tmp_path / "c")
        return disk if kind == "disk" else Tiers(MemoryCache(), disk)

    assert walked(walks, graph(4), cache()) == [4, *alone(4)]
    assert walked(walks, graph(6), cache()) == [2, *alone(6)]
    assert walked(walks, graph(4), cache()) == [0, *alone(4)]
    assert walked(walks, graph(6, number=2), cache()) == [6, *alone(6, start=2)]


def test_a_folder_that_is_read_only_has_steps_too(walks: Walks, tmp_path: Path) -> None:
    team = DiskCache(tmp_path / "team")
    walked(walks, graph(4), team)
    team.close()
    shared = DiskCache(tmp_path / "team", read_only=True)
    assert walked(walks, graph(6), Tiers(DiskCache(tmp_path / "own"), shared=[shared])) == [2, *alone(6)]
    DiskCache(tmp_path / "bare").size()
    bare = DiskCache(tmp_path / "bare", read_only=True)
    assert walked(walks, graph(6), Tiers(MemoryCache(), shared=[bare])) == [6, *alone(6)]


def test_what_is_volatile_or_stale_shares_nothing(walks: Walks, tmp_path: Path) -> None:
    cache = MemoryCache()
    walked(walks, graph(2, 4, first="Drawn"), cache)
    assert len(walks.done) == 6 and not len(cache.steps)
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "a.txt").write_text("1")
    walked(walks, graph(2, 4, first="Read", file="a.txt"), cache)
    assert len(walks.done) == 6 and not len(cache.steps)


def test_it_goes_on_where_it_was_stopped(walks: Walks, tmp_path: Path) -> None:
    def stop(step: int, context: RunContext) -> None:
        if step == 3:
            context.cancel()
            context.checkpoint()

    cache = DiskCache(tmp_path / "c")
    walks.at = stop
    with pytest.raises(Interrupted):
        walked(walks, graph(5), cache)
    walks.at = lambda step, context: None
    seen: list[events.Event] = []
    assert walked(walks, graph(5), cache, observers=[seen.append]) == [2, *alone(5)]
    assert [each for each in seen if type(each) is events.NodeResumed] == [events.NodeResumed("w1", 3, 5)]


def test_a_state_that_is_gone_is_done_again(walks: Walks) -> None:
    class Forgetful(MemoryCache):
        def load(self, manifest: Manifest) -> Entry | None:
            return None

    cache = MemoryCache()
    cache.__dict__["steps"] = Forgetful()
    walked(walks, graph(4), cache)
    assert walked(walks, graph(6), cache) == [6, *alone(6)]


class Slow(NoCache):
    """A cache for which every entry takes a second, on a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.kept: list[int] = []

    def put(self, key: bytes, entry: Entry) -> None:
        self.now += 1.0
        self.kept.append(entry.outputs[0])


def test_every_step_is_there_in_another_process(walks: Walks, tmp_path: Path) -> None:
    walked(walks, graph(9), DiskCache(tmp_path / "c"))
    for end in range(1, 10):
        assert walked(walks, graph(end), DiskCache(tmp_path / "c")) == [0, *alone(end)]


def test_what_is_left_to_do_is_said_before(walks: Walks, tmp_path: Path) -> None:
    """After a run that was stopped, and one with another end; not by a cache that has lost the states."""

    def stop(step: int, context: RunContext) -> None:
        if step == 3:
            context.cancel()
            context.checkpoint()

    def said(*ends: int) -> list[int]:
        session = Session(registry=walks.registry, cache=DiskCache(tmp_path / "c"))
        return [each.calls for each in session.model_calls(session.plan(session.read(graph(end))) for end in ends)]

    assert said(5, 2, 8) == [5, 0, 3]
    walks.at = stop
    with pytest.raises(Interrupted):
        walked(walks, graph(5), DiskCache(tmp_path / "c"))
    walks.at = lambda step, context: None
    assert said(5, 2, 8) == [2, 0, 3]
    assert walked(walks, graph(5), DiskCache(tmp_path / "c"))[0] == 2
    assert said(4, 8) == [0, 3]
    shutil.rmtree(tmp_path / "c" / "steps")
    assert said(4, 8) == [4, 4]


def test_when_states_are_due(monkeypatch: pytest.MonkeyPatch, make_context: Any) -> None:
    cache = Slow()
    monkeypatch.setattr(sharing.time, "perf_counter", lambda: cache.now)
    left = sharing.Steps(b"", b"", [], [cache], None, None, make_context())
    assert not left.due
    cache.now += 10
    assert left.due
    left.keep({b"a": 1})
    assert not left.due


def test_no_room_keeps_nothing(walks: Walks, tmp_path: Path) -> None:
    cache = Tiers(MemoryCache(max_step_bytes=0), DiskCache(tmp_path / "c", max_step_bytes=0))
    walked(walks, graph(4), cache)
    assert walked(walks, graph(6), cache) == [6, *alone(6)]
    assert walked(walks, graph(7, 8), None, checkpoint_gib=0)[0] == 15


def test_clearing_a_cache_clears_its_steps(walks: Walks, tmp_path: Path) -> None:
    for cache in (MemoryCache(), DiskCache(tmp_path / "c")):
        walked(walks, graph(4), cache)
        cache.clear()
        assert walked(walks, graph(6), cache) == [6, *alone(6)]
