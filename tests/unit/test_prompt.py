from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from weft.engine.errors import UnreadableWorkflow
from weft.engine.workflow.prompt import MAX_DEPTH, Link, Prompt, as_link, read_json

NODE = {"class_type": "X", "inputs": {"a": ["2", 0], "b": 5}, "_meta": {"title": "T"}}


def refused(document: Any) -> str:
    with pytest.raises(UnreadableWorkflow) as caught:
        Prompt.parse(document)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_bare_and_posted() -> None:
    bare = Prompt.parse({"1": NODE})
    posted = Prompt.parse({"prompt": {"1": NODE}, "extra_data": {"extra_pnginfo": {"workflow": {"x": 1}}}})
    assert bare.nodes == posted.nodes
    assert (bare.pointer, bare.extra_pnginfo) == ("", {})
    assert (posted.pointer, posted.extra_pnginfo) == ("/prompt", {"workflow": {"x": 1}})


def test_under_the_key_api() -> None:
    """As files of ComfyUI-test-framework may have it."""
    found = Prompt.parse({"api": {"1": NODE}, "name": "x"})
    assert found.nodes == Prompt.parse({"1": NODE}).nodes
    assert (found.pointer, found.extra_pnginfo) == ("/api", {})
    assert refused({"api": {}}) == "the workflow holds no nodes"
    assert refused({"api": {"1": 5}}) == "/api/1: expected a node (an object with class_type), got a number"


ENTRY = [3, "abc", {"1": NODE}, {"extra_pnginfo": {"workflow": {"x": 1}}}, ["1"]]


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"input": {"workflow": {"1": NODE}, "images": []}}, "/input/workflow"),
        ({"input": {"prompt": {"1": NODE}}}, "/input/prompt"),
        ({"workflow": {"1": NODE}}, "/workflow"),
        ({"workflow_api": {"1": NODE}}, "/workflow_api"),
        ({"output": {"1": NODE}, "workflow": {"nodes": []}}, "/output"),
        ({"prompt": json.dumps({"1": NODE})}, "/prompt"),
        ({"prompt": ENTRY, "outputs": {}}, "/prompt/2"),
        ({"abc": {"prompt": ENTRY, "outputs": {}, "status": {}}}, "/abc/prompt/2"),
        ({"queue_running": [ENTRY], "queue_pending": []}, "/queue_running/0/2"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_servers_and_workers_are_sent_and_remember(document: Any, pointer: str) -> None:
    found = Prompt.parse(document)
    assert found.nodes == Prompt.parse({"1": NODE}).nodes
    assert found.pointer == pointer
    if pointer.endswith("/2"):
        assert found.extra_pnginfo == {"workflow": {"x": 1}}


def test_of_several_prompts_one_must_be_kept() -> None:
    entry = {"prompt": ENTRY}
    message = "it holds 2 prompts, at /a/prompt, /b/prompt (keep one of them)"
    assert refused({"a": entry, "b": entry}) == message


@pytest.mark.parametrize("meta", [None, "x", []])
def test_meta_of_another_shape_says_nothing(meta: Any) -> None:
    assert Prompt.parse({"1": {**NODE, "_meta": meta}}).nodes["1"].title is None


@pytest.mark.parametrize("link", [[2, 0], [2.0, 0], [2, 0.0], ["2", 0]], ids=str)
def test_a_node_may_be_linked_by_its_number(link: Any) -> None:
    found = Prompt.parse({"1": {"class_type": "X", "inputs": {"a": link, "b": [7, 0]}}, "2": NODE})
    assert found.nodes["1"].inputs == {"a": Link("2", 0), "b": [7, 0]}


def test_comments_are_left_out_with_a_note() -> None:
    comments = {
        "_comment": "step 1",
        "_meta": {"title": "T"},
        "metadata": {"author": "me"},
        "version": 0.4,
        "stable-restyle": {"steps": [1]},
        "x/y": None,
    }
    found = Prompt.parse({"prompt": {**comments, "1": NODE}})
    assert list(found.nodes) == ["1"]
    assert [note.code for note in found.notes] == ["not_a_node"] * len(comments)
    assert str(found.notes[0]) == "'_comment' is no node (text without class_type) and was left out"
    assert found.notes[5].pointer == "/prompt/x~1y"
    assert found.with_values({("1", "b"): 6}).notes == found.notes


def test_a_schema_is_no_node_and_is_kept() -> None:
    document = {"$schema": "weft.schema.json", "1": NODE}
    found = Prompt.parse(document)
    assert (list(found.nodes), found.notes, found.schema) == (["1"], (), "weft.schema.json")
    assert found.replace("1", "b", 5).dump() == document
    assert weft.convert(document, to="api")["$schema"] == "weft.schema.json"
    assert list(found.to_json()) == ["1"], "no server and no picture is given it"
    assert Prompt.parse({"prompt": document}).schema == "weft.schema.json"


def test_a_schema_alone_is_no_workflow() -> None:
    assert refused({"$schema": "weft.schema.json"}) == "the workflow holds no nodes"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"2": {}}, "/2/class_type is missing: it says what the node is"),
        ({"20:3": "text"}, "/20:3: expected a node"),
        ({"mask": {"inputs": {}}}, "/mask/class_type is missing: it says what the node is"),
        ({"latent": {"type": "X"}, "3": {"class_type": "Y", "inputs": {"a": ["latent", 0]}}}, "/latent/class_type"),
    ],
    ids=str,
)
def test_what_is_meant_as_a_node_is_not_left_out(entry: Any, message: str) -> None:
    assert message in refused({"1": NODE, **entry})


