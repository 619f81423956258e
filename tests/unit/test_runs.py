"""What changes from run to run: seeds, dynamic prompts, and the names of files that carry them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from weft.engine.errors import UsageError
from weft.engine.formats.conversion import ConvertedPrompt, to_prompt
from weft.engine.formats.runs import advance, seeds, with_seed
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry
from weft.engine.workflow.overrides import apply
from weft.engine.workflow.prompt import Prompt

REGISTRY = Registry.discover()
ROOT = Path(__file__).parents[2]
SAVE, TEXT, SAMPLER = "7", "2", "5"


def saved(seed: int = 7, control: str = "increment", **texts: str) -> ConvertedPrompt:
    """workflows/txt2img.json as a save with these texts, its sampler's seed under a control."""
    document = json.loads((ROOT / "workflows" / "txt2img.json").read_text())
    for node in document["nodes"]:
        if node["type"] == "KSampler":
            node["widgets_values"][:2] = [seed, control]
        if str(node["id"]) == TEXT and "text" in texts:
            node["widgets_values"][0] = texts["text"]
        if node["type"] == "SaveImage" and "prefix" in texts:
            node["widgets_values"][0] = texts["prefix"]
    return to_prompt(Workflow.parse(document), REGISTRY)


def value(prompt: Prompt, class_type: str, name: str) -> Any:
    node_id = next(i for i, node in prompt.nodes.items() if node.class_type == class_type)
    return prompt.nodes[node_id].inputs[name]


def prefix(prompt: Prompt) -> Any:
    return value(prompt, "SaveImage", "filename_prefix")


def half() -> float:
    return 0.5


# Names of files


def test_tokens_are_filled_behind_set() -> None:
    prompt = saved(prefix="s%KSampler.seed%_%KSampler.steps%")
    assert prefix(prompt).startswith("s7_")
    assert prefix(apply(prompt, ["KSampler.seed=99", "KSampler.steps=1"], REGISTRY)) == "s99_1"


def test_tokens_are_filled_for_each_run() -> None:
    runs = [saved(prefix="s%KSampler.seed%")]
    runs.append(advance(runs[-1], REGISTRY, half))
    runs.append(advance(runs[-1], REGISTRY, half))
    assert [prefix(run) for run in runs] == ["s7", "s8", "s9"]


def test_a_token_given_by_set_is_filled() -> None:
    prompt = apply(saved(), ["SaveImage.filename_prefix=s%KSampler.seed%", "KSampler.seed=3"], REGISTRY)
    assert prefix(prompt) == "s3"
    assert prefix(advance(prompt, REGISTRY, half)) == "s4"


def test_a_date_is_that_of_the_run() -> None:
    prompt = apply(saved(), ["SaveImage.filename_prefix=%date:yyyy%"], REGISTRY)
    assert prefix(prompt.sent(prompt.moment.replace(year=2031))) == "2031"


def test_a_token_may_name_what_a_primitive_holds() -> None:
    def node(node_id: int, kind: str, values: list[Any], **more: Any) -> dict[str, Any]:
        return {"id": node_id, "type": kind, "widgets_values": values, "inputs": [], "outputs": [], **more}

    seed = {"name": "seed", "type": "INT", "link": 1, "widget": {"name": "seed"}}
    document = {
        "nodes": [
            node(1, "PrimitiveNode", [5, "increment"], outputs=[{"name": "INT", "type": "INT", "links": [1]}]),
            node(2, "KSampler", [0, "fixed", 20, 8, "euler", "normal", 1], inputs=[seed]),
            node(3, "SaveImage", ["%PrimitiveNode.value%_%KSampler.seed%"]),
        ],
        "links": [[1, 1, 0, 2, 0, "INT"]],
        "version": 0.4,
    }
    prompt = to_prompt(Workflow.parse(document), REGISTRY)
    assert prefix(prompt) == "5_5"
    assert prefix(advance(prompt, REGISTRY, half)) == "6_6"


def test_the_server_fills_no_tokens_of_nodes() -> None:
    """In API format a text is what is sent, as a server gets it."""
    api = Prompt.parse(saved().to_json())
    assert prefix(apply(api, ["SaveImage.filename_prefix=s%KSampler.seed%"], REGISTRY)) == "s%KSampler.seed%"


# Dynamic prompts


