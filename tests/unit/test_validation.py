from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine.errors import Issue
from weft.engine.folders import Folders
from weft.engine.links import Link
from weft.engine.schema.authoring import PromptJson, node
from weft.engine.schema.node import NodeSchema, Seen
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Boolean, Combo, Files, Float, Int, Socket, String
from weft.engine.workflow.prompt import Prompt, unwrapped
from weft.engine.workflow.validation import coerced, output_nodes, undeclared, validate

Image = Annotated[Any, Socket("IMAGE")]
Mask = Annotated[Any, Socket("MASK")]
BAD_LINK = "Bad linked input, must be a length-2 list of [node_id, slot_index]"


@node(category="test", display_name="Make Picture")
def Make(
    *, size: Annotated[int, Int(default=8, min=1, max=64)], mode: Annotated[str, Combo(["soft", "hard"])] = "soft"
) -> tuple[Image, Mask]:
    return size, size


@node(category="test")
def Change(
    *,
    image: Image,
    amount: Annotated[float, Float(min=0.0, max=1.0)] = 0.5,
    text: Annotated[str, String()] = "",
    flag: Annotated[bool, Boolean()] = False,
    mask: Mask | None = None,
    prompt: PromptJson,
) -> Image:
    return image


@node(category="test")
def LoadOne(
    *,
    name: Annotated[str, Files("checkpoints", extra_choices=["none"])],
    picture: Annotated[str, Files("input")] = "none",
) -> Image:
    return name


@node(category="test", output_node=True)
def Show(*, image: Annotated[Any, Socket("*")]) -> None: ...


MANY = [f"choice{number:02}" for number in range(21)]


@node(category="test", output_node=True)
def Choose(*, choice: Annotated[str, Combo(MANY)], number: Annotated[int, Combo([1, 2])] = 1) -> None: ...


@pytest.fixture
def registry() -> Registry:
    return Registry().add([Make, Change, LoadOne, Show, Choose])


def prompt_of(**edits: dict[str, Any]) -> dict[str, Any]:
    """Make -> Change -> Show; `edits` replace inputs: `change={"amount": 2}`."""
    inputs: dict[str, dict[str, Any]] = {
        "make": {"size": 8},
        "change": {"image": ["make", 0]},
        "show": {"image": ["change", 0]},
    }
    classes = {"make": "Make", "change": "Change", "show": "Show"}
    return {name: {"class_type": classes[name], "inputs": inputs[name] | edits.get(name, {})} for name in classes}


def issues_of(document: dict[str, Any], registry: Registry, **options: Any) -> list[Issue]:
    prompt = Prompt.parse(document)
    before = prompt.to_json()
    found = validate(prompt, registry, **options)
    assert prompt.to_json() == before == (document["prompt"] if prompt.pointer else document)
    return found


def the_issue(document: dict[str, Any], registry: Registry, **options: Any) -> Issue:
    found = issues_of(document, registry, **options)
    assert len(found) == 1, found
    return found[0]


def test_a_valid_prompt_has_no_issues(registry: Registry) -> None:
    assert issues_of(prompt_of(), registry) == []
    assert issues_of(prompt_of(change={"mask": ["make", 1], "undeclared": {"any": "thing"}}), registry) == []


NO_INT = "invalid literal for int() with base 10: 'abc'"
NO_FLOAT = "float() argument must be a string or a real number, not 'NoneType'"


@pytest.mark.parametrize(
    ("place", "value", "code", "message", "details"),
    [
        ("change.image", ["make"], "bad_linked_input", BAD_LINK, "image"),
        ("change.image", 7, "bad_linked_input", BAD_LINK, "image"),
        ("make.size", [1, 2], "bad_linked_input", BAD_LINK, "size"),
        ("change.image", ["mak", 0], "bad_linked_input", "Linked node 'mak' does not exist", "image"),
        ("change.image", ["make", 2], "bad_linked_input", "Linked node 'make' (Make) has no output slot 2", "image"),
        ("change.image", ["make", -1], "bad_linked_input", "Linked node 'make' (Make) has no output slot -1", "image"),
        ("make.size", 0, "value_smaller_than_min", "Value 0 smaller than min of 1", "size"),
        ("make.size", "65", "value_bigger_than_max", "Value 65 bigger than max of 64", "size"),
        ("change.amount", 1.5, "value_bigger_than_max", "Value 1.5 bigger than max of 1.0", "amount"),
        ("make.mode", "sof", "value_not_in_list", "Value not in list", "mode: 'sof' not in ['soft', 'hard']"),
    ],
)
def test_comfyui_s_error_types(
    place: str, value: Any, code: str, message: str, details: str, registry: Registry
) -> None:
    issue = the_issue_of(place, value, registry)
    assert (issue.code, issue.message, issue.details) == (code, message, details)
    assert issue.extra["received_value"] == value


