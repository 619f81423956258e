"""Inputs that unfold by what a node holds, and widgets of types that are not plain: converted, validated, refused."""

from __future__ import annotations

from typing import Any

import pytest

from weft.engine.errors import InvalidWorkflow
from weft.engine.formats.conversion import ConvertedPrompt, to_prompt
from weft.engine.formats.editor import to_workflow
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Autogrow, DynamicCombo, Float, MatchType, Unread, socket_from
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import undeclared, validate

Json = dict[str, Any]

SIZES = {
    "options": [
        {"key": "by side", "inputs": {"required": {"width": ["INT", {"default": 8}], "height": ["INT", {}]}}},
        {"key": "by factor", "inputs": {"required": {"factor": ["FLOAT", {"default": 2.0}]}}},
        {"key": "none", "inputs": {}},
    ]
}
CODECS = {
    "options": [
        {
            "key": "mp4",
            "inputs": {
                "required": {
                    "codec": [
                        "COMFY_DYNAMICCOMBO_V3",
                        {
                            "options": [
                                {"key": "auto"},
                                {"key": "h264", "inputs": {"optional": {"crf": ["INT", {"default": 23}]}}},
                            ]
                        },
                    ],
                    "seed": ["INT", {"control_after_generate": True}],
                    "frames": [
                        "COMFY_AUTOGROW_V3",
                        {"template": {"input": {"required": {"frame": ["IMAGE", {}]}}, "names": ["first", "last"]}},
                    ],
                }
            },
        },
    ]
}


def grow(io_type: str, **template: Any) -> list[Any]:
    return ["COMFY_AUTOGROW_V3", {"template": {"input": {"required": {"x": [io_type, {}]}}, **template}}]


def match(allowed: str = "*") -> list[Any]:
    return ["COMFY_MATCHTYPE_V3", {"template": {"template_id": "t", "allowed_types": allowed}}]


def entry(required: Json, outputs: list[Any] | None = None, optional: Json | None = None) -> Json:
    return {"input": {"required": required, "optional": optional or {}}, "output": outputs or [], "output_node": True}


OBJECT_INFO: Json = {
    "Image": entry({}, ["IMAGE"]),
    "Latent": entry({}, ["LATENT"]),
    "Resize": entry(
        {"input": ["IMAGE,MASK"], "size": ["COMFY_DYNAMICCOMBO_V3", SIZES], "method": [["area", "exact"]]}, ["IMAGE"]
    ),
    "Video": entry({"format": ["COMFY_DYNAMICCOMBO_V3", CODECS], "name": ["STRING", {"default": "v"}]}),
    "Batch": entry({"images": grow("IMAGE", prefix="image", min=2, max=4), "k": ["INT", {"default": 1}]}, ["IMAGE"]),
    "Sum": entry({"values": grow("FLOAT", names=["a", "b"], min=1), "rule": ["STRING"]}, ["FLOAT"]),
    "Switch": entry({"on": ["BOOLEAN"], "false": match(), "true": match()}, ["COMFY_MATCHTYPE_V3"]),
    "Picky": entry({"x": match("IMAGE,MASK")}, ["COMFY_MATCHTYPE_V3"]),
    "Rate": entry({"rate": ["FLOAT,INT", {"widgetType": "FLOAT", "default": 24}], "n": ["INT", {"default": 5}]}),
    "Tint": entry({"a": ["INT"], "tint": ["COLOR", {"default": "#fff"}], "b": ["INT"]}),
    "Odd": entry({"a": ["INT"], "map": ["PACKS_OWN", {}], "b": ["INT"]}),
    "Slot": entry(
        {}, optional={"image": ["COMFY_DYNAMICSLOT_V3", {"slotType": "IMAGE", "inputs": {"required": {"n": ["INT"]}}}]}
    ),
    "Tags": entry({"tags": ["COMBO", {"multiselect": True, "options": ["a", "b"]}]}),
    "Later": entry({"a": ["INT"], "slot": ["COMFY_DYNAMICSLOT_V3", {}]}),
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry().add_object_info(OBJECT_INFO)


def node(node_id: int, kind: str, values: Any = None, named: Any = None, **more: Any) -> Json:
    return {"id": node_id, "type": kind, "widgets_values": values, "widgets_values_named": named, **more}


def convert(registry: Registry, *nodes: Json, **more: Any) -> ConvertedPrompt:
    return to_prompt(Workflow.parse({"nodes": list(nodes), "links": [], **more}), registry)


def values(registry: Registry, kind: str, saved: Any, named: Any = None, **more: Any) -> Json:
    return dict(convert(registry, node(1, kind, saved, named, **more)).nodes["1"].inputs)


def codes(registry: Registry, prompt: Json) -> list[tuple[str, str | None]]:
    found = validate(Prompt.parse(prompt), registry, executable=False)
    return [(issue.code, issue.input) for issue in found]


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        (["by side", 5, 6, "exact"], {"size": "by side", "size.width": 5, "size.height": 6, "method": "exact"}),
        (["by factor", 1.5, "exact"], {"size": "by factor", "size.factor": 1.5, "method": "exact"}),
        (["none", "exact"], {"size": "none", "method": "exact"}),
        ([], {"size": "by side", "size.width": 8, "size.height": 0, "method": "area"}),
        (["by factor"], {"size": "by factor", "size.factor": 2, "method": "area"}),
        ([None, 3], {"size": "by side", "size.width": 3, "size.height": 0, "method": "area"}),
    ],
)
def test_a_choice_brings_its_inputs(registry: Registry, saved: Any, expected: Json) -> None:
    assert values(registry, "Resize", saved) == expected


