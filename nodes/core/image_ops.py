"""Pictures: made, batched, cut, enlarged, filtered."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Combo, Float, Int
from weft.nodes.core.image import IMAGE_METHODS
from weft.nodes.core.types import Image, Mask

Side = Annotated[int, Int(default=512, min=1, max=16384, step=1)]
Offset = Annotated[int, Int(default=0, min=0, max=16384, step=1)]
Padding = Annotated[int, Int(default=0, min=0, max=16384, step=8)]
Radius = Annotated[int, Int(default=1, min=1, max=31, step=1)]


@node(category="image")
def EmptyImage(
    *,
    width: Side,
    height: Side,
    batch_size: Annotated[int, Int(default=1, min=1, max=4096)],
    color: Annotated[int, Int(default=0, min=0, max=0xFFFFFF, step=1, display="color")],
) -> Image:
    """Pictures of one colour.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        batch_size: How many.
        color: Red * 65536 + green * 256 + blue, each 0 to 255.
    """
    from weft.nodes.diffusion.values.canvas import empty_image

    return empty_image(width, height, batch_size, color)


@node(display_name="Batch Images", category="image")
def ImageBatch(*, image1: Image, image2: Image) -> Image:
    """Put two batches of pictures into one.

    Args:
        image1: The first batch.
        image2: The batch that follows; resized to the first.
    """
    from weft.nodes.diffusion.values.canvas import join_images

    return join_images(image1, image2)


@node(category="image/batch", python_module="comfy_extras.nodes_images")
def ImageFromBatch(
    *,
    image: Image,
    batch_index: Annotated[int, Int(default=0, min=0, max=4095)],
    length: Annotated[int, Int(default=1, min=1, max=4096)],
) -> Image:
    """Take some pictures out of a batch.

    Args:
        image: The batch.
        batch_index: The first one taken, counted from 0; the last one if there are not so many.
        length: How many, as far as there are.
    """
    from weft.nodes.diffusion.values.canvas import images_from_batch

    return images_from_batch(image, batch_index, length)


@node(display_name="Image Crop", category="image/transform", python_module="comfy_extras.nodes_images")
def ImageCrop(*, image: Image, width: Side, height: Side, x: Offset, y: Offset) -> Image:
    """Cut a box out of pictures.

    Args:
        image: The pictures.
        width: Width of the box in pixels.
        height: Height of the box in pixels.
        x: Pixels from the left to the box.
        y: Pixels from the top to the box.
    """
    from weft.nodes.diffusion.values.canvas import crop_image

    return crop_image(image, width, height, x, y)


@node(display_name="Pad Image for Outpainting", category="image")
def ImagePadForOutpaint(
    *,
    image: Image,
    left: Padding,
    top: Padding,
    right: Padding,
    bottom: Padding,
    feathering: Annotated[int, Int(default=40, min=0, max=16384, step=1)],
) -> tuple[Image, Mask]:
    """Enlarge the canvas of pictures; the mask says what is new.

    Args:
        image: The pictures.
        left: Pixels added at the left.
        top: Pixels added above.
        right: Pixels added at the right.
        bottom: Pixels added below.
        feathering: Pixels over which the mask fades into the picture.
    """
    from weft.nodes.diffusion.values.canvas import pad_for_outpaint

    return pad_for_outpaint(image, left, top, right, bottom, feathering)


@node(category="image/upscaling", python_module="comfy_extras.nodes_post_processing")
def ImageScaleToTotalPixels(
    *,
    image: Image,
    upscale_method: Annotated[str, Combo(IMAGE_METHODS, multiselect=False)],
    megapixels: Annotated[float, Float(default=1.0, min=0.01, max=16.0, step=0.01)],
) -> Image:
    """Resize pictures to a number of pixels, keeping their proportions.

    Args:
        image: The pictures.
        upscale_method: How to interpolate.
        megapixels: How many times 1024 x 1024 pixels.
    """
    from weft.nodes.diffusion.values.canvas import scale_to_megapixels

    return scale_to_megapixels(image, megapixels, upscale_method)


@node(category="image/postprocessing", python_module="comfy_extras.nodes_post_processing")
def ImageBlur(
    *,
    image: Image,
    blur_radius: Radius,
    sigma: Annotated[float, Float(default=1.0, min=0.1, max=10.0, step=0.1)],
) -> Image:
    """Blur pictures.

    Args:
        image: The pictures.
        blur_radius: How far a pixel reaches, in pixels.
        sigma: How evenly the pixels within the radius count.
    """
    from weft.nodes.diffusion.values.filters import blur

    return blur(image, blur_radius, sigma)


@node(category="image/postprocessing", python_module="comfy_extras.nodes_post_processing")
def ImageSharpen(
    *,
    image: Image,
    sharpen_radius: Radius,
    sigma: Annotated[float, Float(default=1.0, min=0.1, max=10.0, step=0.01)],
    alpha: Annotated[float, Float(default=1.0, min=0.0, max=5.0, step=0.01)],
) -> Image:
    """Sharpen pictures by what a blur would take from them.

    Args:
        image: The pictures.
        sharpen_radius: How far a pixel reaches, in pixels.
        sigma: How evenly the pixels within the radius count.
        alpha: How much; 0 changes nothing.
    """
    from weft.nodes.diffusion.values.filters import sharpen

    return sharpen(image, sharpen_radius, sigma, alpha)
