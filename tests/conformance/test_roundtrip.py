"""api -> ui -> api is the identity, for every prompt of the corpus and for the tutorial's.

Held to judge.py's exact level; what only one side has is forgiven where its relaxed level forgives it: the editor's own
inputs (`upload`, `audioUI`), and widgets that a prompt of an older version lacks, which come back with their defaults.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from engine.formats.conversion import to_prompt
from engine.formats.editor import losses, to_workflow
from engine.formats.workflow import Workflow
from engine.prompt import Prompt
from engine.registry import Registry

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
FOLDERS = ("examples", "examples_json", "templates", "templates_new", "tricky")

# A combo that holds null is invalid, and the editor gives it its default.
CHANGED = {"t25_widgets_short_long_null.prompt.json": {"node 30 (KSamplerAdvanced).sampler_name: None != 'euler'"}}


@pytest.fixture(scope="module")
def corpus(shared: Path) -> Path:
    return shared / "corpus"


@pytest.fixture(scope="module")
def object_info(corpus: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((corpus / "object_info.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def registry(object_info: dict[str, Any]) -> Registry:
    return Registry().add_object_info(object_info)


@pytest.fixture(scope="module")
def judge(corpus: Path) -> Any:
    spec = importlib.util.spec_from_file_location("judge", corpus / "judge.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def there_and_back(prompt: dict[str, Any], registry: Registry) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document as a file would hold it, and the prompt that it becomes."""
    document = json.loads(json.dumps(to_workflow(Prompt.parse(prompt), registry)))
    return document, to_prompt(Workflow.parse(document), registry).to_json()


def prompts(folder: Path) -> dict[str, dict[str, Any]]:
    """The prompts of a folder, without those in which a node has no class."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        document = json.loads(file.read_text(encoding="utf-8")) if ".prompt" in file.name else {}
        nodes = document.values()
        if nodes and all(isinstance(node, dict) and node.get("class_type") for node in nodes):
            found[file.name] = document
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_prompt_comes_back(
    folder: str, corpus: Path, registry: Registry, object_info: dict[str, Any], judge: Any
) -> None:
    counts: Counter[str] = Counter()
    for name, prompt in prompts(corpus / folder).items():
        document, back = there_and_back(prompt, registry)
        differences = judge.relaxed(prompt, back, object_info)
        assert set(differences) == CHANGED.get(name, set()), name
        exact = not judge.exact(prompt, back)
        assert exact is (not losses(Prompt.parse(prompt), document, registry)), name
        counts["exact" if exact else "relaxed" if not differences else "changed"] += 1
    print(f"{folder}: {dict(counts)}")
    assert counts["exact"] > 0


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_prompt_is_a_tidy_graph(folder: str, corpus: Path, registry: Registry) -> None:
    for name, prompt in prompts(corpus / folder).items():
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


def test_groups_are_those_of_the_saved_workflow(corpus: Path, registry: Registry) -> None:
    """Each frame is one of the saved ones and holds nodes; no node lies across the edge of one."""
    seen = 0
    for name, prompt in prompts(corpus / "templates").items():
        saved = json.loads(
            (corpus / "templates" / (name.partition(".prompt")[0] + ".workflow.json")).read_text("utf-8")
        )
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
    assert seen > 50


def test_the_tutorial() -> None:
    registry = Registry.discover()
    for file in sorted(WORKFLOWS.glob("*.api.json")):
        prompt = json.loads(file.read_text(encoding="utf-8"))
        document, back = there_and_back(prompt, registry)
        assert {k: (v["class_type"], v["inputs"]) for k, v in back.items()} == {
            k: (v["class_type"], v["inputs"]) for k, v in prompt.items()
        }
        assert losses(Prompt.parse(prompt), document, registry) == []
