"""The templates that ComfyUI ships, in all their types: no saved value is shifted, and none is lost without a word."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from weft.engine.errors import InvalidWorkflow
from weft.engine.formats.conversion import ConvertedPrompt, to_prompt
from weft.engine.formats.workflow import Node, Workflow
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import Link
from weft.engine.workflow.validation import validate

from ..reference.store import document
from .pairs import templates

ROOT = Path(__file__).resolve().parents[2]

SHIFTED = {"invalid_input_type", "return_type_mismatch", "required_input_missing", "unknown_input_type"}
"""What a prompt with values or links in the wrong places looks like."""

RANGES = {"value_smaller_than_min", "value_bigger_than_max"}

Json = dict[str, Any]


@pytest.fixture(scope="module")
def registry() -> Registry:
    registry = Registry()
    for name in ("object_info", "object_info_v3"):
        registry.add_object_info(document(name))
    return registry


def by_name(node: Node) -> Json:
    """What the save says of a node's widgets by name; the list's values, where it has as many."""
    listed, named = node.widgets_values, node.widgets_values_named
    if not isinstance(listed, list) or not isinstance(named, dict) or len(listed) != len(named):
        return {}
    return dict(zip(named, listed, strict=True))


def wrong(prompt: ConvertedPrompt, workflow: Workflow, registry: Registry) -> list[str]:
    """The values of the outermost nodes that are not those that the save has under their names."""
    found = []
    for node in workflow.canvas.nodes:
        if node.id in prompt.nodes and node.type in registry:
            inputs = prompt.nodes[node.id].inputs
            for name, value in by_name(node).items():
                sent = inputs.get(name, value)
                if type(sent) is not Link and sent != value and value is not None and not isinstance(value, list):
                    found.append(f"{node.type}.{name}: {sent!r:.40} instead of {value!r:.40}")
    return found


def test_every_template(registry: Registry) -> None:
    counts: Counter[str] = Counter()
    for name, template in templates().items():
        workflow = Workflow.parse(template)
        try:
            prompt = to_prompt(workflow, registry)
        except InvalidWorkflow as error:
            codes = {issue.code for issue in error.issues}
            counts[" and ".join(sorted(codes))] += 1
            assert codes <= {"missing_node_type", "value_not_in_list"}, name
            unknown = [issue for issue in error.issues if issue.code == "missing_node_type"]
            assert all(repr(issue.class_type) in issue.message for issue in unknown), name
            assert not [issue for issue in unknown if issue.class_type in registry], name
        else:
            counts["converted"] += 1
            counts["notes"] += len(prompt.notes)
            assert {issue.code for issue in validate(prompt, registry, executable=False)}.isdisjoint(SHIFTED), name
            assert wrong(prompt, workflow, registry) == [], name
    print(f"\n{dict(counts)}")
    assert sum(counts.values()) - counts["notes"] == 644
    assert counts["converted"] > 100


def test_the_page_of_templates_is_up_to_date() -> None:
    """Every template converts with the built-in classes, or is refused by the names of those that are missing."""
    spec = importlib.util.spec_from_file_location("weft_docs_templates", ROOT / "docs" / "templates.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    documents, index = script.templates()
    assert documents.keys() == templates().keys() == index.keys()
    made = script.page(documents, index, Registry.discover())
    assert made == script.PAGE.read_text(encoding="utf-8"), "make it anew: python docs/templates.py"


def test_saves_of_newer_classes_are_read_as_they_were_meant() -> None:
    """Each node by itself, as it is declared here: no value goes to another widget, none is out of range."""
    registry, dump = Registry.discover(), document("object_info")
    read = 0
    for name, template in templates().items():
        for canvas in (template, *(template.get("definitions") or {}).get("subgraphs", ())):
            for saved in canvas["nodes"]:
                if saved["type"] in dump or saved["type"] not in registry:
                    continue
                slots = [{**slot, "link": None} for slot in saved.get("inputs") or ()]
                alone = {**saved, "inputs": slots, "outputs": [], "mode": 0}
                workflow = Workflow.parse({"nodes": [alone], "links": [], "version": 0.4})
                prompt = to_prompt(workflow, registry)
                assert wrong(prompt, workflow, registry) == [], name
                found = {issue.code for issue in validate(prompt, registry, executable=False)}
                assert found.isdisjoint(SHIFTED - {"required_input_missing"} | RANGES), (name, saved["type"])
                read += 1
    assert read > 800
