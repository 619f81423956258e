"""Experiments on attention: the weights of its projections, multiplied."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Tooltip, node
from weft.engine.schema.sockets import Float, Int
from weft.nodes.core.conditioning import require
from weft.nodes.core.types import NEWER, Clip, Model

_MODULE = "comfy_extras.nodes_attention_multiply"
_CATEGORY = "_for_testing/attention_experiments"

Multiplier = Float(default=1.0, min=0.0, max=10.0, step=0.01)
Q = Annotated[float, Multiplier, Tooltip("What the queries are multiplied with.")]
K = Annotated[float, Multiplier, Tooltip("What the keys are multiplied with.")]
V = Annotated[float, Multiplier, Tooltip("What the values are multiplied with.")]
Out = Annotated[float, Multiplier, Tooltip("What the output is multiplied with.")]
Kind = Annotated[float, Multiplier]
Scale = Annotated[float, Float(default=1.0, min=0.0, max=100.0, step=0.1)]
Shift = Annotated[float, Float(default=0.0, min=-256.0, max=256.0, step=0.1)]


@node(category=_CATEGORY, python_module=_MODULE, experimental=True)
def UNetSelfAttentionMultiply(*, model: Model, q: Q, k: K, v: V, out: Out) -> Model:
    """Multiply the projections of a model's self attention."""
    from weft.nodes.diffusion.weights.scaling import of_attention, scaled_model

    return scaled_model(model, of_attention("attn1", q=q, k=k, v=v, out=out))


@node(category=_CATEGORY, python_module=_MODULE, experimental=True)
def UNetCrossAttentionMultiply(*, model: Model, q: Q, k: K, v: V, out: Out) -> Model:
    """Multiply the projections of a model's attention to the prompt."""
    from weft.nodes.diffusion.weights.scaling import of_attention, scaled_model

    return scaled_model(model, of_attention("attn2", q=q, k=k, v=v, out=out))


@node(category="advanced/model_patches", python_module=NEWER, experimental=True)
def ScaleROPE(
    *, model: Model, scale_x: Scale, shift_x: Shift, scale_y: Scale, shift_y: Shift, scale_t: Scale, shift_t: Shift
) -> Model:
    """Scale and shift where a video model's attention finds the patches: at a scale of time of 7, seven frames apart.

    Args:
        model: A model of Wan.
        scale_x: What columns are multiplied with.
        shift_x: What is added to them.
        scale_y: What rows are multiplied with.
        shift_y: What is added to them.
        scale_t: What frames are multiplied with.
        shift_t: What is added to them.
    """
    clone = model.clone()
    clone.set_model_rope_options(scale_x, shift_x, scale_y, shift_y, scale_t, shift_t)
    return clone


@node(category=_CATEGORY, python_module=_MODULE, experimental=True)
def UNetTemporalAttentionMultiply(
    *,
    model: Model,
    self_structural: Kind,
    self_temporal: Kind,
    cross_structural: Kind,
    cross_temporal: Kind,
) -> Model:
    """Multiply what attention adds, within frames and across them.

    Args:
        self_structural: The factor of self attention within a frame.
        self_temporal: The factor of self attention across frames, of models of videos.
        cross_structural: The factor of attention to the prompt within a frame.
        cross_temporal: The factor of attention to the prompt across frames, of models of videos.
    """
    from weft.nodes.diffusion.weights.scaling import of_frames, scaled_model

    factors = {"attn1": (self_structural, self_temporal), "attn2": (cross_structural, cross_temporal)}
    return scaled_model(model, of_frames(factors))


@node(category=_CATEGORY, python_module=_MODULE, experimental=True)
def CLIPAttentionMultiply(*, clip: Clip, q: Q, k: K, v: V, out: Out) -> Clip:
    """Multiply the projections of the text encoders' attention.

    Args:
        clip: The text encoders.
    """
    from weft.nodes.diffusion.weights.scaling import of_text_attention, scaled_clip

    return scaled_clip(require(clip, "text encoder"), of_text_attention(q=q, k=k, v=v, out=out))


@node(category="_for_testing/conditioning", python_module="comfy_extras.nodes_cond", experimental=True)
def T5TokenizerOptions(
    *,
    clip: Clip,
    min_padding: Annotated[int, Int(default=0, min=0, max=10_000, step=1)],
    min_length: Annotated[int, Int(default=0, min=0, max=10_000, step=1)],
    context: RunContext,
) -> Clip:
    """Say how far the prompts of T5 are filled up; text encoders without one stay as they are.

    Args:
        clip: The text encoders.
        min_padding: The fewest tokens that fill a prompt up.
        min_length: The fewest tokens that a prompt has.
    """
    from weft.nodes.diffusion.errors import DiffusionError

    given = require(clip, "text encoder")
    names = [encoder.name for encoder in given.encoders]
    if any("t5" in name for name in names):
        raise DiffusionError(f"how far prompts are filled up cannot be said of {', '.join(names)} yet")
    context.warn(f"no T5 among the text encoders ({', '.join(names)}): the options have no effect")
    return given
