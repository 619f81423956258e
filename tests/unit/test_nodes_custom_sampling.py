"""Faces of custom sampling and of model patches: that each hands its inputs to the right place of the library."""

from __future__ import annotations

from dataclasses import astuple
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from weft.nodes.core import custom_sampling, samplers, sigmas
from weft.nodes.core import model as model_faces
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.sd.unet import PLACES
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guiders import Guider
from weft.nodes.diffusion.sampling.noise import NoNoise, RandomNoise, brownian_noise, brownian_noise_on_device
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.sigmas import step_at
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.patcher import ModelPatcher

SIGMAS = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.0])


@pytest.fixture
def model() -> ModelPatcher:
    network: Any = torch.nn.Linear(1, 1)
    places = PLACES._replace(channels=32)
    kind: Any = SimpleNamespace(latent_format=LatentFormat(4, 8, 0.5), title="Stable Diffusion 1.x", places=places)
    return ModelPatcher(PatchedNetwork(network), kind, ModelSampling.discrete())


def test_noises() -> None:
    assert custom_sampling.RandomNoise(noise_seed=7) == RandomNoise(7)
    assert custom_sampling.DisableNoise() == NoNoise()


def test_guiders(model: ModelPatcher) -> None:
    a, b, c = [["a"]], [["b"]], [["c"]]
    guiders: list[tuple[Guider, tuple[Any, ...]]] = [
        (custom_sampling.BasicGuider(model=model, conditioning=a), (a, [], 1.0)),
        (custom_sampling.CFGGuider(model=model, positive=a, negative=b, cfg=3.0), (a, b, 3.0)),
        (
            custom_sampling.DualCFGGuider(
                model=model, cond1=a, cond2=b, negative=c, cfg_conds=2.0, cfg_cond2_negative=3.0, style="nested"
            ),
            (a, b, c, 2.0, 3.0, "nested"),
        ),
        (
            custom_sampling.PerpNegGuider(
                model=model, positive=a, negative=b, empty_conditioning=c, cfg=2.0, neg_scale=3.0
            ),
            (a, b, c, 2.0, 3.0),
        ),
    ]
    for guider, expected in guiders:
        assert guider.model is model
        assert astuple(guider.guidance) == expected  # type: ignore[call-overload]  # each Guidance is a dataclass