def test_values_that_cannot_be_converted(registry: Registry) -> None:
    issue = the_issue_of("make.size", "abc", registry)
    assert (issue.code, issue.message) == ("invalid_input_type", "Failed to convert an input value to a INT value")
    assert issue.details == f"size, abc, {NO_INT}"
    assert (issue.extra["received_value"], issue.extra["exception_message"]) == ("abc", NO_INT)
    issue = the_issue_of("change.amount", None, registry)
    assert (issue.code, issue.message) == ("invalid_input_type", "Failed to convert an input value to a FLOAT value")
    assert issue.details == f"amount, None, {NO_FLOAT}"


def test_types_that_do_not_fit(registry: Registry) -> None:
    issue = the_issue_of("change.image", ["make", 1], registry)
    assert (issue.code, issue.message) == ("return_type_mismatch", "Return type mismatch between linked nodes")
    assert issue.details == "image, received_type(MASK) mismatch input_type(IMAGE)"
    more = {"received_type": "MASK", "linked_node": ["make", 1]}
    assert issue.extra == {"input_name": "image", "input_config": ["IMAGE"], **more}


def the_issue_of(place: str, value: Any, registry: Registry) -> Issue:
    """The issue that one wrong value makes, with all that every issue has to say checked."""
    node_id, input_name = place.split(".")
    issue = the_issue(prompt_of(**{node_id: {input_name: value}}), registry)
    schema = registry[node_id.capitalize()]
    config = schema.by_name[input_name].socket.to_object_info()
    assert (issue.node_id, issue.input, issue.pointer) == (node_id, input_name, f"/{node_id}/inputs/{input_name}")
    assert (issue.class_type, issue.title) == (schema.class_type, schema.display_name)
    assert (issue.extra["input_name"], issue.extra["input_config"]) == (input_name, config)
    assert json.loads(json.dumps(issue.to_json()))["type"] == issue.code
    return issue


def test_required_input_missing(registry: Registry) -> None:
    document = prompt_of()
    del document["make"]["inputs"]["size"]
    issue = the_issue(document, registry)
    assert (issue.code, issue.message, issue.details) == ("required_input_missing", "Required input is missing", "size")
    assert issue.extra == {"input_name": "size"}
    document["make"]["inputs"]["sise"] = 8
    assert the_issue(document, registry).hint == "the node has an input 'sise', which its class does not declare"


def test_what_a_missing_input_could_be_is_said(registry: Registry) -> None:
    given: dict[str, Any] = {
        "number": ["INT", {"default": 20}],
        "kind": [["a", "b"]],
        "many": [[f"c{place}" for place in range(50)], {"default": "c1"}],
        "model": ["MODEL"],
    }
    registry.add_object_info({"Needs": {"input": {"required": given}, "output": ["INT"], "output_node": True}})
    document = {"1": {"class_type": "Needs", "inputs": {}}}
    hints = {issue.input: issue.hint for issue in issues_of(document, registry, executable=False)}
    assert hints["number"] == "its default is 20"
    assert hints["kind"] == "one of 'a', 'b'"
    assert hints["many"].startswith("its default is 'c1'; one of 'c0', ")
    assert re.search(r", and \d+ more$", hints["many"])
    assert hints["model"] == "it takes MODEL from another node"


