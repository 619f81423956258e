"""The KSampler path: noise, schedule, start and end, mask, guidance, solver, and back to a latent.

Semantics: parity/facts.md sections 3, 4 and 9; numbers: goldens ks_*, kv_*, adv_*, inp_*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, Warn, python_warning, whole_number
from weft.nodes.diffusion.sampling import continuous
from weft.nodes.diffusion.sampling.conditions import SamplingRun, noise_mask_for
from weft.nodes.diffusion.sampling.continuous import Leftover
from weft.nodes.diffusion.sampling.guidance import CFG, Guidance
from weft.nodes.diffusion.sampling.noise import SEED_MAX, check_seed, prepare_noise
from weft.nodes.diffusion.sampling.samplers import find_sampler
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Sampler, State
from weft.nodes.diffusion.sampling.schedules import ksampler_schedule
from weft.nodes.diffusion.values.latents import samples_of

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

# (step, total, x, denoised): x at the start of the step and the prediction from it, both in the scaled latent space.
Callback = Callable[[int, int, Tensor, Tensor], None]
# (samples, seed, batch_index) -> the noise that a run starts from, as prepare_noise.
StartNoise = Callable[[Tensor, int, Sequence[int] | None], Tensor]


def ksample(
    model: ModelPatcher,
    latent: Mapping[str, Any],
    *,
    seed: int,
    steps: int,
    cfg: float,
    sampler: str,
    scheduler: str,
    positive: list[Any],
    negative: list[Any],
    denoise: float = 1.0,
    start_step: int | None = None,
    last_step: int | None = None,
    add_noise: bool = True,
    force_full_denoise: bool = False,
    callback: Callback | None = None,
    mode: str = "comfy",
    warn: Warn = python_warning,
    noise_of: StartNoise = prepare_noise,
) -> dict[str, Any]:
    """Sample a latent as ComfyUI's KSampler and KSampler (Advanced) do.

    Args:
        model: network, schedule and latent scale.
        latent: {"samples": [B,C,h,w], "noise_mask"?: [m,H,W] (1 = sample here), "batch_index"?: [B ints]}.
        seed: 0 .. 2^64 - 1, for the initial noise and the noise of ancestral samplers.
        steps: length of the whole schedule, of which start_step .. last_step are done.
        cfg: guidance scale; 1 leaves the negative side out.
        sampler, scheduler: names of nodes/diffusion/sampling/names.py.
        positive, negative: conditionings.
        denoise: share of the schedule done, from its end; 0 does nothing.
        start_step: the first step done, None for 0. last_step: where to stop, None for the end.
        add_noise: start from the latent with noise, or from the latent as it is.
        force_full_denoise: stopping early, leave no noise: the last step goes to 0.
        callback: called once a step with (step, total, x, denoised). What it raises ends the run.
        mode: `comfy` for ComfyUI's numbers, `continuous` for stages that equal the single run (continuous.py).
        warn: told why a state that the latent carries could not be used.
        noise_of: what makes the initial noise.

    Returns:
        The latent with "samples" replaced: float32, CPU. The input's samples where there is no step to do. In
        continuous mode a stage that stops early leaves "sampler_state" on it.

    Raises:
        DiffusionError: an input that does not fit, or a network that gave NaN or infinity.
    """
    algorithm = find_sampler(sampler)
    check_seed(seed)
    samples = samples_of(latent)
    schedule = ksampler_schedule(
        model.sampling, scheduler, steps, denoise=denoise, discard_penultimate=algorithm.discard_penultimate
    )
    sigmas = cut(schedule, start_step, last_step, force_full_denoise)
    if len(sigmas) < 2:
        return dict(latent)
    start, rest = start_step or 0, {name: value for name, value in latent.items() if name != continuous.KEY}
    stage: Stage | None = None
    ends_early = start + len(sigmas) < len(schedule) and not force_full_denoise
    if mode == "continuous" and algorithm.own_steps:
        if len(sigmas) < len(schedule):
            warn(f"{sampler} chooses its own steps: its stages do not add up to one run")
    elif mode == "continuous":
        before, objection = continuous.resume(latent, sampler, schedule, start, add_noise)
        if objection:
            warn(objection)
        # Solved as part of the whole schedule, unless it is forced to end here.
        whole = schedule[start:] if ends_early else sigmas
        if before is not None:
            whole = torch.cat([before.sigmas[: before.step], whole])
        stage = Stage(schedule, whole, start, len(sigmas) - 1, before)
    noise = noise_of(samples, seed, latent.get("batch_index")) if add_noise else torch.zeros(samples.shape)
    guidance = CFG(positive, negative, cfg)
    mask = latent.get("noise_mask")
    index = latent.get("batch_index")
    result, left = _solve(model, guidance, samples, noise, sigmas, algorithm, seed, mask, callback, stage, index)
    state = {continuous.KEY: left.pack(result, sampler)} if left is not None and ends_early else {}
    return {**rest, "samples": result, **state}


@dataclass(frozen=True)
class Stage:
    """A stretch of a run in continuous mode.

    schedule: the whole one. sigmas: what the solver is given, which begins where its first stage began. start: the
    first step of the whole schedule that is done now, of `count`. before: what the last stage left, None for the first.
    """

    schedule: Tensor
    sigmas: Tensor
    start: int
    count: int
    before: Leftover | None

    @property
    def origin(self) -> int:
        """Where in the whole schedule the solver's begins."""
        return self.before.origin if self.before is not None else self.start

    @property
    def steps(self) -> range:
        """What is done now, as indices into `sigmas`."""
        first = self.start - self.origin
        return range(first, first + self.count)


