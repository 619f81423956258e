"""Where every random number of sampling comes from.

The noise a run starts from is one float32 draw on the CPU, on every device: the same seed gives the same picture. The
noise that a sampler adds on its way comes from a NoiseSource.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from weft.nodes.diffusion.eras import changed
from weft.nodes.diffusion.errors import DiffusionError, whole_number

if TYPE_CHECKING:
    from weft.nodes.diffusion.values.latents import Latent

SEED_MAX = 2**64 - 1

# The next tensor of a stream of standard normal numbers, float32 on the CPU, by its shape.
Draws = Callable[[Sequence[int]], Tensor]


class NoiseSource(Protocol):
    """Standard normal noise for a sampler's steps.

    position: between two steps, how far it is, as it can be set again; None for one that depends on nothing before.
    """

    position: Tensor | None

    def __call__(self, i: int, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        """Noise like x for the move of step i from sigma to sigma_next (0-dim, CPU).

        i is the index into the schedule being solved. A step may ask several times, always in the same order.
        """


def check_seed(seed: int) -> int:
    """The seed, or DiffusionError where it is not in 0 .. 2^64 - 1."""
    if not 0 <= whole_number("seed", seed) <= SEED_MAX:
        raise DiffusionError(f"seed must be in 0 .. 2^64 - 1, got {seed}")
    return int(seed)


def cpu_draws(seed: int) -> Draws:
    """Standard normal numbers of torch's generator on the CPU."""
    return _draws_of(torch.Generator("cpu").manual_seed(seed))


def _draws_of(generator: torch.Generator) -> Draws:
    return lambda shape: torch.randn(tuple(shape), generator=generator)


def prepare_noise(
    latent: Tensor,
    seed: int,
    batch_index: Sequence[int] | None = None,
    source: Callable[[int], Draws] = cpu_draws,
) -> Tensor:
    """The noise that a run starts from: standard normal, float32, CPU, of the shape of latent [B,C,h,w].

    batch_index: for each item its place in the batch it was taken from. Items are then drawn one by one from place 0
    on, so that each gets the noise it had there; equal places get equal noise. This is not the same stream as one draw
    for the whole batch unless an item has a multiple of 16 elements (torch's normal kernel works in blocks).
    source: what is drawn from, made for a seed.
    """
    draw = source(check_seed(seed))
    if batch_index is None:
        return draw(latent.shape)
    if len(batch_index) != latent.shape[0]:
        raise DiffusionError(
            f"batch_index has {len(batch_index)} entries for a latent of {latent.shape[0]} items: {list(batch_index)}"
        )
    if min(batch_index) < 0:
        raise DiffusionError(f"batch_index must not be negative, got {list(batch_index)}")
    wanted = set(batch_index)
    drawn = {}
    for place in range(max(wanted) + 1):
        item = draw((1, *latent.shape[1:]))
        if place in wanted:
            drawn[place] = item
    return torch.cat([drawn[place] for place in batch_index])


class Noise(Protocol):
    """A NOISE: what a run starts from. seed is also that of the noise which the sampler adds on its way."""

    @property
    def seed(self) -> int: ...

    def generate_noise(self, latent: Latent) -> Tensor:
        """float32 on the CPU, of the shape of latent["samples"]."""


@dataclass(frozen=True)
class RandomNoise:
    """Standard normal noise; see prepare_noise."""

    seed: int

    def __post_init__(self) -> None:
        check_seed(self.seed)

    def generate_noise(self, latent: Latent) -> Tensor:
        """See Noise. A "batch_index" in the latent is followed."""
        return prepare_noise(latent["samples"], self.seed, latent.get("batch_index"))


@dataclass(frozen=True)
class NoNoise:
    """A start from the latent as it is."""

    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)

    def generate_noise(self, latent: Latent) -> Tensor:
        """See Noise."""
        return torch.zeros(latent["samples"].shape)


def seed_at(address: bytes) -> int:
    """A seed for each address; a hash, so that those of neighbours have nothing in common."""
    return int.from_bytes(hashlib.blake2b(address, digest_size=8).digest(), "big")


def generator_on_the_way(seed: int, device: torch.device) -> torch.Generator:
    """What the noise that a sampler adds on its way is drawn from, on x's device.

    On the CPU that is another stream than the initial noise's, from seed + 1; until the change `seed-on-the-way` it was
    the same one. On a GPU the streams differ anyhow. Raises DiffusionError where there is no next seed.
    """
    if device.type == "cpu" and changed("seed-on-the-way"):
        seed += 1
        if seed > SEED_MAX:
            raise DiffusionError(
                f"this sampler draws its noise on the CPU from seed + 1, so the seed must be below {SEED_MAX}"
            )
    return torch.Generator(device).manual_seed(seed)


class SequentialNoise:
    """One generator on x's device, drawn from whenever asked: ComfyUI's noise for the ancestral samplers."""

    def __init__(self, like: Tensor, seed: int) -> None:
        self._like = like
        self._seed = check_seed(seed)

    @cached_property
    def _generator(self) -> torch.Generator:
        """Made when first asked for: most samplers that could draw from it draw nothing, and need no next seed."""
        return generator_on_the_way(self._seed, self._like.device)

    @property
    def position(self) -> Tensor | None:
        """See NoiseSource; None where nobody has drawn from it."""
        return self._generator.get_state() if "_generator" in self.__dict__ else None

    @position.setter
    def position(self, state: Tensor | None) -> None:
        if state is not None:
            self._generator.set_state(state)

    def __call__(self, i: int, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        like = self._like
        return torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=self._generator)


