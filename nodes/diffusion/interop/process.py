"""`model_sampling`: Weft's ModelSampling as packs know it, and theirs as Weft samples with it.

Packs make an object of two: noise levels (ModelSamplingDiscrete, ...) and what the output means (EPS, CONST, ...),
and put it on a model with add_object_patch. `shown` gives such an object of a ModelSampling, `taken` the reverse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.denoiser import (
    EXPLODING,
    FLOW,
    PREDICTIONS,
    FlowClock,
    LogClock,
    ModelSampling,
    Process,
    TableClock,
)

INTERFACE = ("calculate_input", "calculate_denoised", "timestep", "sigma", "percent_to_sigma", "sigmas")
"""What an object that stands for a model's sampling must have."""


def level(sigma: Tensor, like: Tensor) -> Tensor:
    """Noise levels, one or [N], as they broadcast to `like` [N,...], on its device."""
    sigma = torch.as_tensor(sigma, dtype=torch.float32).to(like.device)
    return sigma.reshape(-1, *[1] * (like.dim() - 1)) if sigma.dim() else sigma


class EPS:
    """What a network's output means, by ComfyUI's names; here the noise. prediction: a key of PREDICTIONS."""

    prediction = "eps"
    sigma_data: float = 1.0

    def calculate_input(self, sigma: Tensor, noise: Tensor) -> Tensor:
        """x as the network takes it."""
        return PREDICTIONS[self.prediction].scale_input(self, noise, level(sigma, noise))  # type: ignore[arg-type]

    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        """The prediction of the noise-free latent; model_input: x before it was scaled."""
        levels = level(sigma, model_output)
        return PREDICTIONS[self.prediction].denoised(self, model_input, model_output, levels)  # type: ignore[arg-type]

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent_image: Tensor, max_denoise: bool = False) -> Tensor:
        """The latent with noise of a level. max_denoise: at the top of the schedule, where a run starts."""
        process, levels = PREDICTIONS[self.prediction].process, level(sigma, noise)
        if max_denoise and process is EXPLODING:
            levels = (1.0 + levels**2) ** 0.5
        return process.noised(latent_image, noise, levels)

    def inverse_noise_scaling(self, sigma: Tensor, latent: Tensor) -> Tensor:
        """What a run that ends at a noise level hands on."""
        return PREDICTIONS[self.prediction].process.ended(latent, level(sigma, latent))


class V_PREDICTION(EPS):
    """Velocity."""

    prediction = "v"


class EDM(V_PREDICTION):
    """Velocity with the other sign."""

    prediction = "edm"


class CONST(EPS):
    """The velocity of a flow."""

    prediction = "flow"


class X0(EPS):
    """The image."""

    prediction = "x0"


class IMG_TO_IMG(X0):
    """The image, from an input that is not scaled."""

    prediction = "img_to_img"


class LCM(EPS):
    """The noise of a consistency model."""

    prediction = "lcm"


class Levels(nn.Module):
    """Noise levels by ComfyUI's names, over a ModelSampling. Packs subclass these and replace methods.

    model_config: an object with `sampling_settings`, a dict, or None.
    """

    sigma_data: float = 1.0
    sigmas: Tensor
    log_sigmas: Tensor

    def __init__(self, model_config: Any = None) -> None:
        super().__init__()
        self.settings: dict[str, Any] = dict(getattr(model_config, "sampling_settings", None) or {})

    def _take(self, native: ModelSampling) -> None:
        self.native = native
        self.sigma_data = native.sigma_data
        self.register_buffer("sigmas", native.sigmas)
        self.register_buffer("log_sigmas", native.log_sigmas)

    @property
    def sigma_min(self) -> Tensor:
        """The lowest noise level, 0-dim."""
        return self.sigmas[0]

    @property
    def sigma_max(self) -> Tensor:
        """The highest."""
        return self.sigmas[-1]

    def timestep(self, sigma: Tensor) -> Tensor:
        """What the network is told."""
        sigma = torch.as_tensor(sigma, dtype=torch.float32)
        return self.native.timestep(sigma.cpu()).to(sigma.device)

    def sigma(self, timestep: Tensor) -> Tensor:
        """The noise level of a timestep."""
        timestep = torch.as_tensor(timestep, dtype=torch.float32)
        return self.native.sigma(timestep.cpu()).to(timestep.device)

    def percent_to_sigma(self, percent: float) -> float:
        """The noise level at a share of the way."""
        return self.native.percent_to_sigma(percent)