def test_over_twenty_choices_are_not_listed(registry: Registry) -> None:
    issue = the_issue({"1": {"class_type": "Choose", "inputs": {"choice": "choise03"}}}, registry)
    assert issue.details == "choice: 'choise03' not in (list of length 21)"
    assert issue.extra == {"input_name": "choice", "input_config": None, "received_value": "choise03"}
    assert issue.hint == "did you mean 'choice03'?; weft nodes Choose lists all 21"


@pytest.mark.parametrize(
    ("edits", "hint"),
    [
        ({"make": {"mode": "sof"}}, "did you mean 'soft'?"),
        ({"make": {"mode": "xyz"}}, ""),
        ({"change": {"image": ["mak", 0]}}, "did you mean 'make'?"),
        ({"change": {"image": ["make", 5]}}, "its slots: 0 IMAGE, 1 MASK"),
        ({"show": {"image": ["show2", 0]}}, "did you mean 'show'?"),
        ({"change": {"image": ["make", 1]}}, "IMAGE is slot 0 of node make"),
        ({"change": {"image": 7}}, "it takes IMAGE from another node, got 7"),
        ({"change": {"image": "x" * 99}}, f"it takes IMAGE from another node, got '{'x' * 56}..."),
        ({"change": {"image": [1, 2]}}, 'got [1, 2]; a list as a value is written {"__value__": [...]}'),
        ({"make": {"size": 0}}, ""),
    ],
)
def test_hints(edits: dict[str, Any], hint: str, registry: Registry) -> None:
    assert the_issue(prompt_of(**edits), registry).hint == hint


def test_an_unknown_class_is_reported_wherever_it_is(registry: Registry) -> None:
    document = prompt_of() | {"9": {"class_type": "Chnge", "inputs": {}, "_meta": {"title": "Mine"}}}
    issue = the_issue(document, registry)
    assert (issue.code, issue.details, issue.hint) == ("missing_node_type", "Node ID '#9'", "did you mean 'Change'?")
    assert "'Chnge'" in issue.message
    assert (issue.title, issue.pointer) == ("Mine", "/9")


def test_links_to_an_unknown_class_are_not_reported_again(registry: Registry) -> None:
    document = prompt_of()
    document["make"]["class_type"] = "Nope"
    assert [issue.code for issue in issues_of(document, registry)] == ["missing_node_type"]


def test_every_problem_at_once(registry: Registry) -> None:
    document = prompt_of(make={"size": 0, "mode": "x"}, change={"image": ["make", 1], "amount": "much", "mask": 5})
    document["other"] = {"class_type": "Nope", "inputs": {}}
    document["again"] = {"class_type": "Show", "inputs": {}}
    assert [(issue.node_id, issue.code, issue.input) for issue in issues_of(document, registry)] == [
        ("other", "missing_node_type", None),
        ("make", "value_smaller_than_min", "size"),
        ("make", "value_not_in_list", "mode"),
        ("change", "return_type_mismatch", "image"),
        ("change", "invalid_input_type", "amount"),
        ("change", "bad_linked_input", "mask"),
        ("again", "required_input_missing", "image"),
    ]


@pytest.mark.parametrize("posted", [False, True])
def test_pointers_lead_to_the_place(posted: bool, registry: Registry) -> None:
    document = {"a/b~": {"class_type": "Show", "inputs": {"un/declared~": ["ghost", 0], "image": ["a/b~", 7]}}}
    found = issues_of({"prompt": document} if posted else document, registry)
    start = "/prompt" if posted else ""
    assert {issue.pointer for issue in found} == {
        f"{start}/a~1b~0",
        f"{start}/a~1b~0/inputs/image",
        f"{start}/a~1b~0/inputs/un~1declared~0",
    }


def test_without_outputs_all_is_checked(registry: Registry) -> None:
    document = prompt_of(make={"size": 0})
    del document["show"]
    first, second = issues_of({"prompt": document}, registry)
    assert (first.code, first.message, first.pointer) == ("prompt_no_outputs", "Prompt has no outputs", "/prompt")
    assert second.code == "value_smaller_than_min"


def test_only_what_an_output_needs_is_checked(registry: Registry) -> None:
    document = prompt_of() | {"loose": {"class_type": "Make", "inputs": {"size": "x"}}}
    assert issues_of(document, registry) == []
    assert the_issue(document, registry, targets=["loose"]).node_id == "loose"
    del document["show"]
    assert issues_of(document, registry, targets=["change"]) == []


