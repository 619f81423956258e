"""What `weft plan --memory` says of a run, and what the run does: the models that are there while a node computes."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import weft
from weft.engine.events import Event, NodeFinished, NodeStarted
from weft.engine.session import Session
from weft.nodes.core.reckoning import reckoned
from weft.nodes.diffusion.families import small_file, working
from weft.nodes.diffusion.weights import memory as memories
from weft.nodes.diffusion.weights.memory import DeviceMemory, tensors_of

Graph = dict[str, Any]
RELEASE, FILE = "qwen_image", "model.safetensors"
# Bytes that runs leave free here: of the size of these models.
FREE, TEXT = 4 << 10, 1 << 10
NO_END = 1 << 40


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


class Watched(DeviceMemory):
    """A device with a budget, on the CPU."""

    budgets: int | None = None
    made: ClassVar[list[Watched]] = []

    def __init__(self, device: torch.device, budget: int | None = None, **others: Any) -> None:
        super().__init__(device, self.budgets, **others)
        self.made.append(self)

    @property
    def here(self) -> list[int]:
        """Bytes that are there of each network that is."""
        taken = (sum(each.nbytes for each in tensors_of(module) if self._is_here(each)) for module in self._used)
        return sorted(filter(None, taken))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of small models, Qwen-Image's."""
    folder = tmp_path_factory.mktemp("models")
    for kind, name in (("diffusion_models", RELEASE), ("text_encoders", "qwen_2.5_vl_7b"), ("vae", "wan")):
        tensors = small_file(kind, name, RELEASE, Path())
        assert tensors is not None
        (folder / kind).mkdir()
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / kind / FILE)
    return folder


def text_to_picture(negative: str = "a dog", device: str = "default") -> Graph:
    """A picture of two prompts, and another one from it. device: of the text encoder."""
    sides = {"positive": ["a", 0], "negative": ["b", 0]}
    sampled: dict[str, Any] = {
        "model": ["model", 0], "seed": 1, "steps": 1, "cfg": 2.0, "sampler_name": "euler", "scheduler": "simple",
        "denoise": 1.0, **sides,
    }  # fmt: skip
    return {
        "model": node("UNETLoader", unet_name=FILE, weight_dtype="default"),
        "clip": node("CLIPLoader", clip_name=FILE, type=RELEASE, device=device),
        "vae": node("VAELoader", vae_name=FILE),
        "a": node("CLIPTextEncode", text="a cat", clip=["clip", 0]),
        "b": node("CLIPTextEncode", text=negative, clip=["clip", 0]),
        "empty": node("EmptySD3LatentImage", width=64, height=64, batch_size=1),
        "first": node("KSampler", latent_image=["empty", 0], **sampled),
        "picture": node("VAEDecode", samples=["first", 0], vae=["vae", 0]),
        "again": node("VAEEncode", pixels=["picture", 0], vae=["vae", 0]),
        "second": node("KSampler", latent_image=["again", 0], **sampled),
        "decode": node("VAEDecode", samples=["second", 0], vae=["vae", 0]),
    }


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(working, "RESERVE", FREE)
    monkeypatch.setattr(working, "TEXT", TEXT)
    monkeypatch.setattr(working, "READING", TEXT + FREE)
    monkeypatch.setattr(memories, "DeviceMemory", Watched)
    Watched.made.clear()
    yield
    Watched.budgets = None


def planned(graph: Graph, models: Path, budget: int) -> tuple[Mapping[str, list[int]], list[str]]:
    """Bytes of the models that the plan says to be there, by node; and what is wrong, it says."""
    session = Session(models=models, device="cuda", dtype="float32", vram=budget)
    plan = session.plan(session.read(graph), ["decode"], values=False)
    account = reckoned(plan, session.settings)
    steps = {step.node_id: sorted(each.here for each in step.residents) for step in account.steps}
    return steps, [step.problem for step in account.steps if step.problem]


def run(graph: Graph, models: Path, budget: int) -> Mapping[str, list[int]]:
    """Bytes of the models that are there when a node has computed."""
    found: dict[str, list[int]] = {}

    def observe(event: Event) -> None:
        if isinstance(event, NodeFinished) and Watched.made:
            found[event.node_id] = Watched.made[0].here

    Watched.budgets = budget
    weft.run(graph, models=models, device="cpu", dtype="float32", targets=["decode"], observers=[observe])
    return found


MODEL, TEXT_ENCODER, VAE = 1_399_072, 2_452_128, 974_332


@pytest.mark.parametrize(
    ("budget", "device", "expected"),
    [
        (
            NO_END, "default",
            {
                "a": [TEXT_ENCODER], "b": [TEXT_ENCODER], "first": [MODEL], "picture": [VAE, MODEL],
                "again": [VAE, MODEL], "second": [VAE, MODEL], "decode": [VAE],
            },
        ),
        # The model leaves for the pictures, and comes again.
        (
            3 << 20, "default",
            {
                "a": [TEXT_ENCODER], "b": [TEXT_ENCODER], "first": [MODEL], "picture": [VAE],
                "again": [VAE], "second": [VAE, MODEL], "decode": [VAE],
            },
        ),
        # The VAE leaves for the model.
        (
            2560 << 10, "default",
            {
                "a": [TEXT_ENCODER], "b": [TEXT_ENCODER], "first": [MODEL], "picture": [VAE],
                "again": [VAE], "second": [MODEL], "decode": [VAE],
            },
        ),
        (
            NO_END, "cpu",
            {"first": [MODEL], "picture": [VAE, MODEL], "again": [VAE, MODEL], "second": [VAE, MODEL], "decode": [VAE]},
        ),
    ],
    ids=["all that is needed", "3 MiB", "2.5 MiB", "text encoder on the CPU"],
)  # fmt: skip
def test_the_models_that_a_plan_says_are_those_that_are_there(
    budget: int, device: str, expected: Mapping[str, list[int]], models: Path
) -> None:
    graph = text_to_picture(device=device)
    said, _ = planned(graph, models, budget)
    assert said == expected
    found = run(graph, models, budget)
    for node_id, sizes in expected.items():
        # A text encoder's tables of angles are in no file.
        assert found[node_id] == pytest.approx(sizes, rel=0.001), node_id


def test_what_no_node_needs_any_more_is_gone_at_once(models: Path) -> None:
    """On a CPU, where nothing moves: freed with the last one that holds it, not when garbage is collected."""
    there: dict[str, set[str]] = {}

    def observe(event: Event) -> None:
        if isinstance(event, NodeStarted):
            there[event.node_id] = {type(each).__name__ for each in gc.get_objects() if isinstance(each, nn.Module)}

    gc.collect()
    gc.disable()
    try:
        weft.run(text_to_picture(), models=models, device="cpu", targets=["decode"], observers=[observe])
    finally:
        gc.enable()
    text, model = "Qwen2Model", "QwenImageTransformer2DModel"
    assert {text, model} <= there["b"]
    assert text not in there["first"] and model in there["second"]
    assert model not in there["decode"]
