"""Schedules that nodes make, and what is done to them. Numbers: goldens sig_*, cust_* (tests/parity)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling import sigmas as ops
from weft.nodes.diffusion.sampling import spacings
from weft.nodes.diffusion.sampling.aligned import align_your_steps, optimal_steps
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.gits import LEVELS, PICKS, gits
from weft.nodes.diffusion.sampling.spellings import UnknownScheduler

from ..reference.store import units

TABLE = ModelSampling.discrete()
ENDS = {"sigma_max": 10.0, "sigma_min": 0.1}

DESCENDING: dict[str, Any] = {
    "basic": lambda steps: spacings.basic(TABLE, "normal", steps, 1.0),
    "karras": lambda steps: spacings.karras(steps, rho=7.0, **ENDS),
    "exponential": lambda steps: spacings.exponential(steps, **ENDS),
    "polyexponential": lambda steps: spacings.polyexponential(steps, rho=1.3, **ENDS),
    "laplace": lambda steps: spacings.laplace(steps, mu=0.0, beta=0.5, **ENDS),
    "vp": lambda steps: spacings.vp(steps, 19.9, 0.1, 0.001),
    "sd_turbo": lambda steps: spacings.sd_turbo(TABLE, steps, 1.0),
    "beta_sampling": lambda steps: spacings.beta_sampling(TABLE, steps, 0.5, 0.7),
    "align_your_steps": lambda steps: align_your_steps("SDXL", steps),
    "gits": lambda steps: gits(1.2, steps),
}


@pytest.mark.parametrize("name", DESCENDING)
@pytest.mark.parametrize("steps", [2, 5, 10])
def test_descends(name: str, steps: int) -> None:
    sigmas = DESCENDING[name](steps)
    assert (sigmas.dtype, sigmas.device.type) == (torch.float32, "cpu")
    assert len(sigmas) == (steps if name == "laplace" else steps + 1)
    assert bool((sigmas.diff() < 0).all())
    assert float(sigmas[-1]) == (pytest.approx(0.1) if name == "laplace" else 0.0)


@pytest.mark.parametrize("name", DESCENDING)
def test_steps_0(name: str) -> None:
    with pytest.raises(DiffusionError, match=r"steps.*, got 0"):
        DESCENDING[name](0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: spacings.karras(5, 10.0, 0.1, 0.0), "rho must be above 0 here, got 0.0"),
        (lambda: spacings.exponential(5, 10.0, 0.0), "sigma_min must be above 0 here, got 0.0"),
        (lambda: spacings.polyexponential(5, 0.0, 0.1, 1.0), "sigma_max must be above 0 here, got 0.0"),
        (lambda: spacings.beta_sampling(TABLE, 5, 0.0, 0.6), "alpha must be above 0 here, got 0.0"),
        (lambda: align_your_steps("SDLX", 10), "no aligned steps for 'SDLX'; did you mean 'SDXL'"),
        (lambda: gits(1.2, 1), "a GITS schedule has at least 2 steps, got 1"),
        (lambda: gits(1.22, 10), "no GITS schedule for coefficient 1.22; there are 0.80, 0.85"),
        (lambda: gits(1.15, 19), "no GITS schedule is known for coefficient 1.15 and 19 steps"),
    ],
)
def test_what_cannot_be_spaced(call: Any, words: str) -> None:
    with pytest.raises(DiffusionError, match=words):
        call()


def test_basic_keeps_the_end() -> None:
    assert torch.equal(spacings.basic(TABLE, "normal", 3, 0.6), spacings.basic(TABLE, "normal", 5, 1.0)[-4:])
    assert len(spacings.basic(TABLE, "normal", 3, 0.0)) == 0
    # More than n + 1 sigmas are cut here, and not by KSampler.
    assert len(spacings.basic(TABLE, "ddim_uniform", 30, 1.0)) == 31
    with pytest.raises(UnknownScheduler, match="did you mean 'karras'"):
        spacings.basic(TABLE, "karas", 3, 1.0)


def test_aligned_steps_are_the_published_levels() -> None:
    """To the digits that diffusers quotes from the paper's page."""
    from diffusers.schedulers.scheduling_utils import AysSchedules

    published = {
        "SD1": AysSchedules["StableDiffusionSigmas"],
        "SDXL": AysSchedules["StableDiffusionXLSigmas"],
        "SVD": AysSchedules["StableDiffusionVideoSigmas"],
    }
    for model_type, expected in published.items():
        # The page rounds to three digits, and a timestep is 0.4 % of a sigma.
        assert align_your_steps(model_type, 10).tolist() == pytest.approx(expected, rel=0.02, abs=1e-6)


