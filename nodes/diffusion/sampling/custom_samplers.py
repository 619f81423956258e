"""SAMPLER values with options of one's own: what the Sampler* nodes give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.noise import NoiseSource, ShapedNoise, brownian_noise, brownian_noise_on_device
from weft.nodes.diffusion.sampling.samplers import SAMPLERS, node_only, sa_solver
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Sampler
from weft.nodes.diffusion.sampling.spellings import find_sampler

NOISE_DEVICES: Mapping[str, Callable[[Tensor, Tensor, int], NoiseSource]] = {
    "gpu": brownian_noise_on_device,
    "cpu": brownian_noise,
}
CFG_PP_VERSIONS = {
    "regular": SAMPLERS["euler_cfg_pp"],
    "alternative": Sampler(node_only.euler_cfg_pp_alternative, looks_ahead=False),
}


def with_options(name: str, **options: Any) -> Sampler:
    """The sampler of this name with other options than its own."""
    sampler = find_sampler(name)
    solve = partial(sampler.solve, **options)
    return Sampler(solve, sampler.noise, own_steps=sampler.own_steps, looks_ahead=sampler.looks_ahead)


def with_noise_device(name: str, noise_device: str, **options: Any) -> Sampler:
    """An SDE sampler with options, and with its noise drawn on the CPU ("cpu") or where the model is ("gpu")."""
    if noise_device not in NOISE_DEVICES:
        raise DiffusionError(f"unknown noise device {noise_device!r}{nearest(noise_device, NOISE_DEVICES)}")
    # By its noise, if not by its solver.
    return Sampler(partial(find_sampler(name).solve, **options), NOISE_DEVICES[noise_device], looks_ahead=True)


def sa_solver_of(sampling: ModelSampling, **options: Any) -> Sampler:
    """sa_solver whose percentages are those of `sampling`, whatever model it then runs with."""

    def solve(model: GuidedDenoiser, *given: Any) -> Tensor:
        return sa_solver.sa_solver(_Counted(model, sampling), *given, **options)

    return Sampler(solve, looks_ahead=True)


def euler_cfg_pp(version: str) -> Sampler:
    """Euler with CFG++ in one of two versions."""
    if version not in CFG_PP_VERSIONS:
        raise DiffusionError(f"unknown version {version!r}{nearest(version, CFG_PP_VERSIONS)}")
    return CFG_PP_VERSIONS[version]


def lcm_upscale(scale_ratio: float, scale_steps: int, upscale_method: str) -> Sampler:
    """lcm that enlarges as it goes. scale_steps below 0: over about the first half of the steps."""
    over = None if scale_steps < 0 else scale_steps
    solve = partial(node_only.lcm_upscale, scale_ratio=scale_ratio, scale_steps=over, upscale_method=upscale_method)
    # It scales the size that it began with, which no state has: nobody goes on from one.
    return Sampler(solve, ShapedNoise)


class _Counted:
    """A GuidedDenoiser that counts noise levels as another one does."""

    def __init__(self, model: GuidedDenoiser, sampling: ModelSampling) -> None:
        self._model = model
        self.sampling = sampling

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self._model(x, sigma)

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return self._model.with_uncond(x, sigma)
