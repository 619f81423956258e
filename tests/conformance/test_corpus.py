"""Conversion held to what the real frontend made of the corpus, and to the corpus mutated at random."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.engine.errors import InvalidWorkflow, UnreadableWorkflow
from weft.engine.formats.conversion import ConvertedPrompt, to_prompt
from weft.engine.formats.runs import advance
from weft.engine.formats.workflow import Workflow
from weft.engine.formats.written import workflow_of
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import undeclared, validate

from ..reference.store import document
from .judge import isomorphic, relaxed
from .pairs import Pair, older_pairs, pairs

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2024, 1, 2, 3, 4, 5)

Json = dict[str, Any]


@pytest.fixture(scope="session", params=["ours", pytest.param("older", marks=pytest.mark.slow)])
def corpus(request: pytest.FixtureRequest) -> dict[str, Pair]:
    """The pairs of the repository; in the long checks also older ones that stand outside it."""
    if request.param == "ours":
        return pairs()
    shared: Path = request.getfixturevalue("shared")
    return older_pairs(shared / "corpus")


@pytest.fixture(scope="session")
def object_info() -> Json:
    found: Json = document("object_info")
    return found


@pytest.fixture(scope="session")
def registry(object_info: Json) -> Registry:
    return Registry().add_object_info(object_info)


BYPASSED_SUBGRAPHS = {
    "templates_new/image_flux.1_fill_dev_OneReward",
    "templates_new/image_qwen_image_instantx_inpainting_controlnet",
    "templates_new/video_wan2_2_14B_s2v",
}
"""What a bypassed subgraph holds is not sent, as in 1.58; 1.27 sends it, although nothing leads to it."""


def differences(pair: Pair, prompt: Json, object_info: Json) -> list[str]:
    """What is different from the nearest of the references, at judge.py's relaxed level.

    In a disputed pair, and where 1.58 is held to, ids may be renumbered, as it does with those of inner nodes.
    """
    found: list[list[str]] = []
    bypassed = pair.name in BYPASSED_SUBGRAPHS
    references = [pair.prompts["fe158"]] if bypassed else pair.references().values()
    for reference in references:
        if (pair.disputed or bypassed) and isomorphic(reference, prompt, object_info):
            return []
        found.append(relaxed(reference, prompt, object_info))
    return min(found, key=len, default=[])


REASONS = {
    "tricky/t15_subgraph_defaults_primitive": "as the manifest wants it: each instance its own, one from the primitive",
    "tricky/t24_widgets_dict": "values saved by name are read by name, for every class; 1.58 does so for some",
    "tricky/t30c_link_wrong_target_slot": "the socket's own link is trusted, so vae stays linked; frontends lose it",
    "tricky/t35_missing_node_type": "an unknown node keeps its class and every value; the frontend sends no class",
}


BETTER = {
    "templates_new/3d_hunyuan3d_image_to_model": "its class lost a widget that a subgraph shows: frontends shift every "
    "value after it (a sampler called 242832339647017), the names in the save tell which is whose",
}
"""Undisputed pairs in which the frontends' prompt is not what was saved, and ours is."""


def test_every_pair(corpus: dict[str, Pair], object_info: Json, registry: Registry) -> None:
    """All undisputed pairs agree with what the manifest recommends; the rest are printed, with the reason of each."""
    right, rest = [], {}
    for name, pair in corpus.items():
        workflow = Workflow.parse(pair.workflow)
        prompt = to_prompt(workflow, registry, now=NOW, keep_unknown=bool(pair.unknown_classes)).to_json()
        found = differences(pair, prompt, object_info)
        (rest.__setitem__(name, found) if found else right.append(name))
    undisputed = {name for name, pair in corpus.items() if not pair.disputed and pair.recommended != "none"}
    print(f"\n{len(right)} of {len(corpus)} pairs; {len(undisputed - rest.keys())} of {len(undisputed)} undisputed")
    for name, found in rest.items():
        print(f"  {name} ({corpus[name].recommended}): {REASONS.get(name) or BETTER.get(name, found)}")
    assert undisputed & rest.keys() == BETTER.keys() & corpus.keys()
    assert rest.keys() <= REASONS.keys() | BETTER.keys()


