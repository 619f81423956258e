"""`comfy.samplers`: schedules, samplers, guidance, and the runs that bring them together.

Functions call each other by their names in this module, so that a pack which replaces one replaces it for all that
packs sample with. Weft's own nodes do not come here: they have the same numbers by their own way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from weft.nodes.compat.host import in_its_numbers
from weft.nodes.compat.modules.comfy import model_management, sampler_helpers
from weft.nodes.compat.modules.comfy.k_diffusion import sampling as k_diffusion_sampling
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.interop.base_model import levels_of
from weft.nodes.diffusion.interop.conds import can_concat_cond, cond_cat, get_area_and_mult
from weft.nodes.diffusion.interop.guider import BaseGuider, conditions_of, resolved
from weft.nodes.diffusion.interop.process import taken
from weft.nodes.diffusion.interop.solving import KSAMPLER, KSamplerX0Inpaint
from weft.nodes.diffusion.interop.solving import ComfySampler as Sampler
from weft.nodes.diffusion.interop.wrappers import wrappers_in
from weft.nodes.diffusion.sampling import schedules
from weft.nodes.diffusion.sampling.conditions import absolute_area
from weft.nodes.diffusion.sampling.guidance import GuidedNetwork
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedulers import SCHEDULERS as NATIVE_SCHEDULERS
from weft.nodes.diffusion.sampling.spellings import find_sampler, find_scheduler
from weft.nodes.diffusion.values.masks import resize_mask

__all__ = [
    "KSAMPLER",
    "KSamplerX0Inpaint",
    "Sampler",
    "can_concat_cond",
    "cond_cat",
    "get_area_and_mult",
    "k_diffusion_sampling",
    "wrappers_in",
]

KSAMPLER_NAMES = [name for name in SAMPLERS if name not in ("ddim", "uni_pc", "uni_pc_bh2")]
SAMPLER_NAMES = list(SAMPLERS)
DISCARD_PENULTIMATE = {name for name in SAMPLERS if SAMPLERS.row(name).discard_penultimate}


# -- schedules


class SchedulerHandler(NamedTuple):
    """A rule for schedules. use_ms: handler(model_sampling, steps), else handler(n=, sigma_min=, sigma_max=)."""

    handler: Callable[..., Tensor]
    use_ms: bool = True


def _rule(name: str) -> Callable[[Any, int], Tensor]:
    def scheduled(model_sampling: Any, steps: int) -> Tensor:
        return find_scheduler(name)(taken(model_sampling), steps)

    scheduled.__name__ = f"{name}_scheduler"
    scheduled.__doc__ = f"The schedule {name!r} of a model's noise levels: [steps + 1], float32 on the CPU."
    return scheduled


simple_scheduler = _rule("simple")
ddim_scheduler = _rule("ddim_uniform")
kl_optimal_scheduler = _rule("kl_optimal")
linear_quadratic_schedule = _rule("linear_quadratic")


def normal_scheduler(model_sampling: Any, steps: int, sgm: bool = False, floor: bool = False) -> Tensor:
    """Evenly spaced timesteps; sgm leaves the lowest one out."""
    return _rule("sgm_uniform" if sgm else "normal")(model_sampling, steps)


def beta_scheduler(model_sampling: Any, steps: int, alpha: float = 0.6, beta: float = 0.6) -> Tensor:
    """Timesteps at the quantiles of a Beta distribution."""
    return schedules.beta(taken(model_sampling), steps, alpha, beta)


SCHEDULER_HANDLERS: dict[str, SchedulerHandler] = {name: SchedulerHandler(_rule(name)) for name in NATIVE_SCHEDULERS}
SCHEDULER_NAMES = list(SCHEDULER_HANDLERS)


def calculate_sigmas(model_sampling: Any, scheduler_name: str, steps: int) -> Tensor:
    """The noise levels of a schedule: [steps + 1], float32 on the CPU, highest first.

    Raises:
        DiffusionError: a scheduler that neither Weft nor a pack has.
    """
    handler = SCHEDULER_HANDLERS.get(scheduler_name)
    if handler is None:
        return schedules.schedule(taken(model_sampling), scheduler_name, steps)
    if handler.use_ms:
        return handler.handler(model_sampling, steps)
    low, high = float(model_sampling.sigma_min), float(model_sampling.sigma_max)
    return handler.handler(n=steps, sigma_min=low, sigma_max=high)


# -- samplers


def ksampler(
    sampler_name: str,
    extra_options: Mapping[str, Any] | None = None,
    inpaint_options: Mapping[str, Any] | None = None,
) -> KSAMPLER:
    """The SAMPLER of a name of KSampler's, or of a function sample_NAME that a pack has put into k_diffusion.sampling.

    Raises:
        DiffusionError: there is none.
    """
    function: Any = getattr(k_diffusion_sampling, f"sample_{sampler_name}", None)
    if function is k_diffusion_sampling.OWN.get(sampler_name):
        function = find_sampler(sampler_name).sampler_function
    elif sampler_name in k_diffusion_sampling.BY_ENDS:
        function = partial(k_diffusion_sampling.by_schedule, sampler_name, function)
    return KSAMPLER(function, extra_options, inpaint_options)


def sampler_object(name: str) -> KSAMPLER:
    """The SAMPLER of a name; see ksampler."""
    random = name in SAMPLERS and SAMPLERS.row(name).fresh_inpaint_noise
    return ksampler(name, inpaint_options={"random": True} if random else {})


# -- guidance


def _network(model: Any) -> GuidedNetwork:
    if not isinstance(model, GuidedNetwork):
        kind = type(model).__name__
        raise DiffusionError(f"the model to predict with is that of a run (a guider's inner_model), got {kind}")
    return model


def process_conds(
    model: Any,
    noise: Tensor,
    conds: Mapping[str, Any],
    device: Any,
    latent_image: Tensor | None = None,
    denoise_mask: Tensor | None = None,
    seed: int | None = None,
    **_: Any,
) -> dict[str, Any]:
    """The conditions of a run by side, ready for calc_cond_batch. latent_image: as the network takes it."""
    network = _network(model)
    if network.run.latent is None:
        network.run = replace(network.run, latent=latent_image, noise_mask=denoise_mask)
    return resolved(network, conds)


def calc_cond_batch(
    model: Any, conds: Sequence[Any], x_in: Tensor, timestep: Tensor, model_options: Mapping[str, Any]
) -> list[Tensor]:
    """The prediction of each list of conditions at x and noise levels [B]; 0 for None or an empty one."""
    model_management.throw_exception_if_processing_interrupted()
    network = _network(model)
    sides = [conditions_of(side, network, f"side {place}") for place, side in enumerate(conds)]
    evaluation = network.evaluation(x_in, levels_of(timestep), _own(model_options))
    return network.predict(sides, x_in, levels_of(timestep), evaluation.options)


def _own(model_options: Mapping[str, Any]) -> Mapping[str, Any]:
    """model_options with transformer_options in them."""
    return model_options if "transformer_options" in model_options else {**model_options, "transformer_options": {}}


def calc_cond_uncond_batch(
    model: Any, cond: Any, uncond: Any, x_in: Tensor, timestep: Tensor, model_options: Mapping[str, Any]
) -> tuple[Tensor, Tensor]:
    """calc_cond_batch of two sides."""
    first, second = calc_cond_batch(model, [cond, uncond], x_in, timestep, model_options)
    return first, second


def cfg_function(
    model: Any,
    cond_pred: Tensor,
    uncond_pred: Tensor,
    cond_scale: float,
    x: Tensor,
    timestep: Tensor,
    model_options: Mapping[str, Any] | None = None,
    cond: Any = None,
    uncond: Any = None,
) -> Tensor:
    """The guided prediction from both sides' ones, with the functions in model_options."""
    evaluation = _network(model).evaluation(x, levels_of(timestep), _own(model_options or {}))
    return evaluation.combine(cond or [], uncond or [], cond_pred, uncond_pred, cond_scale)