class BrownianNoise:
    """Increments of one Brownian motion over sigma, at variance 1: ComfyUI's noise for the SDE samplers.

    The path is that of torchsde's BrownianTree over the positive sigmas of the schedule being solved, drawn on `device`
    in like's dtype. What it gives depends on the two sigmas alone, not on the order of asking; another schedule's ends
    give another path. Numbers: goldens brownian/* of parity/units/noise.safetensors, for torchsde 0.2.6.
    """

    position: Tensor | None = None

    def __init__(self, like: Tensor, sigmas: Tensor, seed: int, device: torch.device) -> None:
        self._like = like
        self._ends = float(sigmas[sigmas > 0].min()), float(sigmas.max())
        self._seed = check_seed(seed)
        self._device = device
        self._tree: Callable[[float, float], Tensor] | None = None

    def __call__(self, i: int, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        tree = self._tree = self._tree or self._plant()
        # The tree rounds its ends to 6 digits and warns when it is asked beyond them.
        first, last = (round(end, 6) for end in self._ends)
        low, high = (min(max(float(level), first), last) for level in (sigma_next, sigma))
        # The motion runs from the lowest sigma up, the sampler down.
        increment = -tree(low, high) / (sigma - sigma_next).sqrt()
        return increment.to(self._like.device, non_blocking=True)

    def _plant(self) -> Callable[[float, float], Tensor]:
        from torchsde import BrownianTree

        origin = torch.zeros(self._like.shape, dtype=self._like.dtype, device=self._device)
        low, high = self._ends
        tree: Callable[[float, float], Tensor] = BrownianTree(low, origin, high, entropy=self._seed)
        return tree


class ShapedNoise:
    """Noise for a solver that changes the shape of x: a stream on the CPU, going on behind the initial noise."""

    def __init__(self, like: Tensor, sigmas: Tensor, seed: int, batch_index: Sequence[int] | None = None) -> None:
        self._like = like
        self._random = PatchRandom(like.shape, check_seed(seed), batch_index)

    @property
    def position(self) -> Tensor | None:
        """See NoiseSource."""
        return self._random.position

    @position.setter
    def position(self, state: Tensor | None) -> None:
        self._random.position = state

    def __call__(self, i: int, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        return self.like(self._like)

    def like(self, x: Tensor) -> Tensor:
        """Standard normal noise like x."""
        return torch.randn(x.shape, dtype=x.dtype, generator=self._random.generator).to(x.device, non_blocking=True)


class PatchRandom:
    """Random choices of model patches (which tokens to merge): on the CPU, by the seed of the run.

    shape, batch_index: of the latent that is sampled.
    generator: stands where ComfyUI's global one stands during a run: behind the draw of the initial noise.
    """

    def __init__(self, shape: Sequence[int], seed: int, batch_index: Sequence[int] | None = None) -> None:
        self._shape = shape
        self._seed = seed
        self._batch_index = batch_index

    @cached_property
    def generator(self) -> torch.Generator:
        """Drawn from in the order of the network's layers; made when first asked for."""
        generator = torch.Generator("cpu").manual_seed(self._seed)
        # As many numbers as the initial noise took: with a batch_index those of the items before it, too.
        prepare_noise(torch.empty(self._shape), self._seed, self._batch_index, lambda _: _draws_of(generator))
        return generator

    @property
    def position(self) -> Tensor | None:
        """How far the stream is, as it can be set again; None where nobody has drawn from it."""
        return self.generator.get_state() if "generator" in self.__dict__ else None

    @position.setter
    def position(self, state: Tensor | None) -> None:
        if state is not None:
            self.generator.set_state(state)

    def at(self, sigma: float) -> PatchRandom:
        """What an evaluation at a noise level draws from: one stream for all of them."""
        return self


class LevelRandom(PatchRandom):
    """Random choices of model patches by (seed, noise level): a stage of a run makes those of the whole run there."""

    def at(self, sigma: float) -> PatchRandom:
        """See PatchRandom: a stream for each noise level, so that none depends on the evaluations before."""
        return PatchRandom((), seed_at(struct.pack(">Qd", self._seed, sigma)))


def sequential_noise(like: Tensor, sigmas: Tensor, seed: int, batch_index: Sequence[int] | None = None) -> NoiseSource:
    """The noise of the ancestral samplers. like: x. sigmas: the schedule being solved. batch_index: ignored."""
    return SequentialNoise(like, seed)


def brownian_noise(like: Tensor, sigmas: Tensor, seed: int, batch_index: Sequence[int] | None = None) -> NoiseSource:
    """The noise of the SDE samplers, drawn on the CPU: the same on every device."""
    return BrownianNoise(like, sigmas, seed, torch.device("cpu"))


def brownian_noise_on_device(
    like: Tensor, sigmas: Tensor, seed: int, batch_index: Sequence[int] | None = None
) -> NoiseSource:
    """The noise of the SDE samplers whose names end in _gpu, drawn where x is."""
    return BrownianNoise(like, sigmas, seed, like.device)
