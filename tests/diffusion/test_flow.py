"""Rectified flows: the noise levels, the mix of latent and noise, and a model of the toy family from file to latent."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.custom import add_noise
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.noise import RandomNoise, prepare_noise
from weft.nodes.diffusion.sampling.sample import Inpaint
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedules import schedule
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint, load_checkpoint
from weft.nodes.lint.samplers import FOR_EXPLODING

from .ksampling import ksample
from .toy_family import CHANNELS, ToyFamily, write

# What these add to a flow on their way, in ComfyUI and here, is what variance exploding asks for, which is too much.
MADE_FOR_EXPLODING = {
    "ddpm",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
    "dpmpp_2s_ancestral_cfg_pp",
}
NOISY = {
    *("euler_ancestral", "euler_ancestral_cfg_pp", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_sde"),
    *("dpmpp_2m_sde", "dpmpp_2m_sde_heun", "dpmpp_3m_sde", "er_sde", "seeds_2", "seeds_3", "sa_solver"),
    "exp_heun_2_x0_sde",
    *("sa_solver_pece", "dpmpp_sde_gpu", "dpmpp_2m_sde_gpu", "dpmpp_2m_sde_heun_gpu", "dpmpp_3m_sde_gpu"),
}
QUIET = [name for name in SAMPLERS if name not in NOISY | MADE_FOR_EXPLODING | {"lcm"}]


@pytest.fixture(scope="module", params=[False, True], ids=["picture", "video"])
def toy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    path = write(tmp_path_factory.mktemp("flow") / "toy.safetensors", video=request.param, flow=True)
    cpu = torch.device("cpu")
    return load_checkpoint(path, device=cpu, dtype=torch.float32, families=(ToyFamily(),))


def latent_of(toy: LoadedCheckpoint, seed: int = 0) -> Tensor:
    shape = (2, CHANNELS, 3, 4, 5) if toy.model.latent_format.frames else (2, CHANNELS, 4, 5)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def sampled(toy: LoadedCheckpoint, latent: dict[str, Any], **changes: Any) -> Any:
    assert toy.clip is not None
    given = {"positive": toy.clip.encode("a cat"), "negative": toy.clip.encode("")}
    settings = {"seed": 3, "steps": 4, "cfg": 1.0, "sampler": "euler", "scheduler": "simple", **changes}
    return ksample(toy.model, latent, **given, **settings)


def test_noise_levels_are_shifted_and_timesteps_are_not() -> None:
    plain, shifted = ModelSampling.flow(), ModelSampling.flow(shift=3.0)
    torch.testing.assert_close(plain.sigmas, torch.arange(1, 1001) / 1000)
    assert (plain.sigma_min, plain.sigma_max, shifted.sigma_max) == (pytest.approx(0.001), 1.0, 1.0)
    assert float(shifted.sigma(500.0)) == pytest.approx(3 * 0.5 / (1 + 2 * 0.5))
    assert float(shifted.timestep(0.75)) == 750.0
    assert float(ModelSampling.flow(shift=3.0, multiplier=1.0).timestep(0.75)) == 0.75
    assert [shifted.percent_to_sigma(percent) for percent in (0.0, 0.5, 1.0)] == [1.0, pytest.approx(0.75), 0.0]
    # Flux writes the shift as e**mu / (e**mu + 1 / t - 1).
    mu, t = 1.15, 0.3
    assert float(ModelSampling.flow(shift=math.exp(mu)).sigma(300.0)) == pytest.approx(
        math.exp(mu) / (math.exp(mu) + 1 / t - 1)
    )
    with pytest.raises(DiffusionError, match="the shift of a flow is above 0, got 0"):
        ModelSampling.flow(shift=0.0)


def test_simple_starts_at_pure_noise_and_ends_at_the_latent() -> None:
    sigmas = schedule(ModelSampling.flow(shift=3.0), "simple", 4)
    torch.testing.assert_close(sigmas, torch.tensor([1.0, 0.9, 0.75, 0.5, 0.0]))


def test_latent_and_noise_are_mixed_and_told_apart_again() -> None:
    sampling, latent, noise = ModelSampling.flow(), torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 2)
    sigma = torch.tensor(0.25)
    x = sampling.add_noise(latent, noise, sigma)
    torch.testing.assert_close(x, 0.75 * latent + 0.25 * noise)
    assert torch.equal(sampling.noised(latent, noise, sigma), x)
    assert torch.equal(sampling.add_noise(latent, noise, torch.tensor(1.0)), noise)
    torch.testing.assert_close(sampling.denoised(x, noise - latent, sigma), latent)
    assert torch.equal(sampling.scale_input(x, sigma), x)
    again = sampling.add_noise(sampling.ended(x, sigma), torch.zeros_like(x), sigma)
    torch.testing.assert_close(again, x)


def test_from_a_file_to_a_latent_as_the_paper_writes_it(toy: LoadedCheckpoint) -> None:
    """x from noise to latent along the velocity, step by step, without the engine's samplers."""
    start = latent_of(toy)
    result = sampled(toy, {"samples": start}, denoise=0.5)["samples"]
    scale = toy.model.latent_format
    network: Any = toy.model.network.module()
    assert toy.clip is not None
    context = toy.clip.encode("a cat")[0][0].expand(2, -1, -1)
    sigmas = schedule(toy.model.sampling, "simple", 8)[-5:]
    x = sigmas[0] * prepare_noise(start, 3) + (1 - sigmas[0]) * scale.to_network(start)
    with torch.no_grad():
        for sigma, following in pairwise(sigmas):
            velocity = network(x, sigma, context, torch.ones(2))
            x = x + (following - sigma) * velocity
    torch.testing.assert_close(result, scale.from_network(x))


