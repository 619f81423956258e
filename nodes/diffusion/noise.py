"""Where every random number of sampling comes from.

The noise a run starts from is one float32 draw on the CPU, on every device: the same seed gives the same picture. The
noise that a sampler adds on its way comes from a NoiseSource.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from nodes.diffusion.errors import DiffusionError

SEED_MAX = 2**64 - 1


class NoiseSource(Protocol):
    """Standard normal noise for a sampler's steps."""

    def __call__(self, i: int, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        """Noise like x for the move of step i from sigma to sigma_next (0-dim, CPU).

        i is the index into the schedule being solved. A step may ask several times, always in the same order.
        """


def check_seed(seed: int) -> int:
    """The seed, or DiffusionError where it is not in 0 .. 2^64 - 1."""
    if not 0 <= seed <= SEED_MAX:
        raise DiffusionError(f"seed must be in 0 .. 2^64 - 1, got {seed}")
    return seed


def prepare_noise(latent: Tensor, seed: int, batch_index: Sequence[int] | None = None) -> Tensor:
    """The noise that a run starts from: standard normal, float32, CPU, of the shape of latent [B,C,h,w].

    batch_index: for each item its place in the batch it was taken from. Items are then drawn one by one from place 0
    on, so that each gets the noise it had there; equal places get equal noise. This is not the same stream as one draw
    for the whole batch unless an item has a multiple of 16 elements (torch's normal kernel works in blocks).
    """
    generator = torch.Generator("cpu").manual_seed(check_seed(seed))
    if batch_index is None:
        return torch.randn(latent.shape, generator=generator)
    if len(batch_index) != latent.shape[0]:
        raise DiffusionError(
            f"batch_index has {len(batch_index)} entries for a latent of {latent.shape[0]} items: {list(batch_index)}"
        )
    if min(batch_index) < 0:
        raise DiffusionError(f"batch_index must not be negative, got {list(batch_index)}")
    wanted = set(batch_index)
    drawn = {}
    for place in range(max(wanted) + 1):
        item = torch.randn((1, *latent.shape[1:]), generator=generator)
        if place in wanted:
            drawn[place] = item
    return torch.cat([drawn[place] for place in batch_index])


class SequentialNoise:
    """One generator on x's device, drawn from whenever asked: ComfyUI's noise for the ancestral samplers.

    It starts from the seed of the initial noise, so on the CPU its first draw equals that; on a GPU the stream differs
    from the CPU's.
    """

    def __init__(self, like: Tensor, seed: int) -> None:
        self._like = like
        self._generator = torch.Generator(like.device).manual_seed(check_seed(seed))

    def __call__(self, i: int, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        like = self._like
        return torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=self._generator)
