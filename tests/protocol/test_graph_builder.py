"""comfy_execution.graph_utils, as packs use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from weft.nodes.compat.modules.comfy_execution.graph_utils import GraphBuilder, add_graph_prefix, is_link


@pytest.fixture(autouse=True)
def numbering() -> Iterator[None]:
    """Outside of a node the numbering is the class's own."""
    GraphBuilder.set_default_prefix("", 0, 0)
    yield
    GraphBuilder.set_default_prefix("", 0, 0)


@pytest.mark.parametrize(
    ("value", "link"),
    [
        (["4", 0], True), (["4", 0.0], True), ([4, 0], False), (["4"], False), (["4", 0, 1], False), (("4", 0), False),
        ("40", False), (["4", "0"], False),
    ],
)  # fmt: skip
def test_is_link(value: Any, link: bool) -> None:
    assert is_link(value) is link


def test_a_graph_node_by_node() -> None:
    graph = GraphBuilder(prefix="p.")
    one = graph.node("Make", value=1)
    two = graph.node("Join", "two", a=one.out(0), b=None)
    assert graph.node("Another", "two") is two, "the first of an id is the one"
    assert (graph.lookup_node("two"), graph.lookup_node("three")) == (two, None)
    assert (two.get_input("a"), two.get_input("c")) == (["p.1", 0], None)
    two.set_input("b", 5)
    two.set_input("c", 6)
    two.set_input("c", None)
    two.set_input("never", None)
    two.set_override_display_id("9")
    assert graph.finalize() == {
        "p.1": {"class_type": "Make", "inputs": {"value": 1}},
        "p.two": {"class_type": "Join", "inputs": {"a": ["p.1", 0], "b": 5}, "override_display_id": "9"},
    }


def test_edits() -> None:
    graph = GraphBuilder(prefix="")
    one = graph.node("Make", "one")
    graph.node("Join", "x", a=one.out(0), b=one.out(1), c=7)
    graph.replace_node_output("one", 0, ["elsewhere", 2])
    graph.replace_node_output("one", 1, None)
    graph.remove_node("one")
    assert graph.finalize() == {"x": {"class_type": "Join", "inputs": {"a": ["elsewhere", 2], "c": 7}}}
    with pytest.raises(KeyError):
        graph.remove_node("one")


def test_prefixes_outside_of_a_node() -> None:
    GraphBuilder.set_default_prefix("12", 3)
    assert [GraphBuilder().prefix for _ in range(2)] == ["12.3.0.", "12.3.1."]
    assert GraphBuilder.alloc_prefix("x", 1, 2) == "x.1.2."


def test_a_prefix_for_a_whole_graph() -> None:
    graph = {
        "1": {"class_type": "Make", "inputs": {"value": 1}},
        "2": {"class_type": "Join", "inputs": {"a": ["1", 0]}},
    }
    renamed, outputs = add_graph_prefix(graph, [["2", 0], 5], "p.")
    assert renamed["p.2"] == {"class_type": "Join", "inputs": {"a": ["p.1", 0]}}
    assert (list(renamed), outputs) == (["p.1", "p.2"], (["p.2", 0], 5))
