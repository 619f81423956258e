"""`weft lint`: where findings stand, what is let be, which rules look, and what --fix writes."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Annotated, Any

import pytest

import weft
from tests.lints import Document, codes, node, registry, stage, two_stages, workflow
from weft.cli import main
from weft.engine.errors import DefinitionError, UsageError
from weft.engine.formats.sources import SourceFile, open_file
from weft.engine.linting.findings import rules_of
from weft.engine.linting.fixing import mended
from weft.engine.linting.rules import LintRule, Severity
from weft.engine.linting.selection import LintSelection
from weft.engine.schema.authoring import node as as_node
from weft.engine.schema.packs import Pack, Packs
from weft.engine.schema.sockets import Int
from weft.engine.session import Session
from weft.engine.workflow.prompt import Prompt

GAP = two_stages({}, {"start_at_step": 10})
EARLY = {"return_with_leftover_noise": "disable"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(document: Document, name: str = "w.json", indent: int | None = 2) -> str:
    Path(name).write_text(json.dumps(document, indent=indent))
    return name


def saved(document: Document, **note: str) -> Document:
    """The workflow as the editor saves it, with a note in it."""
    found = weft.convert(document, to="ui")
    for kind, text in note.items():
        found["nodes"].append({"id": 99, "type": kind, "pos": [0, 0], "size": [1, 1], "widgets_values": [text]})
    return found


def ran(*arguments: str) -> int:
    return main(["lint", *arguments])


# What is let be.


def test_a_node_says_what_to_let_be_of_it() -> None:
    document = two_stages(EARLY, {"start_at_step": 10})
    document["6"]["_meta"] = {"title": "then", "weft": {"ignore": ["S1"]}}
    assert codes(document) == ["N101 5"]
    document["6"]["_meta"] = {"weft": "S101"}
    assert codes(document) == ["N101 5", "S101 6"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("weft: ignore S101", ["N101 5"]),
        ("Some words.\nweft: ignore S101, N101 node 6: it is to be so", ["N101 5"]),
        ("weft: ignore N101,S101 nodes 5, 6 (as it is)", []),
        ('weft: ignore S101 node "KSampler (Advanced)", and that is it', ["N101 5"]),
        ("weft: ignore S101 node 7", ["N101 5", "S101 6"]),
        ("ignore S101", ["N101 5", "S101 6"]),
        ("weft: ignore S1O1", ["N101 5", "S101 6"]),
        ("weft: ignore N101, S1O1 node 6", ["N101 5", "S101 6"]),
    ],
)
@pytest.mark.parametrize("kind", ["Note", "MarkdownNote"])
def test_a_note_says_what_to_let_be(text: str, kind: str, left: list[str]) -> None:
    document = saved(two_stages(EARLY, {"start_at_step": 10}), **{kind: text})
    assert codes(Session().read(document)) == left


def test_what_a_save_says_of_a_node_is_in_its_prompt_and_back() -> None:
    document = two_stages({}, {"start_at_step": 10})
    document["6"]["_meta"] = {"title": "then", "weft": {"ignore": ["S101"]}}
    drawn = weft.convert(document, to="ui")
    (item,) = (each for each in drawn["nodes"] if each["id"] == 6)
    assert item["properties"]["weft"] == {"ignore": ["S101"]}
    assert weft.convert(drawn)["6"]["_meta"] == {"title": "then", "weft": {"ignore": ["S101"]}}
    assert codes(Session().read(drawn)) == []


# Which rules look.


def test_rules_are_selected_by_their_codes(folder: Path) -> None:
    every = rules_of(registry().packs)
    assert LintSelection().of(every) == list(every)
    assert [rule.code for rule in LintSelection(("S101", "N"), ("N10", "N111")).of(every)] == ["N110", "S101"]
    assert [rule.code for rule in LintSelection(("N101",), ("N",)).of(every)] == ["N101"]
    Path("weft.toml").write_text('device = "cpu"\n[lint]\nselect = ["S"]\nignore = ["S107"]\n')
    assert LintSelection.load() == LintSelection(["S"], ["S107"])
    assert LintSelection.load(["N,P"], []) == LintSelection(["N", "P"], ["S107"])
    assert Session().settings.device == "cpu"
    with pytest.raises(UsageError, match=r"no lint rule 'S1O1'.*did you mean 'S1\d\d'"):
        LintSelection(("S1O1",)).of(every)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lint = 3", "lint: expected a table, got 3"),
        ('[lint]\nselct = ["S"]', "unknown key 'selct'.*did you mean 'select'"),
        ('[lint]\nselect = "S"', "select: expected a list of codes, got 'S'"),
    ],
)
def test_a_table_that_is_none_is_said(text: str, message: str, folder: Path) -> None:
    Path("weft.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        LintSelection.load()


# Rules come with packs.


def broken(view: Any) -> list[Any]:
    raise ValueError("no")


BROKEN = (LintRule("X101", "broken", Severity.INFO, "It fails.", broken),)


def test_rules_come_with_packs() -> None:
    assert [rule.code for rule in rules_of(Packs((Pack(lint=f"{__name__}:BROKEN", name="mine"),)))] == ["X101"]
    assert rules_of(Packs((Pack(),))) == ()
    twice = Packs(tuple(Pack(lint=f"{__name__}:BROKEN", name=name) for name in ("one", "two")))
    with pytest.raises(DefinitionError, match="node pack 'two': its lint rules: there is a rule X101 already"):
        rules_of(twice)
    with pytest.raises(DefinitionError, match="node pack 'mine': its lint rules: .*ModuleNotFoundError"):
        rules_of(Packs((Pack(lint="not_there:RULES", name="mine"),)))
    with pytest.raises(DefinitionError, match="expected a code such as S101"):
        LintRule("S1", "x", Severity.INFO, "", broken)


def test_a_rule_that_fails_says_so() -> None:
    from weft.engine.linting.findings import lint

    (found,) = lint(Prompt.parse(GAP), registry(), Session().settings, BROKEN)
    assert str(found) == "X101 the rule broken failed, and has not looked: ValueError: no"


def test_a_node_that_fails_to_foretell_is_named_once_and_its_outputs_are_unknown() -> None:
    from weft.engine.linting.findings import lint

    def fails(inputs: Any, settings: Any) -> list[Any]:
        raise ZeroDivisionError("no steps")

    @as_node(category="test", foretells=fails)
    def Guess() -> Annotated[int, Int()]:
        return 8

    document = two_stages({"end_at_step": ["g", 0]}, {"start_at_step": ["g", 0]}, g=node("Guess"))
    found = lint(Prompt.parse(document), registry().copy().add(Guess), Session().settings, rules_of(registry().packs))
    (said,) = (each.issue for each in found if each.issue.node_id == "g")
    assert said.message == "what it foretells counts as unknown: ZeroDivisionError: no steps"


# What is mended.


def mend(document: Document, *, indent: int | None = 2) -> tuple[SourceFile, str, list[str], list[str]]:
    """The file, its text mended, and the codes of what was mended and of what is left."""
    session = Session(registry=registry())
    file = open_file(json.dumps(document, indent=indent))
    found = mended(file, lambda each: session.read(each.workflow, keep_unknown=True), session.lint)
    return file, found.text, [each.rule.code for each in found.fixed], [each.rule.code for each in found.left]


RIGHT = two_stages()
MENDED: list[tuple[str, Document, Document]] = [
    ("S101", two_stages({}, {"start_at_step": 10}), RIGHT),
    ("S102", two_stages({}, {"start_at_step": 6}), RIGHT),
    ("S102", two_stages({"end_at_step": 10_000, **EARLY}), RIGHT),
    ("N101", two_stages(EARLY), RIGHT),
    ("N102", two_stages({}, {"add_noise": "enable"}), RIGHT),
    ("N103", two_stages(EARLY, {"add_noise": "enable"}), RIGHT),
    ("S109", two_stages({}, {"end_at_step": 25}), two_stages({}, {"end_at_step": 20})),
    ("N106", two_stages({}, {"end_at_step": 15, "return_with_leftover_noise": "enable"}),
        two_stages({}, {"end_at_step": 15})),
    ("N107", workflow(n6=stage("4", 0, 20, add_noise="disable")), workflow(n6=stage("4", 0, 20))),
    ("N108", workflow(n6=stage("4", 4, 20, add_noise="enable")), workflow(n6=stage("4", 0, 20))),
]  # fmt: skip


@pytest.mark.parametrize("to", ["api", "ui"])
@pytest.mark.parametrize(("code", "bad", "good"), MENDED, ids=[each[0] for each in MENDED])
def test_what_is_mended_is_right_and_nothing_else_changes(code: str, bad: Document, good: Document, to: str) -> None:
    file, text, fixed, left = mend(bad if to == "api" else weft.convert(bad, to="ui"))
    assert (fixed, left) == ([code], [])
    assert weft.convert(json.loads(text)) == weft.convert(good if to == "api" else weft.convert(good, to="ui"))
    before, after = file.text.splitlines(), text.splitlines()
    changed = [line for line, new in zip(before, after, strict=True) if line != new]
    assert 1 <= len(changed) <= 2


def test_several_are_mended_one_after_the_other() -> None:
    _, text, fixed, left = mend(two_stages(EARLY, {"start_at_step": 10, "end_at_step": 25}), indent=None)
    assert (sorted(fixed), left) == (["N101", "S101", "S109"], [])
    assert json.loads(text) == two_stages({}, {"end_at_step": 20})


def chain(rng: Random) -> tuple[Document, list[int]]:
    """Two to five stages that are right, in nodes 30, 31, ..., and the steps at which they meet, with both ends."""
    steps, count = rng.randint(6, 40), rng.randint(2, 5)
    cuts = [0, *sorted(rng.sample(range(1, steps), count - 1)), steps]
    nodes = {}
    for number in range(count):
        latent = str(29 + number) if number else "4"
        scheduler = {"steps": steps, "scheduler": "simple", "sampler_name": "heun"}
        nodes[f"n{30 + number}"] = stage(latent, cuts[number], cuts[number + 1], **scheduler)
    found = workflow(**nodes)
    found["7"]["inputs"]["samples"] = [str(29 + count), 0]
    return found, cuts


def broken_at(rng: Random, document: Document, cuts: list[int]) -> str:
    """Break a right chain in one place; gives the code of what is then wrong."""
    at = rng.randrange(len(cuts) - 2)
    before, after = (document[str(30 + at + one)]["inputs"] for one in (0, 1))
    start, end = cuts[at], cuts[at + 2]
    meet = cuts[at + 1]
    match rng.choice(("S101", "S102", "N101", "N102", "N103", "N107", "S109")):
        case "S101" if meet + 1 < end:
            after["start_at_step"] = rng.randint(meet + 1, end - 1)
            return "S101"
        case "S102" if start + 1 < meet:
            after["start_at_step"] = rng.randint(start + 1, meet - 1)
            return "S102"
        case "N102":
            after["add_noise"] = "enable"
            return "N102"
        case "N103":
            before["return_with_leftover_noise"], after["add_noise"] = "disable", "enable"
            return "N103"
        case "N107":
            document["30"]["inputs"]["add_noise"] = "disable"
            return "N107"
        case "S109":
            document[str(28 + len(cuts))]["inputs"]["end_at_step"] = cuts[-1] + rng.randint(1, 100)
            return "S109"
    before["return_with_leftover_noise"] = "disable"
    return "N101"


def test_chains_at_random_are_right_and_one_fault_in_them_is_found_and_mended() -> None:
    for number in range(100):
        rng = Random(number)
        document, cuts = chain(rng)
        assert codes(document) == [], number
        bad = deepcopy(document)
        code = broken_at(rng, bad, cuts)
        file, text, fixed, left = mend(bad)
        assert file.text != text, (number, code)
        assert (fixed, left) == ([code], []), number
        assert json.loads(text) == document, (number, code)


def test_what_is_not_sure_is_not_mended() -> None:
    looked_at = two_stages(EARLY) | {"9": workflow()["7"] | {"inputs": {"samples": ["5", 0], "vae": ["1", 2]}}}
    looked_at["10"] = {"class_type": "PreviewImage", "inputs": {"images": ["9", 0]}}
    assert mend(looked_at)[2:] == ([], ["N101"])
    linked = two_stages({}, {"start_at_step": ["13", 0]}) | {
        "13": {"class_type": "PrimitiveInt", "inputs": {"value": 9}}
    }
    assert mend(linked)[2:] == ([], ["S101"])


def test_a_value_that_two_nodes_share_is_not_mended_for_one() -> None:
    """A PrimitiveNode that is a start, and the seed of another node: what is right for the one changes the other."""
    drawn = weft.convert(two_stages({}, {"start_at_step": 10}), to="ui")
    samplers = [each for each in drawn["nodes"] if each["type"] == "KSamplerAdvanced"]
    drawn["nodes"].append({"id": 50, "type": "PrimitiveNode", "pos": [0, 0], "size": [9, 9],
        "outputs": [{"name": "INT", "type": "INT", "links": [900, 901]}], "widgets_values": [10, "fixed"]})  # fmt: skip
    for sampler, name, link in ((samplers[1], "start_at_step", 900), (samplers[0], "noise_seed", 901)):
        place = len(sampler["inputs"])
        sampler["inputs"].append({"name": name, "type": "INT", "link": link, "widget": {"name": name}})
        drawn["links"].append([link, 50, 0, sampler["id"], place, "INT"])
    assert mend(drawn)[2:] == ([], ["S101"])


def in_subgraphs(first: list[Document], then: list[Document]) -> Document:
    """A save in which subgraphs hold both stages, one for each pair of changes; the last one is used twice."""
    drawn = weft.convert(two_stages(), to="ui")
    samplers = [each for each in drawn["nodes"] if each["type"] == "KSamplerAdvanced"]
    others = [each for each in drawn["nodes"] if each not in samplers]
    names = ["model", "positive", "negative", "latent_image"]
    graphs = []
    for number, changes in enumerate(zip(first, then, strict=True)):
        nodes, links = [], []
        for sampler, given in zip(deepcopy(samplers), changes, strict=True):
            place = {"start_at_step": 7, "end_at_step": 8, "return_with_leftover_noise": 9}
            for name, value in given.items():
                sampler["widgets_values"][place[name]] = value
            for slot, port in enumerate(each for each in sampler["inputs"] if each["name"] in names):
                inner = port["name"] == "latent_image" and sampler["id"] == 6
                port["link"] = len(links) + 1
                origin = {"origin_id": 5, "origin_slot": 0} if inner else {"origin_id": -10, "origin_slot": slot}
                links.append({"id": port["link"], **origin, "target_id": sampler["id"], "target_slot": slot})
            nodes.append(sampler)
        links.append({"id": 50, "origin_id": 6, "origin_slot": 0, "target_id": -20, "target_slot": 0})
        panels = [
            {
                "name": name,
                "type": "*",
                "linkIds": [each["id"] for each in links if (each["origin_id"], each["origin_slot"]) == (-10, slot)],
            }
            for slot, name in enumerate(names)
        ]
        result = [{"name": "latent", "type": "LATENT", "linkIds": [50]}]
        graphs.append(
            {
                "id": f"half {number}",
                "name": "half",
                "nodes": nodes,
                "links": links,
                "inputs": panels,
                "outputs": result,
            }
        )
    made = [*others]
    links = [each for each in drawn["links"] if each[1] not in (5, 6) and each[3] not in (5, 6)]
    for number, graph in enumerate([*graphs, graphs[-1]]):
        instance = 60 + number
        sources = [(1, 0), (2, 0), (3, 0), (4, 0)]
        wired = [[500 + 10 * number + slot, *source, instance, slot, "*"] for slot, source in enumerate(sources)]
        links += [*wired, [600 + number, instance, 0, 70 + number, 0, "LATENT"]]
        inputs = [{"name": name, "type": "*", "link": link[0]} for name, link in zip(names, wired, strict=True)]
        outputs = [{"name": "latent", "type": "LATENT", "links": [600 + number]}]
        made.append({"id": instance, "type": graph["id"], "inputs": inputs, "outputs": outputs, "widgets_values": []})
        taken = {"inputs": [{"name": "samples", "type": "LATENT", "link": 600 + number}]}
        made.append({"id": 70 + number, "type": "SaveLatent", **taken, "widgets_values": ["x"]})
    return {**drawn, "nodes": made, "links": links, "definitions": {"subgraphs": graphs}}


def test_what_is_in_a_subgraph_is_mended_there_for_all_of_its_uses() -> None:
    _, text, fixed, left = mend(in_subgraphs([{}, EARLY], [{"start_at_step": 12}, {}]))
    assert fixed == ["S101", "N101", "N101"]
    assert set(left) <= {"G102"}  # the two uses draw the same
    assert json.loads(text) == in_subgraphs([{}, {}], [{}, {}])


def test_what_is_mended_draws_what_was_meant(random_models: Path, tmp_path: Path) -> None:
    """Every mending of two stages gives the undivided run, but for rounding; without it, the picture is another one."""
    options: dict[str, Any] = {
        "models": random_models,
        "output": tmp_path,
        "device": "cpu",
        "cache": weft.MemoryCache(),
    }

    def drawn(document: Document) -> Any:
        document["1"]["inputs"]["ckpt_name"] = next(each.name for each in (random_models / "checkpoints").iterdir())
        return weft.run(document, targets=["6"], **options)["6"][0]["samples"]

    def chain(first: Document, then: Document) -> Document:
        found = workflow(n5=stage("4", 0, 2, steps=5), n6=stage("5", 2, 5, steps=5))
        found["5"]["inputs"] |= first
        found["6"]["inputs"] |= then
        return found

    def error(latent: Any) -> float:
        return float((latent - whole).abs().max() / whole.abs().max())

    whole = drawn(workflow(n6=stage("4", 0, 5, steps=5)))
    noisy = {"add_noise": "enable"}
    whole_first = {"end_at_step": 10_000, **EARLY}
    faults = (
        ({}, {"start_at_step": 3}),
        ({}, {"start_at_step": 1}),
        (whole_first, {}),
        (EARLY, {}),
        ({}, noisy),
        (EARLY, noisy),
    )
    for first, then in faults:
        bad = chain(first, then)
        _, text, fixed, _ = mend(bad)
        assert len(fixed) == 1
        assert error(drawn(bad)) > 1e-3, fixed
        assert error(drawn(json.loads(text))) < 1e-5, fixed
    alone = workflow(n6=stage("4", 0, 5, steps=5, add_noise="disable")), workflow(n6=stage("4", 2, 5, steps=5, **noisy))
    for bad in alone:
        assert error(drawn(bad)) > 1e-3
        assert error(drawn(json.loads(mend(bad)[1]))) == 0


def test_from_python() -> None:
    (found,) = weft.lint(GAP)
    assert (found.rule.code, found.issue.node_id, found.edits) == ("S101", "6", {("6", "start_at_step"): 8})
    assert weft.lint(GAP, overrides={"6.start_at_step": 8}) == weft.lint(GAP, ignore=["S"]) == []
    assert weft.lint(GAP | {"20": {"class_type": "NobodyKnows", "inputs": {}}}) == [found]


# The command.


def test_findings_have_places_and_an_exit_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(put(GAP)) == 1
    out, _ = capsys.readouterr()
    line = next(
        number for number, text in enumerate(Path("w.json").read_text().splitlines(), 1) if '_step": 10,' in text
    )
    assert out.startswith(f"w.json:{line}:7: warning S101: node 6 \"KSampler (Advanced)\", input 'start_at_step': ")
    assert out.endswith("(start_at_step 8) [--fix]\n1 workflow: 1 with findings\n")
    assert ran(put(two_stages({}, {"end_at_step": 25}))) == 0
    assert "info S109" in capsys.readouterr().out
    assert ran(put(GAP), "--ignore", "S101") == 0
    assert ran("--select", "S109", "w.json") == 0


def test_unknown_classes_keep_no_rule_from_looking(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(put(GAP | {"20": {"class_type": "NobodyKnows", "inputs": {}}})) == 1
    assert "S101" in capsys.readouterr().out


def test_json_says_all_of_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(put(GAP), "--json") == 1
    (file,) = json.loads(capsys.readouterr().out)["files"]
    (found,) = file["findings"]
    assert (file["file"], file["status"]) == ("w.json", "with findings")
    expected = {
        "code": "S101",
        "severity": "warning",
        "node_id": "6",
        "input": "start_at_step",
        "fix": "start_at_step 8",
    }
    assert expected.items() <= found.items()
    assert found["edits"] == [{"node_id": "6", "input": "start_at_step", "value": 8}]
    assert found["line"] > 1
    assert ran("missing.json", "--json") == 2
    assert json.loads(capsys.readouterr().out)["files"][0]["status"] == "unreadable"


def test_sarif_has_what_its_readers_need(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(put(GAP, "a b.json"), "missing.json", "--sarif") == 2
    log = json.loads(capsys.readouterr().out)
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert "2.1.0" in log["$schema"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "weft"
    (result,) = run["results"]
    rule = driver["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"] == "S101"
    assert rule["shortDescription"]["text"]
    assert rule["defaultConfiguration"]["level"] == result["level"] == "warning"
    assert result["message"]["text"].startswith("node 6")
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b.json"
    assert min(place["region"].values()) >= 1
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "missing.json" in json.dumps(invocation)


def closed(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """A JSON Schema of an object that has these properties and no others."""
    properties = required | optional
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


TEXT, COUNT, LEVEL = (
    {"type": "string", "minLength": 1},
    {"type": "integer", "minimum": 1},
    {"enum": ["error", "warning", "note"]},
)
MESSAGE = closed({"text": TEXT})
PLACE = closed(
    {"artifactLocation": closed({"uri": {"type": "string", "format": "uri-reference", "pattern": r"^[^\s\\]+$"}})},
    region=closed({"startLine": COUNT, "startColumn": COUNT}),
)
LOGICAL = {"type": "array", "minItems": 1, "items": closed({"name": TEXT, "fullyQualifiedName": TEXT})}
LOCATIONS = {"type": "array", "minItems": 1, "items": closed({"physicalLocation": PLACE}, logicalLocations=LOGICAL)}
RULE = closed({
    "id": {"type": "string", "pattern": r"^[A-Z]+\d{3}$"}, "name": TEXT, "shortDescription": MESSAGE,
    "fullDescription": MESSAGE, "defaultConfiguration": closed({"level": LEVEL}),
})  # fmt: skip
RESULT = closed({
    "ruleId": TEXT, "ruleIndex": {"type": "integer", "minimum": 0}, "level": LEVEL, "message": MESSAGE,
    "locations": LOCATIONS,
})  # fmt: skip
NOTICE = closed({"level": LEVEL, "message": MESSAGE, "locations": LOCATIONS})
INVOCATION = closed({
    "executionSuccessful": {"type": "boolean"}, "toolExecutionNotifications": {"type": "array", "items": NOTICE},
})  # fmt: skip
DRIVER = closed({"name": TEXT, "version": TEXT, "rules": {"type": "array", "uniqueItems": True, "items": RULE}})
RUN = closed({
    "tool": closed({"driver": DRIVER}), "columnKind": {"enum": ["unicodeCodePoints", "utf16CodeUnits"]},
    "invocations": {"type": "array", "items": INVOCATION}, "results": {"type": "array", "items": RESULT},
})  # fmt: skip
SARIF = closed({
    "$schema": {"type": "string", "format": "uri"}, "version": {"const": "2.1.0"},
    "runs": {"type": "array", "minItems": 1, "items": RUN},
})  # fmt: skip
"""SARIF 2.1.0 as far as Weft writes it: its names and forms, in the words of this test, and no property beside them."""


def test_sarif_has_no_property_that_the_format_does_not_know(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from jsonschema import Draft202012Validator

    ran(put(GAP, "a b.json"), put(RIGHT, "right.json"), "missing.json", "--sarif")
    log = json.loads(capsys.readouterr().out)
    Draft202012Validator(SARIF, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(log)
    (run,) = log["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == sorted(
        {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    )


def test_diff_shows_and_fix_writes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(two_stages(EARLY, {"start_at_step": 10}))
    before = Path("w.json").read_text()
    assert ran("w.json", "--diff") == 1
    out, _ = capsys.readouterr()
    assert [line for line in out.splitlines() if line[:1] in "+-"] == [
        "--- w.json",
        "+++ w.json",
        '-      "return_with_leftover_noise": "disable"',
        '+      "return_with_leftover_noise": "enable"',
        '-      "start_at_step": 10,',
        '+      "start_at_step": 8,',
    ]
    assert Path("w.json").read_text() == before
    assert ran("w.json", "--fix") == 0
    out, _ = capsys.readouterr()
    assert out.count("mended") == 3  # two findings, one summary
    assert json.loads(Path("w.json").read_text()) == RIGHT
    assert ran("w.json", "--diff") == 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_keeps_its_encoding_and_its_line_ends(encoding: str, folder: Path) -> None:
    text = json.dumps(GAP | {"9": {"class_type": "PrimitiveString", "inputs": {"value": "ä"}}}, indent=1)
    text = text.replace("\\u00e4", "ä").replace("\n", "\r\n")
    Path("w.json").write_bytes(text.encode(encoding))
    assert ran("w.json", "--fix") == 0
    wanted = text.replace('"start_at_step": 10', '"start_at_step": 8')
    assert Path("w.json").read_bytes() == wanted.encode(encoding)


def test_a_file_that_cannot_be_written_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(GAP)
    Path("w.json").chmod(0o444)
    before = Path("w.json").read_text()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("weft.engine.wholefiles.os.access", lambda *_: False)
        assert ran("w.json", "--fix") == 2
    assert "cannot write w.json: Permission denied" in capsys.readouterr().out
    assert Path("w.json").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected a workflow"),
        (("-", "--fix"), "standard input cannot be mended"),
        (("w.json", "--fix", "--diff"), "exclude each other"),
        (("--explain", "S999"), "no lint rule 'S999'"),
        (("w.json", "--select", "nothing"), "no lint rule 'nothing'"),
    ],
)
def test_what_makes_no_sense_is_said(
    arguments: tuple[str, ...], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(GAP)
    assert ran(*arguments) == 2
    assert message in capsys.readouterr().err


def test_rules_are_listed_and_explained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran("--rules") == 0
    assert capsys.readouterr().out.count("\n") == len(rules_of(registry().packs))
    assert ran("--rules", "--json") == 0
    assert {"code": "S101", "name": "gap"}.items() <= next(
        each for each in json.loads(capsys.readouterr().out)["rules"] if each["code"] == "S101"
    ).items()
    assert ran("--explain", "gap") == 0
    assert "stays in the picture" in capsys.readouterr().out


def test_validate_and_run_tell_of_it(folder: Path, capsys: pytest.CaptureFixture[str], random_models: Path) -> None:
    document = two_stages({}, {"start_at_step": 10, "end_at_step": 25})
    document["1"]["inputs"]["ckpt_name"] = next(each.name for each in (random_models / "checkpoints").iterdir())
    put(document)
    assert main(["validate", "w.json", "--models", str(random_models)]) == 0
    _, err = capsys.readouterr()
    assert err.startswith("warning: node 6 \"KSampler (Advanced)\", input 'start_at_step': S101, starts at step 10")
    assert err.count("warning") == 1
    few = [f"--set={key}={value}" for key, value in {"5.steps": 5, "5.end_at_step": 1, "6.steps": 5}.items()]
    few += ["--set=6.start_at_step=3", "--models", str(random_models), "--no-cache", "--device", "cpu"]
    assert main(["run", "w.json", *few]) == 0
    assert "S101, starts at step 3" in capsys.readouterr().err
    assert main(["run", "w.json", *few, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
