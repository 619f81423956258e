"""ComfyUI_essentials' nodes on sizes of pictures, on masks and numbers."""

from __future__ import annotations

from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import UI, Output
from weft.engine.schema.sockets import Combo, Float, Int, Socket, String
from weft.nodes.core.image import preview
from weft.nodes.core.types import Image, Mask
from weft.nodes.thirdparty.face import marker

node = marker("comfyui_essentials", "essentials")

_METHODS = ("nearest", "bilinear", "bicubic", "area", "nearest-exact", "lanczos")
_FITS = ("stretch", "keep proportion", "fill / crop", "pad")
_CONDITIONS = ("always", "downscale if bigger", "upscale if smaller", "if bigger area", "if smaller area")
_MOST = 16384

Width = Annotated[int, Int(), Output("width")]
Height = Annotated[int, Int(), Output("height")]


@node(class_type="ImageResize+", display_name="Image Resize")
def ImageResizePlus(
    *,
    image: Image,
    width: Annotated[int, Int(default=512, min=0, max=_MOST, step=1)],
    height: Annotated[int, Int(default=512, min=0, max=_MOST, step=1)],
    interpolation: Annotated[str, Combo(_METHODS)],
    method: Annotated[str, Combo(_FITS)],
    condition: Annotated[str, Combo(_CONDITIONS)],
    multiple_of: Annotated[int, Int(default=0, min=0, max=512, step=1)],
) -> tuple[Annotated[Image, Output("IMAGE")], Width, Height]:
    """Resize pictures.

    Args:
        image: The pictures.
        width: Width in pixels; 0 for that of the pictures or, where proportions are kept, for any.
        height: Height in pixels; 0 likewise.
        interpolation: How to interpolate.
        method: Whether proportions are kept, and how then the size is had: by cutting, or by black borders.
        condition: Which pictures are resized; others stay as they are.
        multiple_of: What both sides are multiples of in the end, by cutting; 0 for any.
    """
    from weft.nodes.diffusion.values.fitting import resized

    made = resized(image, width, height, interpolation, method, condition, multiple_of)
    return made, made.shape[2], made.shape[1]


@node(class_type="GetImageSize+", display_name="Get Image Size")
def GetImageSizePlus(*, image: Image) -> tuple[Width, Height, Annotated[int, Int(), Output("count")]]:
    """The size of pictures, and how many they are.

    Args:
        image: The pictures.
    """
    return image.shape[2], image.shape[1], image.shape[0]


@node(class_type="ImageFromBatch+", display_name="Image From Batch")
def ImageFromBatchPlus(
    *,
    image: Image,
    start: Annotated[int, Int(default=0, min=0, step=1)],
    length: Annotated[int, Int(default=-1, min=-1, step=1)],
) -> Image:
    """Take some pictures out of a batch.

    Args:
        image: The batch.
        start: The first one taken, counted from 0; the last one if there are not so many.
        length: How many, as far as there are; -1 for all.
    """
    first = min(start, image.shape[0] - 1)
    return image[first:] if length < 0 else image[first : first + max(length, 1)]


@node(class_type="ImageRemoveAlpha+", display_name="Image Remove Alpha")
def ImageRemoveAlphaPlus(*, image: Image) -> Image:
    """Pictures without their alpha channel.

    Args:
        image: The pictures.
    """
    return image[..., :3]


@node(class_type="MaskFlip+", display_name="Mask Flip")
def MaskFlipPlus(*, mask: Mask, axis: Annotated[str, Combo(("x", "y", "xy"))]) -> Mask:
    """Mirror masks.

    Args:
        mask: The masks.
        axis: x swaps left and right, y above and below, xy both.
    """
    return mask.flip([{"x": 2, "y": 1}[each] for each in axis])


@node(class_type="MaskPreview+", display_name="Mask Preview", output_node=True)
def MaskPreviewPlus(*, mask: Mask, context: RunContext) -> UI:
    """Write masks to the folder for temporary files, as grey pictures.

    Args:
        mask: The masks.
    """
    rows, columns = mask.shape[-2:]
    pictures = mask.reshape(-1, rows, columns, 1).expand(-1, -1, -1, 3)
    return preview(pictures, {"prompt": context.prompt, **context.extra_pnginfo}, context)


Operand = Annotated[Any, Socket("INT,FLOAT")]


@node(class_type="SimpleMath+", display_name="Simple Math", computes=True)
def SimpleMathPlus(
    *,
    value: Annotated[str, String(multiline=False, default="")],
    a: Operand = 0.0,
    b: Operand = 0.0,
    c: Operand = 0.0,
) -> tuple[Annotated[int, Int()], Annotated[float, Float()]]:
    """Compute with numbers, as Python does; the whole number is rounded.

    Args:
        value: A formula of a, b and c. It knows min, max, round, sum, len, abs, ceil, floor, sqrt, pow and more.
        a: A number.
        b: Another one.
        c: A third one.
    """
    from weft.nodes.thirdparty.pysssss import computed

    result = computed(value, {"a": a, "b": b, "c": c})
    return round(result), float(result)
