"""What FLUX.1's editing models read beside the latent: channels that are concatenated to it.

Canny and Depth read the latent of a picture of edges or depths; Fill that of the picture with the masked part greyed,
and the mask: 64 channels, one for each of the 8x8 pixels of an element (Black Forest Labs' reference code, and
diffusers' FluxControlPipeline and FluxFillPipeline).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.flux.keymap import PAINTED, PICTURE, PLAIN
from weft.nodes.diffusion.values.masks import resize_mask
from weft.nodes.diffusion.values.pixels import resize, to_batch

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.latent_format import LatentFormat
    from weft.nodes.diffusion.families.protocol import LatentRun


class FedFlux(Protocol):
    """A transformer, as what feeds it sees it; a FluxDenoiser is one."""

    title: str
    dtype: torch.dtype
    latent_format: LatentFormat


def _nothing(denoiser: FedFlux, options: Mapping[str, Any], run: LatentRun) -> None:
    # With a mask it is meant for any model: the noise mask keeps what is not painted.
    if options.get("concat_latent_image") is not None and options.get("concat_mask") is None:
        run.warn(
            f"a prompt carries a picture beside the latent (InstructPixToPixConditioning), which {denoiser.title} does "
            "not read: left out"
        )


def _picture(denoiser: FedFlux, options: Mapping[str, Any], run: LatentRun) -> Tensor:
    """[B,16,h,w]: the latent of a picture."""
    return _shown(denoiser, options, run, "InstructPixToPixConditioning").to(run.device, denoiser.dtype)


def _painted(denoiser: FedFlux, options: Mapping[str, Any], run: LatentRun) -> Tensor:
    """[B,16+64,h,w]: the latent of the greyed picture, and where to paint."""
    shown = _shown(denoiser, options, run, "InpaintModelConditioning")
    mask = options.get("concat_mask")
    if not isinstance(mask, Tensor) or mask.dim() not in (2, 3, 4) or 0 in mask.shape:
        got = "there is none" if mask is None else f"its concat_mask is {getattr(mask, 'shape', type(mask).__name__)}"
        raise DiffusionError(f"{denoiser.title} needs a mask, {got}: connect InpaintModelConditioning")
    cell, (batch, _, height, width) = denoiser.latent_format.pixels, run.shape
    pixels = resize_mask(mask.float().reshape(-1, *mask.shape[-2:]), height * cell, width * cell).round()
    cells = pixels.reshape(-1, height, cell, width, cell).permute(0, 2, 4, 1, 3).reshape(-1, cell**2, height, width)
    return torch.cat([shown, to_batch(cells, batch)], dim=1).to(run.device, denoiser.dtype)


CONCATENATED: Mapping[int, Callable[[FedFlux, Mapping[str, Any], LatentRun], Tensor | None]] = {
    PLAIN: _nothing,
    PICTURE: _picture,
    PAINTED: _painted,
}
"""By the channels that the network reads: (denoiser, options of a conditioning, run) -> [B,c,h,w] or None."""


def _shown(denoiser: FedFlux, options: Mapping[str, Any], run: LatentRun, node: str) -> Tensor:
    """concat_latent_image as the network takes it, at the size and with the batch of the latent."""
    image, (batch, channels, height, width) = options.get("concat_latent_image"), run.shape
    if image is None:
        raise DiffusionError(f"{denoiser.title} reads a picture beside the prompt, and there is none: connect {node}")
    if not isinstance(image, Tensor) or image.dim() != 4 or image.shape[1] != channels or 0 in image.shape:
        got = list(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise DiffusionError(f"its concat_latent_image is {got}, expected a latent [batch, {channels}, h, w]")
    shown = denoiser.latent_format.to_network(image.float())
    if shown.shape[-2:] != (height, width):
        shown = resize(shown, width, height, "bilinear", "center")
    return to_batch(shown, batch)
