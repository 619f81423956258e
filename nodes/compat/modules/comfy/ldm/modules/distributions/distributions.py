"""`comfy.ldm.modules.distributions.distributions`."""

from __future__ import annotations

import torch
from torch import Tensor


class DiagonalGaussianDistribution:
    """What a VAE's encoder gives: mean and logarithm of the variance, stacked along the channels."""

    def __init__(self, parameters: Tensor, deterministic: bool = False) -> None:
        self.parameters = parameters
        self.deterministic = deterministic
        self.mean, logvar = parameters.chunk(2, dim=1)
        self.logvar = logvar.clamp(-30.0, 20.0)
        self.std = torch.zeros_like(self.mean) if deterministic else (0.5 * self.logvar).exp()
        self.var = self.std**2

    def sample(self) -> Tensor:
        """A draw, from torch's global generator."""
        return self.mean + self.std * torch.randn(self.mean.shape).to(self.parameters.device)

    def mode(self) -> Tensor:
        """The most likely value."""
        return self.mean
