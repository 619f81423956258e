"""Guidance: which network calls are made, and how predictions are combined."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from weft.nodes.diffusion.families.sd.denoiser import UNetDenoiser
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guidance import CFG, CFGDenoiser

SIGMA = torch.tensor(2.0)


class Network(nn.Module):
    """Predicts, as eps, the mean of the context; remembers what it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.config = SimpleNamespace(in_channels=4, cross_attention_dim=2, addition_embed_type=None)
        self.calls: list[SimpleNamespace] = []

    def forward(self, x: Tensor, t: Tensor, *, encoder_hidden_states: Tensor, **_: Any) -> tuple[Tensor]:
        self.calls.append(SimpleNamespace(x=x, t=t, context=encoder_hidden_states))
        return (encoder_hidden_states.mean(dim=(1, 2)).reshape(-1, 1, 1, 1).expand_as(x),)


def prompt(value: float, tokens: int = 77, **options: Any) -> list[Any]:
    return [[torch.full((1, tokens, 2), value), options]]


def guided(positive: list[Any], negative: list[Any], scale: float = 3.0, batch: int = 1) -> tuple[CFGDenoiser, Network]:
    network = Network()
    run = SamplingRun(UNetDenoiser(network, ModelSampling.discrete()), (batch, 4, 8, 8), torch.device("cpu"))
    return CFG(positive, negative, scale).bind(run), network


def denoise(positive: list[Any], negative: list[Any], scale: float = 3.0, batch: int = 1) -> Tensor:
    """Where x is 0, so that the prediction is -sigma * context."""
    model, _ = guided(positive, negative, scale, batch)
    return model(torch.zeros(batch, 4, 8, 8), SIGMA) / -SIGMA


def test_both_sides_in_one_call_uncond_first() -> None:
    model, network = guided(prompt(1.0), prompt(2.0))
    x = torch.randn(1, 4, 8, 8)
    model(x, SIGMA)
    (call,) = network.calls
    assert call.context[:, 0, 0].tolist() == [2.0, 1.0]
    assert torch.allclose(call.x, torch.cat([x, x]) / 5**0.5)
    assert call.t.tolist() == [float(ModelSampling.discrete().timestep(SIGMA))] * 2


@pytest.mark.parametrize("scale", [0.0, 0.5, 7.0])
def test_classifier_free_guidance(scale: float) -> None:
    assert torch.allclose(denoise(prompt(1.0), prompt(2.0), scale), torch.tensor(2.0 - scale))


def test_scale_one_leaves_the_negative_out() -> None:
    model, network = guided(prompt(1.0), prompt(2.0), 1.0 + 1e-10)
    model(torch.zeros(1, 4, 8, 8), SIGMA)
    assert [call.context.shape[0] for call in network.calls] == [1]
    assert torch.allclose(denoise(prompt(1.0), prompt(2.0), 1.0), torch.tensor(1.0))
    model, network = guided(prompt(1.0), prompt(2.0), 1.0 + 1e-8)
    model(torch.zeros(1, 4, 8, 8), SIGMA)
    assert [call.context.shape[0] for call in network.calls] == [2]


def test_shorter_context_is_repeated() -> None:
    model, network = guided(prompt(1.0, 154), prompt(2.0, 77))
    model(torch.zeros(1, 4, 8, 8), SIGMA)
    assert [tuple(call.context.shape) for call in network.calls] == [(2, 154, 2)]
    model, network = guided(prompt(1.0, 231), prompt(2.0, 154))
    model(torch.zeros(1, 4, 8, 8), SIGMA)
    assert [tuple(call.context.shape) for call in network.calls] == [(2, 462, 2)]


def test_context_too_long_to_repeat_runs_apart() -> None:
    model, network = guided(prompt(1.0, 385), prompt(2.0, 77))
    model(torch.zeros(1, 4, 8, 8), SIGMA)
    assert [(call.context.shape[1], float(call.context[0, 0, 0])) for call in network.calls] == [(385, 1.0), (77, 2.0)]
    assert torch.allclose(denoise(prompt(1.0, 385), prompt(2.0, 77)), torch.tensor(-1.0))


