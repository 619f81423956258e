"""The samplers of a prompt as stages, and what lies between one and the stage before it.

A node is told by its inputs, not by its name: whatever takes a latent, a start and an end is a stage like KSampler
(Advanced), those of the Efficiency nodes and of packs among them.

What is known: None stands for what is decided only in the run. Where a stage's steps, or what is on the way from one to
the next, are not known, no rule speaks of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from weft.engine.linting.view import LintNode, LintView
from weft.nodes.core.trajectories import ForetoldSigmas

ADVANCED = frozenset(
    ("latent_image", "steps", "add_noise", "start_at_step", "end_at_step", "return_with_leftover_noise")
)
PLAIN = frozenset(("latent_image", "steps", "denoise", "seed", "sampler_name", "scheduler"))
REFINED = frozenset(("latent_image", "steps", "start_at_step", "refine_at_step"))
CUSTOM = frozenset(("latent_image", "sampler", "sigmas"))
"""The inputs by which kinds of samplers are told."""

TO_THE_END = 1000
"""An end_at_step from here on is the way to say: to the end."""


@dataclass(frozen=True)
class SamplerStage:
    """A sampler, and the stretch of a schedule that it runs: steps `start` to `end` of `steps`.

    adds_noise: whether it noises its latent first. leaves_noise: whether noise is left in what it gives, as it is set.
    course: what its noise levels are made from, but for their number; two of one course and number are equal.
    """

    node: LintNode
    kind: str
    steps: int | None = None
    start: int | None = None
    end: int | None = None
    adds_noise: bool | None = None
    leaves_noise: bool | None = None
    course: Any = None
    sampler: str | None = None

    @property
    def stops_early(self) -> bool:
        """Whether it ends before the end of its schedule, as far as is known."""
        return self.end is not None and self.steps is not None and self.end < self.steps

    @property
    def is_empty(self) -> bool:
        """Whether it is known to do no step."""
        return self.start is not None and self.end is not None and self.start >= self.end

    @property
    def span(self) -> str:
        """`steps 0 to 8 of 20`."""
        return f"steps {self.start} to {self.end} of {self.steps}"

    @property
    def name(self) -> str:
        """`node 6 "first"`."""
        return f'node {self.node.node_id} "{self.node.title}"'


class LatentOrigin(Enum):
    """What the latent of a stage comes from."""

    STAGE = auto()
    EMPTY = auto()
    PICTURE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class Passage:
    """The way of a latent to a stage: where it begins, the nodes that it passes, and whether they leave it as it is."""

    origin: LatentOrigin
    source: LintNode | None = None
    before: SamplerStage | None = None
    slot: int = 0
    between: tuple[LintNode, ...] = ()
    changed: tuple[LintNode, ...] = ()
    masked: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether the latent begins without noise: empty, of a picture, or made by a node with a VAE, as for videos."""
        known = self.origin in (LatentOrigin.EMPTY, LatentOrigin.PICTURE)
        return known or (self.before is None and self.source is not None and "vae" in self.source.inputs)


def stage_of(node: LintNode) -> SamplerStage | None:
    """The stage that a node is; None for a node that samples nothing, or in a way that is not known."""
    if "stage" not in node.known:
        node.known["stage"] = _read(node)
    found: SamplerStage | None = node.known["stage"]
    return found


def _read(node: LintNode) -> SamplerStage | None:
    inputs = node.inputs
    if inputs >= ADVANCED:
        return _advanced(node)
    if inputs >= REFINED:
        return _refined(node)
    if inputs >= PLAIN:
        return _plain(node)
    return _custom(node) if inputs >= CUSTOM else None


def stages(view: LintView) -> Iterator[SamplerStage]:
    """The stages of the nodes that run."""
    return (stage for node in view.running() if (stage := stage_of(node)) is not None)


def passage(stage: SamplerStage) -> Passage:
    """Where the latent of a stage comes from."""
    known = stage.node.known
    if "passage" not in known:
        known["passage"] = _followed(stage)
    found: Passage = known["passage"]
    return found


