"""What the samplers among the nodes say of their steps before they run: see weft.engine.trajectory. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft.engine.settings import Settings
from weft.engine.trajectory import Trajectory
from weft.nodes.diffusion.sampling.samplers import SAMPLERS, model_calls
from weft.nodes.diffusion.sampling.schedulers import schedule_length

_COURSE = (
    *("steps", "scheduler", "denoise"),
    *("start_at_step", "end_at_step", "return_with_leftover_noise"),
)
"""Inputs that say where the steps of a KSampler lie, and nothing of what a step between two levels gives."""


def of_ksampler(given: Mapping[str, Any], settings: Settings) -> Trajectory:
    """KSampler's and KSampler (Advanced)'s, which share steps where they mean the same."""
    identity = {name: value for name, value in given.items() if name not in _COURSE}
    if "noise_seed" not in identity:
        identity |= {"noise_seed": identity.pop("seed"), "add_noise": "enable"}
    told = Trajectory(identity)
    if any(isinstance(given.get(name), bytes) for name in ("sampler_name", *_COURSE)):
        return told
    name, scheduler, steps = given["sampler_name"], given["scheduler"], given["steps"]
    row, denoise = SAMPLERS.row(name), given.get("denoise", 1.0)
    whole = steps if denoise > 0.9999 else int(steps / denoise) if denoise > 0.0 else 0
    length = schedule_length(scheduler, whole, row.discard_penultimate)
    if length is None:
        return told
    start = given.get("start_at_step", max(0, length - steps) if denoise <= 0.9999 else 0)
    stop = min(given.get("end_at_step", length), length)
    forced = stop < length and given["return_with_leftover_noise"] == "disable"
    continuous = settings.sampling == "continuous" and not row.own_steps
    # In continuous mode a KSampler's steps have the numbers of its own part of the schedule.
    schedule: list[Any] = [scheduler, whole, start if continuous and denoise <= 0.9999 else 0]
    seen = range(length) if continuous and not forced else range(start, stop)
    if row.looks_ahead:
        schedule += [seen.stop, forced]
    done = range(start, max(start, stop))
    numbers = range(done.start - seen.start, done.stop - seen.start)
    calls = model_calls(name, numbers, len(seen), to_zero=forced or seen.stop == length)
    shared = None if row.own_steps else {**identity, "start": start}
    return Trajectory(shared, schedule, done, calls, own_end=forced)


def of_custom_sampler(given: Mapping[str, Any], settings: Settings) -> Trajectory:
    """SamplerCustom's and SamplerCustomAdvanced's: what their steps are is in the sigmas, which only a run knows."""
    return Trajectory({name: value for name, value in given.items() if name != "sigmas"})
