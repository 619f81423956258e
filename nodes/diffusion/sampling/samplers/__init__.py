"""Samplers: how a noised latent is brought down a schedule of noise levels. One function an algorithm.

SAMPLERS is the list of them, in the order in which KSampler offers them: a new sampler is a function in a file of this
folder and a row here. It is read without torch. interface.py says what a solver is given and gives back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.sampling.lazytable import LazyTable, imported

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.samplers.interface import Sampler


@dataclass(frozen=True)
class _Row:
    """solver: file and function. options: given to it. noise: a function of noise.py. The rest: as Sampler's."""

    solver: str
    options: Mapping[str, Any] = field(default_factory=dict)
    noise: str = "sequential_noise"
    discard_penultimate: bool = False
    fresh_inpaint_noise: bool = False
    own_steps: bool = False


def _sampler(name: str, row: _Row) -> Sampler:
    from weft.nodes.diffusion.sampling import noise
    from weft.nodes.diffusion.sampling.samplers.interface import Sampler

    solver = imported(__name__, row.solver)
    return Sampler(
        partial(solver, **row.options) if row.options else solver,
        getattr(noise, row.noise),
        discard_penultimate=row.discard_penultimate,
        fresh_inpaint_noise=row.fresh_inpaint_noise,
        own_steps=row.own_steps,
        name=name,
    )


_CPU, _GPU = "brownian_noise", "brownian_noise_on_device"
_HEUN = {"solver_type": "heun"}

SAMPLERS: Mapping[str, Sampler] = LazyTable(
    {
        "euler": _Row("euler.euler"),
        "euler_cfg_pp": _Row("euler.euler_cfg_pp"),
        "euler_ancestral": _Row("euler.euler_ancestral"),
        "euler_ancestral_cfg_pp": _Row("euler.euler_ancestral_cfg_pp"),
        "heun": _Row("heun.heun"),
        "heunpp2": _Row("heun.heunpp2"),
        "dpm_2": _Row("dpm_2.dpm_2", discard_penultimate=True),
        "dpm_2_ancestral": _Row("dpm_2.dpm_2_ancestral", discard_penultimate=True),
        "lms": _Row("lms.lms"),
        "dpm_fast": _Row("dpm_solver.dpm_fast", own_steps=True),
        "dpm_adaptive": _Row("dpm_solver.dpm_adaptive", own_steps=True),
        "dpmpp_2s_ancestral": _Row("dpmpp.dpmpp_2s_ancestral"),
        "dpmpp_2s_ancestral_cfg_pp": _Row("dpmpp.dpmpp_2s_ancestral_cfg_pp"),
        "dpmpp_sde": _Row("dpmpp_sde.dpmpp_sde", noise=_CPU),
        "dpmpp_sde_gpu": _Row("dpmpp_sde.dpmpp_sde", noise=_GPU),
        "dpmpp_2m": _Row("dpmpp.dpmpp_2m"),
        "dpmpp_2m_cfg_pp": _Row("dpmpp.dpmpp_2m_cfg_pp"),
        "dpmpp_2m_sde": _Row("dpmpp_sde.dpmpp_2m_sde", noise=_CPU),
        "dpmpp_2m_sde_gpu": _Row("dpmpp_sde.dpmpp_2m_sde", noise=_GPU),
        "dpmpp_2m_sde_heun": _Row("dpmpp_sde.dpmpp_2m_sde", _HEUN, noise=_CPU),
        "dpmpp_2m_sde_heun_gpu": _Row("dpmpp_sde.dpmpp_2m_sde", _HEUN, noise=_GPU),
        "dpmpp_3m_sde": _Row("dpmpp_sde.dpmpp_3m_sde", noise=_CPU),
        "dpmpp_3m_sde_gpu": _Row("dpmpp_sde.dpmpp_3m_sde", noise=_GPU),
        "ddpm": _Row("ddpm.ddpm"),
        "lcm": _Row("lcm.lcm"),
        "ipndm": _Row("ipndm.ipndm"),
        "ipndm_v": _Row("ipndm.ipndm_v"),
        "deis": _Row("deis.deis"),
        "res_multistep": _Row("res_multistep.res_multistep"),
        "res_multistep_cfg_pp": _Row("res_multistep.res_multistep_cfg_pp"),
        "res_multistep_ancestral": _Row("res_multistep.res_multistep", {"eta": 1.0}),
        "res_multistep_ancestral_cfg_pp": _Row("res_multistep.res_multistep_cfg_pp", {"eta": 1.0}),
        "gradient_estimation": _Row("gradient_estimation.gradient_estimation"),
        "gradient_estimation_cfg_pp": _Row("gradient_estimation.gradient_estimation_cfg_pp"),
        "er_sde": _Row("er_sde.er_sde"),
        "seeds_2": _Row("seeds.seeds_2"),
        "seeds_3": _Row("seeds.seeds_3"),
        "sa_solver": _Row("sa_solver.sa_solver"),
        "sa_solver_pece": _Row("sa_solver.sa_solver", {"use_pece": True}),
        # DDIM at eta 0 (Song et al. 2021) is Euler's method in sigma: Karras et al. 2022, appendix C.
        "ddim": _Row("euler.euler", fresh_inpaint_noise=True),
        "uni_pc": _Row("uni_pc.uni_pc", discard_penultimate=True),
        "uni_pc_bh2": _Row("uni_pc.uni_pc", {"variant": "bh2"}, discard_penultimate=True),
    },
    _sampler,
)
