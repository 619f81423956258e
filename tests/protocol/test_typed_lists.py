"""Typed nodes with lists, and the core nodes that have them."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from weft import Registry, node
from weft.engine.context import RunContext
from weft.engine.links import Link, Linked
from weft.engine.schema.authoring import Output, UniqueId, WithLink, read_function
from weft.engine.schema.sockets import Int, Socket
from weft.engine.values import Values

from .conftest import Play

Number = Annotated[int, Socket("NUMBER")]


@node(category="test")
def Count(*, count: Annotated[int, Int()]) -> list[Number]:
    return list(range(count))


@node(category="test")
def Add(*, a: Number, b: Number = 0) -> Number:
    return a + b


@node(category="test")
def Sum(
    *, numbers: list[Number], times: Number = 1, more: list[Number] | None = None, me: UniqueId, context: RunContext
) -> tuple[Number, list[Annotated[int, Socket("NUMBER"), Output("each")]]]:
    assert (me, context.node_id) == ("3", "3")
    return sum(numbers) * times, [*numbers, *(more or [])]


@node(category="test")
def Where(*, a: Annotated[Linked, Socket("NUMBER"), WithLink()]) -> Number:
    assert a.link == Link("1", 0)
    return int(a.value)


@pytest.fixture
def registry() -> Registry:
    return Registry.discover().add([Count, Add, Sum, Where])


def test_what_is_declared() -> None:
    found = read_function(Sum)
    assert found.schema.input_is_list
    assert found.schema.to_object_info()["output_is_list"] == [False, True]
    assert [(out.name, out.is_list) for out in found.schema.outputs] == [("NUMBER", False), ("each", True)]
    assert found.single == {"times", "me", "context"}
    assert not read_function(Add).lists


def test_mapped(play: Play) -> None:
    nodes = {"1": ("Count", {"count": 3}), "2": ("Count", {"count": 2}), "3": ("Add", {"a": ["1", 0], "b": ["2", 0]})}
    assert play(nodes, ["3"])["3"] == (Values([0, 2, 3]),)


def test_whole(play: Play) -> None:
    nodes: dict[str, Any] = {"1": ("Count", {"count": 3}), "3": ("Sum", {"numbers": ["1", 0], "more": ["1", 0]})}
    assert play(nodes, ["3"])["3"] == (3, Values([0, 1, 2, 0, 1, 2]))


def test_of_a_list_for_one_value_the_first_counts_and_is_told(play: Play) -> None:
    nodes: dict[str, Any] = {
        "0": ("Count", {"count": 0}),
        "1": ("Count", {"count": 3}),
        "2": ("Add", {"a": ["1", 0], "b": ["1", 0]}),
        "3": ("Sum", {"numbers": ["0", 0], "times": ["2", 0], "more": ["1", 0]}),
    }
    result = play(nodes, ["3"])
    assert result["3"] == (0, Values([0, 1, 2]))
    assert result.warnings == (("3", "takes one value for 'times', and uses the first of the list that it got"),)


def test_a_value_with_its_link(play: Play) -> None:
    assert play({"1": ("Count", {"count": 2}), "2": ("Where", {"a": ["1", 0]})}, ["2"])["2"] == (Values([0, 1]),)


def test_rebatch(play: Play) -> None:
    nodes: dict[str, Any] = {
        "1": ("EmptyImage", {"width": 8, "height": 8, "batch_size": 5, "color": 0}),
        "2": ("RebatchImages", {"images": ["1", 0], "batch_size": 2}),
        "3": ("RebatchImages", {"images": ["2", 0], "batch_size": 3}),
        "4": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 3}),
        "5": ("RebatchLatents", {"latents": ["4", 0], "batch_size": 1}),
        "6": ("SaveImage", {"images": ["2", 0], "filename_prefix": "p"}),
    }
    result = play(nodes, ["2", "3", "5"])
    assert [len(batch) for batch in result["2"][0]] == [2, 2, 1]
    assert [len(batch) for batch in result["3"][0]] == [3, 2]
    assert [each["batch_index"] for each in result["5"][0]] == [[0], [1], [2]]
    assert [file.name for file in result.files] == [f"p_{number:05}_.png" for number in range(1, 6)]
    assert [each["filename"] for each in result.ui["6"]["images"]] == [file.name for file in result.files]
