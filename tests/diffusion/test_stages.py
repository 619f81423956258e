"""Stages: what of a schedule is done, and what the solver is given. Whole chains: tests/parity/test_continuous.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.continuous import AddressedNoise, Leftover
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.noise import LevelRandom, NoNoise, PatchRandom, RandomNoise, SequentialNoise
from weft.nodes.diffusion.sampling.spellings import find_sampler
from weft.nodes.diffusion.sampling.stages import COMFY, CONTINUOUS, SolverSpan, Stage, ksampler_stage, mode_for

SIGMAS = [4.0, 3.0, 2.0, 1.0, 0.0]
X = torch.zeros(1, 4, 2, 2)


def stage(start: int = 0, end: int | None = None, denoised: bool = False, **more: Any) -> Stage:
    schedule = torch.tensor(SIGMAS)
    made = Stage(CFG([], [], 1.0), find_sampler("euler"), schedule, RandomNoise(3), start, end, denoised)
    return replace(made, **more)


def spelled(span: SolverSpan) -> tuple[list[float], range, int]:
    return span.sigmas.tolist(), span.steps, span.origin


@pytest.mark.parametrize(
    ("start", "end", "denoised", "sigmas", "stops_early"),
    [
        (0, None, True, [4, 3, 2, 1, 0], False),
        (1, 3, False, [3, 2, 1], True),
        (1, 3, True, [3, 2, 0], False),
        (0, 10_000, True, [4, 3, 2, 1, 0], False),
        (2, None, False, [2, 1, 0], False),
        (3, 2, False, [], False),
        (9, None, False, [], False),
    ],
)
def test_what_is_done(start: int, end: int | None, denoised: bool, sigmas: list[float], stops_early: bool) -> None:
    made = stage(start, end, denoised)
    assert made.sigmas.tolist() == sigmas
    assert made.schedule.tolist() == SIGMAS
    if len(sigmas) > 1:
        assert made.stops_early is stops_early


def test_without_memory_the_solver_sees_its_own_stretch() -> None:
    assert spelled(stage(1, 3).span()) == ([3, 2, 1], range(2), 1)


def test_with_memory_the_solver_sees_the_run_from_its_first_stage() -> None:
    first = stage(1, 2, mode=CONTINUOUS)
    assert spelled(first.span()) == ([3, 2, 1, 0], range(1), 1)
    left = Leftover(X, {}, *(first.span().sigmas, 1, 1), None, None)
    assert spelled(stage(2, 3, mode=CONTINUOUS).span(left)) == ([3, 2, 1, 0], range(1, 2), 1)
    # A stage that is forced to end is the last one: its last level is the solver's.
    assert spelled(stage(2, 3, denoised=True, mode=CONTINUOUS).span(left)) == ([3, 2, 0], range(1, 2), 1)


def test_modes() -> None:
    span = stage().span()
    assert type(COMFY.noise(stage(), span, X, None)) is SequentialNoise
    assert type(CONTINUOUS.noise(stage(), span, X, None)) is AddressedNoise
    assert (COMFY.random, CONTINUOUS.random) == (PatchRandom, LevelRandom)
    assert COMFY.resume(stage(2), {"samples": X}) == (None, "")
    warned = "this stage starts at step 2, and its latent carries no state of a sampler to go on from"
    assert CONTINUOUS.resume(stage(2, noise=NoNoise(3)), {"samples": X}) == (None, warned)
    assert CONTINUOUS.resume(stage(2), {"samples": X}) == (None, "")


def test_a_sampler_that_chooses_its_own_steps_has_no_memory() -> None:
    euler, fast = find_sampler("euler"), find_sampler("dpm_fast")
    assert mode_for("comfy", euler) is mode_for("comfy", fast) is COMFY
    assert mode_for("continuous", euler) is CONTINUOUS
    mode = mode_for("continuous", fast)
    assert (mode.memory, mode.noise, mode.random) == (False, COMFY.noise, COMFY.random)
    warned = "dpm_fast chooses its own steps: its stages do not add up to one run"
    assert mode.resume(stage(0, 2, sampler=fast), {}) == (None, warned)
    assert mode.resume(stage(sampler=fast), {}) == (None, "")


def test_a_stage_of_ksampler() -> None:
    sampling = ModelSampling.discrete()
    made = ksampler_stage(sampling, CFG([], [], 1.0), NoNoise(3), sampler="uni_pc", scheduler="karras", steps=4, end=2)
    assert (len(made.schedule), len(made.sigmas), made.start) == (5, 3, 0)
    assert made.sampler is find_sampler("uni_pc")
    assert made.mode is COMFY


@pytest.mark.parametrize(("name", "value"), [("start", -1), ("end", 1.5)])
def test_bad_ends(name: str, value: Any) -> None:
    with pytest.raises(DiffusionError, match=f"the {'start' if name == 'start' else 'last'} step must"):
        stage(**{name: value})
