"""One picture or latent over another, and blends of two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.errors import MissingFile
from weft.engine.folders import INPUT
from weft.engine.schema.authoring import node
from weft.engine.schema.node import Seen
from weft.engine.schema.sockets import Boolean, Combo, Float, Int, Opaque, String
from weft.nodes.core.maths import colour_bytes
from weft.nodes.core.types import NEWER, Image, Latent, Mask

LatentOffset = Annotated[int, Int(default=0, min=0, max=16384, step=8)]
Offset = Annotated[int, Int(default=0, min=0, max=16384, step=1)]
PaintedSide = Annotated[int, Int(default=512, min=64, max=4096, step=64)]
Resize = Annotated[bool, Boolean(default=False)]
ALPHA_MODULE = "comfy_extras.nodes_compositing"
ALPHA_CATEGORY = "mask/compositing"
ALPHA_MODES = (
    "ADD", "CLEAR", "DARKEN", "DST", "DST_ATOP", "DST_IN", "DST_OUT", "DST_OVER", "LIGHTEN", "MULTIPLY", "OVERLAY",
    "SCREEN", "SRC", "SRC_ATOP", "SRC_IN", "SRC_OUT", "SRC_OVER", "XOR",
)  # fmt: skip
BLEND_MODES = ("normal", "multiply", "screen", "overlay", "soft_light", "difference")


@node(display_name="Latent Composite", category="latent")
def LatentComposite(
    *, samples_to: Latent, samples_from: Latent, x: LatentOffset, y: LatentOffset, feather: LatentOffset
) -> Latent:
    """Lay one latent over another.

    Args:
        samples_to: What lies below.
        samples_from: What is laid over it; what exceeds it is cut off.
        x: Pixels from the left.
        y: Pixels from the top.
        feather: Pixels over which it fades in, at sides inside the latent below.
    """
    from weft.nodes.diffusion.values.compositing import paste_feathered
    from weft.nodes.diffusion.values.latents import samples_of

    below, above = samples_of(samples_to), samples_of(samples_from)
    return {**samples_to, "samples": paste_feathered(below, above, x // 8, y // 8, feather // 8)}


@node(category="latent", python_module="comfy_extras.nodes_mask")
def LatentCompositeMasked(
    *,
    destination: Latent,
    source: Latent,
    x: LatentOffset,
    y: LatentOffset,
    resize_source: Resize,
    mask: Mask | None = None,
) -> Latent:
    """Lay one latent over another through a mask.

    Args:
        destination: What lies below.
        source: What is laid over it; what exceeds it is cut off.
        x: Pixels from the left.
        y: Pixels from the top.
        resize_source: Resize the source to the destination first.
        mask: Where the source is seen; resized to the source. Everywhere without one.
    """
    from weft.nodes.diffusion.values.compositing import paste
    from weft.nodes.diffusion.values.latents import samples_of

    below, above = samples_of(destination), samples_of(source)
    return {**destination, "samples": paste(below, above, x // 8, y // 8, mask, resize_source)}


@node(category="image", python_module="comfy_extras.nodes_mask")
def ImageCompositeMasked(
    *, destination: Image, source: Image, x: Offset, y: Offset, resize_source: Resize, mask: Mask | None = None
) -> Image:
    """Lay one picture over another through a mask.

    Args:
        destination: What lies below.
        source: What is laid over it; what exceeds it is cut off.
        x: Pixels from the left.
        y: Pixels from the top.
        resize_source: Resize the source to the destination first.
        mask: Where the source is seen; resized to the source. Everywhere without one.
    """
    from weft.nodes.diffusion.values.compositing import paste, with_channels
    from weft.nodes.diffusion.values.pixels import check_images

    check_images(destination, source)
    above = with_channels(source, destination.shape[-1]).movedim(-1, 1)
    return paste(destination.movedim(-1, 1), above, x, y, mask, resize_source).movedim(1, -1)


@node(display_name="Latent Blend", category="_for_testing")
def LatentBlend(
    *,
    samples1: Latent,
    samples2: Latent,
    blend_factor: Annotated[float, Float(default=0.5, min=0.0, max=1.0, step=0.01)],
) -> Latent:
    """Mix two latents.

    Args:
        samples1: The first latents.
        samples2: The second; resized to the first.
        blend_factor: The share of the first.
    """
    from weft.nodes.diffusion.values.compositing import blend_latents
    from weft.nodes.diffusion.values.latents import samples_of

    return {**samples1, "samples": blend_latents(samples_of(samples1), samples_of(samples2), blend_factor)}


@node(category="image/postprocessing", python_module="comfy_extras.nodes_post_processing")
def ImageBlend(
    *,
    image1: Image,
    image2: Image,
    blend_factor: Annotated[float, Float(default=0.5, min=0.0, max=1.0, step=0.01)],
    blend_mode: Annotated[str, Combo(BLEND_MODES, multiselect=False)],
) -> Image:
    """Mix a picture with a blend of it and another.

    Args:
        image1: The picture below.
        image2: The picture above; resized to the first.
        blend_factor: The share of the blend; 0 leaves the first picture as it is.
        blend_mode: How the two are blended.
    """
    from weft.nodes.diffusion.values.compositing import blend_images

    return blend_images(image1, image2, blend_factor, blend_mode)


@node(display_name="Split Image with Alpha", category=ALPHA_CATEGORY, python_module=ALPHA_MODULE)
def SplitImageWithAlpha(*, image: Image) -> tuple[Image, Mask]:
    """Take pictures and their transparency apart.

    Args:
        image: The pictures; the mask is 1 where they are transparent, and 0 where they have no alpha.
    """
    from weft.nodes.diffusion.values.alpha import split_alpha

    return split_alpha(image)


@node(display_name="Join Image with Alpha", category=ALPHA_CATEGORY, python_module=ALPHA_MODULE)
def JoinImageWithAlpha(*, image: Image, alpha: Mask) -> Image:
    """Make pictures transparent where a mask is.

    Args:
        image: The pictures; an alpha that they have is replaced.
        alpha: What becomes transparent; resized to the pictures.
    """
    from weft.nodes.diffusion.values.alpha import join_alpha

    return join_alpha(image, alpha)


@node(display_name="Porter-Duff Image Composite", category=ALPHA_CATEGORY, python_module=ALPHA_MODULE)
def PorterDuffImageComposite(
    *,
    source: Image,
    source_alpha: Mask,
    destination: Image,
    destination_alpha: Mask,
    mode: Annotated[str, Combo(ALPHA_MODES, default="DST", multiselect=False)],
) -> tuple[Image, Mask]:
    """Put one transparent picture onto another, by an operator of Porter and Duff or a blend.

    Args:
        source: The picture above; resized to the one below.
        source_alpha: Where it is transparent.
        destination: The picture below.
        destination_alpha: Where it is transparent.
        mode: What is seen: SRC_OVER lays one over the other, SRC_IN shows the source where the destination is, ...
    """
    from weft.nodes.diffusion.values.alpha import composite

    return composite(source, source_alpha, destination, destination_alpha, mode)


def _painting(seen: Seen) -> Iterator[tuple[str, MissingFile]]:
    name = seen.constants.get("mask")
    if name and seen.folders is not None:
        try:
            seen.folders.find(INPUT, name)
        except MissingFile as error:
            yield "mask", error


@node(
    display_name="Painter",
    category="image",
    python_module=NEWER,
    check=_painting,
    fingerprint=lambda folders, constants: [folders.find(INPUT, name)] if (name := constants.get("mask")) else [],
)
def Painter(
    *,
    mask: Annotated[str, String(default="")],
    width: PaintedSide,
    height: PaintedSide,
    bg_color: Annotated[str, Opaque("COLOR", default="#000000")],
    context: RunContext,
    image: Image | None = None,
) -> tuple[Image, Mask]:
    """What was painted in the editor, over a picture or a colour, and where it was painted.

    Args:
        mask: The file in the input folder that has what was painted; nothing was where it is empty.
        width: Width in pixels, without a picture.
        height: Height in pixels, without a picture.
        bg_color: The colour that is painted on, `#RRGGBB`, without a picture.
        image: The picture that is painted on.
    """
    from weft.nodes.diffusion.values.canvas import empty_image
    from weft.nodes.diffusion.values.imagefile import load_image
    from weft.nodes.diffusion.values.painting import painted

    red, green, blue = colour_bytes(bg_color)[:3]
    ground = image if image is not None else empty_image(width, height, 1, red << 16 | green << 8 | blue)
    strokes = load_image(context.folders.find(INPUT, mask), context.settings.max_pixels) if mask else None
    return painted(ground, strokes)
