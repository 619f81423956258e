"""The process that a network was trained on: sigma <-> timestep, input scaling, from its output to a denoised latent.

Notation of Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models". A noised latent is
x = x0 + sigma * noise (variance exploding) for all networks that were trained on noise or v, and for flows
x = (1 - sigma) * x0 + sigma * noise (Liu et al. 2022, "Flow Straight and Fast"), sigma from 1 to 0. In both
dx/dsigma = (x - denoised) / sigma: a solver that knows no more than that solves both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest

# Lin et al. 2023 end at a signal-to-noise ratio of 0; ComfyUI leaves this much, so that the top sigma is finite.
LAST_ALPHA_CUMPROD = 4.8973451890853435e-08


class Clock(Protocol):
    """How a network counts noise levels. ends: the timesteps of its lowest and its highest one."""

    ends: tuple[float, float]

    def timestep(self, sigma: Tensor) -> Tensor:
        """The timestep that the network is given for a noise level, float32, of sigma's shape."""

    def sigma(self, timestep: Tensor) -> Tensor:
        """The noise level of a fractional timestep, float32, of its shape."""


class TableClock:
    """Timesteps of a table of trained noise levels: a sigma is given the nearest one in log space.

    stride: entry i of the table stands for timestep stride * (i + 1) - 1; more than 1 where a distilled network knows
    only some of the levels (Luo et al. 2023, "LCM": every 20th).
    """

    def __init__(self, log_sigmas: Tensor, stride: int = 1) -> None:
        self.log_sigmas = log_sigmas
        self.stride = stride
        self.ends = 0.0, float(stride * len(log_sigmas) - 1)

    def timestep(self, sigma: Tensor) -> Tensor:
        """See Clock."""
        index = (sigma.log()[..., None] - self.log_sigmas).abs().argmin(dim=-1)
        return (self.stride * (index + 1) - 1).to(torch.float32)

    def sigma(self, timestep: Tensor) -> Tensor:
        """See Clock. Log sigma is interpolated linearly, clamped to the ends of the table."""
        t = ((timestep - (self.stride - 1)) / self.stride).clamp(0, len(self.log_sigmas) - 1)
        low, high, weight = t.floor().long(), t.ceil().long(), t.frac()
        return ((1.0 - weight) * self.log_sigmas[low] + weight * self.log_sigmas[high]).exp()


class LogClock:
    """The conditioning of Karras et al. 2022, table 1: log sigma / 4, for networks trained at any noise level."""

    def __init__(self, sigma_min: float, sigma_max: float) -> None:
        self.ends = 0.25 * math.log(sigma_min), 0.25 * math.log(sigma_max)

    def timestep(self, sigma: Tensor) -> Tensor:
        """See Clock."""
        return 0.25 * sigma.log()

    def sigma(self, timestep: Tensor) -> Tensor:
        """See Clock."""
        return (timestep / 0.25).exp()


class AngleClock:
    """The time of Salimans & Ho 2022 ("Progressive Distillation"), of networks trained at any noise level.

    It is the angle between signal and noise, of which sigma is the tangent; a quarter turn is 1.
    """

    def __init__(self, sigma_min: float, sigma_max: float) -> None:
        low, high = (self.timestep(torch.tensor(sigma)) for sigma in (sigma_min, sigma_max))
        self.ends = float(low), float(high)

    def timestep(self, sigma: Tensor) -> Tensor:
        """See Clock."""
        return sigma.atan() * (2.0 / math.pi)

    def sigma(self, timestep: Tensor) -> Tensor:
        """See Clock."""
        return (timestep * (math.pi / 2.0)).tan()


