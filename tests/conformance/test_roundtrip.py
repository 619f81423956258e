"""api -> ui -> api is the identity, for every prompt of the corpus and for the tutorial's.

Held to judge.py's exact level; what only one side has is forgiven where its relaxed level forgives it: the editor's own
inputs (`upload`, `audioUI`), and widgets that a prompt of an older version lacks, which come back with their defaults.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from weft.engine.formats.conversion import to_prompt
from weft.engine.formats.editor import losses, to_workflow
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import Prompt

from ..reference.store import document
from .judge import exact, relaxed
from .pairs import Pair, older_pairs, pairs

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
OURS = ("templates_new", "tricky")
FOLDERS = (*OURS, *(pytest.param(name, marks=pytest.mark.slow) for name in ("examples", "examples_json", "templates")))

# A combo that holds null is invalid, and the editor gives it its default.
CHANGED = {"tricky/t25_widgets_short_long_null.fe127": {"node 30 (KSamplerAdvanced).sampler_name: None != 'euler'"}}


@pytest.fixture(scope="module")
def object_info() -> dict[str, Any]:
    found: dict[str, Any] = document("object_info")
    return found


@pytest.fixture(scope="module")
def registry(object_info: dict[str, Any]) -> Registry:
    return Registry().add_object_info(object_info)


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> dict[str, Pair]:
    """The pairs of one folder; older ones stand outside the repository."""
    name: str = request.param
    shared: Path | None = None if name in OURS else request.getfixturevalue("shared")
    found = pairs() if shared is None else older_pairs(shared / "corpus")
    return {key: pair for key, pair in found.items() if key.startswith(f"{name}/")}


def there_and_back(prompt: dict[str, Any], registry: Registry) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document as a file would hold it, and the prompt that it becomes."""
    document = json.loads(json.dumps(to_workflow(Prompt.parse(prompt), registry)))
    return document, to_prompt(Workflow.parse(document), registry).to_json()


def prompts(folder: dict[str, Pair]) -> dict[str, dict[str, Any]]:
    """The prompts of a folder, without those in which a node has no class."""
    return {
        f"{name}.{kind}": prompt
        for name, pair in folder.items()
        for kind, prompt in pair.prompts.items()
        if prompt and all(isinstance(node, dict) and node.get("class_type") for node in prompt.values())
    }


def test_every_prompt_comes_back(folder: dict[str, Pair], registry: Registry, object_info: dict[str, Any]) -> None:
    counts: Counter[str] = Counter()
    for name, prompt in prompts(folder).items():
        document, back = there_and_back(prompt, registry)
        differences = relaxed(prompt, back, object_info)
        assert set(differences) == CHANGED.get(name, set()), name
        same = not exact(prompt, back)
        told = losses(Prompt.parse(prompt), document, registry)
        # All that differs is told of, but for an editor's own inputs; nothing is told that does not differ.
        assert bool(exact(prompt, back, editors=False)) <= bool(told) <= (not same), name
        counts["exact" if same else "relaxed" if not differences else "changed"] += 1
    print(f"{dict(counts)}")
    assert counts["exact"] > 0


def test_every_prompt_is_a_tidy_graph(folder: dict[str, Pair], registry: Registry) -> None:
    for name, prompt in prompts(folder).items():
        document, _ = there_and_back(prompt, registry)
        nodes = {node["id"]: node for node in document["nodes"]}
        for a, b in combinations(nodes.values(), 2):
            assert not overlap(a, b), f"{name}: {a['id']} and {b['id']}"
        for _, origin, _, target, _, _ in document["links"]:
            assert nodes[origin]["pos"][0] + nodes[origin]["size"][0] < nodes[target]["pos"][0], name


def overlap(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two nodes overlap, with the 30 units of the title above each."""
    beside = any(p["pos"][0] + p["size"][0] <= q["pos"][0] for p, q in ((a, b), (b, a)))
    above = any(p["pos"][1] + p["size"][1] <= q["pos"][1] - 30 for p, q in ((a, b), (b, a)))
    return not beside and not above


def test_groups_are_those_of_the_saved_workflow(folder: dict[str, Pair], registry: Registry) -> None:
    """Each frame is one of the saved ones and holds nodes; no node lies across the edge of one."""
    seen = 0
    for name, prompt in prompts(folder).items():
        saved = folder[name.rpartition(".")[0]].workflow
        posted = {"prompt": prompt, "extra_data": {"extra_pnginfo": {"workflow": saved}}}
        document = to_workflow(Prompt.parse(posted), registry)
        frames = [group["bounding"] for group in document["groups"]]
        seen += len(frames)
        titles = [group["title"] for group in document["groups"]]
        assert not Counter(titles) - Counter(group.get("title", "Group") for group in saved.get("groups") or ())
        empty = set(range(len(frames)))
        for node in document["nodes"]:
            (x, y), (width, height) = node["pos"], node["size"]
            inside = [f for f in frames if f[0] <= x and x + width <= f[0] + f[2] and f[1] <= y <= f[1] + f[3]]
            empty -= {frames.index(frame) for frame in inside}
            assert all(y + height <= frame[1] + frame[3] for frame in inside), name
        assert not empty, name
    print(f"{seen} groups")


def test_the_tutorial() -> None:
    registry = Registry.discover()
    for file in sorted(WORKFLOWS.glob("*.api.json")):
        prompt = json.loads(file.read_text(encoding="utf-8"))
        document, back = there_and_back(prompt, registry)
        assert {k: (v["class_type"], v["inputs"]) for k, v in back.items()} == {
            k: (v["class_type"], v["inputs"]) for k, v in prompt.items()
        }
        assert losses(Prompt.parse(prompt), document, registry) == []
