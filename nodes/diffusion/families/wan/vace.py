"""What VACE is shown: a video that is kept, changed or followed, where it may be changed, and pictures to go by.

Source: Jiang et al. 2025, "VACE", with the numbers of diffusers' WanVACEPipeline.
"""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad, pixel_unshuffle

from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.wan import statistics
from weft.nodes.diffusion.families.wan.clips import GREY, elements, fitted, video_vae
from weft.nodes.diffusion.values.masks import as_masks
from weft.nodes.diffusion.values.pixels import resize
from weft.nodes.diffusion.values.vae import Vae

WHITE = 1.0


class Vace(TypedDict):
    """One control, among the options of a conditioning.

    frames: [1,2C,T,h,w], latents of what stays and of what changes, those of pictures to go by before the video's.
    mask: [1,cell*cell,T,h,w], 1 where a pixel changes. strength: how much it counts.
    """

    frames: Tensor
    mask: Tensor
    strength: float


def control(
    vae: Vae,
    width: int,
    height: int,
    length: int,
    strength: float,
    video: Tensor | None = None,
    masks: Tensor | None = None,
    references: Tensor | None = None,
) -> Vace:
    """The control of a video.

    Args:
        video: [n,H,W,C]; frames that it lacks are grey. masks: [m,H,W], one mask for all frames or one for each; frames
            without one change wholly. references: [r,H,W,C], each shown in a frame of the latent by itself.
    """
    cell = video_vae(vae).downscale
    shown = torch.full((length, height, width, 3), GREY)
    if video is not None:
        video = fitted(video[:length], width, height)
        shown[: len(video)] = video
    changes = _masks(masks, width, height, length)
    hard = (changes > 0.5).float()[..., None]
    # Of what is left out nothing is seen: grey, the middle of the VAE's range.
    parts = [(shown - GREY) * part + GREY for part in (1.0 - hard, hard)]
    frames = torch.cat([vae.encode(part) for part in parts], dim=1)
    height, width = frames.shape[-2:]
    top, left = ((side % cell) // 2 for side in changes.shape[1:])
    changes = changes[:, top : top + height * cell, left : left + width * cell]
    mask = pixel_unshuffle(changes[:, None], cell).movedim(0, 1)[None]
    mask = interpolate(mask, size=(elements(length), height, width), mode="nearest-exact")
    if references is not None:
        before = torch.cat([_reference(vae, picture, width * cell, height * cell) for picture in references], dim=2)
        frames = torch.cat([before, frames], dim=2)
        mask = pad(mask, (0, 0, 0, 0, before.shape[2], 0))
    return {"frames": frames, "mask": mask, "strength": strength}


def channels(control: Vace, latent_format: LatentFormat) -> Tensor:
    """[1,2C+cell*cell,T,h,w], as the network takes it."""
    halves = control["frames"].chunk(2, dim=1)
    return torch.cat([*(latent_format.to_network(half) for half in halves), control["mask"]], dim=1)


def _masks(masks: Tensor | None, width: int, height: int, length: int) -> Tensor:
    """[length,height,width]: 1 where a pixel changes."""
    if masks is None:
        return torch.ones(length, height, width)
    resized = resize(as_masks(masks).float()[:, None], width, height, "bilinear", "center")[:length, 0]
    if len(resized) == 1:
        return resized.expand(length, -1, -1)
    return pad(resized, (0, 0, 0, 0, 0, length - len(resized)), value=1.0)


def _reference(vae: Vae, picture: Tensor, width: int, height: int) -> Tensor:
    """The latent [1,2C,1,h,w] of a picture [H,W,C], whole on white; as if nothing of it changed."""
    rows, columns = picture.shape[:2]
    scale = min(height / rows, width / columns)
    rows, columns = max(1, int(rows * scale)), max(1, int(columns * scale))
    top, left = (height - rows) // 2, (width - columns) // 2
    canvas = torch.full((1, height, width, 3), WHITE)
    resized = resize(picture[None, ..., :3].movedim(-1, 1), columns, rows, "bilinear").movedim(1, -1)
    canvas[:, top : top + rows, left : left + columns] = resized
    latent = vae.encode(canvas)
    # What the network takes for zeros.
    mean, _ = statistics.OF_CHANNELS[latent.shape[1]]
    nothing = torch.tensor(mean).reshape(1, -1, 1, 1, 1).expand_as(latent)
    return torch.cat([latent, nothing], dim=1)
