from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import pytest

from weft.engine.cache.memory import MemoryCache
from weft.engine.cache.protocol import Entry
from weft.engine.folders import Folders
from weft.engine.planning import plan as planning
from weft.engine.planning.digests import Digests
from weft.engine.planning.plan import Plan
from weft.engine.schema.authoring import node
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files, Int, Socket
from weft.engine.workflow.prompt import Link, Prompt

Image = Annotated[Any, Socket("IMAGE")]
Number = Annotated[int, Int()]


@node(category="test")
def Load(*, file: Annotated[str, Files("checkpoints", extra_choices=["none"])] = "none") -> Image: ...


@node(category="test", display_name="Change It")
def Change(*, image: Image, amount: Number = 1, other: Image | None = None) -> Image: ...


@node(category="test", class_type="Change", version=2, display_name="Change It")
def change_better(*, image: Image, amount: Number = 1, other: Image | None = None) -> Image: ...


@node(category="test", output_node=True)
def Save(*, image: Image) -> None: ...


class Dice:
    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"

    def run(self) -> Any: ...

    @classmethod
    def IS_CHANGED(cls) -> float:
        return math.nan


REGISTRY = Registry().add([Load, Change, Save]).add({"Dice": Dice})
CHAIN: dict[str, Any] = {
    "load": {"class_type": "Load", "inputs": {}},
    "one": {"class_type": "Change", "inputs": {"image": ["load", 0], "amount": 1}},
    "two": {"class_type": "Change", "inputs": {"image": ["one", 0], "amount": "2", "dropped": 5}},
    "save": {"class_type": "Save", "inputs": {"image": ["two", 0]}},
}


