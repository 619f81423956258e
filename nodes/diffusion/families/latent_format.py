"""Between a latent as nodes know it and one as a network takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor

from weft.nodes.diffusion.eras import changed
from weft.nodes.diffusion.errors import DiffusionError

# How many pixels and frames an element of an empty latent is: keys of a LATENT, by ComfyUI's names.
PIXELS: Final = "downscale_ratio_spacial"
FRAMES: Final = "downscale_ratio_temporal"


@dataclass(frozen=True)
class LatentFormat:
    """network = (latent - mean) / deviation * scale, mean and deviation one number a channel.

    channels: of a latent. pixels: of an image, along one side of an element. frames: of a video, that an element behind
    the first stands for; 0 for latents of pictures [B,C,h,w], which have no axis of time; those of videos are
    [B,C,T,h,w].
    """

    channels: int
    pixels: int
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    frames: int = 0

    def to_network(self, latent: Tensor) -> Tensor:
        """A latent [B,C,h,w] or [B,C,T,h,w] as the network takes it; one of zeros stays as it is where there is a mean.

        Raises:
            DiffusionError: as `shaped`.
        """
        latent = self.shaped(latent)
        if not self.mean:
            return latent * self.scale
        if not latent.any():
            return latent
        return (latent - _channels(self.mean, latent)) * self.scale / _channels(self.deviation, latent)

    def from_network(self, latent: Tensor) -> Tensor:
        """The inverse of to_network."""
        if not self.mean:
            return latent / self.scale
        return latent * _channels(self.deviation, latent) / self.scale + _channels(self.mean, latent)

    def filled(self, latent: Tensor, made: Mapping[str, Any] = MappingProxyType({})) -> Tensor:
        """An empty latent, all zeros, in this format's channels, whichever it was made with; another as it is.

        made: the LATENT that it is of. Where this says how many pixels and frames an element of it is, its sides become
        those of the picture in this format, too, since 0.33.
        """
        if latent.any():
            return latent
        sides = tuple(latent.shape[2:])
        if changed("empty-latents-by-ratio"):
            sides = (*self._times(sides[:-2], made.get(FRAMES)), *self._sides(sides[-2:], made.get(PIXELS)))
        if (latent.shape[1], *sides) == (self.channels, *latent.shape[2:]):
            return latent
        return latent.new_zeros(latent.shape[0], self.channels, *sides)

    def _sides(self, sides: Sequence[int], pixels: int | None) -> Sequence[int]:
        return [max(round(side * pixels / self.pixels), 1) for side in sides] if pixels else sides

    def _times(self, times: Sequence[int], frames: int | None) -> Sequence[int]:
        return [(time - 1) * frames // self.frames + 1 for time in times] if frames and self.frames else times

    def shaped(self, latent: Tensor) -> Tensor:
        """A latent with an axis of time where this format has one: a picture is a video of one frame.

        Raises:
            DiffusionError: another number of channels, or a video for a network of pictures.
        """
        if latent.shape[1] != self.channels:
            raise DiffusionError(f"the latent has {latent.shape[1]} channels, the model takes {self.channels}")
        if self.frames and latent.dim() == 4:
            return latent[:, :, None]
        if latent.dim() != (5 if self.frames else 4):
            raise DiffusionError(f"the latent is {list(latent.shape)}, the model takes pictures: [B,C,h,w]")
        return latent


def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values).to(like).reshape(1, -1, *[1] * (like.dim() - 2))
