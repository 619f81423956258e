"""Rules about noise: which stage adds it, which one leaves it, and what becomes of it in between."""

from __future__ import annotations

from collections.abc import Iterator

from weft.engine.linting.rules import Remark, Severity, rule
from weft.engine.linting.view import LintView
from weft.nodes.lint.pairs import Pair, pairs, setting, together
from weft.nodes.lint.stages import (
    LatentOrigin,
    SamplerStage,
    decoders,
    enlarged,
    goes_on,
    is_decoder,
    passage,
    stages,
)

LEFTOVER = "return_with_leftover_noise"


@rule("N101", "noise-dropped", Severity.ERROR, "A stage removes its noise, and the next one needs it.", fixes=True)
def noise_dropped(view: LintView) -> Iterator[Remark]:
    """The next stage finds no noise to make anything of: what comes out is the blurred state of the switch."""
    for pair in pairs(view):
        before, after, _ = pair
        if pair.noise_comes is not False or not before.stops_early or after.adds_noise is not False:
            continue
        if not pair.both_act:
            continue
        removes = f"stops at step {before.end} of {before.steps} and removes all noise"
        message = f"{removes}, and {after.name} goes on from there without adding any"
        if before.kind == "custom":
            yield Remark(before.node, message, None, "take its first output")
        else:
            edits = setting(before, LEFTOVER, "enable") if pair.alone else {}
            yield Remark(before.node, message, LEFTOVER, f"{LEFTOVER} enable", edits)


@rule("N102", "noise-twice", Severity.ERROR, "A stage adds noise to a latent that is noisy already.", fixes=True)
def noise_twice(view: LintView) -> Iterator[Remark]:
    """More noise than the schedule removes: the rest of it is in the picture."""
    for pair in pairs(view):
        before, after, _ = pair
        if not (pair.noise_comes and after.adds_noise and pair.both_act) or _means_start(pair):
            continue
        message = f"adds noise, and the latent from {before.name} still has that of step {before.end} of {before.steps}"
        if after.kind == "advanced":
            yield Remark(after.node, message, "add_noise", "add_noise disable", setting(after, "add_noise", "disable"))
        elif after.kind == "custom":
            name = "add_noise" if "add_noise" in after.node.inputs else "noise"
            yield Remark(after.node, message, name, "no noise here, or the stage before run to its end")
        else:
            fix = f"KSampler (Advanced) with add_noise disable and start_at_step {before.end}"
            yield Remark(after.node, message, None, fix)


@rule("N103", "restart", Severity.WARNING, "A stage removes its noise, and the next one adds other noise.", fixes=True)
def restart(view: LintView) -> Iterator[Remark]:
    """Both inputs are at their defaults. The second stage then draws over a blurred picture, and does not go on."""
    for pair in pairs(view):
        before, after, _ = pair
        advanced = before.kind == after.kind == "advanced" and pair.known and pair.one_schedule
        if not advanced or not before.stops_early or pair.noise_comes is not False or not after.adds_noise:
            continue
        if after.start == before.end and not pair.masked:
            message = f"adds noise at step {after.start}, where {before.name} has removed what there was"
            fix = f"{LEFTOVER} enable there, add_noise disable here"
            edits = together(setting(before, LEFTOVER, "enable"), setting(after, "add_noise", "disable"))
            yield Remark(after.node, message, "add_noise", fix, edits if pair.alone else {})


@rule("N104", "begins-anew", Severity.WARNING, "A stage begins with pure noise, and forgets what came before.")
def begins_anew(view: LintView) -> Iterator[Remark]:
    """Of the stage before nothing is left but the size: its work was for nothing. What a mask protects does stay."""
    for pair in pairs(view, changed=True):
        before, after, _ = pair
        if not after.adds_noise or after.start != 0 or not pair.both_act or pair.noise_comes or pair.masked:
            continue
        name, less = _later(after)
        yield Remark(after.node, f"begins with pure noise: of what {before.name} gives nothing is left", name, less)


def _later(stage: SamplerStage) -> tuple[str | None, str]:
    """The input by which a stage begins later, and what to say of it."""
    if stage.kind == "plain":
        return "denoise", "a denoise below 1"
    return ("start_at_step" if stage.kind == "advanced" else None), "a later start"


@rule("N105", "denoise-for-start", Severity.ERROR, "`denoise` stands where a start was meant.")
def denoise_for_start(view: LintView) -> Iterator[Remark]:
    """denoise 0.75 of 20 steps is not the last 15 of 20, but 20 of 26, and adds noise to what is noisy already."""
    for pair in pairs(view):
        before, after, _ = pair
        if not _means_start(pair):
            continue
        ran, denoise = after.node.values["steps"], after.node.values["denoise"]
        message = (
            f"denoise {denoise:g} of {ran} steps is steps {after.start} to {after.steps} of {after.steps}, with noise "
            f"added, and {before.name} stops at step {before.end} of {before.steps}"
        )
        fix = f"KSampler (Advanced) with steps {before.steps}, start_at_step {before.end}, add_noise disable"
        yield Remark(after.node, message, "denoise", fix)


def _means_start(pair: Pair) -> bool:
    """Whether a KSampler with denoise goes on where a stage has stopped before its end."""
    before, after, _ = pair
    denoise = after.node.values.get("denoise")
    if after.kind != "plain" or not before.stops_early or not isinstance(denoise, int | float) or not 0 < denoise < 1:
        return False
    rest = 1 - (before.end or 0) / (before.steps or 1)
    return pair.known and (pair.noise_comes is True or abs(denoise - rest) < 0.006)


