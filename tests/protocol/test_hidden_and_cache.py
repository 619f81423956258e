"""Hidden inputs; IS_CHANGED, NOT_IDEMPOTENT, ids and objects in cache keys."""

from __future__ import annotations

from typing import Any

import pytest

import weft
from weft import MemoryCache, NodeError, Registry, RunResult
from weft.engine.running.dynprompt import DynamicPrompt, NodeNotFoundError

from .conftest import graph_of
from .control import CONTROL, Changes
from .grown import GROWN
from .pack import CALLS, NODE_CLASS_MAPPINGS


@pytest.fixture
def registry() -> Registry:
    return Registry().add(NODE_CLASS_MAPPINGS | CONTROL | GROWN)


@pytest.fixture
def run(registry: Registry) -> Any:
    cache = MemoryCache()

    def run(nodes: dict[str, Any], *targets: str) -> RunResult:
        CALLS.clear()
        return weft.run(graph_of(nodes), registry=registry, targets=targets, cache=cache)

    return run


def test_hidden_values(run: Any) -> None:
    nodes = {"h": ("Hidden", {"a": 3, "beside": 5}), "unused": ("Make", {"value": 1})}
    assert run(nodes, "h")["h"] == (5,), "one that is no value of the engine's comes as any other input"
    ((_, hidden),) = CALLS
    graph = hidden.pop("graph")
    assert list(hidden.pop("extra")) == ["workflow"]
    assert hidden == {"prompt": graph_of(nodes), "me": "h", "token": None, "key": None, "beside": 5}
    assert isinstance(graph, DynamicPrompt)
    assert graph.get_node("h") == {"class_type": "Hidden", "inputs": {"a": 3, "beside": 5}}
    assert (graph.has_node("unused"), graph.has_node("x")) == (True, False)
    assert graph.all_node_ids() == {"h", "unused"}
    assert graph.get_original_prompt() == graph_of(nodes)
    assert (graph.get_parent_node_id("h"), graph.get_real_node_id("h"), graph.get_display_node_id("h")) == (
        None,
        "h",
        "h",
    )
    for ask in (graph.get_node, graph.get_parent_node_id, graph.get_real_node_id, graph.get_display_node_id):
        with pytest.raises(NodeNotFoundError, match="no node 'x'"):
            ask("x")


def test_hidden_inputs_may_be_linked(run: Any) -> None:
    assert run({"1": ("Make", {"value": 8}), "h": ("Hidden", {"a": 1, "beside": ["1", 0]})}, "h")["h"] == (8,)


def test_the_graph_shows_what_nodes_became(run: Any) -> None:
    run({"g": ("GrowsHidden", {"a": 2})}, "g")
    graph = next(what for kind, what in CALLS if kind == "Hidden")["graph"]
    inner = "g.0.0.in"
    assert graph.get_node(inner)["class_type"] == "Hidden"
    assert graph.get_node(inner)["inputs"] == {"a": 2, "beside": ["g.0.0.made", 0]}
    assert (graph.get_parent_node_id(inner), graph.get_real_node_id(inner)) == ("g", "g")
    assert graph.get_display_node_id(inner) == "g"
    assert graph.all_node_ids() == {"g", inner, "g.0.0.made"}
    assert list(graph.get_original_prompt()) == ["g"]


CHANGES = {"1": ("Make", {"value": 1}), "c": ("Changes", {"a": ["1", 0], "b": 3}), "t": ("Text", {"a": ["c", 0]})}


def called() -> list[str]:
    return [kind for kind, _ in CALLS if kind != "IS_CHANGED"]


def test_is_changed_gets_constants_once_and_links_as_none(run: Any) -> None:
    run(CHANGES, "t")
    assert CALLS == [("IS_CHANGED", {"a": None, "b": 3, "me": "c"}), ("Make", 1), ("Changes", 1)]
    run(CHANGES, "t")
    assert CALLS == [("IS_CHANGED", {"a": None, "b": 3, "me": "c"})]


def test_what_is_changed_says_is_in_the_key(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer, expected in ((1, ["Make", "Changes"]), (1, []), (2, ["Changes"]), (1, []), ([1, "x"], ["Changes"])):
        monkeypatch.setattr(Changes, "answer", answer)
        run(CHANGES, "t")
        assert called() == expected


@pytest.mark.parametrize(
    ("answer", "warned"), [(float("nan"), False), (ValueError("no file"), True), (object(), False)]
)
def test_what_never_matches_is_called_each_time(
    run: Any, monkeypatch: pytest.MonkeyPatch, answer: Any, warned: bool
) -> None:
    monkeypatch.setattr(Changes, "answer", answer)
    for expected in (["Make", "Changes"], ["Changes"]):
        result = run(CHANGES, "t")
        assert called() == expected
        said = "IS_CHANGED raised ValueError: no file; the node is called in every run"
        assert result.warnings == ((("c", said),) if warned else ())


@pytest.mark.parametrize(
    ("kind", "hits"),
    [("Mapped", True), ("NotIdempotent", False), ("Whole", False)],
    ids=["plain", "marked", "by its id"],
)
def test_the_same_under_other_ids(run: Any, kind: str, hits: bool) -> None:
    """Whole has a UNIQUE_ID."""
    run({"1": ("Make", {"value": 1}), "2": (kind, {"a": ["1", 0]})}, "2")
    CALLS.clear()
    run({"x": ("Make", {"value": 1}), "y": (kind, {"a": ["x", 0]})}, "y")
    assert called() == ([] if hits else [kind])
    run({"x": ("Make", {"value": 1}), "y": (kind, {"a": ["x", 0]}), "z": (kind, {"a": ["x", 0]})}, "y", "z")
    assert called() == ([] if hits else [kind])


def test_an_object_in_an_expansion_matches_nothing(run: Any) -> None:
    nodes = {"g": ("GrowsObject", {}), "t": ("Text", {"a": ["g", 0]})}
    run(nodes, "t")
    run(nodes, "t")
    assert called() == [], "outside, the key says nothing of what is inside"
    run({"g": ("GrowsObject", {"number": 2})}, "g")
    assert called() == ["Make", "Text"], "inside it matches nothing, and so does what takes from it"


def test_what_finished_before_a_failure_is_kept(run: Any) -> None:
    nodes = {"1": ("Make", {"value": 1}), "2": ("Make", {"value": 2}), "f": ("Fails", {"a": ["1", 0]})}
    with pytest.raises(NodeError):
        run(nodes | {"j": ("Join", {"a": ["2", 0], "b": ["f", 0]})}, "j")
    assert called() == ["Make", "Make"]
    run(nodes | {"j": ("Join", {"a": ["2", 0], "b": ["1", 0]})}, "j")
    assert called() == ["Join"]