def test_undeclared_links_are_followed(registry: Registry) -> None:
    document = prompt_of(show={"extra": ["loose", 0]}) | {"loose": {"class_type": "Make", "inputs": {"size": "x"}}}
    assert the_issue(document, registry).node_id == "loose"
    document["show"]["inputs"]["extra"] = ["ghost", 0]
    issue = the_issue(document, registry)
    assert (issue.code, issue.input, issue.hint) == ("bad_linked_input", "extra", "")
    assert issue.extra == {"input_name": "extra", "received_value": ["ghost", 0]}


def test_hidden_inputs_are_not_asked_for(registry: Registry) -> None:
    assert issues_of(prompt_of(change={"prompt": 5}), registry) == []


def test_lists_as_values(registry: Registry) -> None:
    assert unwrapped({"__value__": [1]}) == [1]
    assert unwrapped({"__value__": [1], "more": 2}) == {"__value__": [1], "more": 2}
    assert unwrapped(5) == 5
    assert issues_of(prompt_of(change={"text": {"__value__": [1, 2]}}), registry) == []
    assert issues_of(prompt_of(show={"image": {"__value__": [1]}}), registry) == []
    assert the_issue(prompt_of(make={"size": {"__value__": [1]}}), registry).code == "invalid_input_type"


def test_constants_for_anything(registry: Registry) -> None:
    assert issues_of({"1": {"class_type": "Show", "inputs": {"image": "a text"}}}, registry) == []


@pytest.mark.parametrize(
    ("links", "cycles"),
    [
        ({"a": "a"}, ["a"]),
        ({"a": "b", "b": "a"}, ["a -> b"]),
        ({"a": "c", "b": "a", "c": "b"}, ["a -> b -> c"]),
        ({"a": "b", "b": "a", "c": "d", "d": "c"}, ["a -> b", "c -> d"]),
    ],
)
def test_cycles_are_named_node_by_node(links: dict[str, str], cycles: list[str], registry: Registry) -> None:
    document = {name: {"class_type": "Change", "inputs": {"image": [parent, 0]}} for name, parent in links.items()}
    document |= {f"show{name}": {"class_type": "Show", "inputs": {"image": [name, 0]}} for name in links}
    found = issues_of(document, registry)
    assert [issue.code for issue in found] == ["dependency_cycle"] * len(cycles)
    assert [issue.message for issue in found] == ["Nodes wait for each other"] * len(cycles)
    for issue, cycle in zip(found, cycles, strict=True):
        names = cycle.split(" -> ")
        assert issue.details == " -> ".join(f'{name} "Change"' for name in [*names, names[0]])
        assert (issue.node_id, issue.pointer) == (names[0], f"/{names[0]}")


def test_a_cycle_that_nothing_needs_is_left_alone(registry: Registry) -> None:
    loop = {"class_type": "Change", "inputs": {"image": ["loop", 0]}}
    assert issues_of(prompt_of() | {"loop": loop}, registry) == []


def load_one(**inputs: Any) -> dict[str, Any]:
    return {
        "1": {"class_type": "LoadOne", "inputs": {"name": "none", **inputs}},
        "2": {"class_type": "Show", "inputs": {"image": ["1", 0]}},
    }


def test_files(folders: Folders, registry: Registry) -> None:
    (folders.models[0] / "checkpoints" / "sd15.safetensors").touch()
    (folders.input / "photo.png").touch()
    assert issues_of(load_one(), registry, folders=folders) == []
    assert issues_of(load_one(name="sd15.safetensors", picture="photo.png"), registry, folders=folders) == []
    assert issues_of(load_one(name="absent"), registry) == []  # without folders, nobody can tell
    issue = the_issue(load_one(name="sd51.safetensors"), registry, folders=folders)
    assert (issue.code, issue.message) == ("value_not_in_list", "Value not in list")
    assert issue.details == "checkpoint 'sd51.safetensors' is not there"
    assert issue.hint.startswith(f"looked in {folders.models[0]}/checkpoints, ")
    assert issue.hint.endswith("; did you mean 'sd15.safetensors'?")
    assert issue.missing_file
    issue = the_issue(load_one(picture="foto.png"), registry, folders=folders)
    assert issue.missing_file
    assert issue.code == "custom_validation_failed", "as ComfyUI's loaders of input files say it"


