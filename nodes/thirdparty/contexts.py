"""rgthree-comfy's contexts: what several nodes share, in one link."""

from __future__ import annotations

from typing import Annotated, Any

from weft.engine.schema.authoring import Output, Tooltip
from weft.engine.schema.sockets import Float, Int, Socket, String
from weft.nodes.core.types import (
    Clip,
    Conditioning,
    ControlNet,
    Image,
    Latent,
    Mask,
    Model,
    SamplerName,
    SchedulerName,
    Vae,
)
from weft.nodes.thirdparty.face import marker

node = marker("rgthree-comfy", "rgthree")

_KEPT = Tooltip("Takes the place of what the context has of it.")
Context = Annotated[
    dict[str, Any], Socket("RGTHREE_CONTEXT"), Tooltip("A context; what is linked beside it comes first.")
]
CtxModel = Annotated[Model, _KEPT]
CtxClip = Annotated[Clip, _KEPT]
CtxVae = Annotated[Vae, _KEPT]
CtxConditioning = Annotated[Conditioning, _KEPT]
CtxLatent = Annotated[Latent, _KEPT]
CtxImages = Annotated[Image, _KEPT]
CtxInt = Annotated[int, Int(forceInput=True), _KEPT]
CtxFloat = Annotated[float, Float(forceInput=True), _KEPT]
CtxText = Annotated[str, String(forceInput=True), _KEPT]
CtxAny = Annotated[Any, Socket("*"), _KEPT]
CtxMask = Annotated[Mask, _KEPT]
CtxControlNet = Annotated[ControlNet, _KEPT]

_SMALL = ("model", "clip", "vae", "positive", "negative", "latent", "images", "seed")
_BIG = (
    *_SMALL,
    *("steps", "step_refiner", "cfg", "ckpt_name", "sampler", "scheduler", "clip_width", "clip_height"),
    *("text_pos_g", "text_pos_l", "text_neg_g", "text_neg_l", "mask", "control_net"),
)

OutContext = Annotated[dict[str, Any], Socket("RGTHREE_CONTEXT"), Output("CONTEXT")]
OutModel = Annotated[Model, Output("MODEL")]
OutClip = Annotated[Clip, Output("CLIP")]
OutVae = Annotated[Vae, Output("VAE")]
OutPositive = Annotated[Conditioning, Output("POSITIVE")]
OutNegative = Annotated[Conditioning, Output("NEGATIVE")]
OutLatent = Annotated[Latent, Output("LATENT")]
OutImage = Annotated[Image, Output("IMAGE")]
OutSeed = Annotated[int, Int(), Output("SEED")]
Small = tuple[OutContext, OutModel, OutClip, OutVae, OutPositive, OutNegative, OutLatent, OutImage, OutSeed]
Big = tuple[
    OutContext,
    OutModel,
    OutClip,
    OutVae,
    OutPositive,
    OutNegative,
    OutLatent,
    OutImage,
    OutSeed,
    Annotated[int, Int(), Output("STEPS")],
    Annotated[int, Int(), Output("STEP_REFINER")],
    Annotated[float, Float(), Output("CFG")],
    Annotated[Any, Socket("*"), Output("CKPT_NAME")],
    Annotated[SamplerName, Output("SAMPLER")],
    Annotated[SchedulerName, Output("SCHEDULER")],
    Annotated[int, Int(), Output("CLIP_WIDTH")],
    Annotated[int, Int(), Output("CLIP_HEIGHT")],
    Annotated[str, String(), Output("TEXT_POS_G")],
    Annotated[str, String(), Output("TEXT_POS_L")],
    Annotated[str, String(), Output("TEXT_NEG_G")],
    Annotated[str, String(), Output("TEXT_NEG_L")],
    Annotated[Mask, Output("MASK")],
    Annotated[ControlNet, Output("CONTROL_NET")],
]


def _made(base: Any, given: dict[str, Any], names: tuple[str, ...]) -> Any:
    """A context of what is given, else what the one before has, and its parts."""
    context = {**(base or {}), **{name: value for name, value in given.items() if value is not None}}
    return (context, *(context.get(name) for name in names))