def test_choices_inside_choices_and_a_control_word_that_stayed(registry: Registry) -> None:
    saved = ["mp4", "h264", 18, 7, "increment", "clip", "randomize"]
    prompt = convert(registry, node(1, "Video", saved))
    expected = {"format": "mp4", "format.codec": "h264", "format.codec.crf": 18, "format.seed": 7, "name": "clip"}
    assert prompt.nodes["1"].inputs == expected
    assert [(control.word, control.place) for control in prompt.controls.values()] == [
        ("increment", "/nodes/0/widgets_values/3")
    ]
    assert prompt.notes == ()


def test_names_say_which_value_is_whose_and_the_list_what_it_is(registry: Registry) -> None:
    named = {"method": "area", "size": "by factor", "size.factor": 9, "gone": 4}
    prompt = convert(registry, node(1, "Resize", ["exact", "by factor", 3, 4], named))
    assert prompt.nodes["1"].inputs == {"size": "by factor", "size.factor": 3, "method": "exact"}
    assert [str(note) for note in prompt.notes] == [
        'node 1 "Resize": 1 saved value that no widget of the class takes: gone=4'
    ]


def test_a_list_that_does_not_fit_is_read_by_name(registry: Registry) -> None:
    named = {"size": "by factor", "size.factor": 9, "method": "exact"}
    assert values(registry, "Resize", ["by factor", 9, "lanczos", "more"], named)["method"] == "exact"
    assert values(registry, "Rate", [12, None, "image"], {"rate": 12, "n": 7}) == {"rate": 12, "n": 7}


def test_names_without_a_list_are_said_to_be_unread(registry: Registry) -> None:
    prompt = convert(registry, node(1, "Rate", None, {"rate": 12, "n": 5}))
    assert prompt.nodes["1"].inputs == {"rate": 24, "n": 5}
    assert [note.code for note in prompt.notes] == ["values_left_out"]
    assert "rate=12" in str(prompt.notes[0])


def test_a_renamed_widget_keeps_its_value(registry: Registry) -> None:
    assert values(registry, "Rate", [12, 3], {"fps": 12, "n": 3}) == {"rate": 12, "n": 3}


def test_names_of_an_unknown_class(registry: Registry) -> None:
    named = {"seed": 3, "control_after_generate": "fixed", "upload": "image"}
    workflow = Workflow.parse({"nodes": [node(1, "Fancy", [3, "fixed", "image"], named)], "links": []})
    assert to_prompt(workflow, registry, keep_unknown=True).nodes["1"].inputs == {"seed": 3}


