from __future__ import annotations

from typing import Any

import pytest

from weft.engine.errors import InvalidWorkflow
from weft.engine.formats.controls import ControlWord
from weft.engine.formats.conversion import ConvertedPrompt, to_prompt
from weft.engine.formats.runs import advance
from weft.engine.formats.workflow import Workflow
from weft.engine.formats.written import workflow_of
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import Prompt

SEED = ["INT", {"default": 0, "min": 0, "max": 2**64 - 1, "control_after_generate": True}]
OBJECT_INFO: dict[str, Any] = {
    "Loader": {"input": {"required": {"ckpt": [[]]}}, "output": ["MODEL", "CLIP"]},
    "Encode": {
        "input": {"required": {"text": ["STRING", {"dynamicPrompts": True}], "clip": ["CLIP"]}},
        "output": ["CONDITIONING"],
    },
    "Skip": {"input": {"required": {"clip": ["CLIP"], "stop": ["INT", {"default": -1}]}}, "output": ["CLIP"]},
    "Sampler": {
        "input": {"required": {"positive": ["CONDITIONING"], "seed": SEED, "steps": ["INT", {"default": 20}]}},
        "output": ["LATENT"],
    },
    "Output": {"input": {"required": {"clip": ["CLIP"]}}, "output": [], "output_node": True},
    "Text": {"input": {"required": {"value": ["STRING"]}}, "output": ["STRING"]},
}
Json = dict[str, Any]


@pytest.fixture
def registry() -> Registry:
    return Registry().add_object_info(OBJECT_INFO)


def node(node_id: Any, kind: str, values: Any = None, links: Json | None = None, **more: Any) -> Json:
    """A node; `links` gives the link id of each input by name."""
    inputs = [{"name": name, "type": "*", "link": link} for name, link in (links or {}).items()]
    outputs = [{"name": "", "type": "*"}] * 2
    return {"id": node_id, "type": kind, "inputs": inputs, "outputs": outputs, "widgets_values": values, **more}


def wire(number: int, origin: Any, slot: int, target: Any, target_slot: int = 0) -> Json:
    return {"id": number, "origin_id": origin, "origin_slot": slot, "target_id": target, "target_slot": target_slot}


def panel(name: str, io_type: str, *links: int) -> Json:
    return {"name": name, "type": io_type, "linkIds": list(links)}


def encode(inner_text: str = "inner", inner: tuple[Json, ...] = ()) -> Json:
    """A subgraph: clip -> Skip -> Encode, with the text and the skip promoted."""
    return {
        "id": "encode",
        "name": "Encode it",
        "nodes": [
            node(1, "Encode", [inner_text], {"clip": 1, "text": 2}),
            node(2, "Skip", [-1], {"clip": 3, "stop": 5}),
            *inner,
        ],
        "links": [wire(1, 2, 0, 1), wire(2, -10, 1, 1), wire(3, -10, 0, 2), wire(4, 1, 0, -20), wire(5, -10, 2, 2)],
        "inputs": [panel("clip", "CLIP", 3), panel("text", "STRING", 2), panel("stop", "INT", 5)],
        "outputs": [panel("c", "CONDITIONING", 4)],
    }


def document(*nodes: Json, links: list[Json], subgraphs: list[Json], **more: Any) -> Json:
    return {"nodes": [node(4, "Loader"), *nodes], "links": links, "definitions": {"subgraphs": subgraphs}, **more}


def convert(registry: Registry, saved: Json, **options: Any) -> ConvertedPrompt:
    return to_prompt(Workflow.parse(saved), registry, **options)


def written(prompt: Prompt, registry: Registry) -> dict[str, Any]:
    document = workflow_of(prompt, registry)
    assert document is not None
    return document


def inputs(prompt: ConvertedPrompt) -> dict[str, Json]:
    return {node_id: node["inputs"] for node_id, node in prompt.to_json().items()}


def test_each_instance_has_its_own_values(registry: Registry) -> None:
    saved = document(
        node(11, "encode", ["{a|b} // kept", -2], {"clip": 1}),
        node(12, "encode", [], {"text": 2}),
        node(13, "Text", ["outside"]),
        node(14, "encode", [None, -3]),
        node(3, "Sampler", [7, "fixed"], {"positive": 3}),
        links=[wire(1, 4, 1, 11), wire(2, 13, 0, 12), wire(3, 11, 0, 3)],
        subgraphs=[encode("in{n|}er")],
    )
    found = inputs(convert(registry, saved))
    assert found["11:1"] == {"text": "{a|b} // kept", "clip": ["11:2", 0]}  # a promoted text is not expanded
    assert found["11:2"] == {"stop": -2, "clip": ["4", 1]}
    assert found["12:1"] == {"text": ["13", 0], "clip": ["12:2", 0]}
    assert found["12:2"] == {"stop": -1}
    assert found["14:1"]["text"] == "inner"  # the inner node's own text is
    assert found["14:2"]["stop"] == -3
    assert found["3"]["positive"] == ["11:1", 0]
    assert list(found) == ["3", "4", "13", "11:1", "11:2", "12:1", "12:2", "14:1", "14:2"]


