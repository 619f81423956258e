"""Samplers: how a noised latent is brought down a schedule of noise levels. One function an algorithm.

interface.py says what a solver is given and gives back.
"""

from __future__ import annotations

from collections.abc import Mapping

from nodes.diffusion.errors import DiffusionError, nearest
from nodes.diffusion.names import SAMPLER_NAMES
from nodes.diffusion.samplers import dpm_2, dpmpp, euler, heun, lms
from nodes.diffusion.samplers.interface import Sampler


class UnknownSampler(DiffusionError):
    """A sampler name that is not in SAMPLERS."""


SAMPLERS: Mapping[str, Sampler] = {
    "euler": Sampler(euler.euler),
    "euler_ancestral": Sampler(euler.euler_ancestral),
    "heun": Sampler(heun.heun),
    "dpm_2": Sampler(dpm_2.dpm_2, discard_penultimate=True),
    "dpm_2_ancestral": Sampler(dpm_2.dpm_2_ancestral, discard_penultimate=True),
    "lms": Sampler(lms.lms),
    "dpmpp_2m": Sampler(dpmpp.dpmpp_2m),
    # DDIM at eta 0 (Song et al. 2021) is Euler's method in sigma: Karras et al. 2022, appendix C.
    "ddim": Sampler(euler.euler, fresh_inpaint_noise=True),
}


def find_sampler(name: str) -> Sampler:
    """The sampler of this name, or UnknownSampler."""
    if name in SAMPLERS:
        return SAMPLERS[name]
    if name in SAMPLER_NAMES:
        raise UnknownSampler(f"sampler {name!r} is not implemented yet; there are {', '.join(SAMPLERS)}")
    raise UnknownSampler(f"unknown sampler {name!r}{nearest(name, SAMPLER_NAMES)}")
