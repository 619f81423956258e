"""Prompts into conditioning; conditioning combined, mixed, and confined to a part of the picture or of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from weft.engine.context import RunContext
from weft.engine.errors import MissingFile
from weft.engine.folders import Folders
from weft.engine.schema.authoring import Output, node
from weft.engine.schema.node import Seen
from weft.engine.schema.sockets import Combo, Float, Int, String
from weft.nodes.core.types import Clip, Conditioning, Image, Latent, Mask, Vae
from weft.nodes.diffusion.eras import ERAS
from weft.nodes.diffusion.text.mentions import mentions, missing_in

Prompt = Annotated[str, String(multiline=True, dynamicPrompts=True)]
Side = Annotated[int, Int(default=1024, min=0, max=16384)]
CropOffset = Annotated[int, Int(default=0, min=0, max=16384)]

_SDXL = "comfy_extras.nodes_clip_sdxl"

Strength = Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01)]
Pixels = Annotated[int, Int(default=64, min=64, max=16384, step=8)]
Offset = Annotated[int, Int(default=0, min=0, max=16384, step=8)]
Share = Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)]
ShareOffset = Annotated[float, Float(default=0.0, min=0.0, max=1.0, step=0.01)]

Part = TypeVar("Part")


def prompts(*inputs: str) -> dict[str, Any]:
    """For `@node(**prompts("text"))`: these inputs are texts in which `embedding:NAME` names a file.

    What the files hold joins the cache key. A name that no file has is said before anything runs where the text is
    known by then, else when it is encoded.
    """
    return {"fingerprint": _fingerprint_of(inputs), "check": _check_of(inputs)}


def _fingerprint_of(inputs: Sequence[str]) -> Callable[[Folders, Mapping[str, Any]], list[Path | str]]:
    def found(folders: Folders, constants: Mapping[str, Any]) -> list[Path | str]:
        # A text that comes through a link is known only when the node runs: it may name any of them.
        if any(name not in constants for name in inputs):
            return [part for item in folders.embeddings().items() for part in item]
        # By the rules of every era: what one of them does not read changes nothing in it.
        texts = [constants[name] for name in inputs]
        named = (each for text in texts for era in ERAS for each in mentions(text, folders.embedding, era))
        return [mention.file or f"no {mention.name}" for mention in dict.fromkeys(named)]

    return found


def known_text(seen: Seen, name: str) -> str:
    """The text of an input, as far as it is known: typed, or given by a node that has nothing else to give."""
    if name in seen.constants:
        return str(seen.constants[name])
    source = seen.source(name)
    texts = list(source.constants.values()) if source is not None and not source.links else []
    return texts[0] if len(texts) == 1 and isinstance(texts[0], str) else ""


def _check_of(inputs: Sequence[str]) -> Callable[[Seen], Iterator[tuple[str, MissingFile]]]:
    def missing(seen: Seen) -> Iterator[tuple[str, MissingFile]]:
        if seen.folders is None:
            return
        for name in inputs:
            text = known_text(seen, name)
            if "prompt_schedule" in seen.passes and "[" in text:
                continue  # what its brackets become is checked
            for mention in missing_in(text, seen.folders.embedding):
                yield name, seen.folders.missing_embedding(mention.name)

    return missing


@node(display_name="CLIP Text Encode (Prompt)", category="conditioning", **prompts("text"))
def CLIPTextEncode(
    *, text: Annotated[str, String(multiline=True, dynamicPrompts=True)], clip: Clip, context: RunContext
) -> Conditioning:
    """Encode a prompt. `(red:1.3)` weighs words, `embedding:name` brings in a textual inversion.

    Args:
        text: The prompt.
        clip: The text encoders of a checkpoint.
    """
    return require(clip, "text encoder").encode(text, context.warn)


@node(category="conditioning", display_name="CLIP Set Last Layer")
def CLIPSetLastLayer(
    *, clip: Clip, stop_at_clip_layer: Annotated[int, Int(default=-1, min=-24, max=-1, step=1)]
) -> Clip:
    """Take the text encoder's output from an earlier layer ("clip skip").

    Args:
        clip: The text encoders of a checkpoint.
        stop_at_clip_layer: -1 is the last layer, -2 the one before it.
    """
    return require(clip, "text encoder").with_layer(stop_at_clip_layer)


def require(part: Part | None, name: str) -> Part:
    """`part`, where the checkpoint had one. Raises DiffusionError where it had none."""
    if part is None:
        from weft.nodes.diffusion.errors import DiffusionError

        raise DiffusionError(f"the checkpoint that this comes from holds no {name}; load one from another file")
    return part


@node(
    category="_for_testing/conditioning",
    python_module="comfy_extras.nodes_cond",
    experimental=True,
    **prompts("text"),
)
def CLIPTextEncodeControlnet(
    *, clip: Clip, conditioning: Conditioning, text: Prompt, context: RunContext
) -> Conditioning:
    """Encode a prompt for the ControlNets of a conditioning alone; the model goes on reading its own.

    Args:
        clip: The text encoders of a checkpoint.
        conditioning: What has the ControlNets, or gets them later.
        text: The prompt.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    ((tokens, options), *_) = require(clip, "text encoder").encode(text, context.warn)
    return with_options(
        conditioning, cross_attn_controlnet=tokens, pooled_output_controlnet=options.get("pooled_output")
    )


