from __future__ import annotations

from typing import Annotated, Any

import pytest

from weft.engine.errors import UsageError
from weft.engine.schema.authoring import node
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Boolean, Combo, Files, Float, Int, Socket, String
from weft.engine.workflow.overrides import apply, find_node, title_of
from weft.engine.workflow.prompt import Link, Prompt

Image = Annotated[Any, Socket("IMAGE")]


@node(category="test", display_name="Sample (Advanced)")
def Sample(
    *,
    image: Image,
    steps: Annotated[int, Int(default=20)] = 20,
    cfg: Annotated[float, Float()] = 1.0,
    text: Annotated[str, String()] = "",
    on: Annotated[bool, Boolean()] = False,
    kind: Annotated[Any, Combo(["a", 2])] = "a",
    file: Annotated[str, Files("loras")] = "",
    any: Annotated[Any, Socket("*")] = None,
) -> Image:
    return image


@node(category="test")
def Load() -> Image: ...


REGISTRY = Registry().add([Sample, Load])


def prompt_of(*titles: str | None, class_type: str = "Sample") -> Prompt:
    """Nodes 1, 2, ... with these titles."""
    nodes = {}
    for number, title in enumerate(titles, 1):
        meta = {"title": title} if title else {}
        nodes[str(number)] = {"class_type": class_type, "inputs": {"image": ["9", 0]}, "_meta": meta}
    return Prompt.parse({**nodes, "9": {"class_type": "Load", "inputs": {}}})


def refused(call: Any, *arguments: Any) -> str:
    with pytest.raises(UsageError) as caught:
        call(*arguments)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("titles", "reference", "node_id"),
    [
        (["A", "B"], "2", "2"),
        (["A", "B"], "B", "2"),
        (["A", None], "Sample (Advanced)", "2"),
        (["A", "B"], "Load", "9"),
        (["A", "B"], "Sample#2", "2"),
        (["A", "A"], "A#1", "1"),
        (["A", "A"], "A#2", "2"),
        ([None, None], "Sample (Advanced)#2", "2"),
        (["Stage 1.5", "B"], "Stage 1.5", "1"),
        (["Shot #2", "Shot"], "Shot #2", "1"),
        (["Shot#2", "Shot", "Shot"], "Shot#2", "1"),
        (["Shot", "Shot"], "Shot#2", "2"),
        (["2", "A"], "2", "2"),
        (["Sample", "A"], "Sample", "1"),
        (["A", "B"], "Sample (Advanced)#2", "2"),
        (["Shot", "B"], "Sample#2", "2"),
        (["Sample", "B"], "Sample#2", "2"),
    ],
)
def test_find_node(titles: list[str | None], reference: str, node_id: str) -> None:
    assert find_node(prompt_of(*titles), reference, REGISTRY) == node_id


@pytest.mark.parametrize(
    ("titles", "reference", "message"),
    [
        (["A", "A"], "A", "'A' is ambiguous: A#1 (node 1), A#2 (node 2)"),
        ([None, "T"], "Sample", "'Sample' is ambiguous: Sample#1 (node 1), Sample#2 (node 2)"),
        (["Load"], "Load", "'Load' is ambiguous: Load#1 (node 1), Load#2 (node 9)"),
        (["A", "A"], "A#3", "'A#3': the workflow has 2 of 'A', numbered from 1"),
        (["A", "A"], "A#0", "the workflow has 2 of 'A'"),
        (["Apple"], "Aple", "no node 'Aple' in the workflow (did you mean 'Apple'?)"),
        (["Apple"], "Aple#2", "no node 'Aple#2' in the workflow (did you mean 'Apple'?)"),
        (["Apple"], "12345", "no node '12345' in the workflow"),
    ],
)
def test_nodes_that_cannot_be_told(titles: list[str | None], reference: str, message: str) -> None:
    assert message in refused(find_node, prompt_of(*titles), reference, REGISTRY)


def test_titles() -> None:
    prompt = prompt_of("Own", None)
    assert [title_of(prompt, node_id, REGISTRY) for node_id in prompt.nodes] == ["Own", "Sample (Advanced)", "Load"]
    assert title_of(prompt_of(None, class_type="Nope"), "1", REGISTRY) == "Nope"


@pytest.mark.parametrize(
    ("input_name", "text", "value"),
    [
        ("steps", "8", 8),
        ("steps", " 8 ", 8),
        ("cfg", "8", 8.0),
        ("cfg", "1e-3", 0.001),
        ("text", "8", "8"),
        ("text", " a=b ", " a=b "),
        ("text", "", ""),
        ("text", '["9", 0]', '["9", 0]'),
        ("on", "true", True),
        ("on", "Off", False),
        ("on", "0", False),
        ("kind", "a", "a"),
        ("kind", "2", 2),
        ("kind", "other", "other"),
        ("file", "2", "2"),
        ("image", '["9", 0]', Link("9", 0)),
        ("image", "[9, 1]", Link("9", 1)),
        ("any", "[9, 1]", Link("9", 1)),
        ("any", "hello", "hello"),
    ],
)
def test_text_is_read_in_the_input_s_type(input_name: str, text: str, value: Any) -> None:
    for overrides in ([f"1.{input_name}={text}"], {f"1.{input_name}": text}):
        found = apply(prompt_of("A"), overrides, REGISTRY).nodes["1"].inputs[input_name]
        assert found == value
        assert type(found) is type(value)


