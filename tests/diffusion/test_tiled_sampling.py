"""Sampling in tiles: what it equals, and bad input. Numbers of ComfyUI: goldens tile_* in tests/parity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling import tiled_sampling
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.noise import RandomNoise
from weft.nodes.diffusion.sampling.tiled_sampling import sample_tiled, tiled_stage
from weft.nodes.diffusion.sampling.tiles import STRATEGIES, TilePass, passes
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

CONTEXT = torch.randn(1, 77, 64, generator=torch.Generator().manual_seed(1))
HOW: dict[str, Any] = {
    "seed": 5,
    "steps": 2,
    "cfg": 3.0,
    "sampler": "euler",
    "scheduler": "normal",
    "positive": [[CONTEXT, {}]],
    "negative": [[CONTEXT * 0.5, {}]],
}


@pytest.fixture(scope="module")
def model(random_models: Path) -> ModelPatcher:
    file = random_models / "checkpoints" / "weft-tiny.safetensors"
    return load_checkpoint(file, device=torch.device("cpu"), dtype=torch.float32).model


def latent(height: int = 20, width: int = 24, batch: int = 1) -> dict[str, Any]:
    return {"samples": torch.randn(batch, 4, height, width, generator=torch.Generator().manual_seed(2))}


def tiled(model: ModelPatcher, given: dict[str, Any], strategy: str = "simple", **how: Any) -> Tensor:
    settings = {**HOW, "denoise": 0.5, **how}
    tile, report = settings.pop("tile", (16, 16)), settings.pop("report", None)
    guidance = CFG(settings.pop("positive"), settings.pop("negative"), settings.pop("cfg"))
    noise = settings.pop("noise", None) or RandomNoise(settings["seed"])
    del settings["seed"]
    stage = tiled_stage(model.sampling, guidance, noise, **settings)
    return sample_tiled(model, given, stage, tile=tile, strategy=strategy, report=report)["samples"]


def test_one_tile_equals_the_same_stretch_of_ksampler(model: ModelPatcher) -> None:
    given = latent(12, 12)
    whole = ksample(model, given, **{**HOW, "steps": 4}, start=2, end=4)["samples"]
    assert torch.equal(tiled(model, given, "padded"), whole)
    assert torch.allclose(tiled(model, given, "simple"), whole, atol=1e-4)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_element_is_sampled_and_the_input_stays(model: ModelPatcher, strategy: str) -> None:
    given = latent(batch=2)
    before = given["samples"].clone()
    result = tiled(model, given, strategy)
    assert result.shape == before.shape
    assert result.isfinite().all()
    assert torch.equal(given["samples"], before)
    assert ((result - before).abs().amax(dim=1) > 1e-4).all()
    assert torch.equal(tiled(model, given, strategy), result)


def test_strict_tiles_do_not_depend_on_their_order(model: ModelPatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    forwards = tiled(model, latent(), "random strict")

    def backwards(*args: Any) -> list[TilePass]:
        return [replace(each, tiles=each.tiles[::-1]) for each in passes(*args)]

    monkeypatch.setattr(tiled_sampling, "passes", backwards)
    assert torch.equal(tiled(model, latent(), "random strict"), forwards)


def test_padded_tiles_see_the_surroundings_as_they_are(model: ModelPatcher) -> None:
    """Each tile keeps its middle alone, so a change just outside of it is seen, one beyond the tile is not."""
    given = latent(48, 16)
    near, far = ({"samples": given["samples"].clone()} for _ in range(2))
    near["samples"][..., 14, :] += 3.0  # in the first tile, which keeps rows 0 to 11
    far["samples"][..., 17, :] += 3.0
    plain, with_near, with_far = (tiled(model, each, "padded")[..., :12, :] for each in (given, near, far))
    assert not torch.allclose(with_near, plain, atol=1e-4)
    assert torch.allclose(with_far, plain, atol=1e-5)


def test_the_control_of_the_noise_is_asked_once_for_the_whole(model: ModelPatcher) -> None:
    asked = []

    class Recorded(RandomNoise):
        def generate_noise(self, latent: Mapping[str, Any]) -> Tensor:
            asked.append((tuple(latent["samples"].shape), self.seed, latent["batch_index"]))
            return torch.zeros_like(latent["samples"])

    given = {**latent(batch=2), "batch_index": [3, 4]}
    for strategy in STRATEGIES:
        tiled(model, given, strategy, noise=Recorded(5))
    assert asked == [((2, 4, 20, 24), 5, [3, 4])] * len(STRATEGIES)


def test_progress_counts_steps_of_tiles(model: ModelPatcher) -> None:
    told: list[tuple[int, int]] = []
    tiled(model, latent(), report=lambda done, total: told.append((done, total)))
    assert told == [(i, 8) for i in range(1, 9)]


def test_what_a_report_raises_ends_the_run(model: ModelPatcher) -> None:
    def stop(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        tiled(model, latent(), report=stop)


def test_denoise_0_changes_nothing(model: ModelPatcher) -> None:
    given = latent()
    assert torch.equal(tiled(model, given, denoise=0.0), given["samples"])


def test_conditions_stay_in_their_place(model: ModelPatcher) -> None:
    """Half of the picture has another prompt: the tiles of the other half do not see it."""
    other = [CONTEXT * -1.0, {"area": (20, 8, 0, 16)}]
    plain = tiled(model, latent(), tile=(20, 8))
    changed = tiled(model, latent(), tile=(20, 8), positive=[*HOW["positive"], other])
    assert torch.allclose(changed[..., :16], plain[..., :16], atol=1e-5)
    assert not torch.allclose(changed[..., 16:], plain[..., 16:], atol=1e-3)


def test_bad_input(model: ModelPatcher) -> None:
    with pytest.raises(DiffusionError, match="unknown tiling strategy 'randomm'; did you mean 'random'?"):
        tiled(model, latent(), "randomm")
    with pytest.raises(DiffusionError, match="at least 8x8 elements, got 4x16"):
        tiled(model, latent(), tile=(16, 4))
    with pytest.raises(DiffusionError, match="noise mask"):
        tiled(model, {**latent(), "noise_mask": torch.ones(1, 8, 8)})
    with pytest.raises(DiffusionError, match="unknown scheduler"):
        tiled(model, latent(), scheduler="karas")
