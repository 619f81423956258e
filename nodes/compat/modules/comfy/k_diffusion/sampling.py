"""`comfy.k_diffusion.sampling`: Weft's samplers as functions (model, x, sigmas, extra_args, callback, disable, ...).

For each of them there is a `sample_NAME`; a pack may put more here, which comfy.samplers then finds by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from weft.nodes.compat.host import in_its_numbers
from weft.nodes.compat.modules.comfy.k_diffusion import utils
from weft.nodes.compat.modules.comfy.k_diffusion.utils import append_dims, append_zero
from weft.nodes.diffusion.interop import solving
from weft.nodes.diffusion.sampling.noise import BrownianNoise, generator_on_the_way
from weft.nodes.diffusion.sampling.samplers import SAMPLERS

__all__ = ["append_dims", "append_zero", "math", "torch", "utils"]

BY_ENDS = ("dpm_fast", "dpm_adaptive")
"""The functions that take sigma_min and sigma_max, not a schedule."""


def by_schedule(
    name: str, function: Callable[..., Tensor], model: Any, x: Tensor, sigmas: Tensor, **given: Any
) -> Tensor:
    """One of BY_ENDS over a schedule. A schedule that ends at 0 is solved down to its last level above."""
    low = sigmas[-1] if sigmas[-1] > 0 else sigmas[-2]
    if name == "dpm_fast":
        return function(model, x, low, sigmas[0], len(sigmas) - 1, **given)
    return function(model, x, low, sigmas[0], **given)


def _solved(*given: Any, **options: Any) -> Tensor:
    """solving.solve in a pack's node."""
    with in_its_numbers():
        return solving.solve(*given, **options)


def _function(name: str) -> Callable[..., Tensor]:
    solver = SAMPLERS[name]

    def sampled(
        model: Any,
        x: Tensor,
        sigmas: Tensor,
        extra_args: Any = None,
        callback: Any = None,
        disable: Any = None,
        **options: Any,
    ) -> Tensor:
        return _solved(solver, model, x, sigmas, extra_args, callback, disable, **options)

    sampled.__name__ = sampled.__qualname__ = f"sample_{name}"
    sampled.__doc__ = f"x brought down a schedule by {name}; see weft.nodes.diffusion.interop.solving.solve."
    return sampled


for _name in SAMPLERS:
    if _name not in (*BY_ENDS, "ddim", "uni_pc", "uni_pc_bh2"):
        globals()[f"sample_{_name}"] = _function(_name)


def sample_dpm_fast(
    model: Any,
    x: Tensor,
    sigma_min: Any,
    sigma_max: Any,
    n: int,
    extra_args: Any = None,
    callback: Any = None,
    disable: Any = None,
    **options: Any,
) -> Tensor:
    """dpm_fast between two levels, in so many evaluations."""
    sigmas = torch.linspace(float(sigma_max), float(sigma_min), n + 1)
    return _solved(SAMPLERS["dpm_fast"], model, x, sigmas, extra_args, callback, disable, **options)


def sample_dpm_adaptive(
    model: Any,
    x: Tensor,
    sigma_min: Any,
    sigma_max: Any,
    extra_args: Any = None,
    callback: Any = None,
    disable: Any = None,
    **options: Any,
) -> Tensor:
    """dpm_adaptive between two levels."""
    sigmas = torch.tensor([float(sigma_max), float(sigma_min)])
    return _solved(SAMPLERS["dpm_adaptive"], model, x, sigmas, extra_args, callback, disable, **options)


# -- what packs write samplers with


def to_d(x: Tensor, sigma: Tensor, denoised: Tensor) -> Tensor:
    """dx/dsigma of a prediction (Karras et al. 2022)."""
    return (x - denoised) / append_dims(sigma, x.ndim)


def get_ancestral_step(sigma_from: Any, sigma_to: Any, eta: float = 1.0) -> tuple[Any, Any]:
    """(sigma_down, sigma_up): a step to a level in two, down without noise and up with it."""
    if not eta:
        return sigma_to, 0.0
    up = min(sigma_to, eta * (sigma_to**2 * (sigma_from**2 - sigma_to**2) / sigma_from**2) ** 0.5)
    return (sigma_to**2 - up**2) ** 0.5, up


def default_noise_sampler(x: Tensor, seed: int | None = None) -> Callable[[Any, Any], Tensor]:
    """(sigma, sigma_next) -> standard normal noise like x, where x is."""
    with in_its_numbers():
        generator = None if seed is None else generator_on_the_way(seed, x.device)
    return lambda sigma, sigma_next: torch.randn(
        x.size(), dtype=x.dtype, layout=x.layout, device=x.device, generator=generator
    )


class BrownianTreeNoiseSampler:
    """(sigma, sigma_next) -> increments of one Brownian motion, at variance 1. cpu: drawn there."""

    def __init__(
        self,
        x: Tensor,
        sigma_min: Any,
        sigma_max: Any,
        seed: int | Sequence[int] | None = None,
        transform: Callable[[Any], Any] = lambda sigma: sigma,
        cpu: bool = False,
    ) -> None:
        if seed is None:
            seed = int(torch.randint(0, 2**63 - 1, ()))
        if not isinstance(seed, int):
            raise NotImplementedError("BrownianTreeNoiseSampler with a seed for each item of a batch")
        ends = torch.tensor([float(transform(torch.as_tensor(end))) for end in (sigma_min, sigma_max)])
        self._transform = transform
        self._noise = BrownianNoise(x, ends, seed, torch.device("cpu") if cpu else x.device)

    def __call__(self, sigma: Any, sigma_next: Any) -> Tensor:
        levels = (self._transform(torch.as_tensor(level)).float().cpu() for level in (sigma, sigma_next))
        return self._noise(0, *levels)


def get_sigmas_karras(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0, device: Any = "cpu") -> Tensor:
    """Karras et al. 2022, equation 5."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return append_zero((high + torch.linspace(0, 1, n) * (low - high)) ** rho).to(device)


def get_sigmas_exponential(n: int, sigma_min: float, sigma_max: float, device: Any = "cpu") -> Tensor:
    """Evenly spaced in log sigma."""
    return append_zero(torch.linspace(math.log(sigma_max), math.log(sigma_min), n).exp()).to(device)


def get_sigmas_polyexponential(
    n: int, sigma_min: float, sigma_max: float, rho: float = 1.0, device: Any = "cpu"
) -> Tensor:
    """A polynomial in log sigma."""
    ramp = torch.linspace(1, 0, n) ** rho
    return append_zero((ramp * (math.log(sigma_max) - math.log(sigma_min)) + math.log(sigma_min)).exp()).to(device)


def sigma_to_half_log_snr(sigma: Tensor, model_sampling: Any) -> Tensor:
    """Half the logarithm of the signal-to-noise ratio at a level, of noised images and of flows."""
    from weft.nodes.diffusion.interop.process import CONST

    return sigma.logit().neg() if isinstance(model_sampling, CONST) else sigma.log().neg()


OWN: Mapping[str, Callable[..., Tensor]] = {
    name: globals()[f"sample_{name}"] for name in SAMPLERS if f"sample_{name}" in globals()
}
"""The functions that are Weft's, by the sampler's name: another one in their place is a pack's."""
