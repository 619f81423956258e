"""Packs that do what no manual says, as ComfyUI lets them: with the classic cache, and with the other."""

from __future__ import annotations

from typing import Any

import pytest

from .talk import Client, graph, image
from .test_execution import pixels, saved


def test_types_that_compare_as_they_like_and_checks_that_are_plain_functions(client: Client) -> None:
    nodes: dict[str, Any] = {"one": image(height=50), "any": ("TestPasses", {"value": "@one"})}
    ran = client.run(saved("any", **nodes, last=("TestPassesPictures", {"value": "@any"})))
    assert pixels(client, ran, "out") == [255]
    number = ("StubInt", {"value": 1})
    answer = client.post(saved("any", one=number, last=("TestPassesPictures", {"value": "@one"})))
    [error] = answer.json["node_errors"]["last"]["errors"]
    assert (error["type"], error["details"]) == ("custom_validation_failed", "input_types - wrong types: ['value']")
    answer = client.post(saved("any", one=image(), last=("TestPassesPictures", {"value": "@one", "count": 4})))
    assert [each["type"] for each in answer.json["node_errors"]["last"]["errors"]] == ["value_bigger_than_max"]


@pytest.mark.parametrize(("kind", "again"), [("TestRaisesWhenAsked", ["last", "out"]), ("TestAnswersLater", [])])
def test_whether_it_has_changed_may_be_an_error_or_come_later(client: Client, kind: str, again: list[str]) -> None:
    prompt = saved("asked", one=image(height=51), last=(kind, {"image": "@one"}))
    client.run(prompt)
    assert client.run(prompt).executed == again


def test_a_list_is_gathered_and_spread(client: Client) -> None:
    made = ("TestMakeListNode", {"value1": 0.0, "value2": 1.0})
    prompt = saved(
        "gathered", made=made, all=("TestGathers", {"values": "@made", "number": 3}),
        last=("TestSpreads", {"gathered": "@all"}),
    )  # fmt: skip
    prompt |= graph(count=("TestWhere", {"number": ["all", 1]}))
    ran = client.run(prompt)
    assert pixels(client, ran, "out") == [0, 255]
    assert ran.entry["outputs"]["count"]["number"] == [2]
    del prompt["all"]["inputs"]["number"]
    [error] = client.post(prompt).json["node_errors"]["all"]["errors"]
    assert (error["type"], error["details"]) == ("required_input_missing", "number"), "a default is the editor's affair"


def test_a_loop_in_a_loop(client: Client) -> None:
    prompt = saved(
        "nested", start=image("BLACK"), step=image("WHITE"),
        outer=("TestForLoopOpen", {"remaining": 2, "initial_value1": "@start"}),
        inner=("TestForLoopOpen", {"remaining": 2, "initial_value1": ["outer", 2]}),
        mean=("TestVariadicAverage", {"input1": "@step", "input2": ["inner", 2]}),
        close=("TestForLoopClose", {"flow_control": "@inner", "initial_value1": "@mean"}),
        last=("TestForLoopClose", {"flow_control": "@outer", "initial_value1": "@close"}),
    )  # fmt: skip
    ran = client.run(prompt)
    assert pixels(client, ran, "out")[0] == pytest.approx(255 * (1 - 0.5**4), abs=1.5)
    assert client.run(prompt).executed == []


def test_an_id_that_is_there_is_the_expanding_nodes_error(client: Client) -> None:
    ran = client.run(saved("same", one=image(height=52), last=("TestSameId", {"image": "@one"})))
    assert (ran.error["node_id"], ran.error["exception_type"]) == ("last", "graph_utils.DuplicateNodeError")


def test_an_expansion_may_come_later(client: Client) -> None:
    prompt = saved("later", one=image(height=53), last=("TestGrowsLater", {"image": "@one"}))
    ran = client.run(prompt)
    assert pixels(client, ran, "out") == [255]
    assert [each["node"] for each in ran.said("executing")].count("last") == 1, "what is resumed starts no second time"
    assert client.run(prompt).executed == []


def test_calls_know_where_they_are(client: Client) -> None:
    ran = client.run(
        graph(
            many=("TestCounts", {}), more=("TestAddsLater", {"number": "@many"}),
            shown=("TestWhere", {"number": "@more"}), one=("TestWhere", {"number": ["many", 1]}),
            quiet=("TestNothing", {"number": "@many"}),
        )
    )  # fmt: skip
    assert ran.entry["outputs"] == {
        "shown": {"number": [2, 3, 4], "node": ["shown"] * 3, "place": [0, 1, 2]},
        "one": {"number": [5], "node": ["one"], "place": [0]},
    }
    assert ran.entry["status"]["status_str"] == "success"


def test_classes_of_the_third_version(client: Client) -> None:
    given = {"a": "@one", "b": "@two", "first": True}
    prompt = saved("third", one=image(height=54), two=image("BLACK", height=54), last=("TestThird", given))
    ran = client.run(prompt)
    assert pixels(client, ran, "out") == [255]
    assert "two" not in ran.executed
    assert ran.entry["outputs"]["last"] == {"me": ["last"], "prompt": [sorted(prompt)]}
    assert client.run(prompt).entry["outputs"] == ran.entry["outputs"]
    ran = client.run(saved("third", one=image(height=54), last=("TestThirdBlocks", {"image": "@one"})))
    assert (ran.error["node_id"], ran.error["exception_message"]) == ("out", "Execution Blocked: not now")
    assert ran.entry["status"]["status_str"] == "success"
