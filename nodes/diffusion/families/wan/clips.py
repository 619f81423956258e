"""What Wan is shown of a video that is to be made: its first frames, its last ones, and which these are.

Numbers: the goldens wan_i2v_*, wan_flf_* and wan_ti2v_* (parity_families/facts.md section 7).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.wan import statistics
from weft.nodes.diffusion.families.wan.keymap import FRAMES
from weft.nodes.diffusion.values.latents import Latent
from weft.nodes.diffusion.values.pixels import scale_image
from weft.nodes.diffusion.values.vae import Vae

GREY = 0.5


class KnownFrames(NamedTuple):
    """image: the latent [1,C,T,h,w] of a clip whose unknown frames are grey. mask: [1,c,T,h,w], 0 where it is known."""

    image: Tensor
    mask: Tensor


def video_vae(vae: Vae) -> Vae:
    """The VAE itself. Raises DiffusionError for one of pictures."""
    if not vae.frames:
        raise DiffusionError("this VAE is of pictures: Wan needs the VAE of Wan 2.1 (wan_2.1_vae.safetensors)")
    return vae


def empty(vae: Vae, width: int, height: int, length: int, batch: int, before: int = 0) -> Latent:
    """Latents of clips, all zeros. before: elements in time that stand before the clip."""
    cell = video_vae(vae).downscale
    sizes = before + elements(length), height // cell, width // cell
    return {"samples": torch.zeros(batch, vae.latent_channels, *sizes)}


def followed(vae: Vae, width: int, height: int, length: int, video: Tensor) -> Tensor:
    """The latent [1,C,t,h,w] of a video [n,H,W,C] that a clip follows."""
    return video_vae(vae).encode(fitted(video[:length], width, height))


def elements(length: int) -> int:
    """Elements of a latent in time, for so many frames."""
    return (length - 1) // FRAMES + 1


def begun(vae: Vae, width: int, height: int, length: int, start: Tensor) -> KnownFrames:
    """The first frames of a clip. start: [n,H,W,C]."""
    shown = fitted(start[:length], width, height)
    image = _encoded(vae, shown, width, height, length, None)
    mask = torch.ones(1, 1, *image.shape[2:])
    mask[:, :, : elements(len(shown))] = 0.0
    return KnownFrames(image, mask)


def framed(vae: Vae, width: int, height: int, length: int, start: Tensor | None, end: Tensor | None) -> KnownFrames:
    """The first frames of a clip and its last ones; the mask has a channel for each frame of an element."""
    first = None if start is None else fitted(start[:length], width, height)
    last = None if end is None else fitted(end[-length:], width, height)
    image = _encoded(vae, first, width, height, length, last)
    mask = torch.ones(1, 1, image.shape[2] * FRAMES, *image.shape[3:])
    if first is not None:
        mask[:, :, : len(first) + FRAMES - 1] = 0.0
    if last is not None:
        mask[:, :, -len(last) :] = 0.0
    return KnownFrames(image, mask.reshape(1, image.shape[2], FRAMES, *image.shape[3:]).transpose(1, 2))


def begun_latent(vae: Vae, width: int, height: int, length: int, start: Tensor, batch: int) -> Latent:
    """The latent of a clip whose first frames are known, and where it may change: for Wan 2.2 5B."""
    cell, channels = vae.downscale, vae.latent_channels
    if channels not in statistics.OF_CHANNELS or channels == 16:
        raise DiffusionError(f"this VAE has {channels} channels: the latents are for Wan 2.2 5B, whose VAE has 48")
    shown = vae.encode(fitted(start[:length], width, height))
    samples = torch.zeros(1, channels, elements(length), height // cell, width // cell)
    mask = torch.ones(1, 1, *samples.shape[2:])
    mask[:, :, : shown.shape[2]] = 0.0
    mean, _ = statistics.OF_CHANNELS[channels]
    samples += torch.tensor(mean).reshape(1, -1, 1, 1, 1) * mask
    samples[:, :, : shown.shape[2]] = shown
    return {"samples": samples.repeat(batch, 1, 1, 1, 1), "noise_mask": mask.repeat(batch, 1, 1, 1, 1)}


def fitted(images: Tensor, width: int, height: int) -> Tensor:
    """Pictures [n,H,W,3] at a size, cut to its aspect."""
    return scale_image(images[..., :3], width, height, "bilinear", "center")


def _encoded(vae: Vae, first: Tensor | None, width: int, height: int, length: int, last: Tensor | None) -> Tensor:
    clip = torch.full((length, height, width, 3), GREY)
    if first is not None:
        clip[: len(first)] = first
    if last is not None:
        clip[-len(last) :] = last
    return video_vae(vae).encode(clip)
