"""Enlarging pictures with networks made for it."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Files
from weft.nodes.core.loaders import device_memory
from weft.nodes.core.types import Image, UpscaleModel

MODULE = "comfy_extras.nodes_upscale_model"


@node(display_name="Load Upscale Model", category="loaders", python_module=MODULE)
def UpscaleModelLoader(
    *, model_name: Annotated[str, Files("upscale_models", multiselect=False)], context: RunContext
) -> UpscaleModel:
    """Open a network that enlarges pictures: ESRGAN, Real-ESRGAN or its compact one.

    Args:
        model_name: A file below the upscale_models folders; a .pth is opened without running anything in it.
    """
    from weft.nodes.diffusion.values.upscale_models import load_upscale_model

    return load_upscale_model(context.folders.find("upscale_models", model_name), device=device_memory(context))


@node(display_name="Upscale Image (using Model)", category="image/upscaling", python_module=MODULE, version=2)
def ImageUpscaleWithModel(*, upscale_model: UpscaleModel, image: Image, context: RunContext) -> Image:
    """Enlarge pictures by the factor that the network was made for, usually 4, in tiles of 512 pixels.

    Args:
        upscale_model: The network.
        image: The pictures.
    """
    return upscale_model.upscale(image, context.progress)