class ModelSamplingDiscrete(Levels):
    """A table of trained levels."""

    def __init__(self, model_config: Any = None, zsnr: bool | None = None) -> None:
        super().__init__(model_config)
        given = self.settings
        zero_snr = given.get("zsnr", False) if zsnr is None else zsnr
        start, end = given.get("linear_start", 0.00085), given.get("linear_end", 0.012)
        self.num_timesteps = int(given.get("timesteps", 1000))
        self._take(
            ModelSampling.discrete(
                timesteps=self.num_timesteps, beta_start=start, beta_end=end, zero_snr=bool(zero_snr)
            )
        )

    def set_sigmas(self, sigmas: Tensor) -> None:
        """Other levels, ascending."""
        self._take(ModelSampling(sigmas.cpu(), sigma_data=self.sigma_data))


class ModelSamplingContinuousEDM(Levels):
    """Any level between two."""

    def __init__(self, model_config: Any = None) -> None:
        super().__init__(model_config)
        given = self.settings
        ends = given.get("sigma_min", 0.002), given.get("sigma_max", 120.0)
        self.set_parameters(*ends, given.get("sigma_data", 1.0))

    def set_parameters(self, sigma_min: float, sigma_max: float, sigma_data: float) -> None:
        """Other ends."""
        self._take(ModelSampling.continuous("eps", sigma_min=sigma_min, sigma_max=sigma_max, sigma_data=sigma_data))


class ModelSamplingDiscreteFlow(Levels):
    """The levels of a flow, shifted."""

    def __init__(self, model_config: Any = None) -> None:
        super().__init__(model_config)
        self.set_parameters(self.settings.get("shift", 1.0), multiplier=self.settings.get("multiplier", 1000))

    def set_parameters(self, shift: float = 1.0, timesteps: int = 1000, multiplier: float = 1000) -> None:
        """Another shift."""
        self.shift, self.multiplier = shift, multiplier
        self._take(ModelSampling.flow(shift=shift, multiplier=multiplier, timesteps=timesteps))


class ModelSamplingFlux(Levels):
    """The levels of FLUX: a flow whose shift is given as its logarithm."""

    def __init__(self, model_config: Any = None) -> None:
        super().__init__(model_config)
        self.set_parameters(self.settings.get("shift", 1.15))

    def set_parameters(self, shift: float = 1.15, timesteps: int = 10000) -> None:
        """Another shift."""
        self.shift = shift
        self._take(ModelSampling.flow(shift=math.exp(shift), multiplier=1.0, timesteps=timesteps))


def time_snr_shift(alpha: float, t: Any) -> Any:
    """Esser et al. 2024, eq. 23: a timestep of 0..1 shifted towards noise."""
    return t if alpha == 1.0 else alpha * t / (1 + (alpha - 1) * t)


def flux_time_shift(mu: float, sigma: float, t: Any) -> Any:
    """The same with the logarithm of the shift and a power."""
    return math.exp(mu) / (math.exp(mu) + (1 / t - 1) ** sigma)


_TARGETS: Mapping[str, type[EPS]] = {
    target.prediction: target for target in (EPS, V_PREDICTION, EDM, CONST, X0, IMG_TO_IMG, LCM)
}
_LEVELS: Mapping[type, type[Levels]] = {
    TableClock: ModelSamplingDiscrete,
    LogClock: ModelSamplingContinuousEDM,
    FlowClock: ModelSamplingDiscreteFlow,
}


