"""Steps that samplers share, in whole runs: what is shared is counted, and every latent is that of a run by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import weft
from weft.engine.cache.memory import MemoryCache
from weft.engine.cache.protocol import Cache
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.tally import counting

STEPS = 6
Run = Callable[..., tuple[int, list[Any]]]


def graph(**samplers: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Samplers by id, from one model, prompt and latent; what they are given beside these stands with their class."""
    nodes: dict[str, Any] = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": "weft-tiny.safetensors"}),
        "2": ("CLIPTextEncode", {"text": "a photo of a cat", "clip": ["1", 1]}),
        "3": ("CLIPTextEncode", {"text": "blurry", "clip": ["1", 1]}),
        "4": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
    }
    nodes |= samplers
    return {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()}


LINKS: dict[str, Any] = {"positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0]}
SAMPLED: dict[str, Any] = {**LINKS, "model": ["1", 0], "cfg": 4.0, "scheduler": "karras", "steps": STEPS}


def advanced(end: int, *, leftover: str = "enable", sampler: str = "euler", **more: Any) -> tuple[str, dict[str, Any]]:
    given = {
        "noise_seed": 5, "add_noise": "enable", "start_at_step": 0, "end_at_step": end, "sampler_name": sampler,
        "return_with_leftover_noise": leftover,
    }  # fmt: skip
    return "KSamplerAdvanced", {**SAMPLED, **given, **more}


def plain(denoise: float = 1.0, sampler: str = "euler", **more: Any) -> tuple[str, dict[str, Any]]:
    return "KSampler", {**SAMPLED, "seed": 5, "denoise": denoise, "sampler_name": sampler, **more}


@pytest.fixture
def run(random_models: Path, tmp_path: Path) -> Run:
    def go(prompt: dict[str, Any], *targets: str, cache: Cache | None = None, **options: Any) -> tuple[int, list[Any]]:
        """How often the network was called, and what the targets gave."""
        given = {"models": random_models, "output": tmp_path, "device": "cpu", **options}
        with counting() as tally:
            result = weft.run(prompt, targets=targets, cache=cache, **given)
        return tally.calls, [result.outputs[target] for target in targets]

    return go


def same(one: Any, other: Any) -> bool:
    samples = [latent["samples"] for outputs in (one, other) for slots in outputs for latent in slots]
    half = len(samples) // 2
    return all(map(torch.equal, samples[:half], samples[half:]))


def alone(run: Run, prompt: dict[str, Any], *targets: str, **options: Any) -> list[Any]:
    """What the targets give in a run each."""
    return [run(prompt, target, **options)[1][0] for target in targets]


@pytest.mark.parametrize("mode", ["comfy", pytest.param("continuous", marks=pytest.mark.slow)])
def test_samplers_of_one_run_without_a_cache(run: Run, mode: str) -> None:
    """Ends in any order, the KSampler that means the same, an end that is forced."""
    prompt = graph(a=advanced(3), b=advanced(5), c=plain(), d=advanced(2), e=advanced(4, leftover="disable"))
    calls, found = run(prompt, *"abcde", sampling=mode)
    assert calls == 3 + 2 + 1 + 0 + 1
    assert same(found, alone(run, prompt, *"abcde", sampling=mode))


QUICK = {("comfy", "euler_ancestral"), ("continuous", "dpmpp_2m_sde")}


@pytest.mark.parametrize(
    ("mode", "sampler"),
    [
        pytest.param(mode, name, marks=() if (mode, name) in QUICK else pytest.mark.slow)
        for mode in ("comfy", "continuous")
        for name in SAMPLERS
    ],
)
def test_in_a_later_run(run: Run, sampler: str, mode: str) -> None:
    cache = MemoryCache()
    prompt = graph(a=advanced(3, sampler=sampler), b=advanced(10_000, sampler=sampler))
    first, _ = run(prompt, "a", cache=cache, sampling=mode)
    second, found = run(prompt, "b", cache=cache, sampling=mode)
    whole, expected = run(prompt, "b", sampling=mode)
    assert same(found, expected)
    row = SAMPLERS[sampler]
    shared = not row.own_steps and (mode == "continuous" or not row.looks_ahead)
    assert second == (whole - first if shared else whole)


PATCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "merged": ("TomePatchModel", {"model": ["1", 0], "ratio": 0.5}),
    "tiled": (
        "HyperTile",
        {"model": ["1", 0], "tile_size": 32, "swap_size": 3, "max_depth": 0, "scale_depth": False},
    ),
    "rescaled": ("RescaleCFG", {"model": ["1", 0], "multiplier": 0.5}),
    "perturbed": ("PerturbedAttentionGuidance", {"model": ["1", 0], "scale": 2.0}),
}


@pytest.mark.parametrize(
    ("mode", "patch"),
    [
        pytest.param(mode, name, marks=() if (mode, name) == ("comfy", "merged") else pytest.mark.slow)
        for mode in ("comfy", "continuous")
        for name in PATCHES
    ],
)
def test_models_with_patches(run: Run, patch: str, mode: str) -> None:
    """Those that choose at random go on where their stream was."""
    more = {"model": ["p", 0]}
    prompt = graph(p=PATCHES[patch], a=advanced(3, **more), b=advanced(5, **more))
    calls, found = run(prompt, "a", "b", sampling=mode)
    assert calls == 5 * (2 if patch == "perturbed" else 1)
    assert same(found, alone(run, prompt, "a", "b", sampling=mode))