def cut(sigmas: Tensor, start_step: int | None, last_step: int | None, force_full_denoise: bool) -> Tensor:
    """The stretch of a schedule from start_step to last_step; fewer than 2 values where there is nothing to do."""
    for name, value in (("start step", start_step), ("last step", last_step)):
        if value is not None:
            whole_number(f"the {name}", value, 0)
    if last_step is not None and last_step < len(sigmas) - 1:
        sigmas = sigmas[: last_step + 1].clone()
        if force_full_denoise:
            sigmas[-1] = 0.0
    return sigmas[start_step or 0 :]


def sample(
    model: ModelPatcher,
    guidance: Guidance,
    samples: Tensor,
    noise: Tensor,
    sigmas: Tensor,
    sampler: Sampler,
    *,
    seed: int,
    noise_mask: Tensor | None = None,
    callback: Callback | None = None,
    batch_index: Sequence[int] | None = None,
) -> Tensor:
    """Solve one schedule: samples [B,C,h,w] in, unscaled; noise of the same shape; sigmas [n+1], CPU.

    Returns [B,C,h,w] float32 on the CPU, unscaled. Arguments as ksample's.
    """
    return _solve(model, guidance, samples, noise, sigmas, sampler, seed, noise_mask, callback, None, batch_index)[0]


def _solve(
    model: ModelPatcher,
    guidance: Guidance,
    samples: Tensor,
    noise: Tensor,
    sigmas: Tensor,
    sampler: Sampler,
    seed: int,
    noise_mask: Tensor | None,
    callback: Callback | None,
    stage: Stage | None,
    batch_index: Sequence[int] | None,
) -> tuple[Tensor, Leftover | None]:
    """As sample; for a stage of a run in continuous mode also what it leaves to the next one."""
    # Realised outside inference_mode: patched weights outlive this run.
    network = model.network.module()
    denoiser = model.kind.denoiser(network, model.sampling, model.latent_format)
    samples, noise = (denoiser.latent_format.shaped(each) for each in (samples, noise))
    device = denoiser.device
    with torch.inference_mode(), ExitStack() as held:
        if model.network.memory is not None:
            held.enter_context(model.network.memory.on_device(network))
        latent = model.process_latent_in(samples.to(device=device, dtype=torch.float32))
        start_noise = noise.to(device)
        run = SamplingRun(
            denoiser,
            tuple(latent.shape),
            device,
            latent=latent,
            noise_mask=noise_mask,
            held=held,
            options=model.model_options,
            sigmas=sigmas,
            seed=seed,
            batch_index=batch_index,
            in_stages=stage is not None,
        )
        guided: GuidedDenoiser = guidance.bind(run)
        protected_noise = _inpaint_noise(noise, seed).to(device) if sampler.fresh_inpaint_noise else start_noise
        before = stage.before if stage is not None else None
        if before is not None and before.noise is not None and before.latent is not None:
            protected_noise, latent = before.noise.to(device), before.latent.to(device)
        if noise_mask is not None:
            mask_function = model.model_options.get("denoise_mask_function")
            levels = sigmas if stage is None else stage.sigmas
            guided = Inpaint(guided, latent, protected_noise, noise_mask, mask_function, levels)
        x = model.sampling.add_noise(latent, start_noise, sigmas[0])
        steps, state = range(len(sigmas) - 1), State()
        if stage is None:
            source = sampler.noise(x, sigmas, seed, batch_index)
        else:
            sigmas, steps = stage.sigmas, stage.steps
            if before is not None:
                x = before.x.to(device, copy=True)
                state = {name: value.to(device, copy=True) for name, value in before.solver.items()}
            source = continuous.noise_source(sampler, x, stage.schedule, seed, stage.origin)
        watch = _Watch(steps, device, callback, denoiser.dtype)
        x = sampler.solve(guided, x, sigmas, steps, source, state, watch)
        result = model.process_latent_out(x).cpu()
        watch.check(result, samples)
        left = None
        if stage is not None:
            kept = (protected_noise, latent) if noise_mask is not None else (None, None)
            left = Leftover(x, state, sigmas, stage.origin, steps.stop, *kept)
    # A plain tensor: nodes downstream may write into it, which inference tensors forbid.
    return result.clone(), left


