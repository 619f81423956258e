"""Patches on a model's schedule and on what its output stands for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.sampling.denoiser import ModelSampling

if TYPE_CHECKING:
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

# Luo et al. 2023, "Latent Consistency Models": distilled to every 20th of 1000 timesteps.
LCM_STEPS = 50

# ComfyUI's names -> arguments of ModelSampling.discrete.
DISCRETE: Mapping[str, Mapping[str, Any]] = {
    "eps": {"prediction": "eps"},
    "v_prediction": {"prediction": "v"},
    "lcm": {"prediction": "lcm", "distilled_steps": LCM_STEPS},
    "x0": {"prediction": "x0"},
    "img_to_img": {"prediction": "img_to_img"},
}
# ComfyUI's names -> arguments of ModelSampling.continuous.
CONTINUOUS: Mapping[str, Mapping[str, Any]] = {
    "v_prediction": {"prediction": "v"},
    "edm": {"prediction": "edm", "sigma_data": 0.5},
    "edm_playground_v2.5": {"prediction": "edm", "sigma_data": 0.5},
    "eps": {"prediction": "eps"},
}
# Fields of the LatentFormat that go with a sampling. Li et al. 2024, "Playground v2.5": the statistics of its latents,
# from the VAE's configuration.
LATENT_STATISTICS: Mapping[str, Mapping[str, Any]] = {
    "edm_playground_v2.5": {
        "scale": 0.5,
        "mean": (-1.6574, 1.886, -1.383, 2.5155),
        "deviation": (8.4927, 5.9022, 6.5498, 5.2299),
    }
}
OTHER_FAMILIES = {"cosmos_rflow": "NVIDIA's Cosmos"}


def discrete(model: ModelPatcher, sampling: str, zero_snr: bool) -> ModelPatcher:
    """The model read as one that was trained on Stable Diffusion's schedule with another target.

    sampling: a key of DISCRETE. zero_snr: trained until pure noise, see ModelSampling.discrete.
    """
    clone = model.clone()
    clone.sampling = ModelSampling.discrete(**_known(DISCRETE, sampling), zero_snr=zero_snr)
    return clone


def continuous(model: ModelPatcher, sampling: str, sigma_max: float, sigma_min: float) -> ModelPatcher:
    """The model read as one that was trained at any noise level between two: Karras et al. 2022.

    sampling: a key of CONTINUOUS.
    """
    if sampling in OTHER_FAMILIES:
        raise DiffusionError(f"{sampling} is for {OTHER_FAMILIES[sampling]}; this is {model.kind.name}")
    clone = model.clone()
    clone.sampling = ModelSampling.continuous(**_known(CONTINUOUS, sampling), sigma_min=sigma_min, sigma_max=sigma_max)
    clone.latent_format = replace(model.latent_format, **LATENT_STATISTICS.get(sampling, {}))
    return clone


def angular(model: ModelPatcher, sigma_max: float, sigma_min: float) -> ModelPatcher:
    """The model read as one that gives v at any noise level between two, and is told angles (Stable Audio)."""
    clone = model.clone()
    clone.sampling = ModelSampling.angular(sigma_min=sigma_min, sigma_max=sigma_max)
    return clone


def flow(model: ModelPatcher, shift: float, multiplier: float) -> ModelPatcher:
    """The model read as a rectified flow: see ModelSampling.flow."""
    clone = model.clone()
    clone.sampling = ModelSampling.flow(shift=shift, multiplier=multiplier)
    return clone


def exponential_flow(model: ModelPatcher, mu: float) -> ModelPatcher:
    """The model read as a rectified flow shifted by e^mu, its timesteps counted to 1 in a table of 10000 (FLUX.1)."""
    clone = model.clone()
    clone.sampling = ModelSampling.flow(shift=math.exp(mu), multiplier=1.0, timesteps=10_000, exponential=True)
    return clone


def _known(table: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    if name not in table:
        raise DiffusionError(f"unknown sampling {name!r}{nearest(name, table)}; there are {', '.join(table)}")
    return table[name]
