"""VALIDATE_INPUTS of V1 classes, by their signatures."""

from __future__ import annotations

from typing import Any

import pytest

import weft
from weft import InvalidWorkflow, Registry
from weft.engine.errors import Issue

from .conftest import graph_of
from .control import CONTROL
from .pack import CALLS, NODE_CLASS_MAPPINGS


@pytest.fixture
def registry() -> Registry:
    return Registry().add(NODE_CLASS_MAPPINGS | CONTROL)


def issues(registry: Registry, kind: str, **inputs: Any) -> list[Issue]:
    nodes = {"1": ("Make", {"value": 7}), "2": ("MakeFloat", {}), "3": ("MakeText", {})}
    return weft.validate(graph_of({**nodes, "c": (kind, {"a": 1, "b": 1} | inputs)}), registry=registry)


@pytest.mark.parametrize("kind", ["Checks", "ChecksLater"])
def test_the_inputs_that_it_names_are_its_own_affair(registry: Registry, kind: str) -> None:
    assert issues(registry, kind, a=6) == [], "beyond the maximum, which it does not mind"
    assert [(kind, ("checked", 6))] == CALLS, "once"
    assert [issue.code for issue in issues(registry, kind, b=6)] == ["value_bigger_than_max"]


@pytest.mark.parametrize("kind", ["Checks", "ChecksLater"])
@pytest.mark.parametrize(
    ("value", "code", "details"),
    [
        (7, "custom_validation_failed", "seven will not do"),
        (8, "custom_validation_failed", ""),
        (9, "exception_during_validation", "ValueError: nine"),
    ],
)
def test_what_it_says_is_told_with_the_node(registry: Registry, kind: str, value: int, code: str, details: str) -> None:
    (issue,) = issues(registry, kind, a=value)
    assert (issue.code, issue.node_id, issue.class_type, issue.input) == (code, "c", kind, "a")
    assert issue.details == details


def test_a_constant_comes_as_it_is_converted_and_a_link_as_none(registry: Registry) -> None:
    assert issues(registry, "Checks", a="3") == []
    assert issues(registry, "Checks", a=["1", 0]) == []
    assert CALLS == [("Checks", ("checked", 3)), ("Checks", ("checked", None))]


def test_with_kwargs_it_looks_at_all(registry: Registry) -> None:
    assert issues(registry, "ChecksAll", a=99, b=["1", 0], choice="z", stray=5) == []
    assert CALLS == [("ChecksAll", {"a": 99, "b": None, "choice": "z", "me": "c", "prompt": {}})]
    (issue,) = issues(registry, "ChecksAll", a=7)
    assert (issue.input, issue.details) == (None, "seven will not do"), "which of them it is, it does not say"


def test_a_value_must_still_be_of_its_type(registry: Registry) -> None:
    assert [issue.code for issue in issues(registry, "Checks", a="many")] == ["invalid_input_type"]
    assert CALLS == [], "of what cannot be converted it is not asked"


def test_input_types(registry: Registry) -> None:
    assert issues(registry, "ChecksTypes", a=["2", 0], b=["1", 0]) == []
    assert CALLS == [("ChecksTypes", {"a": "FLOAT", "b": "*"})]
    assert [issue.code for issue in issues(registry, "Checks", a=["2", 0])] == ["return_type_mismatch"]
    (issue,) = issues(registry, "ChecksTypes", a=["3", 0])
    assert (issue.code, issue.node_id) == ("custom_validation_failed", "c")
    assert [issue.code for issue in issues(registry, "ChecksTypes", b=6)] == ["value_bigger_than_max"]


def test_one_that_looks_at_nothing_is_not_called(registry: Registry) -> None:
    assert issues(registry, "ChecksNothing") == []


def test_one_that_takes_lists_gets_lists(registry: Registry) -> None:
    assert issues(registry, "ChecksLists", a=4, b=["1", 0]) == []
    assert CALLS == [("ChecksLists", ([4], [None]))]


def test_it_is_called_once_before_anything_runs(registry: Registry) -> None:
    graph = graph_of({"1": ("Make", {"value": 1}), "c": ("Checks", {"a": 1, "b": ["1", 0]})})
    weft.run(graph, registry=registry, targets=["c"])
    assert CALLS == [("Checks", ("checked", 1)), ("Make", 1)]
    CALLS.clear()
    with pytest.raises(InvalidWorkflow, match="seven will not do"):
        weft.run(graph | graph_of({"c": ("Checks", {"a": 7, "b": ["1", 0]})}), registry=registry, targets=["c"])
    assert CALLS == [("Checks", ("checked", 7))]


def test_a_description_is_not_asked(registry: Registry) -> None:
    graph = graph_of({"c": ("Checks", {"a": 7, "b": 1})})
    described = Registry().add_object_info({"Checks": registry["Checks"].to_object_info()})
    assert [issue.code for issue in weft.validate(graph, registry=described)] != []
