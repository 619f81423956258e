"""Guidance with three sides, and what passes between custom sampling's nodes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.sd.denoiser import UNetDenoiser
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guidance import CFG, Guidance
from weft.nodes.diffusion.sampling.guiders import DualCFG, Guider, PerpNegCFG
from weft.nodes.diffusion.sampling.noise import NoNoise, RandomNoise, prepare_noise
from weft.nodes.diffusion.sampling.patches.guidance import perpendicular

SIGMA = torch.tensor(2.0)


class Network(nn.Module):
    """Predicts, as eps, the mean of the context in each of its two numbers: half of the map each."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.config = SimpleNamespace(in_channels=4, cross_attention_dim=2, addition_embed_type=None)
        self.sizes: list[int] = []

    def forward(self, x: Tensor, t: Tensor, *, encoder_hidden_states: Tensor, **_: Any) -> tuple[Tensor]:
        self.sizes.append(len(x))
        halves = encoder_hidden_states.mean(dim=1).repeat_interleave(x.shape[3] // 2, dim=1)
        return (halves[:, None, None].expand(x.shape),)


def prompt(a: float, b: float, **options: Any) -> list[Any]:
    return [[torch.tensor([a, b]).expand(1, 77, 2), options]]


def denoise(guidance: Guidance, options: dict[str, Any] | None = None) -> tuple[float, float]:
    """The prediction where x is 0, in units of -sigma: the values of both halves."""
    network = Network()
    denoiser = UNetDenoiser(network, ModelSampling.discrete())
    run = SamplingRun(denoiser, (1, 4, 8, 8), torch.device("cpu"), options=options or {})
    got = guidance.bind(run)(torch.zeros(1, 4, 8, 8), SIGMA) / -SIGMA
    assert network.sizes == [3], "all sides in one call"
    return float(got[0, 0, 0, 0]), float(got[0, 0, 0, 7])


def test_dual_guidance() -> None:
    one, two, negative = prompt(1.0, 10.0), prompt(3.0, 20.0), prompt(2.0, 50.0)
    # regular: n + (2 - n) * 1.5 + (1 - 2) * 4; nested: n + (2 + (1 - 2) * 4 - n) * 1.5
    assert denoise(DualCFG(one, two, negative, 4.0, 1.5, "regular")) == (-4.5, -35.0)
    assert denoise(DualCFG(one, two, negative, 4.0, 1.5, "nested")) == (-8.5, -55.0)
    with pytest.raises(DiffusionError, match="unknown style 'nestd' of dual guidance; there are regular, nested"):
        DualCFG(one, two, negative, 4.0, 1.5, "nestd")


def test_functions_of_the_model_act_within_dual_guidance() -> None:
    one, two, negative = prompt(1.0, 10.0), prompt(3.0, 20.0), prompt(2.0, 50.0)
    options = {"sampler_post_cfg_function": [lambda args: args["denoised"] * 2]}
    assert denoise(DualCFG(one, two, negative, 4.0, 1.5), options) == (7.0 - 8.0, 10.0 - 40.0)


def test_an_area_on_one_side_has_twins_on_the_others() -> None:
    one, two, negative = prompt(1.0, 1.0, area=(4, 4, 0, 0)), prompt(3.0, 3.0), prompt(2.0, 2.0)
    network = Network()
    run = SamplingRun(UNetDenoiser(network, ModelSampling.discrete()), (1, 4, 8, 8), torch.device("cpu"))
    DualCFG(one, two, negative, 4.0, 1.5).bind(run)(torch.zeros(1, 4, 8, 8), SIGMA)
    assert sorted(network.sizes) == [2, 3]


def test_perp_neg_drops_what_the_negative_shares() -> None:
    """From an empty prompt at 0: the negative (3, 4) has along (1, 0) only its 3, which does not count."""
    positive, negative, empty = prompt(1.0, 0.0), prompt(3.0, 4.0), prompt(0.0, 0.0)
    assert denoise(PerpNegCFG(positive, negative, empty, 2.0, 0.5)) == pytest.approx((2.0, -4.0))
    told: dict[str, Any] = {}
    options = {"sampler_post_cfg_function": [lambda args: told.update(args) or args["denoised"]]}
    denoise(PerpNegCFG(positive, negative, empty, 2.0, 0.5), options)
    assert float(told["uncond_denoised"][0, 0, 0, 7] / -SIGMA) == 4.0
    assert float(told["empty_cond_denoised"].abs().max()) == 0.0


def test_perpendicular_to_a_positive_that_says_nothing() -> None:
    """Where positive and empty prompt agree there is no direction: not a number, as in ComfyUI; a run then says so."""
    zero = torch.zeros(1, 4, 2, 2)
    assert perpendicular(zero, zero + 1, zero, 1.0, 7.0).isnan().all()


def test_noises() -> None:
    latent = {"samples": torch.ones(2, 4, 8, 8), "batch_index": [3, 1]}
    assert torch.equal(RandomNoise(5).generate_noise(latent), prepare_noise(latent["samples"], 5, [3, 1]))
    assert torch.equal(NoNoise().generate_noise(latent), torch.zeros(2, 4, 8, 8))
    assert (RandomNoise(5).seed, NoNoise().seed) == (5, 0)
    with pytest.raises(DiffusionError, match="seed must be in 0"):
        RandomNoise(-1)


def test_a_guider_says_what_it_keeps_in_memory() -> None:
    tensor, pooled = torch.zeros(1, 77, 2), torch.zeros(1, 8)
    model: Any = SimpleNamespace(memory_parts=[("base", 100)])
    guider = Guider(model, CFG([[tensor, {"pooled_output": pooled}]], [[tensor, {}]], 7.0))
    assert dict(guider.memory_parts) == {"base": 100, id(tensor): tensor.nbytes, id(pooled): pooled.nbytes}
