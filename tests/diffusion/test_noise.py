"""Noise: ComfyUI's, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.eras import numbers_of
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.noise import LevelRandom, PatchRandom, SequentialNoise, prepare_noise

from ..reference.store import units


@pytest.fixture(scope="module")
def golden(parity: Path) -> dict[str, Tensor]:
    return units("noise")


@pytest.mark.parametrize("seed", [0, 1, 1234, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_initial_noise(golden: dict[str, Tensor], seed: int) -> None:
    expected = golden[f"randn/seed{seed}"]
    assert torch.equal(prepare_noise(torch.zeros_like(expected), seed), expected)


def test_initial_noise_of_another_size(golden: dict[str, Tensor]) -> None:
    assert torch.equal(prepare_noise(torch.zeros(1, 4, 8, 12), 1234), golden["randn/seed1234_1x4x8x12"])


@pytest.mark.parametrize("places", [[2], [2, 1], [0, 0, 3]])
def test_batch_index(golden: dict[str, Tensor], places: list[int]) -> None:
    name = "_".join(map(str, places))
    got = prepare_noise(torch.zeros(len(places), 4, 8, 8), 1234, places)
    assert torch.equal(got, golden[f"randn/seed1234_inds_{name}"])


def test_item_by_item_is_another_stream_for_odd_sizes() -> None:
    latent = torch.zeros(2, 4, 9, 7)
    whole, items = prepare_noise(latent, 5), prepare_noise(latent, 5, [0, 1])
    assert not torch.allclose(whole[1], items[1])
    even = torch.zeros(2, 4, 8, 8)
    assert torch.equal(prepare_noise(even, 5), prepare_noise(even, 5, [0, 1]))


def test_only_the_shape_of_the_latent_counts() -> None:
    half = torch.ones(1, 4, 8, 8, dtype=torch.float16)
    noise = prepare_noise(half, 3)
    assert noise.dtype == torch.float32
    assert torch.equal(noise, prepare_noise(torch.zeros(1, 4, 8, 8), 3))


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    prepare_noise(torch.zeros(1, 4, 8, 8), 3, [1])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_out_of_range(seed: int) -> None:
    with pytest.raises(DiffusionError, match=r"seed must be in 0 \.\. 2\^64 - 1, got"):
        prepare_noise(torch.zeros(1, 4, 8, 8), seed)
    with pytest.raises(DiffusionError, match="seed must be"):
        SequentialNoise(torch.zeros(1, 4, 8, 8), seed)


def test_batch_index_that_does_not_fit() -> None:
    with pytest.raises(DiffusionError, match="batch_index has 3 entries for a latent of 2 items"):
        prepare_noise(torch.zeros(2, 4, 8, 8), 1, [0, 1, 2])
    with pytest.raises(DiffusionError, match="must not be negative"):
        prepare_noise(torch.zeros(2, 4, 8, 8), 1, [0, -1])


@pytest.mark.usefixtures("as_the_reference")
@pytest.mark.parametrize("seed", [0, 1234])
def test_sequential_noise(golden: dict[str, Tensor], seed: int) -> None:
    x, sigma = torch.zeros(1, 4, 8, 8), torch.tensor(1.0)
    expected = golden[f"default_noise_sampler/seed{seed}"]
    source = SequentialNoise(x, seed)
    got = torch.cat([source(i, sigma, sigma) for i in range(len(expected))])
    assert torch.equal(got, expected)
    assert torch.equal(got[:1], prepare_noise(x, seed))


def test_noise_on_the_way_is_not_the_initial_noise() -> None:
    """Of ComfyUI 0.33 on a CPU: it is the next seed's, whatever was drawn before, and goes on from a position."""
    x, sigma = torch.zeros(1, 4, 8, 8), torch.tensor(1.0)
    source, twin = SequentialNoise(x, 3), SequentialNoise(x, 3)
    assert source.position is None
    assert torch.equal(source(0, sigma, sigma), prepare_noise(x, 4))
    twin.position = source.position
    assert torch.equal(twin(1, sigma, sigma), source(1, sigma, sigma))
    assert not torch.equal(source(2, sigma, sigma), prepare_noise(x, 3))


def test_there_is_no_seed_behind_the_largest() -> None:
    x, sigma = torch.zeros(1, 4, 8, 8), torch.tensor(1.0)
    with pytest.raises(DiffusionError, match=r"from seed \+ 1, so the seed must be below 18446744073709551615"):
        SequentialNoise(x, 2**64 - 1)(0, sigma, sigma)
    with numbers_of("0.3.64"):
        assert SequentialNoise(x, 2**64 - 1)(0, sigma, sigma).shape == x.shape


def test_random_choices_of_patches() -> None:
    """One stream behind the initial noise; in stages one for each noise level, whatever was drawn before."""

    def drawn(random: PatchRandom, *sigmas: float) -> list[int]:
        return [int(torch.randint(2**31, (1,), generator=random.at(sigma).generator)) for sigma in sigmas]

    generator = torch.Generator().manual_seed(5)
    torch.randn(1, 4, 8, 8, generator=generator)
    expected = [int(torch.randint(2**31, (1,), generator=generator)) for _ in range(3)]
    assert drawn(PatchRandom((1, 4, 8, 8), 5), 3.0, 2.0, 2.0) == expected
    # With a batch_index the initial noise took as many draws as there were items before, whatever is left of them.
    behind = PatchRandom((1, 4, 8, 8), 5, [2]).generator.get_state()
    assert torch.equal(behind, PatchRandom((3, 4, 8, 8), 5).generator.get_state())
    whole = drawn(LevelRandom((1, 4, 8, 8), 5), 3.0, 2.0, 2.0, 1.0)
    assert whole[1:] == drawn(LevelRandom((1, 4, 8, 8), 5), 2.0, 2.0, 1.0)
    assert len(set(whole)) == 3
    assert not set(whole) & set(drawn(LevelRandom((1, 4, 8, 8), 6), 3.0, 2.0, 1.0))