OPTIONS: dict[str, dict[str, Any]] = {
    "SamplerEulerAncestral": {"eta": 0.5, "s_noise": 0.9},
    "SamplerEulerAncestralCFGPP": {"eta": 0.5, "s_noise": 0.9},
    "SamplerLMS": {"order": 2},
    "SamplerDPMPP_2S_Ancestral": {"eta": 0.5, "s_noise": 0.9},
    "SamplerDPMAdaptative": {
        "order": 2,
        "rtol": 0.1,
        "atol": 0.2,
        "h_init": 0.3,
        "pcoeff": 0.4,
        "icoeff": 0.5,
        "dcoeff": 0.6,
        "accept_safety": 0.7,
        "eta": 0.8,
        "s_noise": 0.9,
    },
    "SamplerER_SDE": {"solver_type": "ODE", "max_stage": 2, "eta": 0.5, "s_noise": 0.9},
    "SamplerDPMPP_3M_SDE": {"eta": 0.5, "s_noise": 0.9},
    "SamplerDPMPP_2M_SDE": {"solver_type": "heun", "eta": 0.5, "s_noise": 0.9},
    "SamplerDPMPP_SDE": {"eta": 0.5, "s_noise": 0.9, "r": 0.4},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_samplers_with_options(name: str) -> None:
    face, options = getattr(samplers, name), OPTIONS[name]
    if name.endswith("SDE") and name != "SamplerER_SDE":
        on_cpu, on_gpu = face(**options, noise_device="cpu"), face(**options, noise_device="gpu")
        assert (on_cpu.noise, on_gpu.noise) == (brownian_noise, brownian_noise_on_device)
        assert on_cpu.solve.keywords == on_gpu.solve.keywords == options
        return
    assert face(**options).solve.keywords == options


def test_other_samplers(model: ModelPatcher) -> None:
    assert samplers.KSamplerSelect(sampler_name="uni_pc") is SAMPLERS["uni_pc"]
    assert samplers.SamplerEulerCFGpp(version="regular") is SAMPLERS["euler_cfg_pp"]
    enlarging = samplers.SamplerLCMUpscale(scale_ratio=2.0, scale_steps=-1, upscale_method="area")
    assert enlarging.solve.keywords == {"scale_ratio": 2.0, "scale_steps": None, "upscale_method": "area"}
    settings = {"eta": 1.0, "sde_start_percent": 0.1, "sde_end_percent": 0.9, "s_noise": 1.0, "predictor_order": 2}
    adams = samplers.SamplerSASolver(model=model, **settings, corrector_order=0, use_pece=False, simple_order_2=True)
    assert adams.noise is SAMPLERS["sa_solver"].noise


def test_schedules(model: ModelPatcher) -> None:
    table = model.sampling
    basic = sigmas.BasicScheduler(model=model, scheduler="simple", steps=4, denoise=0.5)
    assert float(basic[0]) == float(table.sigmas[499])
    ends = {"sigma_max": 10.0, "sigma_min": 0.1}
    made = {
        "karras": sigmas.KarrasScheduler(steps=4, rho=5.0, **ends),
        "exponential": sigmas.ExponentialScheduler(steps=4, **ends),
        "polyexponential": sigmas.PolyexponentialScheduler(steps=4, rho=2.0, **ends),
        "laplace": sigmas.LaplaceScheduler(steps=5, mu=0.0, beta=0.5, **ends),
        "vp": sigmas.VPScheduler(steps=4, beta_d=19.9, beta_min=0.1, eps_s=0.001),
        "turbo": sigmas.SDTurboScheduler(model=model, steps=4, denoise=1.0),
        "beta": sigmas.BetaSamplingScheduler(model=model, steps=4, alpha=0.6, beta=0.6),
        "aligned": sigmas.AlignYourStepsScheduler(model_type="SVD", steps=4, denoise=1.0),
        "gits": sigmas.GITSScheduler(coeff=1.2, steps=4, denoise=1.0),
    }
    assert {name: len(sigmas) for name, sigmas in made.items()} == dict.fromkeys(made, 5)
    with pytest.raises(DiffusionError, match="steps must be at least 1, got 0"):
        sigmas.BasicScheduler(model=model, scheduler="simple", steps=0, denoise=1.0)


def test_what_is_done_to_schedules(model: ModelPatcher) -> None:
    assert [len(part) for part in sigmas.SplitSigmas(sigmas=SIGMAS, step=1)] == [2, 4]
    assert [len(part) for part in sigmas.SplitSigmasDenoise(sigmas=SIGMAS, denoise=0.25)] == [4, 2]
    assert float(sigmas.FlipSigmas(sigmas=SIGMAS)[-1]) == 8.0
    assert float(sigmas.SetFirstSigma(sigmas=SIGMAS, sigma=9.0)[0]) == 9.0
    longer = sigmas.ExtendIntermediateSigmas(
        sigmas=SIGMAS, steps=3, start_at_sigma=-1.0, end_at_sigma=4.0, spacing="sine"
    )
    assert len(longer) == 9
    at = {"model": model, "sampling_percent": 1.0}
    assert sigmas.SamplingPercentToSigma(**at, return_actual_sigma=False) == 0.0
    assert sigmas.SamplingPercentToSigma(**at, return_actual_sigma=True) == model.sampling.sigma_min


@pytest.mark.parametrize(
    ("sigma", "step"),
    [(20.0, 0), (8.0, 2), (7.9, 3), (0.05, 5), (0.0, 5)],
)
def test_a_schedule_comes_down_to_a_noise_level_at_a_step(sigma: float, step: int) -> None:
    levels = torch.tensor([14.0, 10.0, 8.0, 2.0, 0.1, 0.0])
    assert step_at(levels, sigma) == step


def test_the_models_of_wan_meet_where_their_shifted_schedule_says() -> None:
    wan: Any = SimpleNamespace(sampling=ModelSampling.flow(shift=8.0))
    course = {"model": wan, "scheduler": "simple", "steps": 20}
    assert [sigmas.SigmaToStep(**course, sigma=sigma) for sigma in (1.0, 0.9, 0.875, 0.0)] == [0, 10, 11, 20]


def test_schedules_of_models(model: ModelPatcher) -> None:
    v = model_faces.ModelSamplingDiscrete(model=model, sampling="v_prediction", zsnr=True)
    assert (v.sampling.prediction, round(v.sampling.sigma_max)) == ("v", 4519)
    edm = model_faces.ModelSamplingContinuousEDM(model=model, sampling="edm", sigma_max=80.0, sigma_min=0.01)
    assert (edm.sampling.prediction, edm.sampling.sigma_data) == ("edm", 0.5)
    assert model.sampling.prediction == "eps"


PATCHES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "RescaleCFG": ({"multiplier": 0.7}, {"sampler_cfg_function"}),
    "FreeU": ({"b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2}, {"output_block_patch"}),
    "FreeU_V2": ({"b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2}, {"output_block_patch"}),
    "PatchModelAddDownscale": (
        {
            "block_number": 3,
            "downscale_factor": 2.0,
            "start_percent": 0.0,
            "end_percent": 0.35,
            "downscale_after_skip": True,
            "downscale_method": "bicubic",
            "upscale_method": "bicubic",
        },
        {"input_block_patch_after_skip", "output_block_patch"},
    ),
    "SelfAttentionGuidance": (
        {"scale": 0.5, "blur_sigma": 2.0},
        {"attn1", "sampler_post_cfg_function", "disable_cfg1_optimization"},
    ),
    "PerturbedAttentionGuidance": ({"scale": 3.0}, {"sampler_post_cfg_function"}),
    "PerpNeg": ({"empty_conditioning": [], "neg_scale": 1.0}, {"sampler_cfg_function"}),
    "TomePatchModel": ({"ratio": 0.3}, {"attn1_patch", "attn1_output_patch"}),
    "HyperTile": (
        {"tile_size": 256, "swap_size": 2, "max_depth": 0, "scale_depth": False},
        {"attn1_patch", "attn1_output_patch"},
    ),
    "DifferentialDiffusion": ({}, {"denoise_mask_function"}),
}


@pytest.mark.parametrize("name", PATCHES)
def test_patches_stand_where_they_act(name: str, model: ModelPatcher) -> None:
    settings, places = PATCHES[name]
    options = dict(getattr(model_faces, name)(model=model, **settings).model_options)
    inner = options.pop("transformer_options")
    assert {*options, *inner.get("patches", {}), *inner.get("patches_replace", {})} == places
    assert model.model_options == {"transformer_options": {}}


def test_a_factor_of_zero_cannot_shrink(model: ModelPatcher) -> None:
    settings = PATCHES["PatchModelAddDownscale"][0] | {"downscale_factor": 0.0}
    with pytest.raises(DiffusionError, match="downscale_factor must be above 0, got 0.0"):
        model_faces.PatchModelAddDownscale(model=model, **settings)
