"""A stage: one stretch of a schedule as one node samples it. A whole run is a stage from its first step to its last.

What is kept, whatever the mode:
- `schedule` is that of the whole run; steps `start` to `start + len(sigmas) - 1` of it are done, and nothing else.
- The solver gets levels of which `span.steps` are done now, and level span.steps.start is schedule[start].
- Without memory the solver sees its own stretch alone; with memory all that it sees is independent of where the run is
  cut: the levels from where its first stage began, noise by absolute step, choices by noise level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import whole_number
from weft.nodes.diffusion.sampling import continuous
from weft.nodes.diffusion.sampling.continuous import Leftover
from weft.nodes.diffusion.sampling.noise import LevelRandom, Noise, NoiseSource, NoNoise, PatchRandom
from weft.nodes.diffusion.sampling.samplers.interface import Sampler
from weft.nodes.diffusion.sampling.schedules import ksampler_schedule
from weft.nodes.diffusion.sampling.spellings import find_sampler

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling
    from weft.nodes.diffusion.sampling.guidance import Guidance
    from weft.nodes.diffusion.values.latents import Latent


class SolverSpan(NamedTuple):
    """What a solver is given: levels `sigmas`, of which `steps` are done now; sigmas[0] is schedule[origin]."""

    sigmas: Tensor
    steps: range
    origin: int


@dataclass(frozen=True)
class Mode:
    """How a stage hangs together with those before and after it.

    memory: it goes on from what the solver left on its latent, and leaves that in turn.
    noise: (stage, span, x, batch_index) -> what the sampler adds on its way.
    random: what patches of the model choose by.
    resume: (stage, latent) -> what the stage before left, and what is to be warned of, as continuous.resume.
    """

    memory: bool
    noise: Callable[[Stage, SolverSpan, Tensor, Sequence[int] | None], NoiseSource]
    random: type[PatchRandom]
    resume: Callable[[Stage, Latent], tuple[Leftover | None, str]]


def _in_sequence(stage: Stage, span: SolverSpan, x: Tensor, batch_index: Sequence[int] | None) -> NoiseSource:
    return stage.sampler.noise(x, span.sigmas, stage.noise.seed, batch_index)


def _by_address(stage: Stage, span: SolverSpan, x: Tensor, batch_index: Sequence[int] | None) -> NoiseSource:
    return continuous.noise_source(stage.sampler, x, stage.schedule, stage.noise.seed, span.origin)


def _anew(stage: Stage, latent: Latent) -> tuple[None, str]:
    return None, ""


def _anew_each_time(stage: Stage, latent: Latent) -> tuple[None, str]:
    cut = len(stage.sigmas) < len(stage.schedule)
    name = stage.sampler.name
    return None, f"{name} chooses its own steps: its stages do not add up to one run" if cut else ""


def _from_the_latent(stage: Stage, latent: Latent) -> tuple[Leftover | None, str]:
    adds_noise = not isinstance(stage.noise, NoNoise)
    return continuous.resume(latent, stage.sampler.name, stage.schedule, stage.start, adds_noise)


COMFY = Mode(memory=False, noise=_in_sequence, random=PatchRandom, resume=_anew)
"""ComfyUI's numbers: a stage is a run of its own."""

CONTINUOUS = Mode(memory=True, noise=_by_address, random=LevelRandom, resume=_from_the_latent)
"""Stages equal the single run bit for bit: see continuous.py."""

MODES: Mapping[str, Mode] = {"comfy": COMFY, "continuous": CONTINUOUS}


def mode_for(name: str, sampler: Sampler) -> Mode:
    """The mode of this name for a sampler; one that chooses its own steps has no memory in any."""
    mode = MODES[name]
    return replace(COMFY, resume=_anew_each_time) if mode.memory and sampler.own_steps else mode


@dataclass(frozen=True, eq=False)
class Stage:
    """A stretch of a schedule to be sampled: all that decides the result, but the model and the latent.

    guidance: what steers it.
    sampler: the algorithm.
    schedule: [n+1] float32 on the CPU, highest first: of the whole run.
    noise: what is added at the start; its seed is that of the noise on the way, too.
    start: the first step that is done.
    end: where it stops, None for the end of the schedule.
    force_full_denoise: where it stops early, the last step goes to 0 and leaves no noise.
    """

    guidance: Guidance
    sampler: Sampler
    schedule: Tensor
    noise: Noise
    start: int = 0
    end: int | None = None
    force_full_denoise: bool = False
    mode: Mode = COMFY

    def __post_init__(self) -> None:
        for name, value in (("start step", self.start), ("last step", self.end)):
            if value is not None:
                whole_number(f"the {name}", value, 0)

    @property
    def sigmas(self) -> Tensor:
        """The noise levels that are passed: fewer than 2 where there is nothing to do."""
        sigmas = self.schedule
        if self.end is not None and self.end < len(sigmas) - 1:
            sigmas = sigmas[: self.end + 1].clone()
            if self.force_full_denoise:
                sigmas[-1] = 0.0
        return sigmas[self.start :]

    @property
    def levels(self) -> Tensor:
        """What is told of the levels: those of the whole run where a stage is a part of one, else its own."""
        if not self.mode.memory:
            return self.sigmas
        after = self.schedule[self.start + len(self.sigmas) :] if self.stops_early else self.schedule[:0]
        return torch.cat([self.schedule[: self.start], self.sigmas, after])

    @property
    def stops_early(self) -> bool:
        """Whether it leaves a noisy latent, from which another stage can go on."""
        return self.start + len(self.sigmas) < len(self.schedule) and not self.force_full_denoise

    def span(self, before: Leftover | None = None) -> SolverSpan:
        """What the solver is given, after what the stage before left."""
        count = len(self.sigmas) - 1
        sigmas = self.schedule[self.start :] if self.mode.memory and self.stops_early else self.sigmas
        if before is None:
            return SolverSpan(sigmas, range(count), self.start)
        first = self.start - before.origin
        return SolverSpan(torch.cat([before.sigmas[:first], sigmas]), range(first, first + count), before.origin)


def ksampler_stage(
    sampling: ModelSampling,
    guidance: Guidance,
    noise: Noise,
    *,
    sampler: str,
    scheduler: str,
    steps: int,
    denoise: float = 1.0,
    start: int = 0,
    end: int | None = None,
    force_full_denoise: bool = False,
    mode: str = "comfy",
) -> Stage:
    """The stage that KSampler and KSampler (Advanced) sample.

    Args:
        sampling: the noise levels of the model.
        sampler, scheduler: names of SAMPLERS, and of SCHEDULERS or PUBLISHED_SCHEDULERS.
        steps: length of the whole schedule.
        denoise: share of the schedule done, from its end; 0 does nothing.
        mode: `comfy` for ComfyUI's numbers, `continuous` for stages that equal the single run.
        The others: as Stage's.

    Raises:
        DiffusionError: an unknown name, a number out of range.
    """
    algorithm = find_sampler(sampler)
    schedule = ksampler_schedule(
        sampling, scheduler, steps, denoise=denoise, discard_penultimate=algorithm.discard_penultimate
    )
    return Stage(guidance, algorithm, schedule, noise, start, end, force_full_denoise, mode_for(mode, algorithm))
