"""Pictures: read, written, made, resized, batched, cut, filtered."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import UI, ExtraPnginfo, Output, PromptJson, UniqueId, node
from weft.engine.schema.sockets import Combo, Files, Float, Int, String
from weft.nodes.core.types import NEWER, Crop, Image, Mask
from weft.nodes.diffusion.eras import numbers_of

IMAGE_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
UpscaleMethod = Annotated[str, Combo(IMAGE_METHODS)]
ImageFile = Annotated[str, Files("input", image_upload=True)]
OUTPUT_FILES = {
    "route": "/internal/files/output",
    "refresh_button": True,
    "control_after_refresh": "first",
}

Shown = Annotated[Image, Output("images", repeats="images")]

Side = Annotated[int, Int(default=512, min=1, max=16384, step=1)]
Offset = Annotated[int, Int(default=0, min=0, max=16384, step=1)]
Padding = Annotated[int, Int(default=0, min=0, max=16384, step=8)]
Radius = Annotated[int, Int(default=1, min=1, max=31, step=1)]


@node(display_name="Load Image", category="image", version=2)
def LoadImage(*, image: ImageFile, context: RunContext) -> tuple[Image, Mask]:
    """Read a picture from the input folder; its transparency becomes the mask.

    Args:
        image: A file in the input folder; `name [output]` takes it from the output folder.
    """
    from weft.nodes.diffusion.values.imagefile import load_image

    with numbers_of(context.settings.numbers):
        return load_image(context.folders.find("input", image), context.settings.max_pixels)


@node(display_name="Load Image (from Outputs)", category="image", experimental=True, version=2)
def LoadImageOutput(
    *,
    image: Annotated[str, Files("input", image_upload=True, image_folder="output", remote=OUTPUT_FILES)],
    context: RunContext,
) -> tuple[Image, Mask]:
    """Read a picture that was written before; its transparency becomes the mask.

    Args:
        image: A file, as the editor writes it: `name [output]` lies in the output folder.
    """
    from weft.nodes.diffusion.values.imagefile import load_image

    with numbers_of(context.settings.numbers):
        return load_image(context.folders.find("input", image), context.settings.max_pixels)


@node(display_name="Save Image", category="image", output_node=True)
def SaveImage(
    *,
    images: Image,
    filename_prefix: Annotated[str, String(default="ComfyUI")],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> tuple[Shown]:
    """Write pictures to the output folder as PNG, with the workflow that made them, and pass them on.

    Args:
        images: The pictures.
        filename_prefix: Subfolder and beginning of the names; `%date:yyyy-MM-dd%`, `%width%`, `%height%` are filled in.
    """
    metadata = {"prompt": prompt, **extra_pnginfo}
    return save_images(images, filename_prefix, "output", metadata, 4, context).beside(images)


@node(display_name="Preview Image", category="image", output_node=True)
def PreviewImage(
    *, images: Image, prompt: PromptJson, extra_pnginfo: ExtraPnginfo, context: RunContext
) -> tuple[Shown]:
    """Write pictures to the folder for temporary files, and pass them on.

    Args:
        images: The pictures.
    """
    return preview(images, {"prompt": prompt, **extra_pnginfo}, context).beside(images)


@node(display_name="Compare Images", category="image", output_node=True, python_module=NEWER)
def ImageCompare(
    *,
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
    image_a: Image | None = None,
    image_b: Image | None = None,
) -> UI:
    """Write two batches of pictures to the folder for temporary files, to be looked at side by side.

    Args:
        image_a: The first pictures.
        image_b: The second.
    """
    metadata = {"prompt": prompt, **extra_pnginfo}
    shown = {"a_images": image_a, "b_images": image_b}
    return UI(
        {
            kind: preview(images, metadata, context)["images"] if images is not None else []
            for kind, images in shown.items()
        }
    )


@node(
    category="api/image",
    output_node=True,
    python_module="custom_nodes.websocket_image_save",
    volatile="as in ComfyUI, it gives its pictures in every run",
)
def SaveImageWebsocket(*, images: Image, context: RunContext) -> UI:
    """Give pictures to whoever started the run: to observers that take them, else as PNG files in the output folder.

    Args:
        images: The pictures.
    """
    if context.takes_images:
        from PIL import Image as PILImage

        from weft.nodes.diffusion.values.pixels import to_uint8

        for index, image in enumerate(images):
            context.give(PILImage.fromarray(to_uint8(image).numpy()), index, len(images))
        return UI(images=[])
    context.warn("there is no websocket here: the pictures are written to the output folder")
    return save_images(images, "ComfyUI", "output", {"prompt": context.prompt, **context.extra_pnginfo}, 1, context)


@node(display_name="Get Image Size", category="image", python_module="comfy_extras.nodes_images")
def GetImageSize(
    *, image: Image, unique_id: UniqueId
) -> tuple[
    Annotated[int, Int(), Output("width")],
    Annotated[int, Int(), Output("height")],
    Annotated[int, Int(), Output("batch_size")],
]:
    """The size of pictures and how many they are; both are shown, too.

    Args:
        image: The pictures.
    """
    batch, height, width, _ = image.shape
    return UI(text=[f"width: {width}, height: {height}, batch size: {batch}"]).beside(width, height, batch)


@node(display_name="Upscale Image", category="image/upscaling")
def ImageScale(
    *,
    image: Image,
    upscale_method: UpscaleMethod,
    width: Annotated[int, Int(default=512, min=0, max=16384, step=1)],
    height: Annotated[int, Int(default=512, min=0, max=16384, step=1)],
    crop: Crop,
) -> Image:
    """Resize pictures.

    Args:
        image: The pictures.
        upscale_method: How to interpolate.
        width: Width in pixels; 0 keeps the proportions.
        height: Height in pixels; 0 keeps the proportions.
        crop: Cut to the new proportions instead of stretching.
    """
    from weft.nodes.diffusion.values.pixels import scale_image

    return scale_image(image, width, height, upscale_method, crop)


@node(display_name="Upscale Image By", category="image/upscaling")
def ImageScaleBy(
    *,
    image: Image,
    upscale_method: UpscaleMethod,
    scale_by: Annotated[float, Float(default=1.0, min=0.01, max=8.0, step=0.01)],
) -> Image:
    """Resize pictures by a factor.

    Args:
        image: The pictures.
        upscale_method: How to interpolate.
        scale_by: The factor for both sides.
    """
    from weft.nodes.diffusion.values.pixels import scale_image_by

    return scale_image_by(image, scale_by, upscale_method)


@node(display_name="Invert Image", category="image")
def ImageInvert(*, image: Image) -> Image:
    """The negative of pictures.

    Args:
        image: The pictures.
    """
    return 1.0 - image


def preview(images: Image, metadata: Mapping[str, Any], context: RunContext) -> UI:
    """Write pictures [B,H,W,C] to the folder for temporary files."""
    return save_images(images, preview_prefix(), "temp", metadata, 1, context)


def preview_prefix() -> str:
    """A name of its own for each call: previews of several runs must not be mistaken for each other."""
    return "ComfyUI_temp_" + "".join(random.choices(string.ascii_lowercase, k=5))


def save_images(
    images: Image, prefix: str, kind: str, metadata: Mapping[str, Any], compress_level: int, context: RunContext
) -> UI:
    """Write each picture of a batch as a PNG that carries `metadata`, numbered on from what is there."""
    from PIL import Image as PILImage
    from PIL.PngImagePlugin import PngInfo

    from weft.nodes.diffusion.values.pixels import to_uint8

    info = PngInfo()
    for name, value in {**metadata, "weft": context.provenance}.items():
        info.add_text(name, json.dumps(value))
    _, height, width, _ = images.shape
    series = context.folders.numbered(prefix, kind, {"width": width, "height": height})
    shown = []
    for index, image in enumerate(images):
        context.checkpoint()
        with series.create(".png", index) as (stream, path):
            picture = PILImage.fromarray(to_uint8(image).numpy())
            picture.save(stream, format="PNG", pnginfo=info, compress_level=compress_level)
            context.wrote(path)
        shown.append({"filename": path.name, "subfolder": series.subfolder, "type": kind})
    return UI(images=shown)


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
    resolution_steps: Annotated[int, Int(default=1, min=1, max=256)] = 1,
) -> Image:
    """Resize pictures to a number of pixels, keeping their proportions.

    Args:
        image: The pictures.
        upscale_method: How to interpolate.
        megapixels: How many times 1024 x 1024 pixels.
        resolution_steps: Each side is the nearest multiple of it.
    """
    from weft.nodes.diffusion.values.canvas import scale_to_megapixels

    return scale_to_megapixels(image, megapixels, upscale_method, resolution_steps)


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
