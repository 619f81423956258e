"""The Efficient loaders: what they expand into, and that it is what the core nodes do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import weft
from weft.engine.cache.memory import MemoryCache
from weft.engine.events import Event, NodeStarted
from weft.engine.links import Link
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.registry import Registry
from weft.nodes.efficiency.encoding import EncodePrompt, EncodePromptRefiner
from weft.nodes.efficiency.loading import add_checkpoint, add_control_nets, add_prompts, add_refiner_prompts
from weft.nodes.efficiency.values import ControlNetUse, Dependencies, LoraUse

CHECKPOINT, LORA = "weft-tiny.safetensors", "weft-pixel.safetensors"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover()


LOADER: dict[str, Any] = {
    "ckpt_name": CHECKPOINT,
    "vae_name": "Baked VAE",
    "clip_skip": -2,
    "lora_name": "None",
    "lora_model_strength": 1.0,
    "lora_clip_strength": 1.0,
    "positive": "a (red:1.3) cat",
    "negative": "blurry",
    "token_normalization": "none",
    "weight_interpretation": "comfy",
    "empty_latent_width": 64,
    "empty_latent_height": 128,
    "batch_size": 2,
}
SDXL = {
    "base_ckpt_name": CHECKPOINT,
    "base_clip_skip": -2,
    "refiner_ckpt_name": "None",
    "refiner_clip_skip": -1,
    "positive_ascore": 6.5,
    "negative_ascore": 2.5,
    **{name: value for name, value in LOADER.items() if not name.startswith(("ckpt", "clip", "lora"))},
}


def expand(registry: Registry, class_type: str, inputs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The outputs and the graph of a loader with id 7."""
    found = registry.runnable(class_type).call(**inputs, prompt={}, my_unique_id="7", graph=GraphBuilder("7.0.0."))
    return found["result"], found["expand"]


def classes(graph: dict[str, Any]) -> list[str]:
    return [node["class_type"] for node in graph.values()]


# Expansion


def test_what_a_loader_expands_into(registry: Registry) -> None:
    outputs, graph = expand(registry, "Efficient Loader", LOADER)
    assert classes(graph) == [
        "CheckpointLoaderSimple", "CLIPSetLastLayer", "weft.EncodePrompt", "weft.EncodePrompt", "EmptyLatentImage",
    ]  # fmt: skip
    inputs = [node["inputs"] for node in graph.values()]
    assert inputs[1]["stop_at_clip_layer"] == -2
    assert [each["text"] for each in inputs[2:4]] == ["a (red:1.3) cat", "blurry"]
    assert inputs[4] == {"width": 64, "height": 128, "batch_size": 2}
    assert outputs[0] == Link("7.0.0.0", 0)
    assert outputs[4] == Link("7.0.0.0", 2)
    assert outputs[5] == Link("7.0.0.1", 0)


def test_loras_in_their_order_the_inline_one_first(registry: Registry) -> None:
    """Conformance point 12."""
    stack = (LoraUse("b", 0.2, 0.3), LoraUse("c", 0.4, 0.5))
    given = {**LOADER, "lora_name": "a", "lora_model_strength": 0.1, "lora_clip_strength": 0.0, "lora_stack": stack}
    outputs, graph = expand(registry, "Efficient Loader", given)
    loras = [node["inputs"] for node in graph.values() if node["class_type"] == "LoraLoader"]
    assert [(each["lora_name"], each["strength_model"], each["strength_clip"]) for each in loras] == [
        ("a", 0.1, 0.0), ("b", 0.2, 0.3), ("c", 0.4, 0.5),
    ]  # fmt: skip
    assert [each["model"] for each in loras] == [Link("7.0.0.0", 0), Link("7.0.0.1", 0), Link("7.0.0.2", 0)]
    assert outputs[6].loras == (LoraUse("a", 0.1, 0.0), *stack)
    assert outputs[0] == Link("7.0.0.3", 0)


