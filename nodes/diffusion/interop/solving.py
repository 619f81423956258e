"""Samplers in k-diffusion's calling convention, both ways.

There a sampler is a function (model, x, sigmas, extra_args, callback, disable, **options) -> x, and model(x, sigma [B],
**extra_args) gives the denoised prediction; extra_args hold model_options and seed. `called` makes such a function of a
Sampler of Weft's, `KSAMPLER` runs one on a model as ComfyUI does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.interop.process import taken
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.noise import NoiseSource

KFunction = Callable[..., Tensor]


class Solver(Protocol):
    """What is asked of a Sampler of Weft's; samplers/interface.py says what each is."""

    @property
    def solve(self) -> Callable[..., Tensor]: ...

    @property
    def noise(self) -> Callable[..., NoiseSource]: ...

    @property
    def fresh_inpaint_noise(self) -> bool: ...

    @property
    def name(self) -> str: ...


NEUTRAL: Mapping[str, Any] = {
    "s_churn": 0.0,
    "s_tmin": 0.0,
    "s_tmax": float("inf"),
    "s_noise": 1.0,
    "model_options": None,
    "order": None,
}
"""Options that k-diffusion's functions have and Weft's solvers may not, at the values that change nothing."""


class _Unsaid(ModelSampling):
    """The noise levels of a model that has no model_sampling."""

    def percent_to_sigma(self, percent: float) -> float:
        """Nobody knows: DiffusionError."""
        raise DiffusionError("this sampler asks for the model's noise levels, and this model has no model_sampling")


class CalledModel:
    """See GuidedDenoiser: a model in k-diffusion's convention. extra_args: as its samplers are given them."""

    def __init__(self, model: Callable[..., Tensor], extra_args: Mapping[str, Any]) -> None:
        self._model = model
        self._extra = extra_args

    @property
    def sampling(self) -> ModelSampling:
        """See GuidedDenoiser. A model that does not say its noise levels is one of exploding variance."""
        inner: Any = self._model
        while inner is not None:
            found = getattr(inner, "model_sampling", None)
            if found is not None:
                return taken(found)
            inner = getattr(inner, "inner_model", None)
        return _Unsaid(torch.ones(1), "x0")

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """See GuidedDenoiser."""
        return self._model(x, self._level(x, sigma), **self._extra)

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """See GuidedDenoiser."""
        found: list[Tensor] = []

        def keep(args: Mapping[str, Any]) -> Tensor:
            found.append(args["uncond_denoised"])
            denoised: Tensor = args["denoised"]
            return denoised

        options = dict(self._extra.get("model_options") or {})
        options["sampler_post_cfg_function"] = [*options.get("sampler_post_cfg_function", ()), keep]
        options["disable_cfg1_optimization"] = True
        denoised = self._model(x, self._level(x, sigma), **{**self._extra, "model_options": options})
        if not found:
            raise DiffusionError("this sampler asks for the unguided prediction, and this model has none")
        return denoised, found[-1]

    @staticmethod
    def _level(x: Tensor, sigma: Tensor) -> Tensor:
        return torch.full((x.shape[0],), float(sigma), device=x.device)


