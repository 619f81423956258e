"""`weft migrate`: older saves in today's form, with the prompt that they had."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from weft.cli import main
from weft.engine.errors import InvalidWorkflow
from weft.engine.formats.conversion import to_prompt
from weft.engine.formats.migrating import Migrated, migrated
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry

from .conformance.pairs import pairs, templates

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = [file for file in sorted((ROOT / "workflows").glob("*.json")) if "golden" not in file.name]
SAVES = [file for file in WORKFLOWS if ".api." not in file.name]
Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, list[str]]:
        code = main(["migrate", *arguments])
        said = capsys.readouterr()
        return code, (said.out or said.err).splitlines()

    return run


def check(document: dict[str, Any], registry: Registry) -> Migrated:
    """Migrate, and hold that the prompt is as it was, the document too, and that nothing is left to be done."""
    given = deepcopy(document)
    found = migrated(Workflow.parse(document), registry)
    assert document == given
    before, now = (to_prompt(Workflow.parse(each), registry, keep_unknown=True) for each in (document, found.document))
    assert now.to_json() == before.to_json()
    assert not migrated(Workflow.parse(found.document), registry).done
    if not found.done:
        assert found.document == document
    return found


def tricky(name: str) -> dict[str, Any]:
    return deepcopy(pairs()[f"tricky/{name}"].workflow)


def save(class_type: str, values: Any, **more: Any) -> dict[str, Any]:
    """A save with one node."""
    node = {"id": 1, "type": class_type, "mode": 0, "inputs": [], "outputs": [], "widgets_values": values, **more}
    return {"version": 0.4, "last_node_id": 1, "last_link_id": 0, "nodes": [node], "links": []}


def file(name: str, document: Any) -> str:
    Path(name).write_text(json.dumps(document))
    return name


# What becomes of it


@pytest.mark.parametrize("path", SAVES, ids=lambda path: path.stem)
def test_todays_saves_stay_as_they_are(path: Path, registry: Registry) -> None:
    assert not check(json.loads(path.read_text()), registry).done


def test_a_group_node_becomes_a_subgraph(registry: Registry) -> None:
    document = tricky("t21_group_node")
    found = check(document, registry)
    (done,) = found.done
    assert done.message == "the group node 'mygroup' is a subgraph"
    assert "groupNodes" not in found.document["extra"]
    (subgraph,) = found.document["definitions"]["subgraphs"]
    assert subgraph["name"] == "mygroup"
    (instance,) = (node for node in found.document["nodes"] if node["type"] == subgraph["id"])
    assert [slot["name"] for slot in instance["inputs"]] == [panel["name"] for panel in subgraph["inputs"]]
    links = {link["id"]: link for link in subgraph["links"]}
    for number, panel in enumerate(subgraph["inputs"]):
        assert all((links[each]["origin_id"], links[each]["origin_slot"]) == (-10, number) for each in panel["linkIds"])
    for node in subgraph["nodes"]:
        for place, slot in enumerate(node["inputs"]):
            if slot["link"] is not None:
                assert (links[slot["link"]]["target_id"], links[slot["link"]]["target_slot"]) == (node["id"], place)
    for link in found.document["links"]:
        if link[3] == instance["id"]:
            assert instance["inputs"][link[4]]["link"] == link[0]


def test_instances_with_the_same_values_share_a_subgraph(registry: Registry) -> None:
    document = tricky("t21_group_node")
    (instance,) = (node for node in document["nodes"] if node["type"].startswith("workflow"))
    for number in (100, 101):
        again = deepcopy(instance) | {"id": number}
        again["inputs"] = [{**slot, "link": None} for slot in again["inputs"]]
        again["outputs"] = [{**slot, "links": None} for slot in again["outputs"]]
        document["nodes"].append(again)
    document["nodes"][-1]["widgets_values"] = [*instance["widgets_values"][:-1], 0.25]
    found = check(document, registry)
    assert len(found.done) == 3
    assert len(found.document["definitions"]["subgraphs"]) == 2


def test_a_group_that_nothing_uses_stays(registry: Registry) -> None:
    document = tricky("t21_group_node")
    groups = document["extra"]["groupNodes"]
    groups["another"] = deepcopy(groups["mygroup"])
    assert list(check(document, registry).document["extra"]["groupNodes"]) == ["another"]


def test_values_for_forced_inputs_are_left_out(registry: Registry) -> None:
    document = tricky("t27_forceinput")
    found = check(document, registry)
    (done,) = found.done
    assert "before 1.16" in done.message
    (before,) = (node for node in document["nodes"] if str(node["id"]) == done.node_id)
    (now,) = (node for node in found.document["nodes"] if str(node["id"]) == done.node_id)
    assert len(now["widgets_values"]) < len(before["widgets_values"])


def test_classes_have_their_new_names(registry: Registry) -> None:
    found = check(tricky("t36_legacy_types"), registry)
    assert "'T2IAdapterLoader' is called 'ControlNetLoader' today" in {each.message for each in found.done}
    types = {node["type"] for node in found.document["nodes"]}
    assert types >= {"ControlNetLoader", "ConditioningAverage", "SVD_img2vid_Conditioning"}


EFFICIENCY = {
    "a sampler of version 1": (
        "KSampler (Efficient)",
        ["Sample", 7, "randomize", 30, 6.5, "heun", "karras", 0.75, "Enabled"],
        [7, "randomize", 30, 6.5, "heun", "karras", 0.75, "auto", "true"],
    ),
    "a seed without a slot after it": (
        "KSampler (Efficient)",
        [7, 30, 6.5, "heun", "karras", 0.75, "auto", "true"],
        [7, None, 30, 6.5, "heun", "karras", 0.75, "auto", "true"],
    ),
    "a seed to be drawn": (
        "KSampler (Efficient)",
        [-1, None, 30, 6.5, "heun", "karras", 0.75, "auto", "true"],
        [0, "randomize", 30, 6.5, "heun", "karras", 0.75, "auto", "true"],
    ),
}


@pytest.mark.parametrize("what", EFFICIENCY)
def test_values_of_the_efficiency_pack(what: str, registry: Registry) -> None:
    class_type, before, after = EFFICIENCY[what]
    found = check(save(class_type, before), registry)
    assert found.document["nodes"][0]["widgets_values"] == after
    assert [each.message for each in found.done] == ["values of an older version of its class stand in today's order"]


def test_values_of_which_only_some_can_be_placed_are_spelled_out(registry: Registry) -> None:
    found = check(save("HighRes-Fix Script", ["SD-Latent-Upscaler.a", 1.5, 12, 0.5, 1]), registry)
    values = found.document["nodes"][0]["widgets_values"]
    assert values[0] == "latent"
    assert len(values) > 10


def test_outputs_that_moved_take_their_links_along(registry: Registry) -> None:
    declared = [output.name for output in registry["Efficient Loader"].declared]
    names = [*declared[1:], declared[0]]
    document = save(
        "Efficient Loader",
        None,
        outputs=[{"name": name, "type": "*", "links": [1] if name == "VAE" else None} for name in names],
    )
    document["nodes"].append(
        {
            "id": 2, "type": "VAEDecode", "mode": 0, "outputs": [], "widgets_values": [],
            "inputs": [{"name": "samples", "type": "LATENT", "link": None}, {"name": "vae", "type": "VAE", "link": 1}],
        }
    )  # fmt: skip
    document["links"] = [[1, 1, names.index("VAE"), 2, 1, "VAE"]]
    found = check(document, registry)
    assert [each.message for each in found.done] == ["outputs of an older version of its class stand in today's order"]
    assert [slot["name"] for slot in found.document["nodes"][0]["outputs"]] == declared
    assert found.document["links"] == [[1, 1, declared.index("VAE"), 2, 1, "VAE"]]


def test_what_cannot_be_placed_is_refused(registry: Registry) -> None:
    with pytest.raises(InvalidWorkflow, match="saved by an Efficiency pack from before version 1"):
        migrated(Workflow.parse(save("XY Plot", [1, 2, 3, 4, 5])), registry)


def test_a_migration_that_changes_the_prompt_is_refused(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    document = save(*EFFICIENCY["a sampler of version 1"][:2])
    for wrong, told in ((backwards, "it cannot be migrated: "), (shorter, "the node would get other inputs")):
        place = "weft.engine.formats.migrating.without_forced"
        monkeypatch.setattr(place, lambda schema, values, wrong=wrong: enumerate(wrong(values)))
        with pytest.raises(InvalidWorkflow) as error:
            migrated(Workflow.parse(document), registry)
        assert told in error.value.issues[0].message


def backwards(values: list[Any]) -> list[Any]:
    return values[::-1]


def shorter(values: list[Any]) -> list[Any]:
    return values[:-3]


@pytest.mark.slow
def test_real_saves_have_the_prompts_that_they_had(registry: Registry) -> None:
    documents = [*templates().values(), *(pair.workflow for pair in pairs().values())]
    kinds = set()
    for document in documents:
        try:
            kinds |= {each.message.partition(" ")[0] for each in check(document, registry).done}
        except InvalidWorkflow as error:
            assert "cannot be migrated" not in str(error.issues)
    assert len(kinds) > 1


# The command


def test_files_are_migrated_in_place(run: Run) -> None:
    file("a.json", tricky("t21_group_node"))
    file("b.json", json.loads(SAVES[0].read_text()))
    file("c.json", {"1": {"class_type": "X", "inputs": {}}})
    before = Path("a.json").read_text(), Path("b.json").read_text()
    told = "a.json: node 15 \"workflow/mygroup\": the group node 'mygroup' is a subgraph"
    assert run("--check", ".") == (1, [told, "3 workflows: 1 to be migrated, 2 as it should be"])
    assert (Path("a.json").read_text(), Path("b.json").read_text()) == before
    assert run(".") == (0, [told, "3 workflows: 1 migrated, 2 as it should be"])
    assert Path("b.json").read_text() == before[1]
    assert run("--check", ".") == (0, ["3 workflows: 3 as it should be"])
    code, lines = run("--json", "a.json")
    assert (code, json.loads("\n".join(lines))["files"]) == (0, [{"file": "a.json", "status": "unchanged"}])


def test_another_file(run: Run) -> None:
    info = PngInfo()
    info.add_text("workflow", json.dumps(tricky("t21_group_node")))
    Image.new("RGB", (8, 8)).save("a.png", pnginfo=info)
    code, lines = run("a.png")
    assert code == 2
    assert "is no JSON file" in lines[0]
    assert run("a.png", "-o", "b.json")[0] == 0
    assert json.loads(Path("b.json").read_text())["definitions"]["subgraphs"]


def test_what_cannot_be_migrated_is_left(run: Run) -> None:
    before = Path(file("a.json", save("XY Plot", [1, 2, 3, 4, 5]))).read_text()
    code, lines = run("a.json")
    assert code == 3
    assert "before version 1" in lines[0]
    assert Path("a.json").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("a.json", "b.json", "-o", "c.json"), "--output goes with one file"),
        (("a.json", "--check", "-o", "c.json"), "--output goes with one file"),
        (("b.json", "-o", "c.json"), "API format, which has no older form"),
        (("wrapped.json",), "the save is wrapped in something else"),
    ],
)
def test_what_makes_no_sense_is_exit_code_2(arguments: tuple[str, ...], told: str, run: Run) -> None:
    file("a.json", tricky("t21_group_node"))
    file("b.json", {"1": {"class_type": "X", "inputs": {}}})
    file("wrapped.json", {"workflow": tricky("t21_group_node")})
    code, lines = run(*arguments)
    assert code == 2
    assert told in lines[0]
    assert not Path("c.json").exists()
