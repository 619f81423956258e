"""Hooks: LoRAs and models that a prompt carries with it, with strengths that change over a run; and prompts set up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Output, Tooltip, node
from weft.engine.schema.sockets import Boolean, Combo, Float, Int, Socket
from weft.nodes.core.conditioning import Strength, require
from weft.nodes.core.loaders import embeddings_of, place
from weft.nodes.core.types import Clip, Conditioning, Mask, weights

if TYPE_CHECKING:
    from weft.nodes.diffusion.weights.hooks import Hooks as HookSet
    from weft.nodes.diffusion.weights.hooks import Keyframe
else:
    HookSet = Keyframe = Any

_MODULE = "comfy_extras.nodes_hooks"
_CREATE = "advanced/hooks/create"
_SCHEDULING = "advanced/hooks/scheduling"
_COMBINE = "advanced/hooks/combine"
_SINGLE, _PAIR = "advanced/hooks/cond single", "advanced/hooks/cond pair"

Hooks = Annotated[HookSet, Socket("HOOKS")]
"""Changes of weights, and how strong they are when."""

Keyframes = Annotated[tuple[Keyframe, ...], Socket("HOOK_KEYFRAMES")]
"""From when on a hook is how strong."""

TimestepsRange = Annotated[tuple[float, float], Socket("TIMESTEPS_RANGE")]
"""A stretch of a run, (start, end) as shares of the way from noise to image."""

HookStrength = Float(default=1.0, min=-20.0, max=20.0, step=0.01)
StrengthModel = Annotated[float, HookStrength, Tooltip("How strongly the diffusion model changes; may be negative.")]
StrengthClip = Annotated[
    float, HookStrength, Tooltip("How strongly text encoders change that have this hook (SetClipHooks).")
]
PrevHooks = Annotated[Hooks, Tooltip("Hooks that come before.")]
MoreHooks = Annotated[Hooks, Tooltip("Hooks.")]
PrevKeyframes = Annotated[Keyframes, Tooltip("Keyframes that this joins.")]
Percent = Float(default=0.0, min=0.0, max=1.0, step=0.001)
StartPercent = Annotated[float, Percent, Tooltip("Where it begins, as a share of the way from noise to image.")]
EndPercent = Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.001), Tooltip("Where it ends.")]
PrintKeyframes = Annotated[bool, Boolean(default=False), Tooltip("Tell the keyframes as a warning.")]

LORA = Tooltip("A file below the loras folders.")
CHECKPOINT = Tooltip("A file below the checkpoints folders, of the family of the model that it changes.")


def _with(prev_hooks: HookSet | None, change: Any, strength_model: float, strength_clip: float) -> HookSet:
    from weft.nodes.diffusion.weights.hooks import Hook, Hooks

    before = prev_hooks or Hooks()
    return before + Hooks((Hook(change, strength_model, strength_clip),)) if change is not None else before


@node(display_name="Create Hook LoRA", category=_CREATE, python_module=_MODULE, experimental=True)
def CreateHookLora(
    *,
    lora_name: Annotated[str, weights("loras"), LORA],
    strength_model: StrengthModel,
    strength_clip: StrengthClip,
    prev_hooks: PrevHooks | None = None,
    context: RunContext,
) -> Hooks:
    """A LoRA that prompts carry with them, instead of one that a model has throughout."""
    from weft.nodes.diffusion.weights.hooks import LoraChange
    from weft.nodes.diffusion.weights.lora import load_lora

    if strength_model == 0 and strength_clip == 0:
        return _with(prev_hooks, None, 0.0, 0.0)
    change = LoraChange(load_lora(context.folders.find("loras", lora_name)))
    return _with(prev_hooks, change, strength_model, strength_clip)


@node(display_name="Create Hook LoRA (MO)", category=_CREATE, python_module=_MODULE, experimental=True)
def CreateHookLoraModelOnly(
    *,
    lora_name: Annotated[str, weights("loras"), LORA],
    strength_model: StrengthModel,
    prev_hooks: PrevHooks | None = None,
    context: RunContext,
) -> Hooks:
    """A LoRA that prompts carry with them, for the diffusion model alone."""
    return CreateHookLora(
        lora_name=lora_name,
        strength_model=strength_model,
        strength_clip=0.0,
        prev_hooks=prev_hooks,
        context=context,
    )


@node(display_name="Create Hook Model as LoRA", category=_CREATE, python_module=_MODULE, experimental=True)
def CreateHookModelAsLora(
    *,
    ckpt_name: Annotated[str, weights("checkpoints"), CHECKPOINT],
    strength_model: StrengthModel,
    strength_clip: StrengthClip,
    prev_hooks: PrevHooks | None = None,
    context: RunContext,
) -> Hooks:
    """Another checkpoint as a LoRA: prompts carry with them what it has over the model that samples them."""
    from weft.nodes.diffusion.weights.checkpoint import load_checkpoint
    from weft.nodes.diffusion.weights.hooks import ModelChange

    where = place(context)
    loaded = load_checkpoint(
        context.folders.find("checkpoints", ckpt_name),
        device=where.memory,
        dtype=where.unet,
        text_dtype=where.text,
        vae_dtype=where.vae,
        embeddings=embeddings_of(context),
        warn=context.warn,
    )
    return _with(prev_hooks, ModelChange(loaded), strength_model, strength_clip)


@node(display_name="Create Hook Model as LoRA (MO)", category=_CREATE, python_module=_MODULE, experimental=True)
def CreateHookModelAsLoraModelOnly(
    *,
    ckpt_name: Annotated[str, weights("checkpoints"), CHECKPOINT],
    strength_model: StrengthModel,
    prev_hooks: PrevHooks | None = None,
    context: RunContext,
) -> Hooks:
    """Another checkpoint as a LoRA, for the diffusion model alone."""
    return CreateHookModelAsLora(
        ckpt_name=ckpt_name,
        strength_model=strength_model,
        strength_clip=0.0,
        prev_hooks=prev_hooks,
        context=context,
    )


@node(display_name="Set Hook Keyframes", category=_SCHEDULING, python_module=_MODULE, experimental=True)
def SetHookKeyframes(*, hooks: MoreHooks, hook_kf: Keyframes | None = None) -> Hooks:
    """Let the strengths of hooks go by keyframes.

    Args:
        hook_kf: The keyframes, in place of any that the hooks have; without them the hooks stay as they are.
    """
    return hooks if hook_kf is None else hooks.with_keyframes(hook_kf)


@node(display_name="Create Hook Keyframe", category=_SCHEDULING, python_module=_MODULE, experimental=True)
def CreateHookKeyframe(
    *,
    strength_mult: Annotated[float, HookStrength],
    start_percent: StartPercent,
    prev_hook_kf: PrevKeyframes | None = None,
) -> Annotated[Keyframes, Output("HOOK_KF")]:
    """A point from which on a hook is as strong as this says; it lasts one step at least.

    Args:
        strength_mult: What the hook's own strength is multiplied with; 0 switches it off.
    """
    from weft.nodes.diffusion.weights.hooks import Keyframe, in_order

    return in_order((*(prev_hook_kf or ()), Keyframe(strength_mult, start_percent)))


@node(display_name="Create Hook Keyframes Interp.", category=_SCHEDULING, python_module=_MODULE, experimental=True)
def CreateHookKeyframesInterpolated(
    *,
    strength_start: Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.001)],
    strength_end: Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.001)],
    interpolation: Annotated[str, Combo(("linear", "ease_in", "ease_out", "ease_in_out"))],
    start_percent: StartPercent,
    end_percent: EndPercent,
    keyframes_count: Annotated[int, Int(default=5, min=2, max=100, step=1)],
    print_keyframes: PrintKeyframes,
    prev_hook_kf: PrevKeyframes | None = None,
    context: RunContext,
) -> Annotated[Keyframes, Output("HOOK_KF")]:
    """Keyframes on the way from one strength to another.

    Args:
        strength_start: The factor of the first.
        strength_end: The factor of the last.
        interpolation: How the factor gets there: evenly, slowly at first, slowly at last, or both.
        keyframes_count: How many.
    """
    from weft.nodes.diffusion.weights.keyframes import eased

    strengths = eased(strength_start, strength_end, keyframes_count, interpolation)
    return _keyframes(strengths, start_percent, end_percent, prev_hook_kf, print_keyframes, context)


@node(display_name="Create Hook Keyframes From Floats", category=_SCHEDULING, python_module=_MODULE, experimental=True)
def CreateHookKeyframesFromFloats(
    *,
    floats_strength: Annotated[Any, Socket("FLOATS", default=-1, min=-1, step=0.001, forceInput=True)],
    start_percent: StartPercent,
    end_percent: EndPercent,
    print_keyframes: PrintKeyframes,
    prev_hook_kf: PrevKeyframes | None = None,
    context: RunContext,
) -> Annotated[Keyframes, Output("HOOK_KF")]:
    """Keyframes of given factors, evenly spread over a stretch of the run.

    Args:
        floats_strength: The factors, or one.
    """
    from weft.nodes.diffusion.weights.keyframes import numbers

    return _keyframes(numbers(floats_strength), start_percent, end_percent, prev_hook_kf, print_keyframes, context)


def _keyframes(
    strengths: Sequence[float],
    start: float,
    end: float,
    before: Sequence[Keyframe] | None,
    told: bool,
    context: RunContext,
) -> tuple[Keyframe, ...]:
    from weft.nodes.diffusion.weights.hooks import in_order
    from weft.nodes.diffusion.weights.keyframes import spread

    made = spread(strengths, start, end)
    if told:
        listed = ", ".join(f"{keyframe.strength:g} from {keyframe.start_percent:.1%}" for keyframe in made)
        context.warn(f"keyframes: {listed}")
    return in_order((*(before or ()), *made))


def _combined(*several: HookSet | None) -> HookSet | None:
    from weft.nodes.diffusion.weights.hooks import combined

    return combined(several)


@node(display_name="Combine Hooks [2]", category=_COMBINE, python_module=_MODULE, experimental=True)
def CombineHooks2(*, hooks_A: MoreHooks | None = None, hooks_B: MoreHooks | None = None) -> Hooks | None:
    """Several hooks as one; what stands in more than one of them counts once."""
    return _combined(hooks_A, hooks_B)


@node(display_name="Combine Hooks [4]", category=_COMBINE, python_module=_MODULE, experimental=True)
def CombineHooks4(
    *,
    hooks_A: MoreHooks | None = None,
    hooks_B: MoreHooks | None = None,
    hooks_C: MoreHooks | None = None,
    hooks_D: MoreHooks | None = None,
) -> Hooks | None:
    """Several hooks as one; what stands in more than one of them counts once."""
    return _combined(hooks_A, hooks_B, hooks_C, hooks_D)


@node(display_name="Combine Hooks [8]", category=_COMBINE, python_module=_MODULE, experimental=True)
def CombineHooks8(
    *,
    hooks_A: MoreHooks | None = None,
    hooks_B: MoreHooks | None = None,
    hooks_C: MoreHooks | None = None,
    hooks_D: MoreHooks | None = None,
    hooks_E: MoreHooks | None = None,
    hooks_F: MoreHooks | None = None,
    hooks_G: MoreHooks | None = None,
    hooks_H: MoreHooks | None = None,
) -> Hooks | None:
    """Several hooks as one; what stands in more than one of them counts once."""
    return _combined(hooks_A, hooks_B, hooks_C, hooks_D, hooks_E, hooks_F, hooks_G, hooks_H)


@node(display_name="Set CLIP Hooks", category="advanced/hooks/clip", python_module=_MODULE, experimental=True)
def SetClipHooks(
    *,
    clip: Clip,
    apply_to_conds: Annotated[bool, Boolean(default=True)],
    schedule_clip: Annotated[bool, Boolean(default=False)],
    hooks: MoreHooks | None = None,
) -> Clip:
    """Encode prompts with text encoders that hooks change.

    Args:
        clip: The text encoders.
        apply_to_conds: Let the prompts take the hooks along, so that they change the diffusion model too.
        schedule_clip: Encode a prompt anew for each keyframe; else once, at the strengths without keyframes.
    """
    from weft.nodes.diffusion.weights.hooks import ClipHooks

    given = require(clip, "text encoder")
    return given if hooks is None else given.with_hooks(ClipHooks(hooks, apply_to_conds, schedule_clip))


@node(display_name="Timesteps Range", category="advanced/hooks", python_module=_MODULE, experimental=True)
def ConditioningTimestepsRange(
    *, start_percent: StartPercent, end_percent: EndPercent
) -> tuple[
    Annotated[TimestepsRange, Output("TIMESTEPS_RANGE")],
    Annotated[TimestepsRange, Output("BEFORE_RANGE")],
    Annotated[TimestepsRange, Output("AFTER_RANGE")],
]:
    """A stretch of the run, and what lies before and after it."""
    return (start_percent, end_percent), (0.0, start_percent), (end_percent, 1.0)


AreaChoice = Annotated[
    str,
    Combo(("default", "mask bounds")),
    Tooltip("mask bounds predicts the box around the mask alone: faster, and blind to what is outside."),
]
MaskStrength = Annotated[Strength, Tooltip("How much it counts beside others where the mask is; of no effect without.")]
ForMask = Annotated[Mask, Tooltip("Where the new prompts act; resized to the picture.")]
ForHooks = Annotated[Hooks, Tooltip("What the new prompts take along, behind what they have.")]
ForTimesteps = Annotated[TimestepsRange, Tooltip("When the new prompts act.")]
New = Annotated[Conditioning, Tooltip("The prompts that are set up.")]
Prompts = Annotated[Conditioning, Tooltip("Prompts that stay as they are.")]
Rest = Annotated[Conditioning, Tooltip("Prompts that act where, and as much as, the others leave room.")]
Both = tuple[Annotated[Conditioning, Output("positive")], Annotated[Conditioning, Output("negative")]]


def _set_up(
    conditioning: Conditioning,
    strength: float,
    set_cond_area: str,
    mask: Mask | None,
    hooks: HookSet | None,
    timesteps: tuple[float, float] | None,
) -> Conditioning:
    from weft.nodes.diffusion.values.masks import as_masks
    from weft.nodes.diffusion.weights.hooks import with_hooks

    values: dict[str, Any] = {}
    if mask is not None:
        bounds = set_cond_area == "mask bounds"
        values |= {"mask": as_masks(mask), "set_area_to_bounds": bounds, "mask_strength": strength}
    if timesteps is not None:
        values |= {"start_percent": timesteps[0], "end_percent": timesteps[1]}
    return [[cond, {**with_hooks(options, hooks), **values}] for cond, options in conditioning]


def _rest(conditioning: Conditioning, hooks: HookSet | None) -> Conditioning:
    from weft.nodes.diffusion.weights.hooks import with_hooks

    return [[cond, {**with_hooks(options, hooks), "default": True}] for cond, options in conditioning]


@node(display_name="Cond Set Props", category=_SINGLE, python_module=_MODULE, experimental=True)
def ConditioningSetProperties(
    *,
    cond_NEW: New,
    strength: MaskStrength,
    set_cond_area: AreaChoice,
    mask: ForMask | None = None,
    hooks: ForHooks | None = None,
    timesteps: ForTimesteps | None = None,
) -> Conditioning:
    """Say where, when and with which hooks prompts act."""
    return _set_up(cond_NEW, strength, set_cond_area, mask, hooks, timesteps)


@node(display_name="Cond Set Props Combine", category=_SINGLE, python_module=_MODULE, experimental=True)
def ConditioningSetPropertiesAndCombine(
    *,
    cond: Prompts,
    cond_NEW: New,
    strength: MaskStrength,
    set_cond_area: AreaChoice,
    mask: ForMask | None = None,
    hooks: ForHooks | None = None,
    timesteps: ForTimesteps | None = None,
) -> Conditioning:
    """Say where, when and with which hooks prompts act, and put them beside others."""
    return [*cond, *_set_up(cond_NEW, strength, set_cond_area, mask, hooks, timesteps)]


@node(display_name="Cond Pair Set Props", category=_PAIR, python_module=_MODULE, experimental=True)
def PairConditioningSetProperties(
    *,
    positive_NEW: New,
    negative_NEW: New,
    strength: MaskStrength,
    set_cond_area: AreaChoice,
    mask: ForMask | None = None,
    hooks: ForHooks | None = None,
    timesteps: ForTimesteps | None = None,
) -> Both:
    """Say where, when and with which hooks prompts act, on both sides alike."""
    given = strength, set_cond_area, mask, hooks, timesteps
    return _set_up(positive_NEW, *given), _set_up(negative_NEW, *given)


@node(display_name="Cond Pair Set Props Combine", category=_PAIR, python_module=_MODULE, experimental=True)
def PairConditioningSetPropertiesAndCombine(
    *,
    positive: Prompts,
    negative: Prompts,
    positive_NEW: New,
    negative_NEW: New,
    strength: MaskStrength,
    set_cond_area: AreaChoice,
    mask: ForMask | None = None,
    hooks: ForHooks | None = None,
    timesteps: ForTimesteps | None = None,
) -> Both:
    """Say where, when and with which hooks prompts act, on both sides alike, and put them beside others."""
    given = strength, set_cond_area, mask, hooks, timesteps
    return [*positive, *_set_up(positive_NEW, *given)], [*negative, *_set_up(negative_NEW, *given)]


@node(display_name="Cond Set Default Combine", category=_SINGLE, python_module=_MODULE, experimental=True)
def ConditioningSetDefaultCombine(*, cond: Prompts, cond_DEFAULT: Rest, hooks: ForHooks | None = None) -> Conditioning:
    """Put prompts beside others, to act where the masks and areas of these leave room."""
    return [*cond, *_rest(cond_DEFAULT, hooks)]


@node(display_name="Cond Pair Set Default Combine", category=_PAIR, python_module=_MODULE, experimental=True)
def PairConditioningSetDefaultCombine(
    *,
    positive: Prompts,
    negative: Prompts,
    positive_DEFAULT: Rest,
    negative_DEFAULT: Rest,
    hooks: ForHooks | None = None,
) -> Both:
    """Put prompts beside others on both sides, to act where the masks and areas of these leave room."""
    return [*positive, *_rest(positive_DEFAULT, hooks)], [*negative, *_rest(negative_DEFAULT, hooks)]


@node(display_name="Cond Pair Combine", category=_PAIR, python_module=_MODULE, experimental=True)
def PairConditioningCombine(
    *, positive_A: Prompts, negative_A: Prompts, positive_B: Prompts, negative_B: Prompts
) -> Both:
    """Put prompts beside others on both sides."""
    return [*positive_A, *positive_B], [*negative_A, *negative_B]
