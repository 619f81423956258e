"""Values that stand for others are resolved for each run, before it is planned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import weft
from weft.engine.schema.registry import Registry
from weft.engine.session import Session
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.queueing import queued, resolving

REGISTRY = Registry.discover()


def prompt_of(*seeds: int) -> Prompt:
    return Prompt.parse(
        {str(place): {"class_type": "Seed (rgthree)", "inputs": {"seed": seed}} for place, seed in enumerate(seeds, 1)}
    )


def seeds_of(prompt: Prompt) -> list[int]:
    return [node.inputs["seed"] for node in prompt.nodes.values()]


def test_minus_one_is_drawn_in_each_run() -> None:
    prompt = prompt_of(-1, 7)
    assert seeds_of(queued(prompt, REGISTRY, {}, lambda: 0.5)) == [2**49, 7]
    (note,) = queued(prompt, REGISTRY, {}, lambda: 0.0).notes
    assert note.text == "seed -1 stands for another value in each run: here it is 0"
    assert (note.node_id, seeds_of(prompt)) == ("1", [-1, 7])


def test_minus_two_and_three_count_from_the_last_run() -> None:
    prompt = prompt_of(-2, -3)
    first = queued(prompt, REGISTRY, {}, lambda: 2.0**-40)
    assert seeds_of(first) == [1024, 1024]
    second = queued(prompt, REGISTRY, resolving(first, REGISTRY), lambda: 0.5)
    assert seeds_of(second) == [1025, 1023]


@pytest.mark.parametrize(("seed", "last"), [(-2, 2**50), (-3, -(2**50)), (-3, 0), (-2, -4)])
def test_beyond_the_range_and_where_a_seed_would_be_special_one_is_drawn(seed: int, last: int) -> None:
    assert seeds_of(queued(prompt_of(seed), REGISTRY, {"1": {"seed": last}}, lambda: 0.5)) == [2**49]


def test_nothing_to_resolve_gives_the_very_prompt_back() -> None:
    prompt = prompt_of(7)
    assert queued(prompt, REGISTRY, {}, lambda: 0.5) is prompt
    linked = Prompt.parse({"1": {"class_type": "Seed (rgthree)", "inputs": {"seed": ["2", 0]}}})
    assert queued(linked, REGISTRY, {}, lambda: 0.5) is linked


def graph(seed: int) -> dict[str, Any]:
    return {
        "1": {"class_type": "Seed (rgthree)", "inputs": {"seed": seed}},
        "2": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": ["1", 0]}},
        "3": {"class_type": "PrimitiveInt", "inputs": {"value": 0}},
        "4": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": ["3", 0]}},
        "5": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "a"}},
    }


def test_a_run_says_what_it_took_and_its_pictures_carry_it(tmp_path: Path) -> None:
    session = Session(output=tmp_path, device="cpu")
    drawn = []
    for _ in range(2):
        result = session.execute(session.plan(Prompt.parse(graph(-2)), ["1"]))
        (seed,) = result["1"]
        drawn.append(seed)
        assert result.warnings == (("1", f"seed -2 stands for another value in each run: here it is {seed}"),)
        with Image.open(result.files[0]) as picture:
            assert json.loads(picture.info["prompt"])["1"]["inputs"]["seed"] == seed
    assert drawn[1] == drawn[0] + 1


def test_the_buttons_of_a_save_are_no_control_word() -> None:
    """rgthree's node saves its seed and three buttons; a seed that is given stays in every further run."""
    node = {"id": 1, "type": "Seed (rgthree)", "pos": [0, 0], "widgets_values": [470, "", "", ""]}
    session = Session()
    prompt = session.read({"nodes": [node], "links": [], "version": 0.4})
    assert (prompt.nodes["1"].inputs, prompt.notes) == ({"seed": 470}, ())
    assert session.next(prompt).nodes["1"].inputs == {"seed": 470}
    assert weft.convert({"nodes": [node], "links": [], "version": 0.4})["1"]["inputs"] == {"seed": 470}