@rule("N106", "unfinished", Severity.ERROR, "A picture is made of a latent with noise in it.", fixes=True)
def unfinished(view: LintView) -> Iterator[Remark]:
    """The noise is in the picture. Where another stage goes on, it is a look at the state between, and no finding."""
    for stage in stages(view):
        slot = _latent(stage)
        if not stage.leaves_noise or stage.is_empty or goes_on(stage.node, slot):
            continue
        decoder = stage.node if _decodes(stage) else next(decoders(stage.node, slot), None)
        if decoder is None:
            continue
        who = "" if decoder is stage.node else f'node {decoder.node_id} "{decoder.title}" '
        message = f"ends at step {stage.end} of {stage.steps}, and {who}decodes it with the noise that is left"
        if stage.kind == "advanced":
            fix = f"{LEFTOVER} disable, or an end_at_step at the end"
            yield Remark(stage.node, message, LEFTOVER, fix, setting(stage, LEFTOVER, "disable"))
        else:
            yield Remark(stage.node, message, None, "a schedule that goes to its end")


def _latent(stage: SamplerStage) -> int:
    """The output slot of a stage that has the latent."""
    return _slot(stage, "LATENT") or 0


def _decodes(stage: SamplerStage) -> bool:
    """Whether a stage makes a picture of its latent itself, as those of the Efficiency nodes do, and it is taken."""
    slot = _slot(stage, "IMAGE")
    return slot is not None and is_decoder(stage.node) and bool(stage.node.readers(slot))


def _slot(stage: SamplerStage, io_type: str) -> int | None:
    outputs = stage.node.schema.outputs if stage.node.schema is not None else ()
    return next((slot for slot, output in enumerate(outputs) if output.io_type == io_type), None)


@rule("N107", "no-noise", Severity.ERROR, "A stage adds no noise to a latent that has none.", fixes=True)
def no_noise(view: LintView) -> Iterator[Remark]:
    """There is nothing to draw from: every seed gives one and the same picture."""
    known = list(stages(view))
    for stage in known:
        way = passage(stage)
        empty = way.origin is LatentOrigin.EMPTY
        # From a later step on, a picture without noise is only smoothed: that may be meant.
        clean = empty or (stage.start == 0 and way.source is not None and way.is_clean)
        if stage.adds_noise is not False or stage.is_empty or not clean:
            continue
        origin = (
            "is empty" if empty or way.source is None else f'comes from node {way.source.node_id} "{way.source.title}"'
        )
        message = f"adds no noise, and its latent {origin}"
        other = next((one for one in known if one.leaves_noise and stage.start and one.end == stage.start), None)
        if other is not None:
            fix = f"was the latent of {other.name} meant, which ends at step {other.end}?"
            yield Remark(stage.node, message, "latent_image", fix)
        else:
            edits = setting(stage, "add_noise", "enable") if stage.start == 0 else {}
            name = "add_noise" if "add_noise" in stage.node.inputs else "noise"
            yield Remark(stage.node, message, name, "add_noise enable" if name == "add_noise" else "noise", edits)


@rule("N108", "late-start", Severity.WARNING, "An empty latent is sampled from the middle of a schedule.", fixes=True)
def late_start(view: LintView) -> Iterator[Remark]:
    """Where noise should be alone, grey shows through it: the picture is flat and dull."""
    for stage in stages(view):
        way = passage(stage)
        if (
            way.origin is not LatentOrigin.EMPTY
            or not stage.adds_noise
            or not stage.start
            or stage.is_empty
            or way.masked
        ):
            continue
        message = f"begins at step {stage.start} of {stage.steps}, and its latent is empty: grey shows through"
        if stage.kind == "plain":
            edits = {(stage.node.node_id, "denoise"): 1.0} if stage.node.typed("denoise") else {}
            yield Remark(stage.node, message, "denoise", "denoise 1", edits)
        elif stage.kind == "advanced":
            yield Remark(stage.node, message, "start_at_step", "start_at_step 0", setting(stage, "start_at_step", 0))
        else:
            yield Remark(stage.node, message, None, "the whole schedule")


@rule("N109", "noise-resized", Severity.WARNING, "A latent is resized with noise in it.", fixes=True)
def noise_resized(view: LintView) -> Iterator[Remark]:
    """Resized noise is none any more: neighbours are alike in it, and a sampler draws blotches of them."""
    for pair in pairs(view, changed=True):
        before, after, way = pair
        node = enlarged(way)
        if node is None or not pair.noise_comes or not pair.both_act:
            continue
        message = f"resizes a latent in which {before.name} has left the noise of step {before.end} of {before.steps}"
        edits = setting(before, LEFTOVER, "disable") if after.adds_noise and pair.alone else {}
        yield Remark(node, message, None, f"{LEFTOVER} disable before it, noise again after it", edits)


@rule("N110", "mask-without-noise", Severity.WARNING, "A mask acts in a stage that adds no noise.")
def mask_without_noise(view: LintView) -> Iterator[Remark]:
    """At every step, what a mask protects is put back as it came: where no noise is added, with what was left in it."""
    for pair in pairs(view, changed=True):
        before, after, _ = pair
        if pair.noise_comes and after.adds_noise is False and pair.both_act and pair.masked:
            message = f"the mask protects the latent as it came from {before.name}, with the noise that is in it"
            fix = "sample under the mask in one stage, or put the original back at the end"
            yield Remark(after.node, message, "latent_image", fix)


RULES = (
    noise_dropped, noise_twice, restart, begins_anew, denoise_for_start, unfinished, no_noise, late_start,
    noise_resized, mask_without_noise,
)  # fmt: skip
