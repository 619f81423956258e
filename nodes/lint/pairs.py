"""Two stages of which one goes on from the other: what is known of both together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from weft.engine.linting.view import LintView
from weft.nodes.lint.stages import Passage, SamplerStage, is_masked, passage, stages

Edits = Mapping[tuple[str, str], Any]


class Pair(NamedTuple):
    """A stage, the one that it goes on from, and the way of the latent between them."""

    before: SamplerStage
    after: SamplerStage
    way: Passage

    @property
    def noise_comes(self) -> bool | None:
        """Whether the latent that comes is noisy; None where that is not known."""
        denoised = self.before.kind == "custom" and self.way.slot == 1
        return False if denoised else self.before.leaves_noise

    @property
    def known(self) -> bool:
        """Whether it is known where both begin and end, and both do something."""
        ends = (self.before.start, self.before.end, self.after.start, self.after.end)
        return None not in ends and self.both_act

    @property
    def both_act(self) -> bool:
        """Whether neither is known to do no step."""
        return not self.before.is_empty and not self.after.is_empty

    @property
    def same_steps(self) -> bool:
        """Whether both are known to have schedules of the same length."""
        return self.before.steps is not None and self.before.steps == self.after.steps

    @property
    def meets(self) -> bool:
        """Whether the second starts at the share of the way at which the first ends, as near as steps let it."""
        one, other = self.before.steps or 1, self.after.steps or 1
        apart = (self.before.end or 0) / one - (self.after.start or 0) / other
        return self.known and abs(apart) <= 0.5 / max(one, other)

    @property
    def one_schedule(self) -> bool:
        """Whether both are known to run on the same noise levels."""
        return self.same_steps and self.before.course == self.after.course and self.before.course is not None

    @property
    def goes_on(self) -> bool:
        """Whether the two are one run in two parts."""
        meet = self.known and self.before.end == self.after.start
        return meet and self.one_schedule and self.after.adds_noise is False and self.noise_comes is True

    @property
    def alone(self) -> bool:
        """Whether nothing else takes what the first one gives."""
        between = all(len(node.readers()) == 1 for node in self.way.between)
        return between and len(self.before.node.readers(self.way.slot)) == 1

    @property
    def masked(self) -> bool:
        """Whether a mask comes with the latent, by any of the stages before."""
        return is_masked(self.after)


def pairs(view: LintView, *, changed: bool = False) -> Iterator[Pair]:
    """The stages that go on from another one; those too, if asked for, whose latent is made another on the way."""
    for stage in stages(view):
        way = passage(stage)
        if way.before is not None and (changed or not way.changed):
            yield Pair(way.before, stage, way)


def place_of(stage: SamplerStage, name: str) -> str:
    """The input that says what KSampler (Advanced) says by `name`: samplers that take sigmas are told by these."""
    return "sigmas" if stage.kind == "custom" else name


def setting(stage: SamplerStage, name: str, value: Any) -> Edits:
    """The edit that gives an input of KSampler (Advanced), or its like, another value; none where it is linked."""
    return {(stage.node.node_id, name): value} if stage.kind == "advanced" and stage.node.typed(name) else {}


def together(*edits: Edits) -> Edits:
    """Several edits as one; none where one of them cannot be made."""
    return {key: value for each in edits for key, value in each.items()} if all(edits) else {}
