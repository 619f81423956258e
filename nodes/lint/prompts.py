"""Rules about what steers: prompts, guidance, schedules of both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from weft.engine.links import Link
from weft.engine.linting.rules import Remark, Severity, rule
from weft.engine.linting.view import LintNode, LintView
from weft.nodes.diffusion.text.prompt_schedule import ScheduleError, When, parse_loras, parse_text
from weft.nodes.lint.pairs import pairs
from weft.nodes.lint.stages import stages


def _sampled(view: LintView) -> Iterator[LintNode]:
    """The nodes that steer by a positive and a negative prompt at a scale."""
    return (node for node in view.running() if node.inputs >= {"positive", "negative", "cfg"})


@rule("P101", "negative-unused", Severity.INFO, "With cfg 1 the negative prompt does nothing.")
def negative_unused(view: LintView) -> Iterator[Remark]:
    """Guidance is positive + (cfg - 1) * (positive - negative). Samplers of the cfg_pp kind use it all the same."""
    for node in _sampled(view):
        sampler = node.values.get("sampler_name", node.values.get("sampler"))
        if node.values.get("cfg") != 1 or not isinstance(sampler, str) or sampler.endswith("_cfg_pp"):
            continue
        found = node.source("negative")
        if found is None or _takes_prompts(node.source("model")):
            continue
        positive = node.source("positive")
        texts = list(_texts(found[0]))
        if texts and positive is not None and texts != list(_texts(positive[0])):
            text = texts[0] if len(texts[0]) <= 40 else texts[0][:37] + "..."
            yield Remark(node, f'with cfg 1 the negative prompt "{text}" does nothing', "negative", "a cfg above 1")


def _takes_prompts(model: tuple[LintNode, int] | None) -> bool:
    """Whether something on the way of a model takes prompts, as NAG does, or may: the negative one has a use there."""
    every = (model[0], *model[0].above()) if model is not None else ()
    return any(node.schema is None or any(True for _ in node.links("CONDITIONING")) for node in every)


def _texts(node: LintNode) -> Iterator[str]:
    """The texts of a prompt, where it is no more than one node's; none where something else is made of it."""
    for name in ("text", "text_g", "text_l", "prompt"):
        value = node.values.get(name)
        if isinstance(value, str) and value.strip():
            yield " ".join(value.split())


@rule("P102", "one-prompt", Severity.WARNING, "Positive and negative are the same prompt: cfg does nothing.")
def one_prompt(view: LintView) -> Iterator[Remark]:
    """The difference that cfg makes larger is none: the picture is that of cfg 1, in twice the time."""
    for node in _sampled(view):
        one, other, cfg = node.given.get("positive"), node.given.get("negative"), node.values.get("cfg")
        if type(one) is Link and one == other and isinstance(cfg, int | float) and cfg != 1:
            message = f"positive and negative are the same prompt, so cfg {cfg:g} does nothing"
            yield Remark(node, message, "negative", "another negative prompt, or cfg 1")


_NEGATIVE = re.compile(r"\bneg(ative)?s?\b", re.IGNORECASE)
_POSITIVE = re.compile(r"\bpos(itive)?s?\b", re.IGNORECASE)


@rule("P103", "titles-swapped", Severity.WARNING, "Prompts are linked otherwise than their titles say.")
def titles_swapped(view: LintView) -> Iterator[Remark]:
    """A node called negative is linked to `positive`, and one called positive to `negative`."""
    for node in _sampled(view):
        one, other = node.source("positive"), node.source("negative")
        if one is None or other is None:
            continue
        said = [(bool(_POSITIVE.search(each.title)), bool(_NEGATIVE.search(each.title))) for each, _ in (one, other)]
        if said == [(False, True), (True, False)]:
            message = f'"{one[0].title}" is linked to positive, and "{other[0].title}" to negative'
            yield Remark(node, message, "positive", "link them the other way round")


