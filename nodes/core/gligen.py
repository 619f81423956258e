"""GLIGEN: what stands where in a picture, said by boxes."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Int
from weft.nodes.core.conditioning import Offset, Prompt, prompts, require
from weft.nodes.core.loaders import place
from weft.nodes.core.types import Clip, Conditioning, Gligen, weights

BoxSide = Annotated[int, Int(default=64, min=8, max=16384, step=8)]


@node(category="loaders")
def GLIGENLoader(*, gligen_name: Annotated[str, weights("gligen")], context: RunContext) -> Gligen:
    """Open a GLIGEN model, which has a UNet draw what boxes say.

    Args:
        gligen_name: A file below the gligen folders.
    """
    from weft.nodes.diffusion.sampling.gligen import load_gligen

    where = place(context)
    return load_gligen(context.folders.find("gligen", gligen_name), device=where.memory, dtype=where.unet)


@node(category="conditioning/gligen", **prompts("text"))
def GLIGENTextBoxApply(
    *,
    conditioning_to: Conditioning,
    clip: Clip,
    gligen_textbox_model: Gligen,
    text: Prompt,
    width: BoxSide,
    height: BoxSide,
    x: Offset,
    y: Offset,
    context: RunContext,
) -> Conditioning:
    """Say what stands in a box of the picture; several in a row say several.

    Args:
        conditioning_to: The prompt, which says everything.
        clip: The text encoders of the checkpoint.
        gligen_textbox_model: The GLIGEN model.
        text: What stands in the box.
        width: Width of the box in pixels.
        height: Height of the box in pixels.
        x: Pixels left of the box.
        y: Pixels above it.
    """
    from weft.nodes.diffusion.sampling.gligen import with_box

    encoders = require(clip, "text encoder")
    return with_box(conditioning_to, gligen_textbox_model, encoders, text, (height, width, y, x), context.warn)
