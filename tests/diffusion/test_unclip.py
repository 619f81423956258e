"""Pictures in the place of SDXL's pooled text, held to their definition: no reference values are at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.core.vision import unCLIPConditioning
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.clip_vision import VisionOutput
from weft.nodes.diffusion.values.unclip import noised, vector, with_picture

from .ksampling import ksample


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


def test_a_model_without_a_vector_refuses_pictures(open_checkpoint: Callable[..., Any]) -> None:
    loaded = open_checkpoint("sd1")
    prompt = loaded.clip.encode("a cat")
    with pytest.raises(DiffusionError, match="positive conditioning, entry 0: it carries a picture"):
        sampled(loaded, {"positive": with_picture(prompt, seen(1.0), 1.0, 0.0), "negative": prompt})