@pytest.mark.parametrize(
    ("name", "details"),
    [
        ("../secret", "leaves its folder"),
        ("/etc/passwd", "leaves its folder"),
        ("a" * 5000, "is not there"),
        ("", "is empty"),
        (5, "name: expected the name of a file, got 5"),
        (None, "name: expected the name of a file, got None"),
        ({"a": 1}, "name: expected the name of a file, got {'a': 1}"),
    ],
)
def test_odd_file_names(name: Any, details: str, folders: Folders, registry: Registry) -> None:
    issue = the_issue(load_one(name=name), registry, folders=folders)
    assert issue.code == "value_not_in_list"
    assert details in issue.details
    assert issue.missing_file is ("not there" in details)


def test_a_class_without_code_is_valid_but_cannot_run(registry: Registry) -> None:
    info = {"input": {"required": {}}, "output": [], "output_node": True}
    registry.add({"Foreign": NodeSchema.from_object_info("Foreign", info)})
    document = {"1": {"class_type": "Foreign", "inputs": {}}}
    issue = the_issue(document, registry)
    assert (issue.code, issue.message) == ("not_executable", "Foreign cannot be run")
    assert issue.details == "only its description is known here"
    assert issues_of(document, registry, executable=False) == []


def test_output_nodes_in_the_order_of_the_document(registry: Registry) -> None:
    document = {"z": {"class_type": "Show"}, "a": {"class_type": "Show"}, "x": {"class_type": "Nope"}}
    assert output_nodes(Prompt.parse(document), registry) == ["z", "a"]


def test_a_long_chain(registry: Registry) -> None:
    chain: dict[str, Any] = {"0": {"class_type": "Make", "inputs": {"size": 8}}}
    for place in range(1, 20_000):
        chain[str(place)] = {"class_type": "Change", "inputs": {"image": [str(place - 1), 0]}}
    chain["end"] = {"class_type": "Show", "inputs": {"image": ["19999", 0]}}
    assert validate(Prompt.parse(chain), registry) == []


def test_thousands_of_problems_stay_quick(registry: Registry) -> None:
    """Searching a near name for each of 3,000 among 3,000 would take minutes; the first hundred of a kind get one."""
    document = {
        str(place): {"class_type": f"Shaw{place}", "inputs": {"image": [f"n{place}", 0]}} for place in range(3_000)
    } | {f"s{place}": {"class_type": "Show", "inputs": {"image": [f"n{place}", 0]}} for place in range(3_000)}
    found = issues_of(document, registry)
    assert len(found) == 6_000
    assert sum(bool(issue.hint) for issue in found) <= 200


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["make", "change", "none", "soft", "..", "C:\\x", "a\0b", "\ud800"]),
    st.lists(st.integers() | st.text(max_size=4), max_size=3),
    st.tuples(st.sampled_from(["make", "change", "show", "ghost"]), st.integers(-2, 3)).map(list),
    st.dictionaries(st.just("__value__"), st.lists(st.integers(), max_size=2)),
)
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["make", "change", "show", "load"]),
        st.sampled_from(["size", "mode", "image", "amount", "text", "flag", "mask", "name", "picture", "other"]),
        VALUES,
    ),
    max_size=6,
)


@given(MUTATIONS, st.dictionaries(st.sampled_from(["make", "change", "show"]), st.text(max_size=6), max_size=1))
def test_mutated_prompts_never_break_it(mutations: list[tuple[str, str, Any]], classes: dict[str, str]) -> None:
    document = prompt_of() | {"load": {"class_type": "LoadOne", "inputs": {"name": "none"}}}
    document["show"]["inputs"]["more"] = ["load", 0]
    for node_id, input_name, value in mutations:
        document[node_id]["inputs"][input_name] = value
    for node_id, class_type in classes.items():
        document[node_id]["class_type"] = class_type
    before = repr(document)
    prompt = Prompt.parse(copy.deepcopy(document))
    nowhere = Folders(models=[Path("m")], input=Path("i"), output=Path("o"), temp=Path("t"))
    found = validate(prompt, Registry().add([Make, Change, LoadOne, Show, Choose]), folders=nowhere)
    assert repr(document) == before
    assert repr(prompt.to_json()) == repr(Prompt.parse(document).to_json())
    for issue in found:
        assert re.fullmatch(r"[a-z_]+", issue.code)
        assert issue.pointer.startswith("/") or issue.code == "prompt_no_outputs"
        json.dumps(issue.to_json())
        str(issue)


