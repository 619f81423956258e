"""Functions on a model: by ComfyUI's names, on one clone alone, called around guidance in ComfyUI's order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.sd.denoiser import UNetDenoiser
from weft.nodes.diffusion.families.sd.unet import PLACES
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guidance import CFG, CFGDenoiser
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.patcher import ModelPatcher

SIGMA = torch.tensor(2.0)
X = torch.zeros(1, 4, 8, 8)


class Network(nn.Module):
    """Predicts, as eps, the mean of the context."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.config = SimpleNamespace(in_channels=4, cross_attention_dim=2, addition_embed_type=None)
        self.calls = 0

    def forward(self, x: Tensor, t: Tensor, *, encoder_hidden_states: Tensor, **_: Any) -> tuple[Tensor]:
        self.calls += len(x)
        return (encoder_hidden_states.mean(dim=(1, 2)).reshape(-1, 1, 1, 1).expand_as(x),)


@pytest.fixture
def model() -> ModelPatcher:
    kind: Any = SimpleNamespace(latent_format=LatentFormat(4, 8, 0.5), denoiser=UNetDenoiser, places=PLACES)
    return ModelPatcher(PatchedNetwork(Network()), kind, ModelSampling.discrete())


def prompt(value: float) -> list[Any]:
    return [[torch.full((1, 77, 2), value), {}]]


def guided(model: ModelPatcher, scale: float = 3.0) -> CFGDenoiser:
    denoiser = UNetDenoiser(model.network.module(), model.sampling)
    run = SamplingRun(denoiser, (1, 4, 8, 8), torch.device("cpu"), options=model.model_options)
    return CFG(prompt(1.0), prompt(2.0), scale).bind(run)


def denoise(model: ModelPatcher, scale: float = 3.0) -> float:
    """Where x is 0, so that a prediction is -sigma * context, in units of -sigma."""
    return float((guided(model, scale)(X, SIGMA) / -SIGMA).unique())


def test_a_function_shows_on_its_clone_alone(model: ModelPatcher) -> None:
    first = model.clone()
    first.set_model_sampler_post_cfg_function(lambda args: args["denoised"] * 2)
    second = first.clone()
    second.set_model_sampler_post_cfg_function(lambda args: args["denoised"] * 5)
    assert (denoise(model), denoise(first), denoise(second)) == (-1.0, -2.0, -10.0)
    # Functions do not touch weights: all share one realised network.
    assert model.network.module() is second.network.module()


def test_a_place_in_the_network_too(model: ModelPatcher) -> None:
    first = model.clone()
    first.set_model_attn1_patch(print)
    first.set_model_attn1_replace(print, "middle", 0)
    second = first.clone()
    second.set_model_attn1_patch(print)
    second.set_model_attn1_replace(print, "input", 4, 0)
    assert model.model_options == {"transformer_options": {}}
    options, more = (clone.model_options["transformer_options"] for clone in (first, second))
    assert (options["patches"], more["patches"]) == ({"attn1_patch": [print]}, {"attn1_patch": [print, print]})
    assert list(options["patches_replace"]["attn1"]) == [("middle", 0)]
    assert list(more["patches_replace"]["attn1"]) == [("middle", 0), ("input", 4, 0)]


def test_every_setter_has_its_place(model: ModelPatcher) -> None:
    for name in ("attn1_patch", "attn2_patch", "attn1_output_patch", "attn2_output_patch", "output_block_patch"):
        getattr(model, f"set_model_{name}")(print)
    model.set_model_input_block_patch(print)
    model.set_model_input_block_patch_after_skip(print)
    model.set_model_patch(print, "middle_patch")
    model.set_model_attn2_replace(print, "output", 3)
    options = model.model_options["transformer_options"]
    assert {name: functions == [print] for name, functions in options["patches"].items()} == dict.fromkeys(
        (
            "attn1_patch",
            "attn2_patch",
            "attn1_output_patch",
            "attn2_output_patch",
            "output_block_patch",
            "input_block_patch",
            "input_block_patch_after_skip",
            "middle_patch",
        ),
        True,
    )
    assert options["patches_replace"] == {"attn2": {("output", 3): print}}
    with pytest.raises(DiffusionError, match="no place 'middle_path' to patch a model; did you mean 'middle_patch'"):
        model.set_model_patch(print, "middle_path")
    with pytest.raises(DiffusionError, match="cannot replace 'attn3' in a model; there are attn1, attn2"):
        model.set_model_patch_replace(print, "attn3", "middle", 0)


