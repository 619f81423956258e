"""Sigma <-> timestep, predictions, and diffusers' UNet as ComfyUI's model call."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.sd.denoiser import UNetDenoiser
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint

from ..reference.store import units


def rel(got: Tensor, expected: Tensor) -> float:
    return float((got - expected).abs().max() / expected.abs().max())


@pytest.fixture(scope="module")
def network(parity: Path) -> nn.Module:
    path = parity / "models" / "checkpoints" / "tiny_sd15.safetensors"
    return load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32).model.network.module()


@pytest.fixture(scope="module")
def unit(parity: Path) -> dict[str, Tensor]:
    return units("unet")


@pytest.mark.parametrize(("table", "prediction"), [("sigmas_eps", "eps"), ("sigmas_vpred", "v")])
def test_tables_equal_comfyui(parity: Path, table: str, prediction: str) -> None:
    prefix = "model_sampling/"
    golden = units(table)
    sampling = ModelSampling.discrete(prediction)
    assert torch.equal(sampling.sigmas, golden[prefix + "sigmas"])
    assert torch.equal(sampling.log_sigmas, golden[prefix + "log_sigmas"])
    assert torch.equal(sampling.timestep(golden[prefix + "timestep_in"]), golden[prefix + "timestep_out"])
    assert torch.equal(sampling.sigma(golden[prefix + "sigma_of_t_in"]), golden[prefix + "sigma_of_t_out"])
    percents = [sampling.percent_to_sigma(p) for p in golden[prefix + "percent_in"].tolist()]
    assert percents == pytest.approx(golden[prefix + "percent_to_sigma"].tolist(), rel=1e-6)


def test_ends_of_the_schedule() -> None:
    sampling = ModelSampling.discrete()
    assert sampling.sigma_min == pytest.approx(0.029167158529, rel=1e-6)
    assert sampling.sigma_max == pytest.approx(14.614641189575, rel=1e-6)
    assert sampling.percent_to_sigma(-0.1) == sampling.percent_to_sigma(0.0) == 999999999.9
    assert sampling.percent_to_sigma(1.0) == 0.0
    assert sampling.timestep(0.0) == 0
    assert sampling.timestep(1e9) == 999
    assert sampling.sigma(5000.0) == sampling.sigma(999.0)


def test_every_sigma_finds_its_timestep() -> None:
    sampling = ModelSampling.discrete()
    assert torch.equal(sampling.timestep(sampling.sigmas), torch.arange(1000.0))


def test_start_is_scaled_at_the_top_only() -> None:
    sampling = ModelSampling.discrete()
    latent, noise = torch.full((1, 4, 2, 2), 3.0), torch.ones(1, 4, 2, 2)
    top, below = sampling.sigmas[-1], sampling.sigmas[-2]
    assert rel(sampling.add_noise(latent, noise, top), latent + (1 + top**2) ** 0.5) < 1e-6
    assert rel(sampling.add_noise(latent, noise, top * (1 - 5e-6)), latent + (1 + top**2) ** 0.5) < 1e-5
    assert rel(sampling.add_noise(latent, noise, below), latent + below) < 1e-6


@pytest.mark.parametrize("prediction", ["eps", "v"])
def test_a_perfect_network_gives_the_image(prediction: str) -> None:
    sampling = ModelSampling.discrete(prediction)
    image, noise, sigma = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), torch.tensor(2.5)
    alpha, scale = 1 / (1 + sigma**2) ** 0.5, sigma / (1 + sigma**2) ** 0.5
    output = {"eps": noise, "v": alpha * noise - scale * image}[prediction]
    assert rel(sampling.denoised(image + sigma * noise, output, sigma), image) < 1e-5


def test_unknown_prediction() -> None:
    with pytest.raises(DiffusionError, match="unknown prediction 'epss'; did you mean 'eps'"):
        ModelSampling.discrete("epss")


# d is 9x7: diffusers upsamples to the size of the skip connection, as ComfyUI does.
@pytest.mark.parametrize("case", "abcd")
@torch.inference_mode()
def test_network_equals_comfyui(network: nn.Module, unit: dict[str, Tensor], case: str) -> None:
    x, t, context, expected = (unit[f"{case}/{key}"] for key in ("x", "t", "context", "out"))
    assert rel(network(x, t, encoder_hidden_states=context, return_dict=False)[0], expected) < 2e-6


@pytest.mark.parametrize("sigma", ["0.1", "3.0", "14.6146"])
@torch.inference_mode()
def test_denoised_equals_comfyui(network: nn.Module, unit: dict[str, Tensor], sigma: str) -> None:
    denoiser = UNetDenoiser(network, ModelSampling.discrete())
    x, context, expected = (unit[f"apply/s{sigma}/{key}"] for key in ("x", "context", "denoised_eps"))
    assert rel(denoiser(x, torch.tensor(float(sigma)), context), expected) < 2e-6


def test_what_the_network_takes(network: nn.Module, parity: Path) -> None:
    denoiser = UNetDenoiser(network, ModelSampling.discrete())
    assert (denoiser.channels, denoiser.context_width, denoiser.pooled_width) == (4, 64, None)
    path = parity / "models" / "checkpoints" / "tiny_sdxl.safetensors"
    model = load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32).model
    denoiser = UNetDenoiser(model.network.module(), model.sampling)
    assert (denoiser.channels, denoiser.context_width, denoiser.pooled_width) == (4, 128, 80)


@torch.inference_mode()
def test_half_precision_stays_inside_the_network(parity: Path, unit: dict[str, Tensor]) -> None:
    path = parity / "models" / "checkpoints" / "tiny_sd15.safetensors"
    model = load_checkpoint(path, device=torch.device("cpu"), dtype=torch.bfloat16).model
    denoiser = UNetDenoiser(model.network.module(), model.sampling)
    x, context, expected = (unit[f"apply/s3.0/{key}"] for key in ("x", "context", "denoised_eps"))
    got = denoiser(x, torch.tensor(3.0), context.bfloat16())
    assert got.dtype == torch.float32
    assert rel(got, expected) < 0.1


def test_a_network_that_is_told_angles() -> None:
    """Salimans & Ho 2022: noise is the sine, signal the cosine of a quarter turn times t; v-prediction."""
    sampling = ModelSampling.angular(sigma_min=0.03, sigma_max=500.0)
    t = torch.tensor([0.1, 0.5, 0.9])
    sigma = torch.sin(t * torch.pi / 2) / torch.cos(t * torch.pi / 2)
    torch.testing.assert_close(sampling.sigma(t), sigma)
    torch.testing.assert_close(sampling.timestep(sigma), t)
    assert sampling.sigma_max == pytest.approx(500.0, rel=1e-5)
    assert sampling.percent_to_sigma(0.5) == pytest.approx(float(sampling.sigma(sum(sampling.clock.ends) / 2)))
    x0, noise = torch.tensor([2.0]), torch.tensor([3.0])
    angle = t[1] * torch.pi / 2
    velocity = torch.cos(angle) * noise - torch.sin(angle) * x0
    x = x0 + sigma[1] * noise
    torch.testing.assert_close(sampling.scale_input(x, sigma[1]), torch.cos(angle) * x0 + torch.sin(angle) * noise)
    torch.testing.assert_close(sampling.denoised(x, velocity, sigma[1]), x0)