@node(class_type="Context (rgthree)")
def ContextSmall(
    *,
    base_ctx: Context | None = None,
    model: CtxModel | None = None,
    clip: CtxClip | None = None,
    vae: CtxVae | None = None,
    positive: CtxConditioning | None = None,
    negative: CtxConditioning | None = None,
    latent: CtxLatent | None = None,
    images: CtxImages | None = None,
    seed: CtxInt | None = None,
) -> Small:
    """Put what several nodes share into one link, and take it out again."""
    given = {"model": model, "clip": clip, "vae": vae, "positive": positive, "negative": negative}
    return _made(base_ctx, given | {"latent": latent, "images": images, "seed": seed}, _SMALL)


@node(class_type="Context Big (rgthree)")
def ContextBig(
    *,
    base_ctx: Context | None = None,
    model: CtxModel | None = None,
    clip: CtxClip | None = None,
    vae: CtxVae | None = None,
    positive: CtxConditioning | None = None,
    negative: CtxConditioning | None = None,
    latent: CtxLatent | None = None,
    images: CtxImages | None = None,
    seed: CtxInt | None = None,
    steps: CtxInt | None = None,
    step_refiner: CtxInt | None = None,
    cfg: CtxFloat | None = None,
    ckpt_name: CtxAny | None = None,
    sampler: CtxAny | None = None,
    scheduler: CtxAny | None = None,
    clip_width: CtxInt | None = None,
    clip_height: CtxInt | None = None,
    text_pos_g: CtxText | None = None,
    text_pos_l: CtxText | None = None,
    text_neg_g: CtxText | None = None,
    text_neg_l: CtxText | None = None,
    mask: CtxMask | None = None,
    control_net: CtxControlNet | None = None,
) -> Big:
    """Put what several nodes share into one link, and take it out again; more than Context has."""
    given = dict(locals())
    return _made(base_ctx, {name: given[name] for name in _BIG}, _BIG)


def _first(*contexts: Any) -> Any:
    """The first context that has something in it."""
    return next((each for each in contexts if each and any(value is not None for value in each.values())), None)


def _merged(*contexts: Any) -> dict[str, Any]:
    """All contexts as one: of what several have, the last one's."""
    return {name: value for each in contexts for name, value in (each or {}).items() if value is not None}


@node(class_type="Context Switch (rgthree)")
def ContextSwitch(
    *,
    ctx_01: Context | None = None,
    ctx_02: Context | None = None,
    ctx_03: Context | None = None,
    ctx_04: Context | None = None,
    ctx_05: Context | None = None,
    **rest: Any,
) -> Small:
    """The first context that is linked, not muted and not empty, and its parts."""
    more = (rest[name] for name in sorted(rest))
    return _made(_first(ctx_01, ctx_02, ctx_03, ctx_04, ctx_05, *more), {}, _SMALL)


@node(class_type="Context Switch Big (rgthree)")
def ContextSwitchBig(
    *,
    ctx_01: Context | None = None,
    ctx_02: Context | None = None,
    ctx_03: Context | None = None,
    ctx_04: Context | None = None,
    ctx_05: Context | None = None,
    **rest: Any,
) -> Big:
    """The first context that is linked, not muted and not empty, and its parts; more than Context Switch has."""
    more = (rest[name] for name in sorted(rest))
    return _made(_first(ctx_01, ctx_02, ctx_03, ctx_04, ctx_05, *more), {}, _BIG)


@node(class_type="Context Merge (rgthree)")
def ContextMerge(
    *,
    ctx_01: Context | None = None,
    ctx_02: Context | None = None,
    ctx_03: Context | None = None,
    ctx_04: Context | None = None,
    ctx_05: Context | None = None,
    **rest: Any,
) -> Small:
    """Several contexts as one: of what more than one has, the last one's."""
    more = (rest[name] for name in sorted(rest))
    return _made(_merged(ctx_01, ctx_02, ctx_03, ctx_04, ctx_05, *more), {}, _SMALL)


@node(class_type="Context Merge Big (rgthree)")
def ContextMergeBig(
    *,
    ctx_01: Context | None = None,
    ctx_02: Context | None = None,
    ctx_03: Context | None = None,
    ctx_04: Context | None = None,
    ctx_05: Context | None = None,
    **rest: Any,
) -> Big:
    """Several contexts as one: of what more than one has, the last one's; more than Context Merge has."""
    more = (rest[name] for name in sorted(rest))
    return _made(_merged(ctx_01, ctx_02, ctx_03, ctx_04, ctx_05, *more), {}, _BIG)
