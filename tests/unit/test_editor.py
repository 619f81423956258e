"""engine/editor.py: the document that a prompt becomes, and that converting it back gives the prompt."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.engine.errors import InvalidWorkflow
from weft.engine.formats.conversion import to_prompt
from weft.engine.formats.editor import escape_dynamic, losses, to_workflow
from weft.engine.formats.texts import expand
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import Prompt

Json = dict[str, Any]


def info(outputs: str = "", optional: Json | None = None, output_node: bool = False, **required: Any) -> Json:
    return {
        "input": {"required": required, "optional": optional or {}},
        "output": outputs.split(),
        "display_name": "",
        "output_node": output_node,
    }


CLASSES = {
    "Loader": info("MODEL CLIP", ckpt_name=[[]]),
    "Encode": info("COND", text=["STRING", {"multiline": True, "dynamicPrompts": True}], clip=["CLIP"]),
    "Sampler": info(
        "LATENT",
        model=["MODEL"],
        seed=["INT", {"default": 0, "control_after_generate": True}],
        steps=["INT", {"default": 20}],
        cfg=["FLOAT", {"default": 8.0}],
        sampler_name=[["euler", "heun"]],
        positive=["COND"],
        negative=["COND"],
        optional={"latent": ["LATENT"], "denoise": ["FLOAT", {"default": 1.0}]},
    ),
    "Number": info("INT", value=["INT", {"default": 3}]),
    "Picture": info("IMAGE MASK", image=[["a.png"], {"image_upload": True}]),
    "PictureOfText": info("IMAGE", image=[["a.png"], {"image_upload": True}], text=["STRING", {"forceInput": True}]),
    "Many": info("COMBO", choices=["COMBO", {"options": ["a", "b"], "control_after_generate": True}], flag=["BOOLEAN"]),
    "SaveImage": info(output_node=True, images=["IMAGE"], filename_prefix=["STRING", {"default": "ComfyUI"}]),
    "Titled": {**info("INT"), "display_name": "A Title"},
}
PROMPT: Json = {
    "4": {"class_type": "Loader", "inputs": {"ckpt_name": "sd15.safetensors"}},
    "6": {"class_type": "Encode", "inputs": {"text": "a {red|blue} cat // no", "clip": ["4", 1]}},
    "12:5": {"class_type": "Encode", "inputs": {"text": "", "clip": ["4", 1]}, "_meta": {"title": "Negative"}},
    "n": {"class_type": "Number", "inputs": {"value": 7}},
    "3": {
        "class_type": "Sampler",
        "inputs": {
            "model": ["4", 0],
            "seed": 2**64 - 1,
            "steps": ["n", 0],
            "cfg": 7.5,
            "sampler_name": "heun",
            "positive": ["6", 0],
            "negative": ["12:5", 0],
            "denoise": 1.0,
        },
    },
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry().add_object_info(CLASSES)


def convert(prompt: Json, registry: Registry, **options: Any) -> Json:
    """The document as a file would hold it."""
    document: Json = json.loads(json.dumps(to_workflow(Prompt.parse(prompt), registry, **options)))
    return document


def back(document: Json, registry: Registry, **options: Any) -> Json:
    return plain(to_prompt(Workflow.parse(document), registry, **options).to_json())


def plain(prompt: Json) -> Json:
    return {node_id: (node["class_type"], node["inputs"]) for node_id, node in prompt.items()}


def node_of(document: Json, node_id: int | str) -> Json:
    return next(node for node in document["nodes"] if node["id"] == node_id)


def single(registry: Registry, class_type: str, **inputs: Any) -> Json:
    return node_of(convert({"1": {"class_type": class_type, "inputs": inputs}}, registry), 1)


def test_there_and_back(registry: Registry) -> None:
    document = convert(PROMPT, registry)
    assert back(document, registry) == plain(PROMPT)
    assert losses(Prompt.parse(PROMPT), document, registry) == []


def test_the_document(registry: Registry) -> None:
    document = convert(PROMPT, registry)
    assert (document["version"], document["last_node_id"], document["last_link_id"]) == (0.4, 6, 6)
    assert [node["id"] for node in document["nodes"]] == [4, 6, "12:5", "n", 3]
    assert sorted(node["order"] for node in document["nodes"]) == [0, 1, 2, 3, 4]
    assert all(node["mode"] == 0 and node["flags"] == {} for node in document["nodes"])
    for number, origin, out, target, into, io_type in document["links"]:
        output, entry = node_of(document, origin)["outputs"][out], node_of(document, target)["inputs"][into]
        assert number in output["links"]
        assert entry["link"] == number
        assert io_type == output["type"]
    left = {node["id"]: node["pos"][0] for node in document["nodes"]}
    assert left[4] < left[6] == left["12:5"] < left[3]


def test_a_node(registry: Registry) -> None:
    node = node_of(convert(PROMPT, registry), 3)
    assert [(entry["name"], entry["type"], entry.get("widget")) for entry in node["inputs"]] == [
        ("model", "MODEL", None),
        ("positive", "COND", None),
        ("negative", "COND", None),
        ("latent", "LATENT", None),
        ("steps", "INT", {"name": "steps"}),
    ]
    assert node["inputs"][3] == {"name": "latent", "type": "LATENT", "link": None, "shape": 7}
    assert node["widgets_values"] == [2**64 - 1, "fixed", 20, 7.5, "heun", 1.0]
    assert node["properties"] == {"Node name for S&R": "Sampler"}
    assert node["outputs"] == [{"name": "LATENT", "type": "LATENT", "links": None}]


def test_extra_slots(registry: Registry) -> None:
    assert single(registry, "Picture", image="b.png")["widgets_values"] == ["b.png", "image"]
    assert single(registry, "Many", choices="b", flag=True)["widgets_values"] == ["b", "fixed", "", True]


def test_titles_only_where_they_differ(registry: Registry) -> None:
    def title(class_type: str, **meta: Any) -> Any:
        return convert({"1": {"class_type": class_type, "_meta": meta}}, registry)["nodes"][0].get("title")

    assert title("Titled") is None
    assert title("Titled", title="A Title") is None
    assert title("Titled", title="Titled") == "Titled"
    assert title("Loader", title="Loader") is None


def test_what_a_node_says_of_its_pack_is_kept(registry: Registry) -> None:
    meta = {"title": "x", "cnr_id": "comfy-core", "ver": "0.3.64"}
    (node,) = convert({"1": {"class_type": "Titled", "_meta": meta}}, registry)["nodes"]
    assert node["properties"] == {"cnr_id": "comfy-core", "ver": "0.3.64", "Node name for S&R": "Titled"}


@pytest.mark.parametrize(
    "node_id", ["0", "7", "007", "-1", "-10", "1.0", "", " ", "12:5", "node", "9007199254740993", "٣"]
)
def test_every_id_comes_back(node_id: str, registry: Registry) -> None:
    prompt = {node_id: PROMPT["n"], "s": {"class_type": "Sampler", "inputs": {"steps": [node_id, 0]}}}
    document = convert(prompt, registry)
    found = back(document, registry)
    assert node_id in found
    assert found["s"][1]["steps"] == [node_id, 0]


def test_values_that_are_lists(registry: Registry) -> None:
    document = convert(
        {"1": {"class_type": "Many", "inputs": {"choices": {"__value__": ["a", "b"]}, "flag": False}}}, registry
    )
    assert document["nodes"][0]["widgets_values"][0] == ["a", "b"]
    assert back(document, registry)["1"][1]["choices"] == {"__value__": ["a", "b"]}


def test_values_are_not_shared_with_the_prompt(registry: Registry) -> None:
    prompt = Prompt.parse({"1": {"class_type": "Number", "inputs": {"value": {"a": [1]}}}})
    to_workflow(prompt, registry)["nodes"][0]["widgets_values"][0]["a"].append(2)
    assert prompt.nodes["1"].inputs["value"] == {"a": [1]}


def test_inputs_and_outputs_that_the_class_does_not_have(registry: Registry) -> None:
    prompt = {"1": PROMPT["n"], "2": {"class_type": "Titled", "inputs": {"extra": ["1", 2]}}}
    document = convert(prompt, registry)
    assert len(node_of(document, 1)["outputs"]) == 3
    assert back(document, registry)["2"][1] == {"extra": ["1", 2]}


def test_values_are_not_taken_for_those_of_an_old_save(registry: Registry) -> None:
    """Two widgets counting the forced one, two values counting the button: the editor would remove one of them."""
    prompt = {"1": {"class_type": "PictureOfText", "inputs": {"image": "b.png"}}}
    assert back(convert(prompt, registry), registry) == plain(prompt)


@pytest.mark.parametrize(
    "text",
    ["a // b", "a /* b */ c", "///", "/*/", "http://x", "{a|b}", "}{", "a|b", r"\(x\)", "\\", r"\}", r"\|", r"a\\{b"],
)
def test_text_survives_dynamic_prompts(text: str) -> None:
    assert expand(escape_dynamic(text)) == text


def test_text_that_needs_nothing_stays_readable() -> None:
    text = "a (cat:1.2), [x|y], \\(not weight\\), 1/2"
    assert escape_dynamic(text) == text
    assert escape_dynamic("see http://x") == "see http:/{/}x"


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet=r"ab{}|\/* " + "\n"))
def test_any_text_survives_but_a_brace_after_a_backslash(text: str) -> None:
    kept = expand(escape_dynamic(text)) == text
    assert kept is not any(len(run) % 2 for run in re.findall(r"(\\+)\{", text))


def test_what_the_editor_adds_itself_is_no_loss() -> None:
    inputs = {"image": "a.png", "upload": "image", "choose file to upload": "image"}
    prompt = Prompt.parse({"1": {"class_type": "LoadImage", "inputs": inputs}})
    registry = Registry.discover()
    assert losses(prompt, to_workflow(prompt, registry), registry) == []


def test_an_input_that_only_sounds_like_the_editors_own_is_told(registry: Registry) -> None:
    nodes = {"1": {"class_type": "Picture", "inputs": {"image": "a.png", "preview": "b.png", "extra": ""}}}
    document = to_workflow(Prompt.parse(nodes), registry)
    assert [issue.input for issue in losses(Prompt.parse(nodes), document, registry)] == ["preview"]


def test_losses_are_told(registry: Registry) -> None:
    prompt = Prompt.parse(
        {
            "1": {"class_type": "Encode", "inputs": {"text": r"\{", "clip": "no link", "other": 1}},
            "2": {"class_type": "SaveImage", "inputs": {"filename_prefix": "%date:yyyy%"}},
            "3": {"class_type": "Number", "inputs": {}},
            "4": {"class_type": "Number", "inputs": {"value": True}},
        }
    )
    found = losses(prompt, to_workflow(prompt, registry), registry)
    assert {(issue.node_id, issue.input, issue.code) for issue in found} == {
        ("1", "text", "input_changed"),
        ("1", "clip", "input_dropped"),
        ("1", "other", "input_dropped"),
        ("2", "filename_prefix", "input_changed"),
        ("3", "value", "input_added"),
    }
    assert found[0].pointer == "/1/inputs/text"


def test_obstacles_are_named_all_at_once(registry: Registry) -> None:
    prompt = {
        "1": {"class_type": "Lodaer", "inputs": {}},
        "2": {"class_type": "Reroute", "inputs": {}},
        "3": {"class_type": "Encode", "inputs": {"clip": ["9", 0], "text": [1, 2, 3]}},
        "4": {"class_type": "Encode", "inputs": {"clip": ["3", -1], "text": ["3", 10**12]}},
    }
    with pytest.raises(InvalidWorkflow) as caught:
        convert(prompt, registry, keep_unknown=False)
    assert [(issue.node_id, issue.input, issue.code) for issue in caught.value.issues] == [
        ("1", None, "missing_node_type"),
        ("2", None, "invalid_node_class"),
        ("3", "text", "invalid_link"),
        ("3", "clip", "missing_link_source"),
        ("4", "clip", "invalid_link"),
        ("4", "text", "invalid_link"),
    ]
    assert "did you mean 'Loader'" in str(caught.value)


def test_unknown_classes_are_kept_on_demand(registry: Registry) -> None:
    prompt = {
        "1": {"class_type": "Mystery", "inputs": {"seed": 5, "mode": {"__value__": [1]}, "clip": ["2", 1]}},
        "2": {"class_type": "Riddle", "inputs": {"model": ["1", 3]}},
    }
    document = convert(prompt, registry, keep_unknown=True)
    assert len(node_of(document, 1)["outputs"]) == 4
    assert back(document, registry, keep_unknown=True) == plain(prompt)


def test_a_cycle_can_be_looked_at(registry: Registry) -> None:
    prompt = {name: {"class_type": "Sampler", "inputs": {"latent": [other, 0]}} for name, other in ("12", "21")}
    assert len(convert(prompt, registry)["links"]) == 2


def test_groups_of_the_saved_workflow(registry: Registry) -> None:
    saved = {
        "nodes": [
            {"id": 4, "pos": [0, 0], "size": [100, 100]},
            {"id": 12, "pos": {"0": 200, "1": 0}, "size": {"0": 100, "1": 100}},
            {"id": 6, "pos": [900, 0], "size": [100, 100]},
            {"id": 3, "pos": "nowhere"},
        ],
        "groups": [
            {"title": "All", "bounding": [-50, -50, 500, 500], "color": "#fff", "flags": {"pinned": True}},
            {"title": "Text", "bounding": [190, -10, 150, 150]},
            {"title": "Empty", "bounding": [5000, 0, 10, 10]},
            {"title": "Broken", "bounding": [float("nan"), 0, 10]},
            "no group",
        ],
    }
    posted = {"prompt": PROMPT, "extra_data": {"extra_pnginfo": {"workflow": saved}}}
    document = convert(posted, registry)
    frames = {group["title"]: group for group in document["groups"]}
    assert list(frames) == ["All", "Text"]
    assert frames["All"]["color"] == "#fff"
    assert frames["All"]["flags"] == {"pinned": True}

    def held(title: str) -> set[int | str]:
        x, y, width, height = frames[title]["bounding"]
        return {
            node["id"]
            for node in document["nodes"]
            if x <= node["pos"][0] <= x + width and y <= node["pos"][1] <= y + height
        }

    assert held("All") == {4, "12:5"}
    assert held("Text") == {"12:5"}
    assert back(document, registry) == plain(PROMPT)


def test_groups_by_name(registry: Registry) -> None:
    prompt = {name: {"class_type": "Number", "_meta": {"group": "Numbers"}} for name in "12"} | {"3": PROMPT["n"]}
    (group,) = convert(prompt, registry)["groups"]
    assert (group["title"], group["id"]) == ("Numbers", 1)


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda text: "\\{" not in text)
    | st.lists(st.integers(), max_size=3).map(lambda items: {"__value__": items})
)  # fmt: skip


@st.composite
def prompts(draw: st.DrawFn) -> Json:
    """Prompts that give every widget a value, a null for none that has choices, and links that lead somewhere."""
    ids = draw(st.lists(st.text(alphabet="0123456789:ab", min_size=1, max_size=4), min_size=1, max_size=8, unique=True))
    classes = {node_id: draw(st.sampled_from(sorted(CLASSES))) for node_id in ids}
    sources = [[node_id, slot] for node_id in ids for slot in range(len(CLASSES[classes[node_id]]["output"]))]
    nodes: Json = {}
    for node_id, class_type in classes.items():
        inputs: Json = {}
        declared = CLASSES[class_type]["input"]
        for name, (io_type, *options) in {**declared["required"], **declared["optional"]}.items():
            is_socket = io_type in ("MODEL", "CLIP", "COND", "LATENT", "IMAGE") or options[:1] == [{"forceInput": True}]
            if sources and draw(st.booleans()):
                inputs[name] = draw(st.sampled_from(sources))
            elif not is_socket:
                has_choices = isinstance(io_type, list) or io_type == "COMBO"
                inputs[name] = draw(VALUES.filter(lambda value: value is not None) if has_choices else VALUES)
        nodes[node_id] = {"class_type": class_type, "inputs": inputs}
    return nodes


@settings(max_examples=150, deadline=None)
@given(prompts())
def test_any_prompt_comes_back(prompt: Json) -> None:
    registry = Registry().add_object_info(CLASSES)
    document = convert(prompt, registry)
    found = losses(Prompt.parse(prompt), document, registry)
    assert all(issue.input == "filename_prefix" for issue in found)
    if not found:
        assert back(document, registry) == plain(prompt)
