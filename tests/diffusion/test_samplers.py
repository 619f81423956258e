"""Samplers: ComfyUI's steps, the order of each method, and stages that equal the run they were cut from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from weft.nodes.diffusion.families.sd.denoiser import UNetDenoiser
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.samplers.ancestral import ancestral_step
from weft.nodes.diffusion.sampling.schedulers import SCHEDULERS
from weft.nodes.diffusion.sampling.schedules import ksampler_schedule
from weft.nodes.diffusion.sampling.spellings import UnknownSampler, find_sampler
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint, load_checkpoint

from ..reference.store import units
from .ksampling import ksample

SAMPLING = ModelSampling.discrete()
SPREAD = 0.5
POSITIVE, NEGATIVE = "a photo of a cat on a table, highly detailed", "blurry, low quality, watermark"


class Gaussian:
    """The best denoiser for images drawn from N(0, SPREAD^2), with and without guidance."""

    sampling = SAMPLING

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x * (SPREAD**2 / (SPREAD**2 + sigma**2))

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return self(x, sigma), self(x, sigma)


class Wavy(Gaussian):
    """A denoiser that is linear in nothing, so that no error cancels."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return super().__call__(x, sigma) + 0.1 * torch.tanh(x) * torch.cos(3 * sigma)

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return self(x, sigma), super().__call__(x, sigma)


gaussian, wavy = Gaussian(), Wavy()


def addressed_noise(i: int, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    return torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(i))


def silent(i: int, x: Tensor, denoised: Tensor) -> None: ...


def solve(name: str, sigmas: Tensor, x: Tensor, model=gaussian, **options: float) -> Tensor:
    steps = range(len(sigmas) - 1)
    return SAMPLERS[name].solve(model, x, sigmas, steps, addressed_noise, {}, silent, **options)


def error(name: str, steps: int, **options: float) -> float:
    """Against the exact solution of the probability flow: x grows as sqrt(SPREAD^2 + sigma^2)."""
    sigmas = torch.linspace(3.0, 0.5, steps + 1)
    x = torch.ones(2, 4, 3, 3)
    exact = ((SPREAD**2 + sigmas[-1] ** 2) / (SPREAD**2 + sigmas[0] ** 2)) ** 0.5
    return float((solve(name, sigmas, x, **options) - exact).abs().max())


@pytest.mark.parametrize(
    ("name", "order", "options"),
    [
        ("euler", 1, {}),
        ("ddim", 1, {}),
        ("euler_ancestral", 1, {"eta": 0.0}),
        ("heun", 2, {}),
        ("dpm_2", 2, {}),
        ("dpm_2_ancestral", 2, {"eta": 0.0}),
        ("dpmpp_2m", 2, {}),
        ("lms", 2, {"order": 2}),
    ],
)
def test_order_of_convergence(name: str, order: int, options: dict[str, float]) -> None:
    coarse, fine = error(name, 20, **options), error(name, 40, **options)
    assert 2 ** (order - 0.5) < coarse / fine < 2 ** (order + 0.9)


def test_lms_gains_with_its_order() -> None:
    first, second, fourth = (error("lms", 30, order=order) for order in (1, 2, 4))
    assert first == pytest.approx(error("euler", 30), rel=1e-3)
    assert fourth < second / 2 < first / 10


# Those that solve the steps of the schedule, and so can be cut.
STEPPING = [name for name, sampler in SAMPLERS.items() if not sampler.own_steps]


@pytest.mark.parametrize("name", STEPPING)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_stages_equal_the_run(name: str, scheduler: str) -> None:
    sampler = SAMPLERS[name]
    sigmas = ksampler_schedule(SAMPLING, scheduler, 9, discard_penultimate=sampler.discard_penultimate)
    n = len(sigmas) - 1
    start = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0)) * sigmas[0]
    single = sampler.solve(wavy, start, sigmas, range(n), addressed_noise, {}, silent)
    assert single.isfinite().all()
    for cuts in ([0, 1, n], [0, 5, n], [0, n - 1, n], [0, 2, 4, n]):
        x, state = start, {}
        for first, last in pairwise(cuts):
            # What is remembered travels as tensors, as it would through a file.
            state = {key: value.clone() for key, value in state.items()}
            x = sampler.solve(wavy, x, sigmas, range(first, last), addressed_noise, state, silent)
        assert torch.equal(x, single), cuts


