from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from weft.engine.errors import InvalidWorkflow
from weft.engine.formats.controls import ControlWord, SeedControl
from weft.engine.formats.conversion import ConvertedPrompt, seed_controls, to_prompt
from weft.engine.formats.runs import advance
from weft.engine.formats.workflow import Workflow
from weft.engine.formats.written import workflow_of
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import validate

SEED = ["INT", {"default": 0, "min": 0, "max": 2**64 - 1, "control_after_generate": True}]
TEXT = ["STRING", {"multiline": True, "dynamicPrompts": True}]


def entry(outputs: list[Any], required: dict[str, Any], optional: dict[str, Any] | None = None, **more: Any) -> Any:
    return {"input": {"required": required, "optional": optional or {}}, "output": outputs, **more}


OBJECT_INFO: dict[str, Any] = {
    "Loader": entry(["MODEL", "CLIP", "VAE"], {"ckpt": [[]]}, display_name="Load it"),
    "Encode": entry(["CONDITIONING"], {"text": TEXT, "clip": ["CLIP"]}),
    "Sampler": entry(
        ["LATENT"],
        {"model": ["MODEL"], "seed": SEED, "steps": ["INT", {"default": 20}], "positive": ["CONDITIONING"]},
        {"latent": ["LATENT"]},
    ),
    "Lora": entry(["MODEL", "CLIP"], {"model": ["MODEL"], "clip": ["CLIP"], "weight": ["FLOAT", {"default": 1.0}]}),
    "Batch": entry(["IMAGE"], {"a": ["IMAGE"], "b": ["IMAGE"]}),
    "Decode": entry(["IMAGE"], {"samples": ["LATENT"], "vae": ["VAE"]}),
    "Both": entry(["CONDITIONING", "CONDITIONING"], {"p": ["CONDITIONING"], "n": ["CONDITIONING"], "vae": ["VAE"]}),
    "Any": entry(["*"], {"x": ["*"]}),
    "Number": entry(["INT"], {"value": ["INT", {"default": 3}]}),
    "Save": entry([], {"images": ["IMAGE"]}, output_node=True),
    "SaveImage": entry([], {"images": ["IMAGE"], "filename_prefix": ["STRING"]}, output_node=True),
    "KSampler": entry(["LATENT"], {"sampler_name": [["euler", "heun"]], "tags": ["COMBO", {"options": ["a"]}]}),
}
Source = tuple[Any, int]


def node(node_id: Any, kind: str, values: Any = None, *, outputs: int = 3, **more: Any) -> dict[str, Any]:
    """A node; inputs are given as `name=(origin, slot)` or `name=None`, everything else by the keys of UI."""
    keys = ("mode", "title", "properties", "widgets")
    widgets = more.pop("widgets", ())
    inputs = [
        {"name": name, "type": "*", "from": source, **({"widget": {"name": name}} if name in widgets else {})}
        for name, source in more.items()
        if name not in keys
    ]
    slots = [{"name": f"o{slot}", "type": "*", "links": []} for slot in range(outputs)]
    kept = {key: more[key] for key in keys if key in more}
    return {"id": node_id, "type": kind, "inputs": inputs, "outputs": slots, "widgets_values": values, **kept}


