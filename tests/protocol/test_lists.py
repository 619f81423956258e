"""Lists: a node is mapped over them, takes them whole, gives them."""

from __future__ import annotations

from typing import Any

import pytest

import weft
from weft import CancelToken, NodeError, Registry
from weft.engine.errors import Interrupted
from weft.engine.events import Progress
from weft.engine.values import Values

from .conftest import Play, graph_of
from .pack import CALLS

THREE = ("MakeList", {"count": 3})


def test_a_list_output(play: Play) -> None:
    assert play({"1": THREE}, ["1"])["1"] == (Values([0, 1, 2]),)


def test_a_list_of_one_is_its_value(play: Play) -> None:
    assert play({"1": ("MakeList", {"count": 1})}, ["1"])["1"] == (0,)


def test_a_node_is_called_for_each_value_and_shorter_lists_repeat_their_last(play: Play) -> None:
    nodes = {
        "1": THREE,
        "2": ("MakeList", {"count": 2}),
        "3": ("Join", {"a": ["1", 0], "b": ["2", 0], "c": 5}),
    }
    assert play(nodes, ["3"])["3"] == (Values(["00", "11", "21"]),)
    assert CALLS == [("Join", (0, 0, 5)), ("Join", (1, 1, 5)), ("Join", (2, 1, 5))]


def test_a_node_without_inputs_is_called_once(play: Play) -> None:
    assert play({"1": ("Nothing", {})}, ["1"])["1"] == (7,)
    assert CALLS == [("Nothing", ())]


def test_input_is_list(play: Play) -> None:
    nodes = {"1": THREE, "2": ("Make", {"value": 8}), "3": ("Whole", {"a": ["1", 0], "b": ["2", 0]})}
    assert play(nodes, ["3"])["3"] == (3, Values([0, 1, 2, 8]))
    assert CALLS[-1] == ("Whole", ([0, 1, 2], [8], ["3"]))


def test_output_is_list_strings_together_and_else_collects(play: Play) -> None:
    nodes = {"1": THREE, "2": ("Pairs", {"a": ["1", 0]})}
    assert play(nodes, ["2"])["2"] == (Values([0, 1, 2]), Values([0, 0, 1, -1, 2, -2]))


def test_what_output_is_list_does_not_speak_of_is_not_there(play: Play) -> None:
    nodes = {"1": ("Make", {"value": 8}), "2": ("Short", {"a": ["1", 0]}), "3": ("Show", {"value": ["2", 1]})}
    result = play(nodes, ["2"])
    assert result["2"] == (8, None)
    assert result.ui["3"] == {"shown": [None]}
    assert result.warnings == (("2", "returned 1 of 2 outputs: the others are None"),)


def test_ui_is_strung_together(play: Play) -> None:
    assert play({"1": THREE, "2": ("Show", {"value": ["1", 0]})}).ui == {"2": {"shown": [0, 1, 2]}}


def test_over_an_empty_list_nothing_is_called(play: Play) -> None:
    nodes = {
        "1": ("MakeList", {"count": 0}),
        "2": ("Join", {"a": ["1", 0], "b": "x"}),
        "3": ("Show", {"value": ["2", 0]}),
        "4": ("Whole", {"a": ["1", 0]}),
    }
    result = play(nodes, ["2", "4"])
    assert result["2"] == (Values(),)
    assert result["4"] == (0, Values())
    assert [name for name, _ in CALLS] == ["Whole"]
    assert result.ui == {}
    assert sorted(result.warnings) == [
        ("2", "was not called: its input 'a' is an empty list"),
        ("3", "was not called: its input 'value' is an empty list"),
    ]


def test_a_failure_says_which_call_it_was(play: Play) -> None:
    with pytest.raises(NodeError, match=r"RuntimeError: not this one \(call 2 of 3\)") as caught:
        play({"1": THREE, "2": ("Fails", {"a": ["1", 0]})}, ["2"])
    assert caught.value.inputs == {"a": "1"}