def sampling_function(
    model: Any,
    x: Tensor,
    timestep: Tensor,
    uncond: Any,
    cond: Any,
    cond_scale: float,
    model_options: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Tensor:
    """The guided prediction: both sides predicted, the functions in model_options called, and combined."""
    options, network = _own(model_options or {}), _network(model)
    alone = math.isclose(cond_scale, 1.0) and not options.get("disable_cfg1_optimization")
    positive = conditions_of(cond, network, "positive")
    negative = [] if alone else conditions_of(uncond, network, "negative")
    evaluation = network.evaluation(x, levels_of(timestep), options)
    if "sampler_calc_cond_batch_function" in options:
        predicted = evaluation.predict([positive, negative])
    else:
        predicted = calc_cond_batch(model, [positive, negative], x, timestep, evaluation.options)
    return evaluation.guide(positive, negative, predicted[0], predicted[1], cond_scale)[0]


class CFGGuider(BaseGuider):
    """A GUIDER: classifier-free guidance. Packs subclass it and replace predict_noise."""

    def __init__(self, model_patcher: Any) -> None:
        super().__init__(model_patcher)
        self.cfg = 1.0

    def set_conds(self, positive: Any, negative: Any) -> None:
        """Steer by two conditionings."""
        self.inner_set_conds({"positive": positive, "negative": negative})

    def set_cfg(self, cfg: float) -> None:
        """At this scale."""
        self.cfg = cfg

    def inner_set_conds(self, conds: Mapping[str, Any]) -> None:
        """Steer by conditionings of any names."""
        for name, conditioning in conds.items():
            self.original_conds[name] = sampler_helpers.convert_cond(conditioning)

    def sample(self, *given: Any, **more: Any) -> Tensor:
        """See BaseGuider."""
        with in_its_numbers():
            return super().sample(*given, **more)

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: int | None = None) -> Tensor:
        """See BaseGuider."""
        return sampling_function(
            self.inner_model,
            x,
            timestep,
            self.conds.get("negative"),
            self.conds.get("positive"),
            self.cfg,
            model_options=model_options or {},
            seed=seed,
        )