class FlowClock:
    """Timesteps of a flow: multiplier * sigma; a schedule's are shifted towards noise (Esser et al. 2024, eq. 23).

    shift: a at the timestep t of 0..1 stands for the noise level a t / (1 + (a - 1) t); 1 shifts nothing.
    multiplier: the timestep of pure noise, as the network counts.
    exponential: the same as a / (a + 1/t - 1), as FLUX.1 has it: a Brownian path tells the two by their last bit.
    """

    def __init__(self, shift: float, multiplier: float, *, exponential: bool = False) -> None:
        self.shift = shift
        self.exponential = exponential
        self.multiplier = multiplier
        self.ends = 0.0, multiplier

    def timestep(self, sigma: Tensor) -> Tensor:
        """See Clock."""
        return sigma * self.multiplier

    def sigma(self, timestep: Tensor) -> Tensor:
        """See Clock. It is no inverse of `timestep`: schedules are shifted, what the network is told is not."""
        t = timestep / self.multiplier
        if self.exponential:
            return self.shift / (self.shift + (1.0 / t - 1.0))
        return self.shift * t / (1.0 + (self.shift - 1.0) * t)


class ExplodedClock:
    """Timesteps of a flow by the ratio of noise to signal, sigma / (1 - sigma), in place of sigma."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ends = clock.ends

    def timestep(self, sigma: Tensor) -> Tensor:
        """See Clock."""
        return self._clock.timestep(sigma / (1.0 + sigma))

    def sigma(self, timestep: Tensor) -> Tensor:
        """See Clock."""
        level = self._clock.sigma(timestep)
        return level / (1.0 - level)


class ModelSampling:
    """The noise levels that a network was trained at, and what its output stands for. Not changed once made.

    sigmas: [T] on the CPU, ascending: the noise level of timestep 0 .. T-1. Given in any precision, kept in float32.
    prediction: a key of PREDICTIONS.
    sigma_data: the standard deviation of the data that the network was trained to see (Karras et al. 2022).
    clock: how the network counts noise levels; by default the index in sigmas.
    """

    def __init__(
        self, sigmas: Tensor, prediction: str = "eps", *, sigma_data: float = 1.0, clock: Clock | None = None
    ) -> None:
        if prediction not in PREDICTIONS:
            raise DiffusionError(f"unknown prediction {prediction!r}{nearest(prediction, PREDICTIONS)}")
        # The log is taken before rounding: a bit here decides which timestep a sigma halfway between two falls to.
        self.sigmas = sigmas.float()
        self.log_sigmas = sigmas.log().float()
        self.prediction = prediction
        self.sigma_data = sigma_data
        self.sigma_min = float(self.sigmas[0])
        self.sigma_max = float(self.sigmas[-1])
        self.clock = TableClock(self.log_sigmas) if clock is None else clock

    @classmethod
    def discrete(
        cls,
        prediction: str = "eps",
        *,
        timesteps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        zero_snr: bool = False,
        distilled_steps: int | None = None,
    ) -> ModelSampling:
        """Stable Diffusion's schedule: betas linear in their square root (Rombach et al. 2022), in float64.

        zero_snr: rescaled so that the last timestep is all but pure noise (Lin et al. 2023, "Common Diffusion Noise
        Schedules and Sample Steps are Flawed", algorithm 1).
        distilled_steps: of a network that was distilled to this many evenly spaced timesteps (LCM: 50).
        """
        betas = torch.linspace(beta_start**0.5, beta_end**0.5, timesteps, dtype=torch.float64) ** 2
        alphas_cumprod = torch.cumprod(1.0 - betas, dim=0)
        if zero_snr:
            alphas_cumprod = _rescaled_to_zero_snr(alphas_cumprod)
        sigmas = ((1.0 - alphas_cumprod) / alphas_cumprod) ** 0.5
        if distilled_steps is None:
            return cls(sigmas, prediction)
        stride = timesteps // distilled_steps
        # Rounded before the log, as ComfyUI does here: a sigma halfway between two levels falls as it does there.
        kept = sigmas[stride - 1 :: stride].float()
        return cls(kept, prediction, clock=TableClock(kept.log(), stride))

    @classmethod
    def continuous(
        cls, prediction: str, *, sigma_min: float, sigma_max: float, sigma_data: float = 1.0
    ) -> ModelSampling:
        """The schedule of Karras et al. 2022 ("EDM"): any sigma from sigma_min to sigma_max."""
        if not 0.0 < sigma_min < sigma_max:
            raise DiffusionError(f"need 0 < sigma_min < sigma_max, got sigma_min {sigma_min}, sigma_max {sigma_max}")
        sigmas = torch.linspace(math.log(sigma_min), math.log(sigma_max), 1000).exp()
        return cls(sigmas, prediction, sigma_data=sigma_data, clock=LogClock(sigma_min, sigma_max))

    @classmethod
    def angular(cls, *, sigma_min: float, sigma_max: float) -> ModelSampling:
        """Any sigma from sigma_min to sigma_max, of a network that gives v and is told angles: see AngleClock."""
        levels = cls.continuous("v", sigma_min=sigma_min, sigma_max=sigma_max).sigmas
        return cls(levels, "v", clock=AngleClock(sigma_min, sigma_max))

    @classmethod
    def flow(
        cls, *, shift: float = 1.0, multiplier: float = 1000.0, timesteps: int = 1000, exponential: bool = False
    ) -> ModelSampling:
        """A rectified flow, whose network gives the velocity, noise - latent; the others: see FlowClock."""
        if not shift > 0.0:
            raise DiffusionError(f"the shift of a flow is above 0, got {shift}")
        clock = FlowClock(shift, multiplier, exponential=exponential)
        levels = torch.arange(1, timesteps + 1) / timesteps
        return cls(clock.sigma(levels * multiplier), "flow", clock=clock)

    def exploded(self) -> ModelSampling:
        """A flow's levels as those of variance exploding with the same ratios of noise to signal."""
        clock = ExplodedClock(self.clock)
        return ModelSampling(self.sigmas / (1.0 - self.sigmas), "x0", clock=clock)

    @property
    def process(self) -> Process:
        """How a latent and noise are mixed."""
        return PREDICTIONS[self.prediction].process

    def timestep(self, sigma: Tensor | float) -> Tensor:
        """What the network is given for a noise level: float32, of sigma's shape."""
        return self.clock.timestep(torch.as_tensor(sigma, dtype=torch.float32))

    def sigma(self, timestep: Tensor | float) -> Tensor:
        """Noise level of a fractional timestep."""
        return self.clock.sigma(torch.as_tensor(timestep, dtype=torch.float32))

    def percent_to_sigma(self, percent: float) -> float:
        """Noise level at a share of the way from pure noise (0.0) to the image (1.0); the ends are open."""
        if percent <= 0.0:
            return self.process.top
        if percent >= 1.0:
            return 0.0
        low, high = self.clock.ends
        # Of a flow in float64: what little signal is left near pure noise hangs on the last bit.
        precision = torch.float32 if self.process is EXPLODING else torch.float64
        return float(self.clock.sigma(torch.tensor(low + (1.0 - percent) * (high - low), dtype=precision)).float())

    def scale_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        """x as the network expects it: at variance 1, but for an image or a flow. sigma: 0-dim, or [N] for x [N,..]."""
        return _level_by_level(partial(PREDICTIONS[self.prediction].scale_input, self), sigma, x)

    def denoised(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        """The network's estimate of the noise-free latent. sigma: as scale_input's."""
        return _level_by_level(partial(PREDICTIONS[self.prediction].denoised, self), sigma, x, output)

    def add_noise(self, latent: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """Where sampling starts: exploding, at the top of the schedule, x has the variance of the network's prior."""
        if self.process is EXPLODING and self.is_top(sigma):
            sigma = (1.0 + sigma**2) ** 0.5
        return self.noised(latent, noise, sigma)

    def noised(self, latent: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """A latent as it is at a noise level, on the way of a run."""
        return self.process.noised(latent, noise, sigma)

    def ended(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What a run that ends at a noise level hands on as a latent: with no more noise it begins there again."""
        return self.process.ended(x, sigma)

    def is_top(self, sigma: Tensor) -> bool:
        """Whether sigma is the highest trained noise level (relative 1e-5) or above."""
        return float(sigma) > self.sigma_max or math.isclose(float(sigma), self.sigma_max, rel_tol=1e-5)


class Process(NamedTuple):
    """How latent and noise are mixed, (latent, noise, sigma) -> x, and what a run that ends there hands on, (x, sigma).

    signal: the share of the latent in x at a noise level, 0-dim. top: the noise level before all others, as a bound.
    """

    noised: Callable[[Tensor, Tensor, Tensor], Tensor]
    ended: Callable[[Tensor, Tensor], Tensor]
    signal: Callable[[Tensor], Tensor]
    top: float


EXPLODING = Process(
    lambda latent, noise, sigma: latent + noise * sigma, lambda x, sigma: x, torch.ones_like, 999999999.9
)
FLOW = Process(
    lambda latent, noise, sigma: noise * sigma + latent * (1.0 - sigma),
    lambda x, sigma: x / (1.0 - sigma),
    lambda sigma: 1.0 - sigma,
    1.0,
)


class Prediction(NamedTuple):
    """What goes into a network, (sampling, x, sigma), and what comes out, (sampling, x, output, sigma) -> denoised."""

    scale_input: Callable[[ModelSampling, Tensor, Tensor], Tensor]
    denoised: Callable[[ModelSampling, Tensor, Tensor, Tensor], Tensor]
    process: Process = EXPLODING


def _to_unit_variance(sampling: ModelSampling, x: Tensor, sigma: Tensor) -> Tensor:
    return x / (sigma**2 + sampling.sigma_data**2) ** 0.5


def _from_noise(sampling: ModelSampling, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
    return x - output * sigma


def _from_velocity(sampling: ModelSampling, x: Tensor, output: Tensor, sigma: Tensor, sign: float = -1.0) -> Tensor:
    data = sampling.sigma_data
    variance = sigma**2 + data**2
    return x * data**2 / variance + sign * output * sigma * data / variance**0.5


def _from_consistency(sampling: ModelSampling, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
    t, data = 10.0 * sampling.timestep(sigma), 0.5
    skip, out = data**2 / (t**2 + data**2), t / (t**2 + data**2) ** 0.5
    return out * (x - output * sigma) + skip * x


PREDICTIONS: Mapping[str, Prediction] = {
    # Ho et al. 2020: the network gives the noise.
    "eps": Prediction(_to_unit_variance, _from_noise),
    # Salimans & Ho 2022: the network gives v = alpha * noise - sigma * x0 of the variance-preserving process.
    "v": Prediction(_to_unit_variance, _from_velocity),
    # Karras et al. 2022, table 1: v with the other sign.
    "edm": Prediction(_to_unit_variance, partial(_from_velocity, sign=1.0)),
    # Luo et al. 2023, "Latent Consistency Models", section 4: noise; x itself where there is none.
    "lcm": Prediction(_to_unit_variance, _from_consistency),
    # The network gives the image.
    "x0": Prediction(_to_unit_variance, lambda sampling, x, output, sigma: output),
    # The image, from an input that is not scaled.
    "img_to_img": Prediction(lambda sampling, x, sigma: x, lambda sampling, x, output, sigma: output),
    # Liu et al. 2022: the velocity, noise - x0.
    "flow": Prediction(lambda sampling, x, sigma: x, _from_noise, FLOW),
}


def _level_by_level(function: Callable[..., Tensor], sigma: Tensor, *tensors: Tensor) -> Tensor:
    """function(*tensors, sigma); of each item by itself where each has a level of its own: as if it were alone."""
    if not sigma.dim():
        return function(*tensors, sigma)
    items = zip(*(tensor.chunk(len(sigma)) for tensor in tensors), sigma, strict=True)
    return torch.cat([function(*item) for item in items])


def _rescaled_to_zero_snr(alphas_cumprod: Tensor) -> Tensor:
    root = alphas_cumprod.sqrt()
    first, last = root[0], root[-1]
    rescaled = ((root - last) * (first / (first - last))) ** 2
    rescaled[-1] = LAST_ALPHA_CUMPROD
    return rescaled
