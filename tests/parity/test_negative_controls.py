"""Workflows whose results are kept aside: how far ComfyUI's were from those of a public one.

The reference's tolerances.md, section 7, gives these distances to three digits: max|a-b| / max|b| between two results
of ComfyUI 0.3.64. One of each pair is a public golden; the other is run here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import weft
from weft.engine.cache.memory import MemoryCache

from ..reference.store import goldens

Edit = dict[str, Any]


def lora(base: str, name: str) -> tuple[str, Edit]:
    return base, {"LoraLoader": {"lora_name": f"tiny_{name}.safetensors"}}


def velocity(sampler: str, scheduler: str) -> tuple[str, Edit]:
    edit = {"ModelSamplingDiscrete": {"zsnr": False}}
    return "msd_vpred_euler_zsnr", {**edit, "KSampler": {"sampler_name": sampler, "scheduler": scheduler}}


def swapped(base: str, old: str, new: str, **inputs: Any) -> tuple[str, Edit]:
    return base, {old: {"class_type": new, **inputs}}


# What is run: a public workflow and, by class, what is other in it. The public golden. The distance.
CONTROLS = [
    (lora("lora_lora_b_w06", "lora_kohya"), "lora_none", 0.536),
    (lora("lora_lora_b", "locon"), "lora_none", 1.56),
    (lora("lora_lora_b_w06", "locon"), "lora_none", 0.529),
    (lora("lora_lora_b_w06", "loha"), "lora_none", 0.455),
    (lora("lora_lora_b", "lokr"), "lora_none", 1.24),
    (lora("lora_lora_b", "dora"), "lora_none", 0.649),
    (("merge_simple_1p0", {"ModelMergeSimple": {"ratio": 0.3}}), "lora_none", 0.603),
    (velocity("euler", "normal"), "lora_none", 0.964),
    (velocity("dpmpp_2m", "karras"), "lora_none", 1.0),
    (velocity("euler_ancestral", "normal"), "lora_none", 0.996),
    (
        swapped("freeu_v2", "FreeU_V2", "PerturbedAttentionGuidance", b1=None, b2=None, s1=None, s2=None, scale=20.0),
        "model_none_128",
        0.0607,
    ),
    (
        (
            "freeu_v2",
            {
                "FreeU_V2": {"class_type": "FreeU", "b1": 1.1, "b2": 1.2},
                "EmptyLatentImage": {"width": 64, "height": 64},
            },
        ),
        "lora_none",
        0.157,
    ),
    (
        swapped(
            "cond_combine", "ConditioningCombine", "ConditioningAverage",
            conditioning_1=None, conditioning_2=None, conditioning_to=["2", 0], conditioning_from=["5", 0],
            conditioning_to_strength=0.6,
        ),
        "ks_euler_normal",
        0.435,
    ),
    (
        swapped(
            "cond_combine", "ConditioningCombine", "ConditioningConcat",
            conditioning_1=None, conditioning_2=None, conditioning_to=["2", 0], conditioning_from=["5", 0],
        ),
        "ks_euler_normal",
        0.451,
    ),
    (
        swapped(
            "cond_combine", "ConditioningCombine", "ConditioningZeroOut",
            conditioning_1=None, conditioning_2=None, conditioning=["2", 0],
        ),
        "ks_euler_normal",
        0.798,
    ),
    (("cn_apply", {"ControlNetApply": {"strength": 0.4}}), "ks_euler_normal", 0.153),
]  # fmt: skip


@pytest.fixture(scope="module")
def cache() -> MemoryCache:
    return MemoryCache()


def sampled(prompt: dict[str, Any]) -> str:
    (node_id,) = (node_id for node_id, node in prompt.items() if node["class_type"] == "KSampler")
    return node_id


def name_of(case: tuple[str, Edit]) -> str:
    base, edit = case
    return "-".join([base, *(str(value) for inputs in edit.values() for value in inputs.values() if value is not None)])


@pytest.mark.parametrize(("case", "golden", "distance"), CONTROLS, ids=[name_of(control[0]) for control in CONTROLS])
def test_the_distance_is_comfyuis(
    case: tuple[str, Edit], golden: str, distance: float, parity: Path, tmp_path: Path, cache: MemoryCache
) -> None:
    base, edit = case
    prompt = goldens("comfyui")[base].copy_of_prompt()
    for node in prompt.values():
        changed = dict(edit.get(node["class_type"], {}))
        node["class_type"] = changed.pop("class_type", node["class_type"])
        inputs = {**node["inputs"], **changed}
        node["inputs"] = {name: value for name, value in inputs.items() if value is not None}
    target = sampled(prompt)
    folders: dict[str, Any] = {"models": parity / "models", "input": parity / "input", "output": tmp_path}
    got = weft.run(prompt, device="cpu", targets=[target], cache=cache, **folders)[target][0]["samples"]

    reference = goldens("comfyui")[golden]
    expected = reference.tensors[f"{sampled(reference.copy_of_prompt())}.0.samples"].whole
    found = ((got - expected).abs().max() / expected.abs().max()).item()
    assert float(f"{found:.3g}") == pytest.approx(distance, rel=1e-6)
