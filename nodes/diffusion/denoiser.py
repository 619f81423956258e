"""What a checkpoint's network means: sigma <-> timestep, input scaling, and from its output to a denoised latent.

Notation of Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models": a noised latent is
x = x0 + sigma * noise (variance exploding), whatever the network was trained on. This module alone knows better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nodes.diffusion.errors import DiffusionError, nearest

if TYPE_CHECKING:
    from torch import nn

# SDXL's sizes in the order of its vector conditioning (Podell et al. 2023): diffusers' "time_ids".
TIME_IDS = ("height", "width", "crop_h", "crop_w", "target_height", "target_width")

# (noised latent x, network output, sigma) -> denoised latent
PREDICTIONS: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    # Ho et al. 2020: the network gives the noise.
    "eps": lambda x, output, sigma: x - output * sigma,
    # Salimans & Ho 2022: the network gives v = alpha * noise - sigma * x0 of the variance-preserving process.
    "v": lambda x, output, sigma: x / (sigma**2 + 1.0) - output * sigma / (sigma**2 + 1.0) ** 0.5,
}


@dataclass(frozen=True, eq=False)
class ModelSampling:
    """The noise levels that a network was trained at, and what its output stands for.

    sigmas: [T] on the CPU, ascending: the noise level of timestep 0 .. T-1. Given in any precision, kept in float32.
    prediction: a key of PREDICTIONS.
    """

    sigmas: Tensor
    prediction: str = "eps"
    log_sigmas: Tensor = field(init=False)
    sigma_min: float = field(init=False)
    sigma_max: float = field(init=False)

    def __post_init__(self) -> None:
        if self.prediction not in PREDICTIONS:
            raise DiffusionError(f"unknown prediction {self.prediction!r}{nearest(self.prediction, PREDICTIONS)}")
        # The log is taken before rounding: a bit here decides which timestep a sigma halfway between two falls to.
        sigmas, log_sigmas = self.sigmas.float(), self.sigmas.log().float()
        object.__setattr__(self, "sigmas", sigmas)
        object.__setattr__(self, "log_sigmas", log_sigmas)
        object.__setattr__(self, "sigma_min", float(sigmas[0]))
        object.__setattr__(self, "sigma_max", float(sigmas[-1]))

    @classmethod
    def discrete(
        cls, prediction: str = "eps", *, timesteps: int = 1000, beta_start: float = 0.00085, beta_end: float = 0.012
    ) -> ModelSampling:
        """Stable Diffusion's schedule: betas linear in their square root (Rombach et al. 2022), in float64."""
        betas = torch.linspace(beta_start**0.5, beta_end**0.5, timesteps, dtype=torch.float64) ** 2
        alphas_cumprod = torch.cumprod(1.0 - betas, dim=0)
        return cls(((1.0 - alphas_cumprod) / alphas_cumprod) ** 0.5, prediction)

    def timestep(self, sigma: Tensor | float) -> Tensor:
        """The trained timestep nearest to sigma in log space, as a float32 index, of sigma's shape."""
        log_sigma = torch.as_tensor(sigma, dtype=torch.float32).log()
        return (log_sigma[..., None] - self.log_sigmas).abs().argmin(dim=-1).to(torch.float32)

    def sigma(self, timestep: Tensor | float) -> Tensor:
        """Noise level of a fractional timestep: log sigma interpolated linearly, clamped to the ends of the table."""
        t = torch.as_tensor(timestep, dtype=torch.float32).clamp(0, len(self.sigmas) - 1)
        low, high, weight = t.floor().long(), t.ceil().long(), t.frac()
        return ((1.0 - weight) * self.log_sigmas[low] + weight * self.log_sigmas[high]).exp()

    def percent_to_sigma(self, percent: float) -> float:
        """Noise level at a share of the way from pure noise (0.0) to the image (1.0); the ends are open."""
        if percent <= 0.0:
            return 999999999.9
        if percent >= 1.0:
            return 0.0
        return float(self.sigma((1.0 - percent) * (len(self.sigmas) - 1)))

    def scale_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        """x at variance 1, as the network expects it."""
        return x / (sigma**2 + 1.0) ** 0.5

    def denoised(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        """The network's estimate of the noise-free latent."""
        return PREDICTIONS[self.prediction](x, output, sigma)

    def add_noise(self, latent: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """Where sampling starts: at the top of the schedule x has the variance of the network's own prior."""
        return latent + noise * ((1.0 + sigma**2) ** 0.5 if self.is_top(sigma) else sigma)

    def is_top(self, sigma: Tensor) -> bool:
        """Whether sigma is the highest trained noise level (relative 1e-5) or above."""
        return float(sigma) > self.sigma_max or math.isclose(float(sigma), self.sigma_max, rel_tol=1e-5)


class Denoiser:
    """A diffusers UNet2DConditionModel as denoised = f(x, sigma, context).

    The network runs in the dtype of its parameters; everything outside stays float32.
    context_width: C of its cross attention. pooled_width: P of SDXL's pooled text, None where it takes none.
    """

    def __init__(self, network: nn.Module, sampling: ModelSampling) -> None:
        parameter = next(network.parameters())
        self.network = network
        self.sampling = sampling
        self.device = parameter.device
        self.dtype = parameter.dtype
        config: Any = network.config
        self.channels: int = config.in_channels
        self.context_width: int = config.cross_attention_dim
        self.pooled_width: int | None = None
        if config.addition_embed_type == "text_time":
            sizes = len(TIME_IDS) * config.addition_time_embed_dim
            self.pooled_width = config.projection_class_embeddings_input_dim - sizes

    def __call__(self, x: Tensor, sigma: Tensor, context: Tensor, added: Mapping[str, Tensor] | None = None) -> Tensor:
        """Denoise x [N,C,h,w] (float32) at noise level sigma (0-dim, CPU).

        context: [N,T,C] in the network's dtype. added: SDXL's {"text_embeds": [N,P], "time_ids": [N,6]}.
        Returns [N,C,h,w] float32 on x's device.
        """
        # float() reads a CPU tensor and full() writes a constant: nothing here waits for the device.
        timestep = torch.full((x.shape[0],), float(self.sampling.timestep(sigma)), device=x.device)
        output = self.network(
            self.sampling.scale_input(x, sigma).to(self.dtype),
            timestep,
            encoder_hidden_states=context,
            added_cond_kwargs=added,
            return_dict=False,
        )[0]
        return self.sampling.denoised(x, output.float(), sigma)
