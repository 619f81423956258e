"""Sampling from parts. Numbers: goldens cust_*, cadv_* (tests/parity)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.sampling import custom_samplers
from weft.nodes.diffusion.sampling.custom import add_noise, custom_sample
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.guiders import DualCFG, Guider, PerpNegCFG
from weft.nodes.diffusion.sampling.noise import NoNoise, PatchRandom, RandomNoise
from weft.nodes.diffusion.sampling.spacings import basic
from weft.nodes.diffusion.sampling.spellings import find_sampler
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint, load_checkpoint

from .ksampling import ksample

EMPTY = {"samples": torch.zeros(1, 4, 8, 8)}


@pytest.fixture(scope="module")
def tiny(random_models: Path) -> LoadedCheckpoint:
    path = random_models / "checkpoints" / "weft-tiny.safetensors"
    return load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32)


@pytest.fixture(scope="module")
def prompts(tiny: LoadedCheckpoint) -> list[Any]:
    assert tiny.clip is not None
    return [tiny.clip.encode(text) for text in ("a red cube", "blurry", "")]


@pytest.fixture(scope="module")
def sigmas(tiny: LoadedCheckpoint) -> Tensor:
    return basic(tiny.model.sampling, "karras", 4, 1.0)


@pytest.fixture(scope="module")
def guider(tiny: LoadedCheckpoint, prompts: list[Any]) -> Guider:
    return Guider(tiny.model, CFG(prompts[0], prompts[1], 5.0))


@pytest.mark.parametrize("name", ["euler", "dpmpp_2m_sde", "euler_ancestral_cfg_pp"])
def test_is_ksampler_in_parts(tiny: Any, prompts: list[Any], guider: Guider, sigmas: Tensor, name: str) -> None:
    latent = {**EMPTY, "noise_mask": torch.ones(1, 64, 64)}
    steps: list[Any] = []
    got, denoised = custom_sample(
        guider, find_sampler(name), sigmas, RandomNoise(3), latent, callback=lambda *step: steps.append(step)
    )
    one = {"seed": 3, "steps": 4, "cfg": 5.0, "sampler": name, "scheduler": "karras"}
    expected = ksample(tiny.model, latent, positive=prompts[0], negative=prompts[1], **one)
    assert torch.equal(got["samples"], expected["samples"])
    assert got["noise_mask"] is denoised["noise_mask"] is latent["noise_mask"]
    assert [step[:2] for step in steps] == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert torch.allclose(denoised["samples"], steps[-1][3] / 0.18215)
    got["samples"].add_(1.0)
    denoised["samples"].add_(1.0)


def test_denoised_of_an_unfinished_schedule(guider: Guider, sigmas: Tensor) -> None:
    noisy, denoised = custom_sample(guider, find_sampler("euler"), sigmas[:3], RandomNoise(3), EMPTY)
    assert not torch.allclose(noisy["samples"], denoised["samples"], atol=1.0)


def test_stages_share_a_schedule(guider: Guider, sigmas: Tensor) -> None:
    whole, _ = custom_sample(guider, find_sampler("euler"), sigmas, RandomNoise(3), EMPTY)
    first, _ = custom_sample(guider, find_sampler("euler"), sigmas[:3], RandomNoise(3), EMPTY)
    second, _ = custom_sample(guider, find_sampler("euler"), sigmas[2:], NoNoise(), first)
    assert torch.allclose(second["samples"], whole["samples"], atol=1e-4)


@pytest.mark.parametrize("schedule", [[], [0.0]])
def test_without_a_step_the_latent_comes_back(guider: Guider, schedule: list[float]) -> None:
    latent = {"samples": torch.randn(1, 4, 8, 8), "batch_index": [2]}
    both = custom_sample(guider, find_sampler("euler"), torch.tensor(schedule), RandomNoise(3), latent)
    for got in both:
        assert got == latent
        assert got is not latent


@pytest.mark.parametrize(
    ("sampler", "words"),
    [
        (find_sampler("dpm_fast"), "dpm_fast needs a step to do, the schedule has the one sigma 3"),
        (custom_samplers.with_options("dpm_adaptive", eta=0.5), "dpm_adaptive with eta needs two sigmas above 0"),
    ],
)
def test_samplers_that_choose_their_steps_need_some(guider: Guider, sampler: Any, words: str) -> None:
    with pytest.raises(DiffusionError, match=words):
        custom_sample(guider, sampler, torch.tensor([3.0]), RandomNoise(3), EMPTY)


@pytest.mark.parametrize("sigma", [3.0, 14.614641])
def test_one_sigma_gives_the_latent_with_its_noise(guider: Guider, sigma: float) -> None:
    """As ComfyUI does where SplitSigmas left one value; at the top of the schedule noise has the prior's scale."""
    latent = {"samples": torch.randn(1, 4, 8, 8), "batch_index": [2]}
    both = custom_sample(guider, find_sampler("euler"), torch.tensor([sigma]), RandomNoise(3), latent)
    scale = sigma if sigma < 14 else (1 + sigma**2) ** 0.5
    expected = latent["samples"] + RandomNoise(3).generate_noise(latent) * scale / 0.18215
    for got in both:
        assert torch.allclose(got["samples"], expected, atol=1e-4)
        assert got["batch_index"] == [2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sigmas": torch.tensor([3.0, float("nan")])}, "sigmas must be finite and not negative, got nan at index 1"),
        ({"sigmas": None}, "sigmas must be a tensor .* got NoneType"),
        ({"sampler": "euler"}, r"expected a sampler \(as KSamplerSelect gives\), got str"),
        (
            {"guider": SimpleNamespace()},
            r"expected a guider \(as BasicGuider or CFGGuider gives\), got SimpleNamespace",
        ),
        (
            {"noise": SimpleNamespace(seed=1, generate_noise=lambda latent: torch.zeros(1, 4, 4, 4))},
            r"the noise is \[1, 4, 4, 4\], the latent \[1, 4, 8, 8\]",
        ),
        ({"noise": 7}, r"expected a noise \(as RandomNoise gives\), got int"),
        ({"latent": {"samples": torch.zeros(4, 8, 8)}}, r'a latent needs "samples" of shape .* got \[4, 8, 8\]'),
        ({"latent": {"samples": torch.full((1, 4, 8, 8), float("nan"))}}, "the latent to sample has NaN or infinity"),
        ({"latent": {"samples": torch.ones(1, 16, 8, 8)}}, "the latent has 16 channels, the model takes 4"),
    ],
)
def test_what_cannot_be_sampled(guider: Guider, sigmas: Tensor, change: dict[str, Any], words: str) -> None:
    request = {
        "guider": guider,
        "sampler": find_sampler("euler"),
        "sigmas": sigmas,
        "noise": RandomNoise(3),
        "latent": EMPTY,
    }
    with pytest.raises(DiffusionError, match=words):
        custom_sample(**(request | change))