class _View:
    """An object that shows what a model has, until it is copied: a change of it would be lost, so it raises."""

    _shows = 0

    def __setattr__(self, name: str, value: Any) -> None:
        if _is_view(self):
            raise DiffusionError(
                f"a model's model_sampling is read, and its {name!r} not set: copy it, change the copy, and give that "
                "to the model with add_object_patch"
            )
        super().__setattr__(name, value)


def _is_view(given: Any) -> bool:
    # A copy has the mark of what it was copied from.
    return getattr(given, "_shows", 0) == id(given)


@cache
def _class_for(clock: type, prediction: str) -> type[Levels]:
    return type("ModelSampling", (_View, _LEVELS.get(clock, Levels), _TARGETS[prediction]), {})


def shown(native: ModelSampling) -> Any:
    """A ModelSampling as packs know it: an instance of the classes here, or of the pack's that it came from."""
    if isinstance(native, GivenSampling):
        return native.given
    made = _class_for(type(native.clock), native.prediction)
    view = made.__new__(made)
    nn.Module.__init__(view)
    view.settings = {}
    view._take(native)
    view.__dict__["_shows"] = id(view)
    return view


def taken(given: Any) -> ModelSampling:
    """What Weft samples with for an object that stands for a model's sampling.

    Raises:
        DiffusionError: it is none.
    """
    if isinstance(given, ModelSampling):
        return given
    if _is_view(given):
        native: ModelSampling = given.native
        return native
    missing = [name for name in INTERFACE if not hasattr(given, name)]
    if missing:
        kind = type(given).__name__
        raise DiffusionError(f"{kind} cannot be a model's model_sampling: it has no {', '.join(missing)}")
    return GivenSampling(given)


class GivenSampling(ModelSampling):
    """A ModelSampling that asks an object of a pack. given: with ComfyUI's names, see INTERFACE."""

    def __init__(self, given: Any) -> None:
        prediction = getattr(given, "prediction", "eps")
        super().__init__(given.sigmas.detach().cpu(), prediction, sigma_data=float(getattr(given, "sigma_data", 1.0)))
        self.given = given

    @property
    def process(self) -> Process:
        """See ModelSampling."""
        return FLOW if isinstance(self.given, CONST) else EXPLODING

    def timestep(self, sigma: Tensor | float) -> Tensor:
        """See ModelSampling."""
        found: Tensor = self.given.timestep(torch.as_tensor(sigma, dtype=torch.float32))
        return torch.as_tensor(found).float().cpu()

    def sigma(self, timestep: Tensor | float) -> Tensor:
        """See ModelSampling."""
        found: Tensor = self.given.sigma(torch.as_tensor(timestep, dtype=torch.float32))
        return torch.as_tensor(found).float().cpu()

    def percent_to_sigma(self, percent: float) -> float:
        """See ModelSampling."""
        return float(self.given.percent_to_sigma(percent))

    def scale_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        """See ModelSampling."""
        scaled: Tensor = self.given.calculate_input(_each(sigma, x), x)
        return scaled

    def denoised(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        """See ModelSampling."""
        denoised: Tensor = self.given.calculate_denoised(_each(sigma, x), output, x)
        return denoised

    def add_noise(self, latent: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """See ModelSampling."""
        noised: Tensor = self.given.noise_scaling(sigma.to(latent.device), noise, latent, self.is_top(sigma))
        return noised

    def noised(self, latent: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """See ModelSampling."""
        noised: Tensor = self.given.noise_scaling(sigma.to(latent.device), noise, latent)
        return noised

    def ended(self, x: Tensor, sigma: Tensor) -> Tensor:
        """See ModelSampling."""
        ended: Tensor = self.given.inverse_noise_scaling(sigma.to(x.device), x)
        return ended


def _each(sigma: Tensor, x: Tensor) -> Tensor:
    """[N] noise levels on the device of x [N,...]."""
    return sigma.expand(len(x)).to(x.device)