# What a class itself knows of its inputs


def _beyond(constants: Mapping[str, Any]) -> set[str]:
    return {"second"} if constants.get("count") == 1 else set()


def _as_the_maker(seen: Seen) -> Iterator[tuple[str, str]]:
    made = seen.source("image")
    if made is not None and made.constants.get("size") != seen.constants.get("count"):
        yield "image", f"slot {made.slot} of {made.class_type} is of another size"


@node(category="test", unused=_beyond, check=_as_the_maker)
def Count(
    *,
    count: Annotated[int, Int(min=1)],
    first: Annotated[str, Files("checkpoints")],
    second: Annotated[str, Files("checkpoints")],
    image: Image = None,
) -> Image:
    return count, first, second


def counted(registry: Registry, folders: Folders, **inputs: Any) -> list[tuple[str, str | None]]:
    (folders.models[0] / "checkpoints" / "a").touch()
    nodes = {"make": {"class_type": "Make", "inputs": {"size": 2}}, "1": {"class_type": "Count", "inputs": inputs}}
    found = validate(Prompt.parse(nodes), registry.add(Count), folders=folders, targets=["1"])
    return [(issue.code, issue.input) for issue in found]


def test_meaningless_inputs_are_not_checked(registry: Registry, folders: Folders) -> None:
    assert counted(registry, folders, count=1, first="a", second="gone") == []
    assert counted(registry, folders, count="1", first="a", second=["nowhere", 0]) == []
    assert counted(registry, folders, count=1, first="a") == []
    assert counted(registry, folders, count=2, first="a", second="gone") == [("value_not_in_list", "second")]
    assert counted(registry, folders, count="x", first="a") == [
        ("invalid_input_type", "count"),
        ("required_input_missing", "second"),
    ]


def test_meaningless_inputs_are_not_given(registry: Registry) -> None:
    runnable = registry.add(Count).runnable("Count")
    assert coerced({"count": 1, "first": "a", "second": "b"}, runnable) == {"count": 1, "first": "a"}
    assert runnable.call(count=1, first="a") == ((1, "a", None),)


def test_what_a_class_finds_wrong_beyond_one_input(registry: Registry, folders: Folders) -> None:
    given = {"first": "a", "second": "a", "image": ["make", 0]}
    assert counted(registry, folders, count=2, **given) == []
    assert counted(registry, folders, count=3, **given) == [("custom_validation_failed", "image")]
    given["image"] = ["nobody", 0]
    assert counted(registry, folders, count=3, **given) == [("bad_linked_input", "image")]


def test_constants_that_a_class_does_not_declare(registry: Registry) -> None:
    """They have no effect, so a slip goes unseen; what the editor adds by itself is no slip."""
    inputs = {
        "image": ["1", 0],
        "amuont": 1.0,
        "other": ["1", 0],
        "prompt": {},
        "audioUI": 3,
        "empty": "",
        "z": {"a": 1},
    }
    prompt = Prompt.parse(
        {
            "1": {"class_type": "Make", "inputs": {"size": 8, "SIZE": 9}},
            "2": {"class_type": "Change", "inputs": inputs},
            "3": {"class_type": "Nobody", "inputs": {"a": 1}},
        }
    )
    assert [(issue.node_id, issue.pointer, str(issue)) for issue in undeclared(prompt, registry)] == [
        (
            "1",
            "/1/inputs/SIZE",
            "node 1 \"Make Picture\": 'SIZE' is no input of Make, so its value has no effect (did you mean 'size'?)",
        ),
        (
            "2",
            "/2/inputs/amuont",
            "node 2 \"Change\": 'amuont' is no input of Change, so its value has no effect (did you mean 'amount'?)",
        ),
        (
            "2",
            "/2/inputs/other",
            "node 2 \"Change\": 'other' is no input of Change, so what is linked to it has no effect",
        ),
        ("2", "/2/inputs/z", "node 2 \"Change\": 'z' is no input of Change, so its value has no effect"),
    ]


