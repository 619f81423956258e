"""The workflow in a written file gives the prompt in it, whatever was done to the one that was read."""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from weft.engine.errors import UsageError
from weft.engine.formats.conversion import to_prompt
from weft.engine.formats.runs import advance, with_seed
from weft.engine.formats.sources import load
from weft.engine.formats.workflow import Workflow
from weft.engine.formats.written import workflow_of
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Boolean, Combo, Files, Number, String
from weft.engine.session import Session
from weft.engine.workflow.overrides import apply
from weft.engine.workflow.prompt import Link, Prompt

REGISTRY = Registry.discover()
ROOT = Path(__file__).parents[2]
GRAPHS = sorted(path for path in (ROOT / "workflows").glob("*.json") if ".golden" not in path.name)
Json = dict[str, Any]


def sent(prompt: Prompt) -> Json:
    return {node_id: (node.class_type, node.to_json()["inputs"]) for node_id, node in prompt.nodes.items()}


def checked(prompt: Prompt, registry: Registry = REGISTRY) -> Json:
    """The workflow that is written beside the prompt, after it was read back."""
    before = copy.deepcopy(prompt.extra_pnginfo)
    document = workflow_of(prompt, registry)
    assert document is not None
    assert before == prompt.extra_pnginfo, "what was read is not changed"
    for choose in (0, -1):
        moment = getattr(prompt, "moment", None)
        back = to_prompt(Workflow.parse(document), registry, now=moment, choose=lambda count, c=choose: c % count)
        for node_id, (class_type, inputs) in sent(prompt).items():
            found = back.nodes[node_id].to_json()
            assert (found["class_type"], found["inputs"] | inputs) == (class_type, found["inputs"])
        assert back.nodes.keys() == prompt.nodes.keys()
    return document


def places_of(document: Json) -> dict[Any, Any]:
    return {node["id"]: node["pos"] for node in document["nodes"]}


def other(value: Any, socket: Any, draw: random.Random) -> Any:
    """Another value of an input."""
    if isinstance(socket, Boolean):
        return not value
    if isinstance(socket, Combo) and socket.choices:
        return draw.choice(socket.choices)
    if isinstance(socket, Number):
        low = socket.options.get("min", 0)
        return socket.coerce(max(low, 3) + draw.randrange(5))
    if isinstance(socket, Files | String):
        return draw.choice(["another", "a {red} // text", "x [cat:dog:0.5] (b:1.2)", "%KSampler.seed%", "", "{a|b} c"])
    return value


def fives(prompt: Prompt, draw: random.Random) -> Iterator[dict[str, Any]]:
    """Every input of the prompt that is a widget has another value in one of these, five at a time."""
    all_of_them = {
        f"{node_id}.{name}": other(value, spec.socket, draw)
        for node_id, node in prompt.nodes.items()
        for name, spec in REGISTRY[node.class_type].given(node.inputs).items()
        if spec.socket.is_widget and (value := node.inputs.get(name)) is not None
    }
    items = list(all_of_them.items())
    draw.shuffle(items)
    for start in range(0, min(len(items), 50), 5):
        yield dict(items[start : start + 5])


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.name)
def test_every_graph_with_five_overrides_each(path: Path) -> None:
    loaded = load(path)
    prompt = loaded if isinstance(loaded, Prompt) else to_prompt(loaded, REGISTRY)
    checked(prompt)
    for overrides in fives(prompt, random.Random(path.name)):
        changed = apply(prompt, overrides, REGISTRY)
        document = checked(changed)
        if not isinstance(loaded, Prompt):
            assert places_of(document) == places_of(loaded.document), "the user's own layout"
    draws = itertools.cycle([0.3, 0.7, 0.1])
    checked(advance(with_seed(prompt, REGISTRY, "random", lambda: next(draws)), REGISTRY, lambda: next(draws)))


def graph(*nodes: Json, links: Any = (), **more: Json) -> Json:
    return {"nodes": list(nodes), "links": list(links), "version": 0.4, **more}


