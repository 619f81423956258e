"""Masks, and inpainting: which part of a latent is sampled, and what the rest is."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import ExtraPnginfo, Output, PromptJson, node
from weft.engine.schema.sockets import Boolean, Combo, Float, Int
from weft.nodes.core.conditioning import require
from weft.nodes.core.image import ImageFile, preview
from weft.nodes.core.types import Conditioning, Image, Latent, Mask, Negative, Positive, Vae
from weft.nodes.diffusion.eras import numbers_of

EXTRAS = "comfy_extras.nodes_mask"
Side = Annotated[int, Int(default=512, min=1, max=16384, step=1)]
Offset = Annotated[int, Int(default=0, min=0, max=16384, step=1)]


@node(display_name="Load Image (as Mask)", category="mask", version=2)
def LoadImageMask(
    *, image: ImageFile, channel: Annotated[str, Combo(("alpha", "red", "green", "blue"))], context: RunContext
) -> Mask:
    """Read one channel of a picture as a mask.

    Args:
        image: A file in the input folder.
        channel: alpha is inverted: what is transparent is masked.
    """
    from weft.nodes.diffusion.values.imagefile import load_mask

    with numbers_of(context.settings.numbers):
        return load_mask(context.folders.find("input", image), channel, context.settings.max_pixels)


@node(category="mask", python_module=EXTRAS)
def SolidMask(
    *, value: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)], width: Side, height: Side
) -> Mask:
    """A mask of one value.

    Args:
        value: 1 masks everything, 0 nothing.
        width: Width in pixels.
        height: Height in pixels.
    """
    from weft.nodes.diffusion.values.masks import solid

    return solid(value, width, height)


@node(category="mask", python_module=EXTRAS)
def InvertMask(*, mask: Mask) -> Mask:
    """Mask what was not masked.

    Args:
        mask: The mask.
    """
    from weft.nodes.diffusion.values.masks import invert

    return invert(mask)


@node(category="mask", python_module=EXTRAS)
def CropMask(*, mask: Mask, x: Offset, y: Offset, width: Side, height: Side) -> Mask:
    """Cut a box out of a mask.

    Args:
        mask: The mask.
        x: Pixels from the left to the box.
        y: Pixels from the top to the box.
        width: Width of the box in pixels.
        height: Height of the box in pixels.
    """
    from weft.nodes.diffusion.values.masks import crop

    return crop(mask, x, y, width, height)


@node(category="mask", python_module=EXTRAS)
def MaskComposite(
    *,
    destination: Mask,
    source: Mask,
    x: Offset,
    y: Offset,
    operation: Annotated[str, Combo(("multiply", "add", "subtract", "and", "or", "xor"))],
) -> Mask:
    """Combine one mask with another where they lie over each other.

    Args:
        destination: The mask that is changed.
        source: The mask laid over it; what exceeds it is cut off.
        x: Pixels from the left.
        y: Pixels from the top.
        operation: and, or and xor take values up to a half as not masked.
    """
    from weft.nodes.diffusion.values.masks import composite

    return composite(destination, source, x, y, operation)


@node(category="mask", python_module=EXTRAS)
def FeatherMask(*, mask: Mask, left: Offset, top: Offset, right: Offset, bottom: Offset, context: RunContext) -> Mask:
    """Let a mask fade out towards its sides.

    Args:
        mask: The mask.
        left: Pixels at the left.
        top: Pixels at the top.
        right: Pixels at the right.
        bottom: Pixels at the bottom.
    """
    from weft.nodes.diffusion.values.masks import feather

    with numbers_of(context.settings.numbers):
        return feather(mask, left, top, right, bottom)


@node(category="mask", python_module=EXTRAS)
def GrowMask(
    *,
    mask: Mask,
    expand: Annotated[int, Int(default=0, min=-16384, max=16384, step=1)],
    tapered_corners: Annotated[bool, Boolean(default=True)],
) -> Mask:
    """Make what is masked larger or smaller.

    Args:
        mask: The mask.
        expand: By how many pixels; negative shrinks.
        tapered_corners: Grow to a diamond rather than to a square.
    """
    from weft.nodes.diffusion.values.masks import grow

    return grow(mask, expand, tapered_corners)


@node(category="mask", python_module=EXTRAS)
def ThresholdMask(*, mask: Mask, value: Annotated[float, Float(default=0.5, min=0.0, max=1.0, step=0.01)]) -> Mask:
    """Make a mask of 0 and 1.

    Args:
        mask: The mask.
        value: What is above it becomes 1.
    """
    return (mask > value).float()


@node(display_name="Convert Mask to Image", category="mask", python_module=EXTRAS)
def MaskToImage(*, mask: Mask) -> Image:
    """Turn a mask into a grey picture.

    Args:
        mask: The mask; white is masked.
    """
    from weft.nodes.diffusion.values.masks import to_image

    return to_image(mask)


@node(display_name="Convert Image to Mask", category="mask", python_module=EXTRAS)
def ImageToMask(*, image: Image, channel: Annotated[str, Combo(("red", "green", "blue", "alpha"))]) -> Mask:
    """Turn one channel of pictures into masks.

    Args:
        image: The pictures.
        channel: Which channel; alpha is taken as it is, so that what is opaque is masked.
    """
    from weft.nodes.diffusion.values.masks import from_image

    return from_image(image, channel)


@node(category="mask", output_node=True, python_module=EXTRAS)
def MaskPreview(
    *, mask: Mask, prompt: PromptJson, extra_pnginfo: ExtraPnginfo, context: RunContext
) -> tuple[Annotated[Mask, Output("mask", repeats="mask")]]:
    """Write masks as grey pictures to the folder for temporary files, and pass them on.

    Args:
        mask: The masks; white is masked.
    """
    from weft.nodes.diffusion.values.masks import to_image

    return preview(to_image(mask), {"prompt": prompt, **extra_pnginfo}, context).beside(mask)


@node(display_name="VAE Encode (for Inpainting)", category="latent/inpaint")
def VAEEncodeForInpaint(
    *, pixels: Image, vae: Vae, mask: Mask, grow_mask_by: Annotated[int, Int(default=6, min=0, max=64, step=1)]
) -> Latent:
    """Encode pictures with the masked part greyed out, to be painted anew at full denoise.

    Args:
        pixels: The pictures; cropped to multiples of 8 pixels.
        vae: The VAE that encodes them.
        mask: What is painted anew; resized to the pictures.
        grow_mask_by: Pixels by which the sampled part exceeds the mask, so that no seam shows.
    """
    from weft.nodes.diffusion.sampling.inpaint import encode_for_inpaint

    return encode_for_inpaint(require(vae, "VAE"), pixels, mask, grow_mask_by)


@node(display_name="Set Latent Noise Mask", category="latent/inpaint")
def SetLatentNoiseMask(*, samples: Latent, mask: Mask) -> Latent:
    """Confine sampling to a mask: elsewhere the latent stays as it is.

    Args:
        samples: The latents.
        mask: Where to sample; resized to the latents.
    """
    from weft.nodes.diffusion.values.masks import as_masks

    return {**samples, "noise_mask": as_masks(mask)[:, None]}


@node(category="conditioning/inpaint")
def InpaintModelConditioning(
    *,
    positive: Positive,
    negative: Negative,
    vae: Vae,
    pixels: Image,
    mask: Mask,
    noise_mask: Annotated[bool, Boolean(default=True)],
) -> tuple[
    Annotated[Conditioning, Output("positive")],
    Annotated[Conditioning, Output("negative")],
    Annotated[Latent, Output("latent")],
]:
    """Show an inpainting model the picture and the mask. Other models take the latent and leave these out.

    Args:
        vae: The VAE that encodes the pictures.
        pixels: The pictures; cropped to multiples of 8 pixels.
        mask: What is painted anew; resized to the pictures.
        noise_mask: Also confine sampling to the mask. Better with some models, worse with others.
    """
    from weft.nodes.diffusion.sampling.inpaint import inpaint_conditions
    from weft.nodes.diffusion.text.prompt_mix import with_options

    samples, shown, cropped = inpaint_conditions(require(vae, "VAE"), pixels, mask)
    latent: Latent = {"samples": samples, "noise_mask": cropped} if noise_mask else {"samples": samples}
    options = {"concat_latent_image": shown, "concat_mask": cropped}
    return with_options(positive, **options), with_options(negative, **options), latent