@pytest.mark.parametrize("name", ["prompt", "api"])
def test_a_node_may_be_called_prompt_or_api(name: str) -> None:
    assert list(Prompt.parse({name: NODE, "2": NODE}).nodes) == [name, "2"]


@pytest.mark.parametrize("extra", [None, 5, {"extra_pnginfo": None}, {"extra_pnginfo": "x"}])
def test_extra_data_of_another_shape_is_none(extra: Any) -> None:
    assert Prompt.parse({"prompt": {"1": NODE}, "extra_data": extra}).extra_pnginfo == {}


@pytest.mark.parametrize(
    ("value", "link"),
    [
        (["4", 0], Link("4", 0)),
        (["4", 1.0], Link("4", 1)),
        (["4", -1], Link("4", -1)),
        (["a:b", 0], Link("a:b", 0)),
        (["4", 0.5], None),
        (["4", math.inf], None),
        (["4", math.nan], None),
        (["4", True], None),
        (["4", "0"], None),
        ([4, 0], None),
        (["4"], None),
        (["4", 0, 0], None),
        ([], None),
        ("40", None),
        ({"__value__": ["4", 0]}, None),
    ],
)
def test_what_is_a_link(value: Any, link: Link | None) -> None:
    assert as_link(value) == link
    read = Prompt.parse({"1": {"class_type": "X", "inputs": {"x": value}}}).nodes["1"]
    assert read.inputs["x"] == (link if link else value) or math.nan in value
    assert dict(read.links) == ({"x": link} if link else {})


def test_to_json_is_what_was_read() -> None:
    document = {"1": {**NODE, "is_changed": ["abc"]}, "2": {"class_type": "Y", "inputs": {}}}
    before = copy.deepcopy(document)
    assert Prompt.parse(document).to_json() == document == before


def test_titles() -> None:
    titles = [{"title": "T"}, {"title": ""}, {"title": 5}, {}]
    nodes = {str(n): {"class_type": "X", "_meta": meta} for n, meta in enumerate(titles)}
    assert [node.title for node in Prompt.parse(nodes).nodes.values()] == ["T", None, None, None]


def test_replace_leaves_the_original_alone() -> None:
    original = Prompt.parse({"prompt": {"1": NODE, "2": NODE}, "extra_data": {"extra_pnginfo": {"w": 1}}})
    changed = original.with_values({("1", "b"): 6})
    assert original.nodes["1"].inputs["b"] == 5
    assert changed.nodes["1"].inputs == {"a": Link("2", 0), "b": 6}
    assert changed.nodes["2"] is original.nodes["2"]
    assert (changed.pointer, changed.extra_pnginfo) == (original.pointer, original.extra_pnginfo)


