from __future__ import annotations

import random

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine.workflow.graph import PromptGraph
from weft.engine.workflow.prompt import Prompt

Links = dict[str, list[str]]


def graph(links: Links) -> PromptGraph:
    """A graph from node -> the nodes that it takes from."""
    return PromptGraph(
        Prompt.parse(
            {
                node_id: {
                    "class_type": "X",
                    "inputs": {f"i{place}": [parent, 0] for place, parent in enumerate(parents)},
                }
                for node_id, parents in links.items()
            }
        )
    )


DIAMOND: Links = {"end": ["l", "r"], "l": ["top"], "r": ["top", "top"], "top": [], "alone": []}


def test_needed() -> None:
    assert graph(DIAMOND).needed(["l"]) == {"l", "top"}
    assert graph(DIAMOND).needed(["end", "alone"]) == set(DIAMOND)
    assert graph(DIAMOND).needed([]) == set()


def test_order_is_one_chain_after_the_other() -> None:
    assert graph(DIAMOND).order(["end", "alone"]) == ["top", "l", "r", "end", "alone"]
    assert graph(DIAMOND).order(["r", "end", "r"]) == ["top", "r", "l", "end"]
    links: Links = {"model": [], **{f"s{n}": ["model"] for n in range(3)}, **{f"save{n}": [f"s{n}"] for n in range(3)}}
    assert graph(links).order(["save0", "save1", "save2"]) == ["model", "s0", "save0", "s1", "save1", "s2", "save2"]


def test_links_into_nothing_are_left_out() -> None:
    assert graph({"a": ["ghost", "b"], "b": []}).parents == {"a": ["b"], "b": []}


@pytest.mark.parametrize(
    ("links", "cycles"),
    [
        (DIAMOND, []),
        ({"a": ["a"]}, [["a"]]),
        ({"a": ["b"], "b": ["a"]}, [["a", "b"]]),
        ({"a": ["c"], "b": ["a"], "c": ["b"]}, [["a", "b", "c"]]),
        ({"a": ["b"], "b": ["a"], "x": [], "c": ["d", "x"], "d": ["c"]}, [["a", "b"], ["c", "d"]]),
        ({"a": ["b"], "b": ["a"], "after": ["a"], "before": [], "c": ["c", "before"]}, [["a", "b"], ["c"]]),
        ({"z": ["y"], "y": ["z"], "a": ["a"]}, [["z", "y"], ["a"]]),
    ],
)
def test_cycles_in_the_direction_of_the_data(links: Links, cycles: list[list[str]]) -> None:
    assert graph(links).cycles() == cycles


@st.composite
def any_links(draw: st.DrawFn) -> Links:
    names = [str(number) for number in range(draw(st.integers(1, 8)))]
    return {name: draw(st.lists(st.sampled_from(names), max_size=3)) for name in names}


@given(any_links())
def test_cycles_are_cycles_and_none_is_missed(links: Links) -> None:
    found = graph(links).cycles()
    for cycle in found:
        assert len(set(cycle)) == len(cycle)
        for before, after in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert before in links[after]
    reference = nx.DiGraph([(parent, name) for name, parents in links.items() for parent in parents])
    groups = [
        group for group in nx.strongly_connected_components(reference) if reference.subgraph(group).number_of_edges()
    ]
    assert sorted(sorted(group) for group in groups if not any(set(cycle) <= group for cycle in found)) == []
    assert len(found) == len(groups)


@given(st.integers(1, 60), st.randoms(use_true_random=False))
def test_order_puts_parents_first_and_each_once(size: int, rng: random.Random) -> None:
    links = {str(n): [str(rng.randrange(n)) for _ in range(rng.randrange(3))] if n else [] for n in range(size)}
    targets = [str(rng.randrange(size)) for _ in range(3)]
    order = graph(links).order(targets)
    assert len(set(order)) == len(order)
    assert set(order) == graph(links).needed(targets)
    place = {node_id: number for number, node_id in enumerate(order)}
    assert all(place[parent] < place[node_id] for node_id in order for parent in links[node_id])


def test_long_chains_and_cycles_need_no_recursion() -> None:
    links = {str(number): [str(number - 1)] if number else [] for number in range(20_000)}
    chain = graph(links)
    assert len(chain.needed(["19999"])) == len(chain.order(["19999"])) == 20_000
    assert chain.cycles() == []


def test_a_long_cycle_is_named() -> None:
    links = {str(number): [str((number - 1) % 20_000)] for number in range(20_000)}
    assert graph(links).cycles() == [[str(number) for number in range(20_000)]]