def document(*nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A version 0.4 workflow, with the table of links that its nodes ask for."""
    links = []
    for target in nodes:
        for slot, socket in enumerate(target["inputs"]):
            source = socket.pop("from", None)
            socket["link"] = None
            if source is not None:
                socket["link"] = len(links) + 1
                links.append([len(links) + 1, source[0], source[1], target["id"], slot, "*"])
    return {"nodes": list(nodes), "links": links, "version": 0.4, **more}


@pytest.fixture
def registry() -> Registry:
    return Registry().add_object_info(OBJECT_INFO)


def convert(registry: Registry, *nodes: dict[str, Any], **options: Any) -> ConvertedPrompt:
    return to_prompt(Workflow.parse(document(*nodes)), registry, **options)


def written(prompt: Prompt, registry: Registry) -> dict[str, Any]:
    document = workflow_of(prompt, registry)
    assert document is not None
    return document


def inputs(prompt: ConvertedPrompt, node_id: str) -> dict[str, Any]:
    found: dict[str, Any] = prompt.nodes[node_id].to_json()["inputs"]
    return found


def test_a_plain_workflow(registry: Registry) -> None:
    saved = document(
        node("10", "Sampler", [2**64 - 1, "randomize", 5], model=(4, 0), positive=(6, 0)),
        node(6, "Encode", ["a {red|blue} cat // no"], clip=(4, 1)),
        node(4, "Loader", ["m.ckpt"], title="Mine"),
        node(2, "Note", ["words"]),
    )
    prompt = to_prompt(Workflow.parse(saved), registry)
    encode = {"text": "a red cat ", "clip": ["4", 1]}
    sampler = {"seed": 2**64 - 1, "steps": 5, "model": ["4", 0], "positive": ["6", 0]}
    assert list(prompt.to_json().items()) == [
        ("4", {"inputs": {"ckpt": "m.ckpt"}, "class_type": "Loader", "_meta": {"title": "Mine"}}),
        ("6", {"inputs": encode, "class_type": "Encode", "_meta": {"title": "Encode"}}),
        ("10", {"inputs": sampler, "class_type": "Sampler", "_meta": {"title": "Sampler"}}),
    ]
    assert prompt.extra_pnginfo == {"workflow": saved}
    assert prompt.notes == ()


def test_titles(registry: Registry) -> None:
    prompt = convert(registry, node(1, "Loader", title=""), node(2, "Loader"), node(3, "Loader", title="T"))
    assert [prompt.nodes[node_id].title for node_id in "123"] == ["Load it", "Load it", "T"]


def test_links_of_version_1_and_ids_as_text(registry: Registry) -> None:
    saved = document(node("a", "Encode", ["t"], clip=("4", 1)), node(4, "Loader"))
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    saved |= {"links": [dict(zip(names, link, strict=True)) for link in saved["links"]], "version": 1}
    assert inputs(to_prompt(Workflow.parse(saved), registry), "a") == {"text": "t", "clip": ["4", 1]}


def test_a_list_as_a_value_is_wrapped(registry: Registry) -> None:
    assert inputs(convert(registry, node(1, "KSampler", ["heun", ["a", 1]])), "1")["tags"] == {"__value__": ["a", 1]}


def test_old_names(registry: Registry) -> None:
    registry.add_object_info({"ControlNetLoader": entry([], {})})
    assert convert(registry, node(1, "T2IAdapterLoader")).nodes["1"].class_type == "ControlNetLoader"
    assert inputs(convert(registry, node(1, "KSampler", ["sample_heun", "a"])), "1")["sampler_name"] == "heun"


def test_inputs_go_by_name_not_by_place(registry: Registry) -> None:
    swapped = node(1, "Sampler", [1, "fixed", 2], positive=(6, 0), model=(4, 0))
    prompt = convert(registry, swapped, node(4, "Loader"), node(6, "Encode", ["t"]))
    assert inputs(prompt, "1")["model"] == ["4", 0]


def test_converted_widgets_keep_their_place_in_the_values(registry: Registry) -> None:
    linked = node(1, "Sampler", [1, "fixed", 2], steps=(7, 0), seed=None, widgets=("steps", "seed"))
    assert inputs(convert(registry, linked, node(7, "Number", [9])), "1") == {"seed": 1, "steps": ["7", 0]}


def test_inputs_that_the_class_does_not_have(registry: Registry) -> None:
    ghosts = node(1, "Encode", ["t"], ghost=(4, 1), gone=(4, 1), alone=None, widgets=("gone",))
    assert inputs(convert(registry, ghosts, node(4, "Loader")), "1") == {"text": "t", "ghost": ["4", 1]}


# Reroutes and modes


def test_reroutes(registry: Registry) -> None:
    prompt = convert(
        registry,
        node(4, "Loader"),
        node(5, "Reroute", x=(4, 1)),
        node(6, "Reroute", x=(5, 0)),
        node(7, "Reroute", x=None),
        node(8, "Reroute", x=(4, 1), mode=4),
        node(9, "Reroute", x=(4, 1), mode=2),
        *(node(n + 10, "Encode", ["t"], clip=(n, 0)) for n in (6, 7, 8, 9)),
    )
    clips = [inputs(prompt, str(n)).get("clip") for n in (16, 17, 18, 19)]
    assert clips == [["4", 1], None, ["4", 1], ["4", 1]]


@pytest.mark.parametrize(
    ("version", "linked"), [(None, True), ("1.27.10", True), ("1.58.1", False), ("2.0", False), (3, True), ("x", True)]
)
def test_a_muted_reroute_blocks_in_the_editors_that_have_it_so(registry: Registry, version: Any, linked: bool) -> None:
    saved = document(
        node(4, "Loader"),
        node(5, "Reroute", x=(4, 1), mode=2),
        node(6, "Encode", ["t"], clip=(5, 0)),
        extra={"frontendVersion": version},
    )
    prompt = to_prompt(Workflow.parse(saved), registry)
    assert ("clip" in inputs(prompt, "6")) is linked


@pytest.mark.parametrize("mode", [0, 1, 3])
def test_other_modes_run(registry: Registry, mode: int) -> None:
    assert "4" in convert(registry, node(4, "Loader", mode=mode)).nodes


def test_muted(registry: Registry) -> None:
    prompt = convert(
        registry,
        node(4, "Loader", mode=2),
        node(7, "Number", mode=2),
        node(1, "Sampler", [1, "fixed", 5], model=(4, 0), steps=(7, 0), positive=(6, 0), widgets=("steps",)),
        node(6, "Encode", ["t"], clip=(4, 1)),
    )
    assert set(prompt.nodes) == {"1", "6"}
    assert inputs(prompt, "1") == {"seed": 1, "steps": 5, "positive": ["6", 0]}  # a linked widget keeps its value
    assert inputs(prompt, "6") == {"text": "t"}


BYPASSED: dict[str, tuple[dict[str, Any], dict[str, Any], Any]] = {
    "by slot": (node(5, "Lora", model=(4, 0), clip=(4, 1), mode=4), node(1, "Encode", ["t"], clip=(5, 1)), ["4", 1]),
    "same slot of two": (node(5, "Both", n=(6, 0), mode=4), node(1, "Sampler", positive=(5, 1)), ["6", 0]),
    "first of the type": (node(5, "Sampler", latent=(8, 0), mode=4), node(1, "Decode", samples=(5, 0)), ["8", 0]),
    "nothing fits": (node(5, "Decode", samples=(8, 0), mode=4), node(1, "Save", images=(5, 0)), None),
    "chosen though not linked": (node(5, "Batch", b=(9, 0), mode=4), node(1, "Save", images=(5, 0)), None),
    "any takes the slot": (node(5, "Encode", clip=(4, 1), mode=4), node(1, "Any", x=(5, 0)), ["4", 1]),
    "any takes the first": (node(5, "Lora", model=(4, 0), mode=4), node(1, "Any", x=(5, 9)), ["4", 0]),
    "muted behind": (node(5, "Lora", model=(3, 0), mode=4), node(1, "Sampler", model=(5, 0)), None),
}


@pytest.mark.parametrize("case", BYPASSED)
def test_bypassed(registry: Registry, case: str) -> None:
    bypassed, consumer, expected = BYPASSED[case]
    sources = (node(4, "Loader"), node(6, "Encode"), node(8, "Sampler"), node(9, "Decode"), node(3, "Loader", mode=2))
    copies = [{**each, "inputs": [dict(slot) for slot in each["inputs"]]} for each in (bypassed, consumer)]
    found = inputs(convert(registry, *copies, *sources), "1")
    name = next(slot["name"] for slot in consumer["inputs"])
    assert found.get(name) == expected


def test_a_chain_of_everything(registry: Registry) -> None:
    chain = [node(0, "Loader")]
    for n in range(1, 3_000, 3):
        chain += [node(n, "Reroute", x=(n - 1, 0)), node(n + 1, "Lora", model=(n, 0), mode=4)]
        chain += [node(n + 2, "Lora", [0.5], model=(n + 1, 0), mode=4)]
    prompt = convert(registry, *chain, *(node(n + 9_000, "Sampler", model=(n, 0)) for n in range(3_000)))
    assert len(prompt.nodes) == 3_001
    assert all(inputs(prompt, str(n + 9_000))["model"] == ["0", 0] for n in range(3_000))


def test_links_in_a_circle(registry: Registry) -> None:
    loop = (node(5, "Reroute", x=(6, 0)), node(6, "Lora", model=(5, 0), mode=4))
    with pytest.raises(InvalidWorkflow, match="links run in a circle"):
        convert(registry, node(1, "Sampler", model=(5, 0)), *loop)


# PrimitiveNode


def test_primitives(registry: Registry) -> None:
    prompt = convert(
        registry,
        node(5, "PrimitiveNode", [7.6, "fixed"], mode=2),
        node(6, "PrimitiveNode", ["{x|y}"]),
        node(7, "PrimitiveNode", []),
        node(8, "Reroute", x=(5, 0)),
        node(1, "Sampler", [1, "fixed", 2], steps=(5, 0), seed=(5, 0), widgets=("steps", "seed")),
        node(2, "Sampler", [1, "fixed", 2], steps=(7, 0), seed=(8, 0), model=(5, 0), widgets=("steps", "seed")),
        node(3, "Encode", ["own"], text=(6, 0), widgets=("text",)),
    )
    assert set(prompt.nodes) == {"1", "2", "3"}
    assert inputs(prompt, "1") == {"seed": 8, "steps": 8}
    assert inputs(prompt, "2") == {"seed": 1, "steps": 2}  # not through a reroute, nor without a value
    assert inputs(prompt, "3") == {"text": "x"}


@pytest.mark.parametrize("value", ["", 0, False])
def test_an_empty_value_of_a_primitive_is_one(registry: Registry, value: Any) -> None:
    primitive = node(5, "PrimitiveNode", [value])
    assert inputs(convert(registry, primitive, node(1, "Encode", ["own"], text=(5, 0))), "1") == {"text": value}


# Names of files

NOW = datetime(2024, 1, 2, 3, 4, 5)


def test_tokens_of_file_names(registry: Registry) -> None:
    search = {"Node name for S&R": "First"}
    prompt = convert(
        registry,
        node(1, "SaveImage", ["%date:yyyy%/%First.seed%_%Load it.ckpt%_%Number.value%_%nobody.x%"]),
        node(2, "Encode", ["%date:yyyy%"]),
        node(3, "Sampler", [41, "fixed"], properties=search, seed=(6, 0), widgets=("seed",)),
        node(4, "Loader", ["a/b.ckpt"]),
        node(5, "Number", [4], value=(7, 0), widgets=("value",)),
        node(6, "Number", [5]),
        node(7, "PrimitiveNode", ["%date:dd%"], properties={"Run widget replace on values": True}),
        now=NOW,
    )
    assert inputs(prompt, "1")["filename_prefix"] == "2024/41_a_b.ckpt_2_%nobody.x%"
    assert inputs(prompt, "2")["text"] == "%date:yyyy%"
    assert inputs(prompt, "5")["value"] == 2


# Unknown classes


def test_tokens_that_lead_back_to_themselves(registry: Registry) -> None:
    properties = {"Run widget replace on values": True}
    primitive = node(7, "PrimitiveNode", ["<%Encode.text%>"], properties=properties)
    found = inputs(convert(registry, primitive, node(1, "Encode", ["own"], text=(7, 0), widgets=("text",))), "1")
    assert found == {"text": "<_%Encode.text%_>"}


def test_unknown_classes_are_errors(registry: Registry) -> None:
    nodes = (node(1, "Smapler", title="S"), node(2, "Foreign"), node(3, "Muted", mode=2), node(4, "Bypassed", mode=4))
    with pytest.raises(InvalidWorkflow) as caught:
        convert(registry, *nodes)
    first, second = caught.value.issues
    assert (first.node_id, first.title, first.pointer, first.code) == ("1", "S", "/nodes/0", "missing_node_type")
    assert first.hint == "did you mean 'Sampler'?"
    assert (second.node_id, second.class_type, second.hint) == ("2", "Foreign", "")
    assert str(caught.value).count("unknown here: 'Smapler', 'Foreign';") == 1, "said once, not for each node"
    assert str(caught.value).splitlines()[0].startswith("invalid workflow: 2 problems (unknown here: ")


def test_unknown_classes_can_be_kept(registry: Registry) -> None:
    prompt = convert(
        registry,
        node(4, "Loader"),
        node(1, "Foreign", [1.0, ["x"]], model=(4, 0), other=None),
        node(5, "ForeignBypassed", model=(4, 0), mode=4),
        node(3, "Sampler", [1, "fixed", 2], model=(1, 0), positive=(5, 0)),
        keep_unknown=True,
    )
    assert prompt.nodes["1"].class_type == "Foreign"
    assert inputs(prompt, "1") == {"UNKNOWN": 1, "UNKNOWN_1": {"__value__": ["x"]}, "model": ["4", 0]}
    assert inputs(prompt, "3") == {"seed": 1, "steps": 2, "model": ["1", 0], "positive": ["4", 0]}
    by_name = convert(registry, node(1, "Foreign", {"frame_rate": 8}), keep_unknown=True)
    assert inputs(by_name, "1") == {"frame_rate": 8}


# What is broken


def test_broken_links_are_left_out_and_noted(registry: Registry) -> None:
    saved = document(
        node(1, "Encode", ["t"], clip=(77, 0)),
        node(2, "Encode", ["t"], clip=(4, 1)),
        node(3, "Encode", ["t"], clip=(4, 9)),
        node(4, "Loader", title="L"),
    )
    saved["nodes"][1]["inputs"][0]["link"] = 900
    prompt = to_prompt(Workflow.parse(saved), registry)
    assert [(note.code, note.node_id, note.input, note.pointer) for note in prompt.notes] == [
        ("dangling_link", "1", "clip", "/nodes/0"),
        ("dangling_link", "2", "clip", "/nodes/1"),
        ("missing_slot", "3", "clip", "/nodes/2"),
    ]
    assert [inputs(prompt, n).get("clip") for n in "123"] == [None, None, ["4", 9]]


def test_the_tables_of_links_need_not_agree(registry: Registry) -> None:
    saved = document(node(1, "Encode", ["t"], clip=(4, 1)), node(2, "Encode", ["t"], clip=(4, 1)), node(4, "Loader"))
    saved["links"][0][4] = 7  # a wrong target slot: the socket's own link counts
    saved["nodes"][1]["inputs"][0]["link"] = None  # the table and the origin still have it
    saved["nodes"][2]["outputs"][1]["links"] = [2]
    saved["links"] += [[8, 4, 1, 99, 0, "*"], [9, 4, 0, 1, 0, "*"]]  # nobody refers to these
    prompt = to_prompt(Workflow.parse(saved), registry)
    assert [inputs(prompt, n)["clip"] for n in "12"] == [["4", 1], ["4", 1]]
    assert prompt.notes == ()


def test_ids_that_stand_twice(registry: Registry) -> None:
    with pytest.raises(InvalidWorkflow) as caught:
        convert(registry, node(4, "Loader"), node("4", "Encode"), node(5, "Encode", "text"))
    assert [(issue.code, issue.node_id, issue.pointer) for issue in caught.value.issues] == [
        ("duplicate_node_id", "4", "/nodes/1"),
        ("invalid_widgets_values", "5", "/nodes/2"),
    ]
    saved = document(node(1, "Encode", ["t"], clip=(4, 1)), node(4, "Loader"))
    saved["links"].append([1, 4, 0, 1, 0, "*"])
    assert [note.code for note in to_prompt(Workflow.parse(saved), registry).notes] == ["duplicate_link_id"]


def test_issues_of_the_prompt_point_into_the_workflow(registry: Registry) -> None:
    saved = document(node(4, "Loader"), node(1, "Sampler", [1, "fixed", "many"], model=(4, 1)))
    prompt = to_prompt(Workflow.parse(saved), registry).with_values({("1", "seed"): -1})
    places = {issue.input: issue.pointer for issue in validate(prompt, registry, executable=False)}
    assert places["steps"] == "/nodes/1/widgets_values/2"
    assert places["seed"] == "/nodes/1/widgets_values/0"
    assert places["model"] == "/nodes/1/inputs/0"
    assert places["positive"] == "/nodes/1"


# Seeds


def test_conversion_names_the_control_words(registry: Registry) -> None:
    saved = document(
        node(1, "Sampler", [5, "increment", 2]),
        node(2, "Sampler", [5, None, 2], steps=(8, 0), widgets=("steps",)),
        node(3, "Sampler", [5, "randomize", 2], seed=(9, 0), widgets=("seed",)),
        node(4, "Sampler", [5, "fixed", 2], seed=(6, 0), widgets=("seed",)),
        node(6, "Number", [5]),
        node(8, "PrimitiveNode", [30, "decrement"]),
        node(9, "PrimitiveNode", [7, "randomize"]),
    )
    assert seed_controls(Workflow.parse(saved), registry) == {
        ("1", "seed"): SeedControl(ControlWord.INCREMENT, "/nodes/0/widgets_values/0"),
        ("2", "seed"): SeedControl(ControlWord.FIXED, "/nodes/1/widgets_values/0"),
        ("2", "steps"): SeedControl(ControlWord.DECREMENT, "/nodes/5/widgets_values/0"),
        ("3", "seed"): SeedControl(ControlWord.RANDOMIZE, "/nodes/6/widgets_values/0"),
    }


def test_the_next_run(registry: Registry) -> None:
    saved = document(
        node(1, "Sampler", [5, "increment", 2]),
        node(2, "Sampler", [5, "fixed", 2], seed=(9, 0), widgets=("seed",)),
        node(3, "Sampler", [5, "fixed", 2], seed=(9, 0), widgets=("seed",)),
        node(4, "Sampler", [], steps=None),
        node(9, "PrimitiveNode", [7, "randomize"]),
    )
    draws = iter([0.5, 0.25])
    first = to_prompt(Workflow.parse(saved), registry)
    second = advance(first, registry, lambda: next(draws))
    assert [second.nodes[n].inputs["seed"] for n in "1234"] == [6, 2**49, 2**49, 2**48]
    workflow = written(second, registry)
    assert workflow["nodes"][0]["widgets_values"] == [6, "increment", 2]
    assert workflow["nodes"][4]["widgets_values"] == [2**49, "randomize"]
    assert workflow["nodes"][3]["widgets_values"] == [2**48, "fixed", 20], "the values that the save did not spell out"
    assert saved["nodes"][0]["widgets_values"] == [5, "increment", 2]
    assert advance(second, registry, lambda: 0.0).nodes["1"].inputs["seed"] == 7
