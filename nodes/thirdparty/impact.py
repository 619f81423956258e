"""ComfyUI-Impact-Pack's pipes, switches and batches: those that need no detector."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from weft.engine.errors import WeftError
from weft.engine.links import Link
from weft.engine.planning.lowering import Site
from weft.engine.schema.authoring import Lazy, Output, Tooltip
from weft.engine.schema.sockets import Boolean, Combo, Float, Int, Socket, String
from weft.nodes.core.types import (
    Anything,
    Cfg,
    Clip,
    Conditioning,
    Image,
    Latent,
    LatentImage,
    Mask,
    Model,
    Negative,
    Positive,
    SamplerName,
    SchedulerName,
    Seed,
    Steps,
    Vae,
)
from weft.nodes.thirdparty.face import marker

node = marker("comfyui-impact-pack", "ImpactPack")

Pipe = Annotated[tuple[Any, ...], Socket("BASIC_PIPE")]
"""(model, clip, vae, positive, negative)."""

OutPipe = Annotated[Pipe, Output("basic_pipe")]
OutModel = Annotated[Model, Output("model")]
OutClip = Annotated[Clip, Output("clip")]
OutVae = Annotated[Vae, Output("vae")]
OutPositive = Annotated[Conditioning, Output("positive")]
OutNegative = Annotated[Conditioning, Output("negative")]


@node(class_type="ToBasicPipe", display_name="ToBasicPipe")
def ToBasicPipe(
    *,
    model: Model | None = None,
    clip: Clip | None = None,
    vae: Vae | None = None,
    positive: Positive | None = None,
    negative: Negative | None = None,
) -> OutPipe:
    """Put a model and what belongs to it into one link.

    Args:
        clip: The text encoders.
        vae: The autoencoder.
    """
    return model, clip, vae, positive, negative


@node(class_type="FromBasicPipe", display_name="FromBasicPipe")
def FromBasicPipe(*, basic_pipe: Pipe) -> tuple[OutModel, OutClip, OutVae, OutPositive, OutNegative]:
    """Take out of a pipe what was put into it.

    Args:
        basic_pipe: The pipe.
    """
    return _opened(basic_pipe)


@node(class_type="FromBasicPipe_v2", display_name="FromBasicPipe_v2")
def FromBasicPipeV2(*, basic_pipe: Pipe) -> tuple[OutPipe, OutModel, OutClip, OutVae, OutPositive, OutNegative]:
    """Take out of a pipe what was put into it, and pass it on.

    Args:
        basic_pipe: The pipe.
    """
    return (basic_pipe, *_opened(basic_pipe))


@node(class_type="EditBasicPipe", display_name="Edit BasicPipe")
def EditBasicPipe(
    *,
    basic_pipe: Pipe,
    model: Model | None = None,
    clip: Clip | None = None,
    vae: Vae | None = None,
    positive: Positive | None = None,
    negative: Negative | None = None,
) -> OutPipe:
    """A pipe with other things in the place of some.

    Args:
        basic_pipe: The pipe.
        clip: The text encoders.
        vae: The autoencoder.
    """
    new = (model, clip, vae, positive, negative)
    return tuple(old if given is None else given for old, given in zip(_opened(basic_pipe), new, strict=True))


def _opened(pipe: Any) -> Any:
    if not isinstance(pipe, tuple) or len(pipe) != 5:
        raise WeftError(f"expected a pipe of model, clip, vae, positive and negative, got {type(pipe).__name__}")
    return pipe


Choice = Annotated[Any, Socket("*"), Lazy(), Tooltip("What is given on, if it is chosen; nothing else is computed.")]


def _selected(inputs: Mapping[str, Any]) -> Iterator[str]:
    name = f"input{inputs.get('select', 1)}"
    if name in inputs:
        yield name


@node(class_type="ImpactSwitch", display_name="Switch (Any)", lazy=_selected)
def ImpactSwitch(
    *,
    select: Annotated[int, Int(default=1, min=1, max=999_999, step=1)],
    sel_mode: Annotated[bool, Boolean(default=False)],
    input1: Choice | None = None,
    input2: Choice | None = None,
    input3: Choice | None = None,
    input4: Choice | None = None,
    input5: Choice | None = None,
    input6: Choice | None = None,
    input7: Choice | None = None,
    input8: Choice | None = None,
    input9: Choice | None = None,
    input10: Choice | None = None,
    **rest: Any,
) -> tuple[
    Annotated[Any, Socket("*"), Output("selected_value")],
    Annotated[str, String(), Output("selected_label")],
    Annotated[int, Int(), Output("selected_index")],
]:
    """One of several values, by its number.

    Args:
        select: Which one, counted from 1.
        sel_mode: When the editor chooses. Here it is while the workflow runs.
    """
    given = (input1, input2, input3, input4, input5, input6, input7, input8, input9, input10)
    named = {f"input{number}": value for number, value in enumerate(given, 1)} | rest
    name = f"input{select}"
    if named.get(name) is None:
        there = ", ".join(each for each, value in named.items() if value is not None) or "none"
        raise WeftError(f"select is {select}, and nothing comes in by {name}; linked are: {there}")
    return named[name], name, select


_COMPARED = {
    "a = b": operator.eq,
    "a <> b": operator.ne,
    "a > b": operator.gt,
    "a < b": operator.lt,
    "a >= b": operator.ge,
    "a <= b": operator.le,
    "tt": lambda a, b: True,
    "ff": lambda a, b: False,
}


@node(class_type="ImpactCompare", display_name="ImpactCompare")
def ImpactCompare(
    *, cmp: Annotated[str, Combo(tuple(_COMPARED))], a: Anything, b: Anything
) -> Annotated[bool, Boolean()]:
    """Whether two values compare so.

    Args:
        cmp: How; tt is always true, ff never.
        a: The one.
        b: The other.
    """
    return bool(_COMPARED[cmp](a, b))


@node(class_type="ImpactImageInfo", display_name="ImageInfo")
def ImpactImageInfo(
    *, value: Image
) -> tuple[
    Annotated[int, Int(), Output("batch")],
    Annotated[int, Int(), Output("height")],
    Annotated[int, Int(), Output("width")],
    Annotated[int, Int(), Output("channel")],
]:
    """The shape of pictures.

    Args:
        value: The pictures.
    """
    batch, height, width, channel = value.shape
    return batch, height, width, channel


@node(class_type="ToBinaryMask", display_name="ToBinaryMask")
def ToBinaryMask(
    *, mask: Mask, threshold: Annotated[int, Int(default=20, min=1, max=255)]
) -> Annotated[Mask, Output("MASK")]:
    """Masks that are 1 above a threshold, and 0 elsewhere.

    Args:
        mask: The masks.
        threshold: Of 255.
    """
    return (mask > threshold / 255).float()


def _batched(images: list[Any]) -> Any:
    """Batches of pictures as one; those of another size than the first are resized to it."""
    import torch

    from weft.nodes.diffusion.values.pixels import scale_image

    _, height, width, _ = images[0].shape
    fitted = (
        each if each.shape[1:3] == (height, width) else scale_image(each, width, height, "lanczos", "center")
        for each in images
    )
    return torch.cat(list(fitted))


@node(class_type="ImpactMakeImageBatch", display_name="Make Image Batch")
def ImpactMakeImageBatch(
    *, image1: Image, image2: Image | None = None, **rest: Any
) -> tuple[Annotated[Image, Output("IMAGE")]]:
    """Batches of pictures as one. More of them may be linked: image3, image4, ...

    Args:
        image1: The first, whose size all get.
        image2: Those that follow.
    """
    more = (rest[name] for name in sorted(rest, key=lambda name: (len(name), name)))
    return (_batched([each for each in (image1, image2, *more) if each is not None]),)


@node(class_type="ImageListToImageBatch", display_name="Image List to Image Batch")
def ImageListToImageBatch(*, images: list[Image]) -> Image:
    """A list of pictures as one batch.

    Args:
        images: The pictures; those of another size than the first are resized to it.
    """
    return _batched(images)


@node(class_type="ImpactExecutionOrderController", display_name="Execution Order Controller")
def ImpactExecutionOrderController(
    *, signal: Anything, value: Anything
) -> tuple[Annotated[Any, Socket("*"), Output("signal")], Annotated[Any, Socket("*"), Output("value")]]:
    """Pass two values on, once both are there.

    Args:
        signal: What is waited for.
        value: What waits.
    """
    return signal, value


def _sampled(site: Site) -> list[Link]:
    """KSampler (pipe) as a pipe that is opened, and a sampler."""
    parts = site.add("FromBasicPipe", {"basic_pipe": site.inputs["basic_pipe"]}, name="pipe")
    given = {name: value for name, value in site.inputs.items() if name != "basic_pipe"}
    linked = {"model": parts[0], "positive": parts[3], "negative": parts[4]}
    return [site.inputs["basic_pipe"], site.add("KSampler", {**given, **linked}, name="sample")[0], parts[2]]


@node(class_type="ImpactKSamplerBasicPipe", display_name="KSampler (pipe)", lowers=_sampled)
def ImpactKSamplerBasicPipe(
    *,
    basic_pipe: Pipe,
    seed: Seed,
    steps: Steps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: SchedulerName,
    latent_image: LatentImage,
    denoise: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)],
) -> tuple[Annotated[Pipe, Output("BASIC_PIPE")], Annotated[Latent, Output("LATENT")], Annotated[Vae, Output("VAE")]]:
    """Sample with the model and the prompts of a pipe.

    Args:
        basic_pipe: The pipe.
        denoise: How much of the latent is made anew.
    """
    raise AssertionError("it is lowered")