class Inpaint:
    """A GuidedDenoiser that samples where the mask is 1 and keeps the latent where it is 0.

    Before each evaluation what is kept is set to the latent at this noise level, after it to the latent itself
    (Lugmayr et al. 2022, "RePaint", without resampling). A denoise_mask_function(sigma, mask, extra_options) makes the
    mask of each evaluation: sigma is [1] on the CPU, the mask as noise_mask_for gives it; extra_options hold "model"
    (this object) and "sigmas" of the run.
    """

    def __init__(
        self,
        model: GuidedDenoiser,
        latent: Tensor,
        noise: Tensor,
        mask: Tensor,
        mask_function: Callable[..., Tensor] | None = None,
        sigmas: Tensor | None = None,
    ) -> None:
        self._model = model
        self._whole = noise_mask_for(mask, latent)
        self._latent = latent
        self._noise = noise
        self._function = mask_function
        self._extra = {"model": self, "sigmas": sigmas}

    @property
    def sampling(self) -> ModelSampling:
        """See GuidedDenoiser."""
        return self._model.sampling

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """See GuidedDenoiser."""
        mask = self._mask(sigma)
        return self._after(self._model(self._before(x, sigma, mask), sigma), mask)

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """See GuidedDenoiser. What is kept is set in the guided prediction alone, as in ComfyUI."""
        mask = self._mask(sigma)
        denoised, uncond = self._model.with_uncond(self._before(x, sigma, mask), sigma)
        return self._after(denoised, mask), uncond

    def _mask(self, sigma: Tensor) -> Tensor:
        return self._whole if self._function is None else self._function(sigma[None], self._whole, self._extra)

    def _before(self, x: Tensor, sigma: Tensor, mask: Tensor) -> Tensor:
        return x * mask + self.sampling.noised(self._latent, self._noise, sigma) * (1.0 - mask)

    def _after(self, denoised: Tensor, mask: Tensor) -> Tensor:
        return denoised * mask + self._latent * (1.0 - mask)


class _Watch:
    """A solver's report: passes each step on, and remembers on the device whether its prediction was finite."""

    def __init__(
        self,
        steps: range,
        device: torch.device,
        callback: Callback | None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._hint = "; it may overflow float16: try bfloat16 or float32" if dtype is torch.float16 else ""
        self._first = steps.start
        self._total = total = len(steps)
        self._callback = callback
        self._finite = torch.ones(total, dtype=torch.bool, device=device)

    def __call__(self, i: int, x: Tensor, denoised: Tensor) -> None:
        i -= self._first
        self._finite[i] = denoised.isfinite().all()
        if self._callback is not None:
            self._callback(i, self._total, x, denoised)

    def check(self, result: Tensor, samples: Tensor) -> None:
        """Raise where the result has NaN or infinity: the only question put to the device, after the last step."""
        if result.isfinite().all():
            return
        if not samples.isfinite().all():
            raise DiffusionError("the latent to sample has NaN or infinity in it")
        bad = (~self._finite).nonzero()
        where = f"at step {int(bad[0])} of {self._total}" if len(bad) else "in the last steps"
        raise DiffusionError(f"the model gave NaN or infinity {where} (steps count from 0){self._hint}")


def _inpaint_noise(noise: Tensor, seed: int) -> Tensor:
    if seed == SEED_MAX:
        raise DiffusionError(f"this sampler draws a second noise from seed + 1, so the seed must be below {SEED_MAX}")
    return prepare_noise(noise, seed + 1)