def sample(
    model: Any,
    noise: Tensor,
    positive: Any,
    negative: Any,
    cfg: float,
    device: Any,
    sampler: Any,
    sigmas: Tensor,
    model_options: Mapping[str, Any] | None = None,
    latent_image: Tensor | None = None,
    denoise_mask: Tensor | None = None,
    callback: Any = None,
    disable_pbar: bool = False,
    seed: int | None = None,
) -> Tensor:
    """The latent sampled under classifier-free guidance."""
    guider = CFGGuider(model)
    if model_options:
        guider.model_options = dict(model_options)
    guider.set_conds(positive, negative)
    guider.set_cfg(cfg)
    latent = torch.zeros_like(noise) if latent_image is None else latent_image
    return guider.sample(noise, latent, sampler, sigmas, denoise_mask, callback, disable_pbar, seed)


class KSampler:
    """What KSampler samples with: a schedule and a sampler by name."""

    SCHEDULERS = SCHEDULER_NAMES
    SAMPLERS = SAMPLER_NAMES
    DISCARD_PENULTIMATE_SIGMA_SAMPLERS = DISCARD_PENULTIMATE

    def __init__(
        self,
        model: Any,
        steps: int,
        device: Any = None,
        sampler: str | None = None,
        scheduler: str | None = None,
        denoise: float | None = None,
        model_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.device = device
        self.sampler = sampler if sampler is not None else self.SAMPLERS[0]
        self.scheduler = scheduler if scheduler is not None else self.SCHEDULERS[0]
        self.model_options = dict(model_options or {})
        self.set_steps(steps, denoise)

    def calculate_sigmas(self, steps: int) -> Tensor:
        """The schedule of so many steps; without its last level above 0 for samplers that go twice there."""
        discard = self.sampler in self.DISCARD_PENULTIMATE_SIGMA_SAMPLERS
        model_sampling = self.model.get_model_object("model_sampling")
        sigmas = calculate_sigmas(model_sampling, self.scheduler, steps + 1 if discard else steps)
        if sigmas.isnan().any():
            raise DiffusionError(f"scheduler {self.scheduler} gives no numbers for {steps} steps")
        return torch.cat([sigmas[:-2], sigmas[-1:]]) if discard else sigmas

    def set_steps(self, steps: int, denoise: float | None = None) -> None:
        """Make the schedule: the last `steps` of steps / denoise."""
        self.steps, self.denoise = steps, denoise
        if denoise is None or denoise > 0.9999:
            self.sigmas = self.calculate_sigmas(steps)
        elif denoise <= 0.0:
            self.sigmas = torch.empty(0)
        else:
            self.sigmas = self.calculate_sigmas(schedules.whole_length(steps, denoise))[-(steps + 1) :]

    def sample(
        self,
        noise: Tensor,
        positive: Any,
        negative: Any,
        cfg: float,
        latent_image: Tensor | None = None,
        start_step: int | None = None,
        last_step: int | None = None,
        force_full_denoise: bool = False,
        denoise_mask: Tensor | None = None,
        sigmas: Tensor | None = None,
        callback: Any = None,
        disable_pbar: bool = False,
        seed: int | None = None,
    ) -> Tensor:
        """The latent sampled, or a stretch of its schedule."""
        levels = self.sigmas if sigmas is None else sigmas
        if last_step is not None and last_step < len(levels) - 1:
            levels = levels[: last_step + 1].clone()
            if force_full_denoise:
                levels[-1] = 0.0
        if start_step is not None:
            levels = levels[start_step:]
        if len(levels) < 2:
            return torch.zeros_like(noise) if latent_image is None else latent_image
        return sample(
            self.model,
            noise,
            positive,
            negative,
            cfg,
            self.device,
            sampler_object(self.sampler),
            levels,
            self.model_options,
            latent_image=latent_image,
            denoise_mask=denoise_mask,
            callback=callback,
            disable_pbar=disable_pbar,
            seed=seed,
        )


def resolve_areas_and_cond_masks_multidim(conditions: list[Any], dims: Sequence[int], device: Any) -> None:
    """Bring areas and masks of converted conditionings to the size of a latent, in place."""
    height, width = dims[-2:]
    for place, entry in enumerate(conditions):
        changed = dict(entry)
        if changed.get("area") is not None:
            changed["area"] = absolute_area(changed["area"], height, width)
        if changed.get("mask") is not None:
            changed["mask"] = resize_mask(changed["mask"], height, width).to(device)
        conditions[place] = changed


def resolve_areas_and_cond_masks(conditions: list[Any], h: int, w: int, device: Any) -> None:
    """The same by height and width."""
    resolve_areas_and_cond_masks_multidim(conditions, [h, w], device)
