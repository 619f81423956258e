"""`--sampling continuous`: a chain of stages is the single run, bit for bit, for every sampler.

On random weights, and on the tiny reference checkpoint where every split is tried. Self-made: nothing but equality
between two runs of Weft is asserted.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

import weft
from weft.engine.cache.memory import MemoryCache
from weft.nodes.diffusion.sampling.samplers import SAMPLERS

STEPS = 8
"""Four steps before a cut and more behind it: no solver looks back further."""
REFERENCE = "tiny_sd15.safetensors"
CUTTABLE = [name for name, sampler in SAMPLERS.items() if not sampler.own_steps]
SAMPLE = {
    "model": ["1", 0], "cfg": 7.0, "positive": ["2", 0], "negative": ["3", 0],
}  # fmt: skip


def chain(
    sampler: str,
    scheduler: str,
    cuts: tuple[int, ...],
    *,
    steps: int = STEPS,
    batch: int = 1,
    mask: bool = False,
    checkpoint: str = "weft-tiny.safetensors",
) -> dict[str, Any]:
    """A single KSampler (node 5) and the same run cut in stages (nodes 10, 11, ...; the last one is the result)."""
    nodes: dict[str, Any] = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": checkpoint}),
        "2": ("CLIPTextEncode", {"text": "a photo of a cat", "clip": ["1", 1]}),
        "3": ("CLIPTextEncode", {"text": "blurry", "clip": ["1", 1]}),
        "4": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": batch}),
    }
    start = ["4", 0]
    if mask:
        nodes["20"] = ("SolidMask", {"value": 0.6, "width": 64, "height": 64})
        nodes["21"] = ("LoadLatent", {"latent": "lat_a.latent"})
        nodes["22"] = ("SetLatentNoiseMask", {"samples": ["21", 0], "mask": ["20", 0]})
        start = ["22", 0]
    common = {**SAMPLE, "steps": steps, "sampler_name": sampler, "scheduler": scheduler}
    nodes["5"] = ("KSampler", {**common, "seed": 5, "latent_image": start, "denoise": 1.0})
    edges = [0, *cuts, 10_000]
    source = start
    for number, (first, last) in enumerate(pairwise(edges)):
        stage = {
            **common,
            "add_noise": "disable" if number else "enable",
            "noise_seed": 5,
            "latent_image": source,
            "start_at_step": first,
            "end_at_step": last,
            "return_with_leftover_noise": "disable" if last == 10_000 else "enable",
        }
        nodes[f"{10 + number}"] = ("KSamplerAdvanced", stage)
        source = [f"{10 + number}", 0]
    return {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()}


@pytest.fixture(scope="module")
def cache() -> MemoryCache:
    return MemoryCache()


@pytest.fixture
def run(parity: Path, random_models: Path, tmp_path: Path, cache: MemoryCache) -> Any:
    def run_prompt(prompt: dict[str, Any], *targets: str, **options: Any) -> weft.RunResult:
        given = {"cache": cache, "sampling": "continuous", **options}
        models = [random_models, parity / "models"]
        folders = {"models": models, "input": parity / "input", "output": tmp_path}
        return weft.run(prompt, targets=targets, device="cpu", **folders, **given)

    return run_prompt


def samples(result: weft.RunResult, node_id: str) -> torch.Tensor:
    found: torch.Tensor = result[node_id][0]["samples"]
    return found


SPLITS = [("karras", (4,))]
EVERY_SPLIT = [(scheduler, (k,)) for scheduler in ("normal", "karras", "beta") for k in (1, 5, 10, 19)]


@pytest.mark.parametrize("sampler", CUTTABLE)
@pytest.mark.parametrize(("scheduler", "cuts"), SPLITS)
def test_two_stages_are_one_run(sampler: str, scheduler: str, cuts: tuple[int, ...], run: Any) -> None:
    result = run(chain(sampler, scheduler, cuts), "5", "11")
    assert torch.equal(samples(result, "11"), samples(result, "5"))
    assert not result.warnings


@pytest.mark.slow
@pytest.mark.parametrize("sampler", CUTTABLE)
@pytest.mark.parametrize(("scheduler", "cuts"), EVERY_SPLIT)
def test_every_split(sampler: str, scheduler: str, cuts: tuple[int, ...], run: Any) -> None:
    result = run(chain(sampler, scheduler, cuts, steps=20, checkpoint=REFERENCE), "5", "11")
    assert torch.equal(samples(result, "11"), samples(result, "5"))


@pytest.mark.parametrize("sampler", ["euler_ancestral", "dpmpp_2m", "dpmpp_3m_sde", "uni_pc", "lms", "sa_solver"])
@pytest.mark.parametrize("options", [{"batch": 2}, {"mask": True}], ids=["batch", "mask"])
def test_three_stages_with_batches_and_masks(sampler: str, options: dict[str, Any], run: Any) -> None:
    result = run(chain(sampler, "karras", (4, 6), **options), "5", "12")
    assert torch.equal(samples(result, "12"), samples(result, "5"))


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "euler_ancestral", "uni_pc"])
def test_a_stage_from_the_cache_goes_on_as_well(sampler: str, run: Any) -> None:
    prompt = chain(sampler, "normal", (4,))
    own = MemoryCache()
    single = samples(run(prompt, "5", cache=own), "5")
    run({key: node for key, node in prompt.items() if key not in ("5", "11")}, "10", cache=own)
    result = run(prompt, "11", cache=own)
    assert "11" in result.timings
    assert "10" not in result.timings
    assert torch.equal(samples(result, "11"), single)


def test_comfy_mode_is_left_alone(run: Any) -> None:
    """In comfy mode a multistep solver forgets its history between the stages, as in ComfyUI."""
    result = run(chain("dpmpp_2m", "karras", (5,)), "5", "11", "10", sampling="comfy")
    assert not torch.equal(samples(result, "11"), samples(result, "5"))
    assert "sampler_state" not in result["10"][0]


@pytest.mark.parametrize(
    "switch",
    [
        {"positive": ["3", 0]},
        {"cfg": 4.0},
        {"model": ["40", 0]},
        {"positive": ["3", 0], "cfg": 4.0, "model": ["40", 0]},
    ],
    ids=["prompt", "cfg", "lora", "all"],
)
def test_the_state_survives_a_switch(switch: dict[str, Any], run: Any) -> None:
    """The history is the solver's: another prompt, cfg or LoRA in the next stage keeps it."""
    prompt = chain("dpmpp_2m", "karras", (5,))
    lora = {"model": ["1", 0], "lora_name": "weft-pixel.safetensors", "strength_model": 0.8}
    prompt["40"] = {"class_type": "LoraLoaderModelOnly", "inputs": lora}
    prompt["11"]["inputs"] |= switch
    result = run(prompt, "10", "11", "5")
    assert not result.warnings
    assert not torch.equal(samples(result, "11"), samples(result, "5")), "nothing was switched"
    forgetful = run(prompt, "10", "11", sampling="comfy")
    assert torch.equal(samples(result, "10"), samples(forgetful, "10"))
    assert not torch.equal(samples(result, "11"), samples(forgetful, "11")), "the state was not used"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sampler_name": "euler"}, "it is dpmpp_2m's, this stage is euler"),
        ({"scheduler": "normal"}, "another schedule"),
        ({"start_at_step": 6}, "it stopped at step 5, this stage starts at 6"),
        ({"add_noise": "enable"}, "this stage adds noise"),
    ],
)
def test_a_stage_that_disagrees_says_so(change: dict[str, Any], reason: str, run: Any) -> None:
    prompt = chain("dpmpp_2m", "karras", (5,))
    prompt["11"]["inputs"] |= change
    ((node_id, message),) = run(prompt, "11").warnings
    assert node_id == "11"
    assert "state of the sampler before was dropped" in message
    assert reason in message
    assert "node 10, 'KSamplerAdvanced'" in message