def test_one_promoted_value_goes_to_every_target(registry: Registry) -> None:
    subgraph = {
        "id": "two",
        "nodes": [node(1, "Sampler", [1, "increment", 5], {"seed": 1}), node(2, "Sampler", [2, "fixed"], {"seed": 2})],
        "links": [wire(1, -10, 0, 1), wire(2, -10, 0, 2)],
        "inputs": [panel("seed", "INT")],
        "outputs": [],
    }
    prompt = convert(registry, document(node(5, "two", [99]), links=[], subgraphs=[subgraph]))
    assert [prompt.nodes[n].inputs["seed"] for n in ("5:1", "5:2")] == [99, 99]  # no control slot in the instance
    control = prompt.controls["5:1", "seed"]
    assert (control.word, control.place) == (ControlWord.INCREMENT, "/nodes/1/widgets_values/0")
    assert written(advance(prompt, registry, lambda: 0.0), registry)["nodes"][1]["widgets_values"] == [100]


PROXIES = [["-1", "text"], ["9", "seed"], ["9", "control_after_generate"], ["2", "stop"]]


@pytest.mark.parametrize(
    ("proxies", "values", "text", "stop"),
    [
        (PROXIES, ["outer", None, None, -5], "outer", -5),
        (PROXIES, [], "inner", -1),
        (PROXIES, ["outer", -4], "outer", -4),  # as many as are promoted: those
        ([["2", "stop"], ["1", "text"]], [-6, "outer"], "outer", -6),
        ([], ["outer", -4], "outer", -4),
        (None, {"stop": -7}, "inner", -7),
    ],
)
def test_proxy_widgets(registry: Registry, proxies: Any, values: Any, text: str, stop: int) -> None:
    instance = node(11, "encode", values, properties={"proxyWidgets": proxies})
    found = inputs(convert(registry, document(instance, links=[], subgraphs=[encode()])))
    assert (found["11:1"]["text"], found["11:2"]["stop"]) == (text, stop)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)], ids=["inner first", "outer first"])
def test_nested(registry: Registry, order: slice) -> None:
    outer = {
        "id": "outer",
        "nodes": [
            node(5, "encode", ["nested A", -3], {"clip": 11, "text": 20}),
            node(6, "encode", ["nested B", -4], {"clip": 14}),
            node(7, "Reroute", None, {"": 10}),
            node(8, "Sampler", [1, "fixed"], {"positive": 12}),
        ],
        "links": [
            wire(10, -10, 0, 7), wire(11, 7, 0, 5), wire(14, 7, 0, 6), wire(12, 5, 0, 8), wire(20, -10, 1, 5, 1),
            wire(15, 8, 0, -20),
        ],
        "inputs": [panel("clip", "CLIP", 10), panel("text", "STRING", 20)],
        "outputs": [panel("l", "LATENT", 15)],
    }  # fmt: skip
    saved = document(
        node(21, "outer", ["top"], {"clip": 1}),
        node(22, "outer", [None]),
        links=[wire(1, 4, 1, 21)],
        subgraphs=[encode(), outer][order],
    )
    found = inputs(convert(registry, saved))
    assert found["21:5:1"] == {"text": "top", "clip": ["21:5:2", 0]}
    assert found["21:5:2"] == {"stop": -3, "clip": ["4", 1]}
    assert found["21:6:1"]["text"] == "nested B"
    assert found["21:8"]["positive"] == ["21:5:1", 0]
    assert found["22:5:1"]["text"] == "nested A"


def test_a_primitive_writes_into_what_is_promoted(registry: Registry) -> None:
    saved = document(
        node(11, "encode", ["own", -2], {"stop": 1}),
        node(12, "PrimitiveNode", [-6.4]),
        links=[wire(1, 12, 0, 11)],
        subgraphs=[encode()],
    )
    assert inputs(convert(registry, saved))["11:2"] == {"stop": -6}


def test_a_primitive_inside(registry: Registry) -> None:
    subgraph = encode(inner=(node(9, "PrimitiveNode", [-7, "fixed"]),))
    subgraph["links"][4] = wire(5, 9, 0, 2)
    saved = document(node(11, "encode", ["t"]), links=[], subgraphs=[subgraph])
    assert inputs(convert(registry, saved))["11:2"] == {"stop": -7}