@pytest.mark.parametrize(
    ("input_name", "value", "expected"),
    [
        ("image", ["9", 0], Link("9", 0)),
        ("steps", ("9", 0), Link("9", 0)),
        ("steps", 8, 8),
        ("cfg", 8, 8),
        ("on", True, True),
        ("image", ["9", "x"], ["9", "x"]),
        ("image", ["9", 0.5], ["9", 0.5]),
    ],
)
def test_values_of_python_are_taken_as_they_are(input_name: str, value: Any, expected: Any) -> None:
    assert apply(prompt_of("A"), {f"1.{input_name}": value}, REGISTRY).nodes["1"].inputs[input_name] == expected


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("1.steps=x", "1.steps: expected INT, got 'x'"),
        ("1.steps=8.5", "1.steps: expected INT, got '8.5'"),
        ("1.cfg=much", "1.cfg: expected FLOAT, got 'much'"),
        ("1.on=maybe", "1.on: expected true or false, got 'maybe'"),
        ("1.image=9", "1.image: expected a link such as [\"4\", 0], since it takes IMAGE, got '9'"),
        ("1.image=[9, 0.5]", "expected a link"),
        ("1.image=" + "[" * 100_000, "expected a link"),
        ("1.stepz=8", "node 1 (Sample) has no input 'stepz' (did you mean 'steps'?)"),
        ("1.steps", "'1.steps' sets nothing (NODE.INPUT=VALUE, such as 5.seed=7)"),
        ("steps=8", "'steps' names no input (NODE.INPUT, such as 5.seed)"),
        (".steps=8", "'.steps' names no input"),
        ("1.=8", "'1.' names no input"),
        ("=8", "'' names no input"),
        ("A.steps=8", "'A' is ambiguous: A#1 (node 1), A#2 (node 2)"),
    ],
)
def test_refused(override: str, message: str) -> None:
    assert message in refused(apply, prompt_of("A", "A"), [override], REGISTRY)


def test_titles_with_dots() -> None:
    changed = apply(prompt_of("v1.5 of it", "v1"), ["v1.5 of it.steps=3", " v1.steps=4"], REGISTRY)
    assert [changed.nodes[node_id].inputs.get("steps") for node_id in "12"] == [3, 4]


def test_later_overrides_win_and_the_prompt_stays() -> None:
    prompt = prompt_of("A")
    changed = apply(prompt, ["1.steps=1", "A.steps=2"], REGISTRY)
    assert changed.nodes["1"].inputs["steps"] == 2
    assert "steps" not in prompt.nodes["1"].inputs
    assert apply(prompt, [], REGISTRY) is prompt


def test_an_unknown_class_is_left_to_validation() -> None:
    prompt = prompt_of(None, class_type="Nope")
    assert apply(prompt, ["1.steps=8"], REGISTRY).nodes["1"].inputs["steps"] == "8"


def test_a_bare_text_is_no_list() -> None:
    assert "expected a list or a dict" in refused(apply, prompt_of("A"), "1.steps=8", REGISTRY)


def test_an_input_may_have_dots() -> None:
    """Those that a choice brings: `mode.width`."""
    option = {"key": "wide", "inputs": {"required": {"width": ["INT", {"default": 8}]}}}
    given = {"mode": ["COMFY_DYNAMICCOMBO_V3", {"options": [option]}]}
    registry = Registry().add_object_info({"Choose": {"input": {"required": given}, "output": ["INT"]}})
    prompt = Prompt.parse({"1": {"class_type": "Choose", "inputs": {"mode": "wide", "mode.width": 8}}})
    assert apply(prompt, ["1.mode.width=9"], registry).nodes["1"].inputs["mode.width"] == 9
    assert "no node '2.mode'" in refused(apply, prompt, ["2.mode.width=9"], registry)


@pytest.mark.parametrize("overrides", [["1.mode=tall", "1.mode.height=9"], ["1.mode.height=9", "1.mode=tall"]])
def test_a_choice_and_what_it_brings_are_set_together(overrides: list[str]) -> None:
    options = [
        {"key": "wide", "inputs": {"required": {"width": ["INT", {"default": 8}]}}},
        {"key": "tall", "inputs": {"required": {"height": ["INT", {"default": 8}]}}},
    ]
    given = {"mode": ["COMFY_DYNAMICCOMBO_V3", {"options": options}]}
    registry = Registry().add_object_info({"Choose": {"input": {"required": given}, "output": ["INT"]}})
    prompt = Prompt.parse({"1": {"class_type": "Choose", "inputs": {"mode": "wide", "mode.width": 8}}})
    inputs = apply(prompt, overrides, registry).nodes["1"].inputs
    assert (inputs["mode"], inputs["mode.height"]) == ("tall", 9)
    assert "has no input 'mode.height'" in refused(apply, prompt, ["1.mode.height=9"], registry)


def test_a_row_that_grows_grows_by_an_override() -> None:
    row = {"template": {"input": {"required": {"image": ["IMAGE", {}]}}, "prefix": "image", "min": 1, "max": 4}}
    info = {"input": {"required": {"images": ["COMFY_AUTOGROW_V3", row]}}, "output": ["IMAGE"]}
    registry = Registry().add([Load]).add_object_info({"Batch": info})
    prompt = Prompt.parse(
        {"1": {"class_type": "Batch", "inputs": {"images.image0": ["9", 0]}}, "9": {"class_type": "Load", "inputs": {}}}
    )
    assert apply(prompt, ["1.images.image1=[9, 0]"], registry).nodes["1"].inputs["images.image1"] == Link("9", 0)
    assert "has no input 'images.image7'" in refused(apply, prompt, ["1.images.image7=[9, 0]"], registry)
