"""`comfy.sample`: what KSampler and SamplerCustom do, with noise and latents as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from weft.nodes.compat.modules.comfy import model_management, sampler_helpers, samplers
from weft.nodes.diffusion.sampling import noise as native

__all__ = [
    "cleanup_additional_models",
    "fix_empty_latent_channels",
    "np",
    "prepare_mask",
    "prepare_noise",
    "prepare_sampling",
    "sample",
    "sample_custom",
]


def prepare_noise(latent_image: Tensor, seed: int, noise_inds: Sequence[int] | None = None) -> Tensor:
    """The noise that a run starts from: float32 on the CPU, of the latent's shape. noise_inds: a batch_index."""
    index = None if noise_inds is None else [int(place) for place in noise_inds]
    return native.prepare_noise(latent_image, seed, index)


def fix_empty_latent_channels(model: Any, latent_image: Tensor, *_: Any) -> Tensor:
    """An empty latent with the channels and axes that a model takes."""
    format_ = model.latent_format
    if latent_image.shape[1] != format_.channels and not latent_image.any():
        latent_image = torch.zeros(latent_image.shape[0], format_.channels, *latent_image.shape[2:])
    if format_.frames and latent_image.dim() == 4:
        latent_image = latent_image[:, :, None]
    return latent_image


def prepare_mask(noise_mask: Tensor, shape: Sequence[int], device: Any) -> Tensor:
    """See comfy.sampler_helpers."""
    return sampler_helpers.prepare_mask(noise_mask, shape, device)


def prepare_sampling(
    model: Any, noise_shape: Sequence[int], positive: Any, negative: Any, noise_mask: Any = None
) -> tuple[Any, Any, Any, Any, list[Any]]:
    """Model, conditionings and mask as given: nothing is to be prepared."""
    return model.model, positive, negative, noise_mask, []


def cleanup_additional_models(models: Sequence[Any]) -> None:
    """Nothing is to be given back."""


def sample(
    model: Any,
    noise: Tensor,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Any,
    negative: Any,
    latent_image: Tensor,
    denoise: float = 1.0,
    disable_noise: bool = False,
    start_step: int | None = None,
    last_step: int | None = None,
    force_full_denoise: bool = False,
    noise_mask: Tensor | None = None,
    sigmas: Tensor | None = None,
    callback: Any = None,
    disable_pbar: bool = False,
    seed: int | None = None,
) -> Tensor:
    """As KSampler and KSampler (Advanced): the latent [B,C,h,w] sampled, float32 on the CPU."""
    sampler = samplers.KSampler(
        model,
        steps=steps,
        device=model.load_device,
        sampler=sampler_name,
        scheduler=scheduler,
        denoise=denoise,
        model_options=model.model_options,
    )
    samples = sampler.sample(
        noise,
        positive,
        negative,
        cfg=cfg,
        latent_image=latent_image,
        start_step=start_step,
        last_step=last_step,
        force_full_denoise=force_full_denoise,
        denoise_mask=noise_mask,
        sigmas=sigmas,
        callback=callback,
        disable_pbar=disable_pbar,
        seed=seed,
    )
    return samples.to(model_management.intermediate_device())


def sample_custom(
    model: Any,
    noise: Tensor,
    cfg: float,
    sampler: Any,
    sigmas: Tensor,
    positive: Any,
    negative: Any,
    latent_image: Tensor,
    noise_mask: Tensor | None = None,
    callback: Any = None,
    disable_pbar: bool = False,
    seed: int | None = None,
) -> Tensor:
    """As SamplerCustom."""
    samples = samplers.sample(
        model,
        noise,
        positive,
        negative,
        cfg,
        model.load_device,
        sampler,
        sigmas,
        model_options=model.model_options,
        latent_image=latent_image,
        denoise_mask=noise_mask,
        callback=callback,
        disable_pbar=disable_pbar,
        seed=seed,
    )
    return samples.to(model_management.intermediate_device())
