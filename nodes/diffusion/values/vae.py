"""The VAE socket: images to latents and back.

An autoencoder as in Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models". Latents here
are those of the node space: what the encoder gives, without the scale that the network expects (LatentFormat).
Numbers as in parity/facts.md section 10, held by the goldens vae_* and parity/units/vae.safetensors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.finite import finite
from weft.nodes.diffusion.interop.vae import VaeNames
from weft.nodes.diffusion.values.pixels import as_pictures
from weft.nodes.diffusion.values.tiling import Axis, Report, mean_over_tilings, over_tilings, scaled, three_shapes
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import Exported


class Vae(VaeNames, ABC):
    """An autoencoder over images [B,H,W,3] in 0..1 and latents [B,C,h,w] or [B,C,T,h,w].

    Args:
        network: its weights, in one network or two halves `encoder` and `decoder`.
        latent_channels: of a latent.
        downscale: pixels along one side of an element.
        frames: of a video, that an element behind the first stands for, as in LatentFormat; 0 for an autoencoder of
            pictures, to which every frame is one.
    """

    # How many numbers are on the device at once for each pixel: six images of the widest layer's 128 channels.
    numbers_of_pixel = 6 * 128
    # Of a picture that it gives, and the most of one that it reads; 4 with an alpha channel.
    pixel_channels = 3
    read_channels = 3

    def __init__(self, network: PatchedNetwork, *, latent_channels: int, downscale: int, frames: int = 0) -> None:
        self.network = network
        self.latent_channels = latent_channels
        self.downscale = downscale
        self.frames = frames

    @abstractmethod
    def _encoder(self) -> Callable[[Tensor], Tensor]:
        """[b,3,H,W] in 0..1 -> [b,C,h,w], unscaled; of videos [b,3,F,H,W] -> [b,C,T,h,w]."""

    @abstractmethod
    def _decoder(self) -> Callable[[Tensor], Tensor]:
        """The inverse: to float32 in about -1..1."""

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts."""
        return self.network.memory_parts

    def encode(self, pixels: Tensor) -> Tensor:
        """The latent of an image: the mode of the posterior, so without randomness.

        Args:
            pixels: [B,H,W,C] float, 0..1, any device; channels behind those that it reads are left out. What exceeds a
                multiple of `downscale` is cropped, half of it at the upper left. Where there are `frames`, B are those
                of one video; what exceeds 1 + a multiple of `frames` is left out at the end.

        Returns:
            [B,C,h,w] float32 on the CPU, unscaled; of a video [1,C,T,h,w].

        Raises:
            DiffusionError: no image of this form, or one smaller than a cell; NaN or infinity (see finite).
        """
        cropped = self._cropped(pixels)
        self._make_room(cropped.shape[-2] * cropped.shape[-1])
        encode = self._encoder()
        # Made outside inference_mode, so that nodes may write into it.
        height, width = (side // self.downscale for side in cropped.shape[-2:])
        times = [(cropped.shape[2] - 1) // self.frames + 1] if self.frames else []
        latents = torch.empty(len(cropped), self.latent_channels, *times, height, width)
        # One image or video at a time: memory for one, and rounding that does not depend on the batch.
        for latent, image in zip(latents, cropped, strict=True):
            latent.copy_(encode(image[None])[0])
        return latents

    def encode_tiled(
        self,
        pixels: Tensor,
        tile_x: int = 512,
        tile_y: int = 512,
        overlap: int = 64,
        tile_t: int | None = None,
        overlap_t: int | None = None,
        *,
        report: Report | None = None,
    ) -> Tensor:
        """As encode, over tiles of about tile_x x tile_y pixels that share `overlap` pixels: takes less memory.

        tile_t, overlap_t: of a video, in frames; without them all frames are encoded together.

        Raises DiffusionError also where half a tile is no whole number of cells, or no more than the overlap.
        """
        cropped = self._cropped(pixels)
        cell = self.downscale
        if tile_x % (2 * cell) or tile_y % (2 * cell) or overlap % cell:
            raise DiffusionError(
                f"a tile of {tile_x}x{tile_y} pixels, overlap {overlap}: expected multiples of {2 * cell} and {cell}"
            )
        if not self.frames:
            tiles = three_shapes((tile_y, tile_x))
            return mean_over_tilings(cropped, self._encoder(), tiles, overlap, Fraction(1, cell), report)
        every, side = self.frames, scaled(Fraction(1, cell))
        time = Axis(lambda count: (count - 1) // every + 1, lambda place: place // every)
        tile, overlaps = (tile_t or cropped.shape[2], tile_y, tile_x), (overlap_t or 0, overlap, overlap)
        return over_tilings(cropped, self._encoder(), [tile], overlaps, (time, side, side), report)

    def decode(self, latent: Tensor) -> Tensor:
        """The image of a latent.

        Args:
            latent: [B,C,h,w] or [B,C,T,h,w] float, unscaled, any device.

        Returns:
            [B,H,W,3] float32 on the CPU, clamped to 0..1; a side of an element is `downscale` pixels. Of [B,C,T,h,w]
            every frame is a picture; where there are `frames`, those behind a video's first stand for so many.

        Raises:
            DiffusionError: no latent of this form; NaN or infinity (see finite).
        """
        latents = self._latents(latent)
        self._make_room(latents.shape[-2] * latents.shape[-1] * self.downscale**2)
        decode = self._decoder()
        height, width = (side * self.downscale for side in latents.shape[-2:])
        times = [(latents.shape[2] - 1) * self.frames + 1] if self.frames else []
        images = torch.empty(len(latents), *times, height, width, self.pixel_channels)
        for image, one in zip(images, latents, strict=True):
            image.copy_(_image(decode(one[None]))[0])
        return images.reshape(-1, height, width, self.pixel_channels)

    def decode_tiled(
        self,
        latent: Tensor,
        tile_x: int = 64,
        tile_y: int = 64,
        overlap: int = 16,
        tile_t: int | None = None,
        overlap_t: int | None = None,
        *,
        report: Report | None = None,
    ) -> Tensor:
        """As decode, over tiles of about tile_x x tile_y elements that share `overlap` elements: takes less memory.

        tile_t, overlap_t: of a video, in elements; without them all are decoded together.
        """
        latents, scale = self._latents(latent), Fraction(self.downscale)
        if not self.frames:
            tiles = three_shapes((tile_y, tile_x))
            return _image(mean_over_tilings(latents, self._decoder(), tiles, overlap, scale, report))
        every, side = self.frames, scaled(scale)
        time = Axis(lambda count: (count - 1) * every + 1, lambda place: place * every)
        tile, overlaps = (tile_t or latents.shape[2], tile_y, tile_x), (overlap_t or 0, overlap, overlap)
        pixels = over_tilings(latents, self._decoder(), [tile], overlaps, (time, side, side), report)
        return _image(pixels).flatten(0, 1)

    def exported(self) -> Exported:
        """What a file of it alone holds. Raises DiffusionError where it has no such file."""
        self.check_whole()
        raise DiffusionError("this VAE has no layout of a file of its own")

    def check_whole(self) -> None:
        """Raise DiffusionError where the VAE cannot be written as a file of its own."""
        for half in ("encoder", "decoder"):
            self._half(half)

    def _make_room(self, pixels: int) -> None:
        """Have other networks leave the device, as far as pictures of so many pixels need the room."""
        if self.network.memory is not None:
            weights = next(self.network.base.parameters())
            self.network.memory.make_room(pixels * self.numbers_of_pixel * weights.dtype.itemsize)

    def _half(self, name: str) -> Any:
        """The network, if it has this half. Raises DiffusionError for one from a file without it."""
        if getattr(self.network.base, name, name) is None:
            raise DiffusionError(f"this VAE has no {name}: its file holds the other half alone")
        return self.network.module(working.RESERVE)

    def _cropped(self, pixels: Tensor) -> Tensor:
        """Images [B,3,H,W], cut to whole cells around their middle, or one video [1,3,F,H,W], to whole elements.

        Raises DiffusionError for anything else.
        """
        cell = self.downscale
        if not isinstance(pixels, Tensor):
            raise DiffusionError(f"an image is a tensor [B,H,W,3], got {type(pixels).__name__}")
        shape = list(pixels.shape)
        if len(shape) != 4 or shape[3] < 3 or not pixels.is_floating_point():
            raise DiffusionError(f"an image is {shape} {pixels.dtype}, expected [B,H,W,3] float")
        if not shape[0] or min(shape[1:3]) < cell:
            raise DiffusionError(f"an image is {shape} (B,H,W,C), expected at least one of {cell}x{cell} pixels")
        height, width = (size // cell * cell for size in shape[1:3])
        top, left = (size % cell // 2 for size in shape[1:3])
        images = pixels[:, top : top + height, left : left + width, : self.read_channels].movedim(-1, 1)
        if not self.frames:
            return images
        return images[: (len(images) - 1) // self.frames * self.frames + 1].movedim(0, 1)[None]

    def _latents(self, latent: Tensor) -> Tensor:
        """A latent as pictures [B,C,h,w], or as videos [B,C,T,h,w]. Raises DiffusionError for anything else."""
        shape = list(latent.shape)
        if len(shape) not in (4, 5) or shape[1] != self.latent_channels or not latent.is_floating_point() or 0 in shape:
            raise DiffusionError(f"a latent is {shape} {latent.dtype}, expected [B,{self.latent_channels},h,w] float")
        if not self.frames:
            return as_pictures(latent)
        return latent if latent.dim() == 5 else latent[:, :, None]


class KLVae(Vae):
    """See Vae. network: diffusers' AutoencoderKL, which several families have."""

    def _encoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self._half("encoder"), _encode, "the VAE's encoder")

    def _decoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self._half("decoder"), _decode, "the VAE's decoder")


class PixelVae(Vae):
    """The VAE of models that work on pixels: a latent [B,3,H,W] is the image itself, in -1..1."""

    def __init__(self) -> None:
        super().__init__(PatchedNetwork(nn.Identity()), latent_channels=3, downscale=1)

    def check_whole(self) -> None:
        """It has no weights."""
        raise DiffusionError("pixel_space is no VAE that can be saved: it has no weights")

    def _encoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self.network.base, lambda _, images: images.float() * 2.0 - 1.0, "pixel_space")

    def _decoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self.network.base, lambda _, latents: latents.float(), "pixel_space")


@torch.inference_mode()
def _encode(module: Any, images: Tensor) -> Tensor:
    """[b,3,H,W] in 0..1 -> [b,C,h,w]: the mode of the posterior."""
    latents: Tensor = module.encode(on_network(images * 2.0 - 1.0, module)).latent_dist.mode()
    return latents


@torch.inference_mode()
def _decode(module: Any, latents: Tensor) -> Tensor:
    """[b,C,h,w] -> [b,3,H,W] float32 in about -1..1."""
    pixels: Tensor = module.decode(on_network(latents, module)).sample
    return pixels.float()


def _image(pixels: Tensor) -> Tensor:
    """[b,3,H,W] in about -1..1 -> [b,H,W,3] in 0..1."""
    return (pixels * 0.5 + 0.5).clamp(0.0, 1.0).movedim(1, -1)


def on_network(tensor: Tensor, module: Any) -> Tensor:
    """The tensor on the device and in the number format of a network, contiguous."""
    weight = next(module.parameters())
    return tensor.to(device=weight.device, dtype=weight.dtype).contiguous()
