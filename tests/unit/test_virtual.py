"""Nodes that exist in the browser only, of the editor and of packs: left out, gone through, or resolved."""

from __future__ import annotations

from typing import Any

import pytest

from weft.engine.errors import InvalidWorkflow
from weft.engine.formats.conversion import ConvertedPrompt, to_prompt
from weft.engine.formats.editor import to_workflow
from weft.engine.formats.runs import advance
from weft.engine.formats.virtual import virtual_nodes
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.frontend import NodeKind
from weft.engine.schema.packs import Packs
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import validate

Json = dict[str, Any]
VIRTUAL = virtual_nodes(Packs.installed())


def entry(outputs: list[str], required: Json, **more: Any) -> Json:
    return {"input": {"required": required}, "output": outputs, **more}


SEED = ["INT", {"default": 0, "min": 0, "max": 2**64 - 1}]
OBJECT_INFO: Json = {
    "Loader": entry(["MODEL", "CLIP", "VAE"], {}),
    "Lora": entry(["MODEL", "CLIP"], {"model": ["MODEL"], "clip": ["CLIP"]}),
    "Encode": entry(["CONDITIONING"], {"text": ["STRING"], "clip": ["CLIP"]}),
    "Empty": entry(["LATENT"], {}),
    "Sampler": entry(
        ["LATENT"],
        {
            "model": ["MODEL"], "seed": SEED, "positive": ["CONDITIONING"], "negative": ["CONDITIONING"],
            "latent": ["LATENT"], "name": [["euler", "heun"]],
        },
    ),
    "Decode": entry(["IMAGE"], {"samples": ["LATENT"], "vae": ["VAE"]}),
    "Save": entry([], {"images": ["IMAGE"]}, output_node=True),
    "Text": entry(["STRING"], {"value": ["STRING"]}),
}  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry().add_object_info(OBJECT_INFO)


def node(node_id: int, kind: str, values: Any = None, outputs: int = 3, **more: Any) -> Json:
    """A node whose inputs are given as `name=(origin, slot)` or `name=None`."""
    keys = ("mode", "title", "properties", "color", "pos", "size")
    sockets = {name: source for name, source in more.items() if name not in keys}
    inputs = [{"name": name.rstrip("_"), "type": "*", "from": source} for name, source in sockets.items()]
    slots = [{"name": f"o{slot}", "type": "*", "links": []} for slot in range(outputs)]
    kept = {key: more[key] for key in keys if key in more}
    return {"id": node_id, "type": kind, "inputs": inputs, "outputs": slots, "widgets_values": values, **kept}


def document(*nodes: Json, **more: Any) -> Json:
    links: list[Any] = []
    for target in nodes:
        for slot, socket in enumerate(target["inputs"]):
            source = socket.pop("from", None)
            socket["link"] = None
            if source is not None:
                links.append([len(links) + 1, source[0], source[1], target["id"], slot, "*"])
                socket["link"] = len(links)
    return {"nodes": list(nodes), "links": links, "version": 0.4, **more}


def convert(registry: Registry, *nodes: Json, keep_unknown: bool = False, **more: Any) -> ConvertedPrompt:
    return to_prompt(Workflow.parse(document(*nodes, **more)), registry, keep_unknown=keep_unknown)


def links(prompt: ConvertedPrompt) -> dict[str, Json]:
    """The links of each node that has some."""
    found = {key: {name: tuple(link) for name, link in each.links} for key, each in prompt.nodes.items()}
    return {key: value for key, value in found.items() if value}


def codes(prompt: ConvertedPrompt) -> list[str]:
    return [note.code for note in prompt.notes]


GRAPH = (node(4, "Empty"), node(5, "Decode", samples=(4, 0), vae=None), node(6, "Save", images=(5, 0)))


def graph() -> list[Json]:
    return [{**each, "inputs": [dict(slot) for slot in each["inputs"]]} for each in GRAPH]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("kind", VIRTUAL)
