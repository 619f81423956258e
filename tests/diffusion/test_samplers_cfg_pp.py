"""CFG++ samplers: where the unguided prediction comes from, and what they become where it equals the guided one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from weft.nodes.diffusion.families.sd.denoiser import UNetDenoiser
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.sample import Inpaint
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser
from weft.nodes.diffusion.sampling.schedules import karras

SAMPLING = ModelSampling.discrete()
SIGMA = torch.tensor(2.0)
CFG_PP = [name for name in SAMPLERS if name.endswith("_cfg_pp")]


class Network(nn.Module):
    """Predicts, as eps, the mean of the context."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.config = SimpleNamespace(in_channels=4, cross_attention_dim=2, addition_embed_type=None)
        self.batches: list[int] = []

    def forward(self, x: Tensor, t: Tensor, *, encoder_hidden_states: Tensor, **_: Any) -> tuple[Tensor]:
        self.batches.append(x.shape[0])
        return (encoder_hidden_states.mean(dim=(1, 2)).reshape(-1, 1, 1, 1).expand_as(x),)


def guided(scale: float) -> tuple[GuidedDenoiser, Network]:
    network = Network()
    run = SamplingRun(UNetDenoiser(network, SAMPLING), (1, 4, 8, 8), torch.device("cpu"))
    positive, negative = ([[torch.full((1, 77, 2), value), {}]] for value in (1.0, 2.0))
    return CFG(positive, negative, scale).bind(run), network


@pytest.mark.parametrize("scale", [0.0, 1.0, 7.0])
def test_with_uncond_gives_both(scale: float) -> None:
    model, network = guided(scale)
    denoised, uncond = model.with_uncond(torch.zeros(1, 4, 8, 8), SIGMA)
    assert torch.allclose(uncond, torch.tensor(-4.0))
    assert torch.allclose(denoised, torch.tensor(-4.0 + 2.0 * scale))
    assert network.batches == [2]


@pytest.mark.parametrize("name", SAMPLERS)
def test_only_cfg_pp_evaluates_the_negative_at_scale_one(name: str) -> None:
    model, network = guided(1.0)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    sigmas = karras(SAMPLING, 4)
    SAMPLERS[name].solve(model, x * sigmas[0], sigmas, range(4), lambda *_: torch.zeros(()), {}, lambda *_: None)
    # The midpoint of dpmpp_2s_ancestral_cfg_pp too.
    assert set(network.batches) == {2 if name in CFG_PP else 1}


def test_what_a_mask_keeps_is_set_in_the_guided_prediction_alone() -> None:
    model, _ = guided(3.0)
    latent, noise, x = (torch.randn(1, 4, 8, 8) for _ in range(3))
    mask = torch.zeros(1, 8, 8)
    mask[..., :4] = 1.0
    inpaint = Inpaint(model, latent, noise, mask)
    denoised, uncond = inpaint.with_uncond(x, SIGMA)
    assert torch.equal(denoised, inpaint(x, SIGMA))
    assert torch.equal(denoised[..., 4:], latent[..., 4:])
    assert torch.allclose(uncond[..., 4:], (latent + SIGMA * noise)[..., 4:] - 4.0)
    assert inpaint.sampling is SAMPLING


class Unguided:
    """A model whose guidance changes nothing."""

    sampling = SAMPLING

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (1 + sigma**2) + 0.1 * torch.tanh(x) * torch.cos(3 * sigma)

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return self(x, sigma), self(x, sigma)


@pytest.mark.parametrize("name", [name for name in CFG_PP if name != "dpmpp_2s_ancestral_cfg_pp"])
def test_without_guidance_it_is_the_plain_sampler(name: str) -> None:
    """dpmpp_2s_ancestral_cfg_pp takes the prediction at its midpoint from that at its start: they are never equal."""
    sigmas = karras(SAMPLING, 8)
    x = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0)) * sigmas[0]

    def solve(name: str) -> Tensor:
        def noise(i: int, sigma: Tensor, sigma_next: Tensor) -> Tensor:
            return torch.randn(x.shape, generator=torch.Generator().manual_seed(i))

        return SAMPLERS[name].solve(Unguided(), x, sigmas, range(8), noise, {}, lambda *_: None)

    assert torch.allclose(solve(name), solve(name.removesuffix("_cfg_pp")), atol=1e-4)
