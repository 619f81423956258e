"""Wan's transformer as what sampling calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.transformer import TransformerDenoiser
from weft.nodes.diffusion.values.masks import noise_mask_for
from weft.nodes.diffusion.values.pixels import resize

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import LatentRun

# Channels before those of a known picture that say in which frames it is known: one for each frame of an element.
SUBFRAMES = 4
# Frames of a CLIP vision output that image-to-video of 2.1 reads, and their width.
VISION_WIDTH = 1280


class WanDenoiser(TransformerDenoiser):
    """See Denoiser: diffusers' WanTransformer3DModel.

    Reads concat_latent_image, concat_mask and clip_vision_output of a conditioning. A model of 2.2 5B is told how much
    of each frame may change, in the timestep, and sees what is kept without noise.
    """

    @property
    def noises_kept(self) -> bool:
        """See Denoiser."""
        return not self._timed

    @property
    def _timed(self) -> bool:
        return bool(self.config.out_channels == 48)

    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
        """See Denoiser."""
        context = self.checked(context, self.config.text_dim, options)
        added: dict[str, Tensor] = {}
        if self._timed and run.noise_mask is not None:
            whole = noise_mask_for(run.noise_mask, torch.empty(1).expand(run.shape))
            added["changing"] = whole.mean(dim=(1, 3, 4)).expand(-1, run.shape[2]).to(run.device)
        if self.config.image_dim is not None:
            added["image"] = self._seen(options).to(device=run.device, dtype=self.dtype)
        beside = self.config.in_channels - self.config.out_channels
        concat = self._known(options, run) if beside == SUBFRAMES + 16 else None
        if not beside and options.get("concat_latent_image") is not None:
            raise DiffusionError(f"it carries a picture to begin with, which {self.title} does not read: take a model "
                                 "of image-to-video")  # fmt: skip
        return Fed(context, added, concat)

    def _known(self, options: Mapping[str, Any], run: LatentRun) -> Tensor:
        """[b,20,T,h,w]: where frames are known, and the latent of what is known; zeros without one."""
        image, mask = options.get("concat_latent_image"), options.get("concat_mask")
        batch, channels, frames, height, width = run.shape
        if image is None:
            return torch.zeros(batch, SUBFRAMES + channels, frames, height, width, device=run.device, dtype=self.dtype)
        if not isinstance(image, Tensor) or image.dim() != 5 or image.shape[1] != channels:
            got = list(image.shape) if isinstance(image, Tensor) else type(image).__name__
            raise DiffusionError(f"its concat_latent_image is {got}, expected a latent [batch, {channels}, T, h, w]")
        shown = self.latent_format.to_network(image.float())
        known = torch.zeros(1, 1, *shown.shape[2:]) if mask is None else 1.0 - _of_video(mask.float())
        if known.shape[1] == 1:
            known = known.expand(-1, SUBFRAMES, -1, -1, -1)
        parts = [_fitted(part, (frames, height, width), batch) for part in (known, shown)]
        return torch.cat(parts, dim=1).to(device=run.device, dtype=self.dtype)

    def _seen(self, options: Mapping[str, Any]) -> Tensor:
        """The tokens of a picture [b,257,1280]."""
        output = options.get("clip_vision_output")
        if output is None:
            raise DiffusionError(
                f"{self.title} sees its picture through CLIP vision, and there is none: connect a clip_vision_output "
                "(CLIPVisionEncode) to WanImageToVideo"
            )
        tokens: Tensor = output["penultimate_hidden_states"]
        return tokens

    def output(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        """See TransformerDenoiser."""
        if "changing" in added:
            height, width = (side // self.patch for side in x.shape[-2:])
            timestep = (timestep[:, None] * added["changing"]).repeat_interleave(height * width, dim=1)
        output: Tensor = self.network(
            x, timestep, context, encoder_hidden_states_image=added.get("image"), return_dict=False
        )[0]
        return output


def _of_video(mask: Tensor) -> Tensor:
    """A mask as [m,c,T,h,w]."""
    return mask if mask.dim() == 5 else mask.reshape(-1, 1, 1, *mask.shape[-2:])


def _fitted(part: Tensor, sizes: tuple[int, int, int], batch: int) -> Tensor:
    """[b,c,T,h,w] at the sizes of the latent: bilinear, filled up with zeros or cut in time."""
    frames, height, width = sizes
    if part.shape[-2:] != (height, width):
        count, channels, length = part.shape[:3]
        pictures = part.movedim(2, 1).reshape(count * length, channels, *part.shape[-2:])
        pictures = resize(pictures, width, height, "bilinear", "center")
        part = pictures.reshape(count, length, channels, height, width).movedim(1, 2)
    part = part[:, :, :frames]
    if part.shape[2] < frames:
        part = torch.nn.functional.pad(part, (0, 0, 0, 0, 0, frames - part.shape[2]))
    return part if len(part) == batch else part[torch.arange(batch) % len(part)]