@pytest.mark.parametrize("mode", ["comfy", "continuous"])
def test_two_stages_are_one_run(toy: LoadedCheckpoint, mode: str) -> None:
    whole = sampled(toy, {"samples": latent_of(toy)}, steps=5, mode=mode)["samples"]
    first = sampled(toy, {"samples": latent_of(toy)}, steps=5, end=3, mode=mode)
    second = sampled(toy, first, steps=5, start=3, add_noise=False, mode=mode)["samples"]
    torch.testing.assert_close(second, whole, rtol=1e-4, atol=1e-4)


def test_what_a_mask_keeps_is_mixed_at_each_level_and_kept_in_the_end(toy: LoadedCheckpoint) -> None:
    latent, mask = latent_of(toy), torch.zeros(1, 1, 4, 5)
    mask[..., 2:] = 1.0
    result = sampled(toy, {"samples": latent, "noise_mask": mask})["samples"]
    torch.testing.assert_close(result[..., :2], latent[..., :2])
    assert not torch.allclose(result[..., 2:], latent[..., 2:])
    seen: list[Tensor] = []

    class Guided:
        sampling = ModelSampling.flow()

        def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
            seen.append(x)
            return x

    noise = latent_of(toy, seed=1)
    model: Any = Guided()
    Inpaint(model, latent, noise, mask)(torch.zeros_like(latent), torch.tensor(0.25))
    torch.testing.assert_close(seen[0][..., :2], (0.75 * latent + 0.25 * noise)[..., :2])
    assert not seen[0][..., 2:].any()