@pytest.mark.parametrize(
    ("class_type", "inputs"),
    [
        ("LatentUpscaleBy", {"upscale_method": "nearest-exact", "scale_by": 2.0}),
        ("RepeatLatentBatch", {"amount": 2}),
        ("LatentFlip", {"flip_method": "x-axis: vertically"}),
    ],
)
def test_a_node_that_changes_the_latent_in_between_is_named(class_type: str, inputs: dict[str, Any], run: Any) -> None:
    prompt = chain("dpmpp_2m", "karras", (5,))
    prompt["30"] = {"class_type": class_type, "inputs": {"samples": ["10", 0], **inputs}}
    prompt["11"]["inputs"]["latent_image"] = ["30", 0]
    ((_, message),) = run(prompt, "11").warnings
    assert "the latent was changed since" in message
    assert f"node 30, '{class_type}'" in message


def test_a_node_that_passes_the_latent_on_keeps_the_state(run: Any) -> None:
    prompt = chain("dpmpp_2m", "karras", (5,))
    prompt["30"] = {"class_type": "LatentUpscale", "inputs": {
        "samples": ["10", 0], "upscale_method": "bilinear", "width": 0, "height": 0, "crop": "disabled",
    }}  # fmt: skip
    prompt["11"]["inputs"]["latent_image"] = ["30", 0]
    result = run(prompt, "11", "5")
    assert not result.warnings
    assert torch.equal(samples(result, "11"), samples(result, "5"))


