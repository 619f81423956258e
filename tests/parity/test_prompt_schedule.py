"""Prompt schedules sample what the same graph wired by hand samples, bit for bit.

On random weights. Self-made: nothing but equality between two runs of Weft is asserted.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import weft
from weft.engine.cache.memory import MemoryCache

STEPS = 6
# One of each kind: no memory, a history, a history and noise on one path, corrector of its own.
SAMPLERS = ["euler", "dpmpp_2m", "dpmpp_3m_sde", "uni_pc", "euler_ancestral"]
LORA = "weft-pixel.safetensors"
Json = dict[str, Any]


def node(class_type: str, **inputs: Any) -> Json:
    return {"class_type": class_type, "inputs": inputs}


def base(sampler: str = "euler") -> tuple[Json, Json]:
    """A prompt without a sampler, and what every sampler is given."""
    nodes = {
        "1": node("CheckpointLoaderSimple", ckpt_name="weft-tiny.safetensors"),
        "4": node("EmptyLatentImage", width=64, height=64, batch_size=1),
    }
    common = {"model": ["1", 0], "latent_image": ["4", 0], "steps": STEPS, "cfg": 7.0}
    return nodes, {**common, "sampler_name": sampler, "scheduler": "karras"}


def text(words: str, clip: Any = ("1", 1)) -> Json:
    return node("CLIPTextEncode", text=words, clip=list(clip))


def by_hand(sampler: str, stages: list[tuple[int, int, Json]], *, steps: int = STEPS) -> Json:
    """A chain of KSamplerAdvanced nodes s1, s2, ... over these stretches, each with inputs of its own."""
    nodes, common = base(sampler)
    latent = common.pop("latent_image")
    for number, (start, end, own) in enumerate(stages, 1):
        inputs = {
            "noise_seed": 5, "start_at_step": start, "end_at_step": end, "latent_image": latent, "steps": steps,
            "add_noise": "enable" if number == 1 else "disable",
            "return_with_leftover_noise": "disable" if number == len(stages) else "enable",
        }  # fmt: skip
        nodes[f"s{number}"] = node("KSamplerAdvanced", **{**common, **inputs, **own})
        latent = [f"s{number}", 0]
    return nodes


def scheduled(sampler: str, positive: str, negative: str, **more: Any) -> Json:
    nodes, common = base(sampler)
    inputs = {
        "clip": ["1", 1], "noise_seed": 5, "positive": positive, "negative": negative, "add_noise": "enable",
        "start_at_step": 0, "end_at_step": 10_000, "return_with_leftover_noise": "disable",
    }  # fmt: skip
    return {**nodes, "5": node("KSamplerPromptSchedule", **{**common, **inputs, **more})}


def ordinary(sampler: str, positive: str, negative: str, **more: Any) -> Json:
    nodes, common = base(sampler)
    given = {**common, "positive": ["2", 0], "negative": ["3", 0], "seed": 5, "denoise": 1.0, **more}
    return {**nodes, "2": text(positive), "3": text(negative), "5": node("KSampler", **given)}


@pytest.fixture(scope="module")
def caches() -> dict[str, MemoryCache]:
    """What is wired by hand has a cache of its own: equal keys would prove nothing."""
    return {"": MemoryCache(), "by hand": MemoryCache()}


@pytest.fixture
def run(random_models: Path, tmp_path: Path, caches: dict[str, MemoryCache]) -> Any:
    def run_prompt(prompt: Json, *targets: str, cache: str = "", **options: Any) -> weft.RunResult:
        given = {"cache": caches[cache], "models": random_models, "output": tmp_path, **options}
        return weft.run(prompt, targets=targets, device="cpu", **given)

    return run_prompt


@pytest.fixture
def sampled(run: Any) -> Any:
    def samples(prompt: Json, target: str, **options: Any) -> torch.Tensor:
        found: torch.Tensor = run(prompt, target, **options)[target][0]["samples"]
        return found

    return samples


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_node_is_the_graph_wired_by_hand(sampler: str, run: Any, sampled: Any) -> None:
    words = {"a": text("a red (apple:1.2)"), "b": text("a red rabbit"), "x": text("blurry"), "y": text("ugly")}
    hand = words | by_hand(sampler, [
        (0, 2, {"positive": ["a", 0], "negative": ["x", 0]}),
        (2, 4, {"positive": ["b", 0], "negative": ["x", 0]}),
        (4, 10_000, {"positive": ["b", 0], "negative": ["y", 0]}),
    ])  # fmt: skip
    result = run(scheduled(sampler, "a red [(apple:1.2):rabbit:0.4]", "[blurry:ugly:4]"), "5")
    (warning,) = result.warnings
    assert "continuous mode" in warning[1]
    expected = sampled(hand, "s3", sampling="continuous", cache="by hand")
    assert torch.equal(result["5"][0]["samples"], expected)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_stages_of_one_text_are_the_single_run(sampler: str, sampled: Any) -> None:
    """A text that is encoded alike in every stage: so the cuts themselves change nothing."""
    single = sampled(ordinary(sampler, "a cat", "blurry"), "5", sampling="continuous")
    prompt = ordinary(sampler, "[a cat|a  cat]", "[blurry:blurry :3]")
    assert torch.equal(sampled(prompt, "5", prompt_schedule=True), single)


def test_alternation_is_the_graph_wired_by_hand(sampled: Any) -> None:
    edges = [*range(STEPS), 10_000]
    hand = by_hand("dpmpp_2m", [
        (start, end, {"positive": ["b" if start % 2 else "a", 0], "negative": ["x", 0]})
        for start, end in pairwise(edges)
    ]) | {"a": text("cat"), "b": text("dog"), "x": text("")}  # fmt: skip
    expected = sampled(hand, f"s{STEPS}", sampling="continuous", cache="by hand")
    assert torch.equal(sampled(scheduled("dpmpp_2m", "[cat|dog]", ""), "5"), expected)


def test_loras_are_the_graph_wired_by_hand(sampled: Any) -> None:
    def lora(strength: float, clip: float) -> Json:
        given = {"model": ["1", 0], "clip": ["1", 1], "lora_name": LORA}
        return node("LoraLoader", **given, strength_model=strength, strength_clip=clip)

    hand = by_hand("dpmpp_2m", [
        (0, 2, {"positive": ["a1", 0], "negative": ["x1", 0]}),
        (2, 5, {"model": ["l2", 0], "positive": ["a2", 0], "negative": ["x2", 0]}),
        (5, 10_000, {"model": ["l3", 0], "positive": ["a3", 0], "negative": ["x3", 0]}),
    ]) | {"l2": lora(0.8, 0.8), "l3": lora(1.5, 0.0)}  # fmt: skip
    for number, clip in enumerate((["1", 1], ["l2", 1], ["l3", 1]), 1):
        hand |= {f"a{number}": text("a cat", clip), f"x{number}": text("blurry", clip)}
    expected = sampled(hand, "s3", sampling="continuous", cache="by hand")
    table = f"{LORA}: 0.8 from 0.4, 1.5/0 from 5"
    assert torch.equal(sampled(scheduled("dpmpp_2m", "a cat", "blurry", loras=table), "5"), expected)
    assert not torch.equal(sampled(scheduled("dpmpp_2m", "a cat", "blurry"), "5"), expected)


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "dpmpp_3m_sde"])
def test_the_flag_is_the_graph_wired_by_hand(sampler: str, run: Any, sampled: Any) -> None:
    hand = by_hand(sampler, [
        (0, 3, {"positive": ["a", 0], "negative": ["x", 0]}), (3, 10_000, {"positive": ["b", 0], "negative": ["x", 0]}),
    ]) | {"a": text("a cat"), "b": text("a dog"), "x": text("blurry")}  # fmt: skip
    result = run(ordinary(sampler, "a [cat:dog:0.5]", "blurry"), "5", prompt_schedule=True)
    expected = sampled(hand, "s2", sampling="continuous", cache="by hand")
    assert torch.equal(result["5"][0]["samples"], expected)


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "uni_pc"])
def test_denoise_is_the_graph_wired_by_hand(sampler: str, sampled: Any) -> None:
    """KSampler's denoise is the end of a longer schedule: so one text in two stages is the KSampler, too."""
    total = int(STEPS / 0.6)
    first = total - STEPS
    hand = by_hand(sampler, [
        (first, first + 3, {"positive": ["a", 0], "negative": ["x", 0]}),
        (first + 3, 10_000, {"positive": ["b", 0], "negative": ["x", 0]}),
    ], steps=total) | {"a": text("a cat"), "b": text("a dog"), "x": text("blurry")}  # fmt: skip
    expected = sampled(hand, "s2", sampling="continuous", cache="by hand")
    found = sampled(ordinary(sampler, "a [cat:dog:0.5]", "blurry", denoise=0.6), "5", prompt_schedule=True)
    assert torch.equal(found, expected)
    same = ordinary(sampler, "[a cat:a  cat:4]", "blurry", denoise=0.6)
    single = sampled(ordinary(sampler, "a cat", "blurry", denoise=0.6), "5", sampling="continuous")
    assert torch.equal(sampled(same, "5", prompt_schedule=True), single)