@pytest.mark.parametrize("name", STEPPING)
def test_report_once_a_step(name: str) -> None:
    sigmas = ksampler_schedule(SAMPLING, "karras", 6)
    x, seen = torch.full((2, 4, 3, 3), 14.0), []
    SAMPLERS[name].solve(
        wavy, x, sigmas, range(2, 6), addressed_noise, {}, lambda i, x, denoised: seen.append((i, x, denoised))
    )
    assert [i for i, _, _ in seen] == [2, 3, 4, 5]
    assert seen[0][1] is x
    for i, x, denoised in seen:
        assert torch.equal(denoised, wavy(x, sigmas[i]))


@pytest.mark.parametrize("name", SAMPLERS)
def test_what_report_raises_ends_the_run(name: str) -> None:
    def stop(i: int, x: Tensor, denoised: Tensor) -> None:
        if i >= 3:
            raise KeyboardInterrupt

    sigmas = ksampler_schedule(SAMPLING, "karras", 6)
    with pytest.raises(KeyboardInterrupt):
        SAMPLERS[name].solve(wavy, torch.ones(2, 4, 3, 3), sigmas, range(6), addressed_noise, {}, stop)


@pytest.mark.parametrize("name", SAMPLERS)
def test_input_is_not_written(name: str) -> None:
    sigmas = ksampler_schedule(SAMPLING, "karras", 6)
    x, before = torch.ones(2, 4, 3, 3), sigmas.clone()
    solve(name, sigmas, x, wavy)
    assert torch.equal(x, torch.ones(2, 4, 3, 3))
    assert torch.equal(sigmas, before)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0, 50.0])
def test_ancestral_step_keeps_the_variance(eta: float) -> None:
    down, up = ancestral_step(torch.tensor(5.0), torch.tensor(3.0), eta)
    assert float(down**2 + up**2) == pytest.approx(9.0, rel=1e-6)
    assert 0 <= up <= 3.0
    assert ancestral_step(torch.tensor(5.0), torch.tensor(0.0), eta) == (0.0, 0.0)


def test_ancestral_noise_scales_with_s_noise() -> None:
    sigmas = torch.tensor([3.0, 2.0])
    x = torch.ones(2, 4, 3, 3)
    for name in ("euler_ancestral", "dpm_2_ancestral"):
        none, once, twice = (solve(name, sigmas, x, s_noise=s) for s in (0.0, 1.0, 2.0))
        assert torch.allclose(twice - none, 2 * (once - none), atol=1e-5)
        _, up = ancestral_step(sigmas[0], sigmas[1], 1.0)
        assert torch.allclose(once - none, up * addressed_noise(0, *sigmas), atol=1e-5)


def small_unet() -> nn.Module:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        block_out_channels=(32, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=8,
        layers_per_block=1,
    )