@node(category="advanced/conditioning", python_module=_SDXL, **prompts("text_g", "text_l"))
def CLIPTextEncodeSDXL(
    *,
    clip: Clip,
    width: Side,
    height: Side,
    crop_w: CropOffset,
    crop_h: CropOffset,
    target_width: Side,
    target_height: Side,
    text_g: Prompt,
    text_l: Prompt,
    context: RunContext,
) -> Conditioning:
    """Encode a prompt for each of SDXL's two text encoders, and say which sizes the model is to imagine.

    Args:
        clip: The text encoders of an SDXL checkpoint.
        width: Width of the picture that was scaled to the target, in pixels; a small one asks for blur.
        height: Height of that picture.
        crop_w: Pixels cut off at its left.
        crop_h: Pixels cut off at its top.
        target_width: Width of the picture in pixels.
        target_height: Height of the picture.
        text_g: The prompt for the larger encoder, OpenCLIP bigG.
        text_l: The prompt for the smaller encoder, CLIP L.
    """
    encoded = require(clip, "text encoder").encode_each({"clip_l": text_l, "clip_g": text_g}, context.warn)
    return _with(
        encoded,
        width=width,
        height=height,
        crop_w=crop_w,
        crop_h=crop_h,
        target_width=target_width,
        target_height=target_height,
    )


@node(category="advanced/conditioning", python_module=_SDXL, **prompts("text"))
def CLIPTextEncodeSDXLRefiner(
    *,
    ascore: Annotated[float, Float(default=6.0, min=0.0, max=1000.0, step=0.01)],
    width: Side,
    height: Side,
    text: Prompt,
    clip: Clip,
    context: RunContext,
) -> Conditioning:
    """Encode a prompt for SDXL's refiner, and say which size and beauty the model is to imagine.

    Args:
        ascore: The aesthetic score: 6 is usual for the positive side, 2.5 for the negative.
        width: Width of the picture in pixels.
        height: Height of the picture.
        text: The prompt.
        clip: The text encoder of the refiner's checkpoint.
    """
    encoded = require(clip, "text encoder").encode(text, context.warn)
    return _with(encoded, aesthetic_score=ascore, width=width, height=height)


def _with(conditioning: Conditioning, **values: float) -> Conditioning:
    return [[cond, {**options, **values}] for cond, options in conditioning]


@node(display_name="Conditioning (Combine)", category="conditioning")
def ConditioningCombine(*, conditioning_1: Conditioning, conditioning_2: Conditioning) -> Conditioning:
    """Steer by several prompts at once: each is predicted on its own, and the predictions are averaged.

    Args:
        conditioning_1: The first prompts.
        conditioning_2: The prompts that join them.
    """
    return [*conditioning_1, *conditioning_2]


@node(category="conditioning")
def ConditioningAverage(
    *,
    conditioning_to: Conditioning,
    conditioning_from: Conditioning,
    conditioning_to_strength: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)],
    context: RunContext,
) -> Conditioning:
    """Mix two prompts into one, token by token.

    Args:
        conditioning_to: The prompts that are changed; areas and the like are theirs.
        conditioning_from: The prompt that is mixed in, the first one if it is several.
        conditioning_to_strength: The share of conditioning_to; at 1 nothing is mixed in.
    """
    from weft.nodes.diffusion.text.prompt_mix import average

    _tell_unused(conditioning_from, context)
    return average(conditioning_to, conditioning_from, conditioning_to_strength)


@node(display_name="Conditioning (Concat)", category="conditioning")
def ConditioningConcat(
    *, conditioning_to: Conditioning, conditioning_from: Conditioning, context: RunContext
) -> Conditioning:
    """Put the tokens of one prompt behind those of another, as if both had been one long prompt.

    Args:
        conditioning_to: The prompts that grow; areas and the like are theirs.
        conditioning_from: The prompt that is appended, the first one if it is several.
    """
    from weft.nodes.diffusion.text.prompt_mix import concat

    _tell_unused(conditioning_from, context)
    return concat(conditioning_to, conditioning_from)