@pytest.mark.parametrize("saved", [[1, 2, "rest"], [1, 2, 0], [1, 2, None, True]])
def test_values_that_no_widget_takes_are_a_note(registry: Registry, saved: list[Any]) -> None:
    assert [note.code for note in convert(registry, node(1, "Rate", saved)).notes] == ["values_left_out"]
    assert convert(registry, node(1, "Rate", [1, 2, None, "", "fixed"])).notes == ()


def test_a_choice_that_is_not_known_is_no_guess(registry: Registry) -> None:
    with pytest.raises(InvalidWorkflow, match="'by area' is no choice of 'size'"):
        convert(registry, node(1, "Resize", ["by area", 7, "exact"]))
    named = {"size": "by area", "size.area": 7, "method": "exact"}
    prompt = convert(registry, node(1, "Resize", list(named.values()), named))
    assert prompt.nodes["1"].inputs == {"size": "by area", "method": "exact"}
    assert "size.area=7" in str(prompt.notes[0])


def test_types_with_a_widget_of_their_own(registry: Registry) -> None:
    assert values(registry, "Rate", [30, 2]) == {"rate": 30, "n": 2}
    assert values(registry, "Tint", [1, "#123456", 2]) == {"a": 1, "tint": "#123456", "b": 2}
    assert values(registry, "Tint", [1]) == {"a": 1, "tint": "#fff", "b": 0}
    assert codes(registry, {"1": {"class_type": "Tint", "inputs": {"a": 1, "tint": "#123456", "b": 2}}}) == []
    assert isinstance(socket_from("FLOAT,INT", {"widgetType": "FLOAT"}), Float)
    assert isinstance(socket_from("A,B", {"widgetType": "A"}), Unread)


def test_a_widget_that_only_the_save_knows(registry: Registry) -> None:
    shown = [{"name": "map", "type": "PACKS_OWN", "widget": {"name": "map"}}]
    assert values(registry, "Odd", [1, {"x": 2}, 3], inputs=shown) == {"a": 1, "map": {"x": 2}, "b": 3}
    with pytest.raises(InvalidWorkflow, match="'map' of type PACKS_OWN"):
        values(registry, "Odd", [1, {"x": 2}, 3])
    socket = [{"name": "map", "type": "PACKS_OWN", "link": None}]
    assert values(registry, "Odd", [1, 3], inputs=socket) == {"a": 1, "b": 3}


def test_a_type_that_is_not_known_is_named(registry: Registry) -> None:
    with pytest.raises(InvalidWorkflow, match="'slot' is of type COMFY_DYNAMICSLOT_V3"):
        convert(registry, node(1, "Later", [1]))
    assert convert(registry, node(1, "Later", [1], mode=2), node(2, "Image")).nodes.keys() == {"2"}
    assert codes(registry, {"1": {"class_type": "Later", "inputs": {"a": 1}}}) == [("unknown_input_type", "slot")]
    broken = [("COMFY_DYNAMICCOMBO_V3", {}), ("COMFY_AUTOGROW_V3", {"template": {}}), ("COMFY_AUTOGROW_V3", {})]
    assert all(isinstance(socket_from(io_type, options), Unread) for io_type, options in broken)


def linked(kind: str, names: dict[str, str], **inputs: Any) -> Json:
    """A prompt of one node whose inputs `names` are linked to nodes of the classes that they name."""
    sources = {f"s{index}": source for index, source in enumerate(names.values())}
    links = {name: [f"s{index}", 0] for index, name in enumerate(names)}
    nodes: Json = {node_id: {"class_type": source, "inputs": {}} for node_id, source in sources.items()}
    return {**nodes, "1": {"class_type": kind, "inputs": {**links, **inputs}}}


