from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Annotated, Any

import pytest

from weft.engine.errors import DefinitionError
from weft.engine.schema.authoring import Output, PromptJson, UniqueId, node, read_function
from weft.engine.schema.node import InputSpec, NodeSchema, OutputSpec, read_inputs
from weft.engine.schema.sockets import Combo, Float, Int, Socket, String
from weft.engine.schema.v1 import read_class

from ..reference.store import document

Image = Annotated[Any, Socket("IMAGE")]
Mask = Annotated[Any, Socket("MASK")]


@node(display_name="Sharpen It", category="image/filters", output_node=True, experimental=True, deprecated=True)
def Sharpen(
    *,
    image: Image,
    radius: Annotated[int, Int(default=1, min=1, max=31)],
    mode: Annotated[str, Combo(["box", "gauss"])],
    mask: Mask | None = None,
    alpha: Annotated[float, Float(default=0.5, step=0.1)] = 0.5,
    prompt: PromptJson,
    unique_id: UniqueId,
) -> tuple[Image, list[Annotated[Any, Socket("MASK"), Output("edges")]]]:
    """Sharpen pictures.

    Args:
        radius: In pixels.
    """
    return image, mask


class SharpenV1:
    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image": ("IMAGE",),
                "radius": ("INT", {"default": 1, "min": 1, "max": 31, "tooltip": "Another text."}),
                "mode": (["box", "gauss"],),
            },
            "optional": {"mask": ("MASK",), "alpha": ("FLOAT", {"default": 0.5, "step": 0.1})},
            "hidden": {"prompt": "PROMPT", "unique_id": ("UNIQUE_ID",)},
        }

    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("IMAGE", "edges")
    OUTPUT_IS_LIST = (False, True)
    OUTPUT_NODE = EXPERIMENTAL = DEPRECATED = True
    FUNCTION = "run"
    CATEGORY = "image/filters"

    def run(self, **inputs: Any) -> Any:
        return inputs


INFO: dict[str, Any] = {
    "input": {
        "required": {
            "image": ["IMAGE"],
            "radius": ["INT", {"default": 1, "min": 1, "max": 31}],
            "mode": ["COMBO", {"options": ["box", "gauss"]}],
        },
        "optional": {"mask": ["MASK", {"tooltip": "Where."}], "alpha": ["FLOAT", {"default": 0.5, "step": 0.1}]},
        "hidden": {"prompt": "PROMPT", "unique_id": ["UNIQUE_ID"]},
    },
    "output": ["IMAGE", "MASK"],
    "output_is_list": [False, True],
    "output_name": ["IMAGE", "edges"],
    "name": "Sharpen",
    "display_name": "Sharpen It",
    "description": "Other words.",
    "python_module": "custom_nodes.sharp",
    "category": "image/filters",
    "output_node": True,
    "experimental": True,
    "deprecated": True,
}


def test_equal_however_made() -> None:
    typed = read_function(Sharpen).schema
    v1 = replace(read_class("Sharpen", SharpenV1).schema, display_name="Sharpen It")  # V1 classes have no such name
    read = NodeSchema.from_object_info("Sharpen", INFO)
    assert typed == v1 == read
    assert len({typed, v1, read}) == 1
    assert NodeSchema.from_object_info("Sharpen", typed.to_object_info()) == typed
    assert json.loads(json.dumps(typed.to_object_info()))["input"]["required"]["mode"] == [["box", "gauss"]]


EDITS: list[tuple[tuple[str, ...], Any]] = [
    (("input", "required", "radius"), ["INT", {"default": 2, "min": 1, "max": 31}]),
    (("input", "required", "radius"), ["FLOAT", {"default": 1, "min": 1, "max": 31}]),
    (("input", "required", "mode"), [["gauss", "box"]]),
    (("input", "required", "more"), ["INT"]),
    (("input", "optional"), {}),
    (("input", "hidden"), {"prompt": "PROMPT"}),
    (("output",), ["IMAGE", "IMAGE"]),
    (("output_name",), ["IMAGE", "rims"]),
    (("output_is_list",), [False, False]),
    (("display_name",), "Sharpen"),
    (("category",), "image"),
    (("output_node",), False),
    (("deprecated",), False),
    (("experimental",), False),
    (("api_node",), True),
]