def test_what_combines_is_given_noise_like_differences(model: ModelPatcher) -> None:
    seen: dict[str, Any] = {}

    def combine(args: dict[str, Any]) -> Tensor:
        seen.update(args)
        return args["uncond"] + (args["cond"] - args["uncond"]) * args["cond_scale"] * 2

    model.set_model_sampler_cfg_function(combine)
    assert denoise(model, 3.0) == -4.0
    assert float(seen["cond"].unique() / SIGMA) == 1.0
    assert float(seen["uncond_denoised"].unique() / -SIGMA) == 2.0
    assert torch.equal(seen["sigma"], torch.tensor([2.0]))
    assert torch.equal(seen["input"], X)
    assert seen["level"] is SIGMA
    assert seen["model_options"]["sampler_cfg_function"] is combine


def test_the_old_form_of_three_arguments(model: ModelPatcher) -> None:
    model.set_model_sampler_cfg_function(lambda cond, uncond, scale: cond * scale + uncond)
    assert denoise(model, 3.0) == 5.0


def test_before_and_behind_in_the_order_they_were_set(model: ModelPatcher) -> None:
    model.set_model_sampler_pre_cfg_function(lambda args: [args["conds_out"][0] * 10, args["conds_out"][1]])
    model.set_model_sampler_pre_cfg_function(lambda args: [args["conds_out"][0] + 2 * SIGMA, args["conds_out"][1]])
    model.set_model_sampler_post_cfg_function(lambda args: args["denoised"] + args["cond_denoised"])
    model.set_model_sampler_post_cfg_function(lambda args: args["denoised"] * 2)
    # cond 10 - 2 = 8, uncond 2: 2 + 6 * 1.5 = 11; 11 + 8 = 19; 38
    assert denoise(model, 1.5) == 38.0


def test_scale_one_leaves_the_negative_out_unless_a_function_needs_it(model: ModelPatcher) -> None:
    network: Any = model.network.base
    seen = []
    model.set_model_sampler_post_cfg_function(lambda args: seen.append(args["uncond_denoised"]) or args["denoised"])
    assert denoise(model, 1.0) == 1.0
    assert (network.calls, float(seen[0].abs().max())) == (1, 0.0)
    model.set_model_sampler_post_cfg_function(lambda args: args["denoised"], disable_cfg1_optimization=True)
    assert denoise(model, 1.0) == 1.0
    assert (network.calls, float(seen[1].unique() / -SIGMA)) == (3, 2.0)


def test_a_wrapper_around_the_network(model: ModelPatcher) -> None:
    def wrapper(apply_model: Any, given: dict[str, Any]) -> Tensor:
        assert given["cond_or_uncond"] == given["c"]["transformer_options"]["cond_or_uncond"] == [1, 0]
        assert given["input"].shape == (2, 4, 8, 8)
        assert given["timestep"].tolist() == [2.0, 2.0]
        return apply_model(given["input"], given["timestep"] * 2, **given["c"]) + SIGMA

    model.set_model_unet_function_wrapper(wrapper)
    # Twice the noise level doubles both predictions, then each is 1 less: uncond 3, cond 1.
    assert denoise(model, 3.0) == -3.0


def test_functions_can_evaluate_the_network(model: ModelPatcher) -> None:
    """model.predict on the conditions given, and what it builds is built once a run."""
    predictors = []

    def function(args: dict[str, Any]) -> Tensor:
        network = args["model"]
        (again,) = network.predict([list(args["uncond"])], args["input"], args["level"], args["model_options"])
        other = network.resolve(extra, "extra")
        assert other is network.resolve(extra, "extra")
        (third,) = network.predict([other], args["input"], args["level"], args["model_options"])
        predictors.append(len(network._predictors))
        return again + third

    extra = prompt(7.0)
    model.set_model_sampler_post_cfg_function(function)
    run = guided(model)
    results = [float((run(X, sigma) / -sigma).unique()) for sigma in torch.tensor([14.0, 2.0, 0.5])]
    assert results == [9.0, 9.0, 9.0]
    assert predictors == [3, 3, 3]


def test_each_evaluation_has_a_scratch_of_its_own(model: ModelPatcher) -> None:
    seen = []

    def function(args: dict[str, Any]) -> Tensor:
        scratch = args["model_options"]["transformer_options"]["scratch"]
        seen.append(dict(scratch))
        scratch["left"] = 1
        return args["denoised"]

    model.set_model_sampler_post_cfg_function(function)
    run = guided(model)
    run(X, SIGMA)
    run(X, SIGMA)
    assert seen == [{}, {}]
    assert model.model_options["transformer_options"] == {}