def node(node_id: int, kind: str, values: Any = None, inputs: Any = (), outputs: Any = (), **more: Any) -> Json:
    """A node of a save; inputs are (name, link), outputs lists of links."""
    widgets = {"seed", "text", "filename_prefix", "steps", "width"}
    return {
        "id": node_id,
        "type": kind,
        "inputs": [
            {"name": name, "type": "*", "link": link, **({"widget": {"name": name}} if name in widgets else {})}
            for name, link in inputs
        ],
        "outputs": [{"name": "out", "type": "*", "links": list(links)} for links in outputs],
        "widgets_values": values,
        **more,
    }


SAMPLER = [5, "increment", 20, 8.0, "euler", "normal", 1.0]


def converted(document: Json) -> Any:
    return to_prompt(Workflow.parse(document), REGISTRY)


def shared_seed() -> Json:
    return graph(
        node(1, "PrimitiveNode", [5, "randomize"], outputs=[[1, 2]]),
        node(2, "KSampler", SAMPLER, [("seed", 1)]),
        node(3, "KSampler", SAMPLER, [("seed", 2)]),
        links=[[1, 1, 0, 2, 0, "INT"], [2, 1, 0, 3, 0, "INT"]],
    )


def test_a_shared_value_stays_shared_where_all_change_alike() -> None:
    document = checked(advance(converted(shared_seed()), REGISTRY, lambda: 0.5))
    assert document["nodes"][0]["widgets_values"] == [2**49, "randomize"]
    assert len(document["links"]) == 2


def test_one_of_those_that_share_a_value_gets_its_own() -> None:
    document = checked(apply(converted(shared_seed()), ["3.seed=9"], REGISTRY))
    assert [row[0] for row in document["links"]] == [1]
    assert document["nodes"][0]["widgets_values"][0] == 5
    assert document["nodes"][0]["outputs"][0]["links"] == [1]
    assert document["nodes"][2]["inputs"][0]["link"] is None
    assert document["nodes"][2]["widgets_values"][0] == 9


def linked() -> Json:
    return graph(
        node(1, "PrimitiveInt", [5, "fixed"], outputs=[[1]]),
        node(2, "KSampler", SAMPLER, [("steps", 1), ("latent_image", None)]),
        node(3, "EmptyLatentImage", [64, 64, 1], outputs=[[]]),
        links=[[1, 1, 0, 2, 0, "INT"]],
    )


def test_a_value_for_a_linked_input_breaks_the_link() -> None:
    document = checked(apply(converted(linked()), ["2.steps=4"], REGISTRY))
    assert document["links"] == []
    assert document["nodes"][1]["widgets_values"][2] == 4


def test_a_link_that_was_set_is_a_link_in_the_workflow() -> None:
    document = checked(apply(converted(linked()), {"2.latent_image": ["3", 0], "2.cfg": ["1", 0]}, REGISTRY))
    assert sorted(row[1:5] for row in document["links"]) == [[1, 0, 2, 0], [1, 0, 2, 2], [3, 0, 2, 1]]
    assert len(document["nodes"]) == 3


def test_short_lists_are_spelled_out() -> None:
    document = checked(apply(converted(graph(node(1, "KSampler", [3]))), ["1.cfg=2.5", "1.seed=4"], REGISTRY))
    assert document["nodes"][0]["widgets_values"] == [4, "fixed", 20, 2.5, "euler", "simple", 1.0]
    document = checked(apply(converted(graph(node(1, "KSampler", {"seed": 3}))), {"1.cfg": 2.5}, REGISTRY))
    assert document["nodes"][0]["widgets_values"]["cfg"] == 2.5


def test_values_that_stand_twice_in_a_save_change_twice() -> None:
    named = {"seed": 5, "control_after_generate": "fixed", "steps": 20}
    document = checked(
        apply(converted(graph(node(1, "KSampler", SAMPLER, widgets_values_named=named))), ["1.seed=4"], REGISTRY)
    )
    assert document["nodes"][0]["widgets_values_named"]["seed"] == 4


