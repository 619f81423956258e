"""Prompt -> Prompt: what a node that stands for others becomes, who gets the blame, and what the run is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import pytest

import weft
from weft import InvalidWorkflow, MemoryCache, Registry, Session, node
from weft.engine.context import RunContext
from weft.engine.errors import DefinitionError, Issue, NodeError, UsageError
from weft.engine.events import Event, NodeStarted, NodeWarning
from weft.engine.folders import Folders
from weft.engine.links import Link
from weft.engine.planning.lowering import Site, checked, lower
from weft.engine.schema.authoring import UI, PromptJson
from weft.engine.schema.sockets import Files, Int, Socket, String
from weft.engine.workflow.prompt import Prompt

Number = Annotated[int, Socket("NUMBER")]
Whole = Annotated[int, Int(default=1, min=0, max=100)]


@node(category="test")
def Start(*, value: Whole) -> Number:
    return value


@node(category="test")
def Add(*, number: Number, by: Whole, context: RunContext) -> Number:
    if by == 13:
        raise ValueError("unlucky")
    if by == 7:
        context.warn(context.executed[context.node_id]["class_type"])
    return number + by


@node(category="test")
def Named(*, number: Number, file: Annotated[str, Files("checkpoints")]) -> Number:
    return number


@node(category="test", output_node=True)
def Show(*, number: Number, prompt: PromptJson, context: RunContext) -> UI:
    return UI(text=[json.dumps([number, prompt, context.provenance["sampling"]])])


def to_sum(site: Site) -> list[Link]:
    """A chain of Add nodes, one for each number in the text; a name of a file becomes a Named."""
    site.need("its prompt schedule", sampling="continuous")
    link: Any = site.inputs["number"]
    for place, word in enumerate(site.typed("numbers", "it is lowered").split(), 1):
        name = f"part{place}"
        title = f"{site.title}: {word}"
        if word.lstrip("-").isdigit():
            link = site.add("Add", {"number": link, "by": int(word)}, name=name, title=title)[0]
        elif word.endswith(".ckpt"):
            blame = (site.node_id, "numbers")
            link = site.add("Named", {"number": link, "file": word}, name=name, blame=blame)[0]
        else:
            site.refuse("numbers", f"{word!r} is no number", hint="such as 3")
    return [link]


@node(category="test", display_name="A Sum", lowers=to_sum)
def Sum(*, number: Number, numbers: Annotated[str, String()], by: Whole = 0) -> Number:
    raise AssertionError("it is lowered")


def doubled(site: Site) -> list[Link] | None:
    if site.inputs["value"] == 0:
        return None
    start = site.add("Start", {"value": site.inputs["value"]}, name="start")
    return [site.add("Add", {"number": start[0], "by": site.inputs["value"]}, name="add")[0]]


@node(category="test", passes={"double": doubled})
def Once(*, value: Whole) -> Number:
    return value


REGISTRY = Registry().add([Start, Add, Named, Show, Sum, Once])
PROMPT: dict[str, Any] = {
    "1": {"class_type": "Start", "inputs": {"value": 1}},
    "2": {"class_type": "Sum", "inputs": {"number": ["1", 0], "numbers": "2 3"}},
    "3": {"class_type": "Sum", "inputs": {"number": ["2", 0], "numbers": "4"}, "_meta": {"title": "again"}},
    "4": {"class_type": "Show", "inputs": {"number": ["3", 0]}},
    "5": {"class_type": "Sum", "inputs": {"number": ["2", 0], "numbers": "nobody needs it"}},
    "6": {"class_type": "Add", "inputs": {"number": ["3", 0], "by": 1}},
}


def changed(node_id: str, **inputs: Any) -> dict[str, Any]:
    return {**PROMPT, node_id: {**PROMPT[node_id], "inputs": {**PROMPT[node_id]["inputs"], **inputs}}}


def issues_of(prompt: dict[str, Any], targets: Sequence[str] = (), **options: Any) -> list[Issue]:
    return checked(Prompt.parse(prompt), REGISTRY, targets=targets, **options)[1]


def test_what_needs_no_lowering_comes_back_as_it_is() -> None:
    prompt = Prompt.parse({"1": PROMPT["1"], "4": {**PROMPT["4"], "inputs": {"number": ["1", 0]}}})
    assert lower(prompt, REGISTRY).prompt is prompt
    assert lower(Prompt.parse({**PROMPT, "4": {"class_type": "None", "inputs": {}}}), REGISTRY).parts == {}


def test_nodes_are_replaced_in_their_places() -> None:
    source = Prompt.parse(PROMPT)
    lowered = lower(source, REGISTRY)
    assert list(lowered.prompt.nodes) == ["1", "2.part1", "2.part2", "3.part1", "4", "5", "6"]
    nodes = lowered.prompt.to_json()
    assert nodes["2.part1"] == {
        "class_type": "Add", "inputs": {"number": ["1", 0], "by": 2}, "_meta": {"title": "A Sum: 2"},
    }  # fmt: skip
    assert nodes["3.part1"]["inputs"] == {"number": ["2.part2", 0], "by": 4}
    assert nodes["3.part1"]["_meta"] == {"title": "again: 4"}
    assert nodes["4"]["inputs"] == {"number": ["3.part1", 0]}
    assert nodes["6"]["inputs"]["number"] == ["3.part1", 0], "what nobody needs is wired as well"
    assert nodes["5"]["inputs"]["number"] == ["2.part2", 0], "what nobody needs is not lowered"
    assert lowered.outputs == {"2": (Link("2.part2", 0),), "3": (Link("3.part1", 0),)}
    assert {node_id: part.whole for node_id, part in lowered.parts.items()} == {
        "2.part1": "2", "2.part2": "2", "3.part1": "3",
    }  # fmt: skip
    assert (lowered.source, lowered.settings) == (source, {"sampling": "continuous"})
    assert source.to_json() == PROMPT


def test_ids_that_are_taken() -> None:
    prompt = {**PROMPT, "2.part1": {"class_type": "Start", "inputs": {"value": 9}}}
    lowered = lower(Prompt.parse(prompt), REGISTRY)
    assert list(lowered.prompt.nodes)[:3] == ["1", "2.part1_", "2.part2"]
    assert lowered.prompt.nodes["2.part1"].class_type == "Start"


def test_a_pass_runs_where_it_is_asked_for() -> None:
    prompt = Prompt.parse({
        "1": {"class_type": "Once", "inputs": {"value": 4}},
        "2": {"class_type": "Once", "inputs": {"value": 0}},
        "4": {"class_type": "Show", "inputs": {"number": ["1", 0]}},
    })  # fmt: skip
    assert lower(prompt, REGISTRY).prompt is prompt
    lowered = lower(prompt, REGISTRY, passes=["double"], targets=["2"])
    assert list(lowered.prompt.nodes) == ["1.start", "1.add", "2", "4"], "a pass may leave a node alone"
    assert lower(prompt, REGISTRY, passes=["other"]).prompt is prompt


def test_a_wrong_number_of_outputs() -> None:
    @node(category="test", lowers=lambda site: [])
    def Nothing(*, value: Whole) -> Number:
        return value

    registry = REGISTRY.copy().add(Nothing)
    prompt = Prompt.parse({**PROMPT, "1": {"class_type": "Nothing", "inputs": {"value": 1}}})
    with pytest.raises(DefinitionError, match="Nothing was lowered to 0 outputs, it declares 1"):
        lower(prompt, registry)


# --- what is wrong is said of the node of the workflow


def test_what_lowering_refuses() -> None:
    (issue,) = issues_of(changed("2", numbers="2 many"))
    assert str(issue) == "node 2 \"A Sum\", input 'numbers': 'many' is no number (such as 3)"
    assert (issue.code, issue.pointer) == ("custom_validation_failed", "/2/inputs/numbers")
    (issue,) = issues_of(changed("2", numbers=["1", 0]), executable=True)[-1:]
    assert issue.code == "return_type_mismatch"


def test_a_link_where_a_value_must_be_typed() -> None:
    @node(category="test")
    def Text() -> Annotated[str, Socket("STRING")]:
        return "1"

    prompt = {**changed("2", numbers=["9", 0]), "9": {"class_type": "Text", "inputs": {}}}
    (issue,) = checked(Prompt.parse(prompt), REGISTRY.copy().add(Text))[1]
    assert "input 'numbers': must be typed here, and is linked to node 9: it is lowered" in str(issue)


def test_what_is_wrong_with_the_parts(folders: Folders) -> None:
    (issue,) = issues_of(changed("3", numbers="200 200", by=5))
    assert issue.message == "Value 200 bigger than max of 100", "and it is said once"
    assert (issue.node_id, issue.title, issue.class_type, issue.input) == ("3", "again", "Sum", "by")
    assert issue.pointer == "/3/inputs/by"
    (issue,) = issues_of(changed("3", numbers="a.ckpt"), folders=folders)
    assert (issue.node_id, issue.input, issue.missing_file) == ("3", "numbers", True)
    assert "checkpoint 'a.ckpt' is not there" in issue.details


def test_problems_of_both_kinds_are_said_together() -> None:
    prompt = changed("2", numbers="two")
    prompt["7"] = {"class_type": "Show", "inputs": {"number": ["8", 0]}}
    prompt["8"] = {"class_type": "Start", "inputs": {"value": 101}}
    assert [(issue.node_id, issue.input) for issue in issues_of(prompt)] == [("8", "value"), ("2", "numbers")]


def test_nothing_is_lowered_that_depends_on_what_is_wrong() -> None:
    both = {**changed("1", value=-1), "3": changed("3", numbers="x")["3"]}
    assert [issue.node_id for issue in issues_of(both)] == ["1"]
    assert [issue.code for issue in issues_of(changed("2", number=["3", 0]))] == ["dependency_cycle"]
    assert issues_of(changed("5", numbers="x")) == []
    assert [issue.node_id for issue in issues_of(PROMPT, ["5"])] == ["5"]


# --- a run


def run(prompt: dict[str, Any] = PROMPT, **options: Any) -> weft.RunResult:
    return weft.run(prompt, registry=REGISTRY, **options)


def test_a_run_takes_the_settings_and_keeps_the_workflow() -> None:
    result = run(targets=["3"])
    number, prompt, sampling = json.loads(result.ui["4"]["text"][0])
    assert (number, prompt, sampling) == (10, PROMPT, "continuous")
    assert result["3"] == (10,), "a target is found by the id that it has in the workflow"
    assert result.plan.lowered.settings == {"sampling": "continuous"}
    message = "the whole run is sampled in continuous mode, as its prompt schedule asks for"
    assert result.warnings == (("2", message),)
    assert run(sampling="continuous").warnings == ()


def test_the_mode_keeps_caches_apart() -> None:
    cache = MemoryCache()
    single = {"1": PROMPT["1"], "4": {**PROMPT["4"], "inputs": {"number": ["1", 0]}}}
    run(cache=cache)
    assert "1" in run(single, cache=cache).timings
    assert run(single, cache=cache).timings == {}
    assert run(cache=cache).timings == {}
    assert run(single, cache=cache, sampling="continuous").timings.keys() == {"4"}


def test_what_observers_see() -> None:
    seen: list[Event] = []
    run(changed("3", numbers="7"), observers=[seen.append])
    started = [event for event in seen if isinstance(event, NodeStarted)]
    assert [(event.node_id, event.title, event.display_id) for event in started] == [
        ("1", "Start", ""), ("2.part1", "A Sum: 2", "2"), ("2.part2", "A Sum: 3", "2"), ("3.part1", "again: 7", "3"),
        ("4", "Show", ""),
    ]  # fmt: skip
    warned = [event for event in seen if isinstance(event, NodeWarning)][-1]
    assert (warned.node_id, warned.display_id, warned.message) == ("3.part1", "3", "Add"), "it sees what is executed"


def test_the_error_of_a_part_names_its_node() -> None:
    with pytest.raises(NodeError) as caught:
        run(changed("3", numbers="13"))
    assert str(caught.value).startswith('node 3.part1 "again: 13" failed: ValueError: unlucky')


def test_a_plan_shows_the_parts() -> None:
    session = Session(registry=REGISTRY)
    plan = session.plan(session.read(PROMPT))
    assert [(step.node_id, step.part_of) for step in plan.steps] == [
        ("1", ""), ("2.part1", "2"), ("2.part2", "2"), ("3.part1", "3"), ("4", ""),
    ]  # fmt: skip
    assert "run      2.part1 A Sum: 2: not computed before" in str(plan).splitlines()
    data = json.loads(json.dumps(plan.to_json()))
    assert data["settings"] == {"sampling": "continuous"}
    assert (data["steps"][1]["part_of"], data["steps"][1]["inputs"]) == ("2", {"number": ["1", 0], "by": 2})
    assert "part_of" not in data["steps"][0]


def test_issues_come_from_every_door() -> None:
    bad = changed("2", numbers="x")
    (issue,) = weft.validate(bad, registry=REGISTRY)
    assert issue.node_id == "2"
    with pytest.raises(InvalidWorkflow, match="'x' is no number"):
        run(bad)


def test_schedules_that_are_not_there_are_missed() -> None:
    single = {"1": PROMPT["1"], "4": {**PROMPT["4"], "inputs": {"number": ["1", 0]}}}
    (warning,) = run(single, prompt_schedule=True).warnings
    assert warning == ("", "no text that a KSampler is steered by has a prompt schedule in it: nothing was changed")
    assert run(single).warnings == ()
    with pytest.raises(UsageError, match="prompt_schedule"):
        run(single, prompt_schedule="perhaps")