def test_they_are_never_in_a_prompt(registry: Registry, kind: str, keep: bool) -> None:
    prompt = convert(registry, *graph(), node(8, kind, ["x"], x=(4, 0)), node(9, kind, ["y"]), keep_unknown=keep)
    assert prompt.nodes.keys() == {"4", "5", "6"}
    assert codes(prompt) == []


@pytest.mark.parametrize("kind", VIRTUAL)
def test_in_a_prompt_they_are_unknown(registry: Registry, kind: str) -> None:
    prompt = Prompt.parse({"1": {"class_type": kind, "inputs": {}}})
    assert validate(prompt, registry, executable=False)[0].message.lower().startswith("unknown node class")
    with pytest.raises(InvalidWorkflow, match="never part of a prompt"):
        to_workflow(prompt, registry, keep_unknown=True)


def test_a_class_of_the_browser_is_not_a_servers(registry: Registry) -> None:
    """Servers have classes of these names; the browser does not send them all the same. A seed is sent."""
    servers = {"Anything Everywhere": entry([], {}), "Seed Everywhere": entry(["INT"], {"seed": SEED})}
    known = registry.copy().add_object_info(servers)
    nodes = (node(1, "Loader"), node(2, "Anything Everywhere", x=(1, 2)), node(3, "Seed Everywhere", [5]))
    assert convert(known, *graph(), *nodes).nodes.keys() == {"1", "3", "4", "5", "6"}


def test_an_unknown_node_that_feeds_nothing_is_left_out(registry: Registry) -> None:
    prompt = convert(
        registry,
        *graph(),
        node(7, "Fancy (custom)", ["x"]),
        node(8, "Saver (custom)", image=(5, 0)),
        node(9, "Chain (custom)", x=(4, 0)),
        node(10, "End (custom)", x=(9, 0)),
        node(11, "Reroute", x=(9, 0)),
        node(12, "SetNode", ["n"], x=(9, 0)),
    )
    assert prompt.nodes.keys() == {"4", "5", "6"}
    assert [note.node_id for note in prompt.notes] == ["7", "8", "9", "10"]
    assert str(prompt.notes[0]) == (
        "node 7 \"Fancy (custom)\": unknown node class 'Fancy (custom)'; left out, since nothing is fed by it"
    )


@pytest.mark.parametrize(
    "between",
    [
        (node(8, "Reroute", x=(7, 0)), (8, 0)),
        (node(8, "SetNode", ["n"], x=(7, 0)), (9, 0)),
        (node(8, "Lora", model=None, clip=(7, 0), mode=4), (8, 1)),
    ],
)
def test_an_unknown_node_that_feeds_something_is_an_error(registry: Registry, between: Any) -> None:
    passage, source = between
    passage = {**passage, "inputs": [dict(slot) for slot in passage["inputs"]]}
    getter = node(9, "GetNode", ["n"])
    nodes = [*graph(), node(7, "Fancy"), passage, getter, node(10, "Encode", ["t"], clip=source)]
    with pytest.raises(InvalidWorkflow) as caught:
        convert(registry, *nodes)
    assert [(issue.code, issue.node_id) for issue in caught.value.issues] == [("missing_node_type", "7")]


def test_what_would_leave_no_output_is_an_error(registry: Registry) -> None:
    with pytest.raises(InvalidWorkflow, match="Saver"):
        convert(registry, node(4, "Empty"), node(5, "Saver", image=(4, 0)))


def test_an_unknown_node_whose_name_is_alike_by_its_ending_only(registry: Registry) -> None:
    known = registry.copy().add_object_info({"Seed (pack)": entry(["INT"], {}), "VAEEncode": entry(["LATENT"], {})})
    for name in ("Label (pack)", "SetNod"):
        assert known.unknown(name) == (f"unknown node class {name!r}", "")
    assert known.unknown("Sed (pack)")[1] == "did you mean 'Seed (pack)'?"


@pytest.mark.parametrize("kind", ["Reroute", "Reroute (rgthree)"])
def test_reroutes_of_packs(registry: Registry, kind: str) -> None:
    prompt = convert(registry, node(4, "Empty"), node(5, kind, x=(4, 0)), node(6, "Decode", samples=(5, 0)))
    assert links(prompt) == {"6": {"samples": ("4", 0)}}