def test_a_vae_from_a_file(registry: Registry) -> None:
    outputs, graph = expand(registry, "Efficient Loader", {**LOADER, "vae_name": "other.safetensors"})
    assert graph[outputs[4].node_id] == {
        "class_type": "VAELoader",
        "inputs": {"vae_name": "other.safetensors"},
        "_meta": {"title": "Load other.safetensors"},
    }


def test_control_nets_are_put_on_both_prompts_in_their_order(registry: Registry) -> None:
    uses = tuple(ControlNetUse(Link(f"{i}", 0), Link(f"{i}", 1), i / 10, 0.0, 1.0) for i in (1, 2))
    outputs, graph = expand(registry, "Efficient Loader", {**LOADER, "cnet_stack": uses})
    first, second = (name for name, node in graph.items() if node["class_type"] == "ControlNetApplyAdvanced")
    assert graph[first]["inputs"]["control_net"] == Link("1", 0)
    assert graph[second]["inputs"]["strength"] == 0.2
    assert (graph[second]["inputs"]["positive"], graph[second]["inputs"]["negative"]) == (
        Link(first, 0),
        Link(first, 1),
    )
    assert outputs[1:3] == (Link(second, 0), Link(second, 1))


def test_dependencies_describe_the_loader(registry: Registry) -> None:
    outputs, _ = expand(registry, "Efficient Loader", LOADER)
    assert outputs[6] == Dependencies(
        vae_name="Baked VAE",
        ckpt_name=CHECKPOINT,
        clip=Link("7", 5),
        clip_skip=-2,
        refiner_name="None",
        refiner_clip_skip=None,
        positive="a (red:1.3) cat",
        negative="blurry",
        token_normalization="none",
        weight_interpretation="comfy",
        ascore=None,
        width=64,
        height=128,
        loras=(),
        control_nets=(),
    )
    hash(outputs[6])


def test_sdxl_without_a_refiner(registry: Registry) -> None:
    outputs, graph = expand(registry, "Eff. Loader SDXL", {**SDXL, "lora_stack": (LoraUse("a", 1.0, 1.0),)})
    packed = graph[outputs[0].node_id]
    assert packed["class_type"] == "weft.PackSdxl"
    assert [name for name in packed["inputs"] if name.startswith("refiner")] == []
    assert classes(graph).count("CheckpointLoaderSimple") == 1
    assert classes(graph).count("LoraLoader") == 1
    assert (outputs[3].clip, outputs[3].refiner_clip_skip, outputs[3].ascore) == (None, None, (6.5, 2.5))


def test_sdxl_with_a_refiner(registry: Registry) -> None:
    """The refiner has no LoRAs and no control nets; its prompts are told size and score."""
    use = ControlNetUse(Link("1", 0), Link("2", 0), 1.0, 0.0, 1.0)
    given = {**SDXL, "refiner_ckpt_name": "r", "lora_stack": (LoraUse("a", 1.0, 1.0),), "cnet_stack": (use,)}
    outputs, graph = expand(registry, "Eff. Loader SDXL", given)
    refined = [node["inputs"] for node in graph.values() if node["class_type"] == "weft.EncodePromptRefiner"]
    assert [(each["ascore"], each["width"], each["height"]) for each in refined] == [(6.5, 64, 128), (2.5, 64, 128)]
    assert (classes(graph).count("LoraLoader"), classes(graph).count("ControlNetApplyAdvanced")) == (1, 1)
    packed = graph[outputs[0].node_id]["inputs"]
    assert list(packed) == [
        f"{part}_{name}" for part in ("base", "refiner") for name in ("model", "clip", "positive", "negative")
    ]
    assert graph[packed["refiner_model"].node_id]["inputs"] == {"ckpt_name": "r"}
    skip = graph[packed["refiner_clip"].node_id]
    assert (skip["class_type"], skip["inputs"]["stop_at_clip_layer"]) == ("CLIPSetLastLayer", -1)
    assert outputs[3].refiner_name == "r"


