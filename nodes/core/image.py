"""Pictures: read, written, resized."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import UI, ExtraPnginfo, Output, PromptJson, UniqueId, node
from weft.engine.schema.sockets import Combo, Files, Float, Int, String
from weft.nodes.core.types import Crop, Image, Mask

IMAGE_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
UpscaleMethod = Annotated[str, Combo(IMAGE_METHODS)]
ImageFile = Annotated[str, Files("input", image_upload=True)]


@node(display_name="Load Image", category="image")
def LoadImage(*, image: ImageFile, context: RunContext) -> tuple[Image, Mask]:
    """Read a picture from the input folder; its transparency becomes the mask.

    Args:
        image: A file in the input folder; `name [output]` takes it from the output folder.
    """
    from weft.nodes.diffusion.values.imagefile import load_image

    return load_image(context.folders.find("input", image), context.settings.max_pixels)


@node(display_name="Save Image", category="image", output_node=True)
def SaveImage(
    *,
    images: Image,
    filename_prefix: Annotated[str, String(default="ComfyUI")],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> UI:
    """Write pictures to the output folder as PNG, with the workflow that made them.

    Args:
        images: The pictures.
        filename_prefix: Subfolder and beginning of the names; `%date:yyyy-MM-dd%`, `%width%`, `%height%` are filled in.
    """
    return _save(images, filename_prefix, "output", {"prompt": prompt, **extra_pnginfo}, 4, context)


@node(display_name="Preview Image", category="image", output_node=True)
def PreviewImage(*, images: Image, prompt: PromptJson, extra_pnginfo: ExtraPnginfo, context: RunContext) -> UI:
    """Write pictures to the folder for temporary files.

    Args:
        images: The pictures.
    """
    return preview(images, {"prompt": prompt, **extra_pnginfo}, context)


@node(
    category="api/image",
    output_node=True,
    python_module="custom_nodes.websocket_image_save",
    volatile="as in ComfyUI, it gives its pictures in every run",
)
def SaveImageWebsocket(*, images: Image, context: RunContext) -> UI:
    """Give pictures to whoever started the run: as PNG files in the output folder, since there is no websocket here.

    Args:
        images: The pictures.
    """
    context.warn("there is no websocket here: the pictures are written to the output folder")
    return _save(images, "ComfyUI", "output", {"prompt": context.prompt, **context.extra_pnginfo}, 1, context)


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
    return _with_text((width, height, batch), f"width: {width}, height: {height}, batch size: {batch}")


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


def preview(images: Any, metadata: Mapping[str, Any], context: RunContext) -> UI:
    """Write pictures [B,H,W,C] to the folder for temporary files."""
    # A name of its own for each call: previews of several runs must not be mistaken for each other.
    prefix = "ComfyUI_temp_" + "".join(random.choices(string.ascii_lowercase, k=5))
    return _save(images, prefix, "temp", metadata, 1, context)


def _with_text(outputs: tuple[Any, ...], text: str) -> Any:
    """What a node returns that has outputs, and a text to show."""
    return {"ui": {"text": [text]}, "result": outputs}


def _save(
    images: Any, prefix: str, kind: str, metadata: Mapping[str, Any], compress_level: int, context: RunContext
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