@rule("P104", "never-comes", Severity.WARNING, "A change of a prompt schedule comes after the last step.")
def never_comes(view: LintView) -> Iterator[Remark]:
    """What it would bring is not in the picture. A number with a point is a share of the steps, one without a step."""
    for node in view.running():
        steps = node.values.get("steps")
        if node.class_type != "KSamplerPromptSchedule" or type(steps) is not int:
            continue
        for name in ("positive", "negative", "loras"):
            text = node.values.get(name)
            if not isinstance(text, str):
                continue
            try:
                loras = name == "loras"
                times = (
                    [when for each in parse_loras(text) for when, _ in each.strengths]
                    if loras
                    else parse_text(text).changes_at
                )
            except ScheduleError:
                continue  # that is an error, and said where the run is planned
            for when in times:
                if not when.comes(steps):
                    whole = f"{when.value:.0f}, without the point" if when.share and when.value % 1 == 0 else ""
                    message = f"the change at {when} never comes: the run has {steps} steps"
                    yield Remark(node, message, name, whole)


def _changes(name: str, text: str) -> Sequence[When]:
    """When a text or a table of LoRAs changes; never where it is none, which the plan of a run says."""
    try:
        if name == "loras":
            return [when for each in parse_loras(text) for when, _ in each.strengths]
        return parse_text(text).changes_at
    except ScheduleError:
        return ()


@rule("P105", "never-acts", Severity.WARNING, "What acts over a part of the steps begins at or after its end.")
def never_acts(view: LintView) -> Iterator[Remark]:
    """A ControlNet or a prompt with an empty range has no effect."""
    for node in view.running():
        for first, last in (("start_percent", "end_percent"), ("start", "end")):
            start, end = node.values.get(first), node.values.get(last)
            if not node.inputs >= {first, last} or not any(any(node.links(each)) for each in ("CONDITIONING", "MODEL")):
                continue
            if isinstance(start, int | float) and isinstance(end, int | float) and start >= end and not _is_off(node):
                message = f"acts from {start:g} to {end:g} of the way: never"
                yield Remark(node, message, first, f"a {first} below {last}")


def _is_off(node: LintNode) -> bool:
    """Whether a node is switched off by its strength."""
    return node.values.get("strength") == 0


# `[with:0.5]`, `[from:to:0.5]`, `[from:to:8]`; not `[16:9]`.
_SCHEDULE = re.compile(r"(?<!\\)\[[^\[\]|:]*:(?:[^\[\]|:]*:\s*(?:\d?\.\d+|\d{1,3})|\s*\d?\.\d+)\s*\]")


@rule("P106", "letters", Severity.WARNING, "A prompt schedule stands where nothing reads it as one.")
def letters(view: LintView) -> Iterator[Remark]:
    """Without --prompt-schedule, `[apple:rabbit:0.5]` is encoded letter by letter, as ComfyUI does it."""
    if getattr(view.settings, "prompt_schedule", False):
        return
    used = view.above(stage.node for stage in stages(view))
    for node in view.running():
        text = node.values.get("text") if node.class_type == "CLIPTextEncode" and node.node_id in used else None
        found = _SCHEDULE.search(text) if isinstance(text, str) else None
        if found is not None:
            fix = "--prompt-schedule, or KSamplerPromptSchedule"
            yield Remark(node, f"{found[0]!r} is no schedule here: its letters are encoded", "text", fix)


@rule("P107", "prompts-swapped", Severity.ERROR, "What one stage steers towards, the next one steers away from.")
def prompts_swapped(view: LintView) -> Iterator[Remark]:
    """Positive and negative are linked the other way round in one of the two."""
    for before, after, _ in pairs(view, changed=True):
        one, other = ([stage.node.given.get(name) for name in ("positive", "negative")] for stage in (before, after))
        if all(type(each) is Link for each in one) and one[0] != one[1] and one == other[::-1]:
            message = f"positive and negative are those of {before.name}, the other way round"
            yield Remark(after.node, message, "positive", "link them as there")


RULES = (negative_unused, one_prompt, titles_swapped, never_comes, never_acts, letters, prompts_swapped)
