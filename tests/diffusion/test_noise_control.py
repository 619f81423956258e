"""Noise control: which noise a run starts from. Numbers of ComfyUI: goldens noise_* in tests/parity."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.noise import prepare_noise
from weft.nodes.diffusion.sampling.noise_control import SOURCES, NoiseControl

ONE = torch.zeros(1, 4, 8, 8)
THREE = torch.zeros(3, 4, 8, 8)


def mixed(first: Tensor, second: Tensor, weight: float) -> Tensor:
    return first * (1 - weight) + second * weight


@pytest.mark.parametrize("source", ["cpu", "gpu"])
@pytest.mark.parametrize("places", [None, [4, 1, 1]])
def test_torch_on_the_cpu_is_what_every_run_starts_from(source: str, places: list[int] | None) -> None:
    assert torch.equal(NoiseControl(source)(THREE, 11, places), prepare_noise(THREE, 11, places))


def test_nv_draws_the_whole_batch_at_once() -> None:
    noise = NoiseControl("nv")(THREE, 11)
    assert noise.shape == THREE.shape
    assert torch.equal(noise[:1], NoiseControl("nv")(ONE, 11))
    assert not torch.equal(noise, prepare_noise(THREE, 11))


def test_nv_follows_the_batch_index() -> None:
    noise = NoiseControl("nv")(THREE, 11, [2, 0, 2])
    assert torch.equal(noise[0], noise[2])
    assert torch.equal(noise[1:2], NoiseControl("nv")(ONE, 11, [0]))
    assert not torch.equal(noise[0], noise[1])


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_a_single_item_is_mixed_by_the_weight(source: str, weight: float) -> None:
    plain = NoiseControl(source)
    noise = NoiseControl(source, 99, weight)(ONE, 11)
    assert torch.allclose(noise, mixed(plain(ONE, 11), plain(ONE, 99), weight), atol=1e-6)


def test_items_of_a_batch_share_a_draw_and_drift_away_from_it() -> None:
    base, variation = prepare_noise(ONE, 11)[0], prepare_noise(ONE, 99)[0]
    noise = NoiseControl("cpu", 99, 0.75)(THREE, 11)
    for place, share in enumerate((0.0, 0.75, 1.5)):
        assert torch.allclose(noise[place], mixed(base, variation, share), atol=1e-6)


def test_a_batch_index_keeps_each_item_its_own_draw() -> None:
    noise = NoiseControl("cpu", 99, 0.5)(THREE, 11, [1, 1, 3])
    base, variation = prepare_noise(THREE, 11, [1, 1, 3]), prepare_noise(THREE, 99, [1, 1, 3])
    assert torch.equal(noise[0], base[0])
    assert torch.allclose(noise[2], mixed(base[2], variation[2], 1.0), atol=1e-6)


def test_bad_input() -> None:
    with pytest.raises(DiffusionError, match="unknown source of noise 'nvidia'"):
        NoiseControl("nvidia")
    with pytest.raises(DiffusionError, match="seed must be in 0"):
        NoiseControl("cpu", -1)
    with pytest.raises(DiffusionError, match="seed must be in 0"):
        NoiseControl("nv")(ONE, 2**64)
