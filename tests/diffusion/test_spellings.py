"""Names of samplers and schedulers as other programs write them."""

from __future__ import annotations

import pytest

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling import samplers
from weft.nodes.diffusion.sampling.spellings import find_sampler, sampler_meant, scheduler_meant

# The web UI's labels before and since 1.9, InvokeAI's and diffusers' names, and what people make of them.
SAMPLERS = {
    "Euler": "euler",
    "Euler a": "euler_ancestral",
    "euler_a": "euler_ancestral",
    "k_euler_a": "euler_ancestral",
    "sample_euler_ancestral": "euler_ancestral",
    "EULER ANCESTRAL": "euler_ancestral",
    "Heun": "heun",
    "LMS": "lms",
    "DPM2": "dpm_2",
    "DPM2 a": "dpm_2_ancestral",
    "DPM fast": "dpm_fast",
    "DPM adaptive": "dpm_adaptive",
    "DPM++ 2S a": "dpmpp_2s_ancestral",
    "DPM++ 2M": "dpmpp_2m",
    "dpm++_2m": "dpmpp_2m",
    "dpm++2m": "dpmpp_2m",
    "DPM-Solver++ 2M": "dpmpp_2m",
    "DPM++ SDE": "dpmpp_sde",
    "DPM++ 2M SDE": "dpmpp_2m_sde",
    "DPM++ 2M SDE Heun": "dpmpp_2m_sde_heun",
    "DPM++ 3M SDE": "dpmpp_3m_sde",
    "Heun++ 2": "heunpp2",
    "Euler CFG++": "euler_cfg_pp",
    "DDIM": "ddim",
    "UniPC": "uni_pc",
    "uni-pc bh2": "uni_pc_bh2",
    "LCM": "lcm",
    "EulerAncestralDiscreteScheduler": "euler_ancestral",
    "DPMSolverMultistepScheduler": "dpmpp_2m",
}
WITH_SCHEDULER = {
    "LMS Karras": ("lms", "karras"),
    "DPM2 Karras": ("dpm_2", "karras"),
    "DPM2 a Karras": ("dpm_2_ancestral", "karras"),
    "DPM++ 2S a Karras": ("dpmpp_2s_ancestral", "karras"),
    "DPM++ 2M Karras": ("dpmpp_2m", "karras"),
    "DPM++ SDE Karras": ("dpmpp_sde", "karras"),
    "DPM++ 2M SDE Exponential": ("dpmpp_2m_sde", "exponential"),
    "DPM++ 3M SDE Karras": ("dpmpp_3m_sde", "karras"),
    "DPM++ 2M SGM Uniform": ("dpmpp_2m", "sgm_uniform"),
    "dpmpp_2m_karras": ("dpmpp_2m", "karras"),
    "dpmpp_2m_k": ("dpmpp_2m", "karras"),
    "Euler a beta": ("euler_ancestral", "beta"),
}


@pytest.mark.parametrize(("name", "sampler"), SAMPLERS.items())
def test_samplers(name: str, sampler: str) -> None:
    assert sampler_meant(name) == f"did you mean {sampler!r}?"


@pytest.mark.parametrize(("name", "meant"), WITH_SCHEDULER.items())
def test_samplers_with_a_scheduler_in_their_name(name: str, meant: tuple[str, str]) -> None:
    assert sampler_meant(name) == f"did you mean {meant[0]!r} with scheduler {meant[1]!r}?"


def test_every_name_of_our_own_means_itself() -> None:
    assert all(sampler_meant(name.upper()) == f"did you mean {name!r}?" for name in samplers.SAMPLERS)


@pytest.mark.parametrize("name", ["PLMS", "Restart", "PLMS Karras"])
def test_samplers_that_are_not_here(name: str) -> None:
    assert "no counterpart" in sampler_meant(name)


@pytest.mark.parametrize("name", ["", "karras", "qwerty", "a", "++", "Euler SMEA Dy", "DPM++"])
def test_what_is_not_recognised(name: str) -> None:
    assert sampler_meant(name) == ""


def test_schedulers() -> None:
    assert scheduler_meant("SGM Uniform") == "did you mean 'sgm_uniform'?"
    assert scheduler_meant("Karras") == "did you mean 'karras'?"
    assert scheduler_meant("KL Optimal") == "did you mean 'kl_optimal'?"
    assert scheduler_meant("DDIM") == "did you mean 'ddim_uniform'?"
    assert scheduler_meant("Align Your Steps") == "it is the node AlignYourStepsScheduler, for SamplerCustom"
    assert scheduler_meant("qwerty") == ""


def test_the_library_says_it_too() -> None:
    with pytest.raises(DiffusionError, match="'Euler a'; did you mean 'euler_ancestral'"):
        find_sampler("Euler a")