def instances(count: int = 1, values: Any = (7,)) -> Json:
    """Subgraphs with a sampler and a latent: the sampler's seed is promoted."""
    inner = {
        "id": "11111111-2222-3333-4444-555555555555",
        "name": "Sampling",
        "nodes": [
            node(32, "KSampler", SAMPLER, [("seed", 1)], [[]]),
            node(33, "EmptyLatentImage", [64, 64, 1], outputs=[[]]),
        ],
        "links": [{"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 32, "target_slot": 0, "type": "INT"}],
        "inputs": [{"id": "a", "name": "seed", "type": "INT", "linkIds": [1]}],
        "outputs": [],
    }
    nodes = [node(20 + i, inner["id"], list(values), [("seed", None)], title=f"S{i}") for i in range(count)]
    return graph(*nodes, definitions={"subgraphs": [inner]})


def test_a_promoted_widget_holds_what_ran() -> None:
    document = checked(apply(converted(instances()), ["20:32.seed=9", "20:32.steps=3"], REGISTRY))
    assert document["nodes"][0]["widgets_values"] == [9]
    assert document["definitions"]["subgraphs"][0]["nodes"][0]["widgets_values"][:3] == [5, "increment", 3]


def test_each_use_of_a_subgraph_may_have_its_own_values() -> None:
    two = converted(instances(2))
    document = checked(apply(two, ["20:32.seed=9"], REGISTRY))
    assert [entry["widgets_values"] for entry in document["nodes"]] == [[9], [7]]
    for overrides in (["20:32.steps=9"], ["20:32.steps=9", "21:32.steps=8", "21:33.width=128"]):
        document = checked(apply(two, overrides, REGISTRY))
        assert len(document["nodes"]) == 2, "still subgraphs, each with a graph of its own"
        assert len({entry["type"] for entry in document["nodes"]}) == 2


@pytest.mark.parametrize("mode", [2, 4])
def test_nodes_that_were_left_out_are_muted_or_bypassed(mode: int) -> None:
    document = json.loads((ROOT / "workflows" / "lora_switch.json").read_text())
    whole = converted(copy.deepcopy(document))
    lora = next(entry for entry in document["nodes"] if entry["type"] == "LoraLoader")
    lora["mode"] = mode
    without = to_prompt(Workflow.parse(document), REGISTRY)
    again = checked(whole.with_nodes(without.nodes))
    assert next(entry for entry in again["nodes"] if entry["id"] == lora["id"])["mode"] == mode


def test_a_drawn_text_stands_in_the_workflow_as_it_was_drawn() -> None:
    prompt = converted(graph(node(2, "CLIPTextEncode", [r"a {red|blue} \{apple\} // no"])))
    document = checked(prompt)
    assert document["nodes"][0]["widgets_values"] == [r"a red \{apple\} "]


def test_tokens_in_file_names_stay() -> None:
    document = graph(node(1, "KSampler", SAMPLER), node(2, "SaveImage", ["%date:yyyyMMddhhmmss%_%KSampler.seed%"]))
    found = checked(apply(converted(document), ["1.seed=8"], REGISTRY))
    assert found["nodes"][1]["widgets_values"] == ["%date:yyyyMMddhhmmss%_%KSampler.seed%"]


def test_a_stale_workflow_beside_a_prompt_is_mended() -> None:
    """As in pictures that were written before: the prompt says what ran."""
    document = graph(node(1, "KSampler", SAMPLER))
    nodes = apply(converted(document), ["1.seed=8"], REGISTRY).to_json()
    prompt = Prompt(Prompt.parse(nodes).nodes, extra_pnginfo={"workflow": document})
    assert checked(prompt)["nodes"][0]["widgets_values"][0] == 8


@pytest.mark.parametrize("workflow", [{"nodes": []}, {"nodes": 3}, "text", None, {"nodes": [{}]}])
def test_a_workflow_that_is_another_is_replaced(workflow: Any) -> None:
    nodes = {"1": {"class_type": "EmptyLatentImage", "inputs": {"width": 8, "height": 8, "batch_size": 1}}}
    prompt = Prompt(Prompt.parse(nodes).nodes, extra_pnginfo={"workflow": workflow})
    assert checked(prompt)["nodes"][0]["type"] == "EmptyLatentImage"


def test_what_the_editor_has_no_form_for_has_no_workflow() -> None:
    nodes = {"1": {"class_type": "SaveImage", "inputs": {"images": Link("9", 0)}}}
    assert workflow_of(Prompt.parse({"1": {**nodes["1"], "inputs": {"images": ["9", 0]}}}), REGISTRY) is None


def test_what_a_session_gives_to_nodes() -> None:
    session = Session(registry=REGISTRY)
    nodes = {"1": {"class_type": "EmptyLatentImage", "inputs": {"width": 8, "height": 8, "batch_size": 1}}}
    prompt = Prompt(Prompt.parse(nodes).nodes, extra_pnginfo={"workflow": {"nodes": []}, "mine": 1})
    carried = session.carried(prompt)
    assert carried["mine"] == 1
    assert len(carried["workflow"]["nodes"]) == 1


# Subgraphs, from outside


def set_on(document: Json, *overrides: str) -> Json:
    return {f"{i}.{name}": value for i, (_, inputs) in sent(apply(converted(document), overrides, REGISTRY)).items()
            for name, value in inputs.items()}  # fmt: skip


def said(document: Json, *overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        set_on(document, *overrides)
    return str(caught.value)


@pytest.mark.parametrize("reference", ["20.seed", "S0.seed", "20:32.seed", "KSampler.seed"])
def test_a_promoted_widget_is_set_by_the_subgraph_or_by_the_path(reference: str) -> None:
    assert set_on(instances(), f"{reference}=9")["20:32.seed"] == 9
    changed = apply(converted(instances()), [f"{reference}=9"], REGISTRY)
    assert checked(changed)["nodes"][0]["widgets_values"] == [9]


def test_a_subgraph_without_a_title_has_the_name_of_its_graph() -> None:
    document = instances()
    del document["nodes"][0]["title"]
    assert set_on(document, "Sampling.seed=9")["20:32.seed"] == 9


def test_a_label_is_a_name_too() -> None:
    document = instances()
    document["definitions"]["subgraphs"][0]["inputs"][0]["label"] = "Dice"
    assert set_on(document, "20.Dice=9")["20:32.seed"] == 9


def test_one_of_several_uses() -> None:
    found = set_on(instances(2), "S1.seed=9")
    assert (found["20:32.seed"], found["21:32.seed"]) == (7, 9)
    document = instances(2)
    for entry in document["nodes"]:
        entry["title"] = "Same"
    assert set_on(document, "Same#2.seed=9")["21:32.seed"] == 9
    assert "'Same' is ambiguous: Same#1 (node 20), Same#2 (node 21)" in said(document, "Same.seed=9")


def test_a_widget_that_newer_saves_show_without_an_input() -> None:
    document = instances(values=[7, 3])
    document["nodes"][0]["properties"] = {"proxyWidgets": [["-1", "seed"], ["32", "steps"]]}
    assert set_on(document, "S0.steps=9")["20:32.steps"] == 9


def test_a_subgraph_in_a_subgraph() -> None:
    document = instances()
    outer = {
        "id": "99999999-2222-3333-4444-555555555555",
        "name": "Outer",
        "nodes": [document["nodes"][0] | {"inputs": [{"name": "seed", "type": "INT", "link": 1}]}],
        "links": [{"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 20, "target_slot": 0, "type": "INT"}],
        "inputs": [{"id": "b", "name": "dice", "type": "INT", "linkIds": [1]}],
        "outputs": [],
    }
    document["definitions"]["subgraphs"].append(outer)
    document["nodes"] = [node(40, outer["id"], [3], [("dice", None)])]
    for reference in ("40.dice", "Outer.dice", "40:20.seed", "S0.seed", "40:20:32.seed"):
        assert set_on(document, f"{reference}=9")["40:20:32.seed"] == 9


def test_what_a_subgraph_does_not_show_is_told() -> None:
    message = "node 20 (S0) has no input 'steps' to set (it shows seed; inside it: 20:32.steps)"
    assert message in said(instances(), "20.steps=9")
    assert "no node 'Smpling' in the workflow" in said(instances(), "Smpling.steps=9")
    assert "expected INT" in said(instances(), "20.seed=x")


def test_a_primitive_sets_all_that_it_feeds() -> None:
    for reference in ("1.value", "PrimitiveNode.value"):
        document = checked(apply(converted(shared_seed()), [f"{reference}=9"], REGISTRY))
        assert document["nodes"][0]["widgets_values"] == [9, "randomize"]
        assert len(document["links"]) == 2
    assert "it shows value" in said(shared_seed(), "1.seed=9")