def test_kl_optimal_of_one_step_is_refused_when_it_is_sampled(tiny: Any, guider: Guider) -> None:
    nan = basic(tiny.model.sampling, "kl_optimal", 1, 1.0)
    assert nan.isnan().tolist() == [True, False]
    with pytest.raises(DiffusionError, match="got nan at index 0"):
        custom_sample(guider, find_sampler("euler"), nan, RandomNoise(3), EMPTY)


def test_prompts_of_another_model_name_their_side(tiny: Any, prompts: list[Any], sigmas: Tensor) -> None:
    wrong = [[torch.zeros(1, 77, 9), {}]]
    for guidance, side in (
        (CFG(wrong, [], 1.0), "positive"),
        (DualCFG(prompts[0], wrong, prompts[1], 2.0, 3.0), "middle"),
        (PerpNegCFG(prompts[0], prompts[1], wrong, 2.0, 3.0), "empty"),
    ):
        with pytest.raises(DiffusionError, match=f"{side} conditioning, entry 0: its width is 9"):
            custom_sample(Guider(tiny.model, guidance), find_sampler("euler"), sigmas, RandomNoise(3), EMPTY)


@pytest.mark.parametrize("style", ["regular", "nested"])
def test_dual_guidance_of_one_prompt_twice_is_plain(
    tiny: Any, prompts: list[Any], guider: Guider, sigmas: Tensor, style: str
) -> None:
    dual = Guider(tiny.model, DualCFG(prompts[0], prompts[0], prompts[1], 9.0, 5.0, style))
    got, _ = custom_sample(dual, find_sampler("euler"), sigmas, RandomNoise(3), EMPTY)
    expected, _ = custom_sample(guider, find_sampler("euler"), sigmas, RandomNoise(3), EMPTY)
    assert torch.allclose(got["samples"], expected["samples"], rtol=1e-4, atol=1e-3)


