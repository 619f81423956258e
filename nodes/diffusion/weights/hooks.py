"""Hooks: changes of weights that a prompt carries with it, as strong as keyframes say at each noise level.

A conditioning entry has them under "hooks"; a sampler evaluates it with the model's weights changed by them, and other
entries without (sampling/hooked.py). The text encoders of a CLIP may have hooks as well: then prompts are encoded with
weights that they change. A hook adds itself behind the patches that model and text encoders have already, so that a
prompt whose hooks never change is sampled as one with the loaded LoRA is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from weft.nodes.diffusion.errors import PatchError
from weft.nodes.diffusion.weights.lora import apply_lora
from weft.nodes.diffusion.weights.merge import difference_of_clips, difference_of_models

if TYPE_CHECKING:
    from weft.nodes.diffusion.errors import Warn
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint
    from weft.nodes.diffusion.weights.lora import Lora
    from weft.nodes.diffusion.weights.patcher import ModelPatcher


class WeightChange(Protocol):
    """What a hook does to weights, with a strength other than 0."""

    def model(self, model: ModelPatcher, strength: float, warn: Warn) -> ModelPatcher:
        """A changed clone. warn: told of what is left out. Raises PatchError where it does not fit."""

    def clip(self, clip: Clip, strength: float) -> Clip:
        """Changed text encoders. Raises PatchError where it does not fit."""


@dataclass(frozen=True, eq=False)
class LoraChange:
    """A LoRA, put on as a loader puts it."""

    lora: Lora

    def model(self, model: ModelPatcher, strength: float, warn: Warn) -> ModelPatcher:
        """See WeightChange."""
        changed, _, report = apply_lora(model, None, self.lora, strength, 0.0)
        assert changed is not None
        if changed.kind != model.kind:
            raise PatchError(
                f"{self.lora.path.name!r} makes {model.kind.title} another model, {changed.kind.title}, which no hook "
                "can do: put it on the model (LoraLoaderModelOnly)"
            )
        for message in report.said(self.lora.path.name):
            warn(message)
        return changed

    def clip(self, clip: Clip, strength: float) -> Clip:
        """See WeightChange."""
        _, changed, _ = apply_lora(None, clip, self.lora, 0.0, strength)
        assert changed is not None
        return changed


@dataclass(frozen=True, eq=False)
class ModelChange:
    """Another checkpoint: what its weights have over those that the model was loaded with."""

    loaded: LoadedCheckpoint

    def model(self, model: ModelPatcher, strength: float, warn: Warn) -> ModelPatcher:
        """See WeightChange."""
        return difference_of_models(model, self.loaded.model, strength)

    def clip(self, clip: Clip, strength: float) -> Clip:
        """See WeightChange. A checkpoint without text encoders changes none."""
        return clip if self.loaded.clip is None else difference_of_clips(clip, self.loaded.clip, strength)


@dataclass(frozen=True)
class Keyframe:
    """From `start_percent` of the way from noise to image on, a hook's strength times `strength`.

    guaranteed: whether it acts for one step at least, and lets those behind it wait, where it begins within the run.
    """

    strength: float
    start_percent: float = 0.0
    guaranteed: bool = True


@dataclass(frozen=True, eq=False)
class Hook:
    """One change of weights, and how strong it is when. keyframes: the first to begin first; none for always."""

    change: WeightChange
    strength_model: float
    strength_clip: float
    keyframes: tuple[Keyframe, ...] = ()


@dataclass(frozen=True)
class Hooks:
    """The HOOKS socket: changes of weights, in the order in which they are made."""

    hooks: tuple[Hook, ...] = ()

    def __add__(self, other: Hooks) -> Hooks:
        """Both, each hook once."""
        return Hooks(tuple(dict.fromkeys((*self.hooks, *other.hooks))))

    def with_keyframes(self, keyframes: Sequence[Keyframe]) -> Hooks:
        """Hooks whose strengths go by these keyframes, and by no others."""
        ordered = in_order(keyframes)
        return Hooks(tuple(replace(hook, keyframes=ordered) for hook in self.hooks))


def in_order(keyframes: Iterable[Keyframe]) -> tuple[Keyframe, ...]:
    """The first to begin first; of those that begin together in the order given."""
    return tuple(sorted(keyframes, key=lambda keyframe: keyframe.start_percent))


def combined(several: Iterable[Hooks | None]) -> Hooks | None:
    """All hooks, each once; None where there are none."""
    total = sum((hooks for hooks in several if hooks is not None), Hooks())
    return total if total.hooks else None


def with_hooks(options: Mapping[str, Any], hooks: Hooks | None) -> dict[str, Any]:
    """The options of a conditioning entry with hooks behind those that it has."""
    both = combined((options.get("hooks"), hooks))
    return dict(options) if both is None else {**options, "hooks": both}


@dataclass(frozen=True)
class ClipHooks:
    """What a CLIP does with hooks.

    carried: whether prompts take them along to the sampler. scheduled: whether a prompt is encoded once for each
    stretch between keyframes, and each result acts in its stretch; else once, at the strengths without keyframes.
    """

    hooks: Hooks
    carried: bool
    scheduled: bool

    def encode(self, clip: Clip, encode: Callable[[Clip], list[list[Any]]]) -> list[list[Any]]:
        """What `encode` makes of the changed text encoders, for each stretch of the run."""
        made = []
        for start, end, strengths in self._stretches():
            changed = clip
            for hook, strength in zip(self.hooks.hooks, strengths, strict=True):
                changed = hook.change.clip(changed, strength) if strength else changed
            when = {"clip_start_percent": start, "clip_end_percent": end} if self.scheduled else {}
            for cond, options in encode(changed):
                carried = with_hooks(options, self.hooks) if self.carried else dict(options)
                made.append([cond, {**carried, **when}])
        return made

    def _stretches(self) -> list[tuple[float, float, tuple[float, ...]]]:
        """(start, end, the strength of each hook) from 0 to 1; neighbours of equal strengths are one."""
        if not self.scheduled:
            return [(0.0, 1.0, tuple(hook.strength_clip for hook in self.hooks.hooks))]
        starts = {keyframe.start_percent for hook in self.hooks.hooks for keyframe in hook.keyframes}
        found: list[tuple[float, tuple[float, ...]]] = []
        for start in sorted({0.0, *starts}):
            strengths = tuple(hook.strength_clip * _at(hook.keyframes, start) for hook in self.hooks.hooks)
            if not found or found[-1][1] != strengths:
                found.append((start, strengths))
        ends = [start for start, _ in found[1:]] + [1.0]
        return [(start, end, strengths) for (start, strengths), end in zip(found, ends, strict=True)]


def _at(keyframes: Sequence[Keyframe], percent: float) -> float:
    """The factor at a share of the way; before the first keyframe that one's."""
    if not keyframes:
        return 1.0
    return [keyframe for at, keyframe in enumerate(keyframes) if not at or keyframe.start_percent <= percent][
        -1
    ].strength
