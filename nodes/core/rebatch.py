"""Batches put together anew: nodes that take and give lists."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Int
from weft.nodes.core.types import Image, Latent

BatchSize = Annotated[int, Int(default=1, min=1, max=4096)]


@node(display_name="Rebatch Images", category="image/batch", python_module="comfy_extras.nodes_rebatch")
def RebatchImages(*, images: list[Image], batch_size: BatchSize) -> list[Image]:
    """Put the pictures of all batches of a list into batches of one size.

    Args:
        images: Pictures of one size, in batches of any.
        batch_size: How many pictures each batch has; the last one has what is left.
    """
    from weft.nodes.diffusion.values.batches import rebatch_images

    return rebatch_images(images, batch_size)


@node(display_name="Rebatch Latents", category="latent/batch", python_module="comfy_extras.nodes_rebatch")
def RebatchLatents(*, latents: list[Latent], batch_size: BatchSize) -> list[Latent]:
    """Put the latents of all batches of a list into batches of one size.

    Args:
        latents: Latents in batches; those of another size begin a new batch.
        batch_size: How many latents each batch has; the last one has what is left.
    """
    from weft.nodes.diffusion.values.batches import rebatch_latents

    return rebatch_latents(latents, batch_size)
