"""Noise control: which noise a run starts from. Numbers of ComfyUI: goldens noise_* in tests/parity."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.noise import prepare_noise
from weft.nodes.diffusion.sampling.noise_control import SOURCES, ControlledNoise

ONE = torch.zeros(1, 4, 8, 8)
THREE = torch.zeros(3, 4, 8, 8)


def drawn(like: Tensor, places: list[int] | None = None, *, seed: int = 11, **settings: Any) -> Tensor:
    latent = {"samples": like} if places is None else {"samples": like, "batch_index": places}
    return ControlledNoise(seed, **settings).generate_noise(latent)


def mixed(first: Tensor, second: Tensor, weight: float) -> Tensor:
    return first * (1 - weight) + second * weight


@pytest.mark.parametrize("source", ["cpu", "gpu"])
@pytest.mark.parametrize("places", [None, [4, 1, 1]])
def test_torch_on_the_cpu_is_what_every_run_starts_from(source: str, places: list[int] | None) -> None:
    assert torch.equal(drawn(THREE, places, source=source), prepare_noise(THREE, 11, places))


def test_nv_draws_the_whole_batch_at_once() -> None:
    noise = drawn(THREE, source="nv")
    assert noise.shape == THREE.shape
    assert torch.equal(noise[:1], drawn(ONE, source="nv"))
    assert not torch.equal(noise, prepare_noise(THREE, 11))


def test_nv_follows_the_batch_index() -> None:
    noise = drawn(THREE, [2, 0, 2], source="nv")
    assert torch.equal(noise[0], noise[2])
    assert torch.equal(noise[1:2], drawn(ONE, [0], source="nv"))
    assert not torch.equal(noise[0], noise[1])


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_a_single_item_is_mixed_by_the_weight(source: str, weight: float) -> None:
    first, second = (drawn(ONE, seed=seed, source=source) for seed in (11, 99))
    noise = drawn(ONE, source=source, variation_seed=99, weight=weight)
    assert torch.allclose(noise, mixed(first, second, weight), atol=1e-6)


def test_items_of_a_batch_share_a_draw_and_drift_away_from_it() -> None:
    base, variation = prepare_noise(ONE, 11)[0], prepare_noise(ONE, 99)[0]
    noise = drawn(THREE, variation_seed=99, weight=0.75)
    for place, share in enumerate((0.0, 0.75, 1.5)):
        assert torch.allclose(noise[place], mixed(base, variation, share), atol=1e-6)


def test_a_batch_index_keeps_each_item_its_own_draw() -> None:
    noise = drawn(THREE, [1, 1, 3], variation_seed=99, weight=0.5)
    base, variation = prepare_noise(THREE, 11, [1, 1, 3]), prepare_noise(THREE, 99, [1, 1, 3])
    assert torch.equal(noise[0], base[0])
    assert torch.allclose(noise[2], mixed(base[2], variation[2], 1.0), atol=1e-6)


def test_bad_input() -> None:
    with pytest.raises(DiffusionError, match="unknown source of noise 'nvidia'"):
        ControlledNoise(11, "nvidia")
    with pytest.raises(DiffusionError, match="seed must be in 0"):
        ControlledNoise(11, "cpu", -1)
    with pytest.raises(DiffusionError, match="seed must be in 0"):
        ControlledNoise(2**64, "nv")
