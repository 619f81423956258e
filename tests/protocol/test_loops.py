"""Expansion: ids, what shows what is inside, objects as inputs, recursion, loops of 1,000 rounds."""

from __future__ import annotations

import gc
from typing import Any

import pytest

import weft
from weft import MemoryCache, NodeError, Registry
from weft.engine import events
from weft.engine.schema.expansion import MAX_ID, GraphBuilder, inner_id

from .conftest import Play, graph_of
from .control import CONTROL
from .grown import GROWN, AddsTwo, Thing
from .loops import LOOPS, for_loop
from .pack import CALLS, NODE_CLASS_MAPPINGS


@pytest.fixture
def registry() -> Registry:
    return Registry().add(NODE_CLASS_MAPPINGS | CONTROL | LOOPS | GROWN)


def started(registry: Registry, nodes: dict[str, Any], *targets: str) -> list[events.NodeStarted]:
    seen: list[Any] = []
    weft.run(graph_of(nodes), registry=registry, targets=targets, observers=[seen.append])
    return [event for event in seen if isinstance(event, events.NodeStarted)]


def test_ids(registry: Registry) -> None:
    nodes = {"l": ("MakeList", {"count": 2}), "g": ("Grows", {"a": ["l", 0], "names": "x,,"})}
    ids = [event.node_id for event in started(registry, nodes, "g") if event.display_id]
    made = ["g.0.0.1", "g.0.0.x", "g.0.1.1", "g.1.0.1", "g.1.0.x", "g.1.1.1"]
    assert sorted(ids) == made, "node, call, graph, name or number"


def test_what_shows_what_is_inside(registry: Registry) -> None:
    nodes = {"o": ("Make", {"value": 1}), "g": ("GrowsElsewhere", {"a": ["o", 0], "display": "o", "depth": 1})}
    shown = {event.node_id: event.display_id for event in started(registry, nodes, "g")}
    assert shown == {"o": "", "g": "", "g.0.0.in": "o", "g.0.0.in.0.0.in": "o"}, "also of what is inside of that"


def test_an_id_must_be_new(registry: Registry) -> None:
    with pytest.raises(NodeError, match="expanded into a node 'o', an id that this run has already") as caught:
        weft.run(
            graph_of({"o": ("Make", {"value": 1}), "g": ("GrowsNamed", {"name": "o"})}),
            registry=registry,
            targets=["g", "o"],
        )
    assert type(caught.value.__cause__).__name__ == "DuplicateNodeError"
    assert caught.value.node_id == "g"


def test_inputs_inside_may_be_any_object(play: Play) -> None:
    assert play({"g": ("GrowsObject", {})}, ["g"])["g"] == ("an object of its own",)


def test_no_cache_keeps_an_object_that_was_an_input_inside(registry: Registry) -> None:
    cache = MemoryCache()
    result = weft.run(graph_of({"g": ("GrowsObject", {})}), registry=registry, targets=["g"], cache=cache)
    assert result["g"] == ("an object of its own",)
    CALLS.clear()
    gc.collect()
    assert not any(type(each) is Thing for each in gc.get_objects())


def test_output_nodes_inside_run(registry: Registry) -> None:
    result = weft.run(graph_of({"g": ("GrowsShown", {"a": 4})}), registry=registry, targets=["g"])
    assert (result["g"], result.ui["g"]) == ((4,), {"shown": [4]})


@pytest.mark.parametrize("rounds", [1, 4])
def test_a_for_loop(play: Play, rounds: int) -> None:
    assert play(for_loop(rounds), ["c"])["c"] == (1 + 2 * rounds, None)
    bodies = [what for kind, what in CALLS if kind == "Calculate" and what[1] == 2]
    assert bodies == [(1 + 2 * place, 2) for place in range(rounds)]


def test_a_loop_shows_the_nodes_of_the_workflow(registry: Registry) -> None:
    shown = started(registry, for_loop(4), "c")
    assert {event.display_id for event in shown} == {"", "o", "b", "c"}
    assert [event.class_type for event in shown].count("WhileClose") == 4


def test_what_finished_before_a_failure_is_kept(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, nodes = MemoryCache(), for_loop(4)
    nodes["b"] = ("AddsTwo", {"a": ["o", 2]})
    monkeypatch.setattr(AddsTwo, "fails_at", 5)
    with pytest.raises(NodeError, match="not 5") as caught:
        weft.run(graph_of(nodes), registry=registry, targets=["c"], cache=cache)
    assert (caught.value.node_id, caught.value.class_type) == ("b", "AddsTwo")
    assert "inside it node c.0.0.3.0.0.Again.0.0.c.0.0.3.0.0.b" in caught.value.where
    monkeypatch.undo()
    CALLS.clear()
    assert weft.run(graph_of(nodes), registry=registry, targets=["c"], cache=cache)["c"] == (9, None)
    assert [what for kind, what in CALLS if kind == "AddsTwo"] == [5, 7]


def test_a_thousand_rounds(registry: Registry) -> None:
    """Neither Python's recursion ends it, nor ids of a thousand names."""
    ids: set[str] = set()

    def watch(event: events.Event) -> None:
        if isinstance(event, events.NodeStarted):
            ids.add(event.node_id)

    rounds = 1000
    graph = graph_of(for_loop(rounds))
    assert weft.run(graph, registry=registry, targets=["c"], observers=[watch])["c"] == (1 + 2 * rounds, None)
    assert len(ids) > 6 * rounds, "all of them differ"
    assert max(map(len, ids)) <= MAX_ID


def test_an_id_that_is_too_long_is_cut_and_stays_one_of_its_own() -> None:
    long = "c.0.0.Again." * 40
    assert inner_id("c.0.0.", "x") == "c.0.0.x"
    assert len(inner_id(long, "x")) <= MAX_ID
    assert inner_id(long, "x") == inner_id(long, "x") != inner_id(long, "y")
    ref = GraphBuilder(long).add("Make", name="x")
    assert ref.node_id == inner_id(long, "x")


@pytest.mark.parametrize("kind", ["GrowsRound", "GrowsRoundLazily"])
def test_nodes_that_wait_for_each_other(registry: Registry, kind: str) -> None:
    """Where a graph that a node became is the fault, the error names the node of the workflow that shows it."""
    with pytest.raises(NodeError, match="wait for each other|waits for") as caught:
        weft.run(
            graph_of({"1": ("Make", {"value": 1}), "g": (kind, {"a": ["1", 0]})}), registry=registry, targets=["g"]
        )
    assert caught.value.node_id == "g"
    assert type(caught.value.__cause__).__name__ == "DependencyCycleError"
