"""Pictures in the place of SDXL's pooled text, held to their definition: no reference values are at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

import weft
from weft.nodes.core.vision import unCLIPConditioning
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.clip_vision import VisionOutput
from weft.nodes.diffusion.values.unclip import noised, vector, with_level, with_picture

from .ksampling import ksample
from .test_clip_vision import of_open_clip


def seen(*values: float, width: int = 4) -> VisionOutput:
    embeds = torch.stack([torch.full((width,), value) for value in values])
    return VisionOutput(embeds[:, None], embeds, embeds[:, None])


def noise(seed: int, width: int = 4) -> Tensor:
    return torch.randn(1, width, generator=torch.Generator().manual_seed(seed))


def test_a_vector_and_its_noise() -> None:
    """At 0 next to none; at 1 next to nothing but noise, which is of the run's seed less 10."""
    slight, whole = noised(torch.ones(1, 4), 0.0, 12), noised(torch.ones(1, 4), 1.0, 12)
    assert (slight - 1).abs().max() < 0.05
    assert not torch.equal(slight, torch.ones(1, 4))
    torch.testing.assert_close(whole, noise(2), atol=1e-2, rtol=0)
    assert not torch.equal(whole, noised(torch.ones(1, 4), 1.0, 13))
    assert noised(torch.ones(1, 4), 0.5, 0).shape == (1, 4), "a seed below 0 is one, too"


def test_pictures_are_weighed_and_added_up() -> None:
    prompt: Any = [[torch.zeros(1, 1, 1), {"pooled_output": torch.zeros(1, 4)}]]
    once = unCLIPConditioning(conditioning=prompt, clip_vision_output=seen(1.0), strength=0.5, noise_augmentation=0.25)
    torch.testing.assert_close(
        vector(once[0][1]["unclip_conditioning"], 4, 12), noised(torch.ones(1, 4), 0.25, 12) * 0.5
    )
    twice = with_picture(once, seen(2.0, 3.0), 1.0, 0.0)
    parts = [noised(torch.ones(1, 4), 0.25, 12) * 0.5, *(noised(torch.full((1, 4), v), 0.0, 12) for v in (2.0, 3.0))]
    torch.testing.assert_close(vector(twice[0][1]["unclip_conditioning"], 4, 12), noised(sum(parts), 0.0, 12))
    assert len(once[0][1]["unclip_conditioning"]) == 1
    assert with_picture(prompt, seen(1.0), 0.0, 0.0) == prompt
    with pytest.raises(DiffusionError, match="read as 4 numbers, the model takes 5"):
        vector(once[0][1]["unclip_conditioning"], 5, 12)
    flat = torch.zeros(1, 2, 4)
    with pytest.raises(DiffusionError, match="gives no vector for a picture"):
        with_picture(prompt, VisionOutput(flat, flat, flat), 1.0, 0.0)


def sampled(loaded: Any, conditionings: dict[str, Any], seed: int = 3) -> Tensor:
    settings = {"seed": seed, "steps": 1, "cfg": 2.0, "sampler": "euler", "scheduler": "normal"}
    found: Tensor = ksample(loaded.model, {"samples": torch.zeros(1, 4, 8, 8)}, **conditionings, **settings)["samples"]
    return found


def test_a_picture_stands_for_the_pooled_text(open_checkpoint: Callable[..., Any]) -> None:
    loaded = open_checkpoint("sdxl")
    prompt = loaded.clip.encode("a cat")
    width = prompt[0][1]["pooled_output"].shape[-1]
    shown = with_picture(prompt, seen(1.0, width=width), 1.0, 0.5)
    pooled = [[prompt[0][0], {"pooled_output": noised(torch.ones(1, width), 0.5, 3)}]]
    assert torch.equal(
        sampled(loaded, {"positive": shown, "negative": prompt}),
        sampled(loaded, {"positive": pooled, "negative": prompt}),
    )


def test_a_vector_with_its_noise_level() -> None:
    """Both weighed; of several pictures the mix, noised again, with the level of that."""
    entry = with_picture([[None, {}]], seen(1.0), 0.5, 0.25)[0][1]["unclip_conditioning"]
    found = with_level(entry, 4, 12)
    torch.testing.assert_close(found[:, :4], noised(torch.ones(1, 4), 0.25, 12) * 0.5)
    angles = torch.tensor([250.0, 250.0 / 100])
    torch.testing.assert_close(found[0, 4:], torch.cat((angles.cos(), angles.sin())) * 0.5, atol=1e-4, rtol=0)
    mixed = with_level([*entry, *entry], 4, 12)
    torch.testing.assert_close(mixed[:, :4], noised(found[:, :4] * 2, 0.05, 12))
    assert float(mixed[0, 4]) == pytest.approx(torch.tensor(50.0).cos().item(), abs=1e-4)
    assert not with_level((), 4, 12).any()


def test_a_checkpoint_of_unclip(open_checkpoint: Callable[..., Any]) -> None:
    """It samples with a picture and without, and a patched network gives the same."""
    loaded = open_checkpoint("sd2_unclip")
    assert loaded.kind.title == "Stable Diffusion 2.x unCLIP"
    prompt = loaded.clip.encode("a cat")
    shown = with_picture(prompt, seen(3.0, width=20), 1.0, 0.0)
    alone, with_it = (sampled(loaded, {"positive": each, "negative": prompt}) for each in (prompt, shown))
    assert not torch.equal(alone, with_it)
    patched = type(loaded)(loaded.model.clone(), loaded.clip, loaded.vae, loaded.kind)
    patched.model.set_model_attn1_patch(lambda q, k, v, options: (q, k, v))
    torch.testing.assert_close(sampled(patched, {"positive": shown, "negative": prompt}), with_it)
    with pytest.raises(DiffusionError, match="read as 4 numbers, the model takes 20"):
        sampled(loaded, {"positive": with_picture(prompt, seen(3.0), 1.0, 0.0), "negative": prompt})


def test_a_model_without_a_vector_refuses_pictures(open_checkpoint: Callable[..., Any]) -> None:
    loaded = open_checkpoint("sd1")
    prompt = loaded.clip.encode("a cat")
    with pytest.raises(DiffusionError, match="positive conditioning, entry 0: it carries a picture"):
        sampled(loaded, {"positive": with_picture(prompt, seen(1.0), 1.0, 0.0), "negative": prompt})


def test_the_loader_gives_its_vision_model(
    make_checkpoint: Callable[..., Path], tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """In open_clip's names, beside the rest, of which nothing is told."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 16}
    config = CLIPVisionConfig(**sizes, image_size=8, patch_size=4, projection_dim=20)
    tower = CLIPVisionModelWithProjection(config).state_dict()
    (tmp_path / "checkpoints").mkdir()
    beside = {f"embedder.model.{name}": tensor for name, tensor in of_open_clip(tower, layers=1).items()}
    beside |= {"noise_augmentor.betas": torch.zeros(3)}
    tensors = {**load_file(make_checkpoint("sd2_unclip")), **beside}
    save_file(tensors, tmp_path / "checkpoints" / "unclip.safetensors")
    session = weft.Session(models=(tmp_path,), device="cpu", dtype="float32")
    loader = {"1": {"class_type": "unCLIPCheckpointLoader", "inputs": {"ckpt_name": "unclip.safetensors"}}}
    model, _, _, vision = session.execute(session.plan(session.read(loader), ["1"]))["1"]
    assert model.kind.name == "sd2_unclip"
    assert vision.encode_image(torch.rand(1, 8, 8, 3)).image_embeds.shape == (1, 20)
    assert not [warning for warning in recwarn if "ignored" in str(warning.message)]
