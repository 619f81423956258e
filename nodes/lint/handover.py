"""Rules about where one stage ends and the next one starts, and what both must agree on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weft.engine.linting.rules import Remark, Severity, rule
from weft.engine.linting.view import LintView
from weft.nodes.lint.pairs import pairs, place_of, setting, together
from weft.nodes.lint.samplers import DRAW_NOISE, OWN_STEPS, SPLIT_EXACTLY
from weft.nodes.lint.stages import TO_THE_END, SamplerStage, stage_of, stages

CONTINUOUS = "continuous"


@rule("S101", "gap", Severity.WARNING, "Steps between two stages are run by neither.", fixes=True)
def gap(view: LintView) -> Iterator[Remark]:
    """The noise of the steps that are left out stays in the picture."""
    for pair in pairs(view):
        before, after, _ = pair
        end, start = before.end or 0, after.start or 0
        meant = pair.known and pair.same_steps and before.stops_early and after.adds_noise is False
        if meant and start > end:
            message = f"starts at step {start}, and {before.name} ends at step {end}: what these steps remove stays in"
            edits = setting(after, "start_at_step", end)
            yield Remark(after.node, message, place_of(after, "start_at_step"), _start(after, end), edits)


def _start(stage: SamplerStage, step: int) -> str:
    """What lets a stage start at a step."""
    return f"sigmas split at step {step}" if stage.kind == "custom" else f"start_at_step {step}"


@rule("S102", "overlap", Severity.WARNING, "Steps are run twice, the second time without their noise.", fixes=True)
def overlap(view: LintView) -> Iterator[Remark]:
    """The second stage takes what is fine for noise, and removes it: the picture gets flat."""
    for pair in pairs(view):
        before, after, _ = pair
        end, start = before.end or 0, after.start or 0
        if not pair.known or after.adds_noise is not False:
            continue
        if not pair.same_steps and pair.noise_comes is False and end == before.steps:
            message = (
                f"starts at step {start} of {after.steps} without noise, and {before.name} has removed all there was"
            )
            fix = f"an end at the same share of its steps in {before.name}, with leftover noise; or noise here"
            yield Remark(after.node, message, place_of(after, "start_at_step"), fix)
        if not pair.same_steps or start >= end:
            continue
        message = f"starts at step {start}, and {before.name} ends at step {end}: steps {start} to {end} are run twice"
        if before.stops_early or (before.start or 0) >= start:
            edits = setting(after, "start_at_step", end) if before.stops_early else {}
            yield Remark(after.node, message, place_of(after, "start_at_step"), _start(after, end), edits)
            continue
        # The first one runs to the end, as its defaults say.
        fix = f"end_at_step {start} and return_with_leftover_noise enable in {before.name}"
        if before.kind == "custom":
            fix = f"sigmas up to step {start} in {before.name}"
        edits = together(setting(before, "end_at_step", start), setting(before, "return_with_leftover_noise", "enable"))
        yield Remark(after.node, message, place_of(after, "start_at_step"), fix, edits if pair.alone else {})


@rule("S103", "steps-differ", Severity.WARNING, "Two stages count other steps, and do not meet.")
def steps_differ(view: LintView) -> Iterator[Remark]:
    """Where one ends and where the other starts must be the same share of the way, for the noise to be the same."""
    for pair in pairs(view):
        before, after, _ = pair
        if not pair.known or after.adds_noise is not False or pair.same_steps or not before.stops_early or pair.meets:
            continue
        left, right = (before.end or 0) / (before.steps or 1), (after.start or 0) / (after.steps or 1)
        message = (
            f"starts at step {after.start} of {after.steps}, and {before.name} ends at step {before.end} of "
            f"{before.steps}: {right:.0%} and {left:.0%} of the way"
        )
        meet = round(left * (after.steps or 0))
        fix = f"the same steps, or {_start(after, meet)} of {after.steps}"
        yield Remark(after.node, message, place_of(after, "steps"), fix)


@rule("S104", "schedulers-differ", Severity.WARNING, "Two stages have other noise levels.")
def schedulers_differ(view: LintView) -> Iterator[Remark]:
    """A step is a place in a schedule: in another one it has another noise level."""
    for pair in pairs(view):
        before, after, _ = pair
        named = isinstance(before.course, str) and isinstance(after.course, str)
        known = before.course is not None and after.course is not None and pair.both_act
        # What is not a name has the number of steps in it, too.
        known = known and (pair.same_steps or (named and pair.meets))
        if known and pair.noise_comes and after.adds_noise is False and before.course != after.course:
            levels = f"its noise levels are those of {_said(after)}, and those of {before.name} of {_said(before)}"
            message = f"{levels}: at step {after.start} they are not the same"
            name = "scheduler" if after.kind == "advanced" else "sigmas" if after.kind == "custom" else None
            yield Remark(after.node, message, name, "one scheduler for both")


def _said(stage: SamplerStage) -> str:
    return stage.course if isinstance(stage.course, str) else " ".join(map(str, stage.course or ()))


@rule("S105", "samplers-differ", Severity.WARNING, "In continuous mode, two stages have other samplers.")
def samplers_differ(view: LintView) -> Iterator[Remark]:
    """What a solver remembers is of no use to another one: the second stage begins anew, as in comfy mode."""
    for pair in pairs(view) if view.settings.sampling == CONTINUOUS else ():
        before, after, _ = pair
        plain = "custom" not in (before.kind, after.kind)
        if plain and pair.goes_on and before.sampler and after.sampler and before.sampler != after.sampler:
            message = f"samples with {after.sampler}, and {before.name} with {before.sampler}: its memory is dropped"
            yield Remark(after.node, message, "sampler_name", f"sampler_name {before.sampler}")


@rule("S106", "seeds-differ", Severity.WARNING, "In continuous mode, two stages draw noise of other seeds.", fixes=True)
def seeds_differ(view: LintView) -> Iterator[Remark]:
    """Noise belongs to the seed and the step: with another seed it is not that of the single run."""
    for pair in pairs(view) if view.settings.sampling == CONTINUOUS else ():
        before, after, _ = pair
        one, other = (stage.node.values.get("noise_seed") for stage in (before, after))
        if not pair.goes_on or one is None or other is None or one == other:
            continue
        if before.sampler == after.sampler and after.sampler in DRAW_NOISE:
            message = f"{after.sampler} draws noise by the seed {other}, and in {before.name} by {one}"
            yield Remark(after.node, message, "noise_seed", f"noise_seed {one}", setting(after, "noise_seed", one))


@rule("S107", "split", Severity.INFO, "A run is divided, and its sampler does not give what the undivided one does.")
def split(view: LintView) -> Iterator[Remark]:
    """In comfy mode a stage draws its noise from the beginning again, and remembers no step before its own."""
    for pair in pairs(view):
        before, after, _ = pair
        name = after.sampler
        if name is None or name != before.sampler or not pair.goes_on or name in SPLIT_EXACTLY:
            continue
        kept = view.settings.sampling == CONTINUOUS and "custom" not in (before.kind, after.kind)
        if kept and name not in OWN_STEPS:
            continue
        why = "its noise is drawn anew" if name in DRAW_NOISE else "it has forgotten the steps before"
        if name in OWN_STEPS:
            why = "it chooses its own steps in each stage"
        fix = "" if name in OWN_STEPS or "custom" in (before.kind, after.kind) else "--sampling continuous"
        yield Remark(after.node, f"{name} goes on at step {after.start} otherwise than in one run: {why}", None, fix)


@rule("S108", "no-step", Severity.ERROR, "A stage starts at or beyond its end, and does nothing.")
def no_step(view: LintView) -> Iterator[Remark]:
    """Its latent comes out as it went in. A denoise of 0 says so itself, and is no finding."""
    for stage in stages(view):
        if stage.is_empty and (stage.kind in ("advanced", "refined") or _is_split(stage)):
            message = f"starts at step {stage.start}, and its end is step {stage.end}: it does nothing"
            fix = "a start before its end, and an end within its steps"
            yield Remark(stage.node, message, place_of(stage, "start_at_step"), fix)


def _is_split(stage: SamplerStage) -> bool:
    """Whether the sigmas of a stage are a half of others, divided at a step."""
    found = stage.node.source("sigmas")
    return found is not None and found[0].class_type == "SplitSigmas"


@rule("S109", "end-beyond", Severity.INFO, "An end lies beyond the steps.", fixes=True)
def end_beyond(view: LintView) -> Iterator[Remark]:
    """It is the end all the same; whoever lowered `steps` may have forgotten it. 10000, the default, is no finding."""
    for stage in stages(view):
        end = stage.node.values.get("end_at_step")
        known = stage.kind == "advanced" and stage.steps is not None and type(end) is int
        if known and (stage.steps or 0) < (end or 0) < TO_THE_END:
            message = f"end_at_step {end} is beyond its {stage.steps} steps: it is the end of them"
            edits = setting(stage, "end_at_step", stage.steps)
            yield Remark(stage.node, message, "end_at_step", f"end_at_step {stage.steps}", edits)


@rule("S110", "refiner-unused", Severity.WARNING, "A refiner is to come in after the last step.")
def refiner_unused(view: LintView) -> Iterator[Remark]:
    """It never comes. -1 says that there is to be none, and is no finding."""
    for stage in stages(view):
        step = stage.node.values.get("refine_at_step")
        if stage.kind == "refined" and stage.steps is not None and type(step) is int and step >= stage.steps:
            message = f"the refiner is to come in at step {step}, and the run has {stage.steps} steps: it never comes"
            yield Remark(stage.node, message, "refine_at_step", "a step below them, or -1 for none")


@rule(
    "S111", "models-noised-otherwise", Severity.WARNING, "Two stages have models of which one has its levels changed."
)
def models_noised_otherwise(view: LintView) -> Iterator[Remark]:
    """A shift, or another sampling, is a part of what the noise levels are made from: both models need the same."""
    for pair in pairs(view):
        before, after, _ = pair
        if (
            not pair.noise_comes
            or after.adds_noise is not False
            or not pair.both_act
            or "custom" in (before.kind, after.kind)
        ):
            continue
        one, other = levels_of(before), levels_of(after)
        if one is not None and other is not None and one != other:
            message = f"its model has {_told(other)}, and that of {before.name} {_told(one)}: their noise levels differ"
            yield Remark(after.node, message, "model", "the same for both")


def levels_of(stage: SamplerStage) -> dict[str, Any] | None:
    """What changes the noise levels of a stage's model, nothing if nothing does; None where that is not known."""
    found = stage.node.source("model")
    seen: set[str] = set()
    while found is not None and found[0].node_id not in seen:
        node = found[0]
        seen.add(node.node_id)
        if node.schema is None or stage_of(node) is not None:
            return None
        if node.class_type.startswith("ModelSampling"):
            # Sliders leave 8.000000000000002 in saves.
            values = {
                name: round(value, 6) if isinstance(value, float) else value for name, value in node.values.items()
            }
            return {"": node.class_type, **values}
        above = list(node.links("MODEL"))
        if len(above) > 1:
            return None
        found = node.source(above[0]) if above else None
    return {}


def _told(levels: dict[str, Any]) -> str:
    if not levels:
        return "none"
    values = ", ".join(f"{name} {value}" for name, value in levels.items() if name)
    return f"{levels['']} ({values})" if values else str(levels[""])


RULES = (
    gap, overlap, steps_differ, schedulers_differ, samplers_differ, seeds_differ, split, no_step, end_beyond,
    refiner_unused, models_noised_otherwise,
)  # fmt: skip