def test_a_plot_builds_the_same_nodes(registry: Registry) -> None:
    """What a cell makes anew has the inputs that the loader's own have: so the keys are equal."""
    _, made = expand(registry, "Efficient Loader", {**LOADER, "lora_name": "a"})
    graph = GraphBuilder("7.0.0.")
    loaded = add_checkpoint(graph, CHECKPOINT, "Baked VAE", -2, (LoraUse("a", 1.0, 1.0),))
    add_prompts(graph, loaded.clip, "a (red:1.3) cat", "blurry", "none", "comfy")
    assert graph.nodes == {name: node for name, node in made.items() if node["class_type"] != "EmptyLatentImage"}


def test_no_control_nets_change_nothing() -> None:
    graph = GraphBuilder("")
    assert add_control_nets(graph, Link("1", 0), Link("2", 0), ()) == (Link("1", 0), Link("2", 0))
    assert graph.nodes == {}


def test_refiner_prompts_are_named_for_who_watches() -> None:
    graph = GraphBuilder("")
    add_refiner_prompts(graph, Link("1", 0), "p", "n", "none", "comfy", (6.0, 2.0), 64, 64)
    titles = [node["_meta"]["title"] for node in graph.nodes.values()]
    assert titles == ["Encode the positive prompt for the refiner", "Encode the negative prompt for the refiner"]


def test_a_refiner_is_told_size_and_score(make_context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode_prompt(clip: Any, *given: Any) -> list[Any]:
        return [[(clip, *given), {"pooled_output": 1}]]

    monkeypatch.setattr("weft.nodes.diffusion.text.prompt_encoder.encode_prompt", encode_prompt)
    context = make_context()
    encoding: dict[str, Any] = {
        "clip": "C",
        "text": "t",
        "token_normalization": "mean",
        "weight_interpretation": "compel",
    }
    encoding["context"] = context
    [[cond, options]] = EncodePromptRefiner(**encoding, ascore=6.5, width=64, height=128)
    assert cond == ("C", "t", "mean", "compel", context.warn)
    assert options == {"pooled_output": 1, "aesthetic_score": 6.5, "width": 64, "height": 128}
    assert EncodePrompt(**encoding) == [[cond, {"pooled_output": 1}]]


# The loader against the core nodes


def sampled(model: list[Any], positive: list[Any], negative: list[Any], latent: list[Any]) -> dict[str, Any]:
    settings = {"seed": 5, "steps": 2, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    links = {"model": model, "positive": positive, "negative": negative, "latent_image": latent}
    return {"class_type": "KSampler", "inputs": {**settings, **links}}


@pytest.fixture
def workflow() -> dict[str, Any]:
    """A sampler on an Efficient Loader with two LoRAs (11), and one on the same from core nodes (21)."""
    stacker = {"input_mode": "advanced", "lora_count": 1}
    stacker |= {"lora_name_1": LORA, "model_str_1": 0.4, "clip_str_1": -0.3, "lora_wt_1": 9.0}
    loader = {**LOADER, "lora_name": LORA, "lora_model_strength": 0.7, "lora_clip_strength": 0.5}
    first = {"lora_name": LORA, "strength_model": 0.7, "strength_clip": 0.5}
    second = {"lora_name": LORA, "strength_model": 0.4, "strength_clip": -0.3}
    return {
        "1": {"class_type": "LoRA Stacker", "inputs": stacker},
        "2": {"class_type": "Efficient Loader", "inputs": {**loader, "lora_stack": ["1", 0]}},
        "11": sampled(["2", 0], ["2", 1], ["2", 2], ["2", 3]),
        "12": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}},
        "13": {"class_type": "LoraLoader", "inputs": {"model": ["12", 0], "clip": ["12", 1], **first}},
        "14": {"class_type": "LoraLoader", "inputs": {"model": ["13", 0], "clip": ["13", 1], **second}},
        "15": {"class_type": "CLIPSetLastLayer", "inputs": {"clip": ["14", 1], "stop_at_clip_layer": -2}},
        "16": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["15", 0], "text": LOADER["positive"]}},
        "17": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["15", 0], "text": LOADER["negative"]}},
        "18": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 128, "batch_size": 2}},
        "21": sampled(["14", 0], ["16", 0], ["17", 0], ["18", 0]),
    }


