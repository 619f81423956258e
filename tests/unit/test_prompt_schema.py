"""`weft schema`: an independent validator accepts by it what is right, and refuses what is wrong, where it is wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.planting import KINDS
from weft.engine.describing.catalogue import Catalogue
from weft.engine.describing.examples import example
from weft.engine.describing.prompts import prompt_schema
from weft.engine.describing.saves import workflow_schema
from weft.engine.errors import UnreadableWorkflow
from weft.engine.folders import Folders
from weft.engine.schema.node import InputSpec, NodeOptions, NodeSchema, RunnableNode, Validates
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Combo, DynamicSlot, Int, Opaque, Socket
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import validate

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
GRAPHS = sorted(WORKFLOWS.glob("*.api.json"))
SAVES = [file.with_name(file.name.replace(".api", "")) for file in GRAPHS]
REGISTRY = Registry.discover()

MORE: dict[str, Any] = {
    "90": {"class_type": "BatchImagesNode", "inputs": {"images.image0": ["10", 0], "images.image12": ["10", 0]}},
    "91": {
        "class_type": "SaveImageAdvanced",
        "inputs": {
            "images": ["90", 0], "filename_prefix": "x", "format": "exr", "format.bit_depth": "32-bit float",
            "format.input_color_space": "linear",
        },
    },
    "92": {
        "class_type": "SaveAnimatedWEBP",
        "inputs": {
            "images": ["90", 0], "filename_prefix": "x", "fps": 6, "lossless": True, "quality": 80, "method": "default",
        },
    },
}  # fmt: skip
"""Nodes whose inputs unfold, and one with a switch."""


def validator(*class_types: str, **options: Any) -> Draft202012Validator:
    schema = prompt_schema([REGISTRY.find(name) for name in class_types], **options)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def classes(prompts: Iterable[dict[str, Any]]) -> set[str]:
    return {node["class_type"] for prompt in prompts for node in prompt.values()}


def wrong(by: Draft202012Validator, document: Any) -> list[tuple[str, ...]]:
    return [tuple(map(str, error.absolute_path)) for error in by.iter_errors(document)]


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


PLANTED = read(WORKFLOWS / "lora_switch.api.json") | MORE


@pytest.fixture(scope="module")
def known() -> Draft202012Validator:
    return validator(*classes([*map(read, GRAPHS), PLANTED]))


@pytest.mark.parametrize("file", GRAPHS, ids=lambda file: file.name)
def test_every_graph_is_accepted(file: Path, known: Draft202012Validator) -> None:
    assert wrong(known, {"$schema": "weft.schema.json", **read(file)}) == []


@pytest.fixture(scope="module")
def planted() -> Draft202012Validator:
    found = validator(*classes([PLANTED]))
    assert wrong(found, PLANTED) == []
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_mistake_is_refused_where_it_is(kind: str, planted: Draft202012Validator) -> None:
    prompt = copy.deepcopy(PLANTED)
    place = KINDS[kind](prompt, REGISTRY)
    assert place is not None, "the prompt has no place for it"
    found = wrong(planted, prompt)
    assert found
    assert all(each[: len(place)] == place[: len(each)] for each in found)


ALONE = {
    "a numeral for a whole number", "a fraction for a whole number", "a number for a text", "null for a text",
    "a word for yes or no", "a number for yes or no", "an input that no class has", "a whole number between two steps",
    "a text for _meta",
}  # fmt: skip
"""What the schema refuses and Weft does not: the table in docs/authoring.md."""


@pytest.mark.parametrize("kind", KINDS)
def test_weft_refuses_what_the_schema_refuses_but_for_what_the_document_says(kind: str) -> None:
    prompt = copy.deepcopy(PLANTED)
    KINDS[kind](prompt, REGISTRY)
    try:
        found = bool(validate(Prompt.parse(prompt), REGISTRY, targets=list(prompt)))
    except UnreadableWorkflow:
        found = True
    assert found is (kind not in ALONE)


@pytest.mark.parametrize(
    "document",
    [{}, [], "text", None, {"$schema": 3, "1": MORE["90"]}, {"1:2": None}, {"sampler": {"inputs": {}}}],
    ids=str,
)
def test_documents_that_are_no_prompts(document: Any, known: Draft202012Validator) -> None:
    assert wrong(known, document)


def test_what_stands_beside_nodes_is_let_be(known: Draft202012Validator) -> None:
    beside = {"_comment": "x", "version": 0.4, "metadata": {"author": "me"}}
    node = {**MORE["90"], "_meta": {"title": None, "more": 1}, "is_changed": [1]}
    assert wrong(known, {**beside, "1": node, "2:3": node, "batch": node}) == []


def test_links_and_what_editors_add_may_stand_where_nothing_is_declared(known: Draft202012Validator) -> None:
    inputs = {**MORE["90"]["inputs"], "any": ["1", 0], "upload": "image", "preview": "", "control_after_generate": "x"}
    assert wrong(known, {"1": {"class_type": "BatchImagesNode", "inputs": inputs}}) == []


def test_the_example_of_every_class_is_accepted() -> None:
    nodes = [node for node in map(REGISTRY.find, REGISTRY) if node is not None and not node.schema.internal]
    schema = prompt_schema(nodes)
    catalogue = Catalogue((node.schema for node in nodes), REGISTRY.packs.common)
    refused = {}
    for node in nodes:
        name = node.schema.class_type
        by = Draft202012Validator({**schema["$defs"][f"class:{name}"], "$defs": schema["$defs"]})
        if found := wrong(by, json.loads(json.dumps(example(node.schema, catalogue.feeds)))):
            refused[name] = found
    assert refused == {}


def test_files_are_choices_where_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / "a.safetensors").touch()
    inputs = {"model": ["1", 0], "lora_name": "b.safetensors", "strength_model": 1.0}
    prompt = {"1": {"class_type": "LoraLoaderModelOnly", "inputs": inputs}}
    assert wrong(validator("LoraLoaderModelOnly"), prompt) == []
    here = validator(
        "LoraLoaderModelOnly",
        folders=Folders(models=(tmp_path,), **dict.fromkeys(("input", "output", "temp"), tmp_path)),
    )
    assert wrong(here, prompt) == [("1", "inputs", "lora_name")]
    inputs["lora_name"] = "a.safetensors"
    assert wrong(here, prompt) == []


def test_unknown_classes_are_let_be_where_that_is_asked_for() -> None:
    prompt = {"1": {"class_type": "Other", "inputs": {"a": [1, 2, 3]}}, "2": {"class_type": "BatchImagesNode"}}
    assert wrong(validator("BatchImagesNode"), prompt) == [("1", "class_type"), ("2",)]
    assert wrong(validator("BatchImagesNode", unknown=True), prompt) == [("2",)]


def made(*inputs: InputSpec, **options: Any) -> Draft202012Validator:
    node = RunnableNode(NodeSchema("X", inputs, ()), call=dict, options=NodeOptions(**options))
    return Draft202012Validator(prompt_schema([node]))


def refused(by: Draft202012Validator, **inputs: Any) -> list[str]:
    return [".".join(each[2:]) for each in wrong(by, {"1": {"class_type": "X", "inputs": inputs}})]


def test_several_choices_are_a_wrapped_list() -> None:
    by = made(InputSpec("a", Combo(("x", "y"), multiselect=True)))
    assert refused(by, a={"__value__": ["x", "y"]}) == refused(by, a="x") == refused(by, a=["4", 0]) == []
    assert refused(by, a={"__value__": ["z"]}) == ["a.__value__.0"]
    assert refused(by, a=["x", "y", "y"]) == ["a.1", "a"]


def test_a_widget_of_the_editors_takes_what_it_likes_and_no_bare_list() -> None:
    by = made(InputSpec("a", Opaque("CURVE")))
    assert refused(by, a={"__value__": [[0, 0], [1, 1]]}) == refused(by, a="#fff") == []
    assert refused(by, a=[[0, 0], [1, 1]]) == ["a.0", "a.1"]


def test_a_linked_slot_brings_inputs() -> None:
    slot = DynamicSlot(slotType="MASK", inputs={"required": {"grow": ("INT", {"min": 0})}})
    by = made(InputSpec("m", slot, "optional"))
    assert refused(by) == refused(by, m=["1", 0], **{"m.grow": 1}) == []
    assert refused(by, m=["1", 0]) == [""]
    assert "m.grow" in refused(by, m=["1", 0], **{"m.grow": -1})
    assert refused(by, **{"m.grow": 1}) == [""]


def test_what_a_class_checks_or_claims_itself_is_its_own_affair() -> None:
    number = InputSpec("n", Int(min=0, max=9))
    assert refused(made(number), n=10) == ["n"]
    assert refused(made(number, validates=Validates(lambda **given: True, frozenset(("n",)))), n=10) == []
    assert refused(made(number), n=1, more=5) == [""]
    assert refused(made(number, claims=lambda name: {}), n=1, more=5) == []
    assert refused(made(InputSpec("h", Socket("STRING"), "hidden")), h="given") == []


def test_ranges_that_json_cannot_say_are_left_out() -> None:
    by = made(InputSpec("n", Int(min=-5, max=float("inf"), step=2, default=float("nan"))))
    assert json.loads(json.dumps(by.schema, allow_nan=False))
    assert refused(by, n=-4) == [], "steps that do not begin at 0 no schema can say"


@pytest.fixture(scope="module")
def save() -> Draft202012Validator:
    schema = workflow_schema([REGISTRY.find(name) for name in ("KSampler", "VAEDecode")])
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("file", SAVES, ids=lambda file: file.name)
def test_every_save_is_accepted(file: Path, save: Draft202012Validator) -> None:
    assert wrong(save, read(file)) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("nodes",), {}), (("nodes", 0, "type"), None), (("nodes", 0, "id"), 1.5), (("nodes", 0, "mode"), "muted"),
        (("nodes", 0, "pos"), [1]), (("nodes", 0, "widgets_values"), 5), (("links", 0), [1, 2, 3]), (("version",), 2),
        (("links", 0, 2), -1), (("nodes", 0, "outputs", 0, "links"), 7), (("groups",), {}),
    ],
    ids=str,
)  # fmt: skip
def test_a_broken_save_is_refused_where_it_is(place: tuple[Any, ...], value: Any, save: Draft202012Validator) -> None:
    document = read(SAVES[-1])
    holder: Any = document
    for part in place[:-1]:
        holder = holder[part]
    holder[place[-1]] = value
    assert {each[: len(place)] for each in wrong(save, document)} == {tuple(map(str, place))}
