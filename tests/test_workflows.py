"""The tutorial's graphs show what they are there to show, by numbers.

They run on a small checkpoint with random weights, made here: what they show is arithmetic, not drawing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import engine
from engine.executor import RunResult

WORKFLOWS = Path(__file__).resolve().parent.parent / "workflows"
NAMES = sorted(file.name.removesuffix(".api.json") for file in WORKFLOWS.glob("*.api.json"))


@pytest.fixture
def run(random_models: Path, tmp_path: Path, shared_cache: engine.MemoryCache) -> Any:
    def run_workflow(name: str, **options: Any) -> RunResult:
        return engine.run(
            WORKFLOWS / f"{name}.api.json",
            models=random_models,
            input=WORKFLOWS / "input",
            output=tmp_path,
            device="cpu",
            **{"cache": shared_cache, **options},
        )

    return run_workflow


@pytest.fixture(scope="module")
def shared_cache() -> engine.MemoryCache:
    return engine.MemoryCache()


def samples(result: RunResult, node_id: str) -> torch.Tensor:
    tensor: torch.Tensor = result[node_id][0]["samples"]
    return tensor


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Root mean square difference, relative to the second."""
    return ((a - b).square().mean().sqrt() / b.square().mean().sqrt()).item()


@pytest.mark.parametrize("name", NAMES)
def test_both_formats_give_the_same_tensors(name: str, run: Any, random_models: Path, tmp_path: Path) -> None:
    """The editor's save beside each prompt converts to it, and runs to the same latents."""
    prompt = json.loads((WORKFLOWS / f"{name}.api.json").read_text())
    converted = engine.convert(WORKFLOWS / f"{name}.json")
    assert {key: (node["class_type"], node["inputs"]) for key, node in converted.items()} == {
        key: (node["class_type"], node["inputs"]) for key, node in prompt.items()
    }
    decoded = [key for key, node in prompt.items() if node["class_type"] == "VAEDecode"]
    first = run(name, targets=decoded)
    options = {"models": random_models, "input": WORKFLOWS / "input", "output": tmp_path, "device": "cpu"}
    second = engine.run(WORKFLOWS / f"{name}.json", targets=decoded, **options)
    assert not second.cached
    for key in decoded:
        assert torch.equal(first[key][0], second[key][0])


def test_there_are_six() -> None:
    assert {"txt2img", "noise_disabled", "divided", "prompt_switch", "lora_switch", "img2img"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_runs_and_writes_pictures_that_carry_it(name: str, run: Any) -> None:
    result = run(name)
    assert result.files
    for file in result.files:
        with Image.open(file) as picture:
            assert picture.size == (128, 128)
            assert len(set(picture.convert("L").tobytes())) > 8, "a flat picture"
            assert json.loads(picture.text["prompt"]) == json.loads((WORKFLOWS / f"{name}.api.json").read_text())


def test_txt2img_is_decided_by_its_seed(run: Any) -> None:
    first = samples(run("txt2img", targets=["5"]), "5")
    again = samples(run("txt2img", targets=["5"], cache=engine.MemoryCache()), "5")
    other = samples(run("txt2img", targets=["5"], overrides={"5.seed": 8}), "5")
    assert torch.equal(first, again)
    assert distance(other, first) > 0.1


def test_without_noise_the_seed_decides_nothing(run: Any) -> None:
    """Without noise an empty latent holds nothing to denoise: every seed ends in the same place."""
    seeds = {"5.noise_seed": 8, "8.noise_seed": 8}
    result = run("noise_disabled", targets=["5", "8"])
    other = run("noise_disabled", targets=["5", "8"], overrides=seeds)
    assert torch.equal(samples(other, "8"), samples(result, "8"))
    assert distance(samples(other, "5"), samples(result, "5")) > 0.1


def test_divided_equals_undivided(run: Any) -> None:
    """Euler remembers nothing from step to step: two stages are the same picture, but for one rounding in between."""
    result = run("divided", targets=["5", "9"])
    assert distance(samples(result, "9"), samples(result, "5")) < 1e-5


def test_prompt_switch_lies_between_both_prompts(run: Any) -> None:
    def switched(step: int) -> torch.Tensor:
        steps = {"6.end_at_step": step, "7.start_at_step": step}
        return samples(run("prompt_switch", targets=["7"], overrides=steps), "7")

    apple = switched(20)
    rabbit = samples(run("prompt_switch", targets=["7"], overrides={"6.end_at_step": 1, "7.start_at_step": 1}), "7")
    from_apple = [distance(switched(step), apple) for step in (1, 5, 10, 15, 19)]
    assert from_apple == sorted(from_apple, reverse=True), "the later the switch, the nearer to the first prompt"
    assert from_apple[-1] > 0
    assert 0 < distance(switched(10), rabbit) < distance(apple, rabbit)


def test_prompt_switch_at_the_end_is_the_first_prompt(run: Any) -> None:
    steps = {"6.end_at_step": 20, "7.start_at_step": 20}
    result = run("prompt_switch", targets=["6", "7"], overrides=steps)
    assert torch.equal(samples(result, "7"), samples(result, "6"))


def test_lora_switch_changes_the_second_stage_only(run: Any) -> None:
    result = run("lora_switch", targets=["8", "9"])
    weak = run("lora_switch", targets=["8", "9"], overrides={"5.strength_model": 0.0, "5.strength_clip": 0.0})
    always = run("lora_switch", targets=["9"], overrides={"8.model": ["5", 0], "8.positive": ["6", 0]})
    assert torch.equal(samples(result, "8"), samples(weak, "8")), "the LoRA leaked into the first stage"
    assert distance(samples(result, "9"), samples(weak, "9")) > 0.01
    assert distance(samples(result, "9"), samples(always, "9")) > 0.01


def test_img2img_keeps_more_of_the_start_with_less_denoise(run: Any) -> None:
    def kept(denoise: float) -> float:
        result = run("img2img", targets=["5", "6"], overrides={"6.denoise": denoise})
        return distance(samples(result, "6"), samples(result, "5"))

    distances = [kept(denoise) for denoise in (0.0, 0.2, 0.5, 0.8)]
    assert distances[0] == 0
    assert distances == sorted(distances)