def run(workflow: dict[str, Any], models: Path, targets: list[str], cache: MemoryCache) -> tuple[Any, list[str]]:
    """The result, and the classes of the nodes that were called."""
    called: list[str] = []

    def watch(event: Event) -> None:
        if isinstance(event, NodeStarted):
            called.append(event.class_type)

    found = weft.run(workflow, models=models, targets=targets, cache=cache, device="cpu", observers=[watch])
    return found, called


def test_equal_to_the_core_nodes_bit_for_bit(workflow: dict[str, Any], random_models: Path) -> None:
    result, called = run(workflow, random_models, ["2", "11", "14", "16", "17", "21"], MemoryCache())
    assert torch.equal(result["2"][1][0][0], result["16"][0][0][0])
    assert torch.equal(result["2"][2][0][0], result["17"][0][0][0])
    assert torch.equal(result["11"][0]["samples"], result["21"][0]["samples"])
    assert result["11"][0]["samples"].shape == (2, 4, 16, 8)
    # The loader's nodes inside are the workflow's own: both are computed once.
    assert called.count("CheckpointLoaderSimple") == 1
    assert called.count("LoraLoader") == 2


def test_a_removed_lora_leaves_nothing_behind(workflow: dict[str, Any], random_models: Path) -> None:
    """In the pack a stack taken away, or the same LoRA twice, could go unseen by its cache."""
    cache = MemoryCache()
    inline = {**workflow["2"]["inputs"], "lora_name": "None"}
    bare = {**workflow, "2": {"class_type": "Efficient Loader", "inputs": inline | {"lora_stack": ["1", 0]}}}
    without = {**workflow, "2": {"class_type": "Efficient Loader", "inputs": {**LOADER}}}
    cold = [run(each, random_models, ["11"], MemoryCache())[0]["11"][0]["samples"] for each in (bare, without)]
    run(workflow, random_models, ["11"], cache)
    warm = [run(each, random_models, ["11"], cache)[0]["11"][0]["samples"] for each in (bare, without)]
    assert all(torch.equal(a, b) for a, b in zip(cold, warm, strict=True))
    assert not torch.equal(*warm)


def test_a_new_prompt_encodes_that_prompt_only(workflow: dict[str, Any], random_models: Path) -> None:
    cache = MemoryCache()
    run(workflow, random_models, ["2"], cache)
    changed = {**workflow["2"]["inputs"], "positive": "a dog"}
    again = {**workflow, "2": {"class_type": "Efficient Loader", "inputs": changed}}
    assert run(again, random_models, ["2"], cache)[1] == ["Efficient Loader", "weft.EncodePrompt"]


def test_slots_that_do_not_count_change_nothing(workflow: dict[str, Any], random_models: Path) -> None:
    """Section 7: hidden slots keep stale values, even of files that are gone; they are not looked at."""
    cache = MemoryCache()
    run(workflow, random_models, ["1"], cache)
    stale = {"lora_name_2": "gone.safetensors", "lora_wt_1": 3.0, "clip_str_50": 1e9}
    again = {**workflow, "1": {"class_type": "LoRA Stacker", "inputs": {**workflow["1"]["inputs"], **stale}}}
    result, called = run(again, random_models, ["1"], cache)
    assert called == []
    assert result["1"][0] == (LoraUse(LORA, 0.4, -0.3),)


def test_a_checkpoint_without_a_text_encoder_is_told(workflow: dict[str, Any], random_models: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(random_models / "checkpoints" / CHECKPOINT)
    (Path("bare") / "checkpoints").mkdir(parents=True)
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("cond_stage_model")}
    save_file(kept, Path("bare") / "checkpoints" / "bare.safetensors")
    loader = {"2": {"class_type": "Efficient Loader", "inputs": {**LOADER, "ckpt_name": "bare.safetensors"}}}
    with pytest.raises(weft.NodeFailed, match="holds no text encoder"):
        run(loader, Path("bare"), ["2"], MemoryCache())