def test_either_choice_of_a_dynamic_prompt(registry: Registry, object_info: Json) -> None:
    pair = pairs()["tricky/t53_subgraph_promoted_dynamic"]
    prompt = to_prompt(Workflow.parse(pair.workflow), registry, now=NOW, choose=lambda count: count - 1).to_json()
    assert relaxed(pair.prompts["last_choice"], prompt, object_info) == []


def test_titles(corpus: dict[str, Pair], registry: Registry) -> None:
    """Titles are the frontend's, but for those that its English locale translates."""
    wrong: set[str] = set()
    for pair in corpus.values():
        if "fe127" in pair.prompts and not pair.unknown_classes:
            prompt = to_prompt(Workflow.parse(pair.workflow), registry, now=NOW)
            for node_id, node in pair.prompts["fe127"].items():
                if node_id in prompt.nodes and node["_meta"]["title"] != prompt.nodes[node_id].title:
                    wrong.add(node["class_type"])
    assert wrong <= {"ImageBlur", "ImageScaleToTotalPixels"}


def test_nothing_is_lost(corpus: dict[str, Pair]) -> None:
    for pair in corpus.values():
        before = json.dumps(pair.workflow)
        assert json.dumps(Workflow.parse(pair.workflow).dump()) == before
    assert len(corpus) in (92, 155)


def test_seeds_stay_and_can_go_on(corpus: dict[str, Pair], registry: Registry) -> None:
    """A control word for every seed that holds a value; the next run changes those, in the saved workflow too."""
    seen = 0
    for pair in corpus.values():
        if pair.unknown_classes:
            continue
        first = to_prompt(Workflow.parse(pair.workflow), registry, now=NOW)
        second = advance(first, registry, lambda: 0.5)
        seen += len(first.controls)
        assert second.nodes.keys() == first.nodes.keys()
        again = to_prompt(Workflow.parse(workflow_of(second, registry)), registry, now=second.moment)
        assert again.to_json() == second.to_json()
    assert seen > 90


def test_built_in_classes_change_nothing(corpus: dict[str, Pair], object_info: Json) -> None:
    """Where a class is built in, its own schema converts as the dump's does; lists of files apart."""
    dumped, built_in = Registry().add_object_info(object_info), Registry.discover().add_object_info(object_info)
    for pair in corpus.values():
        workflow = Workflow.parse(pair.workflow)
        one, other = (to_prompt(workflow, each, now=NOW, keep_unknown=True).to_json() for each in (dumped, built_in))
        assert relaxed(one, other, object_info) == []


def test_no_input_is_called_a_slip(corpus: dict[str, Pair], object_info: Json) -> None:
    """What editors of several years put beside declared inputs is known, in their prompts and in ours."""
    registry = Registry.discover().add_object_info(object_info)
    seen = 0
    for pair in corpus.values():
        found = pair.references().values()
        # The frontend writes a node of an unknown class without its class.
        prompts = [Prompt.parse(prompt) for prompt in found if all("class_type" in node for node in prompt.values())]
        workflow = Workflow.parse(pair.workflow)
        prompts.append(to_prompt(workflow, registry, now=NOW, keep_unknown=True))
        for prompt in prompts:
            seen += len(prompt.nodes)
            assert [str(issue) for issue in undeclared(prompt, registry)] == []
    assert seen > 1_500


