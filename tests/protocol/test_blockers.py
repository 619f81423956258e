"""Blocked values: what takes one is not called, and the run goes on."""

from __future__ import annotations

from typing import Any

import pytest

import weft
from weft import Registry
from weft.engine.events import NodeBlocked, NodeWarning
from weft.engine.terminal.words import shown
from weft.engine.values import ExecutionBlocker, Values

from .conftest import Play, graph_of
from .pack import CALLS

STOP = ("Block", {"value": 5, "at": 5, "message": "no more"})
BLOCKED = ExecutionBlocker(None)


def test_consumers_are_not_called_and_blocked_outputs_travel(play: Play) -> None:
    nodes = {
        "1": STOP,
        "2": ("Join", {"a": ["1", 0], "b": "x"}),
        "3": ("Join", {"a": ["2", 0], "b": "y"}),
        "4": ("Show", {"value": ["3", 0]}),
        "5": ("Show", {"value": "shown"}),
    }
    result = play(nodes, ["1", "2", "3"])
    assert CALLS == [("Show", "shown")]
    assert result["1"] == (ExecutionBlocker("no more"),)
    assert (result["2"], result["3"]) == ((BLOCKED,), (BLOCKED,)), "the message is reported once"
    assert result.warnings == (("2", "was not called: no more"),)
    assert result.status == "done"
    assert result.ui == {"5": {"shown": ["shown"]}}
    assert result.blocked == {"2": 1, "3": 1, "4": 1}
    assert result.to_json()["blocked"] == {"2": 1, "3": 1, "4": 1}


def test_each_that_takes_it_says_so(play: Play) -> None:
    nodes = {"1": STOP, "2": ("Show", {"value": ["1", 0]}), "3": ("Show", {"value": ["1", 0], "beside": 1})}
    warnings = play(nodes).warnings
    assert sorted(warnings) == [("2", "was not called: no more"), ("3", "was not called: no more")]


def test_without_a_message_nothing_is_said(play: Play) -> None:
    result = play({"1": ("Block", {"value": 5, "at": 5}), "2": ("Show", {"value": ["1", 0]})})
    assert (result.warnings, result.ui, result.blocked) == ((), {}, {"2": 1})


def test_a_person_is_told(play: Play, registry: Registry) -> None:
    nodes = {
        "1": ("MakeList", {"count": 3}),
        "2": ("Block", {"value": ["1", 0], "at": 1}),
        "3": ("Show", {"value": ["2", 0]}),
        "4": ("Block", {"value": 5, "at": 5}),
        "5": ("Show", {"value": ["4", 0]}),
    }
    result = play(nodes)
    told = {node_id: list(shown(node_id, registry["Show"], result)) for node_id in ("3", "5")}
    assert told == {
        "3": ["blocked: 1 of its calls were not made"],
        "5": ["blocked: it was not called, and wrote nothing"],
    }


def test_events(registry: Registry) -> None:
    seen: list[Any] = []
    nodes = {"1": ("MakeList", {"count": 3}), "2": ("Block", {"value": ["1", 0], "at": 1, "message": "not 1"})}
    graph = graph_of({**nodes, "3": ("Show", {"value": ["2", 0]})})
    weft.run(graph, registry=registry, observers=[seen.append])
    assert [event for event in seen if isinstance(event, NodeBlocked | NodeWarning)] == [
        NodeBlocked("3", "Show", "Show", ("not 1",), 1, 3),
        NodeWarning("3", "1 of 3 calls were not made: not 1", title="Show"),
    ]


def test_of_a_list_what_is_blocked_is_left_out(play: Play) -> None:
    nodes = {
        "1": ("MakeList", {"count": 3}),
        "2": ("Block", {"value": ["1", 0], "at": 1, "message": "not 1"}),
        "3": ("Join", {"a": ["2", 0], "b": "x"}),
        "4": ("Show", {"value": ["3", 0]}),
    }
    result = play(nodes, ["2", "3"])
    assert result["2"] == (Values([0, ExecutionBlocker("not 1"), 2]),)
    assert result["3"] == (Values(["0x", BLOCKED, "2x"]),)
    assert result.ui == {"4": {"shown": ["0x", "2x"]}}
    assert result.blocked == {"3": 1, "4": 1}
    assert result.warnings == (("3", "1 of 3 calls were not made: not 1"),)


def test_one_blocked_value_blocks_a_call_that_takes_lists(play: Play) -> None:
    nodes = {
        "1": ("MakeList", {"count": 3}),
        "2": ("Block", {"value": ["1", 0], "at": 1, "message": "not 1"}),
        "3": ("Whole", {"a": ["2", 0]}),
    }
    result = play(nodes, ["3"])
    assert result["3"] == (BLOCKED, BLOCKED), "a list output keeps one blocked value"
    assert CALLS == []
    assert result.warnings == (("3", "was not called: not 1"),)


def test_a_blocked_value_in_a_list_output_is_one_value(play: Play) -> None:
    nodes = {
        "1": ("MakeList", {"count": 3}),
        "2": ("Block", {"value": ["1", 0], "at": 1}),
        "3": ("Pairs", {"a": ["2", 0]}),
    }
    assert play(nodes, ["3"])["3"] == (Values([0, BLOCKED, 2]), Values([0, 0, BLOCKED, 2, -2]))


@pytest.mark.parametrize("in_dict", [False, True])
def test_one_that_stands_for_all_outputs(play: Play, in_dict: bool) -> None:
    result = play({"1": ("BlockAll", {"message": "all", "in_dict": in_dict})}, ["1"])
    assert result["1"] == (ExecutionBlocker("all"), ExecutionBlocker("all"))


def test_an_expansion_with_a_blocked_output_node_inside(play: Play) -> None:
    nodes = {"1": STOP, "2": ("ExpandsIntoShow", {"value": ["1", 0]})}
    result = play(nodes, ["2"])
    assert result.blocked == {"2": 1}
    assert result.ui == {}


def test_a_blocked_output_node_writes_nothing(play: Play, registry: Registry) -> None:
    registry.add({name: "weft.nodes.core.image:" + name for name in ("EmptyImage", "SaveImage")})
    nodes: dict[str, Any] = {
        "1": ("EmptyImage", {"width": 8, "height": 8, "batch_size": 1, "color": 0}),
        "2": ("BlockAll", {"message": "nothing to save"}),
        "3": ("SaveImage", {"images": ["2", 0], "filename_prefix": "p"}),
    }
    result = play(nodes)
    assert (result.files, result.ui, result.blocked) == ((), {}, {"3": 1})
    assert result.warnings == (("3", "was not called: nothing to save"),)
