"""What changed in ComfyUI's numbers: which samplers give others, and that those are as the change says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.eras import CHANGES, ERAS, NEWEST, changed, numbers_of
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.samplers import SAMPLERS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sampling.md"
SIGMAS = torch.tensor([10.0, 5.0, 2.0, 1.0, 0.5, 0.1, 0.0])
# Sampled at the defaults of each: the others draw nothing, or from one path.
DRAW = {
    *("euler_ancestral", "euler_ancestral_cfg_pp", "dpm_2_ancestral", "dpmpp_2s_ancestral"),
    *("dpmpp_2s_ancestral_cfg_pp", "ddpm", "lcm", "er_sde", "seeds_2", "seeds_3", "sa_solver", "sa_solver_pece"),
    *("res_multistep_ancestral", "res_multistep_ancestral_cfg_pp", "exp_heun_2_x0_sde"),
}
X = torch.linspace(-1, 1, 16).reshape(1, 1, 4, 4)


class Wavy:
    sampling = ModelSampling(torch.linspace(0.01, 20.0, 100), "eps")

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return (x / (1 + sigma**2)).sin()

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        denoised = self(x, sigma)
        return denoised, 0.9 * denoised


def solved(name: str, era: str, seed: int) -> Tensor:
    sampler = SAMPLERS[name]
    with numbers_of(era):
        noise = sampler.noise(X, SIGMAS, seed, None)
        return sampler.solve(Wavy(), X, SIGMAS, range(len(SIGMAS) - 1), noise, {}, lambda *step: None)


@pytest.mark.parametrize("name", SAMPLERS)
def test_noise_on_the_way_is_of_the_next_seed(name: str) -> None:
    older, newer = (solved(name, era, 7) for era in ERAS)
    assert torch.equal(older, newer) == (name not in DRAW)
    if not torch.equal(older, newer):
        assert torch.equal(newer, solved(name, "0.3.64", 8))


def test_every_change_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, change in CHANGES.items():
        assert change.since in ERAS[1:]
        assert change.of
        assert f"`{name}`" in page


@pytest.mark.parametrize(
    ("form", "made", "older", "newer"),
    [
        (LatentFormat(16, 8), (4, 8, 0), (16, 6, 10), (16, 6, 10)),
        (LatentFormat(16, 8), (128, 16, 0), (16, 6, 10), (16, 12, 20)),
        (LatentFormat(48, 16, frames=4), (4, 8, 0), (48, 6, 10), (48, 3, 5)),
        (LatentFormat(16, 8, frames=4), (128, 32, 8), (16, 5, 6, 10), (16, 9, 24, 40)),
    ],
)
def test_an_empty_latent_of_another_family(form: LatentFormat, made: tuple, older: tuple, newer: tuple) -> None:
    channels, pixels, frames = made
    samples = torch.zeros(2, channels, *([5] if frames else []), 6, 10)
    marks = {"downscale_ratio_spacial": pixels, "downscale_ratio_temporal": frames}
    for era, sides in zip(ERAS, (older, newer), strict=True):
        with numbers_of(era):
            assert form.filled(samples, marks).shape == (2, *sides)
            assert form.filled(samples).shape == (2, *older)
            assert form.filled(samples + 1, marks).shape == samples.shape


def test_which_holds() -> None:
    assert NEWEST == "0.33"
    assert [changed("seed-on-the-way", era) for era in ERAS] == [False, True]
    with numbers_of("0.3.64"):
        assert not changed("seed-on-the-way")
    assert changed("seed-on-the-way")
    with pytest.raises(DiffusionError, match=r"unknown era '0.3.63'; did you mean '0.3.64'\?: one of 0.3.64, 0.33"):
        numbers_of("0.3.63").__enter__()