class Planner:
    """Plans with one cache; `done` pretends that everything in a plan that runs was run."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.cache = MemoryCache()

    def plan(self, prompt: dict[str, Any], *targets: str, registry: Registry = REGISTRY, **options: Any) -> Plan:
        given: dict[str, Any] = {"folders": self.folders, "digests": Digests(), "cache": self.cache, **options}
        self.planner = planning.Planner(registry, **given)
        return self.planner.plan(Prompt.parse(prompt), targets)

    def done(self, plan: Plan, files: dict[str, tuple[Path, ...]] | None = None) -> None:
        for step in plan.steps:
            if step.runs:
                assert step.recipe is not None
                self.cache.note(step.node_id, step.recipe)
                if not step.key.volatile:
                    entry = Entry((step.node_id,), files=(files or {}).get(step.node_id, ()))
                    self.cache.put(self.planner.address(step.schema, step.key), entry)


@pytest.fixture
def planner(folders: Folders) -> Planner:
    return Planner(folders)


def edited(node_id: str, **inputs: Any) -> dict[str, Any]:
    changed = {**CHAIN[node_id], "inputs": {**CHAIN[node_id]["inputs"], **inputs}}
    return {**CHAIN, node_id: changed}


def actions(plan: Plan) -> dict[str, str]:
    return {step["node_id"]: step["action"] for step in plan.to_json()["steps"]}


def test_cold(planner: Planner) -> None:
    plan = planner.plan(CHAIN)
    assert [step.node_id for step in plan.steps] == ["load", "one", "two", "save"]
    assert all(step.runs and step.reason == "not computed before" for step in plan.steps)
    assert (plan.keep, plan.pruned) == ({"save"}, ())
    two = plan.steps[2]
    assert two.inputs == {"image": Link("one", 0), "amount": 2}
    assert two.parents == ("one",)
    assert (two.title, plan.steps[3].title) == ("Change It", "Save")


def test_fully_cached(planner: Planner) -> None:
    planner.done(planner.plan(CHAIN))
    plan = planner.plan(CHAIN)
    assert [(step.node_id, step.cached, step.parents) for step in plan.steps] == [("save", True, ())]
    assert plan.pruned == ("load", "one", "two")
    assert plan.steps[0].hit == planner.planner.find(plan.steps[0].schema, plan.steps[0].key)


def test_above_a_hit_nothing_is_needed(planner: Planner) -> None:
    planner.done(planner.plan(CHAIN))
    plan = planner.plan(edited("two", amount=3))
    assert actions(plan) == {"one": "cached", "two": "run", "save": "run"}
    assert plan.pruned == ("load",)
    assert [step.node_id for step in plan.steps if step.cached] == ["one"]


def test_what_one_branch_prunes_another_may_need(planner: Planner) -> None:
    planner.done(planner.plan(CHAIN))
    branch = {"class_type": "Change", "inputs": {"image": ["load", 0], "amount": 9}}
    plan = planner.plan(
        {**CHAIN, "branch": branch, "save2": {"class_type": "Save", "inputs": {"image": ["branch", 0]}}}
    )
    assert actions(plan) == {"load": "cached", "branch": "run", "save": "cached", "save2": "run"}
    assert plan.pruned == ("one", "two")


def test_targets_are_kept(planner: Planner) -> None:
    plan = planner.plan(CHAIN, "one")
    assert plan.keep == {"one", "save"}
    planner.done(plan)
    plan = planner.plan(CHAIN, "one")
    assert actions(plan) == {"one": "cached", "save": "cached"}
    without = {name: CHAIN[name] for name in ("load", "one", "two")}
    assert [step.node_id for step in planner.plan(without, "two", cache=MemoryCache()).steps] == ["load", "one", "two"]


def test_nodes_that_nobody_needs_are_not_in_it(planner: Planner) -> None:
    loose = {"class_type": "Change", "inputs": {"image": ["load", 0]}}
    assert "loose" not in str(planner.plan({**CHAIN, "loose": loose}))


def test_equal_nodes_run_once(planner: Planner) -> None:
    prompt = {
        **CHAIN,
        "again": {"class_type": "Change", "inputs": {"image": ["load", 0], "amount": 1}},
        "both": {"class_type": "Change", "inputs": {"image": ["one", 0], "other": ["again", 0]}},
        "save2": {"class_type": "Save", "inputs": {"image": ["both", 0]}},
    }
    plan = planner.plan(prompt)
    again = next(step for step in plan.steps if step.node_id == "again")
    assert (again.twin, again.parents, again.runs, again.reason) == ("one", ("one",), False, "")
    assert actions(plan)["again"] == "same"
    planner.done(plan)
    plan = planner.plan({**prompt, "both": {"class_type": "Change", "inputs": {"image": ["again", 0], "amount": 7}}})
    assert actions(plan) == {"save": "cached", "one": "cached", "again": "same", "both": "run", "save2": "run"}


def test_volatile_nodes_are_never_looked_up_and_never_twins(planner: Planner) -> None:
    prompt = {
        "1": {"class_type": "Dice", "inputs": {}},
        "2": {"class_type": "Dice", "inputs": {}},
        "3": {"class_type": "Change", "inputs": {"image": ["1", 0], "other": ["2", 0]}},
        "4": {"class_type": "Save", "inputs": {"image": ["3", 0]}},
    }
    planner.done(planner.plan(prompt))
    plan = planner.plan(prompt)
    assert {step.node_id: step.reason for step in plan.steps} == {
        "1": "IS_CHANGED returned NaN",
        "2": "IS_CHANGED returned NaN",
        "3": "node 2 is volatile",
        "4": "node 3 is volatile",
    }


def test_namespaces_are_kept_apart(planner: Planner) -> None:
    planner.done(planner.plan(CHAIN, namespace=b"cpu"))
    assert actions(planner.plan(CHAIN, namespace=b"cpu")) == {"save": "cached"}
    assert set(actions(planner.plan(CHAIN, namespace=b"cuda")).values()) == {"run"}


def reason(plan: Plan, node_id: str) -> str:
    return next(step.reason for step in plan.steps if step.node_id == node_id)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"amount": 3}, "input 'amount' changed: 2 -> 3"),
        ({"other": ["load", 0]}, "input 'other' is new"),
        ({"image": ["load", 0]}, "input 'image' changed: node one slot 0 -> node load slot 0"),
        ({"amount": ["load", 0]}, "input 'amount' changed: 2 -> node load slot 0"),
        ({"amount": 10**80}, "input 'amount' changed: 2 -> 1" + "0" * 56 + "..."),
    ],
)
def test_reasons_in_inputs(inputs: dict[str, Any], expected: str, planner: Planner) -> None:
    planner.done(planner.plan(CHAIN))
    assert reason(planner.plan(edited("two", **inputs)), "two") == expected


def test_reasons(planner: Planner) -> None:
    planner.done(planner.plan(CHAIN))
    assert reason(planner.plan(edited("one", amount=5)), "two") == "input 'image' comes from node one, which changed"
    gone = {**CHAIN, "two": {"class_type": "Change", "inputs": {"image": ["one", 0]}}}
    assert reason(planner.plan(gone), "two") == "input 'amount' is gone"
    moved = {**CHAIN, "one": {"class_type": "Load", "inputs": {}}}
    assert "one" not in [step.node_id for step in planner.plan(moved).steps if step.runs]  # it hits, under another id
    newer = Registry().add([Load, change_better, Save])
    assert reason(planner.plan(CHAIN, registry=newer), "one") == "the implementation of Change changed"
    dropped = MemoryCache(0)
    for node_id in CHAIN:
        found = planner.cache.recall(node_id)
        assert found is not None
        dropped.note(node_id, found)
    assert reason(planner.plan(CHAIN, cache=dropped), "two") == "the cache dropped it"


def test_another_class_under_the_same_id(planner: Planner) -> None:
    planner.done(planner.plan(CHAIN))
    other = {"class_type": "Save", "inputs": {"image": ["one", 0]}}
    plan = planner.plan({"load": CHAIN["load"], "one": CHAIN["one"], "two": other})
    assert reason(plan, "two") == "the node was a Change"


def test_a_changed_file_is_a_reason(planner: Planner) -> None:
    checkpoint = planner.folders.models[0] / "checkpoints" / "c.ckpt"
    checkpoint.write_bytes(b"one")
    prompt = edited("load", file="c.ckpt")
    planner.done(planner.plan(prompt))
    assert actions(planner.plan(prompt)) == {"save": "cached"}
    checkpoint.write_bytes(b"other")
    assert reason(planner.plan(prompt), "load") == "the file checkpoints/c.ckpt changed"


@pytest.mark.parametrize("place", ["output", "temp"])
def test_an_output_whose_files_are_gone_runs_again(place: str, planner: Planner) -> None:
    file = getattr(planner.folders, place) / "sub" / "x.png"
    file.parent.mkdir(parents=True)
    file.touch()
    planner.done(planner.plan(CHAIN), {"save": (file,)})
    assert actions(planner.plan(CHAIN)) == {"save": "cached"}
    file.unlink()
    plan = planner.plan(CHAIN)
    assert actions(plan) == {"two": "cached", "save": "run"}
    assert reason(plan, "save") == "the files that it wrote are gone"


def test_files_in_another_run_s_folder_do_not_count(planner: Planner, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.png"
    file.touch()
    planner.done(planner.plan(CHAIN), {"save": (file,)})
    assert actions(planner.plan(CHAIN)) == {"two": "cached", "save": "run"}


def test_an_output_folder_behind_a_link(planner: Planner, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    planner.folders.output.symlink_to(tmp_path / "real")
    file = planner.folders.output / "x.png"
    file.touch()
    planner.done(planner.plan(CHAIN), {"save": (file,)})
    assert actions(planner.plan(CHAIN)) == {"save": "cached"}


def test_it_can_be_read(planner: Planner) -> None:
    planner.done(planner.plan(CHAIN))
    plan = planner.plan({**edited("two", amount=3), "twin": edited("two", amount=3)["two"]}, "twin")
    assert str(plan).splitlines() == [
        "cached  one Change It",
        "run     two Change It: input 'amount' changed: 2 -> 3",
        "run    save Save: input 'image' comes from node two, which changed",
        "same   twin Change It: as node two",
        "not needed: load",
    ]
    data = json.loads(json.dumps(plan.to_json()))
    assert data["pruned"] == ["load"]
    assert data["steps"][3]["twin"] == "two"
    assert data["steps"][3]["key"] == data["steps"][1]["key"] == plan.steps[1].key.digest.hex()
    assert set(data["steps"][0]) == {"node_id", "class_type", "title", "key", "action", "reason", "inputs"}
    assert data["steps"][1]["inputs"] == {"image": ["one", 0], "amount": 3}


def test_lists_as_values_are_unwrapped(planner: Planner) -> None:
    plan = planner.plan(edited("two", amount={"__value__": 4}))
    assert plan.steps[2].inputs["amount"] == 4