def test_the_last_part_of_a_published_schedule() -> None:
    whole = align_your_steps("SD1", 10)
    assert torch.equal(align_your_steps("SD1", 10, 0.25), whole[-3:]), "round() is to even"
    assert torch.equal(gits(1.0, 10, 0.3), gits(1.0, 10)[-4:])
    assert len(align_your_steps("SD1", 10, 0.0)) == len(gits(1.0, 10, 0.0)) == 0


def test_every_gits_schedule() -> None:
    unknown = []
    for key, picks in PICKS.items():
        rows = picks.split("\n")[1:]
        assert len(rows) == 19
        for steps, row in enumerate(rows, 2):
            if row == "-":
                unknown.append((key, steps))
                continue
            sigmas = gits(key / 100, steps)
            assert len(sigmas) == steps + 1
            assert bool((sigmas.diff() < 0).all())
    assert unknown == [(80, 16), (80, 18), (115, 19)]
    assert list(LEVELS) == sorted(LEVELS, reverse=True)
    # The teacher took 100 even steps in the timesteps of Stable Diffusion.
    timesteps = torch.tensor([float(t) for t in range(1000)])
    near = torch.tensor(LEVELS).log()[:, None] - TABLE.sigma(timesteps).log()
    grid = near.abs().argmin(dim=1).float()
    assert float(((999 - grid) / 9.99 - ((999 - grid) / 9.99).round()).abs().max()) < 0.1


def test_longer_than_the_table_at_the_least_coefficient() -> None:
    """ComfyUI 0.3.64's values at four of the 32 steps that it interpolates."""
    sigmas = gits(0.8, 32)
    measured = {13: 9.179632, 20: 7.122539, 24: 4.867146, 30: 0.98104995}
    assert [float(sigmas[place]) for place in measured] == pytest.approx(list(measured.values()), rel=1e-6)


def test_longer_than_the_table() -> None:
    sigmas = gits(1.2, 40)
    assert len(sigmas) == 41
    assert torch.allclose(sigmas[:-1:2], gits(1.2, 20)[:-1], rtol=1e-5)


def test_sigma_turbo_of_a_part() -> None:
    assert torch.equal(spacings.sd_turbo(TABLE, 2, 0.7)[:2], TABLE.sigma(torch.tensor([699.0, 599.0])))
    assert spacings.sd_turbo(TABLE, 10, 0.05).tolist() == [0.0]


SCHEDULE = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.0])


def test_split() -> None:
    high, low = ops.split(SCHEDULE, 3)
    assert (high.tolist(), low.tolist()) == ([8.0, 4.0, 2.0, 1.0], [1.0, 0.0])
    high, low = ops.split(SCHEDULE, 9)
    assert (high.tolist(), low.tolist()) == (SCHEDULE.tolist(), [])
    with pytest.raises(DiffusionError, match="must not be negative, got -1"):
        ops.split(SCHEDULE, -1)


@pytest.mark.parametrize(
    ("denoise", "high", "low"),
    [
        (0.5, [8.0, 4.0, 2.0], [2.0, 1.0, 0.0]),
        (0.6, [8.0, 4.0, 2.0], [2.0, 1.0, 0.0]),
        (1.0, [8.0], [8.0, 4.0, 2.0, 1.0, 0.0]),
        (0.0, [], [0.0]),
    ],
)
def test_split_by_a_share(denoise: float, high: list[float], low: list[float]) -> None:
    got = ops.split_denoise(SCHEDULE, denoise)
    assert [part.tolist() for part in got] == [high, low]
    assert [len(part) for part in ops.split_denoise(torch.empty(0), denoise)] == [0, 0]


def test_flip_and_first() -> None:
    assert ops.flip(SCHEDULE).tolist() == pytest.approx([0.0001, 1.0, 2.0, 4.0, 8.0])
    assert ops.flip(SCHEDULE[:2]).tolist() == [4.0, 8.0]
    assert len(ops.flip(torch.empty(0))) == 0
    assert ops.with_first(SCHEDULE, 9.0).tolist() == [9.0, 4.0, 2.0, 1.0, 0.0]
    with pytest.raises(DiffusionError, match="empty: it has no first sigma"):
        ops.with_first(torch.empty(0), 9.0)
    assert SCHEDULE.tolist() == [8.0, 4.0, 2.0, 1.0, 0.0], "what was given is as before"


