"""Between a latent as nodes know it and one as a network takes it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LatentFormat:
    """network = (latent - mean) / deviation * scale, mean and deviation one number a channel."""

    scale: float
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    def to_network(self, latent: Tensor) -> Tensor:
        """A latent [B,C,h,w] as the network takes it; one of zeros stays as it is where there is a mean."""
        if not self.mean:
            return latent * self.scale
        if not latent.any():
            return latent
        return (latent - _channels(self.mean, latent)) * self.scale / _channels(self.deviation, latent)

    def from_network(self, latent: Tensor) -> Tensor:
        """The inverse of to_network."""
        if not self.mean:
            return latent / self.scale
        return latent * _channels(self.deviation, latent) / self.scale + _channels(self.mean, latent)


# Li et al. 2024, "Playground v2.5": the statistics of its latents, from the VAE's configuration.
PLAYGROUND = LatentFormat(0.5, (-1.6574, 1.886, -1.383, 2.5155), (8.4927, 5.9022, 6.5498, 5.2299))


def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values).to(like).reshape(1, -1, 1, 1)