# Modes of instances


def with_mode(mode: int, inner: tuple[Json, ...] = (), consumer: Json | None = None) -> Json:
    subgraph = encode(inner=inner)
    subgraph["outputs"] = [panel("x", "CLIP", 4) if consumer is None else panel("c", "CONDITIONING", 4)]
    return document(
        node(11, "encode", ["t", -2], {"clip": 1}, mode=mode),
        consumer or node(12, "Output", None, {"clip": 2}),
        links=[wire(1, 4, 1, 11), wire(2, 11, 0, 12)],
        subgraphs=[subgraph],
    )


def test_a_muted_instance_takes_its_contents_along(registry: Registry) -> None:
    assert inputs(convert(registry, with_mode(2))) == {"4": {}, "12": {}}


def test_a_bypassed_instance_passes_on_by_its_own_types(registry: Registry) -> None:
    prompt = convert(registry, with_mode(4, inner=(node(8, "Sampler", [1, "increment"]),)))
    assert inputs(prompt)["12"] == {"clip": ["4", 1]}
    assert set(prompt.nodes) == {"4", "12"}  # nothing leads to what it holds
    assert not prompt.controls


def test_a_bypassed_instance_that_passes_nothing_on_is_muted(registry: Registry) -> None:
    sampler = node(12, "Sampler", [1, "fixed", 2], {"positive": 2})
    assert inputs(convert(registry, with_mode(4, consumer=sampler))) == {"4": {}, "12": {"seed": 1, "steps": 2}}


@pytest.mark.parametrize("kind", ["Output", "Foreign"])
def test_nothing_in_a_bypassed_instance_runs(registry: Registry, kind: str) -> None:
    assert set(inputs(convert(registry, with_mode(4, inner=(node(8, kind),))))) == {"4", "12"}


def test_an_input_may_go_straight_through(registry: Registry) -> None:
    through = {
        "id": "through",
        "nodes": [],
        "links": [wire(1, -10, 0, -20)],
        "inputs": [panel("a", "CLIP", 1)],
        "outputs": [panel("b", "CLIP", 1)],
    }
    links = [wire(1, 4, 1, 5), wire(2, 5, 0, 6), wire(3, 6, 0, 7)]
    nodes = (node(5, "through", [], {"a": 1}), node(6, "through", [], {"a": 2}), node(7, "Encode", ["t"], {"clip": 3}))
    assert inputs(convert(registry, document(*nodes, links=links, subgraphs=[through])))["7"]["clip"] == ["4", 1]


# What is broken


def test_subgraphs_that_cannot_be_expanded(registry: Registry) -> None:
    missing = "11111111-1111-4111-8111-111111111111"
    with pytest.raises(InvalidWorkflow, match="its subgraph 11111111-.* is not in the workflow"):
        convert(registry, document(node(11, missing), links=[], subgraphs=[]))
    loop = [encode(inner=(node(8, "other"),)), {"id": "other", "nodes": [node(1, "encode")], "links": []}]
    with pytest.raises(InvalidWorkflow) as caught:
        convert(registry, document(node(11, "encode"), links=[], subgraphs=loop))
    issue = caught.value.issues[0]
    assert (issue.code, issue.node_id, issue.pointer) == (
        "recursive_subgraph",
        "11:8:1",
        "/definitions/subgraphs/1/nodes/0",
    )
    with pytest.raises(InvalidWorkflow, match="two subgraphs have the id 'encode'"):
        convert(registry, document(links=[], subgraphs=[encode(), encode()]))


def test_a_path_may_not_be_another_nodes_id(registry: Registry) -> None:
    saved = document(node(11, "encode"), node("11:1", "Text"), links=[], subgraphs=[encode()])
    with pytest.raises(InvalidWorkflow, match="another node has the id '11:1'"):
        convert(registry, saved)


def tower(height: int, copies: int) -> Json:
    subgraphs: list[Json] = [{**encode(), "id": "s0"}]
    for level in range(1, height):
        inside = [node(n, f"s{level - 1}", [], {"clip": 1} if n == 1 else None) for n in range(1, copies + 1)]
        level_ = {"id": f"s{level}", "nodes": inside, "links": [wire(1, -10, 0, 1), wire(2, 1, 0, -20)]}
        subgraphs.append({**level_, "inputs": [panel("clip", "CLIP", 1)], "outputs": [panel("c", "CONDITIONING", 2)]})
    return document(node(1, f"s{height - 1}", [], {"clip": 1}), links=[wire(1, 4, 1, 1)], subgraphs=subgraphs)


