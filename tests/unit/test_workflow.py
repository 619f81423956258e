from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine.envelopes import is_workflow
from weft.engine.errors import UnreadableWorkflow
from weft.engine.formats.workflow import Workflow

NODE = {"id": 1, "type": "X", "pos": [0, 0], "future": {"kept": [1.0, None]}}
OLD = {"last_node_id": 1, "nodes": [NODE], "links": [[3, 1, 0, 2, 0, "A"]], "groups": [{"title": "g"}], "version": 0.4}
NEW_LINK = {"id": "3", "origin_id": "1", "origin_slot": 0, "target_id": 2, "target_slot": 0, "type": "A", "parentId": 9}
NEW = {"nodes": [NODE], "links": [NEW_LINK], "reroutes": [{"id": 9}], "floatingLinks": [], "state": {}, "version": 1}


@pytest.mark.parametrize("document", [OLD, NEW])
def test_nothing_is_lost(document: dict[str, Any]) -> None:
    before = json.dumps(document)
    assert json.dumps(Workflow.parse(document).dump()) == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON, JSON)
def test_whatever_parses_dumps_the_same(extra: Any, values: Any, widget: Any) -> None:
    slot = {"name": "i", "widget": widget, "unknown": extra}
    document = {"nodes": [{"id": "a", "type": "X", "widgets_values": values, "inputs": [slot]}], "extra": extra}
    before = json.dumps(document)
    assert json.dumps(Workflow.parse(document).dump()) == before


def test_both_forms_of_links_read_alike() -> None:
    old, new = Workflow.parse(OLD).canvas.links, Workflow.parse(NEW).canvas.links
    assert old == new
    assert (old[0].id, old[0].origin_id, old[0].origin_slot, old[0].target_id) == ("3", "1", 0, "2")


@pytest.mark.parametrize("node_id", [4, "4", 4.0])
def test_ids_are_numbers_or_text(node_id: Any) -> None:
    assert Workflow.parse({"nodes": [{"id": node_id, "type": "X"}]}).canvas.nodes[0].id == "4"


def test_what_may_be_missing_or_null() -> None:
    node = {"id": 1, "type": "X", "mode": None, "inputs": None, "outputs": None, "properties": [], "title": None}
    canvas = Workflow.parse({"nodes": [node], "links": [None], "definitions": None, "extra": None}).canvas
    assert (canvas.links, canvas.nodes[0].mode, canvas.nodes[0].inputs, canvas.nodes[0].name) == ([], 0, [], None)


def test_definitions_inside_definitions_are_found() -> None:
    inner = {"id": "b", "nodes": [], "links": []}
    outer = {"id": "a", "nodes": [], "links": [], "definitions": {"subgraphs": [inner]}}
    found = list(Workflow.parse({"nodes": [], "definitions": {"subgraphs": [outer]}}).definitions())
    assert [(place, canvas.id) for place, canvas in found] == [
        ("/definitions/subgraphs/0", "a"),
        ("/definitions/subgraphs/0/definitions/subgraphs/0", "b"),
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "expected a JSON object with nodes and links, got a list"),
        ({"3": {"class_type": "X"}}, "no workflow of the editor: it has no list of nodes, only 3"),
        ({"nodes": [], "version": 2}, "/version: 2 is newer than 1"),
        ({"nodes": [7]}, "/nodes/0: Input should be a valid dictionary or instance of Node, got a number"),
        ({"nodes": [{"type": "X"}]}, "/nodes/0/id: Field required"),
        ({"nodes": [{"id": True, "type": "X"}]}, "/nodes/0/id: expected an id (a number or text), got a boolean"),
        ({"nodes": [{"id": 1, "type": 7}, {"id": 2}]}, "/nodes/0/type: Input should be a valid string, got a number"),
        ({"nodes": [{"id": 1, "type": 7}, {"id": 2}]}, "(and 1 more)"),
        ({"nodes": [{"id": 1, "type": "X", "mode": "on"}]}, "/nodes/0/mode: Input should be a valid integer"),
        ({"nodes": [{"id": 1, "type": "X", "inputs": {}}]}, "/nodes/0/inputs: Input should be a valid list"),
        ({"nodes": [], "links": [[1, 2]]}, "/links/0: expected [id, origin_id, origin_slot, "),
        ({"nodes": [], "links": [[1, 2, "x", 3, 0, "A"]]}, "/links/0/origin_slot: Input should be a valid integer"),
        ({"nodes": [], "definitions": {"subgraphs": [{"id": "a"}]}}, "/definitions/subgraphs/0/nodes: Field required"),
    ],
)  # fmt: skip
def test_what_is_no_workflow_says_where(document: Any, message: str) -> None:
    with pytest.raises(UnreadableWorkflow) as caught:
        Workflow.parse(document)
    assert message in str(caught.value)


def test_a_document_nested_too_deeply() -> None:
    deep: Any = 0
    for _ in range(2_000):
        deep = [deep]
    with pytest.raises(UnreadableWorkflow, match="nested more than 100 levels"):
        Workflow.parse({"nodes": [], "extra": deep})


def test_which_format_a_document_has() -> None:
    assert is_workflow(OLD)
    assert not is_workflow({"nodes": {"class_type": "X"}})
    assert not is_workflow({"1": {"class_type": "X"}})
    assert not is_workflow([])
