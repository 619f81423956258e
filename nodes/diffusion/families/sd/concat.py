"""What inpainting, editing and estimating UNets read beside the latent: channels that are concatenated to it.

An inpainting UNet (Rombach et al. 2022, section 4.5) reads a mask, 1 where to paint, and the latent of an image;
instruct-pix2pix (Brooks et al. 2023) the latent of the image to edit, which it was trained on without the scale that
latents have otherwise; Lotus-G (He et al. 2024) that of the picture to look at, scaled. Defaults where the conditioning
says nothing are ComfyUI's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.sd.releases import EDIT, ESTIMATE, INPAINT, PLAIN
from weft.nodes.diffusion.values.pixels import resize

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.latent_format import LatentFormat
    from weft.nodes.diffusion.families.protocol import LatentRun

# A latent pixel of mid-grey, scaled, as the VAE of Stable Diffusion 1.x encodes it.
GREY = (0.8223, -0.6876, 0.6364, 0.1380)


class FedUNet(Protocol):
    """A UNet, as what feeds it sees it: see UNetDenoiser, which is one."""

    inputs: str
    sizes: tuple[str, ...]
    channels: int
    context_width: int
    pooled_width: int | None
    picture_width: int | None
    told_task: bool
    latent_format: LatentFormat
    dtype: torch.dtype


def _nothing(denoiser: FedUNet, options: Mapping[str, Any], run: LatentRun) -> None:
    return None


def _mask_and_image(denoiser: FedUNet, options: Mapping[str, Any], run: LatentRun) -> Tensor:
    """[B,5,h,w]: a rounded mask, and the image's latent.

    The mask is concat_mask, else the latent's own; without any all is to be painted, over grey. The image is
    concat_latent_image, else the latent that the run starts from.
    """
    batch, _, height, width = run.shape
    mask = None if options.get("concat_mask") is None else _checked_mask(options["concat_mask"])
    if mask is None and run.noise_mask is not None:
        mask = resize(_checked_mask(run.noise_mask), width, height, "bilinear")
    if mask is None:
        grey = torch.tensor([1.0, *GREY]).reshape(1, 5, 1, 1)
        return _ready(grey.expand(batch, 5, height, width), denoiser, run)
    image = options.get("concat_latent_image")
    scaled = (
        run.latent
        if image is None
        else denoiser.latent_format.to_network(_checked(image, "concat_latent_image", denoiser))
    )
    if scaled is None:
        raise DiffusionError("an inpainting model with a mask needs a concat_latent_image, and there is none")
    painted, shown = _fitted(mask, run).round(), _fitted(scaled, run)
    return torch.cat([_ready(painted, denoiser, run), _ready(shown, denoiser, run)], dim=1)


def _image(denoiser: FedUNet, options: Mapping[str, Any], run: LatentRun) -> Tensor:
    """[B,4,h,w]: the latent of the image to edit; zeros without one."""
    image = options.get("concat_latent_image")
    if image is None:
        return _ready(torch.zeros(run.shape), denoiser, run)
    return _ready(_fitted(_checked(image, "concat_latent_image", denoiser), run), denoiser, run)


def _seen(denoiser: FedUNet, options: Mapping[str, Any], run: LatentRun) -> Tensor:
    """[B,4,h,w]: the latent of the picture to look at."""
    image = options.get("concat_latent_image")
    if image is None:
        raise DiffusionError(
            "Lotus-G looks at a picture, and there is none; give it with InstructPixToPixConditioning "
            "(Lotus-D takes the latent of the picture in the place of an empty one)"
        )
    seen = denoiser.latent_format.to_network(_checked(image, "concat_latent_image", denoiser))
    return _ready(_fitted(seen, run), denoiser, run)


# By what the UNet reads beside the latent: (denoiser, options of a conditioning, run) -> [B,c,h,w] or None.
CONCATENATIONS: Mapping[str, Callable[[FedUNet, Mapping[str, Any], LatentRun], Tensor | None]] = {
    PLAIN: _nothing,
    INPAINT: _mask_and_image,
    EDIT: _image,
    ESTIMATE: _seen,
}


def _checked(image: Tensor, name: str, denoiser: FedUNet) -> Tensor:
    channels = denoiser.channels
    if not isinstance(image, Tensor) or image.dim() != 4 or image.shape[1] != channels or 0 in image.shape:
        got = list(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise DiffusionError(f"its {name} is {got}, expected a latent [batch, {channels}, height, width]")
    return image.float()


def _checked_mask(mask: Tensor) -> Tensor:
    """A mask of any layout as [m,1,H,W]; of several channels the first."""
    if mask.dim() not in (2, 3, 4) or 0 in mask.shape:
        raise DiffusionError(f"a mask must be [height, width] or [batch, height, width], got {list(mask.shape)}")
    if mask.dim() == 4:
        mask = mask[:, :1]
    return mask.float().reshape(-1, 1, *mask.shape[-2:])


def _fitted(samples: Tensor, run: LatentRun) -> Tensor:
    """[n,c,H,W] at the size and with the batch of the latent: bilinear, the middle cut out, items spread evenly."""
    batch, _, height, width = run.shape
    if samples.shape[-2:] != (height, width):
        samples = resize(samples, width, height, "bilinear", "center")
    items = samples.shape[0]
    if batch < items:
        step = (items - 1) / max(batch - 1, 1)
        return samples[[min(round(i * step), items - 1) for i in range(batch)]]
    return samples[[(2 * i + 1) * items // (2 * batch) for i in range(batch)]]


def _ready(samples: Tensor, denoiser: FedUNet, run: LatentRun) -> Tensor:
    return samples.to(device=run.device, dtype=denoiser.dtype)
