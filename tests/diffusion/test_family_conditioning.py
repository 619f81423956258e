"""Every family of transformers with every node that changes conditionings: it acts, or an error says why it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import weft
from weft.engine.cache.memory import MemoryCache
from weft.engine.schema.registry import Registry
from weft.nodes.diffusion.families import small_file

# Release -> what loads its text encoders, their files, and what makes its empty latent.
FAMILIES: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "flux": ("flux", ("clip_l", "t5xxl"), "EmptySD3LatentImage"),
    "sd3": ("sd3", ("clip_l", "clip_g", "t5xxl"), "EmptySD3LatentImage"),
    "wan": ("wan", ("umt5_xxl",), "EmptyHunyuanLatentVideo"),
    "qwen_image": ("qwen_image", ("qwen_2.5_vl_7b",), "EmptySD3LatentImage"),
    "z_image": ("lumina2", ("qwen_3_4b",), "EmptySD3LatentImage"),
}
# One of them in every run of the suite; the others are as long as it.
EACH = [pytest.param(release, marks=() if release == "flux" else pytest.mark.slow) for release in FAMILIES]
SIDE = 64
OF_SD3 = (
    "lora_te1_text_model_encoder_layers_0_mlp_fc1",
    "lora_te2_text_model_encoder_layers_0_mlp_fc1",
    "lora_te3_encoder_block_0_layer_0_SelfAttention_q",
)
SHORT, LONG = "a cat", "a dog (on a chair:1.2), " + "in the garden behind the old house, " * 16
Graph = dict[str, Any]


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for release, (_, names, _) in FAMILIES.items():
        wanted = [("diffusion_models", release), *(("text_encoders", name) for name in names)]
        for kind, name in wanted:
            tensors = small_file(kind, name, release, Path())
            assert tensors is not None
            path = folder / kind / f"{release}_{name}.safetensors"
            path.parent.mkdir(exist_ok=True)
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path)
    return folder


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover()


@pytest.fixture(scope="module")
def cache() -> MemoryCache:
    return MemoryCache()


def graph(release: str, **nodes: Any) -> Graph:
    kind, names, empty = FAMILIES[release]
    files = [f"{release}_{name}.safetensors" for name in names]
    clips = {f"clip_name{number}": file for number, file in enumerate(files, 1)}
    loader = {
        1: lambda: node("CLIPLoader", clip_name=files[0], type=kind),
        2: lambda: node("DualCLIPLoader", type=kind, **clips),
        3: lambda: node("TripleCLIPLoader", **clips),
    }[len(files)]()
    frames = {"length": 5} if "Video" in empty else {}
    whole = {
        "model": node("UNETLoader", unet_name=f"{release}_{release}.safetensors", weight_dtype="default"),
        "clip": loader,
        "a": node("CLIPTextEncode", text=SHORT, clip=["clip", 0]),
        "b": node("CLIPTextEncode", text=LONG, clip=["clip", 0]),
        "latent": node(empty, width=SIDE, height=SIDE, batch_size=1, **frames),
        "mask": node("SolidMask", value=1.0, width=SIDE // 2, height=SIDE),
        "run": node(
            "KSampler", model=["model", 0], seed=1, steps=2, cfg=2.0, sampler_name="euler", scheduler="simple",
            positive=["a", 0], negative=["b", 0], latent_image=["latent", 0], denoise=1.0,
        ),
    }  # fmt: skip
    whole |= nodes
    if "new" in nodes:
        whole["run"]["inputs"]["positive"] = ["new", 0]
    return whole


# What is done to the prompts "a" and "b", and whether the picture is another one by it.
CHANGES: Mapping[str, dict[str, Any]] = {
    "combine": node("ConditioningCombine", conditioning_1=["a", 0], conditioning_2=["b", 0]),
    "average": node(
        "ConditioningAverage", conditioning_to=["a", 0], conditioning_from=["b", 0], conditioning_to_strength=0.5
    ),
    "average of a short one": node(
        "ConditioningAverage", conditioning_to=["b", 0], conditioning_from=["a", 0], conditioning_to_strength=0.5
    ),
    "concat": node("ConditioningConcat", conditioning_to=["a", 0], conditioning_from=["b", 0]),
    "area": node("ConditioningSetArea", conditioning=["b", 0], width=64, height=64, x=0, y=0, strength=0.5),
    "share": node(
        "ConditioningSetAreaPercentage", conditioning=["b", 0], width=0.5, height=1.0, x=0.0, y=0.0, strength=0.7
    ),
    "mask": node("ConditioningSetMask", conditioning=["b", 0], mask=["mask", 0], strength=0.5, set_cond_area="default"),
    "bounds of a mask": node(
        "ConditioningSetMask", conditioning=["b", 0], mask=["mask", 0], strength=0.5, set_cond_area="mask bounds"
    ),
    "range": node("ConditioningSetTimestepRange", conditioning=["b", 0], start=0.0, end=0.5),
    "zero": node("ConditioningZeroOut", conditioning=["a", 0]),
}


class Runs:
    def __init__(self, models: Path, output: Path, registry: Registry, cache: MemoryCache) -> None:
        self.given = {"models": models, "output": output, "registry": registry, "cache": cache, "device": "cpu"}

    def __call__(self, prompt: Graph) -> Tensor:
        return weft.run(prompt, targets=["run"], **self.given)["run"][0]["samples"]


@pytest.fixture
def run(models: Path, tmp_path: Path, registry: Registry, cache: MemoryCache) -> Runs:
    return Runs(models, tmp_path, registry, cache)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("release", EACH)
def test_it_acts(release: str, change: str, run: Runs) -> None:
    nodes: Graph = {"new": CHANGES[change]}
    if change in ("area", "share", "mask", "bounds of a mask", "range"):
        # The rest of the picture, or of the way, is the other prompt's.
        nodes |= {"part": CHANGES[change]}
        nodes["new"] = node("ConditioningCombine", conditioning_1=["a", 0], conditioning_2=["part", 0])
    got = run(graph(release, **nodes))
    assert got.isfinite().all()
    assert not torch.equal(got, run(graph(release)))


@pytest.mark.parametrize("release", EACH)
def test_items_of_a_batch_are_apart(release: str, run: Runs) -> None:
    """Two latents and two prompts of different length: each pair as it would be alone."""
    prompt = graph(release)
    prompt["latent"]["inputs"]["batch_size"] = 2
    both = run(prompt)
    alone = run(graph(release))
    assert both.shape[0] == 2
    # The first of a batch has the noise of the one that is alone.
    torch.testing.assert_close(both[:1], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("release", EACH)
def test_another_layer_of_the_text_encoder(release: str, run: Runs) -> None:
    last = {"skip": node("CLIPSetLastLayer", clip=["clip", 0], stop_at_clip_layer=-2)}
    last["new"] = node("CLIPTextEncode", text=SHORT, clip=["skip", 0])
    got = run(graph(release, **last))
    assert got.isfinite().all()


@pytest.mark.parametrize(
    ("release", "layer"),
    [
        ("flux", "lora_te1_text_model_encoder_layers_0_mlp_fc1"),
        ("flux", "lora_te2_encoder_block_0_layer_0_SelfAttention_q"),
        *(pytest.param("sd3", layer, marks=pytest.mark.slow) for layer in OF_SD3),
    ],
)
def test_a_lora_of_the_text_encoder(release: str, layer: str, models: Path, run: Runs) -> None:
    prompt = graph(release)
    kept = shape_of(models, release, layer)
    (models / "loras").mkdir(exist_ok=True)
    save_file(
        {f"{layer}.lora_up.weight": torch.ones(kept[0], 1), f"{layer}.lora_down.weight": torch.ones(1, kept[1])},
        models / "loras" / f"{release}_{layer}.safetensors",
    )
    prompt["lora"] = node(
        "LoraLoader", model=["model", 0], clip=["clip", 0], lora_name=f"{release}_{layer}.safetensors",
        strength_model=0.0, strength_clip=1.0,
    )  # fmt: skip
    prompt["a"]["inputs"]["clip"] = ["lora", 1]
    assert not torch.equal(run(prompt), run(graph(release)))


def shape_of(models: Path, release: str, layer: str) -> tuple[int, ...]:
    """The shape of the weight that a layer of a LoRA is for."""
    tower = {"1": "clip_l", "2": "clip_g" if release == "sd3" else "t5xxl", "3": "t5xxl"}[layer[7]]
    name = "q.weight" if tower == "t5xxl" else "layers.0.mlp.fc1.weight"
    tensors = load_file(models / "text_encoders" / f"{release}_{tower}.safetensors")
    (key,) = [key for key in tensors if key.endswith(name) and ("block.0." in key or ".mlp." in key)]
    return tuple(tensors[key].shape)


@pytest.mark.parametrize("release", EACH)
def test_what_a_noise_mask_keeps(release: str, run: Runs) -> None:
    prompt = graph(release)
    prompt["masked"] = node("SetLatentNoiseMask", samples=["latent", 0], mask=["half", 0])
    prompt["half"] = node("MaskComposite", destination=["none", 0], source=["mask", 0], x=0, y=0, operation="add")
    prompt["none"] = node("SolidMask", value=0.0, width=SIDE, height=SIDE)
    prompt["run"]["inputs"]["latent_image"] = ["masked", 0]
    got = run(prompt)
    assert got.isfinite().all() and got[..., : SIDE // 16].any()
