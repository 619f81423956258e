"""Rules about rectified flows: where the two models of Wan 2.2 meet, which of them comes first, and samplers' noise."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from weft.engine.linting.rules import Remark, Severity, rule
from weft.engine.linting.view import LintNode, LintView
from weft.nodes.diffusion.families import known
from weft.nodes.lint.handover import levels_of
from weft.nodes.lint.headers import file_name_of, model_of
from weft.nodes.lint.pairs import Pair, pairs, place_of
from weft.nodes.lint.samplers import FOR_EXPLODING
from weft.nodes.lint.stages import SamplerStage, stages

OF_TEXT, OF_PICTURES = 0.875, 0.9
"""The noise levels at which Wan's makers hand over: of text-to-video, and of all that begins with pictures."""
SHIFT = 8.0
"""Of Wan's schedule, where no node sets another."""
TOLERANCE = 0.9
"""How far from it a pair may meet, in the logarithm of signal to noise: official templates are up to 0.59 away."""

_HALF = re.compile(r"(?<![a-z])(high|low)(?![a-z])|(high|low)[-_ ]?noise", re.IGNORECASE)
_FROM_PICTURES = re.compile(r"i2v|flf2v|(?<![a-z])fun(?![a-z])|inp(?![a-z])|s2v|animate", re.IGNORECASE)
_PATCHES = ("ModelSamplingSD3", "ModelSamplingAuraFlow", "ModelSamplingFlux", "ModelSamplingLTXV")


def _shifted(t: float, shift: float) -> float:
    return shift * t / (1.0 + (shift - 1.0) * t)


def _simple(step: int, steps: int, shift: float) -> float:
    return _shifted(1.0 - int(step * 1000 / steps) / 1000, shift)


def _even(step: int, last: int, shift: float) -> float:
    """Even steps of the network's timesteps, each shifted: these end at the level of the last one of a thousand."""
    lowest = _shifted(0.001, shift)
    return _shifted(1.0 - step * (1.0 - lowest) / last, shift) if last else 1.0


_LEVELS: Mapping[str, Callable[[int, int, float], float]] = {
    "simple": _simple,
    "sgm_uniform": _even,
    "normal": lambda step, steps, shift: _even(step, steps - 1, shift),
}
"""Noise levels of a flow at a step before the last, by scheduler: of the others no rule speaks."""


def level_at(scheduler: str, step: int, steps: int, shift: float) -> float | None:
    """The noise level of a flow at a step of a schedule; None where it is not known here."""
    if scheduler not in _LEVELS or not 0 <= step <= steps:
        return None
    return 0.0 if step == steps else _LEVELS[scheduler](step, steps, shift)


class WanPair(NamedTuple):
    """Two stages whose models are halves of Wan 2.2, by the names of their files: "high" or "low"."""

    pair: Pair
    before: str
    after: str
    meets: float


def _wan_pairs(view: LintView) -> Iterator[WanPair]:
    for pair in pairs(view):
        both = (pair.before, pair.after)
        names = [file_name_of(stage.node) for stage in both]
        halves = [_half(name) for name in names]
        of_wan = all(_is_wan(view, stage.node, name) for stage, name in zip(both, names, strict=True))
        if not all(halves) or not of_wan:
            continue
        from_pictures = any(_FROM_PICTURES.search(name) for name in names)
        yield WanPair(pair, halves[0], halves[1], OF_PICTURES if from_pictures else OF_TEXT)


def _half(name: str) -> str:
    found = _HALF.search(name)
    return (found[1] or found[2]).lower() if found else ""


def _is_wan(view: LintView, node: LintNode, name: str) -> bool:
    model = model_of(view, node)
    return model.text.language == "wan" if model is not None else known.family_meant(name) == known.WAN


@rule("S112", "handover-level", Severity.WARNING, "The models of a pair meet at another noise level than they learnt.")
def handover_level(view: LintView) -> Iterator[Remark]:
    """Each of Wan 2.2's models has learnt the noise levels of its side alone: beyond them it draws what it guesses."""
    for found in _wan_pairs(view):
        before, after, _ = found.pair
        if not found.pair.known or before.end != after.start or not found.pair.one_schedule:
            continue
        steps, step, shift = after.steps or 0, after.start or 0, _shift_of(before)
        if shift is None or not isinstance(after.course, str) or not 0 < step < steps:
            continue
        levels = [level_at(after.course, each, steps, shift) for each in range(steps + 1)]
        meant = next((each for each, level in enumerate(levels) if level is not None and level <= found.meets), None)
        level = levels[step]
        if level is None or meant is None or abs(step - meant) <= 1 or _apart(level, found.meets) <= TOLERANCE:
            continue
        message = (
            f"takes over at step {step} of {steps}, at noise level {level:.3f}: these models meet at {found.meets:g}, "
            f"which is step {meant}"
        )
        fix = f"step {meant} for both stages; SigmaToStep finds it"
        yield Remark(after.node, message, place_of(after, "start_at_step"), fix)


def _apart(one: float, other: float) -> float:
    return abs(math.log(one / (1.0 - one)) - math.log(other / (1.0 - other)))


def _shift_of(stage: SamplerStage) -> float | None:
    """The shift of a stage's model, if it is Wan's own or ModelSamplingSD3's."""
    levels = levels_of(stage)
    if not levels:
        return SHIFT if levels is not None else None
    shift = levels.get("shift")
    of_wan = levels[""] == "ModelSamplingSD3" and isinstance(shift, int | float) and shift > 0
    return float(shift) if of_wan and isinstance(shift, int | float) else None


@rule("S113", "halves-swapped", Severity.ERROR, "The model of low noise comes before that of high noise.")
def halves_swapped(view: LintView) -> Iterator[Remark]:
    """The first stage begins with pure noise, of which the model of low noise has never seen any."""
    for found in _wan_pairs(view):
        before, after, _ = found.pair
        if not found.pair.both_act or after.adds_noise is not False or found.pair.noise_comes is False:
            continue
        if (found.before, found.after) == ("low", "high"):
            message = f"samples last with a model of high noise, and {before.name} first with one of low noise"
            yield Remark(after.node, message, "model", "the model of high noise first")


@rule("N111", "noise-for-flows", Severity.WARNING, "A sampler adds noise to a flow that was meant for other models.")
def noise_for_flows(view: LintView) -> Iterator[Remark]:
    """These add what variance exploding asks for, in ComfyUI, too: it is too much for a flow, and never removed."""
    for stage in stages(view):
        if stage.sampler in FOR_EXPLODING and not stage.is_empty and _is_flow(view, stage):
            name = "sampler" if stage.kind == "custom" else "sampler_name"
            message = f"{stage.sampler} adds more noise to a flow than its steps remove"
            yield Remark(stage.node, message, name, "euler_ancestral, dpmpp_2s_ancestral or er_sde, which know flows")


def _is_flow(view: LintView, stage: SamplerStage) -> bool:
    model, levels = model_of(view, stage.node), levels_of(stage)
    return (model is not None and model.flow) or (bool(levels) and levels is not None and levels[""] in _PATCHES)


RULES = (handover_level, halves_swapped, noise_for_flows)
