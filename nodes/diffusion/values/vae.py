"""The VAE socket: images to latents and back.

An autoencoder as in Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models". Latents here
are those of the node space: what the encoder gives, without the scale that the network expects (LatentFormat).
Numbers as in parity/facts.md section 10, held by the goldens vae_* and parity/units/vae.safetensors.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.finite import finite
from weft.nodes.diffusion.values.pixels import as_pictures
from weft.nodes.diffusion.values.tiling import Report, mean_over_tilings, three_shapes
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import Exported


class Vae:
    """An autoencoder over images [B,H,W,3] in 0..1 and latents [B,C,h,w], of the layout of Stable Diffusion's.

    Args:
        network: diffusers' AutoencoderKL.
    """

    def __init__(self, network: PatchedNetwork) -> None:
        self.network = network

    @property
    def downscale(self) -> int:
        """Pixels along one side of a latent's cell."""
        return 1 << (len(self._config.block_out_channels) - 1)

    @property
    def latent_channels(self) -> int:
        """Channels of a latent."""
        return int(self._config.latent_channels)

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts."""
        return self.network.memory_parts

    def encode(self, pixels: Tensor) -> Tensor:
        """The latent of an image: the mode of the posterior, so without randomness.

        Args:
            pixels: [B,H,W,C] float, 0..1, any device; channels behind the third are left out. What exceeds a multiple
                of `downscale` is cropped, half of it at the upper left.

        Returns:
            [B,C,h,w] float32 on the CPU, unscaled.

        Raises:
            DiffusionError: no image of this form, or one smaller than a cell; NaN or infinity (see finite).
        """
        cropped = self._cropped(pixels)
        encode = self._encoder()
        # Made outside inference_mode, so that nodes may write into it.
        height, width = (side // self.downscale for side in cropped.shape[2:])
        latents = torch.empty(len(cropped), self.latent_channels, height, width)
        # One image at a time: memory for one, and rounding that does not depend on the batch.
        for latent, image in zip(latents, cropped, strict=True):
            latent.copy_(encode(image[None])[0])
        return latents

    def encode_tiled(self, pixels: Tensor, tile: int, overlap: int, report: Report | None = None) -> Tensor:
        """As encode, over tiles of about `tile` x `tile` pixels that share `overlap` pixels: takes less memory.

        Raises DiffusionError also where half a tile is no whole number of cells, or no more than the overlap.
        """
        cropped = self._cropped(pixels)
        cell = self.downscale
        if tile % (2 * cell) or overlap % cell:
            raise DiffusionError(
                f"a tile of {tile} pixels, overlap {overlap}: expected multiples of {2 * cell} and {cell}"
            )
        return mean_over_tilings(cropped, self._encoder(), three_shapes(tile), overlap, Fraction(1, cell), report)

    def decode(self, latent: Tensor) -> Tensor:
        """The image of a latent.

        Args:
            latent: [B,C,h,w] float, unscaled, any device; of [B,C,T,h,w] every frame is a picture.

        Returns:
            [B,H,W,3] or [B*T,H,W,3] float32 on the CPU, clamped to 0..1; a side of an element is `downscale` pixels.

        Raises:
            DiffusionError: no latent of this form; NaN or infinity (see finite).
        """
        pictures = self._pictures(latent)
        decode = self._decoder()
        height, width = (side * self.downscale for side in pictures.shape[2:])
        images = torch.empty(len(pictures), height, width, 3)
        for image, one in zip(images, pictures, strict=True):
            image.copy_(_image(decode(one[None]))[0])
        return images

    def decode_tiled(self, latent: Tensor, tile: int, overlap: int, report: Report | None = None) -> Tensor:
        """As decode, over tiles of about `tile` x `tile` elements that share `overlap` elements: takes less memory."""
        pictures, scale = self._pictures(latent), Fraction(self.downscale)
        return _image(mean_over_tilings(pictures, self._decoder(), three_shapes(tile), overlap, scale, report))

    def exported(self) -> Exported:
        """What a file of it alone holds. Raises DiffusionError where it has no such file."""
        self.check_whole()
        raise DiffusionError("this VAE has no layout of a file of its own")

    def check_whole(self) -> None:
        """Raise DiffusionError where the VAE cannot be written as a file of its own."""
        for half in ("encoder", "decoder"):
            self._half(half)

    def _encoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self._half("encoder"), _encode, "the VAE's encoder")

    def _decoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self._half("decoder"), _decode, "the VAE's decoder")

    def _half(self, name: str) -> Any:
        """The network, if it has this half. Raises DiffusionError for one from a file without it."""
        if getattr(self.network.base, name, name) is None:
            raise DiffusionError(f"this VAE has no {name}: its file holds the other half alone")
        return self.network.module()

    def _cropped(self, pixels: Tensor) -> Tensor:
        """An image as [B,3,H,W], cut to whole cells around its middle. Raises DiffusionError for anything else."""
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
        return pixels[:, top : top + height, left : left + width, :3].movedim(-1, 1)

    def _pictures(self, latent: Tensor) -> Tensor:
        """A latent as a batch of pictures [B,C,h,w]. Raises DiffusionError for anything else."""
        shape = list(latent.shape)
        if len(shape) not in (4, 5) or shape[1] != self.latent_channels or not latent.is_floating_point() or 0 in shape:
            raise DiffusionError(f"a latent is {shape} {latent.dtype}, expected [B,{self.latent_channels},h,w] float")
        return as_pictures(latent)

    @property
    def _config(self) -> Any:
        return self.network.base.config


class PixelVae(Vae):
    """The VAE of models that work on pixels: a latent [B,3,H,W] is the image itself, in -1..1."""

    downscale = 1
    latent_channels = 3

    def __init__(self) -> None:
        super().__init__(PatchedNetwork(nn.Identity()))

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
