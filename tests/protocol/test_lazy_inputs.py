"""Lazy inputs and check_lazy_status of V1 classes."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

import weft
from weft import NodeError, Registry
from weft.engine.session import Session
from weft.engine.values import Values

from .conftest import Play, graph_of
from .control import CONTROL
from .pack import CALLS, NODE_CLASS_MAPPINGS

ONE, NINE = ("Make", {"value": 1}), ("Make", {"value": 9})


@pytest.fixture
def registry() -> Registry:
    return Registry().add(NODE_CLASS_MAPPINGS | CONTROL)


def mixed(share: float, kind: str = "Mix") -> dict[str, Any]:
    return {"1": ONE, "2": NINE, "m": (kind, {"a": ["1", 0], "b": ["2", 0], "share": share})}


def made() -> list[Any]:
    return [what for kind, what in CALLS if kind == "Make"]


@pytest.mark.parametrize(("share", "made_", "given"), [(0.0, [1], 1), (1.0, [9], 9), (0.5, [1, 9], 5.0)])
def test_only_what_is_asked_for_runs(play: Play, share: float, made_: list[int], given: Any) -> None:
    assert play(mixed(share), ["m"])["m"] == (given,)
    assert made() == made_
    assert CALLS[0] == ("Mix", ("asked", None, None))


def test_an_async_check(play: Play) -> None:
    nodes = mixed(0.0, "MixLater") | {"n": ("MixLater", {"a": ["2", 0], "b": ["1", 0], "share": 0.0})}
    result = play(nodes, ["m", "n"])
    assert (result["m"], result["n"]) == ((1,), (9,))
    assert CALLS[:3] == [("MixLater", "begins to ask")] * 2 + [("MixLater", "has asked")], "they overlap"


def test_it_is_mapped_over_lists_as_a_call_is(play: Play) -> None:
    nodes = mixed(0.5) | {
        "s": ("MakeList", {"count": 2}),
        "m": ("Mix", {"a": ["1", 0], "b": ["2", 0], "share": ["s", 0]}),
    }
    assert play(nodes, ["m"])["m"] == (Values([1, 9]),)
    assert [what for kind, what in CALLS if kind == "Mix"] == [("asked", None, None)] * 2 + [("asked", 1, 9)] * 2


def test_a_lazy_input_may_be_a_list(play: Play) -> None:
    nodes = mixed(1.0) | {"2": ("MakeList", {"count": 3})}
    assert play(nodes, ["m"])["m"] == (Values([0, 1, 2]),)


@pytest.mark.parametrize("name", ["name", "me", "None", "b"])
def test_what_is_there_and_nothing_may_be_asked_for(play: Play, name: str) -> None:
    nodes = {"1": ONE, "m": ("AsksFor", {"name": name, "a": ["1", 0], "b": 3})}
    assert play(nodes, ["m"])["m"] == (None,), "a was not asked for"
    assert CALLS == [("AsksFor", "m")]


def test_an_input_that_was_not_given_is_an_error(registry: Registry) -> None:
    graph = graph_of({"1": ONE, "m": ("AsksFor", {"name": "b", "a": ["1", 0]})})
    with pytest.raises(NodeError, match="it asks for its input 'b', which it was not given") as caught:
        weft.run(graph, registry=registry, targets=["m"])
    assert (caught.value.node_id, caught.value.class_type) == ("m", "AsksFor")


def test_an_input_is_not_lazy_where_nothing_says_when_it_is_needed(play: Play) -> None:
    assert play({"1": ONE, "m": ("NeverAsks", {"a": ["1", 0]})}, ["m"])["m"] == (1,)


def test_inputs_that_a_section_claims_may_be_lazy(play: Play) -> None:
    nodes = {"1": ONE, "2": NINE, "s": ("Select", {"which": 2, "input1": ["1", 0], "input2": ["2", 0]})}
    assert play(nodes, ["s"])["s"] == (9,)
    assert CALLS == [("Make", 9), ("Select", ["input2"])]


def test_nothing_is_remembered_for_gradients(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_grad() -> AbstractContextManager[None]:
        CALLS.append(("torch", "no gradients"))
        return nullcontext()

    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(no_grad=no_grad))
    weft.run(graph_of({"1": ONE}), registry=registry, targets=["1"])
    assert CALLS == [("torch", "no gradients"), ("Make", 1)]


def test_the_object_that_is_asked_is_the_one_that_is_called(registry: Registry) -> None:
    graph = graph_of({"1": ("MakeList", {"count": 3}), "2": ONE, "c": ("Counts", {"a": ["1", 0], "b": ["2", 0]})})
    result = weft.run(graph, registry=registry, targets=["c"])
    assert result["c"] == (Values([301, 302, 303]),)


def test_an_object_stays_while_its_node_does(registry: Registry) -> None:
    session = Session(registry=registry)
    graph = graph_of({"1": ONE, "c": ("Counts", {"a": ["1", 0]}), "d": ("Counts", {"a": ["1", 0]})})

    def run(graph: Any, target: str) -> Any:
        return session.execute(session.plan(session.read(graph), [target]))[target][0]

    assert [run(graph, "c"), run(graph, "c"), run(graph, "d"), run(graph, "c")] == [101, 202, 101, 303]
    assert run(graph_of({"1": ONE, "d": ("Counts", {"a": ["1", 0]})}), "d") == 202
    assert run(graph, "c") == 101, "in between there was no such node"
    other = graph | graph_of({"c": ("Make", {"value": 4})})
    assert (run(other, "c"), run(graph, "c")) == (4, 101), "in between it was of another class"
    assert weft.run(graph, registry=registry, targets=["c"])["c"] == (101,), "another session has its own"
