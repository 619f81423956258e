"""Samplers: how a noised latent is brought down a schedule of noise levels. One function an algorithm.

SAMPLERS is the list of them, in the order in which KSampler offers them: a new sampler is a function in a file of this
folder and a row here. It is read without torch. interface.py says what a solver is given and gives back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from weft.nodes.diffusion.sampling.lazytable import LazyTable, imported

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.samplers.interface import Sampler


class _Calls(NamedTuple):
    """How often the steps of a schedule evaluate the model. first, last: its first and last ones, where they do it
    another number of times; the last ones those before level 0, or with `any_end` before any last level."""

    each: int = 1
    first: int | None = None
    last: tuple[int, ...] = ()
    any_end: bool = False


_ONE, _TWO = _Calls(), _Calls(2, last=(1,))
_EXACT, _MEMORY = "exact", "memory"


@dataclass(frozen=True)
class _Row:
    """solver: file and function. options: given to it. noise: a function of noise.py. calls: None where nobody knows.
    split: what two stages of it are in comfy mode: _EXACT the single run but for rounding; _MEMORY not, for what it
    forgets between them; empty for the noise that it adds anew. for_exploding: it adds noise to a flow as if it were
    another kind of model. The rest: as Sampler's."""

    solver: str
    options: Mapping[str, Any] = field(default_factory=dict)
    noise: str = "sequential_noise"
    calls: _Calls | None = _ONE
    discard_penultimate: bool = False
    fresh_inpaint_noise: bool = False
    own_steps: bool = False
    looks_ahead: bool = False
    split: str = ""
    for_exploding: bool = False


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
        looks_ahead=row.looks_ahead,
        name=name,
    )


_CPU, _GPU = "brownian_noise", "brownian_noise_on_device"
_HEUN = {"solver_type": "heun"}