def test_without_the_flag_brackets_are_letters(sampled: Any) -> None:
    prompt = ordinary("euler", "a [cat:dog:0.5]", "blurry")
    assert not torch.equal(sampled(prompt, "5"), sampled(prompt, "5", prompt_schedule=True))
    assert torch.equal(sampled(prompt, "5"), sampled(ordinary("euler", "a [cat:dog:0.5] ", "blurry"), "5"))


def test_the_picture_says_how_it_was_made(run: Any) -> None:
    output = {
        "6": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
        "7": node("SaveImage", images=["6", 0], filename_prefix="x"),
    }

    def saved(prompt: Json, **options: Any) -> Json:
        prompt = {**prompt, **output}
        (file,) = run(prompt, **options).files
        with Image.open(file) as picture:
            info = dict(picture.info)
        assert json.loads(info["prompt"]) == prompt, "the workflow as it was given: it can be run again"
        made: Json = json.loads(info["weft"])
        return {name: value for name, value in made.items() if name in ("sampling", "prompt_schedule")}

    assert saved(scheduled("euler", "[a:b:4]", "")) == {"sampling": "continuous"}
    flagged = saved(ordinary("euler", "[a:b:3]", ""), prompt_schedule=True)
    assert flagged == {"sampling": "continuous", "prompt_schedule": True}
    assert saved(ordinary("euler", "[a:b:3]", "")) == {"sampling": "comfy"}
