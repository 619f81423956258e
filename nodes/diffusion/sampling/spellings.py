"""How people write samplers and schedulers -> the ones that they mean. Read without torch, for the faces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedulers import ALL_SCHEDULERS, PUBLISHED_SCHEDULERS, SCHEDULERS

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.samplers.interface import Sampler
    from weft.nodes.diffusion.sampling.schedulers import Scheduler


class UnknownSampler(DiffusionError):
    """A sampler name that is not in SAMPLERS."""


class UnknownScheduler(DiffusionError):
    """A scheduler name that is in neither table of schedulers."""


def find_sampler(name: str) -> Sampler:
    """The sampler of this name, or UnknownSampler."""
    if name in SAMPLERS:
        return SAMPLERS[name]
    meant = sampler_meant(str(name))
    raise UnknownSampler(f"unknown sampler {name!r}{f'; {meant}' if meant else nearest(name, SAMPLERS)}")


def find_scheduler(name: str) -> Scheduler:
    """The scheduler of this name, or UnknownScheduler."""
    for table in (SCHEDULERS, PUBLISHED_SCHEDULERS):
        if name in table:
            return table[name]
    meant = scheduler_meant(str(name))
    raise UnknownScheduler(f"unknown scheduler {name!r}{f'; {meant}' if meant else nearest(name, ALL_SCHEDULERS)}")


def sampler_meant(name: str) -> str:
    """`did you mean 'dpmpp_2m' with scheduler 'karras'?` for `DPM++ 2M Karras`; empty where nothing is recognised.

    The web UI's labels end with a scheduler, `a` in them is ancestral, `++` is pp; other programs put `k_` or `sample_`
    before the name.
    """
    words = _words(name)
    if words[:1] in (["k"], ["sample"]):
        words = words[1:]
    for length in (0, 1, 2, 3):
        kept, ending = words[: len(words) - length], "".join(words[len(words) - length :])
        sampler = _sampler(kept)
        if sampler and (not length or ending in _SPELLED_SCHEDULERS):
            return f"did you mean {sampler!r}{f' with scheduler {_SPELLED_SCHEDULERS[ending]!r}' if length else ''}?"
        if "".join(kept) in _ABSENT and (not length or ending in _SPELLED_SCHEDULERS):
            return "the web UI's sampler of this name has no counterpart here"
    return ""


def scheduler_meant(name: str) -> str:
    """`did you mean 'sgm_uniform'?` for `SGM Uniform`, or the node that has the schedule; else empty."""
    written = "".join(_words(name))
    if written in _SPELLED_SCHEDULERS:
        return f"did you mean {_SPELLED_SCHEDULERS[written]!r}?"
    if written in _SCHEDULER_NODES:
        return f"it is the node {_SCHEDULER_NODES[written]}, for SamplerCustom"
    return ""


def _words(name: str) -> list[str]:
    return re.findall("[a-z0-9]+", name.casefold().replace("++", "pp"))


def _sampler(words: list[str]) -> str | None:
    written = "".join("ancestral" if word == "a" and place else word for place, word in enumerate(words))
    return _SPELLED.get(written.replace("dpmsolverpp", "dpmpp"))


_SPELLED: Mapping[str, str] = {
    **{name.replace("_", ""): name for name in SAMPLERS},
    "eulera": "euler_ancestral",
    "dpm2a": "dpm_2_ancestral",
    "dpmpp2sa": "dpmpp_2s_ancestral",
    # The classes of diffusers.
    "eulerdiscretescheduler": "euler",
    "eulerancestraldiscretescheduler": "euler_ancestral",
    "heundiscretescheduler": "heun",
    "kdpm2discretescheduler": "dpm_2",
    "kdpm2ancestraldiscretescheduler": "dpm_2_ancestral",
    "lmsdiscretescheduler": "lms",
    "dpmsolvermultistepscheduler": "dpmpp_2m",
    "dpmsolversdescheduler": "dpmpp_sde",
    "deismultistepscheduler": "deis",
    "unipcmultistepscheduler": "uni_pc",
    "lcmscheduler": "lcm",
    "ddimscheduler": "ddim",
    "ddpmscheduler": "ddpm",
    "ipndmscheduler": "ipndm",
}
_ABSENT = ("plms", "pndm", "pndmscheduler", "restart")
_SPELLED_SCHEDULERS: Mapping[str, str] = {
    **{name.replace("_", ""): name for name in SCHEDULERS},
    # InvokeAI's ending for Karras; the web UI's name for evenly spaced timesteps.
    "k": "karras",
    "uniform": "normal",
    "ddim": "ddim_uniform",
}
_SCHEDULER_NODES: Mapping[str, str] = {
    "alignyoursteps": "AlignYourStepsScheduler",
    "ays": "AlignYourStepsScheduler",
    "gits": "GITSScheduler",
    "laplace": "LaplaceScheduler",
    "polyexponential": "PolyexponentialScheduler",
    "turbo": "SDTurboScheduler",
    "vp": "VPScheduler",
}
