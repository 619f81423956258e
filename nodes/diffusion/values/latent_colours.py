"""Latents as small pictures, for whoever watches a sampler: each element a pixel, by a linear map of its channels.

The maps of `_MAPS` are ComfyUI's. Latents of others are shown by what they vary in most: its three main directions are
the colours, so what is where can be seen, and not which colour it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

    from weft.nodes.diffusion.families.latent_format import LatentFormat

_SD = (
    (0.3512, 0.2297, 0.3227),
    (0.3250, 0.4974, 0.2350),
    (-0.2829, 0.1762, 0.2721),
    (-0.2120, -0.2616, -0.7177),
)
_SDXL = (
    (0.3651, 0.4232, 0.4341),
    (-0.2533, -0.0042, 0.1068),
    (0.1076, 0.1111, -0.0362),
    (-0.3165, -0.2492, -0.2188),
)
_MAPS = {
    (4, 0.18215): (_SD, (0.0, 0.0, 0.0)),
    (4, 0.13025): (_SDXL, (0.1084, -0.0175, -0.0011)),
}
"""By channels and scale of a latent format: red, green and blue of each channel, in -1..1, and what is added."""


def picture(denoised: Tensor, latent_format: LatentFormat) -> Image:
    """The first of the batch, the first frame of a video: [B,C,h,w] or [B,C,T,h,w] as the network has it."""
    from PIL import Image

    latent = denoised[0].detach().float().cpu().nan_to_num()
    latent = latent[:, 0] if latent.ndim == 4 else latent
    known = _MAPS.get((latent.shape[0], latent_format.scale)) if not latent_format.mean else None
    if known is not None:
        factors, bias = known
        colours = torch.einsum("chw,cr->hwr", latent, torch.tensor(factors)) + torch.tensor(bias)
    else:
        colours = _main_directions(latent)
    pixels = ((colours.clamp(-1, 1) + 1) * 127.5).round().byte()
    return Image.fromarray(pixels.numpy())


def _main_directions(latent: Tensor) -> Tensor:
    """[C,h,w] -> [h,w,3] in about -1..1."""
    flat = latent.flatten(1).T
    flat = flat - flat.mean(0)
    _, directions = torch.linalg.eigh(flat.T @ flat)
    main = directions[:, -3:].flip(1)
    # An axis has no sign: the largest part points up, so that it does not flip from step to step.
    main = main * main.gather(0, main.abs().argmax(0, keepdim=True)).sign()
    found: Tensor = flat @ main
    if found.shape[1] < 3:
        found = found[:, :1].expand(-1, 3)
    found = found / (2 * found.std().clamp_min(1e-6))
    return found.reshape(*latent.shape[1:], 3)
