"""What becomes of the colours of pictures: edges, shapes, noise, palettes, YUV, compression, ..."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import Combo, DynamicCombo, Float, Int
from weft.nodes.core.types import NEWER, Image, Mask, Seed

LIBRARIES = ("torch", "kornia.filters")

Threshold = Annotated[float, Float(default=0.4, min=0.01, max=0.99, step=0.01)]
MORPHOLOGY = "comfy_extras.nodes_morphology"


@node(category="image/preprocessors", python_module="comfy_extras.nodes_canny")
def Canny(
    *,
    image: Image,
    low_threshold: Threshold,
    high_threshold: Annotated[Threshold, Float(default=0.8, min=0.01, max=0.99, step=0.01)],
) -> Image:
    """Draw the edges of pictures, white on black, for a ControlNet of that kind.

    Args:
        image: The pictures.
        low_threshold: How strong an edge must be that goes on from a strong one.
        high_threshold: How strong an edge must be by itself.
    """
    from weft.nodes.diffusion.values.edges import canny

    return canny(image, low_threshold, high_threshold)


@node(display_name="ImageMorphology", category="image/postprocessing", python_module=MORPHOLOGY)
def Morphology(
    *,
    image: Image,
    operation: Annotated[
        str,
        Combo(("erode", "dilate", "open", "close", "gradient", "bottom_hat", "top_hat"), multiselect=False),
    ],
    kernel_size: Annotated[int, Int(default=3, min=3, max=999, step=1)],
) -> Image:
    """Let what is bright in pictures shrink or grow, or show what that changes.

    Args:
        image: The pictures.
        operation: erode shrinks, dilate grows; open is erode, then dilate, close the other way round; gradient is their
            difference, top_hat what open takes away, bottom_hat what close adds.
        kernel_size: Pixels of the side of the square that is looked at.
    """
    from weft.nodes.diffusion.values.edges import morph

    return morph(image, operation, kernel_size)


@node(category="image/batch", python_module=MORPHOLOGY)
def ImageRGBToYUV(
    *, image: Image
) -> tuple[Annotated[Image, Output("Y")], Annotated[Image, Output("U")], Annotated[Image, Output("V")]]:
    """Take pictures apart into brightness and two differences of colours, each as a grey picture.

    Args:
        image: The pictures.
    """
    from weft.nodes.diffusion.values.colours import to_yuv

    return to_yuv(image)


@node(category="image/batch", python_module=MORPHOLOGY)
def ImageYUVToRGB(*, Y: Image, U: Image, V: Image) -> Image:
    """Put pictures together from brightness and two differences of colours.

    Args:
        Y: The brightness.
        U: How much bluer than grey; 0.5 is grey.
        V: How much redder than grey; 0.5 is grey.
    """
    from weft.nodes.diffusion.values.colours import from_yuv

    return from_yuv(Y, U, V)


@node(category="image", python_module="comfy_extras.nodes_images")
def ImageAddNoise(
    *, image: Image, seed: Seed, strength: Annotated[float, Float(default=0.5, min=0.0, max=1.0, step=0.01)]
) -> Image:
    """Add noise to pictures.

    Args:
        image: The pictures.
        strength: The noise's standard deviation.
    """
    from weft.nodes.diffusion.values.colours import add_noise

    return add_noise(image, seed, strength)


@node(category="image/postprocessing", python_module="comfy_extras.nodes_post_processing")
def ImageQuantize(
    *,
    image: Image,
    colors: Annotated[int, Int(default=256, min=1, max=256, step=1)],
    dither: Annotated[
        str, Combo(("none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"), multiselect=False)
    ],
) -> Image:
    """Draw pictures with few colours, each picture with its own.

    Args:
        image: The pictures.
        colors: How many colours.
        dither: How mixtures of them stand for others: by spreading errors, or by a pattern of 2 to 16 pixels.
    """
    from weft.nodes.diffusion.values.colours import quantize

    return quantize(image, colors, dither)


@node(category="mask", python_module="comfy_extras.nodes_mask")
def ImageColorToMask(
    *, image: Image, color: Annotated[int, Int(default=0, min=0, max=0xFFFFFF, step=1, display="color")]
) -> Mask:
    """Mask what has one colour.

    Args:
        image: The pictures.
        color: Red * 65536 + green * 256 + blue, each 0 to 255.
    """
    from weft.nodes.diffusion.values.colours import mask_of_colour

    return mask_of_colour(image, color)


_INDEX = {"default": 0, "min": 0, "max": 10_000, "step": 1, "tooltip": "Which picture, counted from 0."}
SourceStats = DynamicCombo(
    options=[
        {"key": "per_frame"},
        {"key": "uniform"},
        {"key": "target_frame", "inputs": {"required": {"target_index": ["INT", _INDEX]}}},
    ]
)


@node(display_name="Transfer Color", category="image/postprocessing", python_module=NEWER)
def ColorTransfer(
    *,
    image_target: Image,
    image_ref: Image,
    method: Annotated[str, Combo(("reinhard_lab", "mkl_lab", "histogram"), default="reinhard_lab")],
    source_stats: Annotated[Mapping[str, Any], SourceStats],
    strength: Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01)],
) -> Annotated[Image, Output("image")]:
    """Give pictures the colours of others.

    Args:
        image_target: The pictures.
        image_ref: The pictures whose colours they get.
        method: By the mean and spread of colours; mkl_lab also by how they go together, histogram level by level.
        source_stats: What is made equal: each picture by itself, all together, or one whose change is that of all.
        strength: How much; 0 changes nothing.
    """
    from weft.nodes.diffusion.values.colour_transfer import transfer

    index = source_stats.get("target_index", 0)
    return transfer(image_target, image_ref, method, source_stats["source_stats"], index, strength)


@node(category="image", python_module="comfy_extras.nodes_lt")
def LTXVPreprocess(
    *, image: Image, img_compression: Annotated[int, Int(default=35, min=0, max=100)]
) -> Annotated[Image, Output("output_image")]:
    """Show pictures as frames of a compressed video, as the models of LTX-Video have seen theirs.

    Args:
        image: The pictures; of an odd side the last row or column is cut off.
        img_compression: H.264's constant rate factor, 51 at most; 0 leaves the pictures alone.
    """
    from weft.nodes.diffusion.values.compression import compressed

    return compressed(image, img_compression)