def test_what_is_declared_as_a_list_must_be_one(play: Play, registry: Any) -> None:
    class Wrong:
        INPUT_TYPES = classmethod(lambda cls: {})
        RETURN_TYPES = ("INT",)
        OUTPUT_IS_LIST = (True,)
        FUNCTION = "call"

        def call(self) -> Any:
            return (5,)

    registry.add({"Wrong": Wrong})
    with pytest.raises(NodeError, match=r"output 0 \(INT\) is declared as a list, the node returned a int"):
        play({"1": ("Wrong", {})}, ["1"])


def test_calls_of_a_coroutine_function_overlap(play: Play) -> None:
    assert play({"1": THREE, "2": ("Overlaps", {"a": ["1", 0]})}, ["2"])["2"] == (Values([0, 1, 2]),)
    said = [what for _, what in CALLS]
    assert said == [*(("begins", a) for a in (0, 1, 2)), *(("ends", a) for a in (2, 1, 0))]


def test_the_first_call_that_fails_ends_the_others(play: Play) -> None:
    with pytest.raises(NodeError, match=r"RuntimeError: not 1 \(call 2 of 3\)"):
        play({"1": THREE, "2": ("OverlapsAndFails", {"a": ["1", 0]})}, ["2"])
    assert [what for _, what in CALLS] == [("cancelled", 0), ("cancelled", 2)]


def test_a_list_of_a_link(play: Play) -> None:
    nodes = {"1": THREE, "2": ("RawWhole", {"a": ["1", 0], "b": ["1", 0]})}
    assert play(nodes, ["2"])["2"] == ("[['1', 0]]",)
    assert CALLS == [("RawWhole", ([["1", 0]], [0, 1, 2]))]


def test_the_progress_of_several_calls_is_one(registry: Registry) -> None:
    seen: list[Any] = []
    graph = graph_of({"1": THREE, "2": ("Reports", {"a": ["1", 0]})})
    weft.run(graph, registry=registry, targets=["2"], observers=[seen.append])
    assert [(event.value, event.total) for event in seen if isinstance(event, Progress)] == [
        (step, 6) for step in range(1, 7)
    ]


def test_what_all_calls_warn_of_is_said_once(play: Play) -> None:
    assert play({"1": THREE, "2": ("Reports", {"a": ["1", 0]})}, ["2"]).warnings == (("2", "reported"),)


def test_a_run_is_stopped_between_calls(registry: Registry) -> None:
    token = CancelToken()

    def stop(event: object) -> None:
        if isinstance(event, Progress) and event.value == 4:
            token.cancel()

    with pytest.raises(Interrupted):
        graph = graph_of({"1": THREE, "2": ("Reports", {"a": ["1", 0]})})
        weft.run(graph, registry=registry, targets=["2"], observers=[stop], cancel=token)


def test_calls_that_expand_and_calls_that_do_not(play: Play) -> None:
    nodes = {"1": ("MakeList", {"count": 5}), "2": ("Expands", {"a": ["1", 0]})}
    assert play(nodes, ["2"])["2"] == (Values([0, 1, 20, 3, 40]),)


def test_a_list_from_inside_an_expansion(play: Play) -> None:
    nodes = {"1": ("MakeList", {"count": 3}), "2": ("ExpandsIntoList", {"count": ["1", 0]})}
    assert play({"2": ("ExpandsIntoList", {"count": 3})}, ["2"])["2"] == (Values([0, 1, 2]),)
    with pytest.raises(NodeError, match=r"two calls expanded into a node '2.list'"):
        play(nodes, ["2"])


@pytest.mark.parametrize(
    ("what", "outputs", "warnings"),
    [
        ("tuple", (1, 2), ()),
        ("list", (1, 2), ()),
        ("dict", (1, 2), ()),
        ("None inside", (None, 2), ()),
        ("too few", (1, None), (("1", "returned 1 of 2 outputs: the others are None"),)),
        ("too many", (1, 2), ()),
        ("ui alone", (None, None), ()),
        ("nothing", (None, None), (("1", "returned 0 of 2 outputs: the others are None"),)),
    ],
)
def test_what_a_call_may_return(play: Play, what: str, outputs: tuple[Any, ...], warnings: tuple[Any, ...]) -> None:
    result = play({"1": ("Returns", {"what": what})}, ["1"])
    assert result["1"] == outputs
    assert result.warnings == warnings
