"""Noise levels that were optimised for a model and published, as tables, and schedules of other lengths made of them.

Sigmas are float32 on the CPU, highest first, the last 0. Numbers: goldens sig_nodes, cust_*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest, whole_number
from weft.nodes.diffusion.sampling.denoiser import ModelSampling

# Timesteps of Stable Diffusion's schedule, published by Sabour et al. 2024, "Align Your Steps"; the last is its end.
ALIGNED_TIMESTEPS: Mapping[str, Sequence[int]] = {
    "SD1": (999, 850, 736, 645, 545, 455, 343, 233, 124, 24, 0),
    "SDXL": (999, 845, 730, 587, 443, 310, 193, 116, 53, 13, 0),
}
# Noise levels, from the same source.
ALIGNED_SIGMAS = {"SVD": (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002)}


# Noise levels of flows, published by Pei et al. 2025, "Optimal Stepsize for Diffusion Sampling"; Chroma's came later.
OPTIMAL_SIGMAS: Mapping[str, Sequence[float]] = {
    "FLUX": (0.9968, 0.9886, 0.9819, 0.975, 0.966, 0.9471, 0.9158, 0.8287, 0.5512, 0.2808, 0.001),
    "Wan": (
        *(1.0, 0.997, 0.995, 0.993, 0.991, 0.989, 0.987, 0.985, 0.98, 0.975, 0.973, 0.968, 0.96, 0.946, 0.927, 0.902),
        *(0.864, 0.776, 0.539, 0.208, 0.001),
    ),
    "Chroma": (
        *(0.992, 0.99, 0.988, 0.985, 0.982, 0.978, 0.973, 0.968, 0.961, 0.953, 0.943, 0.931, 0.917, 0.9, 0.881, 0.858),
        *(0.832, 0.802, 0.769, 0.731, 0.69, 0.646, 0.599, 0.55, 0.501, 0.451, 0.402, 0.355, 0.311, 0.27, 0.232, 0.199),
        *(0.169, 0.143, 0.12, 0.101, 0.084, 0.07, 0.058, 0.048, 0.001),
    ),
}


def optimal_steps(model_type: str, steps: int, denoise: float = 1.0) -> Tensor:
    """The optimised schedule of Pei et al. 2025 for FLUX, Wan or Chroma; other lengths are interpolated."""
    whole_number("steps", steps, 1)
    if model_type not in OPTIMAL_SIGMAS:
        known = [*OPTIMAL_SIGMAS]
        raise DiffusionError(f"no optimal steps for {model_type!r}{nearest(model_type, known)}; there are {known}")
    return last_steps(interpolated(torch.tensor(OPTIMAL_SIGMAS[model_type]), steps), steps, denoise)


def align_your_steps(model_type: str, steps: int, denoise: float = 1.0) -> Tensor:
    """The optimised schedule of Sabour et al. 2024 for SD1, SDXL or SVD; other lengths than 10 are interpolated."""
    whole_number("steps", steps, 1)
    if model_type in ALIGNED_TIMESTEPS:
        published = ModelSampling.discrete().sigmas[torch.tensor(ALIGNED_TIMESTEPS[model_type])]
    elif model_type in ALIGNED_SIGMAS:
        published = torch.tensor(ALIGNED_SIGMAS[model_type])
    else:
        known = [*ALIGNED_TIMESTEPS, *ALIGNED_SIGMAS]
        raise DiffusionError(f"no aligned steps for {model_type!r}{nearest(model_type, known)}; there are {known}")
    return last_steps(interpolated(published, steps), steps, denoise)


def interpolated(sigmas: Tensor, steps: int) -> Tensor:
    """A schedule of another length: log sigma interpolated linearly over the index. All sigmas must be above 0."""
    if len(sigmas) == steps + 1:
        return sigmas
    import numpy

    given = numpy.linspace(0, 1, len(sigmas))
    # numpy.interp in float64 from the low end up, as ComfyUI's.
    levels = numpy.interp(numpy.linspace(0, 1, steps + 1), given, sigmas.double().log().flip(0).numpy())
    return torch.from_numpy(numpy.exp(levels)[::-1].copy()).float()


def last_steps(sigmas: Tensor, steps: int, denoise: float) -> Tensor:
    """The last round(steps * denoise) steps of a schedule, its end set to 0; empty where denoise is 0 or less."""
    if denoise <= 0.0:
        return torch.empty(0)
    kept = sigmas[-(min(round(steps * denoise), steps) + 1) :].clone()
    kept[-1] = 0.0
    return kept