@pytest.mark.parametrize("sampler", ["heun", "dpmpp_2m", "dpmpp_sde"])
@pytest.mark.parametrize(
    ("class_type", "inputs"),
    [
        ("TomePatchModel", {"ratio": 0.5}),
        ("HyperTile", {"tile_size": 32, "swap_size": 4, "max_depth": 0, "scale_depth": False}),
        ("SelfAttentionGuidance", {"scale": 0.5, "blur_sigma": 2.0}),
    ],
)
def test_patches_of_the_model_choose_as_in_the_single_run(
    sampler: str, class_type: str, inputs: dict[str, Any], run: Any
) -> None:
    """Which tokens are merged, and into what tiles a picture is cut, is random: by seed and noise level."""
    prompt = chain(sampler, "karras", (2, 3))
    prompt["40"] = {"class_type": class_type, "inputs": {"model": ["1", 0], **inputs}}
    prompt["4"]["inputs"] |= {"width": 128, "height": 128}
    for node_id in ("5", "10", "11", "12"):
        prompt[node_id]["inputs"] |= {"model": ["40", 0], "steps": 5}
    result = run(prompt, "5", "12")
    assert torch.equal(samples(result, "12"), samples(result, "5"))
    other_seed = {**prompt, "5": {**prompt["5"], "inputs": {**prompt["5"]["inputs"], "seed": 6}}}
    assert not torch.equal(samples(run(other_seed, "5"), "5"), samples(result, "5"))


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_3m_sde", "uni_pc"])
def test_conditions_and_noise_of_a_part_of_the_batch(sampler: str, run: Any) -> None:
    """Four stages, a ControlNet and prompts for some of the steps; the last stage may leave noise: there is none."""
    prompt = chain(sampler, "karras", (2, 4, 6), batch=4, checkpoint=REFERENCE)
    more: dict[str, tuple[str, dict[str, Any]]] = {
        "30": ("LatentFromBatch", {"samples": ["4", 0], "batch_index": 1, "length": 2}),
        "31": ("ControlNetLoader", {"control_net_name": "tiny_controlnet.safetensors"}),
        "32": ("LoadImage", {"image": "img_a.png"}),
        "33": ("ConditioningSetTimestepRange", {"conditioning": ["2", 0], "start": 0.0, "end": 0.5}),
        "34": ("ConditioningSetTimestepRange", {"conditioning": ["3", 0], "start": 0.3, "end": 1.0}),
        "35": ("ConditioningCombine", {"conditioning_1": ["33", 0], "conditioning_2": ["34", 0]}),
        "36": ("ControlNetApplyAdvanced", {
            "positive": ["35", 0], "negative": ["3", 0], "control_net": ["31", 0], "image": ["32", 0], "strength": 0.8,
            "start_percent": 0.2, "end_percent": 0.6,
        }),
    }  # fmt: skip
    prompt |= {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in more.items()}
    for node_id in ("5", "10", "11", "12", "13"):
        prompt[node_id]["inputs"] |= {"positive": ["36", 0], "negative": ["36", 1]}
    for node_id in ("5", "10"):
        prompt[node_id]["inputs"]["latent_image"] = ["30", 0]
    prompt["13"]["inputs"]["return_with_leftover_noise"] = "enable"
    result = run(prompt, "5", "13")
    assert not result.warnings
    assert torch.equal(samples(result, "13"), samples(result, "5"))


def test_a_start_inside_the_schedule_can_be_cut_as_well(run: Any) -> None:
    prompt = chain("dpmpp_2m", "normal", (2, 5, 5), mask=True)
    prompt["11"]["inputs"] |= {"latent_image": ["22", 0], "add_noise": "enable"}
    whole = prompt["11"]["inputs"] | {"end_at_step": 10_000, "return_with_leftover_noise": "disable"}
    prompt["9"] = {"class_type": "KSamplerAdvanced", "inputs": whole}
    result = run(prompt, "9", "13")
    assert not result.warnings
    assert torch.equal(samples(result, "13"), samples(result, "9"))


@pytest.mark.parametrize(
    ("nodes", "maker"),
    [
        ({"30": ("VAEDecode", {"samples": ["10", 0], "vae": ["1", 2]}),
          "31": ("VAEEncode", {"pixels": ["30", 0], "vae": ["1", 2]})}, "node 31, 'VAEEncode'"),
        ({}, "node 10, 'KSamplerAdvanced'"),
    ],
    ids=["another latent", "a stage that ended the run"],
)  # fmt: skip
def test_a_latent_without_a_state_in_between(nodes: dict[str, Any], maker: str, run: Any) -> None:
    prompt = chain("dpmpp_2m", "karras", (5,))
    prompt |= {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()}
    if nodes:
        prompt["11"]["inputs"]["latent_image"] = ["31", 0]
    else:
        prompt["10"]["inputs"]["return_with_leftover_noise"] = "disable"
    ((node_id, message),) = run(prompt, "11").warnings
    assert node_id == "11"
    assert "this stage starts at step 5, and its latent carries no state of a sampler to go on from" in message
    assert maker in message
    assert not run(prompt, "11", sampling="comfy").warnings


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - set(CUTTABLE)))
def test_samplers_with_steps_of_their_own_run_and_say_so(sampler: str, run: Any) -> None:
    result = run(chain(sampler, "normal", (5,)), "11")
    assert [node_id for node_id, _ in result.warnings] == ["10", "11"]
    for _, message in result.warnings:
        assert message.startswith(f"{sampler} chooses its own steps: its stages do not add up to one run")
    assert samples(result, "11").isfinite().all()


def test_two_samplers_choose_their_own_steps(run: Any) -> None:
    assert not run(chain("dpm_fast", "normal", (5,)), "5").warnings, "a single run has nothing to warn of"
    assert set(SAMPLERS) - set(CUTTABLE) == {"dpm_fast", "dpm_adaptive"}
