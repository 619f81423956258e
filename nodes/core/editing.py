"""What instruct-pix2pix models edit."""

from __future__ import annotations

from typing import Annotated, Any

from weft.engine.schema.authoring import Output, node
from weft.nodes.core.conditioning import require
from weft.nodes.core.types import Conditioning, Image, Latent, Vae


@node(category="conditioning/instructpix2pix", python_module="comfy_extras.nodes_ip2p")
def InstructPixToPixConditioning(
    *, positive: Conditioning, negative: Conditioning, vae: Vae, pixels: Image
) -> tuple[
    Annotated[Conditioning, Output("positive")],
    Annotated[Conditioning, Output("negative")],
    Annotated[Latent, Output("latent")],
]:
    """Show a picture to a model that edits by instruction; the prompt says what to change.

    Args:
        positive: The instruction.
        negative: What should not be in the picture.
        vae: The VAE that encodes the picture.
        pixels: The picture to edit; cropped to multiples of 8 pixels.
    """
    import torch

    image = require(vae, "VAE").encode(pixels)

    def shown(conditioning: list[Any]) -> list[Any]:
        return [[cond, {**options, "concat_latent_image": image}] for cond, options in conditioning]

    return shown(positive), shown(negative), {"samples": torch.zeros_like(image)}
