"""Types that say themselves what they are equal to, and inputs that a class does not list."""

from __future__ import annotations

import json
from typing import Any

import pytest

import weft
from weft import InvalidWorkflow, Registry
from weft.engine.schema.sockets import Int, type_name
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import undeclared

from .conftest import Play, graph_of
from .pack import CALLS, Any_, Kinds


def test_any_type_fits_both_ways(play: Play) -> None:
    nodes = {
        "1": ("ImageOut", {}),
        "2": ("AnyIn", {"a": ["1", 0]}),
        "3": ("Numbers", {"a": 3, "b": ["4", 0]}),
        "4": ("FloatOut", {}),
        "5": ("AnyIn", {"a": ["3", 0]}),
    }
    result = play(nodes, ["2", "5"])
    assert (result["2"], result["5"]) == (("picture",), (3.5,))


def test_a_type_of_an_enum_has_its_widget_and_its_checks(registry: Registry) -> None:
    socket = registry["Numbers"].by_name["a"].socket
    assert isinstance(socket, Int)
    assert (type_name(socket.io_type), socket.io_type is Kinds.INT) == ("INT", True)
    info = json.loads(json.dumps(registry["Numbers"].to_object_info()))
    assert info["input"]["required"]["b"][0] == "INT,FLOAT"
    assert (info["output"], info["output_name"]) == (["INT"], ["INT"])
    assert [
        issue.code
        for issue in weft.validate(
            graph_of({"1": ("Numbers", {"a": -1, "b": ["2", 0]}), "2": ("FloatOut", {})}),
            registry=registry,
            targets=["1"],
        )
    ] == ["value_smaller_than_min"]


@pytest.mark.parametrize(("source", "fits"), [("FloatOut", True), ("ImageOut", False)])
def test_types_of_several_kinds(registry: Registry, source: str, fits: bool) -> None:
    graph = graph_of({"1": (source, {}), "2": ("Numbers", {"a": 1, "b": ["1", 0]})})
    codes = [issue.code for issue in weft.validate(graph, registry=registry, targets=["2"])]
    assert codes == ([] if fits else ["return_type_mismatch"])


def test_inputs_that_a_section_claims(play: Play) -> None:
    nodes = {
        "1": ("Make", {"value": 8}),
        "2": ("TakesAnything", {"listed": "4", "lora_1": {"on": True, "strength": 0.5}, "more": ["1", 0]}),
    }
    found = [("listed", 4), ("lora_1", {"on": True, "strength": 0.5}), ("more", 8)]
    result = play(nodes, ["2"])
    assert result["2"] == (found,)
    assert result.warnings == ()
    nodes["2"][1]["lora_1"]["strength"] = 0.75
    assert play(nodes, ["2"])["2"][0][1] == ("lora_1", {"on": True, "strength": 0.75}), "it is in the key"


def test_outputs_past_the_last_one_that_is_declared(play: Play, registry: Registry) -> None:
    nodes: dict[str, Any] = {
        "1": ("GivesAsMany", {"a": 1, "b": "two", "c": 3}),
        "2": ("TakesAnything", {"x": ["1", 2], "y": ["1", 1], "z": ["1", 0]}),
    }
    result = play(nodes, ["2"])
    assert result["2"] == ([("x", 3), ("y", "two"), ("z", 1)],) and result.warnings == ()
    nodes["1"][1].pop("c")
    result = play(nodes, ["2"])
    assert result["2"] == ([("x", None), ("y", "two"), ("z", 1)],)
    assert result.warnings == (("1", "returned 2 of 3 outputs: the others are None"),)
    assert registry["GivesAsMany"].to_object_info()["output_name"] == ["first"]
    nodes["2"][1]["x"] = ["1", 4096]
    with pytest.raises(InvalidWorkflow, match="has no output slot 4096"):
        play(nodes, ["2"])


def test_checks_are_told_what_a_section_claims(registry: Registry) -> None:
    nodes = {"1": ("Make", {"value": 8}), "2": ("LooksAtAll", {"lora": {"on": True}, "more": ["1", 0]})}
    weft.run(graph_of(nodes), registry=registry, targets=["2"])
    given = {"lora": {"on": True}, "more": None, "me": "2"}
    assert [call for call in CALLS if call[0] != "Make"] == [("VALIDATE_INPUTS", given), ("IS_CHANGED", given)]


def test_a_hidden_input_that_is_given(play: Play) -> None:
    assert play({"1": ("HiddenGiven", {"start": 5})}, ["1"])["1"] == ((5, "1", []),)
    nodes = {"1": ("Make", {"value": 8}), "2": ("HiddenGiven", {"start": ["1", 0], "undeclared": ["1", 0], "lost": 3})}
    assert play(nodes, ["2"])["2"] == ((8, "2", ["undeclared"]),), "an undeclared link is given, a constant is not"
    assert play({"1": ("HiddenGiven", {})}, ["1"])["1"] == ((None, "1", []),)


def test_what_is_claimed_is_not_called_undeclared(registry: Registry) -> None:
    def said(kind: str) -> list[str]:
        return [issue.code for issue in undeclared(Prompt.parse(graph_of({"1": (kind, {"extra": 1})})), registry)]

    assert (said("TakesAnything"), said("HiddenGiven")) == ([], ["undeclared_input"])


def test_a_link_to_what_is_not_there(registry: Registry) -> None:
    with pytest.raises(InvalidWorkflow, match="Linked node '9' does not exist"):
        weft.run(graph_of({"1": ("TakesAnything", {"extra": ["9", 0]})}), registry=registry, targets=["1"])


def test_the_odd_type_is_itself() -> None:
    assert not Any_("A") != "B"  # noqa: SIM202
