"""Solvers against exact solutions: how fast the error falls, and whether the noise has the right strength.

For images drawn from N(0, SPREAD^2) the best denoiser is known, and x at noise level sigma has variance
SPREAD^2 + sigma^2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.samplers import SAMPLERS, sa_solver
from weft.nodes.diffusion.sampling.schedules import karras

SPREAD = 0.5
HIGH, LOW = 3.0, 0.5


class Gaussian:
    """The best denoiser, with and without guidance; counts its calls."""

    sampling = ModelSampling.discrete()

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.calls += 1
        return x * (SPREAD**2 / (SPREAD**2 + sigma**2))

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        denoised = self(x, sigma)
        return denoised, denoised


def no_noise(i: int, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    return torch.zeros(())


def silent(i: int, x: Tensor, denoised: Tensor) -> None: ...


def even_in_log(steps: int) -> Tensor:
    return torch.logspace(math.log10(HIGH), math.log10(LOW), steps + 1, dtype=torch.float64)


def even(steps: int) -> Tensor:
    return torch.linspace(HIGH, LOW, steps + 1, dtype=torch.float64)


def error(name: str, sigmas: Tensor, **options: Any) -> float:
    """Against the probability flow, along which x grows as its standard deviation."""
    steps = range(len(sigmas) - 1)
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    x = SAMPLERS[name].solve(Gaussian(), x, sigmas, steps, no_noise, {}, silent, **options)
    return abs(float(x) - math.sqrt((SPREAD**2 + LOW**2) / (SPREAD**2 + HIGH**2)))


@pytest.mark.parametrize(
    ("name", "order", "options"),
    [
        ("euler_cfg_pp", 1, {}),
        ("euler_ancestral_cfg_pp", 1, {"eta": 0.0}),
        ("heunpp2", 1, {}),
        ("dpmpp_2s_ancestral", 2, {"eta": 0.0}),
        ("dpmpp_2m_cfg_pp", 2, {}),
        ("dpmpp_sde", 2, {"eta": 0.0}),
        ("dpmpp_sde", 2, {"eta": 0.0, "r": 0.3}),
        ("dpmpp_2m_sde", 2, {"eta": 0.0}),
        ("dpmpp_2m_sde_heun", 2, {"eta": 0.0}),
        ("dpmpp_3m_sde", 2, {"eta": 0.0}),
        ("deis", 2, {}),
        ("res_multistep", 2, {}),
        ("res_multistep_cfg_pp", 2, {}),
        ("gradient_estimation", 2, {"ge_gamma": 1.5}),
        ("gradient_estimation_cfg_pp", 2, {"ge_gamma": 1.5}),
        ("er_sde", 1, {"solver_type": "ODE", "max_stage": 1}),
        ("er_sde", 2, {"solver_type": "ODE", "max_stage": 2}),
        ("seeds_2", 2, {"eta": 0.0}),
        ("exp_heun_2_x0", 2, {}),
        ("seeds_3", 3, {"eta": 0.0}),
        ("sa_solver", 3, {"eta": 0.0}),
        ("sa_solver_pece", 3, {"eta": 0.0}),
        ("sa_solver", 2, {"eta": 0.0, "predictor_order": 2, "corrector_order": 0}),
        ("sa_solver", 2, {"eta": 0.0, "predictor_order": 2, "corrector_order": 2, "simple_order_2": True}),
        ("uni_pc", 2, {}),
        ("uni_pc_bh2", 2, {}),
    ],
)
def test_order_of_convergence(name: str, order: int, options: dict[str, Any]) -> None:
    coarse, fine = (error(name, even_in_log(steps), **options) for steps in (20, 40))
    assert 2 ** (order - 0.15) < coarse / fine < 2 ** (order + 1)


def test_ipndm_is_of_high_order_on_even_steps() -> None:
    for name in ("ipndm", "ipndm_v"):
        assert error(name, even(20)) > 2**3 * error(name, even(40))


def test_higher_stages_gain() -> None:
    by_stage = [error("er_sde", even_in_log(20), solver_type="ODE", max_stage=stage) for stage in (1, 2, 3)]
    assert by_stage[0] > 5 * by_stage[1] > 6 * by_stage[2]
    by_order = [error("sa_solver", even_in_log(40), eta=0.0, predictor_order=p, corrector_order=p) for p in (1, 2, 3)]
    assert by_order[0] > 10 * by_order[1] > 100 * by_order[2]


@pytest.mark.parametrize(("name", "twin"), [("dpmpp_2m_sde", "dpmpp_2m"), ("res_multistep_ancestral", "res_multistep")])
def test_without_noise_it_is_the_deterministic_solver(name: str, twin: str) -> None:
    assert error(name, even_in_log(10), eta=0.0) == pytest.approx(error(twin, even_in_log(10)), rel=1e-9)


STOCHASTIC = [
    "ddpm",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_heun",
    "dpmpp_2s_ancestral",
    "dpmpp_3m_sde",
    "dpmpp_sde",
    "er_sde",
    "euler_ancestral",
    "euler_ancestral_cfg_pp",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
    "sa_solver",
    "sa_solver_pece",
    "seeds_2",
    "seeds_3",
]


@pytest.mark.parametrize("name", STOCHASTIC)
def test_the_noise_added_has_the_right_strength(name: str) -> None:
    sampler, sigmas = SAMPLERS[name], even_in_log(60).float()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 4, 100, 100, generator=generator) * math.sqrt(SPREAD**2 + HIGH**2)
    noise = sampler.noise(x, sigmas, 3)
    got = sampler.solve(Gaussian(), x, sigmas, range(60), noise, {}, silent)
    assert float(got.std()) == pytest.approx(math.sqrt(SPREAD**2 + LOW**2), rel=0.04)
    # And it has replaced some of what was there.
    assert float(torch.corrcoef(torch.stack([x.flatten(), got.flatten()]))[0, 1]) < 0.95


@pytest.mark.parametrize("evaluations", range(1, 13))
def test_dpm_fast_makes_as_many_evaluations_as_the_schedule_has_steps(evaluations: int) -> None:
    model, sigmas = Gaussian(), karras(Gaussian.sampling, evaluations)
    seen: list[int] = []
    SAMPLERS["dpm_fast"].solve(
        model, torch.ones(1, 4, 2, 2), sigmas, range(evaluations), no_noise, {}, lambda i, x, denoised: seen.append(i)
    )
    assert model.calls == evaluations
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] < evaluations


def test_dpm_fast_converges() -> None:
    """At the order of its last step, the first."""
    assert error("dpm_fast", even_in_log(36)) < error("dpm_fast", even_in_log(18)) / 3 < 1e-3


@pytest.mark.parametrize("order", [2, 3])
def test_dpm_adaptive_keeps_to_its_tolerance(order: int) -> None:
    errors, calls = [], []
    for tolerance in (0.05, 0.005, 0.0005):
        model, sigmas = Gaussian(), torch.tensor([HIGH, 2.0, LOW])
        x = torch.full((1, 4, 8, 8), math.sqrt(SPREAD**2 + HIGH**2))
        got = SAMPLERS["dpm_adaptive"].solve(
            model, x, sigmas, range(2), no_noise, {}, silent, order=order, rtol=tolerance, atol=tolerance / 10
        )
        errors.append(float((got - math.sqrt(SPREAD**2 + LOW**2)).abs().max()))
        calls.append(model.calls)
    assert errors[0] < 0.05
    assert errors == sorted(errors, reverse=True)
    assert calls == sorted(calls)


@pytest.mark.parametrize("name", ["dpm_fast", "dpm_adaptive"])
def test_own_steps_with_fresh_noise_keep_the_variance(name: str) -> None:
    sigmas = torch.logspace(math.log10(HIGH), math.log10(LOW), 61)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 4, 100, 100, generator=generator) * math.sqrt(SPREAD**2 + HIGH**2)
    noise = SAMPLERS[name].noise(x, sigmas, 3)
    got = SAMPLERS[name].solve(Gaussian(), x, sigmas, range(60), noise, {}, silent, eta=1.0)
    assert float(got.std()) == pytest.approx(math.sqrt(SPREAD**2 + LOW**2), rel=0.06)


def test_dpm_adaptive_gives_up_where_no_step_is_short_enough() -> None:
    def solve(model: Any, **options: float) -> None:
        x, sigmas = torch.ones(1, 4, 2, 2), torch.tensor([HIGH, LOW])
        SAMPLERS["dpm_adaptive"].solve(model, x, sigmas, range(1), no_noise, {}, silent, **options)

    with pytest.raises(DiffusionError, match="dpm_adaptive found no next step at sigma 3, error"):
        solve(Gaussian(), rtol=0.0, atol=0.0)
    with pytest.raises(DiffusionError, match="dpm_adaptive found no next step"):
        solve(Gaussian(), h_init=0.0)
    with pytest.raises(DiffusionError, match="error nan"):
        solve(lambda x, sigma: x * math.nan)
    with pytest.raises(DiffusionError, match="order of dpm_adaptive must be 2 or 3, got 1"):
        solve(Gaussian(), order=1)


@pytest.mark.parametrize("h", [0.006, 0.4, 6.0])
@pytest.mark.parametrize("a", [1.0, 2.0, 101.0])
@pytest.mark.parametrize("points", [1, 2, 3, 4])
def test_weights_of_sa_solver_are_the_integrals(points: int, a: float, h: float) -> None:
    end = 1.3
    grid = end - h * numpy.array([0.0, 1.0, 1.7, 3.1])[:points]

    def integrand(tau: float, j: int) -> float:
        basis = math.prod((tau - grid[m]) / (grid[j] - grid[m]) for m in range(points) if m != j)
        return a * math.exp(-a * (end - tau)) * basis

    expected = [quad(integrand, end - h, end, args=(j,), epsabs=1e-13, epsrel=1e-11)[0] for j in range(points)]
    assert sa_solver._weights(grid, end - h, end, a) == pytest.approx(expected, rel=1e-6, abs=1e-9)
