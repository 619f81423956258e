"""The initial noise of a run from other generators than torch's on the CPU, and mixed of two seeds.

Semantics: efficiency.md section 3, efficiency/notes.md B.10; numbers: goldens noise_*. Only what a run starts from
changes: the noise that a sampler adds on its way stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.sampling.noise import Draws, check_seed, cpu_draws, prepare_noise
from weft.nodes.diffusion.sampling.philox import PhiloxGenerator

if TYPE_CHECKING:
    from weft.nodes.diffusion.values.latents import Latent


def _device_draws(seed: int, device: torch.device) -> Draws:
    generator = torch.Generator(device).manual_seed(seed)
    return lambda shape: torch.randn(shape, generator=generator, device=device).cpu()


# (seed, the run's device) -> the stream.
SOURCES: Mapping[str, Callable[[int, torch.device], Draws]] = {
    "cpu": lambda seed, device: cpu_draws(seed),
    "gpu": _device_draws,
    "nv": lambda seed, device: PhiloxGenerator(seed).randn,
}


@dataclass(frozen=True)
class ControlledNoise:
    """A NOISE, see noise.Noise, as a Noise Control Script asks for it.

    source: a key of SOURCES: torch's generator on the CPU, on the run's device, or a CUDA device's computed on the CPU.
    variation_seed: noise to mix in; None for none. Of a single item it makes up `weight`, of item i in a batch
        weight * i, which may exceed 1. All items of a batch without batch_index then start from one draw.
    device: the run's.
    """

    seed: int
    source: str = "cpu"
    variation_seed: int | None = None
    weight: float = 0.0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise DiffusionError(f"unknown source of noise {self.source!r}{nearest(self.source, SOURCES)}")
        for seed in (self.seed, self.variation_seed):
            if seed is not None:
                check_seed(seed)

    def generate_noise(self, latent: Latent) -> Tensor:
        """See Noise. A "batch_index" in the latent is followed; errors as prepare_noise."""
        samples, batch_index = latent["samples"], latent.get("batch_index")

        def draws(seed: int) -> Draws:
            return SOURCES[self.source](seed, self.device)

        if self.variation_seed is None:
            return prepare_noise(samples, self.seed, batch_index, draws)
        one = samples[:1] if batch_index is None else samples
        base = prepare_noise(one, self.seed, batch_index, draws)
        variation = prepare_noise(one, self.variation_seed, batch_index, draws)
        batch = samples.shape[0]
        weights = torch.tensor([self.weight] if batch == 1 else [self.weight * i for i in range(batch)])
        weights = weights.reshape(-1, *[1] * (samples.dim() - 1))
        return base * (1.0 - weights) + variation * weights