@pytest.mark.parametrize(
    ("arguments", "pointer"),
    [
        (("5",), "/prompt/5"),
        (("5", "seed"), "/prompt/5/inputs/seed"),
        (("a/b", "c~d"), "/prompt/a~1b/inputs/c~0d"),
        (("~1",), "/prompt/~01"),
    ],
)
def test_pointers(arguments: tuple[str, ...], pointer: str) -> None:
    assert Prompt({}, pointer="/prompt").at(*arguments) == pointer


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "the workflow holds no nodes"),
        ({"prompt": {}}, "the workflow holds no nodes"),
        ({"nodes": 5}, "/nodes: expected a list of nodes (the editor's format) or a node (an object with class_type)"),
        ({"nodes": None, "links": []}, "/nodes: expected a list of nodes (the editor's format) or a node"),
        ({"prompt": None}, "/prompt: expected a node (an object with class_type), got null"),
        ({"1": 5}, "/1: expected a node (an object with class_type), got a number"),
        ({"1": NODE, "2": [1]}, "/2: expected a node (an object with class_type), got a list"),
        ({"prompt": {"a/b": "x"}}, "/prompt/a~1b: expected a node (an object with class_type), got text"),
        ({"1": {"inputs": {}}}, "/1/class_type is missing: it says what the node is"),
        ({"1": {}, "2": {}}, "(and 1 more)"),
        ({"1": {"class_type": 5}}, "/1/class_type: Input should be a valid string, got a number"),
        ({"1": {"class_type": "X", "inputs": []}}, "/1/inputs: Input should be a valid dictionary, got a list"),
        ({"1~": {"class_type": "X", "inputs": None}}, "/1~0/inputs: Input should be a valid dictionary, got null"),
        ({1: NODE}, "/1/[key]: Input should be a valid string"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refused(document: Any, message: str) -> None:
    assert message in refused(document)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: {"__value__": value}])
def test_inputs_are_nested_a_hundred_deep_at_most(wrap: Any) -> None:
    fits = {"1": {"class_type": "X", "inputs": {"a": wrap(nested(MAX_DEPTH - 2))}}}
    assert json.dumps(Prompt.parse(fits).to_json())
    deep = {"prompt": {"1": {"class_type": "X", "inputs": {"a/": wrap(nested(MAX_DEPTH + 1))}}}}
    assert "/prompt/1/inputs/a~1: nested more than 100 levels deep" in refused(deep)


def test_what_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop += [loop, loop]
    assert "nested more than" in refused({"1": {"class_type": "X", "inputs": {"a": loop}}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
INPUTS = st.dictionaries(
    st.text(max_size=5), JSON | st.tuples(st.text(max_size=3), st.floats() | st.integers()).map(list)
)
NODES = st.fixed_dictionaries({}, optional={"class_type": JSON | st.just("X"), "inputs": JSON | INPUTS, "_meta": JSON})
DOCUMENTS = st.dictionaries(st.text(max_size=3) | st.just("prompt"), NODES | JSON, max_size=3)


@given(JSON | DOCUMENTS | st.fixed_dictionaries({"prompt": DOCUMENTS, "extra_data": JSON}))
def test_any_json_is_a_prompt_or_refused(document: Any) -> None:
    before = repr(document)
    try:
        parsed = Prompt.parse(document)
    except UnreadableWorkflow:
        parsed = None
    assert repr(document) == before
    if parsed is not None:
        assert parsed.nodes
        again = Prompt.parse(parsed.to_json())
        assert repr(again.to_json()) == repr(parsed.to_json())


@given(st.text() | JSON.map(json.dumps))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_json(text, "it")
    except UnreadableWorkflow:
        pass


def test_a_text_of_too_many_values_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inflated from some thousand bytes of a picture, it would take gigabytes."""
    monkeypatch.setattr("weft.engine.workflow.prompt.MAX_PARTS", 1_000)
    monkeypatch.setattr("json.loads", lambda *given, **more: pytest.fail("it was parsed"))
    with pytest.raises(UnreadableWorkflow, match="x has more than 1,000 values"):
        read_json('{"a": [' + "[]," * 500 + "0]}", "x")
