"""The noise of the SDE samplers: torchsde's Brownian tree as ComfyUI asks it, bit for bit."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.noise import brownian_noise, brownian_noise_on_device

from ..reference.store import units

SIGMAS = torch.tensor([14.614643, 7.9, 4.03, 1.91, 0.83, 0.32, 0.0])
X = torch.zeros(2, 4, 8, 8)


@pytest.fixture(scope="module")
def golden(parity: Path) -> dict[str, Tensor]:
    return units("noise")


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("seed", [0, 1234, 2**64 - 1])
@pytest.mark.parametrize("factory", [brownian_noise, brownian_noise_on_device])
def test_equals_comfyui(golden: dict[str, Tensor], batch: int, seed: int, factory) -> None:
    sigmas, expected = golden["brownian/sigmas"], golden[f"brownian/b{batch}_seed{seed}_steps"]
    source = factory(torch.zeros_like(expected[0]), sigmas, seed)
    for i, noise in enumerate(expected):
        assert torch.equal(source(i, sigmas[i], sigmas[i + 1]), noise)


def test_the_order_of_asking_does_not_matter() -> None:
    steps = list(enumerate(pairwise(SIGMAS[:-1])))
    source = brownian_noise(X, SIGMAS, 5)
    forward = [source(i, *pair) for i, pair in steps]
    source = brownian_noise(X, SIGMAS, 5)
    backward = [source(i, *pair) for i, pair in reversed(steps)]
    alone = [brownian_noise(X, SIGMAS, 5)(i, *pair) for i, pair in steps]
    for one, two, three in zip(forward, reversed(backward), alone, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)


def test_the_whole_is_the_sum_of_its_parts() -> None:
    source = brownian_noise(X, SIGMAS, 5)
    high, middle, low = torch.tensor([10.0, 6.5, 2.0])

    def increment(sigma: Tensor, sigma_next: Tensor) -> Tensor:
        return source(0, sigma, sigma_next) * (sigma - sigma_next).sqrt()

    assert torch.allclose(increment(high, middle) + increment(middle, low), increment(high, low), atol=1e-5)


def test_standard_normal_and_independent() -> None:
    source = brownian_noise(torch.zeros(1, 4, 64, 64), SIGMAS, 5)
    first, second = (source(i, SIGMAS[i], SIGMAS[i + 1]).flatten() for i in (1, 2))
    for noise in (first, second):
        assert abs(float(noise.mean())) < 0.03
        assert float(noise.std()) == pytest.approx(1.0, abs=0.03)
    assert abs(float((first * second).mean())) < 0.03


def test_the_ends_of_the_schedule_decide_the_path() -> None:
    whole, cut = brownian_noise(X, SIGMAS, 5), brownian_noise(X, SIGMAS[2:], 5)
    assert not torch.allclose(whole(2, SIGMAS[2], SIGMAS[3]), cut(0, SIGMAS[2], SIGMAS[3]))


def test_ends_that_torchsde_rounds_give_no_warning() -> None:
    """Its tree rounds to six digits: half of all ends then lie outside."""
    for top in (9.0000004, 9.0000014, 1 / 3, 2 / 3):
        sigmas = torch.tensor([top, top / 3, 0.0])
        assert brownian_noise(X, sigmas, 5)(0, sigmas[0], sigmas[1]).isfinite().all()


def test_a_single_step_asks_for_nothing() -> None:
    brownian_noise(X, torch.tensor([14.6, 0.0]), 5)


def test_shape_and_precision() -> None:
    x = torch.zeros(3, 4, 5, 7)
    noise = brownian_noise(x, SIGMAS, 5)(0, SIGMAS[0], SIGMAS[1])
    assert (noise.shape, noise.dtype) == (x.shape, torch.float32)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_out_of_range(seed: int) -> None:
    with pytest.raises(DiffusionError, match=r"seed must be in 0 \.\. 2\^64 - 1, got"):
        brownian_noise(X, SIGMAS, seed)