def test_subgraphs_may_be_nested_deeply(registry: Registry) -> None:
    found = inputs(convert(registry, tower(3_000, 1)))
    assert len(found) == 3
    assert found["1:" * 3_000 + "2"]["clip"] == ["4", 1]


def test_a_bomb_is_not_set_off(registry: Registry) -> None:
    with pytest.raises(InvalidWorkflow, match="has 4,294,967,296 nodes; 100,000 is the most"):
        convert(registry, tower(31, 2))


def test_names_of_unknown_nodes_inside(registry: Registry) -> None:
    saved = document(node(11, "encode"), links=[], subgraphs=[encode(inner=(node(8, "Foreign"),))])
    with pytest.raises(InvalidWorkflow) as caught:
        convert(registry, saved)
    assert [(issue.node_id, issue.pointer) for issue in caught.value.issues] == [
        ("11:8", "/definitions/subgraphs/0/nodes/2")
    ]


# Legacy group nodes

ONE = [{"name": "", "type": "*"}]
GROUP: Json = {
    "nodes": [
        node(None, "Reroute", None, {"": None}, outputs=ONE),
        node(None, "Encode", ["g1"], {"clip": None}, outputs=ONE),
        node(None, "Encode", ["g2"], {"clip": None}, outputs=ONE, title="Second"),
        node(None, "Sampler", [1, "fixed", 9], {"positive": None}, outputs=ONE),
    ],
    "links": [[None, 1, 0, 0, 4, "CLIP"], [0, 0, 1, 0, 4, "CLIP"], [1, 0, 3, 0, 6, "CONDITIONING"]],
    "external": [[3, 0, "LATENT"], [2, 0, "CONDITIONING"]],
    "config": {"0": {"input": {"CLIP": {"name": "the clip"}}}, "1": {"input": {"text": {"name": "prompt"}}}},
}


def grouped(values: Any, group: Any = GROUP, **more: Any) -> Json:
    instance = node(15, "workflow/G", values, {"the clip": 1, "clip": 2, "prompt": 4}, **more)
    instance["inputs"][2]["widget"] = {"name": "prompt"}
    return document(
        instance,
        node(16, "Sampler", [5, "fixed"], {"positive": 3}),
        node(17, "Text", ["linked"]),
        links=[wire(1, 4, 1, 15), wire(2, 4, 1, 15), wire(3, 15, 0, 16), wire(4, 17, 0, 15)],
        subgraphs=[],
        extra={"groupNodes": {"G": group}},
    )


def test_group_nodes(registry: Registry) -> None:
    prompt = convert(registry, grouped(["one", "two", 44, "increment", 8]))
    found = inputs(prompt)
    assert found["15:1"] == {"text": ["17", 0], "clip": ["4", 1]}
    assert found["15:2"] == {"text": "two", "clip": ["4", 1]}
    assert found["15:3"] == {"seed": 44, "steps": 8, "positive": ["15:1", 0]}
    assert found["16"]["positive"] == ["15:2", 0]
    assert "15:0" not in found
    assert prompt.nodes["15:2"].title == "Second"
    assert prompt.controls["15:3", "seed"].place == "/nodes/1/widgets_values/2"
    assert written(advance(prompt, registry, lambda: 0.0), registry)["nodes"][1]["widgets_values"][2] == 45


def test_a_short_list_leaves_a_group_its_own_values(registry: Registry) -> None:
    found = inputs(convert(registry, grouped(["one"])))
    assert (found["15:2"]["text"], found["15:3"]["seed"], found["15:3"]["steps"]) == ("g2", 1, 9)


def test_repeated_names_in_a_group_have_a_prefix(registry: Registry) -> None:
    group: Json = {"nodes": [node(None, "Encode", ["a"], {"clip": None}), GROUP["nodes"][2]], "links": []}
    saved = grouped([], group)
    saved["nodes"][1]["inputs"] = [
        {"name": "Second clip", "link": 2},
        {"name": "Second text", "link": 4, "widget": {"name": "Second text"}},
        {"name": "clip", "link": None},
    ]
    found = inputs(convert(registry, saved))
    assert found["15:0"] == {"text": "a"}
    assert found["15:1"] == {"text": ["17", 0], "clip": ["4", 1]}


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({}, "group 'G' is not as the editor writes it: it has no list of nodes"),
        ({"nodes": [{}]}, "its node 0 has no type"),
        ({"nodes": [], "links": [7]}, "its link 0 is 7"),
        ({"nodes": [node(1, "workflow>G")]}, "group 'G' contains itself"),
    ],
)
def test_groups_that_cannot_be_read(registry: Registry, group: Any, message: str) -> None:
    with pytest.raises(InvalidWorkflow) as caught:
        convert(registry, grouped([], group))
    assert message in str(caught.value)