PROCESS = """
import json, sys, time
from weft.engine.formats.conversion import to_prompt
from weft.engine.workflow.prompt import read_json
from weft.engine.schema.registry import Registry
from weft.engine.formats.workflow import Workflow
from weft.engine.formats.written import workflow_of
document, dump = (read_json(open(name, encoding="utf-8").read(), name) for name in sys.argv[1:])
prompt = to_prompt(Workflow.parse(document), Registry.discover().add_object_info(dump))
json.dumps(prompt.to_json())
print(len(prompt.nodes), time.process_time(), *(name for name in ("torch", "networkx", "numpy") if name in sys.modules))
"""


def test_the_largest_workflow_in_half_a_second_of_cpu(tmp_path: Path, object_info: Json) -> None:
    largest = max(pairs().values(), key=lambda pair: len(json.dumps(pair.workflow)))
    (tmp_path / "workflow.json").write_text(json.dumps(largest.workflow))
    (tmp_path / "object_info.json").write_text(json.dumps(object_info))
    command = [sys.executable, "-c", PROCESS, *(str(tmp_path / f"{name}.json") for name in ("workflow", "object_info"))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=ROOT)
    nodes, seconds, *heavy = done.stdout.split()
    print(f"\n{largest.name}: {nodes} nodes in {float(seconds):.2f} s of CPU, imports included")
    assert heavy == []
    assert float(seconds) < 0.5


# Broken input


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every holder and key in a document."""
    found: list[tuple[Any, Any]] = []
    todo = [value]
    while todo:
        holder = todo.pop()
        for key in range(len(holder)) if isinstance(holder, list) else list(holder):
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                todo.append(holder[key])
    return found


STRANGE = [
    None, True, False, 0, -1, 4, 2.5, -10, 10**30, 1e308, "", "4", "x" * 50, "-10", "{a|{b", "%a.b%", "KSampler",
    "Reroute", "PrimitiveNode", "workflow/G", "11111111-1111-4111-8111-111111111111", [], {}, [[]], [None], [1, 2],
    [1, 3, 0, 4, 0, "X"], {"name": "seed"}, {"a": {"b": []}}, {"groupNodes": {"G": {"nodes": [{"type": "Reroute"}]}}},
]  # fmt: skip


def mutate(document: Json, draw: Any) -> None:
    """Replace, remove, repeat or exchange parts of a document."""
    for _ in range(draw(st.integers(1, 6))):
        spots = places(document)
        if not spots:
            return
        holder, key = spots[draw(st.integers(0, len(spots) - 1))]
        action = draw(st.sampled_from(("strange", "strange", "remove", "repeat", "exchange")))
        if action == "strange":
            holder[key] = copy.deepcopy(draw(st.sampled_from(STRANGE)))
        elif action == "remove":
            del holder[key]
        elif action == "repeat" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            other, other_key = spots[draw(st.integers(0, len(spots) - 1))]
            holder[key] = copy.deepcopy(other[other_key])


@settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_mutated_workflows_give_clean_errors_or_valid_prompts(registry: Registry, data: Any) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from([*pairs().values()])).workflow)
    mutate(document, data.draw)
    before = json.dumps(document)
    try:
        workflow = Workflow.parse(document)
        assert json.dumps(workflow.dump()) == before
        prompt = to_prompt(workflow, registry, now=NOW, keep_unknown=data.draw(st.booleans()))
    except UnreadableWorkflow as error:
        assert error.message
    except InvalidWorkflow as error:
        assert error.issues
        assert all(issue.message for issue in error.issues)
    else:
        check(prompt, registry)
        assert json.dumps(document) == before


def check(prompt: ConvertedPrompt, registry: Registry) -> None:
    """Whatever came out is a prompt: it can be written, read again, validated, and run another time."""
    written = json.loads(json.dumps(prompt.to_json()))
    if written:
        assert Prompt.parse(written).to_json() == written
    for issue in validate(prompt, registry, executable=False):
        assert str(issue)
    if all(node.class_type in registry for node in prompt.nodes.values()):
        advance(prompt, registry, lambda: 0.5)
    nodes = prompt.nodes
    strange = [link for node in nodes.values() for _, link in node.links if link.node_id not in nodes]
    assert strange == []