@pytest.mark.parametrize(("setter", "getter"), [("SetNode", "GetNode"), ("easy setNode", "easy getNode")])
@pytest.mark.parametrize("mode", [0, 2, 4])
def test_setters_and_getters(registry: Registry, setter: str, getter: str, mode: int) -> None:
    prompt = convert(
        registry,
        node(4, "Loader"),
        node(5, setter, ["vae"], VAE=(4, 2)),
        node(6, getter, ["vae"], mode=mode),
        node(7, setter, ["again"], x=(6, 0), mode=mode),
        node(8, getter, ["again"]),
        node(9, "Decode", vae=(8, 0), samples=None),
        node(10, "Decode", vae=(5, 0), samples=None),
    )
    assert links(prompt) == {"9": {"vae": ("4", 2)}, "10": {"vae": ("4", 2)}}


def test_a_getter_of_nothing_is_a_note(registry: Registry) -> None:
    prompt = convert(registry, node(5, "GetNode", ["gone"]), node(6, "Decode", samples=(5, 0)))
    assert links(prompt) == {}
    assert [(note.code, note.node_id) for note in prompt.notes] == [("dangling_link", "6")]
    assert "'gone'" in str(prompt.notes[0])


def test_setters_in_a_circle(registry: Registry) -> None:
    with pytest.raises(InvalidWorkflow, match="circle"):
        convert(
            registry, node(1, "GetNode", ["a"]), node(2, "SetNode", ["a"], x=(1, 0)), node(3, "Save", images=(1, 0))
        )


def test_two_setters_of_one_name(registry: Registry) -> None:
    """The first counts, as for the pack."""
    nodes = (
        node(1, "Empty"),
        node(2, "Empty"),
        node(3, "SetNode", ["a"], x=(1, 0)),
        node(4, "SetNode", ["a"], x=(2, 0)),
    )
    prompt = convert(registry, *nodes, node(5, "GetNode", ["a"]), node(6, "Decode", samples=(5, 0)))
    assert links(prompt) == {"6": {"samples": ("1", 0)}}
    assert codes(prompt) == ["ambiguous_name"]


def test_a_getter_inside_a_subgraph_reaches_outside(registry: Registry) -> None:
    inner = {
        "id": "sub",
        "nodes": [
            {"id": 1, "type": "GetNode", "widgets_values": ["vae"], "outputs": [{"name": "VAE", "type": "VAE"}]},
            {"id": 2, "type": "Decode", "inputs": [{"name": "vae", "type": "VAE", "link": 1}]},
        ],
        "links": [{"id": 1, "origin_id": 1, "origin_slot": 0, "target_id": 2, "target_slot": 1}],
    }
    outer = (node(4, "Loader"), node(5, "SetNode", ["vae"], x=(4, 2)), node(9, "sub"))
    prompt = convert(registry, *outer, definitions={"subgraphs": [inner]})
    assert links(prompt) == {"9:2": {"vae": ("4", 2)}}
    assert codes(prompt) == []


# Use Everywhere


def test_links_that_the_save_names(registry: Registry) -> None:
    sent = {"downstream": 5, "downstream_slot": 1, "upstream": "1", "upstream_slot": 2, "controller": 8, "type": "VAE"}
    nodes = [*graph(), node(1, "Loader"), node(8, "Anything Everywhere", x=(1, 2)), node(9, "Decode", vae=None)]
    prompt = convert(registry, *nodes, extra={"ue_links": [sent]})
    assert links(prompt)["5"] == {"samples": ("4", 0), "vae": ("1", 2)}
    assert "9" not in links(prompt), "only those that it names"
    odd = [{**sent, "upstream": 99}, {**sent, "downstream": 99}, {**sent, "downstream_slot": 7}, {}, 3]
    prompt = convert(registry, *graph(), node(1, "Loader"), extra={"ue_links": odd})
    assert codes(prompt) == ["dangling_link", "dangling_link"]