@pytest.mark.parametrize(("place", "value"), EDITS)
def test_what_a_workflow_can_notice_counts(place: tuple[str, ...], value: Any) -> None:
    info = copy.deepcopy(INFO)
    inner = info
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    assert NodeSchema.from_object_info("Sharpen", info) != NodeSchema.from_object_info("Sharpen", INFO)


def test_the_order_of_inputs_counts() -> None:
    info = copy.deepcopy(INFO)
    info["input"]["required"] = dict(reversed(info["input"]["required"].items()))
    assert NodeSchema.from_object_info("Sharpen", info) != NodeSchema.from_object_info("Sharpen", INFO)


def test_every_entry_of_a_real_dump_makes_the_round_trip() -> None:
    dump = document("object_info")
    kept = (
        "output",
        "output_is_list",
        "output_name",
        "name",
        "category",
        "description",
        "output_node",
        "python_module",
    )
    changed = []
    for class_type, info in dump.items():
        schema = NodeSchema.from_object_info(class_type, info)
        again = json.loads(json.dumps(schema.to_object_info()))
        order = {section: names for section, names in info["input_order"].items() if names or section == "required"}
        if (
            NodeSchema.from_object_info(class_type, again) != schema
            or any(again[name] != info[name] for name in kept)
            or again["input_order"] != order
        ):
            changed.append(class_type)
    assert len(dump) == 496
    assert changed == []


@pytest.mark.parametrize(
    ("fields", "outputs"),
    [
        ({"output": ["A", "B"]}, [("A", False, ""), ("B", False, "")]),
        ({"output": ["A", "B"], "output_name": ["x"]}, [("x", False, ""), ("B", False, "")]),
        ({"output": ["A"], "output_name": ["x", "y"], "output_tooltips": ["t", "u"]}, [("x", False, "t")]),
        ({"output": [["a", "b"]], "output_name": [["a", "b"]]}, [("COMBO", False, "")]),
        ({"output": [], "output_name": None, "output_is_list": None}, []),
        ({"output": ["A"], "output_is_list": [1], "output_tooltips": [None]}, [("A", True, "")]),
    ],
)
def test_outputs_are_as_many_as_types(fields: dict[str, Any], outputs: list[tuple[str, bool, str]]) -> None:
    schema = NodeSchema.from_object_info("X", {"input": {}, **fields})
    assert [(output.name, output.is_list, output.tooltip) for output in schema.outputs] == outputs


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"input": {}},
        {"output": []},
        {"input": [], "output": []},
        {"input": {}, "output": None},
        {"input": {}, "output": "IMAGE"},
        {"input": {"required": {"x": []}}, "output": []},
        {"input": {"required": {"x": "INT"}}, "output": []},
        {"input": {"required": {"x": 5}}, "output": []},
        {"input": {"required": {"x": ["INT", "no options"]}}, "output": []},
        {"input": {"required": {"x": [{"a": 1}]}}, "output": []},
        {"input": {"required": []}, "output": [], "output_name": 5},
        [],
        None,
    ],
)
def test_a_malformed_entry_is_named(info: Any) -> None:
    with pytest.raises(DefinitionError, match="'Odd'"):
        NodeSchema.from_object_info("Odd", info)


def test_sections_come_in_comfyui_s_order() -> None:
    specs = read_inputs({"hidden": {"h": "PROMPT"}, "optional": {"o": ("INT",)}, "required": {"r": ("INT",)}})
    assert [(spec.name, spec.section) for spec in specs] == [("r", "required"), ("o", "optional"), ("h", "hidden")]
    schema = NodeSchema("X", specs, ())
    assert list(schema.by_name) == ["r", "o"]
    assert schema.to_object_info()["input_order"] == {"required": ["r"], "optional": ["o"], "hidden": ["h"]}


def test_object_info_of_a_node_without_required_inputs() -> None:
    schema = NodeSchema("X", (InputSpec("o", String(), "optional"),), (OutputSpec("A", "A", tooltip="t"),))
    info = schema.to_object_info()
    assert info["input"] == {"required": {}, "optional": {"o": ["STRING"]}}
    assert info["output_tooltips"] == ["t"]
    assert info["display_name"] == "X"
    assert "deprecated" not in info
