"""KSampler in one call: a stage of settings by name, sampled at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft.nodes.diffusion.sampling import sample
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.noise import NoNoise, RandomNoise
from weft.nodes.diffusion.sampling.stages import Stage, ksampler_stage
from weft.nodes.diffusion.weights.patcher import ModelPatcher


def stage_of(
    sampling: ModelSampling,
    *,
    seed: int,
    cfg: float,
    positive: list[Any],
    negative: list[Any],
    add_noise: bool = True,
    **settings: Any,
) -> Stage:
    """The stage of KSampler's and KSampler (Advanced)'s settings; the rest as ksampler_stage."""
    noise = RandomNoise(seed) if add_noise else NoNoise(seed)
    return ksampler_stage(sampling, CFG(positive, negative, cfg), noise, **settings)


def ksample(model: ModelPatcher, latent: Mapping[str, Any], *, callback: Any = None, **settings: Any) -> dict[str, Any]:
    """The latent after the stage of these settings; see stage_of."""
    return sample.ksample(model, latent, stage_of(model.sampling, **settings), callback=callback)
