"""Pictures saved with more bits, and drawings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import UI, ExtraPnginfo, Output, PromptJson, node
from weft.engine.schema.sockets import DynamicCombo, Socket, String
from weft.nodes.core.image import save_images
from weft.nodes.core.types import Image

_MODULE = "comfy_extras.nodes_images"

Drawing = Annotated[Any, Socket("SVG")]
"""A batch of drawings: `weft.nodes.diffusion.values.svg.SVG`."""


def _choice(*options: str) -> list[Any]:
    return ["COMBO", {"options": list(options), "default": options[0]}]


ImageKind = Annotated[
    dict[str, Any],
    DynamicCombo(
        options=[
            {
                "key": "png",
                "inputs": {
                    "required": {"bit_depth": _choice("8-bit", "16-bit"), "input_color_space": _choice("sRGB")},
                },
            },
            {
                "key": "exr",
                "inputs": {
                    "required": {
                        "bit_depth": _choice("32-bit float"),
                        "input_color_space": _choice("sRGB", "HDR", "linear"),
                    },
                },
            },
        ]
    ),
]


@node(display_name="Save Image (Advanced)", category="image", python_module=_MODULE, output_node=True)
def SaveImageAdvanced(
    *,
    images: Image,
    filename_prefix: Annotated[str, String(default="ComfyUI")],
    format: ImageKind,
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> tuple[Annotated[Image, Output("images")]]:
    """Write pictures to the output folder as PNG of 8 or 16 bits or as OpenEXR, with the workflow, and pass them on.

    Args:
        images: The pictures.
        filename_prefix: Subfolder and beginning of the names, as in Save Image.
        format: The format of the files. An EXR holds light: what the values of the pictures mean is said with it.
    """
    metadata = {"prompt": prompt, **extra_pnginfo}
    if format["format"] == "png" and format["bit_depth"] == "8-bit":
        shown = save_images(images, filename_prefix, "output", metadata, 4, context)
    else:
        shown = _save_deep(images, filename_prefix, format, metadata, context)
    return _passed_on(shown, images)


def _save_deep(
    images: Image, prefix: str, how: Mapping[str, Any], metadata: Mapping[str, Any], context: RunContext
) -> UI:
    from weft.nodes.diffusion.values.picturefile import write_exr, write_png16

    texts = _texts(metadata, context)
    _, height, width, _ = images.shape
    series = context.folders.numbered(prefix, "output", {"width": width, "height": height})
    shown = []
    for index, image in enumerate(images):
        context.checkpoint()
        with series.create(f".{how['format']}", index) as (stream, path):
            if how["format"] == "exr":
                write_exr(stream, image, how["input_color_space"], texts)
            else:
                write_png16(stream, image, texts)
            context.wrote(path)
        shown.append({"filename": path.name, "subfolder": series.subfolder, "type": "output"})
    return UI(images=shown)


def _texts(metadata: Mapping[str, Any], context: RunContext) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in {**metadata, "weft": context.provenance}.items()}


def _passed_on(shown: UI, *outputs: Any) -> Any:
    """What a node returns that shows something and has outputs, too."""
    return {"ui": shown, "result": outputs}


@node(category="image/save", python_module=_MODULE, output_node=True)
def SaveSVGNode(
    *,
    svg: Drawing,
    filename_prefix: Annotated[str, String(default="svg/ComfyUI")],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> tuple[Annotated[Any, Socket("SVG"), Output("svg")]]:
    """Write drawings to the output folder as SVG, with the workflow in their metadata, and pass them on.

    Args:
        svg: The drawings.
        filename_prefix: Subfolder and beginning of the names, as in Save Image.
    """
    from weft.nodes.diffusion.values.svg import with_metadata

    texts = _texts({"prompt": prompt, **extra_pnginfo}, context)
    series = context.folders.numbered(filename_prefix, "output", {})
    shown = []
    for index, drawing in enumerate(svg.data):
        context.checkpoint()
        content = with_metadata(drawing.getvalue(), texts)
        with series.create(".svg", index) as (stream, path):
            stream.write(content)
            context.wrote(path)
        shown.append({"filename": path.name, "subfolder": series.subfolder, "type": "output"})
    return _passed_on(UI(images=shown), svg)