def is_masked(stage: SamplerStage) -> bool:
    """Whether a mask comes with the latent of a stage, by any of the stages before."""
    chain: dict[str, SamplerStage] = {}
    masked = False
    current: SamplerStage | None = stage
    while current is not None and current.node.node_id not in chain:
        masked = passage(current).masked or current.node.known.get("masked", False)
        if masked or "masked" in current.node.known:
            break
        chain[current.node.node_id] = current
        current = passage(current).before
    for each in chain.values():
        each.node.known["masked"] = masked
    return masked


def _followed(stage: SamplerStage) -> Passage:
    between: list[LintNode] = []
    changed: list[LintNode] = []
    masked = False
    found = stage.node.source("latent_image")
    while found is not None and found[0] not in (stage.node, *between):
        node, slot = found
        if node.output(slot) not in ("LATENT", "*", ""):
            break
        before = stage_of(node)
        if before is not None:
            return Passage(LatentOrigin.STAGE, node, before, slot, tuple(between), tuple(changed), masked)
        if is_empty(node, slot):
            return Passage(LatentOrigin.EMPTY, node, None, slot, tuple(between), tuple(changed), masked)
        way = PASSED.get(node.class_type) or CHANGED.get(node.class_type)
        if way is None:
            masked = masked or any(True for _ in node.links("MASK"))
            origin = LatentOrigin.PICTURE if _encodes(node) else LatentOrigin.UNKNOWN
            return Passage(origin, node, None, slot, tuple(between), tuple(changed), masked)
        between.append(node)
        masked = masked or any(True for _ in node.links("MASK"))
        if node.class_type in CHANGED:
            changed.append(node)
        found = node.source(way)
    return Passage(LatentOrigin.UNKNOWN, None, None, 0, tuple(between), tuple(changed), masked)


PASSED: Mapping[str, str] = {
    "SetLatentNoiseMask": "samples",
    "RepeatLatentBatch": "samples",
    "LatentFromBatch": "samples",
    "LatentBatchSeedBehavior": "samples",
    "RebatchLatents": "latents",
    "LatentCrop": "samples",
    "LatentFlip": "samples",
    "LatentRotate": "samples",
    "TrimVideoLatent": "samples",
}
"""Classes that pass a latent on with the noise that is in it, and by which input: turned or cut, it is as noisy."""

CHANGED: Mapping[str, str] = {
    "LatentUpscale": "samples",
    "LatentUpscaleBy": "samples",
    "NNLatentUpscale": "latent",
    "LatentApplyOperation": "samples",
    "LatentMultiply": "samples",
}
"""Classes that pass on another latent: noise that was in it is no longer what a sampler expects."""

_ENLARGED = ("LatentUpscale", "LatentUpscaleBy", "NNLatentUpscale")


def enlarged(way: Passage) -> LintNode | None:
    """The node on the way that resizes the latent, if one does."""
    return next((node for node in way.changed if node.class_type in _ENLARGED), None)


_EMPTY = ("SDXL Empty Latent Image (rgthree)", "Efficient Loader", "Eff. Loader SDXL")
_FED = ("LATENT", "IMAGE", "VIDEO", "AUDIO", "MASK")


def is_empty(node: LintNode, slot: int) -> bool:
    """Whether an output is a latent with nothing in it."""
    if node.output(slot) != "LATENT":
        return False
    named = node.class_type.startswith("Empty") or "_Empty" in node.class_type or node.class_type in _EMPTY
    return named and not any(True for io_type in _FED for _ in node.links(io_type))


def _encodes(node: LintNode) -> bool:
    """Whether a node makes a latent of a picture, and nothing else of it."""
    return node.inputs >= {"pixels", "vae"} and node.schema is not None and len(node.schema.outputs) == 1


def is_decoder(node: LintNode) -> bool:
    """Whether a node makes a picture of a latent."""
    outputs = node.schema.outputs if node.schema is not None else ()
    return any(output.io_type == "IMAGE" for output in outputs) and any(True for _ in node.links("VAE"))


def takers(node: LintNode, slot: int) -> Iterator[tuple[LintNode, str]]:
    """What takes an output, and by which input; for a node that passes a latent on, what takes it from there."""
    todo = list(node.readers(slot))
    seen: set[str] = set()
    while todo:
        reader, name = todo.pop(0)
        if PASSED.get(reader.class_type) != name:
            yield reader, name
        elif reader.node_id not in seen:
            seen.add(reader.node_id)
            todo += reader.readers(0)


