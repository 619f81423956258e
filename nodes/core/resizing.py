"""Pictures and masks resized: to a side, a number of pixels, a frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import MATCH_TYPE, Combo, DynamicCombo, Int, MatchType, Socket
from weft.nodes.core.types import NEWER, Image

IMAGES = "comfy_extras.nodes_images"
UPSCALING = "image/upscaling"
METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
Side = Annotated[int, Int(default=512, min=1, max=16384, step=1)]

IMAGE_OR_MASK = {"template_id": "input_type", "allowed_types": "IMAGE,MASK"}
ImageOrMask = Annotated[Any, MatchType(MATCH_TYPE, template=IMAGE_OR_MASK)]


def _side(tooltip: str) -> list[Any]:
    return ["INT", {"default": 512, "min": 0, "max": 8192, "step": 1, "tooltip": tooltip}]


def _choice(key: str, **inputs: list[Any]) -> dict[str, Any]:
    return {"key": key, "inputs": {"required": inputs}}


_KEPT = "pixels; 0 keeps the proportions."
_CROP = ["COMBO", {"options": ["disabled", "center"], "default": "center", "tooltip": "Cut to the new proportions."}]
_FACTOR = {"default": 1.0, "min": 0.01, "max": 8.0, "step": 0.01, "tooltip": "The factor for both sides."}
_MEGAPIXELS = {"default": 1.0, "min": 0.01, "max": 16.0, "step": 0.01, "tooltip": "How many times 1024 x 1024 pixels."}
_MULTIPLE = {"default": 8, "min": 1, "max": 8192, "step": 1, "tooltip": "What both sides become multiples of."}
_MATCH = {"tooltip": "The picture or mask of the wanted size."}

ResizeType = DynamicCombo(
    options=[
        _choice("scale dimensions", width=_side(f"Width in {_KEPT}"), height=_side(f"Height in {_KEPT}"), crop=_CROP),
        _choice("scale by multiplier", multiplier=["FLOAT", _FACTOR]),
        _choice("scale longer dimension", longer_size=_side("The longer side in pixels.")),
        _choice("scale shorter dimension", shorter_size=_side("The shorter side in pixels.")),
        _choice("scale width", width=_side("Width in pixels; the height follows.")),
        _choice("scale height", height=_side("Height in pixels; the width follows.")),
        _choice("scale total pixels", megapixels=["FLOAT", _MEGAPIXELS]),
        _choice("match size", match=["IMAGE,MASK", _MATCH], crop=_CROP),
        _choice("scale to multiple", multiple=["INT", _MULTIPLE]),
    ]
)


@node(display_name="Resize Image/Mask", category="transform", python_module=NEWER)
def ResizeImageMaskNode(
    *,
    input: ImageOrMask,
    resize_type: Annotated[Mapping[str, Any], ResizeType],
    scale_method: Annotated[str, Combo(METHODS, default="area")],
) -> Annotated[Any, Socket(MATCH_TYPE), Output("resized")]:
    """Resize pictures or masks.

    Args:
        input: The pictures, or masks.
        resize_type: What decides the new size.
        scale_method: How to interpolate.
    """
    from weft.nodes.diffusion.values.sizes import resized, wanted

    chosen = {**resize_type}
    return resized(
        input, wanted(input, chosen.pop("resize_type"), chosen), scale_method, chosen.get("crop", "disabled")
    )


@node(category=UPSCALING, python_module=IMAGES)
def ImageScaleToMaxDimension(
    *,
    image: Image,
    upscale_method: Annotated[str, Combo(("area", "lanczos", "bilinear", "nearest-exact", "bilinear", "bicubic"))],
    largest_size: Annotated[int, Int(default=512, min=0, max=16384, step=1)],
) -> Image:
    """Resize pictures so that the longer side has a length, keeping their proportions.

    Args:
        image: The pictures.
        upscale_method: How to interpolate.
        largest_size: The longer side in pixels.
    """
    from weft.nodes.diffusion.values.sizes import resized, wanted

    return resized(image, wanted(image, "scale longer dimension", {"longer_size": largest_size}), upscale_method)


@node(category="image/transform", python_module=NEWER, deprecated=True)
def ResizeImagesByLongerEdge(
    *, images: Image, longer_edge: Annotated[int, Int(default=1024, min=1, max=8192)]
) -> Annotated[Image, Output("images")]:
    """Resize pictures so that the longer side has a length, keeping their proportions.

    Args:
        images: The pictures.
        longer_edge: The longer side in pixels.
    """
    from weft.nodes.diffusion.values.sizes import resized, wanted

    return resized(images, wanted(images, "scale longer dimension", {"longer_size": longer_edge}), "lanczos")


@node(category="image/transform", python_module=IMAGES)
def ResizeAndPadImage(
    *,
    image: Image,
    target_width: Side,
    target_height: Side,
    padding_color: Annotated[str, Combo(("white", "black"))],
    interpolation: Annotated[str, Combo(("area", "bicubic", "nearest-exact", "bilinear", "lanczos"))],
) -> Image:
    """Resize pictures to fit into a frame, keeping their proportions, and fill what remains of it.

    Args:
        image: The pictures.
        target_width: Width of the frame in pixels.
        target_height: Height of the frame in pixels.
        padding_color: What it is filled with, evenly on both sides.
        interpolation: How to interpolate.
    """
    from weft.nodes.diffusion.values.arranging import fit_into

    return fit_into(image, target_width, target_height, padding_color, interpolation)
