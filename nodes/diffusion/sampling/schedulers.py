"""Schedulers: the rules by which a schedule is made, by name. Read without torch.

A new scheduler is a function (model sampling, steps) -> sigmas in schedules.py and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.sampling.lazytable import LazyTable, imported

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.sampling.denoiser import ModelSampling

    Scheduler = Callable[[ModelSampling, int], Tensor]


def _scheduler(name: str, row: tuple[str, Mapping[str, Any]]) -> Scheduler:
    path, options = row
    return partial(imported(__package__, path), **options)


SCHEDULERS: Mapping[str, Scheduler] = LazyTable(
    {
        "simple": ("schedules.simple", {}),
        "sgm_uniform": ("schedules.sgm_uniform", {}),
        "karras": ("schedules.karras", {}),
        "exponential": ("schedules.exponential", {}),
        "ddim_uniform": ("schedules.ddim_uniform", {}),
        "beta": ("schedules.beta", {}),
        "normal": ("schedules.normal", {}),
        "linear_quadratic": ("schedules.linear_quadratic", {}),
        "kl_optimal": ("schedules.kl_optimal", {}),
    },
    _scheduler,
)
"""Those that KSampler offers, in its order: the levels are the model's."""

PUBLISHED_SCHEDULERS: Mapping[str, Scheduler] = LazyTable(
    {
        "AYS SD1": ("schedules.aligned", {"model_type": "SD1"}),
        "AYS SDXL": ("schedules.aligned", {"model_type": "SDXL"}),
        "AYS SVD": ("schedules.aligned", {"model_type": "SVD"}),
        "GITS": ("schedules.gits_120", {}),
    },
    _scheduler,
)
"""Those that give a paper's noise levels whatever the model: the Efficiency samplers offer them beside the others."""

ALL_SCHEDULERS = (*SCHEDULERS, *PUBLISHED_SCHEDULERS)

TIMESTEPS = 1000
"""Of Stable Diffusion's schedule: what models are trained on unless a node says otherwise."""
BETA_STEPS = 137
"""Up to so many steps the scheduler beta has a noise level of its own for each, of so many timesteps."""


def schedule_length(name: str, steps: int, discard_penultimate: bool) -> int | None:
    """How many steps a schedule of so many has, on a model with TIMESTEPS levels; None where the model decides."""
    if name == "ddim_uniform" and steps:
        more = steps + discard_penultimate
        return len(range(1, TIMESTEPS, max(TIMESTEPS // more, 1))) - discard_penultimate
    return None if name == "beta" and steps > BETA_STEPS else steps
