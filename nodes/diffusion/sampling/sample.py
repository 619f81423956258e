"""The KSampler path: noise, schedule, start and end, mask, guidance, solver, and back to a latent.

Semantics: parity/facts.md sections 3, 4 and 9; numbers: goldens ks_*, kv_*, adv_*, inp_*.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, Warn, python_warning
from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.families.latent_format import FRAMES, PIXELS
from weft.nodes.diffusion.interop.guider import GuidanceGuider
from weft.nodes.diffusion.interop.process import shown
from weft.nodes.diffusion.interop.wrappers import CallbacksMP, around_run, call_back
from weft.nodes.diffusion.sampling import continuous
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.sampling.continuous import Leftover
from weft.nodes.diffusion.sampling.denoiser import EXPLODING, ModelSampling
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.hooked import HookedModel
from weft.nodes.diffusion.sampling.noise import SEED_MAX, NoiseSource, prepare_noise
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, State
from weft.nodes.diffusion.sampling.sharing import StepStore, Trail, trail_of
from weft.nodes.diffusion.sampling.stages import SolverSpan, Stage
from weft.nodes.diffusion.values.latents import Latent, samples_of
from weft.nodes.diffusion.values.masks import noise_mask_for

if TYPE_CHECKING:
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

# (step, total, x, denoised): x at the start of the step and the prediction from it, both in the scaled latent space.
Callback = Callable[[int, int, Tensor, Tensor], None]


def ksample(
    model: ModelPatcher,
    latent: Latent,
    stage: Stage,
    *,
    callback: Callback | None = None,
    warn: Warn = python_warning,
    tell: Warn = python_warning,
    steps: StepStore | None = None,
) -> Latent:
    """Sample a latent as ComfyUI's KSampler and KSampler (Advanced) do.

    Args:
        model: network, schedule and latent scale.
        latent: {"samples": [B,C,h,w], "noise_mask"?: [m,H,W] (1 = sample here), "batch_index"?: [B ints]}.
        stage: what is done; see ksampler_stage.
        callback: called once a step with (step, total, x, denoised). What it raises ends the run.
        warn: told why a state that the latent carries could not be used. tell: told of what hooks leave out.
        steps: where states on the way are found and left, for this model, latent, guidance and noise.

    Returns:
        The latent with "samples" replaced: float32, CPU. The input's samples where there is no step to do. A stage
        with memory that stops early leaves "sampler_state" on it.

    Raises:
        DiffusionError: an input that does not fit, or a network that gave NaN or infinity.
    """
    samples_of(latent)
    if len(stage.sigmas) < 2:
        return {**latent}
    if around_run(model.model_options):
        return {**latent, "samples": _wrapped(model, latent, stage, callback)}
    before, objection = stage.mode.resume(stage, latent)
    if objection:
        warn(objection)
    result, left = solve(model, latent, stage, before=before, callback=callback, steps=steps, warn=tell)
    sampled: Latent = {**latent, "samples": result}
    sampled.pop(continuous.KEY, None)
    sampled.pop(PIXELS, None)
    sampled.pop(FRAMES, None)
    if stage.mode.memory and stage.stops_early:
        sampled[continuous.KEY] = left.pack(result, stage.sampler.name)
    return sampled


def _wrapped(model: ModelPatcher, latent: Latent, stage: Stage, callback: Callback | None) -> Tensor:
    """The samples after a stage of a model whose wrappers stand around the run."""
    if stage.mode.memory:
        raise DiffusionError("this model has wrappers around its runs, which continuous mode cannot carry")

    def report(step: int, denoised: Tensor, x: Tensor, total: int) -> None:
        if callback is not None:
            callback(step, total, x, denoised)

    guider, mask = GuidanceGuider(model, stage.guidance), latent.get("noise_mask")
    samples = model.latent_format.filled(samples_of(latent), latent)
    noise = stage.noise.generate_noise({**latent, "samples": samples})
    return guider.sample(noise, samples, stage.sampler, stage.sigmas, mask, report, seed=stage.noise.seed)


def solve(
    model: ModelPatcher,
    latent: Latent,
    stage: Stage,
    *,
    before: Leftover | None = None,
    callback: Callback | None = None,
    steps: StepStore | None = None,
    last: list[Tensor] | None = None,
    warn: Warn = python_warning,
) -> tuple[Tensor, Leftover]:
    """Solve a stage from a latent on.

    before: what the stage before left, if this one goes on from there. last: becomes the last prediction, if there is
    a step. The others: as ksample.

    Returns:
        [B,C,h,w] float32 on the CPU, unscaled, and what this stage leaves.
    """
    latent = {**latent, "samples": model.latent_format.filled(samples_of(latent), latent)}
    samples, mask, index = samples_of(latent), latent.get("noise_mask"), latent.get("batch_index")
    noise = stage.noise.generate_noise(latent)
    if noise.shape != samples.shape:
        raise DiffusionError(f"the noise is {list(noise.shape)}, the latent {list(samples.shape)}")
    sigmas, span = stage.sigmas, stage.span(before)
    _check_process(model.sampling, stage)
    # Realised outside inference_mode: patched weights outlive this run.
    reserved = None if model.network.memory is None else _working(model, stage, samples.shape)
    network = model.network.module(reserved)
    denoiser = model.kind.denoiser(network, model.sampling, model.latent_format)
    samples, noise = (denoiser.latent_format.shaped(each) for each in (samples, noise))
    device = denoiser.device
    with torch.inference_mode(), ExitStack() as held:
        call_back(model, CallbacksMP.ON_PRE_RUN)
        held.callback(call_back, model, CallbacksMP.ON_CLEANUP)
        if model.network.memory is not None:
            held.enter_context(model.network.memory.on_device(network, working=reserved))
        start = model.process_latent_in(samples.to(device=device, dtype=torch.float32))
        start_noise = noise.to(device)
        random = stage.mode.random(tuple(start.shape), stage.noise.seed, index)
        # Keyframes of a stage that goes on from another one's memory are those of the single run.
        hooked = HookedModel(model, denoiser, stage.schedule if stage.mode.memory else sigmas, warn)
        held.callback(hooked.close)
        run = SamplingRun(
            denoiser,
            tuple(start.shape),
            device,
            latent=start,
            noise_mask=mask,
            seed=stage.noise.seed,
            held=held,
            options=model.model_options,
            sigmas=stage.levels,
            random=random,
            hooked=hooked,
            model=model,
            warn=warn,
        )
        guided: GuidedDenoiser = stage.guidance.bind(run)
        kept, kept_noise = _protected(stage, start, start_noise, before)
        if mask is not None:
            function = model.model_options.get("denoise_mask_function")
            shown_noise = kept_noise if denoiser.noises_kept else None
            guided = Inpaint(guided, kept, shown_noise, mask, function, span.sigmas)
        x, state = model.sampling.add_noise(start, start_noise, sigmas[0]), State()
        if before is not None:
            x = before.x.to(device, copy=True)
            state = {name: value.to(device, copy=True) for name, value in before.solver.items()}
        source = stage.mode.noise(stage, span, x, index)
        watch = _Watch(span.steps, device, callback, denoiser.dtype, last)
        trail = trail_of(steps, model, network, stage, span, before, (source, random), last)
        x = _solved(stage, guided, x, span, source, state, watch, trail)
        ended = model.sampling.ended(x, span.sigmas[span.steps.stop])
        result = model.process_latent_out(ended).cpu()
        watch.check(result, samples)
    of_mask = (kept_noise, kept) if mask is not None else (None, None)
    # A plain tensor: nodes downstream may write into it, which inference tensors forbid.
    return result.clone(), Leftover(x, state, span.sigmas, span.origin, span.steps.stop, *of_mask)


def _solved(
    stage: Stage,
    guided: GuidedDenoiser,
    x: Tensor,
    span: SolverSpan,
    source: NoiseSource,
    state: State,
    watch: _Watch,
    trail: Trail | None,
) -> Tensor:
    """x after the steps of a span: in one go, or step by step, which gives the same, from where somebody was before."""
    solve = partial(stage.sampler.solve, guided)
    if trail is None:
        return solve(x, span.sigmas, span.steps, source, state, watch)
    x, left = trail.begin(x, state)
    with trail:
        for i in left:
            x = solve(x, span.sigmas, range(i, i + 1), source, state, watch)
            trail.passed(i, x, state)
    return x


def _working(model: ModelPatcher, stage: Stage, shape: Sequence[int]) -> int:
    """Bytes that a step is reckoned to take on the device beside the weights, of so many latents as go into a call."""
    rule, first = model.kind.computing, next(model.network.base.parameters())
    # What a network begins with is as wide as its rows are.
    width = max([*first.shape[:1], *first.shape[-1:]], default=1)
    items = shape[0] * _together(stage, apart=rule.as_long)
    return working.RESERVE + rule.taken(math.prod(shape[2:]), width, items, first.dtype.itemsize)


def _together(stage: Stage, *, apart: bool) -> int:
    """How many sides go into one call. apart: whether prompts of two lengths do not."""
    guidance = stage.guidance
    if isinstance(guidance, CFG):
        both = working.sides(guidance.scale, stage.sampler.name) == 2
        sides = [guidance.positive, *([guidance.negative] if both else [])]
    else:
        sides = [value for value in vars(guidance).values() if isinstance(value, list | tuple)]
    return max(Counter(_rows(side) if apart else 0 for side in sides).values(), default=1)


def _rows(side: Any) -> int:
    """Of the first context of a conditioning; 0 for what is none, which is said where it is read."""
    match side:
        case [[Tensor() as context, *_], *_] if context.dim() > 1:
            return context.shape[1]
        case _:
            return 0


def _check_process(sampling: ModelSampling, stage: Stage) -> None:
    """Raise DiffusionError for a flow and a schedule made for variance exploding: it would give another picture."""
    if sampling.process is EXPLODING:
        return
    if float(stage.sigmas[0]) > sampling.process.top:
        top = f"{float(stage.sigmas[0]):g}"
        raise DiffusionError(f"the schedule begins at noise level {top}; this model is a flow, whose highest is 1")


def _protected(stage: Stage, start: Tensor, noise: Tensor, before: Leftover | None) -> tuple[Tensor, Tensor]:
    """What a noise mask keeps, scaled, and the noise that this gets: in all stages of a run those of its first one."""
    if before is not None and before.noise is not None and before.latent is not None:
        return before.latent.to(start.device), before.noise.to(start.device)
    if not stage.sampler.fresh_inpaint_noise:
        return start, noise
    if stage.noise.seed == SEED_MAX:
        raise DiffusionError(f"this sampler draws a second noise from seed + 1, so the seed must be below {SEED_MAX}")
    return start, prepare_noise(noise, stage.noise.seed + 1).to(start.device)


class Inpaint:
    """A GuidedDenoiser that samples where the mask is 1 and keeps the latent where it is 0.

    Before each evaluation what is kept is set to the latent at this noise level, or without noise where none is given,
    after it to the latent itself (Lugmayr et al. 2022, "RePaint", without resampling). A
    denoise_mask_function(sigma, mask, extra_options) makes the mask of each evaluation: sigma is [1] on the CPU, the
    mask as noise_mask_for gives it; extra_options hold "model" (this object) and "sigmas" of the run.
    """

    def __init__(
        self,
        model: GuidedDenoiser,
        latent: Tensor,
        noise: Tensor | None,
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

    @property
    def inner_model(self) -> SimpleNamespace:
        """Its noise levels by ComfyUI's names, for functions of packs: model_sampling."""
        return SimpleNamespace(model_sampling=shown(self.sampling))

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
        kept = self._latent if self._noise is None else self.sampling.noised(self._latent, self._noise, sigma)
        return x * mask + kept * (1.0 - mask)

    def _after(self, denoised: Tensor, mask: Tensor) -> Tensor:
        return denoised * mask + self._latent * (1.0 - mask)


class _Watch:
    """A solver's report: passes each step on, and remembers on the device whether its prediction was finite.

    Steps that were done before are not reported, and were finite. last: holds the last prediction, if it is given.
    """

    def __init__(
        self,
        steps: range,
        device: torch.device,
        callback: Callback | None,
        dtype: torch.dtype = torch.float32,
        last: list[Tensor] | None = None,
    ) -> None:
        self._hint = "; it may overflow float16: try bfloat16 or float32" if dtype is torch.float16 else ""
        self._first = steps.start
        self._total = total = len(steps)
        self._callback = callback
        self._last = last
        self._finite = torch.ones(total, dtype=torch.bool, device=device)

    def __call__(self, i: int, x: Tensor, denoised: Tensor) -> None:
        i -= self._first
        self._finite[i] = denoised.isfinite().all()
        if self._last is not None:
            self._last[:] = [denoised]
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
