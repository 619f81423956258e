"""Sampling with a schedule, sampler, guider and noise of one's own: SamplerCustom, SamplerCustomAdvanced, AddNoise.

Semantics: parity/facts.md sections 3 and 4. Numbers: goldens cust_*, cadv_*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, Warn, python_warning
from weft.nodes.diffusion.interop.wrappers import around_run
from weft.nodes.diffusion.sampling.guiders import Guider
from weft.nodes.diffusion.sampling.noise import Noise
from weft.nodes.diffusion.sampling.sample import Callback, solve
from weft.nodes.diffusion.sampling.samplers.interface import Sampler
from weft.nodes.diffusion.sampling.sharing import StepStore
from weft.nodes.diffusion.sampling.sigmas import check_sigmas
from weft.nodes.diffusion.sampling.stages import Stage
from weft.nodes.diffusion.values.latents import Latent, samples_of

if TYPE_CHECKING:
    from weft.nodes.diffusion.interop.guider import BaseGuider
    from weft.nodes.diffusion.weights.patcher import ModelPatcher


def custom_sample(
    guider: Guider | BaseGuider,
    sampler: Sampler | Any,
    sigmas: Tensor,
    noise: Noise,
    latent: Latent,
    callback: Callback | None = None,
    steps: StepStore | None = None,
    warn: Warn = python_warning,
) -> tuple[Latent, Latent]:
    """Solve `sigmas` from the latent with noise.

    Args:
        sigmas: [n+1] for n steps. [] and [0.0] give the latent as it is, one sigma the latent with noise of its level.
        noise: what is added at the start; its seed is that of the noise which the sampler adds on its way.
        latent, callback, steps: as ksample's. warn: told of what is left out of hooks.

    Returns:
        (the latent where the schedule ends, the last prediction of the noise-free latent), both as ksample's.

    Raises:
        DiffusionError: an input of another kind, NaN or infinity.
    """
    _check(guider, "a guider", "BasicGuider or CFGGuider", "model", "sample")
    _check(sampler, "a sampler", "KSamplerSelect", "sample")
    _check(noise, "a noise", "RandomNoise", "generate_noise", "seed")
    sigmas = check_sigmas(sigmas)
    samples_of(latent)
    if len(sigmas) < 2 and not sigmas.any():
        return {**latent}, {**latent}
    if not isinstance(guider, Guider) or not isinstance(sampler, Sampler) or around_run(guider.model.model_options):
        return _in_form(guider, sampler, sigmas, noise, latent, callback)
    last: list[Tensor] = []
    stage = Stage(guider.guidance, sampler, sigmas, noise)
    result, _ = solve(guider.model, latent, stage, callback=callback, steps=steps, last=last, warn=warn)
    # A plain tensor, as solve gives.
    denoised = guider.model.process_latent_out(last[0].clone()).cpu() if last else result.clone()
    return {**latent, "samples": result}, {**latent, "samples": denoised}


def add_noise(model: ModelPatcher, noise: Noise, sigmas: Tensor, latent: Latent) -> Latent:
    """The latent with noise of the level between first and last sigma, or of the only one; without one, as it is."""
    samples = samples_of(latent)
    sigmas = check_sigmas(sigmas)
    if not len(sigmas):
        return {**latent}
    level = (sigmas[0] - sigmas[-1]).abs() if len(sigmas) > 1 else sigmas[0]
    inner = model.process_latent_in(samples.to(device="cpu", dtype=torch.float32))
    noised = model.process_latent_out(model.sampling.noised(inner, noise.generate_noise(latent), level))
    return {**latent, "samples": noised.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)}


def _in_form(
    guider: Any, sampler: Any, sigmas: Tensor, noise: Noise, latent: Latent, callback: Callback | None
) -> tuple[Latent, Latent]:
    """custom_sample in ComfyUI's form: with what packs bring."""
    last: list[Tensor] = []

    def report(step: int, denoised: Tensor, x: Tensor, total: int) -> None:
        last[:] = [denoised]
        if callback is not None:
            callback(step, total, x, denoised)

    samples, mask = guider.model.latent_format.filled(samples_of(latent), latent), latent.get("noise_mask")
    given = noise.generate_noise({**latent, "samples": samples})
    result = guider.sample(given, samples, sampler, sigmas, denoise_mask=mask, callback=report, seed=noise.seed)
    denoised = guider.model.process_latent_out(last[0].clone()).cpu() if last else result.clone()
    return {**latent, "samples": result}, {**latent, "samples": denoised}


def _check(value: object, what: str, giver: str, *names: str) -> None:
    if not all(hasattr(value, name) for name in names):
        raise DiffusionError(f"expected {what} (as {giver} gives), got {type(value).__name__}")
