"""Options of the solvers, as ComfyUI's Sampler* nodes set them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.noise import RandomNoise
from weft.nodes.diffusion.sampling.sample import solve as solve_stage
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedules import ksampler_schedule, schedule
from weft.nodes.diffusion.sampling.stages import Stage
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint, load_checkpoint

from ..reference.store import goldens

SAMPLING = ModelSampling.discrete()
SIGMAS = torch.tensor([5.0, 3.0, 2.0, 1.0, 0.5])
X = torch.linspace(-4, 4, 4 * 9).reshape(1, 4, 3, 3)
POSITIVE, NEGATIVE = "a photo of a cat on a table, highly detailed", "blurry, low quality, watermark"


class Wavy:
    """A denoiser that is linear in nothing."""

    sampling = SAMPLING

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (1 + sigma**2) + 0.1 * torch.tanh(x) * torch.cos(3 * sigma)

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return self(x, sigma), self(x, sigma) * 0.9


def noise(i: int, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    return torch.randn(X.shape, generator=torch.Generator().manual_seed(int(1000 * sigma)))


def solve(name: str, sigmas: Tensor = SIGMAS, **options: Any) -> Tensor:
    steps = range(len(sigmas) - 1)
    return SAMPLERS[name].solve(Wavy(), X, sigmas, steps, noise, {}, lambda *_: None, **options)


@pytest.fixture(scope="module")
def tiny(parity: Path) -> LoadedCheckpoint:
    path = parity / "models" / "checkpoints" / "tiny_sd15.safetensors"
    return load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32)


@pytest.mark.usefixtures("as_the_reference")
@pytest.mark.parametrize(
    ("golden", "name", "options"),
    [
        ("dpmadaptive", "dpm_adaptive", {"order": 2, "rtol": 0.2, "atol": 0.05}),
        ("2msde_heun", "dpmpp_2m_sde", {"solver_type": "heun", "eta": 0.7, "s_noise": 0.9}),
        ("2sa_eta05", "dpmpp_2s_ancestral", {"eta": 0.5}),
        ("lms2", "lms", {"order": 2}),
    ],
)
def test_equals_comfyui(parity: Path, tiny: LoadedCheckpoint, golden: str, name: str, options: dict[str, Any]) -> None:
    """Both outputs of SamplerCustom: the result, and the last prediction reported."""
    expected = goldens("comfyui")[f"cust_smp_{golden}"].tensors
    sampler = replace(SAMPLERS[name], solve=partial(SAMPLERS[name].solve, **options))
    seen = []
    guidance = CFG(tiny.clip.encode(POSITIVE), tiny.clip.encode(NEGATIVE), 7.0)
    sigmas = schedule(tiny.model.sampling, "karras", 8)
    got, _ = solve_stage(
        tiny.model,
        {"samples": torch.zeros(1, 4, 8, 8)},
        Stage(guidance, sampler, sigmas, RandomNoise(77)),
        callback=lambda i, total, x, denoised: seen.append((i, denoised)),
    )
    last = seen[-1][1] / tiny.model.latent_scale
    for tensor, key in ((got, "7.0.samples"), (last, "7.1.samples")):
        assert expected[key].difference(tensor) <= 1e-4
    assert {0} <= {i for i, _ in seen} <= set(range(8))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dpmpp_2m_sde", {"solver_type": "huen"}, "unknown solver type 'huen'; did you mean 'heun'"),
        ("dpmpp_sde", {"r": 0.0}, "r of dpmpp_sde must be above 0, got 0.0"),
        ("er_sde", {"solver_type": "er-sde"}, "unknown solver type 'er-sde'"),
        ("er_sde", {"max_stage": 4}, r"max_stage of er_sde must be 1 \.\. 3, got 4"),
        ("uni_pc", {"variant": "bh3"}, "unknown variant 'bh3' of UniPC; did you mean 'bh"),
    ],
)
def test_options_that_do_not_exist(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DiffusionError, match=message):
        solve(name, **options)


WITH_NOISE = [
    "dpmpp_2m_sde",
    "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp",
    "dpmpp_3m_sde",
    "dpmpp_sde",
    "er_sde",
    "euler_ancestral_cfg_pp",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
    "sa_solver",
    "seeds_2",
    "seeds_3",
]


@pytest.mark.parametrize("name", WITH_NOISE)
def test_s_noise_scales_the_noise(name: str) -> None:
    """Over one step, where nothing follows that bends it; the first stages of three solvers do."""
    sigmas = SIGMAS[2:4]
    none, once, twice = (solve(name, sigmas, s_noise=s) for s in (0.0, 1.0, 2.0))
    assert (once - none).abs().max() > 0.1
    if name not in ("dpmpp_sde", "seeds_2", "seeds_3"):
        assert torch.allclose(twice - none, 2 * (once - none), atol=1e-5)


@pytest.mark.parametrize("name", [name for name in WITH_NOISE if name != "er_sde"])
def test_eta_zero_adds_no_noise(name: str) -> None:
    assert torch.equal(solve(name, eta=0.0, s_noise=0.0), solve(name, eta=0.0, s_noise=5.0))
    assert not torch.allclose(solve(name, eta=0.0), solve(name, eta=0.5))


@pytest.mark.parametrize("options", [{"solver_type": "ODE"}, {"solver_type": "Reverse-time SDE", "eta": 0.0}])
def test_er_sde_without_noise(options: dict[str, Any]) -> None:
    assert torch.equal(solve("er_sde", **options), solve("er_sde", **options, s_noise=0.0))
    assert torch.equal(solve("er_sde", **options), solve("er_sde", solver_type="ODE"))


def test_eta_of_er_sde_is_that_of_the_reverse_time_sde() -> None:
    assert torch.equal(solve("er_sde", eta=0.3), solve("er_sde"))
    by_eta = [solve("er_sde", solver_type="Reverse-time SDE", eta=eta) for eta in (0.3, 1.0)]
    assert not torch.allclose(*by_eta)


@pytest.mark.parametrize(
    "options",
    [
        {"predictor_order": 2},
        {"corrector_order": 0},
        {"predictor_order": 6, "corrector_order": 6},
        {"use_pece": True},
        {"simple_order_2": True, "predictor_order": 2},
        {"sde_start_percent": 0.9, "sde_end_percent": 1.0},
    ],
)
def test_every_option_of_sa_solver_counts(options: dict[str, Any]) -> None:
    sigmas = ksampler_schedule(SAMPLING, "karras", 10)
    got = solve("sa_solver", sigmas, **options)
    assert got.isfinite().all()
    assert not torch.allclose(got, solve("sa_solver", sigmas), rtol=1e-4)


@pytest.mark.parametrize("options", [{"predictor_order": 6, "corrector_order": 5, "eta": 0.7}, {"corrector_order": 0}])
def test_stages_with_options_equal_the_run(options: dict[str, Any]) -> None:
    sigmas = ksampler_schedule(SAMPLING, "karras", 10)
    x, state = X, {}
    for first, last in pairwise([0, 1, 6, 9, 10]):
        x = SAMPLERS["sa_solver"].solve(Wavy(), x, sigmas, range(first, last), noise, state, lambda *_: None, **options)
    assert torch.equal(x, solve("sa_solver", sigmas, **options))


@pytest.mark.parametrize("name", [name for name in SAMPLERS if "sde" in name and name.startswith("dpmpp")])
def test_stages_that_each_grow_their_tree_equal_the_run(name: str) -> None:
    """The Brownian path belongs to the schedule: a stage that starts late finds it again."""
    sampler, sigmas = SAMPLERS[name], ksampler_schedule(SAMPLING, "karras", 10)
    single = sampler.solve(Wavy(), X, sigmas, range(10), sampler.noise(X, sigmas, 3), {}, lambda *_: None)
    x, state = X, {}
    for first, last in pairwise([0, 4, 9, 10]):
        x = sampler.solve(Wavy(), x, sigmas, range(first, last), sampler.noise(X, sigmas, 3), state, lambda *_: None)
    assert torch.equal(x, single)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if not name.startswith("uni_pc")])
def test_a_schedule_of_one_step(name: str) -> None:
    """It gives the prediction; dpm_fast and dpm_adaptive stop at the last sigma above 0, which is the first."""
    sigmas = torch.tensor([5.0, 0.0])
    expected = X if SAMPLERS[name].own_steps else Wavy()(X, sigmas[0])
    assert torch.allclose(solve(name, sigmas), expected, atol=1e-6)


@pytest.mark.parametrize("end", [0.0, 2.0])
@pytest.mark.parametrize("name", ["uni_pc", "uni_pc_bh2"])
def test_uni_pc_does_not_solve_a_schedule_of_one_step(name: str, end: float) -> None:
    expected = X * ((1 + max(end, 0.001) ** 2) / 26) ** 0.5
    assert torch.allclose(solve(name, torch.tensor([5.0, end])), expected)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_schedule_that_leaves_noise(name: str) -> None:
    """Cut above 0, as by a stage that returns with leftover noise."""
    sigmas = ksampler_schedule(SAMPLING, "normal", 12)[:7]
    x = X / X.std() * sigmas[0]
    got = SAMPLERS[name].solve(Wavy(), x, sigmas, range(6), noise, {}, lambda *_: None)
    assert got.isfinite().all()
    assert 0.3 * sigmas[-1] < got.std() < 3 * sigmas[-1]