def test_a_drawn_link_counts_more(registry: Registry) -> None:
    sent = {"downstream": 5, "downstream_slot": 0, "upstream": 1, "upstream_slot": 2}
    assert links(convert(registry, *graph(), node(1, "Loader"), extra={"ue_links": [sent]}))["5"]["samples"] == ("4", 0)


def everywhere(registry: Registry, *more: Json, **extra: Any) -> ConvertedPrompt:
    """A whole graph in which nothing but the last steps is linked."""
    return convert(
        registry,
        node(1, "Loader"),
        node(2, "Encode", ["cat"], clip=None),
        node(3, "Encode", ["dog"], clip=None),
        node(4, "Empty"),
        node(5, "Sampler", [1], model=None, positive=None, negative=None, latent=None, title="Draw"),
        node(6, "Decode", samples=(5, 0), vae=None),
        node(7, "Save", images=(6, 0)),
        *more,
        **extra,
    )


def test_by_the_rules_where_the_save_names_none(registry: Registry) -> None:
    prompt = everywhere(
        registry,
        node(10, "Anything Everywhere3", anything=(1, 0), anything2=(1, 1), anything3=(1, 2)),
        node(11, "Prompts Everywhere", CONDITIONING=(2, 0), CONDITIONING_=(3, 0)),
        node(12, "Anything Everywhere", LATENT=(4, 0)),
        node(13, "Seed Everywhere", [77, "increment"]),
        extra={"ue_links": []},
    )
    assert links(prompt) == {
        "2": {"clip": ("1", 1)},
        "3": {"clip": ("1", 1)},
        "5": {"model": ("1", 0), "positive": ("2", 0), "negative": ("3", 0), "latent": ("4", 0)},
        "6": {"samples": ("5", 0), "vae": ("1", 2)},
        "7": {"images": ("6", 0)},
    }
    assert prompt.nodes["5"].inputs["seed"] == 1, "a widget takes nothing unless it is opened"


def test_a_seed_for_every_input_that_was_made_a_socket(registry: Registry) -> None:
    sampler = node(5, "Sampler", [1], seed=None)
    sampler["inputs"][0]["widget"] = {"name": "seed"}
    prompt = convert(registry, sampler, node(13, "Seed Everywhere", [77, "increment"]))
    assert prompt.nodes["5"].inputs["seed"] == 77
    assert advance(prompt, registry, lambda: 0.5).nodes["5"].inputs["seed"] == 78
    newer = document(sampler, node(13, "Seed Everywhere", [77]), extra={"frontendVersion": "1.30.0"})
    assert to_prompt(Workflow.parse(newer), registry).nodes["5"].inputs["seed"] == 1
    sampler["properties"] = {"ue_properties": {"widget_ue_connectable": {"seed": True}}}
    assert to_prompt(Workflow.parse(newer), registry).nodes["5"].inputs["seed"] == 77


def restricted(kind: str = "Anything Everywhere", values: Any = None, **properties: Any) -> Json:
    return node(10, kind, values, LATENT=(4, 0), properties={"ue_properties": properties})


