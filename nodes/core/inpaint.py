"""Inpainting: which part of a latent is sampled, and what the rest is."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import Boolean, Int
from weft.nodes.core.conditioning import require
from weft.nodes.core.types import Conditioning, Image, Latent, Mask, Vae


@node(display_name="VAE Encode (for Inpainting)", category="latent/inpaint")
def VAEEncodeForInpaint(
    *, pixels: Image, vae: Vae, mask: Mask, grow_mask_by: Annotated[int, Int(default=6, min=0, max=64, step=1)]
) -> Latent:
    """Encode pictures with the masked part greyed out, to be painted anew at full denoise.

    Args:
        pixels: The pictures; cropped to multiples of 8 pixels.
        vae: The VAE that encodes them.
        mask: What is painted anew; resized to the pictures.
        grow_mask_by: Pixels by which the sampled part exceeds the mask, so that no seam shows.
    """
    from weft.nodes.diffusion.sampling.inpaint import encode_for_inpaint

    return encode_for_inpaint(require(vae, "VAE"), pixels, mask, grow_mask_by)


@node(display_name="Set Latent Noise Mask", category="latent/inpaint")
def SetLatentNoiseMask(*, samples: Latent, mask: Mask) -> Latent:
    """Confine sampling to a mask: elsewhere the latent stays as it is.

    Args:
        samples: The latents.
        mask: Where to sample; resized to the latents.
    """
    from weft.nodes.diffusion.values.masks import as_masks

    return {**samples, "noise_mask": as_masks(mask)[:, None]}


@node(category="conditioning/inpaint")
def InpaintModelConditioning(
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    pixels: Image,
    mask: Mask,
    noise_mask: Annotated[bool, Boolean(default=True)],
) -> tuple[
    Annotated[Conditioning, Output("positive")],
    Annotated[Conditioning, Output("negative")],
    Annotated[Latent, Output("latent")],
]:
    """Show an inpainting model the picture and the mask. Other models take the latent and leave these out.

    Args:
        positive: What should be in the picture.
        negative: What should not.
        vae: The VAE that encodes the pictures.
        pixels: The pictures; cropped to multiples of 8 pixels.
        mask: What is painted anew; resized to the pictures.
        noise_mask: Also confine sampling to the mask. Better with some models, worse with others.
    """
    from weft.nodes.diffusion.sampling.inpaint import inpaint_conditions
    from weft.nodes.diffusion.text.prompt_mix import with_options

    samples, shown, cropped = inpaint_conditions(require(vae, "VAE"), pixels, mask)
    latent = {"samples": samples, "noise_mask": cropped} if noise_mask else {"samples": samples}
    options = {"concat_latent_image": shown, "concat_mask": cropped}
    return with_options(positive, **options), with_options(negative, **options), latent