SAMPLERS: Final[LazyTable[_Row, Sampler]] = LazyTable(
    {
        "euler": _Row("euler.euler", split=_EXACT),
        "euler_cfg_pp": _Row("euler.euler_cfg_pp", split=_EXACT),
        "euler_ancestral": _Row("euler.euler_ancestral"),
        "euler_ancestral_cfg_pp": _Row("euler.euler_ancestral_cfg_pp"),
        "heun": _Row("heun.heun", calls=_TWO, split=_EXACT),
        "heunpp2": _Row("heun.heunpp2", calls=_Calls(3, last=(2, 1), any_end=True), looks_ahead=True, split=_MEMORY),
        "exp_heun_2_x0": _Row("seeds.exp_heun_2", {"eta": 0.0}, calls=_TWO, split=_EXACT),
        "exp_heun_2_x0_sde": _Row("seeds.exp_heun_2", calls=_TWO),
        "dpm_2": _Row("dpm_2.dpm_2", discard_penultimate=True, calls=_TWO, split=_EXACT),
        "dpm_2_ancestral": _Row("dpm_2.dpm_2_ancestral", discard_penultimate=True, calls=_TWO),
        "lms": _Row("lms.lms", split=_MEMORY),
        "dpm_fast": _Row("dpm_solver.dpm_fast", own_steps=True, looks_ahead=True),
        "dpm_adaptive": _Row("dpm_solver.dpm_adaptive", own_steps=True, calls=None, looks_ahead=True),
        "dpmpp_2s_ancestral": _Row("dpmpp.dpmpp_2s_ancestral", calls=_TWO),
        "dpmpp_2s_ancestral_cfg_pp": _Row("dpmpp.dpmpp_2s_ancestral_cfg_pp", calls=_TWO, for_exploding=True),
        "dpmpp_sde": _Row("dpmpp_sde.dpmpp_sde", noise=_CPU, calls=_TWO, looks_ahead=True),
        "dpmpp_sde_gpu": _Row("dpmpp_sde.dpmpp_sde", noise=_GPU, calls=_TWO, looks_ahead=True),
        "dpmpp_2m": _Row("dpmpp.dpmpp_2m", split=_MEMORY),
        "dpmpp_2m_cfg_pp": _Row("dpmpp.dpmpp_2m_cfg_pp", split=_MEMORY),
        "dpmpp_2m_sde": _Row("dpmpp_sde.dpmpp_2m_sde", noise=_CPU, looks_ahead=True),
        "dpmpp_2m_sde_gpu": _Row("dpmpp_sde.dpmpp_2m_sde", noise=_GPU, looks_ahead=True),
        "dpmpp_2m_sde_heun": _Row("dpmpp_sde.dpmpp_2m_sde", _HEUN, noise=_CPU, looks_ahead=True),
        "dpmpp_2m_sde_heun_gpu": _Row("dpmpp_sde.dpmpp_2m_sde", _HEUN, noise=_GPU, looks_ahead=True),
        "dpmpp_3m_sde": _Row("dpmpp_sde.dpmpp_3m_sde", noise=_CPU, looks_ahead=True),
        "dpmpp_3m_sde_gpu": _Row("dpmpp_sde.dpmpp_3m_sde", noise=_GPU, looks_ahead=True),
        "ddpm": _Row("ddpm.ddpm", for_exploding=True),
        "lcm": _Row("lcm.lcm"),
        "ipndm": _Row("ipndm.ipndm", split=_MEMORY),
        "ipndm_v": _Row("ipndm.ipndm_v", split=_MEMORY),
        "deis": _Row("deis.deis", split=_MEMORY),
        "res_multistep": _Row("res_multistep.res_multistep", split=_MEMORY),
        "res_multistep_cfg_pp": _Row("res_multistep.res_multistep_cfg_pp", split=_MEMORY),
        "res_multistep_ancestral": _Row("res_multistep.res_multistep", {"eta": 1.0}, for_exploding=True),
        "res_multistep_ancestral_cfg_pp": _Row("res_multistep.res_multistep_cfg_pp", {"eta": 1.0}, for_exploding=True),
        "gradient_estimation": _Row("gradient_estimation.gradient_estimation", split=_MEMORY),
        "gradient_estimation_cfg_pp": _Row("gradient_estimation.gradient_estimation_cfg_pp", split=_MEMORY),
        "er_sde": _Row("er_sde.er_sde"),
        "seeds_2": _Row("seeds.seeds_2", calls=_TWO),
        "seeds_3": _Row("seeds.seeds_3", calls=_Calls(3, last=(1,))),
        "sa_solver": _Row("sa_solver.sa_solver", looks_ahead=True),
        "sa_solver_pece": _Row("sa_solver.sa_solver", {"use_pece": True}, calls=_Calls(2, first=1), looks_ahead=True),
        # DDIM at eta 0 (Song et al. 2021) is Euler's method in sigma: Karras et al. 2022, appendix C.
        "ddim": _Row("euler.euler", fresh_inpaint_noise=True, split=_EXACT),
        "uni_pc": _Row("uni_pc.uni_pc", discard_penultimate=True, looks_ahead=True, split=_MEMORY),
        "uni_pc_bh2": _Row(
            "uni_pc.uni_pc", {"variant": "bh2"}, discard_penultimate=True, looks_ahead=True, split=_MEMORY
        ),
    },
    _sampler,
)


def model_calls(name: str, steps: range, length: int, *, to_zero: bool) -> tuple[int, ...] | None:
    """How often a sampler evaluates the guided model in each of `steps`; None where that is known only when it runs.

    length: how many steps the schedule has that it is given. to_zero: whether that ends at level 0.
    """
    row = SAMPLERS.row(name)
    if row.calls is None:
        return None
    last = row.calls.last if to_zero or row.calls.any_end else ()
    calls = {length - place: count for place, count in enumerate(reversed(last), 1)}
    if row.calls.first is not None:
        calls[0] = row.calls.first
    return tuple(calls.get(step, row.calls.each) for step in steps)