class Exact:
    """Latents are normal, of mean 1 and deviation 0.5: the velocity and its path are known in closed form."""

    mean, deviation = 1.0, 0.5
    sampling = ModelSampling.flow()

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        kept, variance = 1 - sigma, self.deviation**2
        return self.mean + kept * variance / (kept**2 * variance + sigma**2) * (x - kept * self.mean)

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        denoised = self(x, sigma)
        return denoised, denoised

    def solved(self, name: str, x: Tensor, steps: int = 100, calls: int = 1) -> Tensor:
        """x after a schedule, solved by this many calls of the sampler."""
        sigmas, state = schedule(self.sampling, "simple", steps), {}
        source = SAMPLERS[name].noise(x, sigmas, 0)
        for part in range(calls):
            now = range(part * steps // calls, (part + 1) * steps // calls)
            x = SAMPLERS[name].solve(self, x, sigmas, now, source, state, lambda i, x, denoised: None)
        return x


@pytest.mark.parametrize("name", QUIET)
def test_samplers_come_to_the_exact_end_of_a_flow(name: str) -> None:
    noise = torch.linspace(-2, 2, 5).reshape(1, 1, 1, 5)
    result = Exact().solved(name, noise.clone())
    torch.testing.assert_close(result, Exact.mean + Exact.deviation * noise, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", sorted(NOISY))
def test_samplers_that_add_noise_come_to_latents_of_the_right_mean_and_deviation(name: str) -> None:
    result = Exact().solved(name, torch.randn(1, 1, 100, 100, generator=torch.Generator().manual_seed(0)))
    assert result.mean().item() == pytest.approx(Exact.mean, abs=0.02)
    assert result.std().item() == pytest.approx(Exact.deviation, abs=0.02)


@pytest.mark.parametrize("name", sorted(MADE_FOR_EXPLODING))
def test_samplers_made_for_variance_exploding_go_astray_on_flows_as_lint_says(name: str) -> None:
    result = Exact().solved(name, torch.randn(1, 1, 50, 50, generator=torch.Generator().manual_seed(0)), steps=20)
    assert result.mean().item() > 1.4 * Exact.mean
    assert name in FOR_EXPLODING


@pytest.mark.parametrize("name", ["dpmpp_2m_sde", "dpmpp_3m_sde", "er_sde", "seeds_3", "sa_solver", "sa_solver_pece"])
def test_a_flow_solved_in_log_snr_step_by_step_has_the_bits_of_one_go(name: str) -> None:
    x = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Exact().solved(name, x, 8), Exact().solved(name, x, 8, calls=8))


def test_lcm_mixes_its_prediction_with_noise_as_the_flow_does() -> None:
    x = torch.full((1, 1, 1, 2), 0.5)
    sigmas, noise = torch.tensor([0.5, 0.25]), torch.tensor([1.0, -1.0])
    result = SAMPLERS["lcm"].solve(Exact(), x, sigmas, range(1), lambda *_: noise, {}, lambda *_: None)
    torch.testing.assert_close(result, 0.75 * Exact()(x, sigmas[0]) + 0.25 * noise)


def test_noise_levels_of_another_process_are_refused(toy: LoadedCheckpoint) -> None:
    with pytest.raises(DiffusionError, match="begins at noise level 14.6.*; this model is a flow, whose highest is 1"):
        sampled(toy, {"samples": latent_of(toy)}, scheduler="AYS SDXL")


def test_noise_is_added_by_the_process(toy: LoadedCheckpoint) -> None:
    latent, scale = latent_of(toy), toy.model.latent_format
    noised = add_noise(toy.model, RandomNoise(5), torch.tensor([0.25]), {"samples": latent})["samples"]
    mixed = 0.75 * scale.to_network(latent) + 0.25 * prepare_noise(latent, 5)
    torch.testing.assert_close(noised, scale.from_network(mixed))


def test_an_empty_latent_gets_the_channels_of_the_model(toy: LoadedCheckpoint) -> None:
    """Whichever family it was made for; one with something in it is refused."""
    wanted = torch.zeros_like(latent_of(toy))
    other = torch.zeros(2, 4, *wanted.shape[2:])
    of_other, of_its_own = (sampled(toy, {"samples": each})["samples"] for each in (other, wanted))
    assert torch.equal(of_other, of_its_own)
    with pytest.raises(DiffusionError, match="4 channels, the model takes 16"):
        sampled(toy, {"samples": other + 1})
