"""What the samplers among the nodes say of their steps before they run: see weft.engine.trajectory. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from weft.engine.settings import Settings
from weft.engine.trajectory import Foretell, ForetoldInputs, Trajectory
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


def of_custom_sampler(given: ForetoldInputs, settings: Settings) -> Trajectory:
    """SamplerCustom's and SamplerCustomAdvanced's: what their steps are is in the sigmas, which others foretell."""
    identity = {name: value for name, value in given.items() if name != "sigmas"}
    levels, name = given.foretold.get("sigmas"), given["sampler"]
    if not isinstance(levels, ForetoldSigmas) or not isinstance(name, str):
        return Trajectory(identity)
    row, steps = SAMPLERS.row(name), levels.steps
    schedule: list[Any] = [levels.whole]
    if row.looks_ahead:
        schedule += [steps.stop]
    calls = model_calls(name, range(len(steps)), len(steps), to_zero=levels.to_zero and steps.stop == levels.length)
    return Trajectory(None if row.own_steps else {**identity, "start": steps.start}, schedule, steps, calls)


class ForetoldSigmas(NamedTuple):
    """What is known of sigmas before they are computed: the `steps` of a schedule of `length` steps.

    `whole` tells that schedule from all others; `to_zero`: whether it ends at level 0.
    """

    whole: Any
    length: int
    steps: range
    to_zero: bool = True


def basic_levels(given: ForetoldInputs, settings: Settings) -> Sequence[ForetoldSigmas | None]:
    """Those of BasicScheduler."""
    steps, denoise, scheduler = given["steps"], given["denoise"], given["scheduler"]
    if any(type(each) is bytes for each in (steps, denoise, scheduler)):
        return [None]
    whole = int(steps / min(denoise, 1.0)) if denoise > 0.0 else 0
    length = schedule_length(scheduler, whole, False) if whole else 0
    said = ["basic", given["model"], scheduler, whole]
    return [None if length is None else ForetoldSigmas(said, length, range(max(0, length - steps), length))]


def levels_of(name: str, *, to_zero: bool = True) -> Foretell:
    """Of a schedule of `steps` steps, the last `denoise` of them, which its inputs tell from all others."""

    def foretell(given: ForetoldInputs, settings: Settings) -> Sequence[ForetoldSigmas | None]:
        steps, denoise = given["steps"], given.get("denoise", 1.0)
        if type(steps) is bytes or type(denoise) is bytes:
            return [None]
        length = steps if to_zero else steps - 1
        said = [name, *(value for key, value in sorted(given.items()) if key != "denoise")]
        return [ForetoldSigmas(said, length, range(length - round(length * denoise), length), to_zero)]

    return foretell


def turbo_levels(given: ForetoldInputs, settings: Settings) -> Sequence[ForetoldSigmas | None]:
    """Those of SDTurboScheduler: of ten, and then 0."""
    steps, denoise = given["steps"], given["denoise"]
    if type(steps) is bytes or type(denoise) is bytes:
        return [None]
    length = min(steps, int(10 * denoise))
    return [ForetoldSigmas(["turbo", given["model"], steps, denoise], length, range(length))]


def split_levels(given: ForetoldInputs, settings: Settings) -> Sequence[ForetoldSigmas | None]:
    """Those of both halves of SplitSigmas."""
    levels, step = given.foretold.get("sigmas"), given["step"]
    if not isinstance(levels, ForetoldSigmas) or type(step) is bytes:
        return [None, None]
    return _halves(levels, min(levels.steps.start + step, levels.steps.stop))


def split_levels_by_share(given: ForetoldInputs, settings: Settings) -> Sequence[ForetoldSigmas | None]:
    """Those of both halves of SplitSigmasDenoise."""
    levels, denoise = given.foretold.get("sigmas"), given["denoise"]
    if not isinstance(levels, ForetoldSigmas) or type(denoise) is bytes:
        return [None, None]
    last = round(len(levels.steps) * denoise)
    high, low = _halves(levels, levels.steps.stop - last)
    return [high if last else levels._replace(steps=levels.steps[:0]), low]


def _halves(levels: ForetoldSigmas, place: int) -> list[ForetoldSigmas]:
    steps = levels.steps
    return [levels._replace(steps=range(steps.start, place)), levels._replace(steps=range(place, steps.stop))]