def test_dynamic_prompts_are_drawn_in_further_runs() -> None:
    first = saved(text="{red|blue} {apple|pear|plum}")
    assert first.nodes[TEXT].inputs["text"] == "red apple"
    second = advance(first, REGISTRY, half)
    assert second.nodes[TEXT].inputs["text"] == "blue pear"
    assert apply(second, ["KSampler.steps=3"], REGISTRY).nodes[TEXT].inputs["text"] == "blue pear", "as it was drawn"
    assert advance(second, REGISTRY, lambda: 0.0).nodes[TEXT].inputs["text"] == "red apple"


def test_a_dynamic_prompt_may_be_given_by_set() -> None:
    prompt = apply(saved(), {f"{TEXT}.text": r"a {cat|dog} \{x\}"}, REGISTRY)
    assert prompt.nodes[TEXT].inputs["text"] == "a cat {x}"
    assert advance(prompt, REGISTRY, half).nodes[TEXT].inputs["text"] == "a dog {x}"


def test_random_draws_them_in_the_first_run_too() -> None:
    assert with_seed(saved(text="{a|b}"), REGISTRY, "random", half).nodes[TEXT].inputs["text"] == "b"
    assert with_seed(saved(text="{a|b}"), REGISTRY, 5, half).nodes[TEXT].inputs["text"] == "a"


# --seed


def runs_of(prompt: Prompt, seed: str | int, count: int = 3, **options: Any) -> list[Any]:
    draws = itertools.cycle([0.25, 0.5, 0.75])
    runs = [with_seed(prompt, REGISTRY, seed, lambda: next(draws), **options)]
    for _ in range(count - 1):
        runs.append(advance(runs[-1], REGISTRY, lambda: next(draws)))
    return [value(run, "KSampler", "seed") for run in runs]


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        ("random", [2**48, 2**49, 2**48 + 2**49]),
        ("randomize", [2**48, 2**49, 2**48 + 2**49]),
        ("increment", [7, 8, 9]),
        ("decrement", [7, 6, 5]),
        ("fixed", [7, 7, 7]),
        ("40", [40, 41, 42]),
        (40, [40, 41, 42]),
    ],
)
@pytest.mark.parametrize("api", [False, True], ids=["save", "api"])
def test_every_seed_is_what_is_said(seed: str | int, expected: list[int], api: bool) -> None:
    prompt: Prompt = saved(control="randomize")
    assert runs_of(Prompt.parse(prompt.to_json()) if api else prompt, seed) == expected


def test_a_seed_that_was_set_stays() -> None:
    prompt = apply(saved(), ["KSampler.seed=3"], REGISTRY)
    assert runs_of(prompt, "random", keep=[(SAMPLER, "seed")]) == [3, 3, 3]


def prompt_of(**seeds: int) -> Prompt:
    nodes = {name: {"class_type": "KSampler", "inputs": {"seed": seed}} for name, seed in seeds.items()}
    return Prompt.parse(nodes)


def test_seeds_that_are_equal_stay_equal() -> None:
    """Stages of one picture share a seed: an API prompt does not say so."""
    draws = iter([0.25, 0.5])
    drawn = with_seed(prompt_of(a=1, b=1, c=2), REGISTRY, "random", lambda: next(draws))
    assert [node.inputs["seed"] for node in drawn.nodes.values()] == [2**48, 2**48, 2**49]


def test_a_number_is_a_seed_if_it_feeds_one() -> None:
    nodes = {
        "1": {"class_type": "PrimitiveInt", "inputs": {"value": 3}},
        "2": {"class_type": "PrimitiveInt", "inputs": {"value": 3}},
        "3": {"class_type": "KSampler", "inputs": {"seed": ["1", 0], "steps": ["2", 0]}},
    }
    assert seeds(Prompt.parse(nodes), REGISTRY) == {("1", "value"): 3}


def test_what_is_no_seed_is_refused() -> None:
    with pytest.raises(UsageError, match=r"expected random, increment, .* got 'incremnt' \(did you mean 'increment'"):
        with_seed(saved(), REGISTRY, "incremnt", half)
    with pytest.raises(UsageError, match="the workflow has no seed"):
        with_seed(Prompt.parse({"1": {"class_type": "EmptyLatentImage", "inputs": {}}}), REGISTRY, "random", half)


def test_whether_anything_varies() -> None:
    assert saved().varies
    assert not saved(control="fixed").varies
    assert saved(control="fixed", text="{a|b}").varies
    assert not saved(control="fixed", text="{a} // b").varies
    assert not prompt_of(a=1).varies
    assert with_seed(prompt_of(a=1), REGISTRY, "increment", half).varies