class GivenNoise:
    """A NoiseSource of a function (sigma, sigma_next) -> noise, as packs make them."""

    position: Tensor | None = None

    def __init__(self, sampler: Callable[[Tensor, Tensor], Tensor]) -> None:
        self._sampler = sampler

    def __call__(self, i: int, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        """See NoiseSource."""
        return self._sampler(sigma, sigma_next)


def solve(
    solver: Solver,
    model: Callable[..., Tensor],
    x: Tensor,
    sigmas: Tensor,
    extra_args: Mapping[str, Any] | None = None,
    callback: Callable[[dict[str, Any]], Any] | None = None,
    disable: bool | None = None,
    *,
    noise_sampler: Callable[[Tensor, Tensor], Tensor] | None = None,
    **options: Any,
) -> Tensor:
    """x brought down a schedule by a solver of Weft's, with a model in k-diffusion's convention.

    noise_sampler: what it adds on its way; by default what its noise is for the seed in extra_args.
    callback: is given a dict of x, i, sigma, sigma_hat and denoised.

    Raises:
        DiffusionError: an option that the solver does not have.
    """
    extra = dict(extra_args or {})
    schedule = sigmas.detach().to("cpu", torch.float32)
    seed = extra.get("seed")
    noise: NoiseSource
    if noise_sampler is not None:
        noise = GivenNoise(noise_sampler)
    elif seed is None:
        noise = GivenNoise(lambda sigma, sigma_next: torch.randn_like(x))
    else:
        noise = solver.noise(x, schedule, seed, None)

    def report(i: int, x: Tensor, denoised: Tensor) -> None:
        if callback is not None:
            callback({"x": x, "i": i, "sigma": schedule[i], "sigma_hat": schedule[i], "denoised": denoised})

    state: dict[str, Tensor] = {}
    steps = range(len(schedule) - 1)
    chosen = _options(solver, options)
    return solver.solve(CalledModel(model, extra), x, schedule, steps, noise, state, report, **chosen)


def _options(solver: Solver, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a solver has; those that it lacks must stand at what changes nothing."""
    import inspect

    known = {
        name
        for name, parameter in inspect.signature(solver.solve).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    for name, value in options.items():
        if name not in known and (name not in NEUTRAL or value != NEUTRAL[name]):
            title = solver.name or "this sampler"
            there = ", ".join(sorted(known)) or "none"
            raise DiffusionError(f"{title} has no option {name!r}{nearest(name, known)}; there are {there}")
    return {name: value for name, value in options.items() if name in known}


def called(solver: Solver) -> KFunction:
    """A solver of Weft's as a function in k-diffusion's convention."""
    return partial(solve, solver)


class ComfySampler:
    """A SAMPLER as packs make one: what brings noise down a schedule, given the guided model."""

    def sample(
        self,
        model_wrap: Any,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Callable[..., Any] | None,
        noise: Tensor,
        latent_image: Tensor | None = None,
        denoise_mask: Tensor | None = None,
        disable_pbar: bool = False,
    ) -> Tensor:
        """The latent at the end of the schedule, as the network knows it."""
        raise NotImplementedError

    def max_denoise(self, model_wrap: Any, sigmas: Tensor) -> bool:
        """Whether the schedule begins at the top."""
        return taken(model_wrap.inner_model.model_sampling).is_top(sigmas[0].cpu())


class KSAMPLER(ComfySampler):
    """A SAMPLER of a function in k-diffusion's convention.

    inpaint_options: {"random": True} noises what a mask keeps with a draw from seed + 1.
    """

    def __init__(
        self,
        sampler_function: KFunction,
        extra_options: Mapping[str, Any] | None = None,
        inpaint_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.sampler_function = sampler_function
        self.extra_options = dict(extra_options or {})
        self.inpaint_options = dict(inpaint_options or {})

    @classmethod
    def of(cls, solver: Solver) -> KSAMPLER:
        """A SAMPLER of Weft's as packs know one."""
        return cls(called(solver), {}, {"random": True} if solver.fresh_inpaint_noise else {})

    def sample(
        self,
        model_wrap: Any,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Callable[..., Any] | None,
        noise: Tensor,
        latent_image: Tensor | None = None,
        denoise_mask: Tensor | None = None,
        disable_pbar: bool = False,
    ) -> Tensor:
        """See ComfySampler."""
        model_sampling = model_wrap.inner_model.model_sampling
        latent = torch.zeros_like(noise) if latent_image is None else latent_image
        model = KSamplerX0Inpaint(model_wrap, sigmas)
        model.latent_image, model.noise = latent, noise
        if self.inpaint_options.get("random") and denoise_mask is not None:
            generator = torch.Generator("cpu").manual_seed(extra_args.get("seed", 41) + 1)
            model.noise = torch.randn(noise.shape, generator=generator).to(noise)
        extra_args["denoise_mask"] = denoise_mask
        x = model_sampling.noise_scaling(sigmas[0], noise, latent, self.max_denoise(model_wrap, sigmas))
        total = len(sigmas) - 1

        def report(state: Mapping[str, Any]) -> None:
            if callback is not None:
                callback(state["i"], state["denoised"], state["x"], total)

        result = self.sampler_function(
            model, x, sigmas, extra_args=extra_args, callback=report, disable=disable_pbar, **self.extra_options
        )
        ended: Tensor = model_sampling.inverse_noise_scaling(sigmas[-1], result)
        return ended


class KSamplerX0Inpaint:
    """The guided model under a noise mask, as a sampler's function is given it: see sampling.sample.Inpaint.

    latent_image, noise: what is kept where the mask is 0, and the noise that it gets.
    """

    latent_image: Tensor
    noise: Tensor

    def __init__(self, model: Any, sigmas: Tensor) -> None:
        self.inner_model = model
        self.sigmas = sigmas

    def __call__(
        self,
        x: Tensor,
        sigma: Tensor,
        denoise_mask: Tensor | None = None,
        model_options: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ) -> Tensor:
        """The denoised prediction."""
        options = model_options or {}
        if denoise_mask is None:
            denoised: Tensor = self.inner_model(x, sigma, model_options=options, seed=seed)
            return denoised
        function = options.get("denoise_mask_function")
        mask = denoise_mask
        if function is not None:
            mask = function(sigma, denoise_mask, extra_options={"model": self.inner_model, "sigmas": self.sigmas})
        sampling = self.inner_model.inner_model.model_sampling
        level = sigma[0] if bool((sigma == sigma[0]).all()) else sigma
        x = x * mask + sampling.noise_scaling(level, self.noise, self.latent_image) * (1.0 - mask)
        denoised = self.inner_model(x, sigma, model_options=options, seed=seed)
        return denoised * mask + self.latent_image * (1.0 - mask)