def test_validation_of_what_unfolds(registry: Registry) -> None:
    images = {"images.image0": "Image", "images.image1": "Image", "images.image3": "Image"}
    assert codes(registry, linked("Batch", images, k=2)) == []
    assert codes(registry, linked("Batch", {"images.image0": "Image"}, k=2)) == [
        ("required_input_missing", "images.image1")
    ]
    wrong = {"images.image0": "Image", "images.image1": "Latent"}
    assert codes(registry, linked("Batch", wrong, k=2)) == [("return_type_mismatch", "images.image1")]
    assert codes(registry, linked("Sum", {}, rule="a", **{"values.a": 3})) == []
    assert codes(registry, linked("Resize", {"input": "Image"}, size="by side", method="area")) == [
        ("required_input_missing", "size.width"),
        ("required_input_missing", "size.height"),
    ]
    given = {"size": "by factor", "size.factor": "x", "method": "area"}
    assert codes(registry, linked("Resize", {"input": "Image"}, **given)) == [("invalid_input_type", "size.factor")]
    given = {"size": "by foot", "method": "area"}
    assert codes(registry, linked("Resize", {"input": "Image"}, **given)) == [("value_not_in_list", "size")]


def test_validation_of_types_that_match(registry: Registry) -> None:
    assert codes(registry, linked("Switch", {"false": "Image", "true": "Latent"}, on=True)) == []
    assert codes(registry, linked("Batch", {"images.image0": "Switch", "images.image1": "Image"}, k=1))[:1] != [
        ("return_type_mismatch", "images.image0")
    ]
    assert codes(registry, linked("Picky", {"x": "Image"})) == []
    assert codes(registry, linked("Picky", {"x": "Latent"})) == [("return_type_mismatch", "x")]


def test_a_slot_that_is_linked_brings_its_inputs(registry: Registry) -> None:
    def found(**inputs: Any) -> list[tuple[str, str | None]]:
        return codes(registry, {"1": {"class_type": "Slot", "inputs": inputs}, "2": {"class_type": kind, "inputs": {}}})

    kind = "Image"
    assert found() == []
    assert found(image=["2", 0]) == [("required_input_missing", "image.n")]
    assert found(image=["2", 0], **{"image.n": 3}) == []
    kind = "Latent"
    assert found(image=["2", 0], **{"image.n": 3}) == [("return_type_mismatch", "image")]


@pytest.mark.parametrize(("tags", "found"), [(["a", "b"], []), ([], []), (["a", "c"], [("value_not_in_list", "tags")])])
def test_of_some_lists_several_may_be_chosen(registry: Registry, tags: Any, found: Any) -> None:
    assert codes(registry, {"1": {"class_type": "Tags", "inputs": {"tags": {"__value__": tags}}}}) == found


def test_what_another_choice_would_bring_has_no_effect(registry: Registry) -> None:
    given = {"size": "by factor", "size.factor": 2, "size.width": 8, "method": "area"}
    prompt = Prompt.parse(linked("Resize", {"input": "Image"}, **given))
    assert [issue.input or issue.message for issue in undeclared(prompt, registry)] == [
        "'size.width' is no input of Resize, so its value has no effect"
    ]


def test_it_goes_to_the_editor_and_back(registry: Registry) -> None:
    prompt = Prompt.parse(
        linked("Resize", {"input": "Image"}, size="by factor", **{"size.factor": 3, "method": "exact"})
        | {
            "2": {"class_type": "Batch", "inputs": {"images.image0": ["1", 0], "images.image1": ["s0", 0], "k": 2}},
            "3": {"class_type": "Tint", "inputs": {"a": 1, "tint": "#111", "b": 2}},
        }
    )
    back = to_prompt(Workflow.parse(to_workflow(prompt, registry)), registry)
    assert {key: each.inputs for key, each in back.nodes.items()} == {
        key: each.inputs for key, each in prompt.nodes.items()
    }


def test_a_bypassed_switch_passes_on_the_type_that_it_has(registry: Registry) -> None:
    def slot(name: str, link: int | None) -> Json:
        return {"name": name, "type": "IMAGE", "link": link}

    bypassed = node(2, "Switch", [True], mode=4, inputs=[slot("false", 1), slot("true", None)])
    bypassed["outputs"] = [{"name": "o", "type": "IMAGE", "links": [2]}]
    nodes = node(1, "Image"), bypassed, node(3, "Picky", inputs=[slot("x", 2)])
    links = [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]]
    prompt = to_prompt(Workflow.parse({"nodes": list(nodes), "links": links}), registry)
    assert prompt.nodes["3"].inputs == {"x": ("1", 0)}