def test_entries_of_one_side_are_averaged_by_strength() -> None:
    both = prompt(1.0, strength=1.0) + prompt(5.0, strength=3.0)
    assert torch.allclose(denoise(both, prompt(0.0), 2.0), torch.tensor(8.0))
    model, network = guided(both, prompt(0.0))
    model(torch.zeros(1, 4, 8, 8), SIGMA)
    assert len(network.calls) == 1


def test_a_batch_repeats_every_context() -> None:
    model, network = guided(prompt(1.0), prompt(2.0), batch=3)
    model(torch.zeros(3, 4, 8, 8), SIGMA)
    assert network.calls[0].context[:, 0, 0].tolist() == [2.0] * 3 + [1.0] * 3


def test_one_prompt_an_item() -> None:
    several = [[torch.tensor([1.0, 2.0]).reshape(2, 1, 1).expand(2, 77, 2), {}]]
    got = denoise(several, prompt(0.0), 2.0, batch=3)
    assert got[:, 0, 0, 0].tolist() == [2.0, 4.0, 2.0]


def test_area_and_its_twin_run_on_the_crop() -> None:
    model, network = guided(prompt(1.0, area=(4, 4, 0, 0)), prompt(2.0))
    got = model(torch.zeros(1, 4, 8, 8), SIGMA) / -SIGMA
    assert [tuple(call.x.shape) for call in network.calls] == [(2, 4, 4, 4), (1, 4, 8, 8)]
    # Inside: uncond 2, cond 1. Outside the positive predicts nothing: 2 + (0 - 2) * 3.
    assert torch.allclose(got[..., :4, :4], torch.tensor(-1.0))
    assert torch.allclose(got[..., 4:, :], torch.tensor(-4.0))


def test_where_nothing_acts_the_prediction_is_zero() -> None:
    late = prompt(1.0, start_percent=0.9)
    assert torch.equal(denoise(late, prompt(2.0), 1.0), torch.zeros(1, 4, 8, 8))
    assert torch.equal(denoise([], prompt(2.0), 1.0), torch.zeros(1, 4, 8, 8))


def test_timestep_range_changes_the_call() -> None:
    model, network = guided(prompt(1.0) + prompt(5.0, end_percent=0.5), prompt(2.0))
    switch = torch.tensor(ModelSampling.discrete().percent_to_sigma(0.5))
    for sigma in (torch.tensor(14.0), switch, switch * 0.999):
        model(torch.zeros(1, 4, 8, 8), sigma)
    assert [call.context.shape[0] for call in network.calls] == [3, 3, 2]


def test_contexts_are_built_once_a_run() -> None:
    model, network = guided(prompt(1.0, 154), prompt(2.0))
    for sigma in (14.0, 3.0, 0.1):
        model(torch.zeros(1, 4, 8, 8), torch.tensor(sigma))
    first, *rest = (call.context for call in network.calls)
    assert all(context is first for context in rest)


def test_sdxl_vectors_are_batched_as_the_contexts() -> None:
    seen = []

    class WithVectors(Network):
        def __init__(self) -> None:
            super().__init__()
            self.config = SimpleNamespace(
                in_channels=4,
                cross_attention_dim=2,
                addition_embed_type="text_time",
                addition_time_embed_dim=1,
                projection_class_embeddings_input_dim=9,
            )

        def forward(self, x: Tensor, t: Tensor, *, added_cond_kwargs: dict[str, Tensor], **rest: Any) -> tuple[Tensor]:
            seen.append(added_cond_kwargs)
            return super().forward(x, t, **rest)

    run = SamplingRun(UNetDenoiser(WithVectors(), ModelSampling.discrete()), (2, 4, 8, 8), torch.device("cpu"))
    positive, negative = (prompt(v, pooled_output=torch.full((1, 3), v), width=64 * v) for v in (1.0, 2.0))
    CFG(positive, negative, 3.0).bind(run)(torch.zeros(2, 4, 8, 8), SIGMA)
    assert seen[0]["text_embeds"][:, 0].tolist() == [2.0, 2.0, 1.0, 1.0]
    assert seen[0]["time_ids"][:, 1].tolist() == [128.0, 128.0, 64.0, 64.0]
