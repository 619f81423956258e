"""Axes of numbers, names and words for an XY plot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.schema.authoring import Output
from weft.engine.schema.sockets import Combo, Float, Int, String
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedulers import ALL_SCHEDULERS
from weft.nodes.diffusion.sampling.spellings import sampler_meant, scheduler_meant
from weft.nodes.efficiency.axes.inputs import AxisInput, Widgets, always, chosen, names_none
from weft.nodes.efficiency.axes.ramps import axis, float_ramp, int_ramp
from weft.nodes.efficiency.face import node
from weft.nodes.efficiency.loading import NONE
from weft.nodes.efficiency.slots import slots, unused_slots
from weft.nodes.efficiency.values import XYValue

CATEGORY = "Efficiency Nodes/XY Inputs"

Axis = Annotated[XYValue, Output("X or Y")] | None
BatchCount = Annotated[int, Int(default=3, min=0, max=50, step=1)]

# The kinds that a widget chooses between.
_STEPS = {
    "steps": "Steps",
    "start_at_step": "StartStep",
    "end_at_step": "EndStep",
    "refine_at_step": "RefineStep",
}
_NOISES = {"add_noise": "AddNoise", "return_with_leftover_noise": "ReturnNoise"}
_SAMPLERS = {"sampler": "Sampler", "scheduler": "Scheduler", "sampler & scheduler": "Sampler"}
_PROMPTS = {"positive": "Positive Prompt S/R", "negative": "Negative Prompt S/R"}
_SCORES = {"positive": "AScore+", "negative": "AScore-"}
_SKIPS = {"Base": "Clip Skip", "Refiner": "Clip Skip (Refiner)"}


@node(class_type="XY Input: Seeds++ Batch", category=CATEGORY)
def SeedsAxis(*, batch_count: BatchCount) -> Axis:
    """Vary the seed: the sampler's own, and those that follow it.

    Args:
        batch_count: How many seeds.
    """
    return axis("Seeds++ Batch", tuple(range(batch_count)))


@node(class_type="XY Input: Add/Return Noise", category=CATEGORY)
def NoiseAxis(*, XY_type: Annotated[str, Combo(tuple(_NOISES))]) -> Axis:
    """Compare a sampler with and without its initial noise, or with and without the noise that is left.

    Args:
        XY_type: Which of the two is switched on and off.
    """
    return axis(_NOISES[XY_type], ("enable", "disable"))


# The inputs that hold the ends of the ramp, for each target_parameter.
_ENDS = {
    "steps": ("first_step", "last_step"),
    "start_at_step": ("first_start_step", "last_start_step"),
    "end_at_step": ("first_end_step", "last_end_step"),
    "refine_at_step": ("first_refine_step", "last_refine_step"),
}


def _other_ends(constants: Mapping[str, Any]) -> frozenset[str]:
    chosen = constants.get("target_parameter")
    others = [ends for target, ends in _ENDS.items() if target != chosen] if chosen in _ENDS else []
    return frozenset(name for ends in others for name in ends)


@node(class_type="XY Input: Steps", category=CATEGORY, unused=_other_ends)
def StepsAxis(
    *,
    target_parameter: Annotated[str, Combo(tuple(_STEPS))],
    batch_count: BatchCount,
    first_step: Annotated[int, Int(default=10, min=1, max=10_000, step=1)],
    last_step: Annotated[int, Int(default=20, min=1, max=10_000, step=1)],
    first_start_step: Annotated[int, Int(default=0, min=0, max=10_000, step=1)],
    last_start_step: Annotated[int, Int(default=10, min=0, max=10_000, step=1)],
    first_end_step: Annotated[int, Int(default=10, min=0, max=10_000, step=1)],
    last_end_step: Annotated[int, Int(default=20, min=0, max=10_000, step=1)],
    first_refine_step: Annotated[int, Int(default=10, min=0, max=10_000, step=1)],
    last_refine_step: Annotated[int, Int(default=20, min=0, max=10_000, step=1)],
) -> Axis:
    """Vary the number of steps, or the step at which a sampler starts, ends, or hands over to the refiner.

    Args:
        target_parameter: Which of them; only its own first and last step count.
        batch_count: How many values, at equal distances; equal ones count once.
        first_step: The smallest number of steps.
        last_step: The largest.
        first_start_step: The first start_at_step.
        last_start_step: The last.
        first_end_step: The first end_at_step.
        last_end_step: The last.
        first_refine_step: The first refine_at_step.
        last_refine_step: The last.
    """
    first, last = {
        "steps": (first_step, last_step),
        "start_at_step": (first_start_step, last_start_step),
        "end_at_step": (first_end_step, last_end_step),
        "refine_at_step": (first_refine_step, last_refine_step),
    }[target_parameter]
    return axis(_STEPS[target_parameter], int_ramp(first, last, batch_count))


@node(class_type="XY Input: CFG Scale", category=CATEGORY)
def CfgAxis(
    *,
    batch_count: BatchCount,
    first_cfg: Annotated[float, Float(default=7.0, min=0.0, max=100.0)],
    last_cfg: Annotated[float, Float(default=9.0, min=0.0, max=100.0)],
) -> Axis:
    """Vary the strength of classifier-free guidance.

    Args:
        batch_count: How many values, at equal distances.
        first_cfg: The first.
        last_cfg: The last.
    """
    return axis("CFG Scale", float_ramp(first_cfg, last_cfg, batch_count))


_SAMPLER_COLUMNS: dict[str, Any] = {
    "sampler": Annotated[str, Combo((NONE, *SAMPLERS), meant=sampler_meant)],
    "scheduler": Annotated[str, Combo((NONE, *ALL_SCHEDULERS), meant=scheduler_meant)],
}


@node(
    class_type="XY Input: Sampler/Scheduler", category=CATEGORY, unused=unused_slots("input_count", *_SAMPLER_COLUMNS)
)
@slots(**_SAMPLER_COLUMNS)
def SamplerAxis(
    *,
    target_parameter: Annotated[str, Combo(tuple(_SAMPLERS))],
    input_count: Annotated[int, Int(default=3, min=0, max=50, step=1)],
    slots: list[tuple[Any, ...]],
) -> Axis:
    """Compare samplers, schedulers, or pairs of them.

    Args:
        target_parameter: What is varied; of a pair, a scheduler of None keeps the one of the node that samples.
        input_count: How many of the entries below count.
        sampler: A sampler; None for none.
        scheduler: A scheduler; None for none.
    """
    given = slots[:input_count]
    if target_parameter == "scheduler":
        return axis("Scheduler", [scheduler for _, scheduler in given if scheduler != NONE])
    both = target_parameter == "sampler & scheduler"
    values = [(name, scheduler if both and scheduler != NONE else None) for name, scheduler in given if name != NONE]
    return axis("Sampler", values)


@node(class_type="XY Input: Denoise", category=CATEGORY)
def DenoiseAxis(
    *,
    batch_count: BatchCount,
    first_denoise: Annotated[float, Float(default=0.0, min=0.0, max=1.0, step=0.01)],
    last_denoise: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)],
) -> Axis:
    """Vary how much of the picture is made anew.

    Args:
        batch_count: How many values, at equal distances.
        first_denoise: The first.
        last_denoise: The last.
    """
    return axis("Denoise", float_ramp(first_denoise, last_denoise, batch_count))


MAX_REPLACEMENTS = 49


@node(
    class_type="XY Input: Prompt S/R",
    category=CATEGORY,
    unused=unused_slots("replace_count", "replace", last=MAX_REPLACEMENTS),
)
@slots(MAX_REPLACEMENTS, replace=Annotated[str, String(default="", multiline=False)])
def PromptAxis(
    *,
    target_prompt: Annotated[str, Combo(tuple(_PROMPTS))],
    search_txt: Annotated[str, String(default="", multiline=False)],
    replace_count: Annotated[int, Int(default=3, min=0, max=MAX_REPLACEMENTS, step=1)],
    slots: list[tuple[str]],
) -> Axis:
    """Search and replace: the prompt as it is, then with one text in the place of another, once for each.

    Args:
        target_prompt: The prompt to change.
        search_txt: What is replaced, where it first stands; without it there is no axis.
        replace_count: How many of the entries below count.
        replace: What stands in the place of search_txt.
    """
    changed = [(search_txt, text) for (text,) in slots[:replace_count]]
    return axis(_PROMPTS[target_prompt], [(search_txt, None), *changed]) if search_txt else None


@node(class_type="XY Input: Aesthetic Score", category=CATEGORY)
def AscoreAxis(
    *,
    target_ascore: Annotated[str, Combo(tuple(_SCORES))],
    batch_count: BatchCount,
    first_ascore: Annotated[float, Float(default=0.0, min=0.0, max=1000.0, step=0.01)],
    last_ascore: Annotated[float, Float(default=10.0, min=0.0, max=1000.0, step=0.01)],
) -> Axis:
    """Vary the aesthetic score that SDXL's refiner is told with a prompt.

    Args:
        target_ascore: With which prompt.
        batch_count: How many values, at equal distances.
        first_ascore: The first.
        last_ascore: The last.
    """
    return axis(_SCORES[target_ascore], float_ramp(first_ascore, last_ascore, batch_count))


@node(class_type="XY Input: Refiner On/Off", category=CATEGORY)
def RefinerAxis(*, refine_at_percent: Annotated[float, Float(default=0.8, min=0.0, max=1.0, step=0.01)]) -> Axis:
    """Compare SDXL with and without its refiner.

    Args:
        refine_at_percent: Which share of the steps the base makes where the refiner is on.
    """
    return axis("Refiner On/Off", (refine_at_percent, 1))


@node(class_type="XY Input: Clip Skip", category=CATEGORY)
def ClipSkipAxis(
    *,
    target_ckpt: Annotated[str, Combo(tuple(_SKIPS))],
    batch_count: BatchCount,
    first_clip_skip: Annotated[int, Int(default=-1, min=-24, max=-1, step=1)],
    last_clip_skip: Annotated[int, Int(default=-3, min=-24, max=-1, step=1)],
) -> Axis:
    """Vary the layer at which the text encoder stops.

    Args:
        target_ckpt: Whose text encoder.
        batch_count: How many values, at equal distances; equal ones count once, the lowest comes first.
        first_clip_skip: One end; -1 is the last layer.
        last_clip_skip: The other.
    """
    return axis(_SKIPS[target_ckpt], int_ramp(first_clip_skip, last_clip_skip, batch_count))


def _names_none(given: Widgets, slot: int) -> bool:
    column = "scheduler" if given.get("target_parameter") == "scheduler" else "sampler"
    return names_none("input_count", column)(given, slot)


INPUTS = {
    "XY Input: Seeds++ Batch": AxisInput(always("Seeds++ Batch")),
    "XY Input: Add/Return Noise": AxisInput(chosen("XY_type", _NOISES)),
    "XY Input: Steps": AxisInput(chosen("target_parameter", _STEPS)),
    "XY Input: CFG Scale": AxisInput(always("CFG Scale")),
    "XY Input: Sampler/Scheduler": AxisInput(chosen("target_parameter", _SAMPLERS), _names_none),
    "XY Input: Denoise": AxisInput(always("Denoise")),
    "XY Input: Prompt S/R": AxisInput(
        chosen("target_prompt", _PROMPTS), lambda given, slot: given.get("search_txt") == ""
    ),
    "XY Input: Aesthetic Score": AxisInput(chosen("target_ascore", _SCORES)),
    "XY Input: Refiner On/Off": AxisInput(always("Refiner On/Off")),
    "XY Input: Clip Skip": AxisInput(chosen("target_ckpt", _SKIPS)),
}
"""What their widgets show of the axis, by class_type."""