COLOURS = tuple(f"colour {number}" for number in range(30))


@node(category="test", output_node=True)
def Paint(
    *, colour: Annotated[str, Combo(COLOURS, meant=lambda text: "did you mean 'colour 7'?" if text == "red" else "")]
) -> None:
    pass


def test_a_list_says_which_choice_was_meant_and_where_all_stand(registry: Registry) -> None:
    def hint(colour: str) -> str:
        return the_issue({"1": {"class_type": "Paint", "inputs": {"colour": colour}}}, registry.add(Paint)).hint

    assert hint("red") == "did you mean 'colour 7'?; weft nodes Paint lists all 30"
    assert hint("color 12") == "did you mean 'colour 12'?; weft nodes Paint lists all 30"
    assert hint("xyz") == "weft nodes Paint lists all 30"
    assert "meant" not in Combo(COLOURS, meant=str).to_object_info()


@pytest.mark.parametrize(
    ("class_type", "name", "value"),
    [
        ("HighRes-Fix Script", "latent_upscaler", "ttl_nn.SD 1.x"),
        ("CLIPLoader", "type", "mochi"),
        ("DualCLIPLoader", "type", "hunyuan_video"),
        ("ModelSamplingContinuousEDM", "sampling", "cosmos_rflow"),
    ],
)
def test_what_comfyui_offers_and_nobody_can_run_here_is_found_before_the_run(
    class_type: str, name: str, value: str
) -> None:
    installed = Registry.discover()
    inputs = {
        one: spec.socket.options.get("default", next(iter(getattr(spec.socket, "choices", None) or [1])))
        for one, spec in installed[class_type].by_name.items()
        if spec.section == "required"
    }
    prompt = Prompt.parse({"1": {"class_type": class_type, "inputs": {**inputs, "upscale_type": "latent"}}})
    told = [issue for issue in validate(prompt.replace("1", name, value), installed) if issue.input == name]
    assert [(issue.code, issue.message) for issue in told] == [
        ("custom_validation_failed", f"{value!r} is not supported")
    ]
    assert told[0].details
    assert not [issue for issue in validate(prompt, installed) if issue.input == name]


def test_a_preprocessor_is_refused_where_a_controlnet_would_ask_for_it() -> None:
    def told(**inputs: Any) -> list[str]:
        script = {"upscale_type": "latent", "preprocessor": "CannyEdge", **inputs}
        prompt = Prompt.parse({"1": {"class_type": "HighRes-Fix Script", "inputs": script}})
        return [issue.message for issue in validate(prompt, Registry.discover()) if issue.input == "preprocessor"]

    assert "'CannyEdge' belongs to comfyui_controlnet_aux" in told(use_controlnet=True)[0]
    assert told(use_controlnet=False) == told(use_controlnet=True, preprocessor="none") == []


def test_a_typed_node_is_called_without_links_that_it_does_not_declare(registry: Registry) -> None:
    prompt = Prompt.parse(prompt_of(change={"extra": ["make", 0], "mask": ["make", 1]}))
    given = coerced(prompt.nodes["change"].inputs, registry.runnable("Change"))
    assert {name for name, value in given.items() if isinstance(value, Link)} == {"image", "mask"}


@pytest.mark.parametrize(
    ("link", "name", "hint"),
    [
        (["3", 0], "images", "VAEDecode makes IMAGE of LATENT"),
        (["1", 1], "images", ""),
    ],
)
def test_of_types_that_do_not_fit_the_class_between_them_is_named(link: list[Any], name: str, hint: str) -> None:
    nodes = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "weft-tiny.safetensors"}},
        "3": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "4": {"class_type": "PreviewImage", "inputs": {name: link}},
    }
    (issue,) = validate(Prompt.parse(nodes), Registry.discover())
    assert (issue.code, issue.hint) == ("return_type_mismatch", hint)