def test_a_patch_that_looks_ahead_shares_between_equal_ends(run: Run) -> None:
    masked = {
        "m": ("SolidMask", {"value": 0.6, "width": 64, "height": 64}),
        "l": ("SetLatentNoiseMask", {"samples": ["4", 0], "mask": ["m", 0]}),
        "p": ("DifferentialDiffusion", {"model": ["1", 0], "strength": 1.0}),
    }
    more = {"model": ["p", 0], "latent_image": ["l", 0]}
    prompt = graph(**masked, a=advanced(3, **more), b=advanced(5, **more), c=plain(**more), d=advanced(6, **more))
    calls, found = run(prompt, *"abcd")
    assert calls == 3 + 5 + 6
    assert same(found, alone(run, prompt, *"abcd"))


SA_SOLVER = {
    "model": ["1", 0], "eta": 1.0, "sde_start_percent": 0.2, "sde_end_percent": 0.8, "s_noise": 1.0,
    "predictor_order": 3, "corrector_order": 4, "use_pece": False, "simple_order_2": False,
}  # fmt: skip


def custom() -> dict[str, tuple[str, dict[str, Any]]]:
    """What SamplerCustom and SamplerCustomAdvanced are made of."""
    return {
        "n": ("RandomNoise", {"noise_seed": 5}),
        "g": ("CFGGuider", {"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "cfg": 4.0}),
        "s": ("KSamplerSelect", {"sampler_name": "dpmpp_2m"}),
        "t": ("SamplerEulerAncestral", {"eta": 0.5, "s_noise": 1.0}),
        "x": ("SamplerLCMUpscale", {"scale_ratio": 1.5, "scale_steps": -1, "upscale_method": "bislerp"}),
        "y": ("SamplerSASolver", SA_SOLVER),
        "z": ("SamplerEulerCFGpp", {"version": "alternative"}),
        "q": ("BasicScheduler", {"model": ["1", 0], "scheduler": "karras", "steps": STEPS, "denoise": 1.0}),
        **{f"q{step}": ("SplitSigmas", {"sigmas": ["q", 0], "step": step}) for step in (2, 4)},
    }


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        ("t", STEPS),
        pytest.param("s", STEPS, marks=pytest.mark.slow),
        pytest.param("x", 4 + 2 + STEPS, marks=pytest.mark.slow),
        pytest.param("y", 4 + 2 + STEPS, marks=pytest.mark.slow),
        pytest.param("z", STEPS, marks=pytest.mark.slow),
    ],
)
def test_samplers_from_parts(run: Run, sampler: str, expected: int) -> None:
    """Whatever the schedule is cut from: what counts are the levels. The last prediction is found, too."""
    whole = {"noise": ["n", 0], "guider": ["g", 0], "latent_image": ["4", 0]}
    ends = {"a": ["q4", 0], "b": ["q2", 0], "c": ["q", 0]}
    nodes = {
        name: ("SamplerCustomAdvanced", {**whole, "sampler": [sampler, 0], "sigmas": sigmas})
        for name, sigmas in ends.items()
    }
    prompt = graph(**custom(), **nodes)
    calls, found = run(prompt, *"abc")
    assert calls == expected
    assert same(found, alone(run, prompt, *"abc"))


def test_sampler_custom(run: Run) -> None:
    given = {**LINKS, "model": ["1", 0], "add_noise": True, "noise_seed": 5, "cfg": 4.0, "sampler": ["s", 0]}
    nodes = {name: ("SamplerCustom", {**given, "sigmas": [at, 0]}) for name, at in (("a", "q2"), ("b", "q4"))}
    prompt = graph(**custom(), **nodes)
    calls, found = run(prompt, "a", "b")
    assert calls == 4
    assert same(found, alone(run, prompt, "a", "b"))


def test_samplers_of_the_efficiency_nodes(run: Run) -> None:
    """They become KSamplers, which share with those that stand there."""
    given = {"preview_method": "none", "vae_decode": "false"}
    inputs = advanced(4)[1]
    prompt = graph(a=("KSampler Adv. (Efficient)", {**inputs, **given}), b=advanced(2), c=advanced(5))
    calls, found = run(prompt, *"abc")
    assert calls == 5
    assert torch.equal(found[0][3]["samples"], run(graph(a=advanced(4)), "a")[1][0][0]["samples"])
    noise = ("Noise Control Script", {"rng_source": "nv", "cfg_denoiser": False, "add_seed_noise": True, "seed": 4,
             "weight": 0.3})  # fmt: skip
    pair = {
        name: ("KSampler Adv. (Efficient)", {**advanced(end)[1], **given, "script": ["n", 0]})
        for name, end in (("a", 4), ("b", 2))
    }
    prompt = graph(n=noise, **pair)
    calls, found = run(prompt, "a", "b")
    assert calls == 4
    apart = alone(run, prompt, "a", "b")
    assert all(torch.equal(one[3]["samples"], other[3]["samples"]) for one, other in zip(found, apart, strict=True))


def test_prompt_schedules_share_their_first_stage(run: Run) -> None:
    cache = MemoryCache()

    def scheduled(step: int) -> dict[str, Any]:
        prompt = graph(a=plain())
        prompt["2"]["inputs"]["text"] = f"a [cat:dog:{step}]"
        return prompt

    calls = [run(scheduled(step), "a", cache=cache, prompt_schedule=True)[0] for step in (4, 2, 3)]
    assert calls == [STEPS, STEPS - 2, STEPS - 3]
    found = run(scheduled(3), "a", cache=cache, prompt_schedule=True)[1]
    assert same(found, run(scheduled(3), "a", prompt_schedule=True)[1])
