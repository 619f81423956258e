"""The structure of the four graphs that people learn KSampler (Advanced) with, on the small model: with the VAE in a
file of its own, and one PrimitiveInt that says where the first sampler ends and the second begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import weft

pytestmark = pytest.mark.usefixtures("each_for_itself")

STEPS: dict[str, Any] = {"steps": 8, "cfg": 2, "sampler_name": "euler", "scheduler": "karras"}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def stage(add: str, start: Any, end: Any, left: str, model: str, pos: str, neg: str, latent: str) -> dict[str, Any]:
    links = {"model": [model, 0], "positive": [pos, 0], "negative": [neg, 0], "latent_image": [latent, 0]}
    places = {"start_at_step": start, "end_at_step": end, "return_with_leftover_noise": left}
    return node("KSamplerAdvanced", add_noise=add, noise_seed=7, **STEPS, **places, **links)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with the small model's VAE as a file."""
    folder = tmp_path_factory.mktemp("models")
    prompt = {
        "1": node("CheckpointLoaderSimple", ckpt_name="weft-tiny.safetensors"),
        "2": node("VAESave", vae=["1", 2], filename_prefix="vae/small"),
    }
    weft.run(prompt, models=folder, output=folder, device="cpu")
    return folder


def run(models: Path, output: Path, **graph: Any) -> Any:
    shared = {
        "4": node("CheckpointLoaderSimple", ckpt_name="weft-tiny.safetensors"),
        "5": node("EmptyLatentImage", width=128, height=128, batch_size=1),
        "6": node("CLIPTextEncode", text="red apple", clip=["4", 1]),
        "7": node("CLIPTextEncode", text="", clip=["4", 1]),
        "10": node("VAELoader", vae_name="small_00001_.safetensors"),
    }
    named = {name.removeprefix("n"): one for name, one in graph.items()}
    last = [name for name, one in named.items() if one["class_type"].startswith("KSampler")]
    for name in last:
        named[f"{name}d"] = node("VAEDecode", samples=[name, 0], vae=["10", 0])
        named[f"{name}s"] = node("SaveImage", images=[f"{name}d", 0], filename_prefix=name)
    return weft.run({**shared, **named}, models=models, output=output, device="cpu", targets=last)


def samples(result: Any, node_id: str) -> torch.Tensor:
    tensor: torch.Tensor = result[node_id][0]["samples"]
    return tensor


def test_add_noise_and_divide(models: Path, tmp_path: Path) -> None:
    whole = {"denoise": 1, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}
    result = run(
        models,
        tmp_path,
        n3=node("KSampler", seed=7, **STEPS, **whole),
        n11=stage("enable", 0, 4, "enable", "4", "6", "7", "5"),
        n13=stage("disable", 4, 8, "disable", "4", "6", "7", "11"),
        n14=stage("disable", 0, 8, "disable", "4", "6", "7", "5"),
    )
    assert torch.allclose(samples(result, "13"), samples(result, "3"), atol=1e-4)
    assert not torch.allclose(samples(result, "14"), samples(result, "3"), atol=0.1)


def test_one_number_switches_prompt_and_lora(models: Path, tmp_path: Path) -> None:
    lora = {"lora_name": "weft-pixel.safetensors", "strength_model": 1, "strength_clip": 1}
    result = run(
        models,
        tmp_path,
        n17=node("CLIPTextEncode", text="red rabbit", clip=["4", 1]),
        n19=node("PrimitiveInt", value=3),
        n26=node("LoraLoader", **lora, model=["4", 0], clip=["4", 1]),
        n24=node("CLIPTextEncode", text="", clip=["26", 1]),
        n25=node("CLIPTextEncode", text="red apple", clip=["26", 1]),
        n11=stage("enable", 0, ["19", 0], "enable", "4", "6", "7", "5"),
        n13=stage("disable", ["19", 0], 8, "disable", "4", "17", "7", "11"),
        n14=stage("disable", ["19", 0], 8, "disable", "26", "25", "24", "11"),
    )
    assert len(result.files) == 3
    assert not torch.allclose(samples(result, "13"), samples(result, "14"), atol=0.1)