def test_perp_neg_without_a_negative(tiny: Any, prompts: list[Any], sigmas: Tensor) -> None:
    perp = Guider(tiny.model, PerpNegCFG(prompts[0], prompts[2], prompts[2], 5.0, 1.0))
    got, _ = custom_sample(perp, find_sampler("euler_cfg_pp"), sigmas, RandomNoise(3), EMPTY)
    plain = Guider(tiny.model, CFG(prompts[0], prompts[2], 5.0))
    expected, _ = custom_sample(plain, find_sampler("euler_cfg_pp"), sigmas, RandomNoise(3), EMPTY)
    assert torch.allclose(got["samples"], expected["samples"], rtol=1e-4, atol=1e-3)


def test_a_guider_without_negative_lets_cfg_pp_see_nothing(tiny: Any, prompts: list[Any], sigmas: Tensor) -> None:
    got, _ = custom_sample(
        Guider(tiny.model, CFG(prompts[0], [], 1.0)), find_sampler("euler_cfg_pp"), sigmas, RandomNoise(3), EMPTY
    )
    assert got["samples"].isfinite().all()


def model(scale: float = 0.5) -> Any:
    latent_format = LatentFormat(4, 8, scale)
    return SimpleNamespace(
        sampling=ModelSampling.discrete(),
        process_latent_in=latent_format.to_network,
        process_latent_out=latent_format.from_network,
    )


def test_noise_is_added_in_the_networks_scale() -> None:
    latent = {"samples": torch.randn(1, 4, 8, 8), "noise_mask": torch.ones(1, 8, 8)}
    noise = RandomNoise(3).generate_noise(latent)
    for schedule, level in (([4.0, 1.0, 0.5], 3.5), ([2.0], 2.0)):
        got = add_noise(model(), RandomNoise(3), torch.tensor(schedule), latent)
        assert torch.allclose(got["samples"], latent["samples"] + noise * level / 0.5, atol=1e-5)
        assert got["noise_mask"] is latent["noise_mask"]
    assert add_noise(model(), RandomNoise(3), torch.empty(0), latent) == latent
    broken = {"samples": torch.full((1, 4, 8, 8), float("nan"))}
    assert torch.equal(add_noise(model(), NoNoise(), torch.tensor([1.0]), broken)["samples"], torch.zeros(1, 4, 8, 8))


def guidance_of(guider: Guider) -> CFG:
    assert isinstance(guider.guidance, CFG)
    return guider.guidance


def sampled(guider: Guider, sigmas: Tensor, sampler: Any) -> Tensor:
    return custom_sample(guider, sampler, sigmas, RandomNoise(3), EMPTY)[0]["samples"]


@pytest.mark.parametrize(
    ("name", "options", "same"),
    [
        ("euler_ancestral", {"eta": 0.0}, "euler"),
        ("dpmpp_2s_ancestral", {"eta": 0.5}, None),
        ("lms", {"order": 1}, "euler"),
        ("er_sde", {"solver_type": "ODE", "max_stage": 1}, "euler"),
        ("dpm_adaptive", {"order": 2, "rtol": 0.5, "atol": 0.5}, None),
    ],
)
def test_options_of_a_sampler(
    guider: Guider, sigmas: Tensor, name: str, options: dict[str, Any], same: str | None
) -> None:
    result = sampled(guider, sigmas, custom_samplers.with_options(name, **options))
    assert not torch.allclose(result, sampled(guider, sigmas, find_sampler(name)), atol=1e-2)
    if same is not None:
        assert torch.allclose(result, sampled(guider, sigmas, find_sampler(same)), rtol=1e-3, atol=1e-2)