@pytest.mark.parametrize(
    ("sender", "reached"),
    [
        (restricted(), True),
        (restricted(title_regex="^Dr"), True),
        (restricted(title_regex="Save"), False),
        (restricted(title_regex="Save", title_regex_invert=True), True),
        (restricted(input_regex="lat.nt"), True),
        (restricted(input_regex="samples"), False),
        (restricted("Anything Everywhere?", ["Draw", ".*", ".*"]), True),
        (restricted("Anything Everywhere?", ["Draw", "sampl"]), False),
        (restricted("Anything Everywhere?", [".*", ".*", "^Right$"]), True),
        (restricted("Anything Everywhere?", [".*", ".*", "Left"]), False),
        (restricted(group_restricted=1), False),
        (restricted(group_restricted=2), True),
        (restricted(color_restricted=1), False),
        (restricted(color_restricted=2), True),
        ({**restricted(), "mode": 2}, False),
        ({**restricted(), "mode": 4}, False),
        ({**restricted(), "properties": {"group_restricted": True}}, False),
        ({**restricted(), "color": "#223", "properties": {"color_restricted": True}}, True),
    ],
)
def test_restrictions(registry: Registry, sender: Json, reached: bool) -> None:
    sender = {**sender, "inputs": [dict(slot) for slot in sender["inputs"]], "pos": [0, 0], "size": [10, 10]}
    target = node(5, "Sampler", [1], latent=None, title="Draw", color="#223", pos={"0": 100, "1": 0}, size=[10, 10])
    groups = [{"title": "Left", "bounding": [-5, -5, 50, 50]}, {"title": "Right", "bounding": [90, -5, 50, 50]}]
    prompt = convert(registry, node(4, "Empty"), target, sender, groups=groups)
    assert links(prompt) == ({"5": {"latent": ("4", 0)}} if reached else {})
    assert codes(prompt) == []


def test_the_higher_priority_sends_and_a_tie_sends_nothing(registry: Registry) -> None:
    def latents(*senders: Json) -> ConvertedPrompt:
        target = node(5, "Sampler", [1], latent=None)
        return convert(registry, node(4, "Empty"), node(3, "Empty"), target, *senders)

    plain = node(10, "Anything Everywhere", LATENT=(4, 0))
    tie = latents(plain, node(11, "Anything Everywhere", LATENT=(3, 0)))
    assert links(tie) == {}
    assert codes(tie) == ["ambiguous_link"]
    plain["inputs"][0]["from"] = (4, 0)
    picky = latents(plain, node(11, "Anything Everywhere?", [".*", ".*"], LATENT=(3, 0)))
    assert links(picky) == {"5": {"latent": ("3", 0)}}
    same = latents(node(10, "Anything Everywhere", LATENT=(4, 0)), node(11, "Anything Everywhere", LATENT=(4, 0)))
    assert links(same) == {"5": {"latent": ("4", 0)}}
    first = node(10, "Anything Everywhere", LATENT=(4, 0), properties={"ue_properties": {"priority": 50}})
    chosen = latents(first, node(11, "Anything Everywhere?", ["Sampler"], LATENT=(3, 0)))
    assert links(chosen) == {"5": {"latent": ("4", 0)}}


def test_two_of_a_type_go_by_name(registry: Registry) -> None:
    sender = node(10, "Anything Everywhere", positive=(2, 0), neg=(3, 0))
    prompt = everywhere(registry, sender)
    assert {name: link for name, link in links(prompt)["5"].items() if name != "model"} == {
        "positive": ("2", 0), "negative": ("3", 0)
    }  # fmt: skip


def test_an_input_may_be_closed(registry: Registry) -> None:
    def latent(**properties: Any) -> dict[str, Json]:
        target = node(5, "Sampler", [1], latent=None, properties=properties)
        return links(convert(registry, node(4, "Empty"), target, node(10, "Anything Everywhere", LATENT=(4, 0))))

    assert latent() == {"5": {"latent": ("4", 0)}}
    assert latent(ue_properties={"input_ue_unconnectable": {"latent": True}}) == {}
    assert latent(rejects_ue_links=True) == {}


def test_what_is_not_understood_of_a_restriction_is_told(registry: Registry) -> None:
    target = node(5, "Sampler", [1], latent=None)

    def sent(**properties: Any) -> ConvertedPrompt:
        target["inputs"][0]["from"] = None
        return convert(registry, node(4, "Empty"), target, restricted(**properties))

    assert codes(sent(only_on_mondays=True)) == ["unknown_restriction"]
    for pattern in ("(", "(a+)+$", "x" * 2000):
        assert codes(sent(title_regex=pattern)) == ["invalid_pattern"]


def test_every_virtual_kind_is_in_the_table() -> None:
    assert {virtual.kind for virtual in VIRTUAL.values()} == set(NodeKind) - {
        NodeKind.NODE,
        NodeKind.UNKNOWN,
        NodeKind.INSTANCE,
    }
