"""Samplers: how a noised latent is brought down a schedule of noise levels. One function an algorithm.

interface.py says what a solver is given and gives back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.sampling.noise import brownian_noise, brownian_noise_on_device
from weft.nodes.diffusion.sampling.samplers import (
    ddpm,
    deis,
    dpm_2,
    dpm_solver,
    dpmpp,
    dpmpp_sde,
    er_sde,
    euler,
    gradient_estimation,
    heun,
    ipndm,
    lcm,
    lms,
    res_multistep,
    sa_solver,
    seeds,
    uni_pc,
)
from weft.nodes.diffusion.sampling.samplers.interface import Sampler
from weft.nodes.diffusion.sampling.spellings import sampler_meant


class UnknownSampler(DiffusionError):
    """A sampler name that is not in SAMPLERS."""


_2m_sde_heun = partial(dpmpp_sde.dpmpp_2m_sde, solver_type="heun")

_SAMPLERS = {
    "euler": Sampler(euler.euler),
    "euler_cfg_pp": Sampler(euler.euler_cfg_pp),
    "euler_ancestral": Sampler(euler.euler_ancestral),
    "euler_ancestral_cfg_pp": Sampler(euler.euler_ancestral_cfg_pp),
    "heun": Sampler(heun.heun),
    "heunpp2": Sampler(heun.heunpp2),
    "dpm_2": Sampler(dpm_2.dpm_2, discard_penultimate=True),
    "dpm_2_ancestral": Sampler(dpm_2.dpm_2_ancestral, discard_penultimate=True),
    "lms": Sampler(lms.lms),
    "dpm_fast": Sampler(dpm_solver.dpm_fast, own_steps=True),
    "dpm_adaptive": Sampler(dpm_solver.dpm_adaptive, own_steps=True),
    "dpmpp_2s_ancestral": Sampler(dpmpp.dpmpp_2s_ancestral),
    "dpmpp_2s_ancestral_cfg_pp": Sampler(dpmpp.dpmpp_2s_ancestral_cfg_pp),
    "dpmpp_sde": Sampler(dpmpp_sde.dpmpp_sde, brownian_noise),
    "dpmpp_sde_gpu": Sampler(dpmpp_sde.dpmpp_sde, brownian_noise_on_device),
    "dpmpp_2m": Sampler(dpmpp.dpmpp_2m),
    "dpmpp_2m_cfg_pp": Sampler(dpmpp.dpmpp_2m_cfg_pp),
    "dpmpp_2m_sde": Sampler(dpmpp_sde.dpmpp_2m_sde, brownian_noise),
    "dpmpp_2m_sde_gpu": Sampler(dpmpp_sde.dpmpp_2m_sde, brownian_noise_on_device),
    "dpmpp_2m_sde_heun": Sampler(_2m_sde_heun, brownian_noise),
    "dpmpp_2m_sde_heun_gpu": Sampler(_2m_sde_heun, brownian_noise_on_device),
    "dpmpp_3m_sde": Sampler(dpmpp_sde.dpmpp_3m_sde, brownian_noise),
    "dpmpp_3m_sde_gpu": Sampler(dpmpp_sde.dpmpp_3m_sde, brownian_noise_on_device),
    "ddpm": Sampler(ddpm.ddpm),
    "lcm": Sampler(lcm.lcm),
    "ipndm": Sampler(ipndm.ipndm),
    "ipndm_v": Sampler(ipndm.ipndm_v),
    "deis": Sampler(deis.deis),
    "res_multistep": Sampler(res_multistep.res_multistep),
    "res_multistep_cfg_pp": Sampler(res_multistep.res_multistep_cfg_pp),
    "res_multistep_ancestral": Sampler(partial(res_multistep.res_multistep, eta=1.0)),
    "res_multistep_ancestral_cfg_pp": Sampler(partial(res_multistep.res_multistep_cfg_pp, eta=1.0)),
    "gradient_estimation": Sampler(gradient_estimation.gradient_estimation),
    "gradient_estimation_cfg_pp": Sampler(gradient_estimation.gradient_estimation_cfg_pp),
    "er_sde": Sampler(er_sde.er_sde),
    "seeds_2": Sampler(seeds.seeds_2),
    "seeds_3": Sampler(seeds.seeds_3),
    "sa_solver": Sampler(sa_solver.sa_solver),
    "sa_solver_pece": Sampler(partial(sa_solver.sa_solver, use_pece=True)),
    # DDIM at eta 0 (Song et al. 2021) is Euler's method in sigma: Karras et al. 2022, appendix C.
    "ddim": Sampler(euler.euler, fresh_inpaint_noise=True),
    "uni_pc": Sampler(uni_pc.uni_pc, discard_penultimate=True),
    "uni_pc_bh2": Sampler(partial(uni_pc.uni_pc, variant="bh2"), discard_penultimate=True),
}
SAMPLERS: Mapping[str, Sampler] = {name: replace(sampler, name=name) for name, sampler in _SAMPLERS.items()}


def find_sampler(name: str) -> Sampler:
    """The sampler of this name, or UnknownSampler."""
    if name in SAMPLERS:
        return SAMPLERS[name]
    meant = sampler_meant(str(name))
    raise UnknownSampler(f"unknown sampler {name!r}{f'; {meant}' if meant else nearest(name, SAMPLERS)}")
