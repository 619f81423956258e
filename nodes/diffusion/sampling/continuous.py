"""Runs that can be cut in stages: a chain of stages equals the single run bit for bit, for every sampler.

Two things make it so. Noise is addressed by (seed, absolute step), so a stage draws what the single run would draw
there. And what the solver remembers travels on the latent, as `sampler_state`, with the latent as the solver left it:
scaled, on the schedule of the whole run. The state holds plain tensors, numbers and text, so it can be stored.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from weft.nodes.diffusion.sampling.noise import NoiseSource, check_seed, seed_at, sequential_noise
from weft.nodes.diffusion.sampling.samplers.interface import Sampler, State

if TYPE_CHECKING:
    from weft.nodes.diffusion.values.latents import Latent

KEY: Final = "sampler_state"
VERSION = 1
"""Raised whenever the mode's numbers or the state's form change."""


class AddressedNoise:
    """Noise by (seed, step, place within the step), drawn on the CPU: the same in every stage and on every device."""

    position: Tensor | None = None

    def __init__(self, like: Tensor, seed: int, origin: int = 0) -> None:
        self._like = like
        self._seed = check_seed(seed)
        self._origin = origin
        self._asked: Counter[int] = Counter()

    def __call__(self, i: int, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        step = i + self._origin
        address = struct.pack(">QQQ", self._seed, step, self._asked[step])
        self._asked[step] += 1
        generator = torch.Generator("cpu").manual_seed(seed_at(address))
        noise = torch.randn(self._like.shape, generator=generator, dtype=torch.float32)
        return noise.to(self._like.device, self._like.dtype, non_blocking=True)


@dataclass(frozen=True)
class Leftover:
    """What a stage hands on.

    x: [B,C,h,w] as the solver left it. solver: its memory. sigmas: the schedule that is solved, from step `origin` of
    the whole one. step: the next index into it. noise, latent: what a noise mask keeps, scaled; None without a mask.
    """

    x: Tensor
    solver: State
    sigmas: Tensor
    origin: int
    step: int
    noise: Tensor | None
    latent: Tensor | None

    def pack(self, samples: Tensor, sampler: str) -> dict[str, Any]:
        """The `sampler_state` of a latent whose samples are these, on the CPU."""
        return {
            "version": VERSION,
            "sampler": sampler,
            "samples": samples,
            "x": plain(self.x),
            "solver": {name: plain(value) for name, value in self.solver.items()},
            "sigmas": self.sigmas,
            "origin": self.origin,
            "step": self.step,
            "noise": plain(self.noise),
            "latent": plain(self.latent),
        }


def plain(value: Any) -> Any:
    """A tensor of its own on the CPU: inference tensors and views of the solver's buffers must not travel."""
    return value.detach().to("cpu", copy=True).clone() if isinstance(value, Tensor) else value


def resume(latent: Latent, sampler: str, schedule: Tensor, start: int, add_noise: bool) -> tuple[Leftover | None, str]:
    """What the stage before left on this latent, if the next one can go on from it; else None and what to warn of.

    schedule: the whole one of the next stage; start: its first step; add_noise: whether it adds noise. A latent without
    a state is nothing to warn of where a run begins: at step 0, or where noise is added.
    """
    state = latent.get(KEY)
    if state is None:
        if add_noise or start == 0:
            return None, ""
        return None, f"this stage starts at step {start}, and its latent carries no state of a sampler to go on from"
    reason = _obstacle(state, latent["samples"], sampler, schedule, start, add_noise)
    if reason:
        return None, f"the state of the sampler before was dropped: {reason}"
    names = ("x", "solver", "sigmas", "origin", "step", "noise", "latent")
    return Leftover(**{name: state[name] for name in names}), ""


def _obstacle(
    state: Mapping[str, Any], samples: Tensor, sampler: str, schedule: Tensor, start: int, add_noise: bool
) -> str:
    """Why a stage cannot go on from a state; empty if it can."""
    if state.get("version") != VERSION:
        return f"it was left by version {state.get('version')} of the mode, this is {VERSION}"
    if state["samples"].shape != samples.shape or not torch.equal(state["samples"], samples):
        return "the latent was changed since"
    if add_noise:
        return "this stage adds noise"
    if state["sampler"] != sampler:
        return f"it is {state['sampler']}'s, this stage is {sampler}"
    if not torch.equal(state["sigmas"], schedule[state["origin"] :]):
        return "this stage has another schedule (scheduler, steps or model sampling)"
    if state["origin"] + state["step"] != start:
        return f"it stopped at step {state['origin'] + state['step']}, this stage starts at {start}"
    return ""


def noise_source(sampler: Sampler, like: Tensor, schedule: Tensor, seed: int, origin: int) -> NoiseSource:
    """The noise of a stage that solves the schedule from step `origin`: addressed, or one path over the whole of it."""
    if sampler.noise is sequential_noise:
        return AddressedNoise(like, seed, origin)
    return sampler.noise(like, schedule, seed)