def subgraph(values: list[Any] | None, named: Any = None, **properties: Any) -> Json:
    """An instance of a subgraph around one Resize, which shows its size; node 5 of an unknown class is shown too."""
    resize = node(4, "Resize", ["by factor", 3, "exact"])
    resize["inputs"] = [{"name": "size", "type": "*", "link": 1, "widget": {"name": "size"}}]
    rate = node(5, "Rate", [10, 2])
    lost = {"name": "lost", "type": "INT", "link": 2, "widget": {"name": "lost"}}
    rate["inputs"] = [lost, {"name": "n", "type": "INT", "link": 3, "widget": {"name": "n"}}]
    inner = {
        "id": "sub",
        "nodes": [resize, rate],
        "links": [
            {"id": number, "origin_id": -10, "origin_slot": number - 1, "target_id": target, "target_slot": 0}
            for number, target in ((1, 4), (2, 5), (3, 5))
        ],
        "inputs": [{"name": name, "type": "*", "linkIds": [at + 1]} for at, name in enumerate(("size", "gone", "n"))],
    }
    instance = node(9, "sub", values, named, properties=properties)
    return {"nodes": [instance], "links": [], "definitions": {"subgraphs": [inner]}}


def test_a_widget_that_its_class_lost_shifts_nothing(registry: Registry) -> None:
    prompt = to_prompt(Workflow.parse(subgraph(["none", 8, 6])), registry)
    assert prompt.nodes["9:5"].inputs == {"rate": 10, "n": 6}
    assert [note.code for note in prompt.notes] == ["values_left_out"]
    named = {"n": 6, "size": "none"}
    prompt = to_prompt(Workflow.parse(subgraph([7, "none"], named)), registry)
    assert prompt.nodes["9:5"].inputs == {"rate": 10, "n": 7}


def test_an_instance_may_choose_otherwise(registry: Registry) -> None:
    prompt = to_prompt(Workflow.parse(subgraph(["by side"])), registry)
    assert prompt.nodes["9:4"].inputs == {"size": "by side", "size.width": 8, "size.height": 0, "method": "exact"}


def test_what_an_instance_shows_of_its_inside_counts(registry: Registry) -> None:
    shown = [["5", "rate"], ["-1", "n"], ["4", "method"], ["77", "gone"]]
    prompt = to_prompt(Workflow.parse(subgraph([12, 4, None, 5], proxyWidgets=shown)), registry)
    assert prompt.nodes["9:5"].inputs == {"rate": 12, "n": 4}
    assert prompt.nodes["9:4"].inputs["method"] == "exact"
    assert [str(note) for note in prompt.notes] == [
        'node 9 "sub": 1 saved value that no widget of the subgraph takes: 5'
    ]


def test_the_outermost_instance_counts(registry: Registry) -> None:
    document = subgraph([12], proxyWidgets=[["5", "rate"]])
    (instance,) = document["nodes"]
    document["definitions"]["subgraphs"].append({"id": "outer", "nodes": [instance], "links": []})
    document["nodes"] = [node(20, "outer", [13], properties={"proxyWidgets": [["9", "rate"]]})]
    assert to_prompt(Workflow.parse(document), registry).nodes["20:9:5"].inputs["rate"] == 13
    document["nodes"][0]["widgets_values"] = [None]
    assert to_prompt(Workflow.parse(document), registry).nodes["20:9:5"].inputs["rate"] == 12


def test_what_the_sockets_say() -> None:
    choice, row = socket_from("COMFY_DYNAMICCOMBO_V3", SIZES), socket_from(*grow("IMAGE", prefix="i", min=1, max=500))
    assert isinstance(choice, DynamicCombo)
    assert choice.choices == ("by side", "by factor", "none")
    whole = [{**each, "inputs": {"required": {}, **each["inputs"]}} for each in SIZES["options"]]
    assert choice.to_object_info() == ["COMFY_DYNAMICCOMBO_V3", {**SIZES, "options": whole}]
    assert isinstance(row, Autogrow)
    assert len(row.names) == 100
    assert isinstance(socket_from(*match()), MatchType)