def test_sde_samplers_on_either_device(guider: Guider, sigmas: Tensor) -> None:
    cpu, gpu = (
        sampled(guider, sigmas, custom_samplers.with_noise_device("dpmpp_2m_sde", device, eta=0.7, s_noise=0.9))
        for device in ("cpu", "gpu")
    )
    assert torch.equal(cpu, gpu)
    with pytest.raises(DiffusionError, match="unknown noise device 'cuda'"):
        custom_samplers.with_noise_device("dpmpp_2m_sde", "cuda")


def test_sa_solver_counts_by_the_model_it_was_given(guider: Guider, sigmas: Tensor) -> None:
    own = custom_samplers.sa_solver_of(guider.model.sampling)
    assert torch.equal(sampled(guider, sigmas, own), sampled(guider, sigmas, find_sampler("sa_solver")))
    other = ModelSampling.continuous("eps", sigma_min=1e-4, sigma_max=1e-3)
    still = custom_samplers.sa_solver_of(other)
    never = custom_samplers.sa_solver_of(guider.model.sampling, eta=0.0)
    assert torch.equal(sampled(guider, sigmas, still), sampled(guider, sigmas, never))


def test_versions_of_euler_cfg_pp(guider: Guider, sigmas: Tensor) -> None:
    assert custom_samplers.euler_cfg_pp("regular") is find_sampler("euler_cfg_pp")
    with pytest.raises(DiffusionError, match="unknown version 'alternativ'; did you mean 'alternative'"):
        custom_samplers.euler_cfg_pp("alternativ")
    alternative = custom_samplers.euler_cfg_pp("alternative")
    # Where both sides agree there is nothing to correct: both are Euler's method.
    positive = guidance_of(guider).positive
    plain = Guider(guider.model, CFG(positive, positive, 5.0))
    assert torch.allclose(
        sampled(plain, sigmas, alternative), sampled(plain, sigmas, find_sampler("euler")), rtol=1e-3, atol=1e-2
    )
    assert not torch.allclose(sampled(guider, sigmas, alternative), sampled(guider, sigmas, find_sampler("euler")))


class Constant:
    """A GuidedDenoiser that predicts ones, of any size."""

    sampling = ModelSampling.discrete()

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.sizes.append(tuple(x.shape[-2:]))
        return torch.ones_like(x)


@pytest.mark.parametrize(
    ("steps", "scale_steps", "sizes"),
    [
        (4, -1, [(8, 4), (12, 6), (16, 8), (16, 8)]),
        (4, 1, [(8, 4), (16, 8), (16, 8), (16, 8)]),
        (2, 9, [(8, 4), (11, 5)]),
        (3, 0, [(8, 4)] * 3),
    ],
)
def test_lcm_that_enlarges(steps: int, scale_steps: int, sizes: list[tuple[int, int]]) -> None:
    sampler = custom_samplers.lcm_upscale(2.0, scale_steps, "nearest-exact")
    x, schedule = torch.zeros(1, 4, 8, 4), torch.linspace(4, 0, steps + 1)
    model = Constant()
    result = sampler.solve(model, x, schedule, range(steps), sampler.noise(x, schedule, 3), {}, lambda *_: None)
    assert model.sizes == sizes
    assert bool((result == 1).all())


def test_lcm_that_enlarges_not_at_all_is_lcm(guider: Guider, sigmas: Tensor) -> None:
    first = sampled(guider, sigmas[:2], custom_samplers.lcm_upscale(1.0, -1, "bislerp"))
    x = torch.zeros(1, 4, 8, 8)
    noise = custom_samplers.lcm_upscale(1.0, -1, "bislerp").noise(x, sigmas, 3)(0, sigmas[0], sigmas[1])
    generator = PatchRandom(x.shape, 3).generator
    assert torch.equal(noise, torch.randn(x.shape, generator=generator)), "it goes on behind the initial noise"
    prediction = custom_sample(guider, find_sampler("lcm"), sigmas[:2], RandomNoise(3), EMPTY)[1]["samples"]
    assert torch.allclose(first, prediction + noise * sigmas[1] / 0.18215, rtol=1e-4, atol=1e-3)


def test_lcm_that_enlarges_through_a_network(guider: Guider, sigmas: Tensor) -> None:
    result = sampled(guider, sigmas, custom_samplers.lcm_upscale(1.5, -1, "bilinear"))
    assert result.shape == (1, 4, 12, 12)
