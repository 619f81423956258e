"""What inpainting starts from: images with the masked part greyed, and the masks that go with them.

Semantics: parity/facts.md section 9, held by the goldens vae_inpaint_*, inp_outpaint and inp_inpaintmodelcond*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.masks import resize_mask
from weft.nodes.diffusion.values.vae import Vae

if TYPE_CHECKING:
    from weft.nodes.diffusion.values.latents import Latent


def encode_for_inpaint(vae: Vae, pixels: Tensor, mask: Tensor, grow: int) -> Latent:
    """The latent of an image with the masked part greyed, and the mask grown by `grow` pixels as its noise mask.

    Args:
        pixels: [B,H,W,3] in 0..1; cropped to whole latent cells, as the encoder does.
        mask: [m,h,w], 1 where to paint, of any size; m is 1 or B.

    Returns:
        {"samples": [B,C,h,w], "noise_mask": [m,1,H,W] of 0 and 1, at the size of the cropped image}.

    Raises:
        DiffusionError: no image or mask of this form, or a number of masks that is neither 1 nor B.
    """
    pixels, mask = _crop(vae, pixels, mask)
    return {"samples": vae.encode(_greyed(pixels, mask)), "noise_mask": _grown(mask, grow)}


def inpaint_conditions(vae: Vae, pixels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What an inpainting network is shown: (latent of the image, latent of it greyed, mask [m,1,H,W]).

    Arguments and errors as encode_for_inpaint; the mask is not rounded.
    """
    pixels, mask = _crop(vae, pixels, mask)
    return vae.encode(pixels), vae.encode(_greyed(pixels, mask)), mask


def _crop(vae: Vae, pixels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The image cut to whole cells, and its mask [m,1,H,W] at the same place."""
    if pixels.dim() != 4 or 0 in pixels.shape:
        raise DiffusionError(f"an image is {list(pixels.shape)}, expected [B,H,W,3]")
    batch, height, width, _ = pixels.shape
    mask = resize_mask(mask, height, width)[:, None]
    if mask.shape[0] not in (1, batch):
        raise DiffusionError(f"{mask.shape[0]} masks do not fit {batch} images: expected 1 or {batch}")
    cell = vae.downscale
    top, left = height % cell // 2, width % cell // 2
    rows, columns = slice(top, top + height // cell * cell), slice(left, left + width // cell * cell)
    return pixels[:, rows, columns], mask[:, :, rows, columns].clone()


def _greyed(pixels: Tensor, mask: Tensor) -> Tensor:
    """The image with 0.5 where the mask, rounded, is 1."""
    kept = (1.0 - mask.round()).movedim(1, -1)
    return (pixels - 0.5) * kept + 0.5


def _grown(mask: Tensor, pixels: int) -> Tensor:
    """The rounded mask grown by a square window of `pixels`: half to each side, the odd one to the lower right."""
    if pixels < 0:
        raise DiffusionError(f"a mask cannot be grown by {pixels} pixels")
    height, width = mask.shape[-2:]
    mask = mask.round().clamp(0.0, 1.0)
    if pixels > 1:
        mask = max_pool2d(mask, pixels, stride=1, padding=pixels // 2)
    return torch.as_tensor(mask[..., :height, :width])
