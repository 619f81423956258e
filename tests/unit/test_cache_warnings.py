"""What was said of outputs when they were computed is said again by every run that is given them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

import weft
from weft import DiskCache, MemoryCache, Registry, RunResult, Session, node
from weft.engine import events
from weft.engine.cache.protocol import Cache, Entry
from weft.engine.cache.tiers import Tiers
from weft.engine.context import RunContext
from weft.engine.links import Link
from weft.engine.schema.authoring import RawLink
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.sockets import Int, Socket

from .caches import KEY, got

Number = Annotated[int, Socket("NUMBER")]
NumberLink = Annotated[Link, Socket("NUMBER"), RawLink()]
Model = Annotated[Any, Socket("MODEL")]
Count = Annotated[int, Int(default=0)]
Graph = dict[str, dict[str, Any]]
Process = Callable[[], Cache]
"""Gives the cache that the next process has."""


class Weights:
    """A value that no codec knows."""


@node(category="toy")
def Load(*, context: RunContext) -> Model:
    context.warn("a layer fits nothing")
    context.warn("nor does that one")
    return Weights()


@node(category="toy")
def Sample(*, model: Model, seed: Count) -> Number:
    return seed


@node(category="toy")
def Odd(*, a: Number, more: Count = 0, context: RunContext) -> Number:
    context.warn(f"{a + more} is odd")
    return a + more


@node(category="toy")
def Twice(*, a: NumberLink, graph: GraphBuilder, context: RunContext) -> Number:
    context.warn("this is done twice")
    first = graph.add("Odd", name="first", a=a, more=1)[0]
    return graph.result(graph.add("Odd", name="last", a=first, more=1)[0])


@node(category="toy", output_node=True)
def Show(*, a: Number, times: Count = 1) -> None:
    pass


def step(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def sampled(seed: int = 1) -> Graph:
    return {
        "1": step("Load"),
        "2": step("Sample", model=["1", 0], seed=seed),
        "3": step("Odd", a=["2", 0]),
        "4": step("Show", a=["3", 0]),
    }


LOADED = (("1", "a layer fits nothing"), ("1", "nor does that one"))
SAMPLED = (*LOADED, ("3", "1 is odd"))


def run(graph: Graph, cache: Cache, observers: tuple[events.Observer, ...] = ()) -> RunResult:
    session = Session(registry=Registry().add([Load, Sample, Odd, Twice, Show]), cache=cache)
    result = session.execute(session.plan(session.read(graph)), observers)
    if isinstance(cache, DiskCache):
        cache.close()
    return result


@pytest.fixture(params=["memory", "disk", "memory and disk", "a memory that was lost", "shared"])
def process(request: pytest.FixtureRequest, tmp_path: Path) -> Process:
    def disk(read_only: bool = False) -> DiskCache:
        return DiskCache(tmp_path / "c", read_only=read_only, warn=pytest.fail)

    memory = MemoryCache()
    if request.param == "memory":
        return lambda: memory
    if request.param == "disk":
        return disk
    if request.param == "memory and disk":
        return lambda: Tiers(memory, disk())
    if request.param == "a memory that was lost":
        return lambda: Tiers(MemoryCache(), disk())
    run(sampled(), disk())
    return lambda: Tiers(MemoryCache(), shared=[disk(read_only=True)])


def test_each_run_says_it(process: Process) -> None:
    for _ in range(3):
        heard: list[events.Event] = []
        result = run(sampled(), process(), (heard.append,))
        assert result.warnings == SAMPLED
        told = [event for event in heard if isinstance(event, events.NodeWarning)]
        assert [(event.node_id, event.message) for event in told] == list(SAMPLED)
        assert [event.title for event in told] == ["Load", "Load", "Odd"]
    assert not result.timings, "nothing is computed"


def test_the_node_is_named_as_it_is_called_now(process: Process) -> None:
    run(sampled(), process())
    names = {"1": "loader", "2": "sampler", "3": "odd", "4": "end"}
    renamed = {
        names[node_id]: step(
            each["class_type"],
            **{name: [names[v[0]], 0] if isinstance(v, list) else v for name, v in each["inputs"].items()},
        )
        for node_id, each in sampled().items()
    }
    result = run(renamed, process())
    assert result.warnings == tuple((names[node_id], text) for node_id, text in SAMPLED) and not result.timings


def test_of_a_node_above_one_that_is_served(process: Process) -> None:
    """The sampler is found; what it took from is not needed, and cannot be kept on a disk at all."""
    run(sampled(), process())
    result = run({**sampled(), "4": step("Show", a=["3", 0], times=2)}, process())
    assert (list(result.timings), result.warnings, result.plan.pruned) == (["4"], SAMPLED, ("1", "2"))


def test_a_node_that_runs_beside_one_that_is_served_says_it_once(process: Process) -> None:
    run(sampled(), process())
    graph = {**sampled(), "5": step("Sample", model=["1", 0], seed=3), "6": step("Show", a=["5", 0])}
    result = run(graph, process())
    assert sorted(result.warnings) == sorted(SAMPLED) and "5" in result.timings


def test_equal_nodes_all_say_it(process: Process) -> None:
    graph = {**sampled(), "b": step("Odd", a=["2", 0]), "c": step("Show", a=["b", 0], times=2)}
    for _ in range(2):
        assert sorted(run(graph, process()).warnings) == sorted((*SAMPLED, ("b", "1 is odd")))
    again = {**graph, "c": step("Show", a=["b", 0], times=3), "4": step("Show", a=["3", 0], times=4)}
    assert sorted(run(again, process()).warnings) == sorted((*SAMPLED, ("b", "1 is odd")))


def test_what_nodes_inside_an_expansion_said(process: Process) -> None:
    graph = {
        "1": step("Load"),
        "2": step("Sample", model=["1", 0], seed=1),
        "t": step("Twice", a=["2", 0]),
        "s": step("Show", a=["t", 0]),
    }
    said = (*LOADED, ("t", "this is done twice"), ("t", "2 is odd"), ("t", "3 is odd"))
    assert sorted(run(graph, process()).warnings) == sorted(said)
    assert sorted(run(graph, process()).warnings) == sorted(said)
    below = {**graph, "s": step("Show", a=["t", 0], times=2)}
    assert sorted(run(below, process()).warnings) == sorted(said)
    other = {**graph, "t": step("Twice", a=["2", 0]), "o": step("Odd", a=["t", 0]), "s": step("Show", a=["o", 0])}
    for times in (1, 2):
        other["s"] = step("Show", a=["o", 0], times=times)
        assert sorted(run(other, process()).warnings) == sorted((*said, ("o", "3 is odd")))


def test_an_inner_node_that_is_served() -> None:
    start, cache = {"1": step("Load"), "2": step("Sample", model=["1", 0], seed=1)}, MemoryCache()
    run({**start, "3": step("Odd", a=["2", 0], more=1), "s": step("Show", a=["3", 0])}, cache)
    result = run({**start, "t": step("Twice", a=["2", 0]), "s": step("Show", a=["t", 0])}, cache)
    assert ("t", "2 is odd") in result.warnings and "t.0.0.first" not in result.timings


def test_it_is_known_when_the_entry_of_who_said_it_is_gone() -> None:
    memory, kept = MemoryCache(), MemoryCache()
    plan = run(sampled(), memory).plan
    for key in [key for key in memory._entries if key[-32:] == plan.nodes["3"].key.digest]:
        kept.put(key, memory._entries[key].entry)
    result = run({**sampled(), "4": step("Show", a=["3", 0], times=2)}, kept)
    assert (list(result.timings), result.warnings) == (["4"], SAMPLED)


def test_what_is_said_of_one_run_alone_is_not_kept(tmp_path: Path) -> None:
    """A file that is changed in mid-run: nothing of that goes into the cache."""

    @node(category="toy")
    def Touch(*, context: RunContext) -> Number:
        file.write_text("other")
        return 1

    @node(category="toy", fingerprint=lambda folders, constants: [file])
    def Read(*, a: Number, context: RunContext) -> Number:
        return len(file.read_text())

    file = tmp_path / "file"
    file.write_text("one")
    cache = MemoryCache()
    registry = Registry().add([Touch, Read, Show])
    graph = {"1": step("Touch"), "2": step("Read", a=["1", 0]), "3": step("Show", a=["2", 0])}
    first = weft.run(graph, registry=registry, cache=cache)
    assert "was changed after the run was planned" in first.warnings[0][1]
    for _ in range(2):
        assert weft.run(graph, registry=registry, cache=cache).warnings == ()


def test_the_cells_of_a_sweep_say_it(process: Process, sandbox: Path) -> None:
    nodes = Registry().add([Load, Sample, Odd, Twice, Show])
    for _ in range(2):
        heard: list[events.Event] = []
        session = Session(registry=nodes, cache=process(), output="out")
        for seed, times in ((1, 1), (2, 1), (1, 2)):
            cell = {**sampled(seed), "4": step("Show", a=["3", 0], times=times)}
            session.execute(session.plan(session.read(cell)), [heard.append])
        told = [(event.node_id, event.message) for event in heard if isinstance(event, events.NodeWarning)]
        assert told == [*SAMPLED, *LOADED, ("3", "2 is odd"), *SAMPLED]


def test_a_document_has_them(tmp_path: Path) -> None:
    entry = Entry((Weights(),), warnings=((b"d" * 32, "\ud800 é"), (b"e" * 32, "")))
    cache = DiskCache(tmp_path, warn=pytest.fail)
    cache.put(KEY, entry)
    found = got(cache)
    cache.close()
    assert found is not None and found.warnings == entry.warnings
