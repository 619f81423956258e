"""Sigma tables: ComfyUI's, and what every schedule has in common."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedulers import SCHEDULERS
from weft.nodes.diffusion.sampling.schedules import ksampler_schedule, schedule
from weft.nodes.diffusion.sampling.spellings import UnknownScheduler

from ..reference.store import document, units

SAMPLING = ModelSampling.discrete()
# uni_pc discards as dpm_2 does; its solver comes later, its sigma tables are here.
DISCARDING = {"dpm_2", "uni_pc"}


@pytest.mark.parametrize("table", ["sigmas_eps", "sigmas_vpred"])
def test_equal_to_comfyui(parity: Path, table: str) -> None:
    golden = units(table)
    compared = 0
    for key, expected in golden.items():
        if key.startswith("model_sampling/"):
            continue
        sampler, scheduler, steps, denoise = key.split("/")
        request = {"denoise": float(denoise[1:]), "discard_penultimate": sampler in DISCARDING}
        if expected.isnan().any():
            with pytest.raises(DiffusionError, match="kl_optimal needs at least 2 steps, got 1"):
                ksampler_schedule(SAMPLING, scheduler, int(steps[1:]), **request)
            continue
        got = ksampler_schedule(SAMPLING, scheduler, int(steps[1:]), **request)
        assert got.dtype == torch.float32
        assert got.shape == expected.shape, key
        assert (got - expected).abs().max() <= 1e-6 * expected.max(), key
        compared += 1
    assert compared == 211


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("steps", [2, 3, 7, 50, 999])
def test_descends_to_zero(name: str, steps: int) -> None:
    sigmas = schedule(SAMPLING, name, steps)
    assert sigmas[-1] == 0
    assert (sigmas.diff() <= 0).all()
    assert sigmas[0] <= SAMPLING.sigma_max * (1 + 1e-5)
    if name not in ("ddim_uniform", "beta"):
        assert len(sigmas) == steps + 1


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "kl_optimal"])
def test_one_step(name: str) -> None:
    sigmas = schedule(SAMPLING, name, 1)
    assert len(sigmas) == 2
    assert sigmas[0] > 0 == sigmas[1]


def test_ddim_uniform_may_be_longer_than_asked() -> None:
    assert len(ksampler_schedule(SAMPLING, "ddim_uniform", 30)) == 32
    # With denoise the last steps + 1 are taken, whatever the length.
    assert len(ksampler_schedule(SAMPLING, "ddim_uniform", 30, denoise=0.9)) == 31


def test_denoise_takes_the_end_of_a_longer_schedule() -> None:
    assert torch.equal(
        ksampler_schedule(SAMPLING, "normal", 5, denoise=0.5), ksampler_schedule(SAMPLING, "normal", 10)[-6:]
    )
    # int(8 / 0.99) is 8.
    assert torch.equal(ksampler_schedule(SAMPLING, "normal", 8, denoise=0.99), ksampler_schedule(SAMPLING, "normal", 8))
    assert len(ksampler_schedule(SAMPLING, "normal", 8, denoise=0.0)) == 0


def test_penultimate_sigma_is_left_out() -> None:
    longer = ksampler_schedule(SAMPLING, "karras", 9)
    got = ksampler_schedule(SAMPLING, "karras", 8, discard_penultimate=True)
    assert torch.equal(got, torch.cat([longer[:-2], longer[-1:]]))
    discarding = {name for name, sampler in SAMPLERS.items() if sampler.discard_penultimate}
    assert discarding == {"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"}


@pytest.mark.parametrize("steps", [0, -3])
@pytest.mark.parametrize("denoise", [1.0, 0.5, 0.0])
def test_steps_below_one(steps: int, denoise: float) -> None:
    with pytest.raises(DiffusionError, match=f"steps must be at least 1, got {steps}"):
        ksampler_schedule(SAMPLING, "normal", steps, denoise=denoise)


def test_unknown_scheduler() -> None:
    with pytest.raises(UnknownScheduler, match="unknown scheduler 'karas'; did you mean 'karras'"):
        schedule(SAMPLING, "karas", 20)


def test_names() -> None:
    required = document("object_info")["KSampler"]["input"]["required"]
    newer = ("exp_heun_2_x0", "exp_heun_2_x0_sde")
    assert tuple(required["sampler_name"][0]) == tuple(name for name in SAMPLERS if name not in newer)
    assert tuple(required["scheduler"][0]) == tuple(SCHEDULERS)