def decoders(node: LintNode, slot: int) -> Iterator[LintNode]:
    """The nodes that decode an output, also through nodes that pass a latent on."""
    for reader, name in takers(node, slot):
        if is_decoder(reader) and stage_of(reader) is None and name in set(reader.links("LATENT")):
            yield reader


def goes_on(node: LintNode, slot: int) -> bool:
    """Whether anything but decoders, and nodes that give nothing, takes an output."""
    return any(
        reader.schema is None or stage_of(reader) is not None or (reader.schema.outputs and not is_decoder(reader))
        for reader, _ in takers(node, slot)
    )


def _whole(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _switch(value: Any) -> bool | None:
    return (
        {"enable": True, "disable": False, True: True, False: False}.get(value)
        if isinstance(value, str | bool)
        else None
    )


def _course(node: LintNode) -> str | None:
    return _word(node.values.get("scheduler"))


def _advanced(node: LintNode) -> SamplerStage:
    said = node.values
    steps, end = _whole(said.get("steps")), _whole(said.get("end_at_step"))
    stop = end if end is None or steps is None else min(end, steps)
    early = None if steps is None or end is None else end < steps
    leaves = _and(_switch(said.get("return_with_leftover_noise")), early)
    return SamplerStage(
        node,
        "advanced",
        steps=steps,
        start=_whole(said.get("start_at_step")),
        end=stop,
        adds_noise=_switch(said.get("add_noise")),
        leaves_noise=None
        if "script" in node.given
        else _and(leaves, None if steps is None or end is None else end < steps),
        course=_course(node),
        sampler=_word(said.get("sampler_name")),
    )


def _and(one: bool | None, other: bool | None) -> bool | None:
    """Both, where one that is not known is decided by the other only if that is False."""
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _refined(node: LintNode) -> SamplerStage:
    steps = _whole(node.values.get("steps"))
    return SamplerStage(
        node,
        "refined",
        steps=steps,
        start=_whole(node.values.get("start_at_step")),
        end=steps,
        adds_noise=True,
        leaves_noise=None if "script" in node.given else False,
        course=_course(node),
        sampler=_word(node.values.get("sampler_name")),
    )


_LEAST = 1e-6
"""A denoise below it asks for a schedule that nobody can make."""


def _plain(node: LintNode) -> SamplerStage:
    said = node.values
    steps, denoise = _whole(said.get("steps")), said.get("denoise")
    known: dict[str, Any] = {"course": _course(node), "sampler": _word(said.get("sampler_name"))}
    known |= {"adds_noise": True, "leaves_noise": False}
    if steps is not None and isinstance(denoise, int | float) and (denoise <= 0.0 or denoise > _LEAST):
        # As in KSampler: the last `steps` steps of a schedule of steps / denoise.
        whole = steps if denoise > 0.9999 else int(steps / denoise) if denoise > 0.0 else 0
        known |= {"steps": whole, "start": max(0, whole - steps), "end": whole}
    return SamplerStage(node, "plain", **known)


def _custom(node: LintNode) -> SamplerStage:
    levels = node.foretold.foretold.get("sigmas")
    adds = _switch(node.values.get("add_noise")) if "add_noise" in node.inputs else _noise_of(node)
    known: dict[str, Any] = {"adds_noise": adds, "sampler": _word(node.values.get("sampler"))}
    if not isinstance(levels, ForetoldSigmas):
        return SamplerStage(node, "custom", **known)
    early = levels.steps.stop < levels.length or not levels.to_zero
    known |= {"steps": levels.length, "start": levels.steps.start, "end": levels.steps.stop, "leaves_noise": early}
    return SamplerStage(node, "custom", **known, course=_course_of(levels.whole))


def _noise_of(node: LintNode) -> bool | None:
    found = node.source("noise")
    if found is None:
        return None
    return {"DisableNoise": False, "RandomNoise": True}.get(found[0].class_type)


def _course_of(whole: Any) -> Any:
    """What tells a schedule from others, but for the model that it is made for: two stages may have one each.

    Of BasicScheduler, the name of its schedule, as KSampler has it.
    """
    if isinstance(whole, list) and whole[:1] == ["basic"]:
        return whole[2]
    return tuple(each for each in whole if type(each) is not bytes) if isinstance(whole, list) else whole
