"""LoRAs that are trained: the loss falls, the file loads, the model learns. By definition: no reference is at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import weft
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.training import Training, train_lora
from weft.nodes.diffusion.values.loss_plot import loss_plot
from weft.nodes.diffusion.weights.lora import apply_lora, lora_of

QUICK: dict[str, Any] = {"computes": "fp32", "kept": "fp32", "learning_rate": 0.01, "seed": 3}


def latents(count: int = 2) -> Tensor:
    return torch.randn(count, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 5


@pytest.fixture(scope="module")
def loaded(open_checkpoint: Callable[..., Any]) -> Any:
    return open_checkpoint("sd1")


@pytest.fixture(scope="module")
def trained(loaded: Any) -> tuple[dict[str, Tensor], list[float]]:
    before = {name: each.clone() for name, each in loaded.model.network.base.named_parameters()}
    found = train_lora(loaded.model, latents(), loaded.clip.encode("a cat"), Training(24, 4, **QUICK))
    for name, each in loaded.model.network.base.named_parameters():
        assert torch.equal(each, before[name])
        assert not each.requires_grad
    return found


def test_the_loss_falls(trained: tuple[dict[str, Tensor], list[float]]) -> None:
    _, losses = trained
    assert len(losses) == 24
    assert sum(losses[-8:]) < 0.85 * sum(losses[:8])


def test_the_factors_are_those_of_a_file(trained: tuple[dict[str, Tensor], list[float]], loaded: Any) -> None:
    """Every linear layer and convolution has two, which a loader finds; with them the model tells the noise better."""
    factors, _ = trained
    model, _, report = apply_lora(loaded.model, None, lora_of(factors), 1.0, 0.0)
    assert not report.unmatched
    assert not report.misfits
    layers = [
        each for each in loaded.model.network.base.modules() if isinstance(each, torch.nn.Linear | torch.nn.Conv2d)
    ]
    assert len(factors) == 2 * len(report.matched) == 2 * len(layers)
    assert factors["diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.lora_down.weight"].shape[0] == 4
    prompt = loaded.clip.encode("a cat")
    again = {"seed": 9, **{name: value for name, value in QUICK.items() if name != "seed"}, "learning_rate": 1e-9}
    (plain,), (better,) = (
        train_lora(each, latents(), prompt, Training(1, 1, accumulated=5, **again))[1] for each in (loaded.model, model)
    )
    assert better < 0.7 * plain


def test_a_training_is_the_same_again_and_goes_on(trained: tuple[dict[str, Tensor], list[float]], loaded: Any) -> None:
    prompt = loaded.clip.encode("a cat")
    one, losses = train_lora(loaded.model, latents(), prompt, Training(2, 4, **QUICK))
    assert losses == trained[1][:2]
    longer, more = train_lora(loaded.model, latents(), prompt, Training(1, 9, **QUICK), one)
    assert longer.keys() == one.keys()
    assert more[0] != losses[0]
    assert all(longer[key].shape == one[key].shape for key in one)
    with pytest.raises(DiffusionError, match="lacks 'diffusion_model.*lora_up.weight'"):
        train_lora(loaded.model, latents(), prompt, Training(1, 4, **QUICK), {"x": torch.zeros(1)})


@pytest.mark.parametrize(
    "optimizer", ["SGD", *(pytest.param(name, marks=pytest.mark.slow) for name in ("Adam", "RMSprop"))]
)
def test_every_optimizer_and_loss(loaded: Any, optimizer: str) -> None:
    loss = {"Adam": "L1", "SGD": "Huber", "RMSprop": "SmoothL1"}[optimizer]
    quick = QUICK | {"computes": "bf16", "kept": "bf16"}
    training = Training(1, 1, batch=2, accumulated=2, optimizer=optimizer, loss=loss, **quick)
    factors, (found,) = train_lora(loaded.model, latents(3), loaded.clip.encode("a cat") * 3, training)
    assert found > 0
    assert {each.dtype for each in factors.values()} == {torch.bfloat16}
    assert any(bool(each.any()) for key, each in factors.items() if "lora_up" in key)


def test_what_cannot_be_trained(loaded: Any) -> None:
    prompt = loaded.clip.encode("a cat")
    changed = loaded.model.clone()
    changed.set_model_attn1_output_patch(lambda x, options: x)
    with pytest.raises(DiffusionError, match="has functions put on it"):
        train_lora(changed, latents(), prompt, Training(1, 1, **QUICK))
    with pytest.raises(DiffusionError, match="3 prompts for 2 latents"):
        train_lora(loaded.model, latents(), prompt * 3, Training(1, 1, **QUICK))
    with pytest.raises(DiffusionError, match="the prompt carries 'area'"):
        train_lora(loaded.model, latents(), [[prompt[0][0], {"area": (1, 1, 0, 0)}]], Training(1, 1, **QUICK))
    with pytest.raises(DiffusionError, match="the loss of step 2 is"):
        train_lora(loaded.model, latents(), prompt, Training(9, 1, **QUICK | {"learning_rate": 1e30}, optimizer="SGD"))


def test_a_loss_is_drawn_as_a_curve() -> None:
    """From the upper left, where the loss is highest, to the lower right."""
    picture = loss_plot([3.0, 2.0, 1.0])
    assert picture.shape == (1, 600, 800, 3)
    blue = (picture[0] - torch.tensor([31, 119, 180]) / 255).abs().amax(dim=-1) < 0.02
    rows, columns = blue.nonzero().unbind(dim=1)
    assert rows[columns.argmin()] < 80
    assert rows[columns.argmax()] > 520
    with pytest.raises(DiffusionError, match="no loss to be drawn"):
        loss_plot([])


def test_the_nodes(random_models: Path, tmp_path: Path) -> None:
    """What was trained is saved, drawn, put on a model, and opened by LoraLoaderModelOnly as the same model."""

    def node(class_type: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": class_type, "inputs": inputs}

    settings = {"batch_size": 1, "grad_accumulation_steps": 1, "steps": 3, "learning_rate": 0.01, "rank": 2, "seed": 0}
    formats = {"training_dtype": "fp32", "lora_dtype": "fp32", "algorithm": "LoRA", "gradient_checkpointing": True}
    chosen = {"optimizer": "AdamW", "loss_function": "MSE", "existing_lora": "[None]"}
    prompt = {
        "1": node("CheckpointLoaderSimple", ckpt_name="weft-tiny.safetensors"),
        "2": node("CLIPTextEncode", clip=["1", 1], text="a cat"),
        "3": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "4": node(
            "TrainLoraNode", model=["1", 0], latents=["3", 0], positive=["2", 0], **settings, **formats, **chosen
        ),
        "5": node("SaveLoRANode", lora=["4", 1], prefix="loras/mine", steps=["4", 3]),
        "6": node("LossGraphNode", loss=["4", 2], filename_prefix="loss"),
        "7": node("LoraModelLoader", model=["1", 0], lora=["4", 1], strength_model=1.0),
    }
    result = weft.run(prompt, models=random_models, output=tmp_path, device="cpu", targets=["4", "5", "6", "7"])
    trained, factors, loss, steps = result["4"]
    (again,) = result["7"]
    assert (len(loss["loss"]), steps) == (3, 3)
    assert trained.network.identity == again.network.identity
    stored = load_file(tmp_path / "loras" / "mine_3_steps_00001_.safetensors")
    assert all(torch.equal(stored[key], each) for key, each in factors.items())
    assert (tmp_path / "loss_00001_.png").is_file()
    of_file, _, report = apply_lora(trained, None, lora_of(stored), -1.0, 0.0)
    assert not report.unmatched
    weights = dict(of_file.network.module().named_parameters())
    for name, weight in trained.network.base.named_parameters():
        torch.testing.assert_close(weights[name], weight, atol=1e-6, rtol=1e-5)