@node(category="advanced/conditioning")
def ConditioningZeroOut(*, conditioning: Conditioning) -> Conditioning:
    """Replace a prompt by zeros, which says less than an empty prompt does.

    Args:
        conditioning: The prompts; only their options remain.
    """
    from weft.nodes.diffusion.text.prompt_mix import zero_out

    return zero_out(conditioning)


@node(display_name="Conditioning (Set Area)", category="conditioning")
def ConditioningSetArea(
    *, conditioning: Conditioning, width: Pixels, height: Pixels, x: Offset, y: Offset, strength: Strength
) -> Conditioning:
    """Let a prompt act in a box of the picture only; at sides inside the picture it fades in.

    Args:
        conditioning: The prompts.
        width: Width of the box in pixels.
        height: Height of the box in pixels.
        x: Pixels from the left of the picture to the box.
        y: Pixels from the top of the picture to the box.
        strength: How much it counts beside other prompts that act at the same place.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    area = (height // 8, width // 8, y // 8, x // 8)
    return with_options(conditioning, area=area, strength=strength, set_area_to_bounds=False)


@node(display_name="Conditioning (Set Area with Percentage)", category="conditioning")
def ConditioningSetAreaPercentage(
    *, conditioning: Conditioning, width: Share, height: Share, x: ShareOffset, y: ShareOffset, strength: Strength
) -> Conditioning:
    """Let a prompt act in a box of the picture only, given in shares of the picture's size.

    Args:
        conditioning: The prompts.
        width: Width of the box, 1 for the picture's.
        height: Height of the box, 1 for the picture's.
        x: From the left of the picture to the box, as a share of the picture's width.
        y: From the top of the picture to the box, as a share of the picture's height.
        strength: How much it counts beside other prompts that act at the same place.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    area = ("percentage", height, width, y, x)
    return with_options(conditioning, area=area, strength=strength, set_area_to_bounds=False)


@node(category="conditioning")
def ConditioningSetAreaStrength(*, conditioning: Conditioning, strength: Strength) -> Conditioning:
    """Set how much a prompt counts beside others; its area, if it has one, stays.

    Args:
        conditioning: The prompts.
        strength: The weight of its prediction in the average.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    return with_options(conditioning, strength=strength)


@node(display_name="Conditioning (Set Mask)", category="conditioning")
def ConditioningSetMask(
    *,
    conditioning: Conditioning,
    mask: Mask,
    strength: Strength,
    set_cond_area: Annotated[str, Combo(("default", "mask bounds"))],
) -> Conditioning:
    """Let a prompt act where a mask is, as much as the mask says.

    Args:
        conditioning: The prompts.
        mask: Where it acts; resized to the picture.
        strength: How much it counts beside other prompts that act at the same place.
        set_cond_area: mask bounds predicts the box around the mask alone: faster, and blind to what is outside.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options
    from weft.nodes.diffusion.values.masks import as_masks

    bounds = set_cond_area == "mask bounds"
    return with_options(conditioning, mask=as_masks(mask), set_area_to_bounds=bounds, mask_strength=strength)


@node(category="advanced/conditioning")
def ConditioningSetTimestepRange(
    *,
    conditioning: Conditioning,
    start: Annotated[float, Float(default=0.0, min=0.0, max=1.0, step=0.001)],
    end: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.001)],
) -> Conditioning:
    """Let a prompt act in a part of the run only.

    Args:
        conditioning: The prompts.
        start: From here on, as a share of the model's noise levels: 0 is full noise.
        end: Up to here; 1 is the finished picture.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    return with_options(conditioning, start_percent=start, end_percent=end)


def _tell_unused(conditioning_from: Conditioning, context: RunContext) -> None:
    if len(conditioning_from) > 1:
        context.warn(f"conditioning_from holds {len(conditioning_from)} prompts; only the first is used")


@node(category="conditioning/instructpix2pix", python_module="comfy_extras.nodes_ip2p")
def InstructPixToPixConditioning(
    *, positive: Conditioning, negative: Conditioning, vae: Vae, pixels: Image
) -> tuple[
    Annotated[Conditioning, Output("positive")],
    Annotated[Conditioning, Output("negative")],
    Annotated[Latent, Output("latent")],
]:
    """Show a picture to a model that edits by instruction; the prompt says what to change.

    Args:
        positive: The instruction.
        negative: What should not be in the picture.
        vae: The VAE that encodes the picture.
        pixels: The picture to edit; cropped to multiples of 8 pixels.
    """
    import torch

    image = require(vae, "VAE").encode(pixels)

    def shown(conditioning: Conditioning) -> Conditioning:
        return [[cond, {**options, "concat_latent_image": image}] for cond, options in conditioning]

    return shown(positive), shown(negative), {"samples": torch.zeros_like(image)}
