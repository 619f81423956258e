"""`weft diff`: what differs in meaning is found, all of it and nothing else, and in git."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from weft.cli import main
from weft.engine.comparing.graphs import compare_graphs
from weft.engine.comparing.listing import listing
from weft.engine.comparing.reading import ComparedNode
from weft.engine.comparing.workflows import DiffSide, WorkflowDiff, diff_workflows
from weft.engine.errors import InvalidWorkflow, UnreadableWorkflow
from weft.engine.formats.sources import load
from weft.engine.schema.registry import Registry

from .conformance.pairs import pairs
from .rewriting import edited, random_graph, shuffled

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = [file for file in sorted((ROOT / "workflows").glob("*.json")) if "golden" not in file.name]
Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover()


def diff(before: Any, now: Any, registry: Registry) -> WorkflowDiff:
    return diff_workflows(
        *(DiffSide.of(name, load(one), registry) for name, one in (("a", before), ("b", now))), registry
    )


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, list[str]]:
        code = main(["diff", *arguments])
        said = capsys.readouterr()
        return code, (said.out or said.err).splitlines()

    return run


def save(name: str, document: Any) -> str:
    Path(name).write_text(json.dumps(document))
    return name


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Nothing where nothing differs


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_written_anew_is_the_same(file: Path, registry: Registry) -> None:
    document = json.loads(file.read_text())
    assert not diff(document, shuffled(document, random.Random(1)), registry).differs


@pytest.mark.parametrize("file", [file for file in WORKFLOWS if ".api." not in file.name], ids=lambda file: file.stem)
def test_a_save_and_its_export_are_the_same(file: Path, registry: Registry) -> None:
    assert not diff(str(file), str(file.with_suffix(".api.json")), registry).differs


@pytest.mark.slow
def test_real_workflows_written_anew_are_the_same(registry: Registry) -> None:
    """Those whose prompts the repository has, with what classes are not here as they were saved."""
    for name, pair in pairs().items():
        try:
            found = diff(pair.workflow, shuffled(pair.workflow, random.Random(name)), registry)
        except (InvalidWorkflow, UnreadableWorkflow):  # broken on purpose
            continue
        assert not found.differs, (name, found.differences)


# All that differs, and nothing else


def planted(seed: int) -> tuple[dict[str, int], dict[str, int]] | None:
    """What a random edit of a random graph is, and what is found."""
    rng = random.Random(seed)
    graph = random_graph(rng)
    made = edited(graph, rng)
    if made is None:
        return None
    changed, expected, _ = made
    return expected, diff(graph, shuffled(changed, rng), Registry({})).counts


@pytest.mark.parametrize("seeds", [range(450), pytest.param(range(450, 2000), marks=pytest.mark.slow)], ids=str)
def test_a_planted_edit_is_found_exactly(seeds: range) -> None:
    found = [pair for seed in seeds if (pair := planted(seed)) is not None]
    assert len(found) >= 200
    assert [pair for pair in found if pair[0] != pair[1]] == []


@pytest.mark.parametrize("file", [file for file in WORKFLOWS if ".api." in file.name][::4], ids=lambda file: file.stem)
def test_an_edit_of_a_real_workflow_is_found_exactly(file: Path, registry: Registry) -> None:
    document = json.loads(file.read_text())
    rng = random.Random(file.stem)
    wanted, number = set(), 0
    while len(wanted) < 3:
        number += 1
        assert number < 100
        if (made := edited(document, rng)) is not None:
            changed, expected, (kind, _, _) = made
            assert diff(document, shuffled(changed, rng), registry).counts == expected
            wanted.add(kind)


# Graphs of which many nodes are alike


def node(class_type: str, size: Any = 1, **links: str) -> ComparedNode:
    return ComparedNode(class_type, class_type, {"size": size}, {name: (source, 0) for name, source in links.items()})


def stack(count: int) -> dict[str, ComparedNode]:
    """One LoRA after the other, all alike."""
    loras = {str(number): node("Lora", model=str(number - 1)) for number in range(1, count + 1)}
    return {"0": node("Load"), **loras, "end": node("Sample", model=str(count))}


def fan(count: int) -> dict[str, ComparedNode]:
    """Branches of three nodes from one source, all alike."""
    nodes = {"0": node("Load")}
    for number in range(count):
        nodes |= {
            f"{number}a": node("Lora", model="0"),
            f"{number}b": node("Sample", model=f"{number}a"),
            f"{number}c": node("Save", images=f"{number}b"),
        }
    return nodes


def renumbered(nodes: dict[str, ComparedNode]) -> dict[str, ComparedNode]:
    names = {node_id: f"n{number}" for number, node_id in enumerate(reversed(nodes))}
    return {
        names[node_id]: ComparedNode(
            each.class_type, each.title, each.inputs, {name: (names[a], b) for name, (a, b) in each.links.items()}
        )
        for node_id, each in sorted(nodes.items())
    }


@pytest.mark.parametrize(
    "graph", [stack(500), fan(166), {str(i): node("Text") for i in range(500)}], ids=["stack", "fan", "flat"]
)
def test_five_hundred_nodes_that_are_alike(graph: dict[str, ComparedNode]) -> None:
    assert not compare_graphs(graph, renumbered(graph)).differences
    place = sorted(graph)[len(graph) // 2]
    changed = {**graph, place: ComparedNode(graph[place].class_type, "x", {"size": 2}, graph[place].links)}
    (one,) = compare_graphs(graph, renumbered(changed)).differences
    assert one.kind == "input"


@pytest.mark.parametrize("graph", [stack(100), fan(33)], ids=["stack", "fan"])
def test_one_less_of_many_that_are_alike(graph: dict[str, ComparedNode]) -> None:
    place = "50" if "50" in graph else "20b"
    ((_, above),) = graph[place].links.items()
    less = {
        node_id: ComparedNode(
            each.class_type, each.title, each.inputs,
            {name: above if link[0] == place else link for name, link in each.links.items()},
        )
        for node_id, each in graph.items() if node_id != place
    }  # fmt: skip
    found = compare_graphs(graph, renumbered(less)).differences
    assert sorted(each.kind for each in found) == ["link", "removed"]
    (link,) = (each for each in found if each.kind == "link")
    assert link.follows is not None


def test_links_in_a_circle_are_compared() -> None:
    circle = {"1": node("A", x="2"), "2": node("A", x="1"), "3": node("B", x="1")}
    assert not compare_graphs(circle, renumbered(circle)).differences
    changed = {**circle, "2": node("A", 5, x="1")}
    assert [each.kind for each in compare_graphs(circle, renumbered(changed)).differences] == ["input"]


# What is said


def drawing(**inputs: Any) -> dict[str, Any]:
    prompt = json.loads((ROOT / "workflows" / "txt2img.api.json").read_text())
    for name, value in inputs.items():
        class_type, _, name = name.partition("_")
        next(each for each in prompt.values() if each["class_type"] == class_type)["inputs"][name] = value
    return prompt


def test_seeds_alone_are_one_line(run: Run) -> None:
    before, now = save("a.json", drawing(KSampler_seed=7)), save("b.json", drawing(KSampler_seed=8))
    code, lines = run(before, now)
    assert code == 1
    assert lines[:2] == ["--- a.json", "+++ b.json"]
    assert lines[-1].startswith("only seeds differ: node ")
    assert lines[-1].endswith(" seed 7 -> 8")
    assert run(before, before) == (0, [f"a.json and a.json mean the same, {len(drawing())} nodes"])


def test_the_same_value_written_otherwise_is_the_same(run: Run) -> None:
    assert run(save("a.json", drawing(KSampler_cfg=7.0)), save("b.json", drawing(KSampler_cfg=7)))[0] == 0


def test_long_texts_are_shown_where_they_differ(run: Run) -> None:
    texts = ["a red apple on a table " * 4 + end for end in ("at night", "by day")]
    code, lines = run(*(save(f"{text[-3:]}.json", drawing(CLIPTextEncode_text=text)) for text in texts))
    assert code == 1
    old, new = '"... a red apple on a table at night"', '"... a red apple on a table by day"'
    assert lines[3] == f"    text: {old} -> {new}"
    texts = ["a red apple on a table " * 3 + end for end in ("at night", "by day")]
    code, lines = run(*(save(f"{text[-3:]}.json", drawing(CLIPTextEncode_text=text)) for text in texts))
    assert lines[3:5] == [f'-   text: "{texts[0]}"', f'+   text: "{texts[1]}"']


def test_classes_that_are_not_known_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in (("a.json", 1), ("b.json", 2)):
        save(name, {"1": {"class_type": "Mystery", "inputs": {"it": value}}})
    assert main(["diff", "a.json", "b.json"]) == 1
    assert "classes that are not known here is compared: 'Mystery'" in capsys.readouterr().err
    assert main(["diff", "a.json", "a.json"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("mode", "kind"), [(2, "muted"), (4, "bypassed")])
def test_a_node_that_is_switched_off_is_no_node_less(mode: int, kind: str, run: Run, registry: Registry) -> None:
    before = json.loads((ROOT / "workflows" / "lora_switch.json").read_text())
    now = deepcopy(before)
    lora = next(each for each in now["nodes"] if "Lora" in each["type"])
    lora["mode"] = mode
    found = diff(before, now, registry)
    assert found.counts[kind] == 1
    assert found.counts.keys().isdisjoint({"added", "removed"})
    assert diff(now, before, registry).counts["activated"] == 1
    code, lines = run(save("a.json", before), save("b.json", now))
    assert code == 1
    assert any(line.startswith("- node") and line.endswith(f": {kind}") for line in lines)


def test_what_the_editor_draws_anew_is_compared_as_it_was_typed(registry: Registry) -> None:
    before = json.loads((ROOT / "workflows" / "txt2img.json").read_text())
    now = deepcopy(before)
    for document, text in ((before, "{cat|dog}"), (now, "{cat|bird}")):
        next(each for each in document["nodes"] if each["type"] == "CLIPTextEncode")["widgets_values"][0] = text
    assert diff(before, now, registry).counts == {"input": 1}
    assert not diff(before, before, registry).differs


def test_as_json(run: Run) -> None:
    now = drawing(KSampler_seed=8, KSampler_model=["99", 0])
    now["99"] = {"class_type": "MysteryModel", "inputs": {"model": 1}}
    code, lines = run("--json", save("a.json", drawing(KSampler_seed=7)), save("b.json", now))
    found = json.loads("\n".join(lines))
    assert (code, found["status"], found["seeds_only"]) == (1, "differ", False)
    assert found["counts"] == {"seed": 1, "added": 1}
    by_kind = {each["kind"]: each for each in found["differences"]}
    assert (by_kind["seed"]["input"], by_kind["seed"]["before"], by_kind["seed"]["now"]) == ("seed", 7, 8)
    assert by_kind["added"]["class_type"] == "MysteryModel"
    assert by_kind["link"]["follows"] == {"before": "", "now": "99"}
    assert by_kind["link"]["now"] == {"from": ["99", 0]}


def test_the_page_shows_both_graphs_with_marks(run: Run) -> None:
    now = drawing(KSampler_seed=8, CLIPTextEncode_text="</script><b>")
    now["99"] = {"class_type": "MysteryEnd", "inputs": {"image": ["1", 0]}}
    assert run(save("a.json", drawing(KSampler_seed=7)), save("b.json", now), "--html", "d.html")[0] == 1
    page = Path("d.html").read_text()
    before, here = page.split("<figure ")[1:]
    assert "is-changed" in before and "is-added" not in before
    assert "is-changed" in here and "is-added" in here
    assert page.count('<button data-old="') == 3
    assert 'data-old="" data-new="99"' in page
    assert "<b>&quot;" not in page.replace('<b class="', "")
    assert page.count("</script>") == 1
    assert not re.search(r'(src|href)="', page)
    code, lines = run("a.json", "b.json", "--html", "absent/d.html")
    assert code == 2
    assert lines[0].startswith("error: cannot write absent/d.html")


def test_what_only_looks_otherwise_is_said_when_asked_for(run: Run) -> None:
    before = json.loads((ROOT / "workflows" / "hires_fix.json").read_text())
    before["groups"] = [{"title": "all", "bounding": [0, 0, 10, 10]}]
    now = deepcopy(before)
    first = next(each for each in now["nodes"] if each["type"] == "KSampler")
    first["pos"] = [first["pos"][0] + 10, first["pos"][1]]
    first["title"] = "another"
    next(each for each in now["nodes"] if each["type"] == "Note")["widgets_values"] = ["a note"]
    now["groups"] = []
    a, b = save("a.json", before), save("b.json", now)
    assert run(a, b)[0] == 0
    assert run("--layout", a, a)[0] == 0
    code, lines = run("--layout", a, b)
    assert code == 1
    assert lines[0] == f"layout: node {first['id']}: title 'first pass' -> 'another', moved"
    assert lines[1] == "layout: group 'all' at [0, 0, 10, 10], only before"
    assert lines[2].startswith("layout: note ") and lines[2].endswith(", only before")
    assert lines[3:] == ["layout: note 'a note', only now"]
    code, lines = run("--layout", "--json", a, b)
    found = json.loads("\n".join(lines))
    assert (code, found["status"], found["differences"], len(found["layout"])) == (1, "differ", [], 4)


def test_a_value_that_is_no_number_is_itself(registry: Registry) -> None:
    prompt = drawing(KSampler_cfg=float("nan"))
    assert not diff(prompt, deepcopy(prompt), registry).differs


def test_folders_are_compared_by_the_names_of_their_files(run: Run) -> None:
    for folder in ("a", "b"):
        Path(folder, "sub").mkdir(parents=True)
        save(f"{folder}/same.json", drawing())
        save(f"{folder}/package.json", {"name": folder})
    save("a/sub/other.json", drawing(KSampler_steps=3))
    save("b/sub/other.json", drawing(KSampler_steps=4))
    save("b/new.json", drawing())
    code, lines = run("a", "b")
    assert code == 1
    assert lines[0] == "only in b: new.json"
    assert lines[-1] == "3 workflows, 1 the same"
    assert "    steps: 3 -> 4" in lines
    code, lines = run("--json", "a", "b")
    records = json.loads("\n".join(lines))["files"]
    assert [(each["file"], each["status"]) for each in records] == [
        ("new.json", "differ"), ("same.json", "same"), ("sub/other.json", "differ"),
    ]  # fmt: skip
    assert run("a", "a")[0] == 0
    assert run("a/same.json", "b")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("a.json",), "expected 2 files, got 1"),
        (("a.json", "absent.json"), "cannot read 'absent.json'"),
        (("a.json", "text.json"), "text.json is no JSON"),
        (("-", "-"), "standard input can be read once"),
        ((".", ".", "--html", "d.html"), "--html goes with two files"),
        (("--git", "a.json", "b.json"), "--git takes the 7 or 9 arguments that git gives, got 2"),
    ],
)
def test_what_cannot_be_compared_is_exit_code_2(arguments: tuple[str, ...], told: str, run: Run) -> None:
    save("a.json", drawing())
    Path("text.json").write_text("hello")
    code, lines = run(*arguments)
    assert code == 2
    assert told in lines[0]


# git


def test_the_lines_for_git_change_only_with_the_meaning(registry: Registry) -> None:
    document = json.loads((ROOT / "workflows" / "hires_fix.json").read_text())

    def lines(one: Any) -> list[str]:
        return list(listing(DiffSide.of("x", load(one), registry).nodes))

    assert lines(document) == lines(shuffled(document, random.Random(4)))
    now = deepcopy(document)
    next(each for each in now["nodes"] if each["type"] == "CLIPTextEncode")["widgets_values"][0] = "another"
    assert sum(a != b for a, b in zip(lines(document), lines(now), strict=True)) == 1


def test_git_shows_what_differs() -> None:
    home = Path.cwd()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    save("w.json", drawing(KSampler_steps=3))
    save("other.json", {"name": "x"})
    Path(".gitattributes").write_text("*.json diff=weft\n")
    git("add", "-A")
    git("commit", "-qm", "first")
    git("config", "diff.weft.command", f"{sys.executable} -m weft diff --git")
    save("w.json", shuffled(drawing(KSampler_steps=4), random.Random(1)))
    save("other.json", {"name": "y"})
    said = git("--no-pager", "diff").splitlines()
    assert said[:5] == ["--- a/other.json", "+++ b/other.json", "@@ -1 +1 @@", '-{"name": "x"}', '+{"name": "y"}']
    assert said[5:7] == ["--- a/w.json", "+++ b/w.json"]
    assert said[-2:] == ["    steps: 3 -> 4", "1 input changed"]