def test_steps_in_between() -> None:
    assert ops.extended(SCHEDULE, 2, -1.0, 2.0, "linear").tolist() == [8.0, 6.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.0]
    assert ops.extended(SCHEDULE, 2, 4.0, 4.0, "linear").tolist() == [8.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    assert float(ops.extended(SCHEDULE[:2], 2, -1.0, 0.0, "cosine")[1]) == pytest.approx(8 - 4 * math.sin(math.pi / 4))
    assert float(ops.extended(SCHEDULE[:2], 2, -1.0, 0.0, "sine")[1]) == pytest.approx(
        8 - 4 * (1 - math.cos(math.pi / 4))
    )
    assert torch.equal(ops.extended(SCHEDULE, 1, -1.0, 0.0, "linear"), SCHEDULE)
    assert len(ops.extended(torch.empty(0), 2, -1.0, 0.0, "linear")) == 0
    with pytest.raises(DiffusionError, match="unknown spacing 'cosin'; did you mean 'cosine'"):
        ops.extended(SCHEDULE, 2, -1.0, 0.0, "cosin")
    with pytest.raises(DiffusionError, match="steps must be at least 1, got 0"):
        ops.extended(SCHEDULE, 0, -1.0, 0.0, "linear")


def test_share_of_the_way() -> None:
    assert ops.percent_to_sigma(TABLE, 0.5, True) == TABLE.percent_to_sigma(0.5)
    assert ops.percent_to_sigma(TABLE, 0.0, True) == TABLE.sigma_max
    assert ops.percent_to_sigma(TABLE, 1.0, True) == TABLE.sigma_min
    assert ops.percent_to_sigma(TABLE, 0.0, False) == 999999999.9


@pytest.mark.parametrize(
    ("sigmas", "words"),
    [
        ([1.0, 0.0], r"must be a tensor \[steps \+ 1\] of floats, got list"),
        (torch.zeros(2, 2), r"got torch.float32 \[2, 2\]"),
        (torch.tensor([1, 0]), r"got torch.int64 \[2\]"),
        (torch.tensor([1.0, float("nan"), 0.0]), "finite and not negative, got nan at index 1"),
        (torch.tensor([float("inf"), 0.0]), "got inf at index 0"),
        (torch.tensor([1.0, -2.0]), "got -2.0 at index 1"),
    ],
)
def test_what_is_no_schedule(sigmas: Any, words: str) -> None:
    with pytest.raises(DiffusionError, match=words):
        ops.check_sigmas(sigmas)


def test_zero_snr_equals_comfyui(parity: Path) -> None:
    golden = units("sigmas_vpred_zsnr")
    table = ModelSampling.discrete("v", zero_snr=True)

    def of(key: str) -> Tensor:
        return golden[f"model_sampling/{key}"]

    assert torch.equal(table.sigmas, of("sigmas"))
    assert torch.equal(table.log_sigmas, of("log_sigmas"))
    assert torch.equal(table.timestep(of("timestep_in")), of("timestep_out"))
    assert torch.equal(table.sigma(of("sigma_of_t_in")), of("sigma_of_t_out"))


def test_optimal_steps() -> None:
    """The published levels; other lengths by log-linear interpolation, as those of the other optimised schedules."""
    levels = optimal_steps("FLUX", 10)
    assert levels.tolist() == pytest.approx(
        [0.9968, 0.9886, 0.9819, 0.975, 0.966, 0.9471, 0.9158, 0.8287, 0.5512, 0.2808, 0]
    )
    assert [len(optimal_steps(name, 20)) for name in ("Wan", "Chroma")] == [21, 21]
    assert len(optimal_steps("Chroma", 40)) == 41 and optimal_steps("Chroma", 40)[-2] == pytest.approx(0.048)
    assert optimal_steps("Wan", 10)[5] == pytest.approx(0.973, abs=1e-6)
    assert optimal_steps("Wan", 20, 0.5).tolist() == optimal_steps("Wan", 20)[10:].tolist()
    assert not len(optimal_steps("Wan", 20, 0.0))
    with pytest.raises(DiffusionError, match="no optimal steps for 'FLUXX'; did you mean 'FLUX'?"):
        optimal_steps("FLUXX", 10)