class StandIn(nn.Module):
    """What a denoiser needs of a UNet, and faster."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.config = SimpleNamespace(in_channels=4, cross_attention_dim=8, addition_embed_type=None)

    def forward(self, x: Tensor, *_: Any, **__: Any) -> tuple[Tensor]:
        return (x * self.weight,)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "dpm_adaptive"])
def test_nothing_waits_for_the_device(name: str) -> None:
    """Tensors on the meta device have no values: reading one back raises. dpm_adaptive reads its error back."""
    with torch.device("meta"):
        network = small_unet() if name == "euler" else StandIn()
        x = torch.zeros(2, 4, 9, 7)
    run = SamplingRun(UNetDenoiser(network, SAMPLING), (2, 4, 9, 7), torch.device("meta"))
    area = [[torch.zeros(1, 77, 8), {"area": (4, 4, 2, 2), "mask": torch.ones(9, 7), "end_percent": 0.5}]]
    plain = [[torch.zeros(1, 77, 8), {}]]
    model = CFG(plain + area, plain, 7.0).bind(run)
    sigmas = ksampler_schedule(SAMPLING, "karras", 5)
    got = SAMPLERS[name].solve(model, x, sigmas, range(5), lambda *_: torch.zeros_like(x), {}, silent)
    assert (got.device.type, got.shape) == ("meta", x.shape)


def test_unknown_sampler() -> None:
    with pytest.raises(UnknownSampler, match="unknown sampler 'dpmpp_2n'; did you mean 'dpmpp_2m'"):
        find_sampler("dpmpp_2n")


@pytest.fixture(scope="module")
def tiny(parity: Path) -> LoadedCheckpoint:
    path = parity / "models" / "checkpoints" / "tiny_sd15.safetensors"
    return load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32)


@pytest.fixture
def calls(tiny: LoadedCheckpoint) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """(scaled x, timesteps) of every call of the network."""
    seen: list[tuple[Tensor, Tensor]] = []
    network: nn.Module = tiny.model.network.module()
    handle = network.register_forward_pre_hook(lambda module, args: seen.append(args))
    yield seen
    handle.remove()


@pytest.mark.parametrize(
    "trace",
    [
        "ddim_normal",
        "ddpm_normal",
        "deis_normal",
        "dpm_2_normal",
        "dpmpp_2m_karras",
        "dpmpp_2m_sde_karras",
        "dpmpp_2s_ancestral_karras",
        "dpmpp_3m_sde_exponential",
        "dpmpp_sde_karras",
        "er_sde_normal",
        "euler_ancestral_normal",
        "euler_normal",
        "gradient_estimation_normal",
        "heun_normal",
        "ipndm_normal",
        "lcm_sgm_uniform",
        "lms_normal",
        "res_multistep_simple",
        "sa_solver_normal",
        "seeds_2_normal",
        "uni_pc_normal",
    ],
)
@pytest.mark.usefixtures("as_the_reference")
def test_every_step_equals_comfyui(
    parity: Path, tiny: LoadedCheckpoint, calls: list[tuple[Tensor, Tensor]], trace: str
) -> None:
    golden = units(f"trace_{trace}")
    scheduler = next(name for name in SCHEDULERS if trace.endswith(f"_{name}"))
    sampler = trace.removesuffix(f"_{scheduler}")
    steps = []
    result = ksample(
        tiny.model,
        {"samples": torch.zeros(1, 4, 8, 8)},
        seed=1234,
        steps=8,
        cfg=7.0,
        sampler=sampler,
        scheduler=scheduler,
        positive=tiny.clip.encode(POSITIVE),
        negative=tiny.clip.encode(NEGATIVE),
        callback=lambda i, total, x, denoised: steps.append((i, total, x, denoised)),
    )

    def close(got: Tensor, key: str) -> None:
        assert (got - golden[key]).abs().max() <= 1e-4 * golden[key].abs().max(), key

    assert [(i, total) for i, total, _, _ in steps] == [(i, 8) for i in range(8)]
    for i, _, x, denoised in steps:
        # ComfyUI's own report has another x for these: the first one of the run, or one at variance 1.
        if sampler not in ("deis", "ipndm", "uni_pc"):
            close(x, f"step{i:02}/x")
        close(denoised, f"step{i:02}/denoised")
    assert len(calls) == sum(key.endswith("/x_in") for key in golden)
    for i, (x_in, t) in enumerate(calls):
        sigma = golden[f"call{i:02}/sigma"]
        close(x_in * (sigma[0] ** 2 + 1) ** 0.5, f"call{i:02}/x_in")
        assert torch.equal(t, SAMPLING.timestep(sigma))
    close(result["samples"], "final")
